// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');
const { plainTree: buildTree } = require('./trees.js');
const F = load('flame.js');

// A tree of any shape from a seed: heavy tails, zeros, self bytes in the middle.
function randomTree(seed, count, deepest) {
    let state = seed;
    const random = () => {
        state = (state * 1103515245 + 12345) % 2147483648;
        return state / 2147483648;
    };
    const nodes = { up: [0], frame: [-1], bytes: [3], blocks: [1] };
    let path = [0];
    for (let i = 1; i < count; i++) {
        path = path.slice(0, 1 + Math.floor(random() * Math.min(path.length, deepest)));
        nodes.up.push(i - path[path.length - 1]);
        nodes.frame.push(i % 50);
        nodes.bytes.push(random() < 0.3 ? 0 : Math.floor(64 / Math.pow(random() + 1e-6, 1.2)));
        nodes.blocks.push(1);
        path.push(i);
    }
    return buildTree(nodes);
}

const sum = (boxes) => boxes.reduce((total, box) => total + box.bytes, 0);

function checkAddsUp(tree, focus, width) {
    const { rows, focusRow } = F.layoutFlame(tree, focus, width);
    let ended = 0; // bytes of boxes that ended in rows above: leaves, self, smaller
    for (let row = focusRow; row < rows.length; row++) {
        assert.equal(sum(rows[row]) + ended, tree.bytes[focus], 'row ' + row);
        for (const box of rows[row]) {
            const below = (rows[row + 1] || []).filter((other) => other.above === box);
            if (below.length === 0) {
                ended += box.bytes;
            } else {
                assert.equal(sum(below), box.bytes);
            }
        }
        for (let i = 1; i < rows[row].length; i++) {
            const [left, right] = [rows[row][i - 1], rows[row][i]];
            assert.ok(right.x >= left.x + left.w - 1e-6, 'boxes do not overlap');
        }
    }
    return rows;
}

test('every level adds up to the peak, whatever the tree and the width', () => {
    for (const [seed, width] of [[1, 1280], [2, 400], [3, 37], [4, 5000], [5, 1]]) {
        checkAddsUp(randomTree(seed, 3000, 40), 0, width);
    }
});

test('every level adds up to the zoomed box, and its ancestors lie over it', () => {
    const tree = randomTree(7, 2000, 30);
    for (const focus of [1, 17, 400, tree.count - 1]) {
        if (tree.bytes[focus] > 0) {
            const rows = checkAddsUp(tree, focus, 900);
            for (let row = 0; row <= tree.depth[focus]; row++) {
                assert.equal(rows[row].length, 1);
                assert.deepEqual([rows[row][0].x, rows[row][0].w], [0, 900]);
            }
            assert.equal(rows[tree.depth[focus]][0].node, focus);
        }
    }
});

test('what a line holds itself is a box beside the boxes of what it called', () => {
    const { rows } = F.layoutFlame(paintedTree(), 0, 100);
    assert.deepEqual(rows[2].map((box) => [box.kind, box.x, box.w, box.bytes, box.node]),
                     [['node', 0, 75, 75, 2], ['self', 75, 25, 25, 1]]);
    assert.equal(rows[1][0].below, rows[2][0]);
});

test('boxes too narrow to draw become one box that says how many', () => {
    const bytes = [0, 997, 1, 1, 1];
    const tree = buildTree({ up: [0, 1, 2, 3, 4], frame: [-1, 0, 1, 2, 3], bytes, blocks: bytes });
    const { rows } = F.layoutFlame(tree, 0, 1000);
    assert.deepEqual(rows[1].map((box) => [box.kind, box.members, box.bytes]),
                     [['node', 1, 997], ['smaller', 3, 3]]);
    const zoomed = F.layoutFlame(tree, 0, 10000).rows[1];
    assert.deepEqual(zoomed.map((box) => box.kind), ['node', 'node', 'node', 'node']);
});

test('boxes lie side by side, the largest at the left; a single small one keeps its name', () => {
    const bytes = [0, 400, 1, 599];
    const tree = buildTree({ up: [0, 1, 2, 3], frame: [-1, 0, 1, 2], bytes, blocks: bytes });
    const { rows } = F.layoutFlame(tree, 0, 1000);
    assert.deepEqual(rows[1].map((box) => [box.x, box.bytes, box.kind]),
                     [[0, 599, 'node'], [599, 400, 'node'], [999, 1, 'node']]);
});

test('a recursion of 20,000 frames is laid out to its last row', () => {
    const depth = 20000;
    const up = [0, ...Array(depth).fill(1)];
    const bytes = up.map((unused, i) => i === depth ? 1e6 : 1);
    const tree = buildTree({ up, frame: up.map((unused, i) => i - 1), bytes, blocks: up });
    const { rows, boxOf } = F.layoutFlame(tree, 0, 1280);
    assert.equal(rows.length, depth + 1);
    assert.equal(boxOf.get(depth).row, depth);
    assert.equal(F.layoutFlame(tree, depth, 1280).focusRow, depth);
});

