/* SPDX-License-Identifier: Apache-2.0
 * The change as a tree of boxes: sums, what is new and gone, words, and colours that differ for everybody. */
'use strict';

const { load } = require('./modules.js');
const test = require('node:test');
const assert = require('node:assert');
const change = load('change.js');
const { layoutFlame } = load('flame.js');
const { hashNode } = load('stacks.js');

const line = (source, more = {}) => ({ path: 'app.py', line: 1, function: 'main', source, kind: 0, match: 'same',
                                       similar: 100, was: null, ...more });

/* main calls load (10 -> 30), copy (20 -> 0) and zeros (0 -> 5), and holds 4 itself. */
function small() {
    return {
        diff_format: 1, change_bytes: 1,
        frames: [line('main()'), line('load()'), line('copy()'), line('zeros()'), null],
        stacks: { parent: [-1, 0, 1, 1, 1], frame: [-1, 0, 1, 2, 3], before: [0, 4, 10, 20, 0], after: [0, 4, 30, 0, 5] },
    };
}

test('before and after of the root are the two peaks, and nothing is lost to the eye', () => {
    const tree = change.buildChange(small());
    assert.deepEqual([tree.before[0], tree.after[0], tree.bytes[0]], [34, 39, 4 + 30 + 20 + 5]);
    assert.equal(tree.most, 20);
    const boxes = layoutFlame(tree, 0, 590);
    const below = boxes.rows[2].map((box) => [box.bytes, change.amountsOf(tree, box).status]);
    assert.deepEqual(below, [[30, 'more'], [20, 'gone'], [5, 'new'], [4, 'same']]);
    assert.equal(boxes.rows[2].reduce((sum, box) => sum + box.w, 0), 590);
});

test('boxes too small to draw keep their change', () => {
    const tree = change.buildChange(small());
    const boxes = layoutFlame(tree, 0, 20); /* new and gone ... 5 of 59 is less than 2 pixels */
    const all = boxes.rows[2].map((box) => change.amountsOf(tree, box).change);
    assert.equal(all.reduce((sum, value) => sum + value, 0), 5);
});

test('a search counts what is below a match once', () => {
    const tree = change.buildChange(small());
    const found = change.searchChange(tree, change.findFrames(tree, 'APP.py:1'));
    assert.deepEqual([found.nodes.length, found.before, found.after], [4, 34, 39]);
    assert.equal(change.findFrames(tree, '  '), null);
});

test('words carry signs', () => {
    assert.equal(change.formatChange(1, 1025), '+1.0\u00a0KiB');
    assert.equal(change.formatChange(5, 0), '\u22125\u00a0B');
    assert.equal(change.formatChange(5, 5), 'no change');
    assert.deepEqual([[0, 5], [5, 0], [4, 5], [5, 4], [5, 5]].map(([a, b]) => change.statusOf(a, b)),
                     ['new', 'gone', 'more', 'less', 'same']);
    assert.equal(change.formatGrowth(100, 150), '+50.0\u00a0%');
});

test('a line says where it was', () => {
    const was = { path: 'app.py', line: 4, function: 'main', source: 'x' };
    assert.equal(change.originOf(line('x', { was })), 'was line 4');
    assert.equal(change.originOf(line('x', { was: { ...was, path: 'old.py', function: 'run' }, match: 'similar', similar: 83 })),
                 'similar 83\u00a0%, was old.py:4 in run');
    assert.equal(change.originOf(line('x')), '');
});

test('a damaged tree is refused', () => {
    const data = small();
    data.stacks.parent[2] = 3;
    assert.throws(() => change.buildChange(data), /report is damaged: stack 2/);
    assert.throws(() => change.buildChange({ ...small(), diff_format: 2 }), /format 1/);
});

test('a stack of 20,000 frames is no trouble', () => {
    const deep = 20_000;
    const rows = Array.from({ length: deep + 1 }, (unused, i) => i);
    const tree = change.buildChange({
        diff_format: 1, frames: [line('again()')],
        stacks: { parent: rows.map((i) => i - 1), frame: rows.map((i) => i === 0 ? -1 : 0),
                  before: rows.map((i) => i === deep ? 7 : 0), after: rows.map((i) => i === deep ? 9 : 0) },
    });
    assert.deepEqual([tree.before[0], tree.after[0]], [7, 9]);
    assert.equal(layoutFlame(tree, 0, 800).rows.length, deep + 1);
});

/* ---- colours ---- */

