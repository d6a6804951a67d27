/* SPDX-License-Identifier: Apache-2.0
 *
 * The page at work: what is looked at, what follows from it, mouse, keyboard and history.
 *
 * May use: all other files, the document.
 * Must stay true: `state` alone says what is shown, and a link or the back button restores it. */
'use strict';

const FIRST_ROWS = 7;
const MORE_ROWS = 100;
const STRIP_HEIGHT = 54; /* as in style.css */
const HINT = 'Click a box to zoom, \u25b8 opens what is folded. Keys: arrows move, Enter zooms, e opens, ' +
             'Backspace goes back, Escape resets, / searches, n and N step, i inverts, s shows the source.';

let profile = null; /* readProfile() */
let kinds = null;   /* of the frames, by the reader's say */
let blame = null;   /* blameStacks() */
let rows = [];      /* of the table */
let tree = null;    /* what is drawn: weighTree() or invertTree() */
let boxes = null;   /* layoutFlame() */
let sources = null; /* collectLines() */
let palette = null;
const state = { ...START };
const now = { /* what follows from it, or is not worth a link */
    focus: 0, selected: null, hovered: null, matches: null, marked: null, hits: [], match: -1, row: null,
    paths: null, onPaper: false, painting: 0, sort: 'bytes', rising: false, shown: FIRST_ROWS, built: {},
};
const backs = [];

/* ---- from the state to all that follows ---- */

/* Makes what `key` says, unless it was made for the same key. */
function once(name, key, build) {
    if (!now.built[name] || now.built[name].key !== key) {
        now.built[name] = { key, value: build() };
    }
    return now.built[name].value;
}

function own() {
    return once('own', state.measure + state.kind, () => weighKind(profile, state.measure, state.kind));
}

function total() {
    return tree.bytes[0];
}

function placeOf(row) {
    const words = profile.describe(row.frame);
    return words.path || words.label;
}

function build() {
    const { mine, measure, inverted } = state;
    state.measure = profile.measures.includes(measure) ? measure : profile.measures[0];
    state.kind = profile.hasKinds && MEMORY_KINDS[state.kind] ? state.kind : '';
    const weight = state.measure + state.kind;
    kinds = once('kinds', mine, () => kindsOfFrames(profile, readMine(mine)));
    blame = once('blame', mine, () => blameStacks(profile, kinds));
    const folds = ['library', 'imports', 'recursion', 'threads', 'processes'].map((name) => state[name]);
    const shape = [mine, folds, state.open].join();
    const grouped = once('grouped', shape, () => groupStacks(profile, kinds, {
        ...state, open: new Set(state.open ? state.open.split('.') : []) }));
    const weighed = once('weighed', shape + weight, () => weighTree(grouped, own()));
    tree = inverted ? once('turned', shape + weight, () => invertTree(weighed)) : weighed;
    rows = once('rows', [mine, weight, now.sort, now.rising].join(), () => sortRows(
        blameRows(profile, blame, state.measure, mine !== '', state.kind), now.sort, now.rising, profile));
    now.focus = findPath(tree, state.path ? state.path.split('.') : []);
    now.selected = now.hovered = null;
    now.row = state.blame === '' ? null : rows.find((row) => placeOf(row) === state.blame) || null;
    now.paths = now.row === null ? null
        : once('paths', [shape, weight, inverted, state.blame].join('\n'),
               () => pathsTo(tree, blame, own(), now.row.line));
    search();
}

/* Changes what is looked at. how: 'push' a step that can be taken back, or 'replace'. */
function go(changes, how = 'push') {
    const before = { ...state };
    Object.assign(state, changes);
    build();
    showAll();
    const link = '#' + writeLink(state);
    if (how === 'push' && Object.keys(START).some((name) => before[name] !== state[name])) {
        backs.push(before);
    }
    try {
        history[how === 'push' ? 'pushState' : 'replaceState']({ ...state }, '', link);
    } catch (error) { /* inside a frame without an address of its own */ }
}

function goBack() {
    if (backs.length > 0) {
        go(backs.pop(), 'replace');
        say(now.focus === 0 ? HINT : 'Zoomed to ' + focusWords());
    }
}

