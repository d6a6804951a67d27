// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');
const T = load('table.js');
const P = load('profile.js');
const { makeData } = require('./trees.js');

const APP = '/home/ada/app/app.py';

function setUp(sources, changes) {
    const frames = sources.map((source, i) => [APP, 0, 'f', i + 1, source]);
    const stacks = [[0, -1, 0, 0], ...frames.map((unused, i) => [i + 1, i, 1024 * (frames.length - i), 2])];
    const profile = P.readProfile(makeData(frames, stacks, changes));
    const blame = P.blameStacks(profile, P.kindsOfFrames(profile, new Map()));
    return { profile, blame };
}

test('the document\'s own lines are taken while nobody says whose code is whose otherwise', () => {
    const own = { blame: { frame: [1, -2, 0], bytes: [7, 2, 9], blocks: [1, 1, 1] } };
    const { profile, blame } = setUp(['a', 'b'], own);
    assert.deepEqual(T.blameRows(profile, blame, 'peak', false).map((row) => [row.frame, row.bytes]), [[0, 9], [1, 7], [-2, 2]]);
    assert.deepEqual(T.blameRows(profile, blame, 'peak', true).map((row) => [row.frame, row.bytes]), [[0, 2048], [1, 1024]]);
});

test('rows are sorted by bytes, blocks or place, either way', () => {
    const { profile, blame } = setUp(Array.from({ length: 11 }, () => 'x'));
    const rows = T.blameRows(profile, blame, 'peak', true);
    const lines = (column, rising) => T.sortRows(rows, column, rising, profile).map((row) => row.frame + 1);
    assert.deepEqual(lines('bytes', false), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert.deepEqual(lines('bytes', true), [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert.deepEqual(lines('place', true), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], 'not 1, 10, 11, 2');
});

test('as text the columns stand below one another, and what is left out is said', () => {
    const { profile, blame } = setUp(Array.from({ length: 40 }, (unused, i) => 'x' + i));
    const rows = T.blameRows(profile, blame, 'peak', true);
    const lines = T.tableText(profile, rows, 820 * 1024, 'Peak').split('\n');
    assert.equal(lines[0], 'Peak');
    assert.equal(lines[1], '40.0 KiB  4.9 %  2  app.py:1       x0');
    assert.equal(lines[31], '55.0 KiB  6.7 %     10 more lines');
    assert.equal(lines.length, 33);
});

test('what other kinds of memory hold is never among the lines that are left', () => {
    const rows = [...Array.from({ length: 32 }, (unused, i) => ({ frame: i, bytes: 1024, blocks: 1 })),
                  { frame: -3, bytes: 4096, blocks: 9 }];
    const { first, left, other } = T.cutRows(rows, 30);
    assert.deepEqual([first.length, left.length, other], [30, 2, [rows[32]]]);
    const { profile } = setUp(Array.from({ length: 32 }, () => 'x'));
    const lines = T.tableText(profile, rows, 36 * 1024, 'C heap').trimEnd().split('\n');
    assert.deepEqual(lines.slice(-2).map((line) => line.trim().replace(/ +/g, ' ')), [
        '2.0 KiB 5.6 % 2 more lines', '4.0 KiB 11.1 % 9 other kinds, left out']);
});

test('in Markdown no source line can leave its cell', () => {
    const { profile, blame } = setUp(['a | b', 'x = `y`', '``z``', '<img src=x>']);
    const rows = T.blameRows(profile, blame, 'peak', true);
    const text = T.tableMarkdown(profile, rows, 10240, 'Peak <b> of [x](y)');
    const lines = text.split('\n');
    assert.equal(lines[0], '**Peak \\<b\\> of \\[x\\](y)**');
    assert.equal(lines[4], '| 4.0 KiB | 40.0 % | 2 | `app.py:1` | `a \\| b` |');
    assert.equal(lines[5], '| 3.0 KiB | 30.0 % | 2 | `app.py:2` | `` x = `y` `` |');
    assert.equal(lines[6], '| 2.0 KiB | 20.0 % | 2 | `app.py:3` | ``` ``z`` ``` |');
    assert.equal(lines[7], '| 1.0 KiB | 10.0 % | 2 | `app.py:4` | `<img src=x>` |');
});