test('a program without memory has one empty box', () => {
    const tree = buildTree({ up: [0], frame: [-1], bytes: [0], blocks: [0] });
    const { rows } = F.layoutFlame(tree, 0, 100);
    assert.equal(rows.length, 1);
    assert.equal(rows[0][0].bytes, 0);
});

test('a point finds the box it lies in, and nothing where a stack has ended', () => {
    const tree = buildTree({ up: [0, 1, 1, 3], frame: [-1, 0, 1, 2], bytes: [0, 0, 60, 40],
                             blocks: [0, 0, 1, 1] });
    const boxes = F.layoutFlame(tree, 0, 100);
    assert.equal(F.boxAt(boxes, 59.9, 1).node, 1);
    assert.equal(F.boxAt(boxes, 60, 1).node, 3);
    assert.equal(F.boxAt(boxes, 59, 2).node, 2);
    assert.equal(F.boxAt(boxes, 61, 2), null);
    assert.equal(F.boxAt(boxes, -1, 0), null);
    assert.equal(F.boxAt(boxes, 5, 9), null);
    assert.equal(F.boxAt(boxes, 5, -1), null);
});

test('every box is found at its own middle', () => {
    const boxes = F.layoutFlame(randomTree(11, 3000, 30), 0, 1280);
    for (const row of boxes.rows) {
        for (const box of row) {
            assert.equal(F.boxAt(boxes, box.x + box.w / 2, box.row), box);
        }
    }
});

// ---- colour ----

function parseColor(text) {
    const digits = /^#([0-9a-f]{6})$/.exec(text);
    return digits ? [0, 2, 4].map((at) => parseInt(digits[1].slice(at, at + 2), 16))
        : text.match(/\d+/g).map(Number);
}

function linearColor(color) {
    return parseColor(color).map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : Math.pow((part + 0.055) / 1.055, 2.4);
    });
}

function luminance(color) {
    const [r, g, b] = linearColor(color);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a, b) {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
}