function onHistory(event) {
    Object.assign(state, event.state || readLink(location.hash));
    build();
    showAll();
}

function reset() {
    byId('search').value = '';
    now.selected = null;
    go({ ...START, measure: state.measure, mine: state.mine });
    say(HINT);
}

function showAll() {
    showTable();
    showOptions();
    const isGraph = state.tab === 'graph';
    byId('flame').hidden = !isGraph;
    byId('panel').hidden = isGraph;
    if (byId('search').value.trim() !== state.query.trim()) {
        byId('search').value = state.query;
    }
    showTrail();
    if (isGraph) {
        relayout();
    } else {
        showPanel();
    }
    refreshButtons();
}

/* ---- the table ---- */

function makeCells(bytes, blocks, ...rest) {
    const [value, unit] = splitBytes(bytes);
    const fill = make('span', 'fill');
    fill.style.width = bytes / (total() || 1) * 100 + '%';
    return [make('td', 'number bytes', make('b', '', value), make('span', 'unit', unit)),
            make('td', 'share', make('span', 'percent', formatShare(bytes, total())),
                 make('span', 'track', fill)),
            make('td', 'number blocks', formatCount(blocks)), ...rest];
}

function makeRow(row, index) {
    const words = profile.describe(row.frame);
    const place = makeButton('link', cut(words.location || words.label, 120), () => {});
    place.title = cut(joined([words.file, words.name], ' in '));
    place.isOn = () => row === now.row;
    const code = make('td', 'code', cut(words.source),
                      make('span', 'aside', words.source || !words.location ? '' : cut(words.name),
                           fileNote(words) && '  ' + fileNote(words)));
    code.title = cut(words.source, 2000);
    const line = make('tr', 'row' + (row === now.row ? ' chosen' : ''),
                      ...makeCells(row.bytes, row.blocks, make('td', 'number largest', largestWords(row)),
                                 make('td', 'place', place), code));
    line.dataset.index = index;
    return line;
}

function showTable() {
    const focused = document.activeElement && document.activeElement.closest('#blame .row');
    const shown = rows.length > now.shown + 1 ? now.shown : now.shown + 1;
    const { first, left, other } = cutRows(rows, shown);
    const sum = (column) => left.reduce((all, row) => all + row[column], 0);
    const body = first.map(makeRow);
    if (left.length > 0) {
        body.push(make('tr', 'rest', ...makeCells(
            sum('bytes'), sum('blocks'), make('td', 'largest'), make('td', 'place', formatPlural(left.length, 'more line')),
            make('td', '', makeButton('link', 'Show ' + (left.length > MORE_ROWS ? MORE_ROWS : 'them'), () => {
                now.shown = shown + MORE_ROWS;
                showTable();
            })))));
    }
    body.push(...other.map((row) => makeRow(row, rows.length - 1))); /* it is the last of them */
    byId('blame').tBodies[0].replaceChildren(...body);
    byId('blame').classList.toggle('no-largest', !rows.some((row) => row.largest > 0));
    for (const head of document.querySelectorAll('#blame th[data-sort]')) {
        const isSorted = head.dataset.sort === now.sort;
        head[isSorted ? 'setAttribute' : 'removeAttribute']('aria-sort', now.rising ? 'ascending' : 'descending');
    }
    byId('lines-title').textContent = MEASURES[state.measure].title;
    byId('measure-note').hidden = state.measure === 'peak';
    if (state.measure !== 'peak') {
        const live = profile.values.end ? profile.values.end.bytes.reduce((a, b) => a + b, 0) : 0;
        byId('measure-note').textContent = state.measure === 'end'
            ? formatBytes(total()) + ' were not freed when the record ended: caches, globals, leaks, and what ' +
              'the interpreter does not free at exit.'
            : formatBytes(total()) + ' were allocated in all; ' + formatBytes(Math.max(0, total() - live)) +
              ' of it were temporary: freed again before the end.';
    }
    refreshButtons();
    const again = focused && byId('blame').querySelector('[data-index="' + focused.dataset.index + '"] button');
    if (again) {
        again.focus({ preventScroll: true });
    }
}

