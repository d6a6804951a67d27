/* SPDX-License-Identifier: Apache-2.0
 *
 * The report at work: what its controls, keys and links do, and its graph as it is drawn.
 *
 * May use: all other files, the document. No network, ever.
 * Must stay true: whatever changes `state` goes through go(), so that a link or the back button restores it. */
'use strict';

const STRIP_HEIGHT = 54; /* as in style.css */
const HINT = 'Click a box to zoom, \u25b8 opens what is folded. Keys: arrows move, Enter zooms, e opens, ' +
             'Backspace goes back, Escape resets, / searches, n and N step, i inverts, s shows the source.';

const backs = [];
let stepTo = null; /* followGraph() */

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
    byId('matched').textContent = now.matched;
    showTrail();
    if (isGraph) {
        relayout();
    } else {
        showPanel({ go, openLine });
    }
    refreshButtons();
}

/* ---- from the table, from the source, and back ---- */

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

function showSource(frame) {
    const words = profile.describe(frame);
    go({ tab: 'source', file: words.path });
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

function paint() {
    now.painting = 0;
    if (state.tab === 'graph') {
        const height = canvasHeight(boxes, now.onPaper);
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
    canvas.style.height = canvasHeight(boxes, now.onPaper) + 'px';
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

/* Opens or folds a library call or an import, by its name in links. */
function flip(name) {
    const open = new Set(state.open ? state.open.split('.') : []);
    if (!open.delete(name)) {
        open.add(name);
    }
    go({ open: Array.from(open).join('.') });
}

function onSearch(query) {
    go({ query, tab: 'graph' }, 'replace');
    say(query.trim() === '' ? HINT : 'Search: ' + byId('matched').textContent);
}

function stepMatch(direction) {
    if (stepTo(now.hits, direction)) {
        say('Match ' + (now.match + 1) + ' of ' + now.hits.length + ': ' + boxSentence(now.selected));
    }
}

/* ---- mouse and keyboard ---- */

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
    if (!event.ctrlKey && !event.metaKey && !event.altKey) {
        answerKey(event, actions);
    }
}

function startGraph() {
    measureFonts();
    stepTo = followGraph({
        view: now, tree: () => tree, boxes: () => boxes, isGroup, flip, zoom, sentence: boxSentence, showCard, repaint,
    });
    document.addEventListener('keydown', onPageKey);
    byId('search').addEventListener('input', (event) => onSearch(event.target.value));
    byId('reset').addEventListener('click', reset);
    window.addEventListener('popstate', onHistory);
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
    })).filter((box) => all || (box.y > -ROW_HEIGHT && box.y < canvasHeight(boxes, now.onPaper)));
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
        startTable(choose);
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
