/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of a diff at work: words, table, graph, strip, mouse and keyboard.
 *
 * May use: change.js and what it uses, page.js, pointer.js, strip.js, the document. No network, ever.
 * Must stay true: text from the profiles reaches the document through textContent only. */
'use strict';

const FIRST_ROWS = 10;
const HINT = 'Click a box to zoom, \u25b8 opens what is folded. Keys: arrows move, Enter zooms, e opens, ' +
             'Backspace goes back, Escape resets, / searches, n and N step.';

let tree = null;
let boxes = null;
let colors = null;
let stepTo = null; /* followGraph() */
const state = { library: true, imports: true, open: new Set(), focus: 0, back: [], selected: null, hovered: null, search: null, match: -1, row: -1,
                chosen: new Set(), shown: FIRST_ROWS, onPaper: false, painting: 0 };

/* ---- the words at the top ---- */

function showAnswer({ before, after, noise }) {
    const [from, to] = [before.peak_bytes, after.peak_bytes];
    const isNoise = noise && from !== to;
    byId('answer').replaceChildren(
        from === to ? 'The peak did not change: ' : 'The peak ' + (to > from ? 'grew' : 'fell') + ' by ',
        make('strong', from === to ? '' : to > from ? 'up' : 'down',
             from === to ? formatBytes(to) : formatBytes(Math.abs(to - from))),
        from === to ? '.' : (from > 0 ? ' (' + formatGrowth(from, to) + ')' : '') + ', from ' +
            formatBytes(from) + ' to ' + formatBytes(to) + (isNoise ? ': within the noise.' : '.'));
}

function showSides({ before, after, notes }) {
    const line = (word, side) => {
        const [least, most] = side.peak_range;
        return make('tr', '', make('th', '', word), make('td', 'mono', cut(visibleText(side.name), 200)),
            make('td', '', formatBytes(side.peak_bytes) + (side.runs.length > 1
                ? ' (' + side.runs.length + ' runs: ' + formatBytes(least) + ' to ' + formatBytes(most) + ')' : '')),
            make('td', 'mono', cut(visibleText(side.command), 200)),
            make('td', '', joined([side.python && 'Python ' + visibleText(side.python),
                                   visibleText(side.started).replace('T', ' ').replace('Z', ' UTC')])));
    };
    byId('sides').tBodies[0].append(line('before', before), line('after', after));
    byId('alerts').append(...notes.map((text) => make('p', 'alert', cut(visibleText(text), 600))));
}

/* ---- the table ---- */

function makeAmounts(before, after) {
    const change = make('td', 'number change ' + (after > before ? 'up' : after < before ? 'down' : ''),
                        formatChange(before, after));
    return [change, make('td', 'number amount', formatBytes(before)), make('td', 'number amount', formatBytes(after))];
}

function makeRow(line, index) {
    const words = tree.describe(line.frame);
    const place = makeButton('link', cut(line.frame < 0 ? words.label : words.path || words.label, 120), () => {});
    const note = joined([line.noise && 'noise', ['new', 'gone'].includes(line.status) && line.status,
                         words.origin]);
    const range = (side) => side[0] === side[1] ? '' : formatBytes(side[0]) + ' to ' + formatBytes(side[1]);
    const row = make('tr', 'row', ...makeAmounts(line.before, line.after), make('td', 'place', place),
                     make('td', 'code', cut(words.source || (words.path ? words.name : '')),
                          make('span', 'aside', note && '  ' + note)));
    row.title = joined([words.path, words.name, range(line.before_range), range(line.after_range)]);
    row.dataset.index = index;
    return row;
}

function makeSum(className, before, after, ...words) {
    return make('tr', className, ...makeAmounts(before, after), make('td', 'place', ...words),
                make('td', 'empty'));
}

/* The first rows: three, and more while they changed by a thousandth of the larger peak. */
function countFirst({ lines, before, after }) {
    const least = Math.max(before.peak_bytes, after.peak_bytes) / 1000;
    const small = lines.findIndex((line, i) => line.change === 0 || line.noise ||
                                  (i >= 3 && Math.abs(line.change) < least));
    return Math.min(FIRST_ROWS, small < 0 ? lines.length : small);
}