function sortTable(column) {
    now.rising = column === now.sort ? !now.rising : column === 'place';
    now.sort = column;
    build();
    showTable();
}

function choose(row) {
    if (row === null || row === now.row) {
        go({ blame: '' });
        return;
    }
    go({ blame: placeOf(row), tab: 'graph' });
    const { common, held, bytes } = now.paths;
    /* Keeps the view when the paths can be seen in it. */
    const seen = (node) => held(node) === bytes && bytes / (tree.bytes[node] || 1) * boxes.width >= 60;
    if (!seen(now.focus)) {
        go({ path: pathOf(tree, seen(0) ? 0 : common).join('.') }, 'replace');
    }
    /* Scrolls only where the largest is out of sight: the table must not go away. */
    let largest = common;
    for (let kid = common; kid !== undefined; kid = tree.kids(kid).find((some) => held(some) > 0)) {
        largest = kid;
        if (isBlameBox(kid)) {
            break;
        }
    }
    showRow(tree.depth[largest]);
    say('Paths to ' + byId('chosen').firstChild.nextSibling.textContent + ': ' + formatBytes(row.bytes));
}

/* ---- controls ---- */

function makeControls() {
    const set = (name, value) => () => go({ [name]: value });
    const option = (name, text, title) => {
        const button = makeSwitch(text, () => state[name], () => go({ [name]: !state[name] }));
        button.title = title;
        return button;
    };
    byId('measures').append(...profile.measures.map((name) =>
        makeSwitch(MEASURES[name].tab, () => state.measure === name, set('measure', name))));
    byId('measures').hidden = profile.measures.length < 2;
    const tabs = [['graph', 'Flame graph'], ['source', 'Source'], ['processes', 'Processes'], ['code', 'Whose code']]
        .filter(([name]) => name !== 'processes' || (profile.data.processes || []).length > 1);
    byId('tabs').append(...tabs.map(([name, text]) =>
        makeSwitch(text, () => state.tab === name, set('tab', name))));
    const has = (kind) => profile.data.functions.kind.includes(kind);
    byId('options').append(
        make('span', 'switch', makeSwitch('Top down', () => !state.inverted, set('inverted', false)),
             makeSwitch('Inverted', () => state.inverted, set('inverted', true))),
        make('span', 'small', 'Fold'),
        make('span', 'switch toggles', option('library', 'library calls', 'One box for what a library does in one call of yours'),
             option('imports', 'imports', 'One box for what one import brings in'),
             option('recursion', 'recursion', 'One box for a line that calls itself')));
    const apart = [has(FUNCTION_THREAD) && option('threads', 'threads', 'A box for the threads that a line started'),
                   has(FUNCTION_PROCESS) && option('processes', 'processes', 'A box for each process')]
        .filter((button) => button);
    if (apart.length > 0) {
        byId('options').append(make('span', 'small', 'Keep apart'), make('span', 'switch toggles', ...apart));
    }
    if (profile.hasKinds) {
        byId('options').append(make('span', 'switch', ...['All memory', ...MEMORY_KINDS].map((text, i) => {
            const kind = i === 0 ? '' : String(i - 1);
            return makeSwitch(text, () => state.kind === kind, set('kind', kind));
        })));
    }
    byId('take').append(
        'Copy as ', makeButton('link', 'text', () => copyTable(tableText)), ' or ',
        makeButton('link', 'Markdown', () => copyTable(tableMarkdown)), DOT,
        makeButton('link', 'Download JSON', () => downloadText(
            'peakline.json', JSON.stringify(toDocument(profile.data)))));
}

function copyTable(write) {
    copyText(write(profile, rows, total(), byId('answer').textContent.replace(/\u00a0/g, ' ')));
    say('Copied ' + formatPlural(Math.min(rows.length, 30), 'line') + '.');
}

function showOptions() {
    byId('options').hidden = byId('trail').hidden = state.tab !== 'graph';
    byId('reset').disabled = !Object.keys(START).some(
        (name) => !['measure', 'mine'].includes(name) && state[name] !== START[name]);
}

