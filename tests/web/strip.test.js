// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');
const S = load('strip.js');

test('a spike of one point in ten thousand is not lost', () => {
    const times = Array.from({ length: 10000 }, (unused, i) => i / 1000);
    const values = times.map((unused, i) => i === 4321 ? 900 : 10);
    const columns = S.columnsOf(times, values, 10, 100);
    assert.equal(columns[43], 900);
    assert.equal(Math.min(...columns), 10);
});

test('few points fill the strip between them and not beyond', () => {
    assert.deepEqual(Array.from(S.columnsOf([1, 3], [5, 7], 10, 10)), [-1, 5, 7, 7, -1, -1, -1, -1, -1, -1]);
    assert.deepEqual(Array.from(S.columnsOf([], [], 10, 3)), [-1, -1, -1]);
});

test('the peak is drawn where and as high as it was, whatever the samples missed', () => {
    const timeline = { time_s: [0, 5, 10], tracked_bytes: [1, 50, 1], rss_bytes: [9, 60, 9] };
    const strip = S.layoutStrip(timeline, { bytes: 200, time_s: 7.5 }, 10, 100);
    assert.equal(strip.peakAt, 75);
    assert.equal(strip.tracked[75], 200);
    assert.equal(strip.top, 200);
    const unknown = S.layoutStrip(timeline, { bytes: 200, time_s: null }, null, 100);
    assert.equal(unknown.peakAt, -1);
    assert.equal(unknown.end, 10);
});
