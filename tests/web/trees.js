// SPDX-License-Identifier: Apache-2.0
// Small documents and trees for the tests of the page's modules.
'use strict';

const { load } = require('./modules.js');
const S = load('stacks.js');
const P = load('profile.js');

const APART = { library: false, imports: false, recursion: false, threads: true, processes: true,
                open: new Set() };
const FOLDED = { ...APART, library: true, imports: true, recursion: true };
const SITE = '/v/lib/python3.11/site-packages/';

// A document of the page: frames are [path, kind of the file, function, line, source, kind of the
// function, started_by], stacks are [up, frame, bytes, blocks, end_bytes, alloc_bytes].
function makeData(frames, stacks, changes) {
    const files = { path: [], kind: [], status: [] };
    const functions = { name: [], file: [], kind: [] };
    const columns = { function: [], line: [], started_by: [], source: [] };
    for (const [path, kind, name, line, source, what, by] of frames) {
        if (!files.path.includes(path)) {
            files.path.push(path);
            files.kind.push(kind);
            files.status.push(0);
        }
        const file = files.path.indexOf(path);
        let number = functions.name.findIndex((some, i) => some === name && functions.file[i] === file);
        if (number < 0) {
            number = functions.name.push(name) - 1;
            functions.file.push(file);
            functions.kind.push(what || 0);
        }
        columns.function.push(number);
        columns.line.push(line);
        columns.started_by.push(by === undefined ? -1 : by);
        columns.source.push(source || '');
    }
    const column = (i) => stacks.map((row) => row[i] || 0);
    const bytes = column(2).reduce((a, b) => a + b, 0);
    const blocks = column(3).reduce((a, b) => a + b, 0);
    return {
        format: 1, tool: 'peakline', run: { command: ['app.py'], directory: '/home/ada/app' },
        peak_bytes: bytes, peak: { bytes, blocks }, warnings: [], processes: [], maps: [], failed: null,
        files, functions, frames: columns,
        stacks: { up: column(0), frame: stacks.map((row) => row[1]), bytes: column(2),
                  blocks: column(3), end_bytes: column(4), end_blocks: column(4).map(Math.sign),
                  alloc_bytes: column(5), alloc_blocks: column(5).map(Math.sign) },
        blame: { frame: [] }, folded: null, page: { context: { file: [], line: [], text: [] } },
        ...changes,
    };
}

// A tree of frames of the user's own, nothing folded; bytes and blocks as in the columns.
function plainTree({ up, frame, bytes, blocks }) {
    const most = Math.max(0, ...frame);
    const frames = Array.from({ length: most + 1 }, (unused, i) => ['/home/ada/app/app.py', 0, 'f' + i, i + 1, 'line ' + i]);
    const data = makeData(frames, up.map((distance, i) => [distance, frame[i], bytes[i], blocks[i]]));
    return makeTree(data, APART);
}

function makeTree(data, options, measure = 'peak', mine = new Map()) {
    const profile = P.readProfile(data);
    const kinds = P.kindsOfFrames(profile, mine);
    return S.weighTree(S.groupStacks(profile, kinds, options), profile.values[measure]);
}

// [depth, label or key, bytes, times] of all nodes, largest child first.
function outline(tree) {
    const rows = [];
    const open = [[0, 0]];
    while (open.length > 0) {
        const [node, depth] = open.pop();
        const key = tree.key[node];
        const label = key >= tree.labels.first ? tree.labels[key - tree.labels.first].text
            : key < 0 ? String(key) : tree.profile.describe(key).label;
        rows.push('  '.repeat(depth) + label + ' ' + tree.bytes[node] +
                  (tree.times[node] > 1 ? ' x' + tree.times[node] : ''));
        tree.kids(node).slice().reverse().forEach((kid) => open.push([kid, depth + 1]));
    }
    return rows;
}

module.exports = { APART, FOLDED, SITE, makeData, plainTree, makeTree, outline };