function showTrail() {
    const separate = (text) => make('span', 'sep', text);
    const step = (node, text) => node === now.focus ? make('span', 'here', text)
        : makeButton('link', text, () => zoom(node));
    const path = [];
    let node = now.focus;
    for (; node !== 0 && path.length < 10; node = tree.parent[node]) {
        path.unshift(separate('\u203a'), step(node, cut(nodeWords(node).label, 60)));
    }
    byId('crumbs').replaceChildren(
        step(0, 'Everything'), ...(node !== 0 ? [separate('\u203a \u2026')] : []), ...path);
    if (now.focus !== 0) {
        byId('crumbs').append(separate(focusWords()));
        if (tree.rep[now.focus] >= 0 && profile.describe(tree.rep[now.focus]).number > 0) {
            byId('crumbs').append(makeButton('link', 'Source', () => showSource(tree.rep[now.focus])));
        }
    }
    byId('chosen').hidden = now.row === null;
    if (now.row !== null) {
        const words = profile.describe(now.row.frame);
        const folded = now.row.bytes - now.paths.bytes;
        byId('chosen').replaceChildren(
            'Paths to ', make('b', '', cut(words.location || words.label, 100)), ': ' + joined([
                formatBytes(now.row.bytes), formatShare(now.row.bytes, total()),
                folded > 0 && formatBytes(folded) + ' in stacks folded together']) + ' \u2002',
            makeButton('link', 'Zoom', () => zoom(now.paths.common)),
            ...(words.number > 0 ? [makeButton('link', 'Source', () => showSource(now.row.frame))] : []),
            makeButton('link', 'Clear', () => choose(null)));
    }
}

function focusWords() {
    return joined([formatBytes(tree.bytes[now.focus]), formatShare(tree.bytes[now.focus], total())]);
}

/* ---- the panels beside the graph ---- */

function showPanel() {
    const makers = { source: makeSource, processes: () => makeProcesses(profile.data), code: makeModules };
    byId('panel').replaceChildren((makers[state.tab] || makeModules)());
    byId('panel').style.minHeight = window.innerHeight - barHeight() + 'px';
    const here = byId('panel').querySelector('.here');
    if (here) {
        here.scrollIntoView({ block: 'center' });
    }
    say({ source: 'Bytes are what a line and all it called hold. Choose a line number to find it in the graph.',
          code: 'Choose whose code is whose: table and graph follow.' }[state.tab] || '');
}

function showSource(frame) {
    const words = profile.describe(frame);
    go({ tab: 'source', file: words.path });
}

function makeSource() {
    const weighed = once('lines', [state.mine, state.measure, state.kind].join(), () => weighLines(profile, blame, own()));
    sources = sources || collectLines(profile);
    const most = (lines) => Math.max(0, ...Array.from(lines.values(), (line) => line.bytes));
    const files = once('files', [state.mine, state.measure, state.kind].join(), () => Array.from(weighed.keys())
        .map((file) => ({ file, bytes: most(weighed.get(file)), kind: kinds[weighed.get(file).values().next().value.frame] }))
        .sort((a, b) => Math.min(a.kind, 1) - Math.min(b.kind, 1) || b.bytes - a.bytes).slice(0, 1000));
    const wanted = /^(.*?)(?::(\d+))?$/.exec(state.file);
    const chosen = (files.find(({ file }) => profile.paths[file] === wanted[1]) || files[0] || { file: -1 }).file;
    if (chosen < 0) {
        return make('p', '', 'No source file is involved.');
    }
    const pick = make('select', '', ...files.map(({ file, bytes }) => {
        const item = make('option', '', cut(profile.paths[file], 100) + DOT + formatBytes(bytes));
        item.value = profile.paths[file];
        item.selected = file === chosen;
        return item;
    }));
    pick.setAttribute('aria-label', 'File');
    pick.addEventListener('change', () => go({ file: pick.value }));
    const lines = sources.get(chosen) || new Map();
    const parts = once('parts', '', () => collectParts(profile)).get(chosen);
    const list = listFile(lines, weighed.get(chosen), parts).map((row) => {
        if (row.gap) {
            return make('tr', 'gap', make('td', ''), make('td', ''), make('td', '', '\u22ee'));
        }
        const share = row.bytes > 0 ? row.bytes / total() : 0;
        const number = row.bytes > 0
            ? makeButton('link', String(row.number), () => openLine(chosen, row)) : String(row.number);
        const line = make('tr', row.number === Number(wanted[2]) ? 'here' : '',
                          make('td', 'number', row.bytes > 0 ? formatBytes(row.bytes) : ''),
                          make('td', 'number', number),
                          make('td', 'code', ...makeCode(row.parts, 600)));
        line.firstChild.style.background = share > 0 ? palette.ramp[rampStep(row.bytes, total())] : '';
        line.firstChild.style.color = share > 0 ? palette.text : '';
        return line;
    });
    const words = profile.describe(weighed.get(chosen).values().next().value.frame);
    return make('div', '', make('p', 'small', pick, ' ', fileNote(words)), make(
        'div', 'scroll', make('table', 'listing', make('tbody', '', ...list))));
}

