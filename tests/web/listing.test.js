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
    assert.deepEqual(around.map((row) => [row.number, row.text, row.here]),
                     [[9, 'if a:', false], [10, '    b()', true], [11, '', false], [12, 'c', false]]);
    assert.deepEqual(L.linesAround(new Map([[9, 'x']]), 10), [], 'an unknown line has no surroundings');
    assert.deepEqual(L.linesAround(undefined, 10), []);
});

test('a listing has gaps where lines are left out, and bytes where there are any', () => {
    const rows = L.listFile(new Map([[8, 'def f():'], [10, 'x']]), new Map([[10, { bytes: 5 }], [20, { bytes: 1 }]]));
    assert.deepEqual(rows, [{ gap: 7 }, { number: 8, text: 'def f():' }, { gap: 1 }, { number: 10, text: 'x', bytes: 5 },
                            { gap: 9 }, { number: 20, text: '', bytes: 1 }]);
});
