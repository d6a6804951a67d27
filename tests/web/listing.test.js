// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');
const L = load('listing.js');
const P = load('profile.js');
const { makeData } = require('./trees.js');

const APP = '/home/ada/app/app.py';
const FRAMES = [[APP, 0, 'f', 10, '    x = load()'], ['/b.py', 0, 'g', 3, 'y']];

function lines() {
    const context = { file: [0, 0, 0, 1], line: [8, 1, 2, 2], text: ['def f():', '', '\treturn x', 'z'] };
    return L.collectLines(P.readProfile(
        makeData(FRAMES, [[0, -1, 1, 1], [1, 0, 1, 1]], { page: { context } })));
}

test('the lines of the frames and those around them are one text', () => {
    assert.deepEqual(Array.from(lines().get(0)).sort((a, b) => a[0] - b[0]),
                     [[8, 'def f():'], [9, ' '], [10, '    x = load()'], [11, '\treturn x']]);
    assert.deepEqual(Array.from(lines().get(1)).sort((a, b) => a[0] - b[0]), [[2, 'z'], [3, 'y']]);
});

test('around a line, the indentation that all share is left out', () => {
    const around = L.linesAround(new Map([[9, '    if a:'], [10, '        b()'], [11, ' '], [12, '    c']]), 10);
    assert.deepEqual(around.map((row) => [row.number, row.parts.join(''), row.here]),
                     [[9, 'if a:', false], [10, '    b()', true], [11, '', false], [12, 'c', false]]);
    assert.deepEqual(L.linesAround(new Map([[9, 'x']]), 10), [], 'an unknown line has no surroundings');
    assert.deepEqual(L.linesAround(undefined, 10), []);
});

test('a listing has gaps where lines are left out, and bytes where there are any', () => {
    const rows = L.listFile(new Map([[8, 'def f():'], [10, 'x']]), new Map([[10, { bytes: 5 }], [20, { bytes: 1 }]]));
    assert.deepEqual(rows, [{ gap: 7 }, { number: 8, parts: ['def f():'] }, { gap: 1 }, { number: 10, parts: ['x'], bytes: 5 },
                            { gap: 9 }, { number: 20, parts: [''], bytes: 1 }]);
});

test('a line is cut into the part its stacks came from and what is around it, by characters', () => {
    assert.deepEqual(L.splitLine('\u{1f600} = "é" + f(x)', 10, 14), ['\u{1f600} = "é" + ', 'f(x)', '']);
    assert.deepEqual(L.splitLine('\tx = f()\u202e', 5, 8), ['    x = ', 'f()', '\\u202e']);
    assert.deepEqual(L.splitLine('    f(x)', 4, 8), ['    f(x)'], 'all of a line is not underlined');
    assert.deepEqual(L.splitLine('x = f()', -1, -1), ['x = f()']);
    assert.deepEqual(L.splitLine('x = f()', undefined, undefined), ['x = f()']);
    const around = L.linesAround(new Map([[3, '    y'], [4, '    x = f()']]), 4, [8, 11]);
    assert.deepEqual(around.map((row) => row.parts), [['y'], ['x = ', 'f()', '']]);
});

test('frames at one line have its part together; where one has none, the line has none', () => {
    const frames = [...FRAMES, [APP, 0, '<listcomp>', 10, '    x = load()'], ['/b.py', 0, 'h', 3, 'y'], ['/b.py', 0, 'h', 4, 'z']];
    const data = makeData(frames, [[0, -1, 1, 1], [1, 0, 1, 1]]);
    Object.assign(data.frames, { column: [4, 0, 8, -1, 0], end_column: [9, 1, 14, -1, 1] });
    const parts = L.collectParts(P.readProfile(data));
    assert.deepEqual(Array.from(parts.get(0)), [[10, [4, 14]]]);
    assert.deepEqual(Array.from(parts.get(1)), [[3, [-1, -1]], [4, [0, 1]]]);
    assert.equal(L.collectParts(P.readProfile(makeData(FRAMES, [[0, -1, 1, 1]]))).size, 0, 'documents of before');
});