/* From a line of a listing to its row in the table, or, without one, to its boxes in the graph. */
function openLine(file, line) {
    const row = rows.find((some) => some.line === line.line);
    if (row && row !== now.row) {
        choose(row);
    } else {
        go({ tab: 'graph', query: profile.paths[file] + ':' + line.number });
    }
    byId('bar').scrollIntoView({ block: 'nearest' });
}

function makeModules() {
    const { data: { files }, modules } = profile;
    const held = new Map();
    profile.frame.forEach((frame, i) => {
        if (frame >= 0) {
            const name = modules[profile.fileOf[frame]];
            held.set(name, (held.get(name) || 0) + own().bytes[i]);
        }
    });
    const ofName = new Map();
    files.kind.forEach((kind, file) => kind !== KIND_PSEUDO && kind !== KIND_IMPORT && ofName.set(modules[file], kind));
    const mine = readMine(state.mine);
    const list = Array.from(ofName).sort((a, b) => (held.get(b[0]) || 0) - (held.get(a[0]) || 0)).slice(0, 300);
    const lines = list.map(([name, kind]) => {
        const box = make('input', '');
        box.type = 'checkbox';
        box.checked = mine.has(name) ? mine.get(name) : kind === KIND_USER;
        box.addEventListener('change', () => {
            mine.delete(name);
            if (box.checked !== (kind === KIND_USER)) {
                mine.set(name, box.checked);
            }
            go({ mine: writeMine(mine), blame: '', path: '', open: '' });
        });
        return make('tr', '', make('td', '', make('label', '', box, ' ' + cut(visibleText(name), 100))),
                    make('td', 'number', formatBytes(held.get(name) || 0)), make('td', '', KIND_NAMES[kind]));
    });
    return make('div', '', make('p', 'small', 'Ticked is your own code: its lines are blamed and shown one by one. What is ' +
        'not ticked is folded into the call that leads there. Bytes are those its own lines allocated.'),
                make('table', 'plain', make('tbody', '', ...lines)));
}

/* A line of source, the part underlined that its stacks came from. */
function makeCode([before, inside, behind = ''], most) {
    return [cut(before, most) || (inside ? '' : ' '), inside && make('u', '', cut(inside, most)), cut(behind, most)];
}