function renderTable() {
    const { lines, other_lines: other, before, after } = tree.data;
    const shown = lines.slice(0, state.shown);
    const left = lines.slice(state.shown);
    const sum = (side) => left.reduce((total, line) => total + line[side], other[side]);
    const rows = shown.map(makeRow);
    const many = left.length + other.count;
    if (many > 0) {
        rows.push(makeSum('rest', sum('before'), sum('after'), 'everything else: ' + formatPlural(many, 'line') + ' ',
                          left.length > 0 && makeButton('link', 'Show more', () => {
                              state.shown += 100;
                              renderTable();
                          })));
    }
    rows.push(makeSum('total', before.peak_bytes, after.peak_bytes, 'the peak'));
    byId('blame').tBodies[0].replaceChildren(...rows);
    markRow();
}

function markRow() {
    for (const row of document.querySelectorAll('#blame .row')) {
        const isChosen = Number(row.dataset.index) === state.row;
        row.classList.toggle('chosen', isChosen);
        row.querySelector('button').setAttribute('aria-pressed', isChosen);
    }
}

/* Shows where the line of a row stands in the graph. */
function choose(index) {
    state.row = index;
    state.chosen = new Set(index >= 0 ? nodesOf(tree, tree.data.lines[index].frame) : []);
    markRow();
    if (index >= 0) {
        const { frame } = tree.data.lines[index];
        const nodes = nodesOf(tree, frame);
        const largest = nodes.reduce((best, node) => tree.bytes[node] > tree.bytes[best] ? node : best, nodes[0] || 0);
        const box = boxes.boxOf.get(largest);
        if (nodes.length > 0 && (!box || box.w < LABEL_LEAST)) {
            zoom(largest);
        }
        say(nodes.length === 0 ? 'Its stacks are folded together.'
            : 'In ' + formatPlural(nodes.length, 'place') + ': ' + tree.describe(frame).label);
    }
    repaint();
}

/* ---- words about a box ---- */

function wordsOf(box) {
    const words = tree.describeNode(box.node);
    if (box.kind === BOX_SMALLER) {
        return { ...words, label: formatCount(box.members) + ' smaller', kind: -1 };
    }
    if (box.node === 0) {
        return { ...words, label: box.kind === BOX_SELF ? 'outside any Python line' : 'Everything', kind: -1 };
    }
    return box.kind === BOX_SELF ? { ...words, label: 'this line itself', kind: -1 } : words;
}

function sentenceOf(box) {
    const { before, after, change, status } = amountsOf(tree, box);
    const words = wordsOf(box);
    return joined([
        change === 0 ? 'no change' : formatChange(0, change),
        before !== null && 'before ' + formatBytes(before) + ', after ' + formatBytes(after),
        ['new', 'gone'].includes(status) && status, cut(words.label, 160),
        box.kind === BOX_NODE && box.node > 0 && joined([words.path, words.name], ' in '),
        box.kind === BOX_NODE && words.origin]);
}

function showCard(box, x, y) {
    const card = byId('card');
    const { before, after, change, status } = amountsOf(tree, box);
    const words = wordsOf(box);
    const isLine = box.node > 0 && box.kind !== BOX_SMALLER;
    const lines = [
        ['source', isLine && words.source ? cut(words.source) : words.label],
        ['', isLine && cut(joined([words.path, words.name], ' in '))],
        ['small', isLine && joined([words.origin, box.kind === BOX_SELF && 'held by this line itself',
                                    KIND_NAMES[tree.describeNode(box.node).kind]])],
    ];
    card.replaceChildren(
        make('div', 'amount', make('b', '', change === 0 ? 'no change' : formatChange(0, change)),
             joined([before === null ? '' : '\u2002' + formatBytes(before) + ' \u2192 ' + formatBytes(after),
                     ['more', 'less'].includes(status) && before !== null ? formatGrowth(before, after)
                         : ['new', 'gone'].includes(status) && status])),
        ...lines.filter((line) => line[1]).map((line) => make('div', ...line)));
    placeCard(x, y);
}

/* ---- drawing ---- */

function look(box) {
    const isNode = box.kind === BOX_NODE;
    return {
        match: isNode && state.search !== null && state.search.marked[box.node] === 1,
        dim: false,
        outline: box === state.selected || box === state.hovered ||
                 (isNode && state.chosen.has(box.node)),
    };
}

function paint() {
    state.painting = 0;
    const height = canvasHeight(boxes, state.onPaper);
    const context = sizeCanvas(byId('canvas'), boxes.width, height);
    paintChange(context, { tree, boxes, colors, fonts, height, look, top: scrolled(), wordsOf });
}

function repaint() {
    state.painting = state.painting || requestAnimationFrame(paint);
}