// How three kinds of colour blindness see linear red, green and blue (Vienot 1999, Machado 2009).
const EYES = {
    normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    protan: [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    deutan: [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    tritan: [[1.25553, -0.07675, -0.17878], [-0.07841, 0.93081, 0.1476], [0.00473, 0.69137, 0.3039]],
};

// CIE Lab of a colour as an eye sees it.
function seenBy(eye, color) {
    const linear = linearColor(color);
    const [r, g, b] = EYES[eye].map(
        (row) => row[0] * linear[0] + row[1] * linear[1] + row[2] * linear[2]);
    const [x, y, z] = [(0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
                       0.2126 * r + 0.7152 * g + 0.0722 * b,
                       (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089]
        .map((value) => value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116);
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function distance(a, b) {
    return Math.hypot(...a.map((value, i) => value - b[i]));
}

for (const theme of ['light', 'dark']) {
    const palette = F.makePalette(theme);

    test('text in a box can be read on every colour of the ' + theme + ' theme', () => {
        for (const color of palette.ramp) {
            assert.ok(contrast(palette.text, color) >= 4.5, 'text on ' + color);
            assert.ok(contrast(palette.quiet, color) >= 4.5, 'place on ' + color);
        }
        assert.ok(contrast(palette.matchText, palette.match) >= 4.5);
        assert.ok(contrast(palette.otherText, palette.other) >= 4.5);
        assert.ok(contrast(palette.otherText, palette.self) >= 4.5);
    });

    test('more bytes go one way in lightness in the ' + theme + ' theme', () => {
        const steps = palette.ramp.map(luminance);
        for (let i = 1; i < steps.length; i++) {
            assert.ok(theme === 'light' ? steps[i] < steps[i - 1] : steps[i] > steps[i - 1]);
        }
    });

    test('a match stands out from every red, also for the colour-blind: ' + theme, () => {
        for (const color of palette.ramp) {
            for (const eye of Object.keys(EYES)) {
                const apart = distance(seenBy(eye, palette.match), seenBy(eye, color));
                assert.ok(apart >= 20, eye + ' ' + color + ' ' + apart.toFixed(1));
            }
        }
    });
}

test('half of the bytes are more than half as red, and nothing exceeds the peak', () => {
    assert.equal(F.rampStep(100, 100), F.STEPS - 1);
    assert.equal(F.rampStep(25, 100), Math.round((F.STEPS - 1) / 2));
    assert.equal(F.rampStep(0, 100), 0);
    assert.equal(F.rampStep(5, 0), 0);
    assert.equal(F.rampStep(200, 100), F.STEPS - 1);
});

// ---- text and painting ----

test('a label is cut at its end and never wider than its box', () => {
    const measure = (text) => Array.from(text).length * 14; // wide characters
    assert.deepEqual(F.fitText('data = load(path)', 70, 7, measure), ['data = lo…', 70]);
    assert.deepEqual(F.fitText('x = 1', 70, 7, measure), ['x = 1', 35]);
    assert.deepEqual(F.fitText('x = 1', 20, 7, measure), ['', 0]);
    assert.deepEqual(F.fitText('日本語日本語日本語', 70, 7, measure), ['日本語日…', 70]);
    const [emoji] = F.fitText('🙂🙂🙂🙂🙂🙂🙂🙂', 70, 7, measure);
    assert.ok(!/[\ud800-\udbff](?![\udc00-\udfff])/.test(emoji), 'no half of a character');
    const [long] = F.fitText('x'.repeat(10000), 700, 7, measure);
    assert.equal(long.length, 100);
});

// A canvas that only writes down what it is asked to do.
function makeContext() {
    const calls = { rects: [], texts: [], strokes: [] };
    return {
        calls,
        measureText: (text) => ({ width: text.length * 7 }),
        fillRect(x, y, w, h) { calls.rects.push({ x, y, w, h, color: this.fillStyle }); },
        strokeRect(x, y, w, h) { calls.strokes.push({ x, y, w, h, color: this.strokeStyle }); },
        fillText(text, x, y) { calls.texts.push({ text, x, y }); },
    };
}

function paint(boxes, changes) {
    const context = makeContext();
    F.paintFlame(context, Object.assign({
        boxes, peak: 100, palette: F.makePalette('light'), top: 0, height: 600,
        fonts: { plain: '12px mono', strong: '600 12px mono', charWidth: 7 },
        describe: (box) => ({ label: 'line ' + box.node, amount: box.bytes + ' B',
                              detail: 'app.py:' + box.node, kind: box.node === 0 ? -1 : 0 }),
        look: (box) => ({ match: false, dim: false, outline: false, grey: box.kind !== 'node' }),
    }, changes));
    return context.calls;
}

function paintedTree() {
    return buildTree({ up: [0, 1, 1], frame: [-1, 0, 1], bytes: [0, 25, 75], blocks: [0, 1, 2] });
}

test('a box shows its line, then its bytes, then its place, as far as there is room', () => {
    const wide = paint(F.layoutFlame(paintedTree(), 0, 800)).texts.map((call) => call.text);
    assert.deepEqual(wide.slice(3, 6), ['line 1', '100 B', 'app.py:1']);
    const narrow = paint(F.layoutFlame(paintedTree(), 0, 60)).texts.map((call) => call.text);
    assert.ok(narrow.includes('line 0') && !narrow.includes('100 B'));
});

test('only the rows in sight are painted', () => {
    const depth = 500;
    const up = [0, ...Array(depth).fill(1)];
    const bytes = up.map((unused, i) => i === depth ? 9 : 0);
    const tree = buildTree({ up, frame: up.map((unused, i) => i - 1), bytes, blocks: up });
    const boxes = F.layoutFlame(tree, 0, 300);
    const { texts } = paint(boxes, { top: 100 * F.ROW_HEIGHT, height: 10 * F.ROW_HEIGHT });
    const labels = texts.map((call) => call.text).filter((text) => text.startsWith('line'));
    assert.deepEqual(labels, Array.from({ length: 11 }, (unused, i) => 'line ' + (100 + i)));
});

test('matches, marks and grey boxes are painted as such', () => {
    const palette = F.makePalette('light');
    const boxes = F.layoutFlame(paintedTree(), 0, 800);
    const { rects, strokes } = paint(boxes, {
        look: (box) => ({ match: box.node === 2, dim: false, outline: box.node === 2,
                          grey: box.kind !== 'node' }),
    });
    const box = boxes.boxOf.get(2);
    assert.ok(rects.some((rect) => rect.color === palette.match &&
                                   rect.y === box.row * F.ROW_HEIGHT));
    assert.ok(rects.some((rect) => rect.color === palette.self && rect.x === 600));
    assert.ok(strokes.some((stroke) => stroke.color === palette.outline));
    assert.equal(rects[0].color, palette.ramp[F.STEPS - 1]);
});

test('a box of a tenth of a pixel is still painted', () => {
    const tree = buildTree({ up: [0, 1, 2], frame: [-1, 0, 1], bytes: [0, 1e6, 1],
                             blocks: [0, 1, 1] });
    const { rects } = paint(F.layoutFlame(tree, 0, 1000), { peak: 1e6 });
    assert.ok(rects.some((rect) => rect.x > 999 && rect.w === 0.5));
});
