// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');
const P = load('profile.js');
const { SITE, makeData } = require('./trees.js');

const APP = '/home/ada/app/app.py';
const FRAMES = [
    [APP, 0, '<module>', 1, 'main()'], [APP, 0, '<module>', 2, '\tload(path)  '],
    [SITE + 'json/api.py', 1, 'read', 3, ''], [APP, 0, '<module>', 4, 'save()'],
];
// root 5 -> main 10 -> { load 20 -> json 60, save 5 }
const STACKS = [[0, -1, 5, 1], [1, 0, 10, 2], [1, 1, 20, 3], [1, 2, 60, 4], [3, 3, 5, 5]];

function blameOf(data, mine = new Map()) {
    const profile = P.readProfile(data);
    const blame = P.blameStacks(profile, P.kindsOfFrames(profile, mine));
    return P.blameTable(blame, profile.values.peak).map((row) => [row.frame, row.bytes, row.blocks]);
}

test('bytes are blamed on the user\'s innermost line, else a library\'s, else the frame', () => {
    assert.deepEqual(blameOf(makeData(FRAMES, STACKS)), [[1, 80, 7], [0, 10, 2], [3, 5, 5], [-1, 5, 1]]);
    const library = new Map([['app.py', false]]);
    assert.deepEqual(blameOf(makeData(FRAMES, STACKS), library), [[2, 60, 4], [1, 20, 3], [0, 10, 2], [3, 5, 5], [-1, 5, 1]]);
    const mine = new Map([['json', true]]);
    assert.deepEqual(blameOf(makeData(FRAMES, STACKS), mine)[0], [2, 60, 4]);
});

test('two functions on one line are one line, folded stacks go to the line they hang below', () => {
    const frames = [...FRAMES, [APP, 0, '<listcomp>', 2, 'load(path)']];
    const stacks = [[0, -1, 0, 0], [1, 1, 1, 1], [1, 4, 2, 1], [1, 2, 3, 1], [1, -2, 4, 1]];
    assert.deepEqual(blameOf(makeData(frames, stacks)), [[1, 10, 4]]);
});

test('a thread is blamed on the line that started it, unless that is nobody\'s to blame', () => {
    const frames = [...FRAMES, ['', 4, '[thread]', 0, '', 6, 0], ['/usr/lib/python3.11/x.py', 2, 'go', 7, 'go()'],
                    ['', 4, '[thread]', 0, '', 6, 5]];
    const stacks = [[0, -1, 0, 0], [1, 4, 5, 1], [1, 2, 60, 1], [3, 0, 1, 1], [4, 6, 2, 1]];
    const data = makeData(frames, stacks);
    assert.deepEqual(blameOf(data), [[0, 66, 3], [6, 2, 1]]);
    const { describe } = P.readProfile(data);
    assert.equal(describe(4).label, '[thread started at app.py:1]');
    assert.equal(describe(6).label, '[thread started at x.py:7]');
});

test('stacks without a parent are refused in one sentence, another format with both numbers', () => {
    for (const up of [[0, 0], [0, 2], [0, -1, 1], [0, 1.5]]) {
        const data = makeData(FRAMES, up.map((distance, i) => [distance, i - 1, 1, 1]));
        assert.throws(() => P.readProfile(data), /damaged: stack 1 has no parent/);
    }
    assert.throws(() => P.readProfile({ format: 2 }), /format 1, not 2/);
});

test('a frame is called by its source, else its function, and placed in its file', () => {
    const { describe } = P.readProfile(makeData(FRAMES, STACKS));
    assert.equal(describe(1).label, 'load(path)');
    assert.equal(describe(1).location, 'app.py:2');
    assert.equal(describe(2).label, 'read');
    assert.equal(describe(2).path, 'json/api.py:3');
    assert.equal(describe(-2).label, 'smaller stacks, folded together');
    assert.equal(describe(-1).location, '');
});

test('search looks at source, function, path and file:line; case does not matter', () => {
    const profile = P.readProfile(makeData([...FRAMES, [APP, 0, 'f', 42, 'x']], STACKS));
    const hits = (query) => Array.from(P.matchFrames(profile, query));
    assert.deepEqual(hits('LOAD'), [0, 1, 0, 0, 0]);
    assert.deepEqual(hits('read'), [0, 0, 1, 0, 0]);
    assert.deepEqual(hits('app.py:4'), [0, 0, 0, 1, 0], 'not 42');
    assert.deepEqual(hits('json/'), [0, 0, 1, 0, 0]);
    assert.deepEqual(hits('/^(main|save)/'), [1, 0, 0, 1, 0]);
    assert.deepEqual(hits('/app.py:\\d\\d/'), [0, 0, 0, 0, 1]);
    assert.deepEqual(hits('a.b'), [0, 0, 0, 0, 0], 'plain text is not a pattern');
    assert.equal(P.matchFrames(profile, '  '), null);
    assert.throws(() => P.matchFrames(profile, '/(/'), /not a regular expression/);
});