/* ---- words about a box ---- */

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
    const churn = state.measure === 'peak' && box.kind === BOX_NODE && now.paths !== null &&
        formatBytes(now.paths.held(box.node)) + ' for the chosen line';
    return joined([formatShare(box.bytes, total()) + ' ' + MEASURES[state.measure].of, zoomed,
                   formatPlural(box.blocks, 'block'), churn]);
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
    sources = sources || collectLines(profile);
    const { column, end_column: ends } = profile.data.frames;
    const around = linesAround(sources.get(profile.fileOf[frame]), words.number,
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

/* ---- drawing ---- */

function look(box) {
    const { paths, marked } = now;
    const isNode = box.kind === BOX_NODE;
    const onPath = paths !== null && (isNode ? paths.held(box.node) > 0
        : box.kind === BOX_SELF && !tree.inverted && paths.share[box.node] > 0);
    return {
        match: isNode && marked !== null && marked(box.node),
        dim: paths !== null && !onPath,
        outline: box === now.selected || box === now.hovered || (isNode && onPath && isBlameBox(box.node)),
        grey: !isNode || tree.key[box.node] <= FRAME_FOLDED,
    };
}

function canvasHeight() {
    const all = boxes.rows.length * ROW_HEIGHT;
    const room = now.onPaper ? 60 * ROW_HEIGHT : window.innerHeight - barHeight();
    return Math.max(ROW_HEIGHT, Math.min(all, room));
}

function paint() {
    now.painting = 0;
    if (state.tab === 'graph') {
        const height = canvasHeight();
        const context = sizeCanvas(byId('canvas'), boxes.width, height);
        paintFlame(context, { boxes, palette, fonts, height, look, peak: total(), top: scrolled(),
                              describe: boxWords });
    }
}

function repaint() {
    now.painting = now.painting || requestAnimationFrame(paint);
}

function relayout() {
    const canvas = byId('canvas');
    const kept = now.selected && now.selected.node;
    boxes = layoutFlame(tree, now.focus, Math.max(byId('flame').clientWidth, 50));
    now.hovered = null;
    now.selected = kept === null ? null : boxes.boxOf.get(kept) || null;
    /* Never so short that the window has to scroll: the box under the mouse stays there. */
    const room = window.innerHeight - byId('status').offsetHeight -
                 byId('flame').getBoundingClientRect().top;
    byId('flame').style.height = Math.max(boxes.rows.length * ROW_HEIGHT, room) + 'px';
    canvas.style.top = barHeight() + 'px';
    canvas.style.height = canvasHeight() + 'px';
    repaint();
}

function showTime() {
    const { timeline, peak, run } = profile.data;
    const has = timeline && timeline.time_s.length > 1;
    const words = ['Memory over time was not sampled.'];
    byId('strip').hidden = !has;
    if (has) {
        const width = Math.max(byId('time').clientWidth, 50);
        const strip = layoutStrip(timeline, peak, run.duration_s, width);
        const style = getComputedStyle(document.documentElement);
        const color = (name) => style.getPropertyValue(name).trim();
        paintStrip(sizeCanvas(byId('strip'), width, STRIP_HEIGHT), strip,
                   { area: color('--fill'), line: color('--muted'), mark: color('--text') }, width, STRIP_HEIGHT);
        words.splice(0, 1, '0 s', joined(['filled: held', 'line: resident size', 'highest ' + formatBytes(strip.top),
            typeof peak.time_s === 'number' && 'mark: the peak, at ' + formatDuration(peak.time_s)]),
                     formatDuration(strip.end));
        byId('strip').setAttribute('aria-label', 'Memory over time, 0 to ' + words[2] + '; ' + words[1]);
    }
    byId('time-words').replaceChildren(...words.map((text) => make('span', '', text)));
}

function setTheme() {
    const isDark = window.matchMedia('(prefers-color-scheme: dark)').matches;
    palette = makePalette(isDark && !now.onPaper ? 'dark' : 'light');
}

function usePaper(onPaper) {
    now.onPaper = onPaper;
    hideCard();
    setTheme();
    showAll();
    showTime();
    paint();
}

/* ---- zoom, open, search ---- */

function zoom(node) {
    if (node !== now.focus) {
        hideCard();
        const isFocused = document.activeElement === byId('canvas');
        go({ path: pathOf(tree, node).join('.'), tab: 'graph' });
        const box = boxes.boxOf.get(now.focus);
        now.selected = isFocused ? box : null;
        say('Zoomed to ' + boxSentence(box));
    }
}

function zoomBox(box) {
    if (box !== null) {
        zoom(box.kind === BOX_SMALLER ? tree.parent[box.node] : box.node);
    }
}

/* Opens or folds a library call or an import. */
function toggle(box) {
    if (box !== null && box.kind === BOX_NODE && isGroup(box.node) && !tree.inverted) {
        const name = hashNode(tree, box.node);
        const open = new Set(state.open ? state.open.split('.') : []);
        if (!open.delete(name)) {
            open.add(name);
        }
        const wanted = pathOf(tree, box.node);
        go({ open: Array.from(open).join('.') });
        select(boxes.boxOf.get(findPath(tree, wanted)));
    }
}

function search() {
    let text = '';
    let found = null;
    const { query } = state;
    now.match = -1;
    now.hits = [];
    now.marked = null;
    try {
        found = once('found', query, () => matchFrames(profile, query));
    } catch (error) {
        text = error.message;
    }
    if (found !== null) {
        const bytes = searchStacks(profile, found, own());
        const upright = tree.upright || tree;
        const nodes = new Uint8Array(upright.count);
        profile.frame.forEach((frame, i) => {
            if (frame >= 0 && found[frame]) {
                nodes[upright.of[i]] = 1;
            }
        });
        const keys = new Set();
        nodes.forEach((is, node) => is && keys.add(upright.key[node]));
        now.marked = tree.inverted ? (node) => keys.has(tree.key[node]) : (node) => nodes[node] === 1;
        for (let node = 1; node < tree.count; node++) {
            if (now.marked(node) && tree.bytes[node] > 0) {
                now.hits.push(node);
            }
        }
        text = bytes === 0 ? 'no match' : formatBytes(bytes) + DOT + formatShare(bytes, total()) +
            (tree.inverted ? '' : ' in ' + formatPlural(now.hits.length, 'box', 'boxes'));
    }
    byId('matched').textContent = text;
    return text;
}

function onSearch(query) {
    go({ query, tab: 'graph' }, 'replace');
    say(query.trim() === '' ? HINT : 'Search: ' + byId('matched').textContent);
}

function stepMatch(direction) {
    const { hits } = now;
    if (hits.length > 0) {
        const match = (Math.max(now.match, direction < 0 ? 0 : -1) + direction + hits.length) % hits.length;
        const node = hits[match];
        const box = boxes.boxOf.get(node);
        if (!box || box.w < LABEL_LEAST || box.row < boxes.focusRow) {
            zoom(node);
        }
        now.match = match;
        select(boxes.boxOf.get(node));
        say('Match ' + (match + 1) + ' of ' + hits.length + ': ' + boxSentence(now.selected));
    }
}

/* ---- mouse and keyboard ---- */

function select(box) {
    if (box) {
        now.selected = box;
        now.hovered = null;
        showRow(box.row);
        say(boxSentence(box));
        const area = byId('flame').getBoundingClientRect();
        showCard(box, area.left + box.x + Math.min(box.w / 2, 60),
                 area.top + (box.row + 0.5) * ROW_HEIGHT);
        repaint();
    }
}

function onHover(event) {
    const box = boxUnder(boxes, event);
    if (box !== now.hovered) {
        now.hovered = box;
        repaint();
    }
    if (box === null) {
        hideCard();
    } else {
        showCard(box, event.clientX, event.clientY);
    }
}

function onLeave() {
    now.hovered = null;
    hideCard();
    repaint();
}

function onCanvasClick(event) {
    const box = boxUnder(boxes, event);
    const x = event.clientX - byId('canvas').getBoundingClientRect().left;
    if (box !== null && box.kind === BOX_NODE && isGroup(box.node) && x - box.x < 22) {
        toggle(box);
    } else {
        zoomBox(box);
    }
    onHover(event);
}

function onCanvasKey(event) {
    const box = now.selected;
    const start = boxes.boxOf.get(now.focus);
    const actions = {
        ArrowDown: () => select(box ? box.below : start),
        ArrowUp: () => select(box ? box.above : start),
        ArrowLeft: () => select(box ? boxes.rows[box.row][box.at - 1] : start),
        ArrowRight: () => select(box ? boxes.rows[box.row][box.at + 1] : start),
        Enter: () => zoomBox(box),
        ' ': () => zoomBox(box),
        e: () => toggle(box),
    };
    if (actions[event.key]) {
        actions[event.key]();
        event.preventDefault();
    }
}

function onPageKey(event) {
    const field = byId('search');
    const focused = now.selected ? tree.rep[now.selected.node] : now.row ? now.row.frame : -1;
    const measure = (index) => () => profile.measures[index] && go({ measure: profile.measures[index] });
    const actions = event.target === field ? {
        Escape: () => {
            reset();
            byId('canvas').focus({ preventScroll: true });
        },
        Enter: () => stepMatch(event.shiftKey ? -1 : 1),
    } : event.target.tagName === 'SELECT' ? {} : {
        Escape: reset,
        0: reset,
        Backspace: goBack,
        '/': () => field.select(),
        n: () => stepMatch(1),
        N: () => stepMatch(-1),
        i: () => go({ inverted: !state.inverted }),
        l: () => go({ library: !state.library }),
        r: () => go({ recursion: !state.recursion }),
        g: () => go({ tab: 'graph' }),
        s: () => focused >= 0 ? showSource(focused) : go({ tab: 'source' }),
        1: measure(0), 2: measure(1), 3: measure(2),
    };
    if (actions[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
        actions[event.key]();
        event.preventDefault();
    }
}

function startTable() {
    for (const button of document.querySelectorAll('#blame th button')) {
        button.addEventListener('click', () => sortTable(button.parentElement.dataset.sort));
    }
    byId('blame').addEventListener('click', (event) => {
        const line = event.target.closest('.row');
        if (line) {
            choose(rows[Number(line.dataset.index)]);
        }
    });
}

function startGraph() {
    const canvas = byId('canvas');
    measureFonts();
    canvas.addEventListener('mousemove', onHover);
    canvas.addEventListener('mouseleave', onLeave);
    canvas.addEventListener('click', onCanvasClick);
    canvas.addEventListener('keydown', onCanvasKey);
    canvas.addEventListener('blur', () => {
        now.selected = null;
        onLeave();
    });
    document.addEventListener('keydown', onPageKey);
    byId('search').addEventListener('input', (event) => onSearch(event.target.value));
    byId('reset').addEventListener('click', reset);
    window.addEventListener('popstate', onHistory);
    window.addEventListener('scroll', () => {
        if (now.hovered !== null) {
            onLeave();
        }
        repaint();
    }, { passive: true });
    const observer = new ResizeObserver(() => {
        if (!now.onPaper && state.tab === 'graph' && (boxes.width !== byId('flame').clientWidth ||
            byId('canvas').style.top !== barHeight() + 'px')) {
            relayout();
        }
    });
    observer.observe(byId('flame'));
    observer.observe(byId('bar'));
    window.addEventListener('resize', () => {
        showTime();
        relayout();
    });
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
        setTheme();
        showTime();
        showAll();
    });
    window.addEventListener('beforeprint', () => usePaper(true));
    window.addEventListener('afterprint', () => usePaper(false));
}

