/* SPDX-License-Identifier: Apache-2.0
 *
 * The page: puts the words, the table and the graph on the screen, answers mouse and keyboard.
 *
 * May use: data.js and flame.js, the document. No network, ever.
 * Must stay true: text from the profile reaches the document through textContent only. */
'use strict';

const FIRST_ROWS = 8;
const MORE_ROWS = 100;
const DOT = ' \u00b7 ';
const HINT = 'Click a box to zoom. Keys: arrows move, Enter zooms, Backspace goes back, ' +
             'Escape resets, / searches, n and N step through the matches.';

const byId = (id) => document.getElementById(id);
const cut = (text, most = 400) => text.length > most ? text.slice(0, most) + '\u2026' : text;
const joined = (parts, glue = DOT) => parts.filter((part) => part).join(glue);

/* An element with a class and children; strings become text, never markup. */
function make(tag, className, ...children) {
    const element = document.createElement(tag);
    element.className = className;
    element.append(...children.filter((child) => child));
    return element;
}

function makeButton(className, text, act) {
    const button = make('button', className, text);
    button.type = 'button';
    button.addEventListener('click', act);
    return button;
}

async function readData() {
    const holder = byId('peakline-data');
    if (holder === null) {
        throw damaged('it holds no data.');
    }
    if (holder.dataset.encoding !== 'gzip+base64') {
        return JSON.parse(holder.textContent);
    }
    if (typeof DecompressionStream === 'undefined') {
        throw new Error('This browser is too old to unpack the report.');
    }
    const packed = Uint8Array.from(atob(holder.textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    return JSON.parse(await new Response(stream).text());
}

let model = null;   /* see buildModel() */
let boxes = null;   /* what is drawn: see layoutFlame() */
let palette = null;
const fonts = { plain: '', strong: '', charWidth: 7 };
const state = {
    focus: 0, back: [],              /* the zoomed node and the ones before it */
    selected: null, hovered: null,   /* boxes */
    query: '', search: null, match: -1,
    blame: -1, paths: null,          /* the chosen row of the table and the paths to it */
    onPaper: false, painting: 0,
};

/* ---- the words at the top ---- */

function showRun({ run, tool }) {
    const command = run.command.map(quoteArgument).join(' ');
    const shown = make('span', 'command', cut(command));
    shown.title = cut(command, 4000);
    const started = /^([\d-]{10})T(\d\d:\d\d)/.exec(run.started);
    byId('run').append(
        shown,
        make('span', '', run.python && 'Python ' + visibleText(run.python)),
        make('span', '', started && started[1] + ' ' + started[2] + ' UTC'),
        make('span', '', run.pid && 'process ' + run.pid),
        make('span', 'tool', visibleText(tool)));
}

function showAnswer({ run, peak, blame }) {
    if (!(model.peak > 0)) {
        byId('answer').textContent = 'No memory was recorded.';
        return;
    }
    const first = blame.bytes.slice(0, 3);
    const share = formatShare(first.reduce((sum, bytes) => sum + bytes, 0), model.peak);
    const when = typeof peak.time_s !== 'number' ? ''
        : ', ' + formatDuration(peak.time_s) + ' into ' +
          (run.duration_s > 0 ? 'a run of ' + formatDuration(run.duration_s) : 'the run');
    byId('answer').replaceChildren(
        'Memory peaked at ', make('strong', '', formatBytes(model.peak)), when + '. ',
        ['', 'One line holds ', 'Two lines hold ', 'Three lines hold '][first.length],
        make('strong', '', share), ' of it.');
    const facts = [
        formatCount(model.peak) + '\u00a0bytes in ' + formatPlural(peak.blocks, 'block'),
        peak.rss_bytes > 0 && 'resident size reached ' + formatBytes(peak.rss_bytes),
        peak.other_processes > 0 && formatPlural(peak.other_processes, 'other process was',
                                                 'other processes were') + ' measured too',
        describeEnding(run.outcome) === '' && 'ended normally',
    ];
    byId('facts').append(...facts.filter((fact) => fact).map((fact) => make('span', '', fact)));
}

function showAlerts({ run, failed, warnings = [] }) {
    const ending = describeEnding(run.outcome);
    if (ending !== '') {
        byId('ending').append(make('p', 'alert bad', ending));
    }
    if (failed && failed.count > 0) {
        const words = failed.frame >= 0 ? model.describe(failed.frame) : null;
        byId('ending').append(make(
            'p', 'alert bad', 'An allocation of ' + formatBytes(failed.bytes) + ' failed',
            words && ' at ' + cut(words.location, 100) + ' ',
            words && make('code', '', cut(words.source, 100)),
            failed.count > 1 ? ' (' + formatCount(failed.count) + ' failed in all).' : '.'));
    }
    const texts = warnings.map((text) => cut(visibleText(text), 600));
    const shown = texts.length > 3 ? 2 : 3;
    byId('alerts').append(...texts.slice(0, shown).map((text) => make('p', 'alert', text)));
    if (texts.length > shown) {
        byId('alerts').append(make(
            'details', 'alert', make('summary', '', texts.length - shown + ' more warnings'),
            ...texts.slice(shown).map((text) => make('p', '', text))));
    }
}

function showMaps({ maps = [] }) {
    if (maps.length > 0) {
        const rows = maps.slice(0, 50).map((map) => make(
            'tr', '', make('td', 'number', formatBytes(map.bytes)),
            make('td', 'mono', cut(visibleText(map.path))),
            make('td', '', cut(visibleText(map.note)))));
        const rest = maps.length > 50 ? 'and ' + formatCount(maps.length - 50) + ' more' : '';
        byId('maps').append('Files mapped into memory:', make('table', '', ...rows), rest);
    }
}

/* ---- the table of blame lines ---- */

const table = { order: [], shown: 0 };

function fileNote(words) {
    return ['', 'file not found', 'file changed since the run'][words.status];
}

function makeCells(bytes, blocks, ...rest) {
    const [value, unit] = splitBytes(bytes);
    const fill = make('span', 'fill');
    fill.style.width = bytes / (model.peak || 1) * 100 + '%';
    return [make('td', 'number bytes', make('b', '', value), make('span', 'unit', unit)),
            make('td', 'share', make('span', 'percent', formatShare(bytes, model.peak)),
                 make('span', 'track', fill)),
            make('td', 'number blocks', formatCount(blocks)), ...rest];
}

function makeRow(index) {
    const { blame } = model.data;
    const words = model.describe(blame.frame[index]);
    const place = makeButton('link', cut(words.location || words.label, 120), () => {});
    place.title = cut(joined([words.file, words.name], ' in '));
    const note = fileNote(words);
    const code = make('td', 'code', cut(words.source),
                      make('span', 'aside', words.source || !words.location ? '' : cut(words.name),
                           note && '  ' + note));
    code.title = cut(words.source, 2000);
    const row = make('tr', 'row', ...makeCells(blame.bytes[index], blame.blocks[index],
                                               make('td', 'place', place), code));
    row.dataset.index = index;
    return row;
}

function showMore() {
    table.shown += MORE_ROWS;
    renderTable();
}

function makeRest() {
    const { blame } = model.data;
    const left = table.order.slice(table.shown);
    const sum = (column) => left.reduce((total, index) => total + column[index], 0);
    return make('tr', 'rest', ...makeCells(
        sum(blame.bytes), sum(blame.blocks),
        make('td', 'place', formatPlural(left.length, 'more line')),
        make('td', '', makeButton('link', 'Show ' + (left.length > MORE_ROWS ? MORE_ROWS : 'them'),
                                  showMore))));
}

function markRow() {
    for (const row of byId('blame').tBodies[0].querySelectorAll('.row')) {
        const isChosen = Number(row.dataset.index) === state.blame;
        row.classList.toggle('chosen', isChosen);
        row.querySelector('button').setAttribute('aria-pressed', isChosen);
    }
}

function renderTable() {
    const rows = table.order.slice(0, table.shown).map(makeRow);
    const rest = table.shown < table.order.length ? [makeRest()] : [];
    byId('blame').tBodies[0].replaceChildren(...rows, ...rest);
    markRow();
}

function sortTable(head) {
    const { blame } = model.data;
    const column = head.dataset.sort;
    const wasSorted = head.getAttribute('aria-sort');
    const rising = column === 'place' ? wasSorted !== 'ascending' : wasSorted === 'descending';
    const path = (index) => model.describe(blame.frame[index]).path;
    const compare = column === 'place'
        ? (a, b) => path(a).localeCompare(path(b), 'en', { numeric: true })
        : (a, b) => blame[column][a] - blame[column][b];
    table.order.sort((a, b) => (rising ? compare(a, b) : compare(b, a)) || a - b);
    document.querySelectorAll('#blame th').forEach((th) => th.removeAttribute('aria-sort'));
    head.setAttribute('aria-sort', rising ? 'ascending' : 'descending');
    renderTable();
}

function startTable() {
    table.order = model.data.blame.frame.map((unused, index) => index);
    table.shown = table.order.length > FIRST_ROWS + 1 ? FIRST_ROWS : FIRST_ROWS + 1;
    for (const button of document.querySelectorAll('#blame th button')) {
        button.addEventListener('click', () => sortTable(button.parentElement));
    }
    byId('blame').addEventListener('click', (event) => {
        const row = event.target.closest('.row');
        if (row) {
            const index = Number(row.dataset.index);
            choose(index === state.blame ? -1 : index);
        }
    });
    renderTable();
}

/* ---- words about a box ---- */

function boxWords(box) {
    const amount = formatBytes(box.bytes);
    const frame = model.tree.frame[box.node];
    if (box.kind !== BOX_NODE || box.node === 0) {
        const label = box.kind === BOX_SMALLER ? formatCount(box.members) + ' smaller'
            : box.node === 0 && box.kind === BOX_SELF ? 'outside any Python line'
                : box.kind === BOX_SELF ? 'this line itself' : 'All memory at the peak';
        return { label, detail: '', amount, kind: -1 };
    }
    const { label, location, kind } = model.describe(frame);
    return { label, detail: label === location ? '' : location, amount,
             kind: kind === KIND_PSEUDO ? -1 : kind };
}

function amounts(box) {
    const zoomed = state.focus !== 0 && box.row > boxes.focusRow &&
        formatShare(box.bytes, model.tree.bytes[state.focus]) + ' of the zoomed box';
    return joined([formatShare(box.bytes, model.peak) + ' of the peak', zoomed,
                   formatPlural(box.blocks, 'block')]);
}

function boxPlace(box) {
    const words = model.describe(model.tree.frame[box.node]);
    return cut(joined([words.path, words.name], ' in '));
}

/* Lines of the card, as [class, text]. */
function cardLines(box) {
    const { tree } = model;
    const frame = tree.frame[box.node];
    const words = model.describe(frame);
    if (box.kind === BOX_SMALLER) {
        return [['', formatCount(box.members) + ' boxes too narrow to draw one by one'],
                ['small', 'A click zooms to the box above them.']];
    }
    if (frame < 0) {
        return [['', boxWords(box).label]];
    }
    const self = box.kind === BOX_SELF ? 'held by this line itself, not by what it called'
        : formatBytes(tree.self[box.node]) + ' held by this line itself';
    return [['source', cut(words.source)], ['', boxPlace(box)],
            ['small', joined([KIND_NAMES[words.kind], self, fileNote(words)])]];
}

function showCard(box, x, y) {
    const card = byId('card');
    card.replaceChildren(
        make('div', 'amount', make('b', '', formatBytes(box.bytes)), DOT + amounts(box)),
        ...cardLines(box).filter((line) => line[1]).map((line) => make('div', ...line)));
    card.hidden = false;
    const { width, height } = card.getBoundingClientRect();
    const below = y + 20 + height < window.innerHeight;
    card.style.left = Math.max(8, Math.min(x + 14, window.innerWidth - width - 8)) + 'px';
    card.style.top = Math.max(8, below ? y + 20 : y - height - 14) + 'px';
}

function hideCard() {
    byId('card').hidden = true;
}

function say(text) {
    byId('status').textContent = text;
}

function boxSentence(box) {
    return joined([formatBytes(box.bytes), amounts(box), cut(boxWords(box).label, 160),
                   box.kind === BOX_NODE && boxPlace(box)]);
}

/* ---- drawing ---- */

function look(box) {
    const { paths, search } = state;
    const isNode = box.kind === BOX_NODE;
    /* What a line holds itself belongs to the paths when its line is the one blamed for it. */
    const onPath = paths !== null && (isNode ? paths.held[box.node] > 0
        : box.kind === BOX_SELF && paths.found.has(model.blamed[box.node]));
    return {
        match: isNode && search !== null && search.marked[box.node] === 1,
        dim: paths !== null && !onPath,
        outline: box === state.selected || box === state.hovered ||
                 (isNode && paths !== null && paths.found.has(box.node)),
        grey: !isNode || model.tree.frame[box.node] === FRAME_FOLDED,
    };
}

/* How far the graph has moved up under the canvas, which stays in the window. */
function scrolled() {
    return Math.max(0, byId('canvas').getBoundingClientRect().top -
                       byId('flame').getBoundingClientRect().top);
}

function canvasHeight() {
    const all = boxes.rows.length * ROW_HEIGHT;
    const room = state.onPaper ? 60 * ROW_HEIGHT : window.innerHeight - byId('bar').offsetHeight;
    return Math.max(ROW_HEIGHT, Math.min(all, room));
}

function paint() {
    state.painting = 0;
    const canvas = byId('canvas');
    const context = canvas.getContext('2d');
    const ratio = window.devicePixelRatio || 1;
    const height = canvasHeight();
    const [wide, tall] = [boxes.width, height].map((size) => Math.round(size * ratio));
    if (canvas.width !== wide || canvas.height !== tall) {
        canvas.width = wide;
        canvas.height = tall;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, boxes.width, height);
    paintFlame(context, { boxes, palette, fonts, height, look, peak: model.peak, top: scrolled(),
                          describe: boxWords });
}

function repaint() {
    state.painting = state.painting || requestAnimationFrame(paint);
}

function relayout() {
    const canvas = byId('canvas');
    const kept = state.selected && state.selected.node;
    boxes = layoutFlame(model.tree, state.focus, Math.max(byId('flame').clientWidth, 50));
    state.hovered = null;
    state.selected = kept === null ? null : boxes.boxOf.get(kept) || null;
    /* Never so short that the window has to scroll: the box under the mouse stays there. */
    const room = window.innerHeight - byId('status').offsetHeight -
                 byId('flame').getBoundingClientRect().top;
    byId('flame').style.height = Math.max(boxes.rows.length * ROW_HEIGHT, room) + 'px';
    canvas.style.top = byId('bar').offsetHeight + 'px';
    canvas.style.height = canvasHeight() + 'px';
    repaint();
}

function setTheme() {
    const isDark = window.matchMedia('(prefers-color-scheme: dark)').matches;
    palette = makePalette(isDark && !state.onPaper ? 'dark' : 'light');
}

function usePaper(onPaper) {
    state.onPaper = onPaper;
    hideCard();
    setTheme();
    relayout();
    paint();
}

/* Brings a row between the bar and the status line. */
function showRow(row) {
    const y = byId('flame').getBoundingClientRect().top + row * ROW_HEIGHT;
    const least = byId('bar').offsetHeight + ROW_HEIGHT;
    const most = window.innerHeight - byId('status').offsetHeight - 2 * ROW_HEIGHT;
    if (y < least || y > most) {
        window.scrollBy({ top: y - (least + most) / 2, behavior: 'instant' });
    }
}

/* ---- zoom ---- */

function showTrail() {
    const { tree } = model;
    const step = (node, text) => node === state.focus ? make('span', 'here', text)
        : makeButton('link', text, () => zoom(node));
    const separate = (text) => make('span', 'sep', text);
    const path = [];
    let node = state.focus;
    for (; node !== 0 && path.length < 10; node = tree.parent[node]) {
        const { label } = model.describe(tree.frame[node]);
        path.unshift(separate('\u203a'), step(node, cut(label, 60)));
    }
    byId('crumbs').replaceChildren(
        step(0, 'Everything'), ...(node !== 0 ? [separate('\u203a \u2026')] : []), ...path);
    if (state.focus !== 0) {
        byId('crumbs').append(separate(formatBytes(tree.bytes[state.focus]) + DOT +
                                       formatShare(tree.bytes[state.focus], model.peak)));
    }
    byId('reset').disabled = state.focus === 0 && state.paths === null && state.query === '';
}

function moveTo(node) {
    state.focus = node;
    hideCard();
    relayout();
    showTrail();
    if (document.activeElement === byId('canvas')) {
        state.selected = boxes.boxOf.get(node);
    }
    say('Zoomed to ' + boxSentence(boxes.boxOf.get(node)));
}

function zoom(node) {
    if (node !== state.focus) {
        state.back.push(state.focus);
        moveTo(node);
    }
}

function zoomBox(box) {
    if (box !== null) {
        zoom(box.kind === BOX_SMALLER ? model.tree.parent[box.node] : box.node);
    }
}

function goBack() {
    if (state.back.length > 0) {
        moveTo(state.back.pop());
    }
}

function reset() {
    state.back = [];
    byId('search').value = '';
    search('');
    choose(-1);
    moveTo(0);
    say(HINT);
}

/* ---- search ---- */

function search(query) {
    let text = '';
    state.query = query.trim();
    state.match = -1;
    state.search = null;
    try {
        const matcher = makeMatcher(query);
        if (matcher !== null) {
            const found = searchTree(model.tree, model.matchFrames(matcher));
            state.search = found;
            text = found.nodes.length === 0 ? 'no match'
                : formatBytes(found.bytes) + DOT + formatShare(found.bytes, model.peak) + ' in ' +
                  formatPlural(found.nodes.length, 'box', 'boxes');
        }
    } catch (error) {
        text = error.message;
    }
    byId('matched').textContent = text;
    say(text === '' ? HINT : 'Search: ' + text);
    showTrail();
    repaint();
}

function stepMatch(direction) {
    const nodes = state.search === null ? [] : state.search.nodes;
    if (nodes.length > 0) {
        state.match = (Math.max(state.match, direction < 0 ? 0 : -1) + direction + nodes.length) %
                      nodes.length;
        const node = nodes[state.match];
        const box = boxes.boxOf.get(node);
        if (!box || box.w < LABEL_LEAST || box.row < boxes.focusRow) {
            zoom(node);
        }
        select(boxes.boxOf.get(node));
        say('Match ' + (state.match + 1) + ' of ' + nodes.length + ': ' +
            boxSentence(state.selected));
    }
}

/* ---- the paths to a blame line ---- */

function choose(index) {
    const { blame } = model.data;
    state.blame = index;
    state.paths = null;
    markRow();
    byId('chosen').hidden = index < 0;
    if (index >= 0) {
        const paths = model.pathsTo(blame.frame[index]);
        const { location, label } = model.describe(blame.frame[index]);
        const place = cut(location || label, 100);
        const folded = blame.bytes[index] - paths.bytes;
        const text = joined([
            formatBytes(blame.bytes[index]), formatShare(blame.bytes[index], model.peak),
            formatPlural(paths.nodes.length, 'path'),
            folded > 0 && formatBytes(folded) + ' in stacks folded together']);
        state.paths = paths;
        byId('chosen').replaceChildren(
            'Paths to ', make('b', '', place), ': ' + text + ' \u2002',
            makeButton('link', 'Zoom', () => zoom(paths.common)),
            makeButton('link', 'Clear', () => choose(-1)));
        openPaths(paths);
        say('Paths to ' + place + ': ' + text);
    }
    relayout();
    showTrail();
}

/* Keeps the view when the paths can be seen in it. Scrolls only where the largest is out of sight:
 * a click on the table must not take the table away. */
function openPaths(paths) {
    const { tree } = model;
    const isInside = paths.common >= state.focus && paths.common < tree.end[state.focus];
    const seen = (node) => paths.bytes / (tree.bytes[node] || 1) * boxes.width >= 60;
    if (!isInside || !seen(state.focus)) {
        zoom(seen(0) ? 0 : paths.common);
    }
    const largest = paths.nodes.reduce(
        (best, node) => paths.held[node] > paths.held[best] ? node : best, paths.common);
    showRow(tree.depth[largest]);
}

/* ---- mouse and keyboard ---- */

function boxUnder(event) {
    const area = byId('canvas').getBoundingClientRect();
    const row = Math.floor((event.clientY - area.top + scrolled()) / ROW_HEIGHT);
    return boxAt(boxes, event.clientX - area.left, row);
}

function select(box) {
    if (box) {
        state.selected = box;
        state.hovered = null;
        showRow(box.row);
        say(boxSentence(box));
        const area = byId('flame').getBoundingClientRect();
        showCard(box, area.left + box.x + Math.min(box.w / 2, 60),
                 area.top + (box.row + 0.5) * ROW_HEIGHT);
        repaint();
    }
}

function onHover(event) {
    const box = boxUnder(event);
    if (box !== state.hovered) {
        state.hovered = box;
        repaint();
    }
    if (box === null) {
        hideCard();
    } else {
        showCard(box, event.clientX, event.clientY);
    }
}

function onLeave() {
    state.hovered = null;
    hideCard();
    repaint();
}

function onCanvasKey(event) {
    const box = state.selected;
    const start = boxes.boxOf.get(state.focus);
    const actions = {
        ArrowDown: () => select(box ? box.below : start),
        ArrowUp: () => select(box ? box.above : start),
        ArrowLeft: () => select(box ? boxes.rows[box.row][box.at - 1] : start),
        ArrowRight: () => select(box ? boxes.rows[box.row][box.at + 1] : start),
        Enter: () => zoomBox(box),
        ' ': () => zoomBox(box),
    };
    if (actions[event.key]) {
        actions[event.key]();
        event.preventDefault();
    }
}

function onPageKey(event) {
    const field = byId('search');
    const isTyping = event.target === field;
    const actions = isTyping ? {
        Escape: () => {
            reset();
            byId('canvas').focus({ preventScroll: true });
        },
        Enter: () => stepMatch(event.shiftKey ? -1 : 1),
    } : {
        Escape: reset,
        0: reset,
        Backspace: goBack,
        '/': () => field.select(),
        n: () => stepMatch(1),
        N: () => stepMatch(-1),
    };
    if (actions[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
        actions[event.key]();
        event.preventDefault();
    }
}

function startGraph() {
    const canvas = byId('canvas');
    const context = canvas.getContext('2d');
    const mono = getComputedStyle(document.documentElement).getPropertyValue('--mono');
    fonts.plain = '12px ' + mono.replace(/\s+/g, ' ');
    fonts.strong = '600 ' + fonts.plain;
    context.font = fonts.plain;
    fonts.charWidth = context.measureText('m'.repeat(10)).width / 10;
    setTheme();
    relayout();
    showTrail();
    say(HINT);
    paint();
    canvas.addEventListener('mousemove', onHover);
    canvas.addEventListener('mouseleave', onLeave);
    canvas.addEventListener('click', (event) => {
        zoomBox(boxUnder(event));
        onHover(event);
    });
    canvas.addEventListener('keydown', onCanvasKey);
    canvas.addEventListener('blur', () => {
        state.selected = null;
        onLeave();
    });
    document.addEventListener('keydown', onPageKey);
    byId('search').addEventListener('input', (event) => search(event.target.value));
    byId('reset').addEventListener('click', reset);
    window.addEventListener('scroll', () => {
        if (state.hovered !== null) {
            onLeave();
        }
        repaint();
    }, { passive: true });
    const observer = new ResizeObserver(() => {
        if (!state.onPaper && (boxes.width !== byId('flame').clientWidth ||
                               byId('canvas').style.top !== byId('bar').offsetHeight + 'px')) {
            relayout();
        }
    });
    observer.observe(byId('flame'));
    observer.observe(byId('bar'));
    window.addEventListener('resize', relayout);
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
        setTheme();
        repaint();
    });
    window.addEventListener('beforeprint', () => usePaper(true));
    window.addEventListener('afterprint', () => usePaper(false));
}

/* For tests: the boxes drawn, in pixels of the canvas; with `all`, also those scrolled away. */
function layout(all) {
    const top = all ? 0 : scrolled();
    return boxes.rows.flat().map((box) => ({
        x: box.x, y: box.row * ROW_HEIGHT - top, w: box.w, h: ROW_HEIGHT, row: box.row,
        node: box.node, kind: box.kind, bytes: box.bytes, label: boxWords(box).label,
    })).filter((box) => all || (box.y > -ROW_HEIGHT && box.y < canvasHeight()));
}

async function main() {
    try {
        const data = await readData();
        model = buildModel(data);
        showRun(data);
        showAnswer(data);
        showAlerts(data);
        showMaps(data);
        byId('main').hidden = false;
        startTable();
        startGraph();
        window.peakline = { data, model, state, layout, zoom, search, choose, reset };
    } catch (error) {
        byId('main').hidden = true;
        byId('answer').textContent = 'This report cannot be shown.';
        byId('ending').append(make('p', 'alert bad', error.message));
        window.peakline = { error };
    }
}

main();
