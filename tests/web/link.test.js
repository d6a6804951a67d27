// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');
const L = load('link.js');

test('the start of a report needs no link, and no link is the start', () => {
    assert.equal(L.writeLink(L.START), '');
    assert.deepEqual(L.readLink(''), L.START);
    assert.deepEqual(L.readLink('#'), L.START);
});

test('whatever is looked at comes back from its link', () => {
    const state = { ...L.START, measure: 'run', tab: 'source', inverted: true, library: false, threads: false,
                    query: '/a&b=#%"<script>/', blame: 'sales/ä b.py:5', file: 'x.py:3', path: 'a1.zz', open: 'q.w',
                    mine: '+pandas,-sales/' };
    const link = L.writeLink(state);
    assert.match(link, /^[\x21-\x7e]+$/);
    assert.ok(!/[<>"#]/.test(link));
    assert.deepEqual(L.readLink('#' + link), state);
});

test('a damaged link opens what it can', () => {
    const state = L.readLink('#m=nonsense&x=v?&%E0%A4%A');
    assert.equal(state.measure, 'nonsense'); // the page takes its first measure instead
    assert.equal(state.inverted, true);
});

test('a path of 20,000 boxes is left out, not half of it', () => {
    assert.equal(L.writeLink({ ...L.START, path: 'abc.'.repeat(20000) }), '');
});

test('whose code is whose comes back, too', () => {
    const mine = new Map([['pandas', true], ['sales/', false]]);
    assert.equal(L.writeMine(mine), '+pandas,-sales/');
    assert.deepEqual(L.readMine('+pandas,-sales/'), mine);
    const odd = new Map([['a,b/', true], ['100%2C,%25/', false]]);
    assert.deepEqual(L.readMine(L.writeMine(odd)), odd);
    assert.deepEqual(L.readMine(''), new Map());
    assert.deepEqual(L.readMine('pandas,+'), new Map());
});
