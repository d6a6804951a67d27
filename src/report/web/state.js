/* SPDX-License-Identifier: Apache-2.0
 *
 * What is looked at in a report, and all that follows from it, each made once.
 *
 * May use: profile.js, stacks.js, table.js, listing.js, link.js. Not the document.
 * Must stay true: `state` alone says what is shown; `now` can be made from it again, but for mouse and table. */
'use strict';

const FIRST_ROWS = 7;

let profile = null; /* readProfile() */
let kinds = null;   /* of the frames, by the reader's say */
let blame = null;   /* blameStacks() */
let rows = [];      /* of the table */
let tree = null;    /* what is drawn: weighTree() or invertTree() */
let boxes = null;   /* layoutFlame() */
let palette = null;
const state = { ...START };
const now = { /* what follows from it, or is not worth a link */
    focus: 0, selected: null, hovered: null, marked: null, hits: [], match: -1, row: null,
    paths: null, matched: '', onPaper: false, painting: 0, sort: 'bytes', rising: false, shown: FIRST_ROWS, built: {},
};

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

/* collectLines() */
function sources() {
    return once('sources', '', () => collectLines(profile));
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
    now.matched = text;
}