const channel = (value) => value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
const luminance = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
const read = (color) => color.startsWith('#') ? [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16))
    : color.match(/\d+/g).map(Number);
const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((one, other) => other - one);
    return (x + 0.05) / (y + 0.05);
};
/* Brettel-like matrices (Machado 2009, full severity) on linear light. */
const BLIND = {
    protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const see = (rgb, kind) => kind === 'normal' ? rgb.map(channel)
    : BLIND[kind].map((row) => row.reduce((sum, weight, i) => sum + weight * channel(rgb[i]), 0));
function lab(linear) {
    const [r, g, b] = linear.map((value) => Math.min(Math.max(value, 0), 1));
    const xyz = [(0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505, 0.2126 * r + 0.7152 * g + 0.0722 * b,
                 (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089];
    const [x, y, z] = xyz.map((value) => value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

for (const theme of ['light', 'dark']) {
    test(theme + ': text is readable on every box', () => {
        const colors = change.CHANGES[theme];
        const text = read(colors.text);
        for (let step = -20; step <= 20; step++) {
            assert.ok(contrast(text, read(change.colorOf(step, 20, colors))) >= 4.5);
        }
        assert.ok(contrast(text, read(colors.match)) >= 4.5);
    });

    test(theme + ': more and less differ for every eye', () => {
        const colors = change.CHANGES[theme];
        for (const kind of ['normal', 'protan', 'deutan', 'tritan']) {
            const [a, b] = [1, -1].map((sign) => lab(see(read(change.colorOf(sign, 1, colors)), kind)));
            assert.ok(Math.hypot(...a.map((value, i) => value - b[i])) >= 20, kind);
        }
    });
}

/* main calls pandas.read_csv, which has two lines inside (7 -> 0 and 0 -> 9) that came and went. */
function withLibrary() {
    const inside = (path, name, more) => line(name + '()', { path, function: name, kind: 1, ...more });
    return {
        diff_format: 1, change_bytes: 2,
        frames: [line('pd.read_csv(path)'), inside('pandas/io/api.py', 'read_csv'), inside('pandas/io/c.py', 'old'),
                 inside('pandas/io/c.py', 'new'), line('import pandas'),
                 line('find', { path: '<frozen importlib._bootstrap>', function: 'find', kind: 3 }),
                 line('x = 1', { path: 'pandas/__init__.py', function: '<module>', kind: 1 })],
        stacks: { parent: [-1, 0, 1, 2, 2, 0, 5, 6], frame: [-1, 0, 1, 2, 3, 4, 5, 6],
                  before: [0, 0, 0, 7, 0, 0, 5, 6], after: [0, 0, 0, 0, 9, 0, 5, 6] },
    };
}

test('what a library does in one call is one box, with all of its change', () => {
    const labels = (tree) => Array.from({ length: tree.count }, (unused, i) => i).slice(1)
        .map((node) => [tree.describeNode(node).label, tree.before[node], tree.after[node]]);
    const folded = change.buildChange(withLibrary(), { library: true, imports: true });
    assert.deepEqual(labels(folded), [['pd.read_csv(path)', 7, 9], ['\u25b8 pandas: read_csv', 7, 9],
                                      ['import pandas', 11, 11], ['\u25b8 import pandas', 11, 11]]);
    assert.deepEqual([folded.before[0], folded.after[0]], [18, 20]);
    assert.equal(folded.bytes[2], 9, 'the box itself changed by 2: it is as wide as the larger side');
    assert.deepEqual(labels(change.buildChange(withLibrary())).length, 7, 'nothing folded unless asked');
    const open = new Set([hashNode(folded, 2)]);
    const opened = change.buildChange(withLibrary(), { library: true, imports: true, open });
    assert.deepEqual(labels(opened).slice(0, 5), [
        ['pd.read_csv(path)', 7, 9], ['\u25be pandas: read_csv', 7, 9], ['read_csv()', 7, 9], ['old()', 7, 0], ['new()', 0, 9]]);
});

test('a search finds what is folded, and a line the box that it is folded into', () => {
    const folded = change.buildChange(withLibrary(), { library: true, imports: true });
    const found = change.searchChange(folded, change.findFrames(folded, 'old()'));
    assert.deepEqual([found.nodes, found.before, found.after], [[2], 7, 0]);
    assert.deepEqual(change.nodesOf(folded, 3), [2]);
    assert.equal(folded.isGroup(2), true);
});