function relayout() {
    const kept = state.selected && state.selected.node;
    boxes = layoutFlame(tree, state.focus, Math.max(byId('flame').clientWidth, 50));
    state.hovered = null;
    state.selected = kept === null ? null : boxes.boxOf.get(kept) || null;
    byId('flame').style.height = boxes.rows.length * ROW_HEIGHT + 'px';
    byId('canvas').style.top = barHeight() + 'px';
    byId('canvas').style.height = canvasHeight(boxes, state.onPaper) + 'px';
    showStrip();
    repaint();
}

/* Both runs over time, on one axis: before as a dashed line, after as a full one over its area. */
function showStrip() {
    const { before, after } = tree.data;
    const sides = [before, after];
    const has = sides.every((side) => side.timeline !== null && side.timeline.time_s.length > 0);
    byId('time').hidden = false;
    byId('strip').hidden = !has;
    if (!has) {
        byId('time-words').textContent = 'Memory over time is not shown: it was not sampled in both runs.';
        return;
    }
    const height = 54;
    const width = Math.max(50, Math.floor(byId('time').clientWidth));
    const end = Math.max(0.001, ...sides.map((side) => Math.max(side.duration_s || 0, side.peak_time_s || 0,
                                                                side.timeline.time_s[side.timeline.time_s.length - 1])));
    const top = Math.max(1, ...sides.map((side) => side.peak_bytes));
    const context = sizeCanvas(byId('strip'), width, height);
    const y = (bytes) => height - Math.max(1, bytes / top * (height - 6));
    const look = getComputedStyle(document.documentElement);
    sides.forEach((side, which) => {
        const at = columnsOf(side.timeline.time_s, side.timeline.bytes, end, width);
        const peakAt = Math.min(width - 1, Math.floor((side.peak_time_s || 0) / end * width));
        if (typeof side.peak_time_s === 'number') {
            at[peakAt] = Math.max(at[peakAt], side.peak_bytes); /* between two samples, perhaps */
        }
        context.strokeStyle = context.fillStyle =
            look.getPropertyValue(which === 0 ? '--less-line' : '--more-line').trim();
        context.lineWidth = which === 0 ? 1.5 : 2;
        context.setLineDash(which === 0 ? [5, 3] : []);
        context.beginPath();
        let open = false;
        at.forEach((value, x) => {
            if (value >= 0) {
                context[open ? 'lineTo' : 'moveTo'](x + 0.5, y(value));
                open = true;
            }
        });
        context.stroke();
        context.setLineDash([]);
        if (typeof side.peak_time_s === 'number') {
            context.beginPath();
            context.arc(Math.min(width - 4, Math.max(4, peakAt)), y(side.peak_bytes) + 1, 3.5, 0, 7);
            context[which === 0 ? 'stroke' : 'fill']();
        }
    });
    const peak = (word, side) => word + ': ' + formatBytes(side.peak_bytes) +
        (typeof side.peak_time_s === 'number' ? ' at ' + formatDuration(side.peak_time_s) : '');
    const words = [peak('before (dashed)', before), peak('after (full)', after)];
    byId('time-words').replaceChildren(...words.map((text) => make('span', '', text)),
                                       make('span', '', formatDuration(end)));
    byId('strip').setAttribute('aria-label', 'Memory over time. ' + words.join('; '));
}

function setTheme() {
    const isDark = window.matchMedia('(prefers-color-scheme: dark)').matches;
    colors = CHANGES[isDark && !state.onPaper ? 'dark' : 'light'];
}

function usePaper(onPaper) {
    state.onPaper = onPaper;
    hideCard();
    setTheme();
    relayout();
    paint();
}

/* ---- zoom and search ---- */

function showTrail() {
    const step = (node, text) => node === state.focus ? make('span', 'here', text)
        : makeButton('link', text, () => zoom(node));
    const path = [];
    let node = state.focus;
    for (; node !== 0 && path.length < 20; node = tree.parent[node]) {
        path.unshift(make('span', 'sep', '\u203a'), step(node, cut(tree.describeNode(node).label, 60)));
    }
    byId('crumbs').replaceChildren(step(0, 'Everything'), ...(node !== 0 ? [make('span', 'sep', '\u203a \u2026')] : []),
                                   ...path);
    byId('reset').disabled = state.focus === 0 && state.search === null && state.row < 0;
}

function moveTo(node) {
    state.focus = node;
    hideCard();
    relayout();
    showTrail();
    if (document.activeElement === byId('canvas')) {
        state.selected = boxes.boxOf.get(node);
    }
    say('Zoomed to ' + sentenceOf(boxes.boxOf.get(node)));
}

function zoom(node) {
    if (node !== state.focus) {
        state.back.push(state.focus);
        moveTo(node);
    }
}

