/* SPDX-License-Identifier: Apache-2.0
 *
 * Words about a box of the report's graph: its label, its sentence in the status line, its card.
 *
 * May use: state.js and what it uses, summary.js, page.js.
 * Must stay true: text from the profile reaches the document through textContent only. */
'use strict';

function isGroup(node) {
    return tree.key[node] >= tree.labels.first;
}

function isBlameBox(node) {
    return now.row !== null && !isGroup(node) && tree.key[node] >= 0 &&
           blame.lineOf[tree.key[node]] === now.row.line;
}

/* label and kind of a node. */
function nodeWords(node) {
    const key = tree.key[node];
    if (key === -1) {
        return { label: MEASURES[state.measure].all, location: '', kind: -1 };
    }
    if (isGroup(node)) {
        const group = tree.labels[key - tree.labels.first];
        const mark = tree.inverted ? '' : tree.mode[node] === MODE_FOLDED ? '\u25b8 ' : '\u25be ';
        return { label: mark + group.text, location: '', kind: group.isImport ? KIND_IMPORT : KIND_LIBRARY };
    }
    const { label, location } = profile.describe(key);
    const kind = key >= 0 ? kinds[key] : KIND_PSEUDO;
    const badge = tree.times[node] > 1 ? '\u00d7' + formatCount(tree.times[node]) + ' ' : '';
    return { label: badge + label, location: label === location ? '' : location,
             kind: kind === KIND_PSEUDO ? -1 : kind };
}

function boxWords(box) {
    const amount = formatBytes(box.bytes);
    if (box.kind !== BOX_NODE) {
        const label = box.kind === BOX_SMALLER ? formatCount(box.members) + ' smaller'
            : box.node === 0 ? 'outside any Python line' : tree.inverted ? 'called by nobody'
                : isGroup(box.node) ? 'the call itself' : 'this line itself';
        return { label, detail: '', amount, kind: -1 };
    }
    const { label, location, kind } = nodeWords(box.node);
    return { label, detail: location, amount, kind };
}

function amounts(box) {
    const zoomed = now.focus !== 0 && box.row > boxes.focusRow &&
        formatShare(box.bytes, tree.bytes[now.focus]) + ' of the zoomed box';
    const chosen = state.measure === 'peak' && box.kind === BOX_NODE && now.paths !== null &&
        formatBytes(now.paths.held(box.node)) + ' for the chosen line';
    return joined([formatShare(box.bytes, total()) + ' ' + MEASURES[state.measure].of, zoomed,
                   formatPlural(box.blocks, 'block'), chosen]);
}

function boxPlace(box) {
    const words = profile.describe(tree.rep[box.node]);
    return cut(joined([words.path, words.name], ' in '));
}

/* How much of a box is of each kind. */
function kindWords(box) {
    if (!profile.hasKinds || state.kind !== '' || box.kind === BOX_SMALLER ||
        (box.kind === BOX_SELF && tree.inverted)) {
        return '';
    }
    const parts = once('kinds of boxes', now.built.weighed.key + state.inverted,
                       () => weighKinds(profile, tree, state.measure));
    return joined(MEMORY_KINDS.map((name, i) => {
        const bytes = parts[i][box.kind === BOX_SELF ? 'self' : 'held'](box.node);
        return bytes > 0 && name + '\u00a0' + formatBytes(bytes);
    }));
}

/* Elements of the card. */
function cardParts(box) {
    const { node } = box;
    const frame = tree.rep[node];
    const words = profile.describe(frame);
    const line = (className, text) => text && make('div', className, text);
    if (box.kind === BOX_SMALLER) {
        return [line('', formatCount(box.members) + ' boxes too narrow to draw one by one'),
                line('small', 'A click zooms to the box above them.')];
    }
    if (frame < 0) {
        return [line('', boxWords(box).label)];
    }
    const self = box.kind === BOX_SELF ? 'held by this line itself, not by what it called'
        : formatBytes(tree.self[node]) + (isGroup(node) ? ' held here' : ' held by this line itself');
    const { column, end_column: ends } = profile.data.frames;
    const around = linesAround(sources().get(profile.fileOf[frame]), words.number,
                               column && [column[frame], ends[frame]]);
    const text = make('div', 'source', ...around.map((row) => make(
        'div', row.here ? 'here' : '', make('span', 'line', String(row.number)), ...makeCode(row.parts, 200))));
    const row = !isGroup(node) && rows.find((some) => some.line === blame.lineOf[frame]);
    const group = isGroup(node) && !tree.inverted && (tree.mode[node] === MODE_FOLDED
        ? 'Folded: \u25b8 or the key e opens it. It begins at' : 'Opened: \u25be or the key e folds it. It begins at');
    return [isGroup(node) && make('div', '', make('b', '', tree.labels[tree.key[node] - tree.labels.first].text)),
            line('small', group), around.length > 0 ? text : line('source', cut(words.source)),
            line('', boxPlace(box)),
            line('small', joined([KIND_NAMES[kinds[frame]], tree.inverted ? '' : self, tree.times[node] > 1 &&
                'up to ' + formatCount(tree.times[node]) + ' times on one stack', row && row.largest > 0 &&
                'largest block ' + largestWords(row), fileNote(words)]))];
}

function showCard(box, x, y) {
    const card = byId('card');
    card.replaceChildren(
        make('div', 'amount', make('b', '', formatBytes(box.bytes)), DOT + amounts(box)),
        make('div', 'small', kindWords(box)), ...cardParts(box).filter((part) => part));
    placeCard(x, y);
}

function boxSentence(box) {
    return joined([formatBytes(box.bytes), amounts(box), cut(boxWords(box).label, 160),
                   box.kind === BOX_NODE && boxPlace(box)]);
}