test('a match below a match is not counted twice', () => {
    const profile = P.readProfile(makeData(FRAMES, STACKS));
    assert.equal(P.searchStacks(profile, [0, 1, 1, 1], profile.values.peak), 85);
    assert.equal(P.searchStacks(profile, [0, 0, 1, 0], profile.values.peak), 60);
});

test('a line of a listing holds what it and all it called hold, once', () => {
    // main -> load -> main -> load: recursion through two lines
    const stacks = [[0, -1, 5, 1], [1, 0, 10, 1], [1, 1, 20, 1], [1, 0, 1, 1], [1, 1, 2, 1], [4, 3, 7, 1]];
    const profile = P.readProfile(makeData(FRAMES, stacks));
    const kinds = P.kindsOfFrames(profile, new Map());
    const lines = P.weighLines(profile, P.blameStacks(profile, kinds), profile.values.peak).get(0);
    assert.deepEqual(Array.from(lines, ([number, line]) => [number, line.bytes]), [[1, 40], [2, 23], [4, 7]]);
});

test('the document comes back out of the page', () => {
    const data = makeData(FRAMES, STACKS, {
        blame: { frame: [1, -1, -2], bytes: [80, 5, 1], blocks: [7, 1, 1], end_bytes: [0, 0, 0] } });
    const folded = { stacks: 3, bytes: 1 };
    assert.equal('folded' in P.toDocument({ ...data, folded: null }), false);
    const found = P.toDocument({ ...data, folded });
    assert.deepEqual(found.folded, folded);
    assert.deepEqual(found.stacks.parent, [-1, 0, 1, 2, 1]);
    assert.equal(found.stacks.up, undefined);
    assert.equal(found.page, undefined);
    assert.deepEqual(found.blame[0], { bytes: 80, blocks: 7, end_bytes: 0, path: APP, line: 2, function: '<module>',
                                       source: '\tload(path)  ', kind: 0 });
    assert.deepEqual(found.blame.slice(1).map((row) => row.function), ['[no stack]', '[smaller lines]']);
});

test('a file belongs to a library, the standard library, or a part of the program', () => {
    const name = (path, kind) => P.moduleOf(path, kind, '/home/ada/app');
    assert.equal(name(SITE + 'pandas/io/api.py', 1), 'pandas');
    assert.equal(name(SITE + 'six.py', 1), 'six');
    assert.equal(name('/usr/lib/python3.11/json/decoder.py', 2), 'standard library');
    assert.equal(name('/home/ada/app/load.py', 0), 'load.py');
    assert.equal(name('/home/ada/app/sales/load.py', 0), 'sales/');
    assert.equal(name('/srv/shared/tools.py', 0), '/srv/shared/');
    assert.equal(name('pandas/io/api.py', 1), 'pandas', 'as --redact has it');
});

test('one kind of memory is weighed alone, and what that leaves out keeps the total whole', () => {
    // load 20: 15 of the C heap; json 60: 40 a map; save 5 all heap
    const kinds = { stack: [2, 3, 4], kind: [1, 2, 1], bytes: [15, 40, 5], blocks: [1, 2, 5],
                    end_bytes: [0, 0, 0], end_blocks: [0, 0, 0], alloc_bytes: [0, 0, 0], alloc_blocks: [0, 0, 0] };
    const profile = P.readProfile(makeData(FRAMES, STACKS, { kinds }));
    const own = (kind) => Array.from(P.weighKind(profile, 'peak', kind).bytes);
    assert.deepEqual(own(''), [5, 10, 20, 60, 5, 0]);
    assert.deepEqual(own('0'), [5, 10, 5, 20, 0, 60]);
    assert.deepEqual(own('1'), [0, 0, 15, 0, 5, 80]);
    assert.deepEqual(own('2'), [0, 0, 0, 40, 0, 60]);
    assert.deepEqual(Array.from(P.weighKind(profile, 'peak', '1').blocks), [0, 0, 1, 0, 5, 9]);
    const blame = P.blameStacks(profile, P.kindsOfFrames(profile, new Map()));
    const rows = P.blameTable(blame, P.weighKind(profile, 'peak', '1'));
    assert.deepEqual(rows.map((row) => [row.frame, row.bytes]), [[-3, 80], [1, 15], [3, 5]]);
    assert.equal(profile.describe(-3).label, 'other kinds, left out');
    // Documents of before have no kinds, and nothing is left out.
    const old = P.readProfile(makeData(FRAMES, STACKS));
    assert.deepEqual([old.count, old.hasKinds, P.weighKind(old, 'peak', '1').bytes.length], [5, false, 5]);
});