/* For tests: the boxes drawn, in pixels of the canvas; with `all`, also those scrolled away. */
function layout(all) {
    const top = all ? 0 : scrolled();
    return boxes.rows.flat().map((box) => ({
        x: box.x, y: box.row * ROW_HEIGHT - top, w: box.w, h: ROW_HEIGHT, row: box.row,
        node: box.node, above: box.above === null ? -1 : box.above.node, kind: box.kind, bytes: box.bytes,
        label: boxWords(box).label,
    })).filter((box) => all || (box.y > -ROW_HEIGHT && box.y < canvasHeight()));
}

async function main() {
    try {
        const data = await readData();
        profile = readProfile(data);
        Object.assign(state, readLink(location.hash));
        setTheme();
        build();
        showRun(data);
        showAnswer(profile, blameRows(profile, blame, 'peak', state.mine !== ''));
        showAlerts(profile);
        showMaps(data);
        byId('main').hidden = false;
        makeControls();
        showTime();
        startTable();
        startGraph();
        showAll();
        say(HINT);
        paint();
        window.peakline = { data, profile, state, now, layout, go, zoom, choose, reset, search: onSearch,
                            get tree() { return tree; }, get rows() { return rows; } };
    } catch (error) {
        byId('main').hidden = true;
        byId('answer').textContent = 'This report cannot be shown.';
        byId('ending').append(make('p', 'alert bad', error.message));
        window.peakline = { error };
    }
}

main();