/* The same place in a tree that is folded otherwise. */
function rebuild() {
    const [focus, ...back] = [state.focus, ...state.back].map((node) => pathOf(tree, node));
    const { library, imports, open } = state;
    tree = buildChange(tree.data, { library, imports, open });
    state.back = back.map((names) => findPath(tree, names));
    state.focus = findPath(tree, focus);
    state.chosen = new Set(state.row >= 0 ? nodesOf(tree, tree.data.lines[state.row].frame) : []);
    state.selected = state.hovered = null;
    hideCard();
    search(byId('search').value);
    relayout();
    showTrail();
    refreshButtons();
}

/* Opens or folds a library call or an import, by its name in links. */
function flip(name) {
    if (!state.open.delete(name)) {
        state.open.add(name);
    }
    rebuild();
}

function makeOptions() {
    const option = (name, text, title) => {
        const button = makeSwitch(text, () => state[name], () => {
            state[name] = !state[name];
            rebuild();
        });
        button.title = title;
        return button;
    };
    byId('options').append(
        make('span', 'small', 'Fold'),
        make('span', 'switch toggles', option('library', 'library calls', 'One box for what a library does in one call of yours'),
             option('imports', 'imports', 'One box for what one import brings in')));
    refreshButtons();
}

function goBack() {
    if (state.back.length > 0) {
        moveTo(state.back.pop());
    }
}

function search(query) {
    const found = findFrames(tree, query);
    state.match = -1;
    state.search = found === null ? null : searchChange(tree, found);
    const { nodes = [], before = 0, after = 0 } = state.search || {};
    const text = found === null ? '' : nodes.length === 0 ? 'no match'
        : formatChange(before, after) + DOT + formatBytes(before) + ' \u2192 ' + formatBytes(after) + ' in ' +
          formatPlural(nodes.length, 'box', 'boxes');
    byId('matched').textContent = text;
    say(text === '' ? HINT : 'Search: ' + text);
    showTrail();
    repaint();
}

function stepMatch(direction) {
    stepTo(state.search === null ? [] : state.search.nodes, direction);
}

function reset() {
    state.back = [];
    byId('search').value = '';
    search('');
    choose(-1);
    moveTo(0);
    say(HINT);
}

/* ---- mouse and keyboard ---- */

function onPageKey(event) {
    const isTyping = event.target === byId('search');
    const actions = isTyping ? {
        Escape: reset, Enter: () => stepMatch(event.shiftKey ? -1 : 1),
    } : {
        Escape: reset, 0: reset, Backspace: goBack, '/': () => byId('search').select(),
        n: () => stepMatch(1), N: () => stepMatch(-1),
    };
    if (!event.ctrlKey && !event.metaKey && !event.altKey) {
        answerKey(event, actions);
    }
}

function startGraph() {
    measureFonts();
    setTheme();
    relayout();
    showTrail();
    say(HINT);
    paint();
    stepTo = followGraph({
        view: state, tree: () => tree, boxes: () => boxes, isGroup: (node) => tree.isGroup(node), flip, zoom,
        sentence: sentenceOf, showCard, repaint,
    });
    document.addEventListener('keydown', onPageKey);
    byId('search').addEventListener('input', (event) => search(event.target.value));
    byId('reset').addEventListener('click', reset);
    byId('blame').addEventListener('click', (event) => {
        const row = event.target.closest('.row');
        if (row) {
            const index = Number(row.dataset.index);
            choose(index === state.row ? -1 : index);
            showTrail();
        }
    });
    window.addEventListener('resize', relayout);
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
        setTheme();
        relayout();
    });
    window.addEventListener('beforeprint', () => usePaper(true));
    window.addEventListener('afterprint', () => usePaper(false));
}

/* For tests: the boxes drawn, in pixels of the graph. */
function layout() {
    return boxes.rows.flat().map((box) => ({
        x: box.x, y: box.row * ROW_HEIGHT, w: box.w, row: box.row, node: box.node, kind: box.kind,
        ...amountsOf(tree, box), label: wordsOf(box).label,
    }));
}

async function main() {
    try {
        tree = buildChange(await readData(), { library: true, imports: true });
        showAnswer(tree.data);
        showSides(tree.data);
        state.shown = countFirst(tree.data);
        byId('main').hidden = false;
        renderTable();
        makeOptions();
        startGraph();
        window.peakline = { data: tree.data, get tree() { return tree; }, state, layout, zoom, search, choose, reset };
    } catch (error) {
        byId('main').hidden = true;
        byId('answer').textContent = 'This diff cannot be shown.';
        byId('ending').append(make('p', 'alert bad', error.message));
        window.peakline = { error };
    }
}

main();
