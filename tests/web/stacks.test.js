// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');
const S = load('stacks.js');
const P = load('profile.js');
const { APART, FOLDED, SITE, makeData, makeTree, outline } = require('./trees.js');

const APP = '/home/ada/app/app.py';
const FRAMES = [
    [APP, 0, '<module>', 9, 'main()'],                                       // 0
    [APP, 0, 'main', 4, 'data = pd.read_csv(path)'],                         // 1
    [SITE + 'pandas/io/api.py', 1, 'read_csv', 77, 'return _read(path)'],    // 2
    [SITE + 'pandas/io/base.py', 1, 'Reader.read', 12, 'return np.empty(n)'], // 3
    [APP, 0, 'convert', 30, 'return text.strip()'],                          // 4
    [APP, 0, '<module>', 1, 'import pandas as pd'],                          // 5
    ['<frozen importlib._bootstrap>', 3, '_find_and_load', 1176, ''],        // 6
    [SITE + 'pandas/__init__.py', 1, '<module>', 3, 'import numpy'],         // 7
    ['/usr/lib/python3.11/json/__init__.py', 2, 'load', 293, 'return loads()'], // 8
];
// main() -> read_csv(77) -> Reader.read(12) -> convert, and import pandas -> importlib -> pandas
const STACKS = [
    [0, -1, 3, 1], [1, 0, 0, 0], [1, 1, 10, 1], [1, 2, 20, 1], [1, 3, 300, 2], [1, 4, 40, 1], [4, 8, 7, 1],
    [7, 5, 5, 1], [1, 6, 50, 1], [1, 7, 60, 1], [1, 6, 70, 1],
];

test('nothing folded is the stacks as they were recorded', () => {
    assert.deepEqual(outline(makeTree(makeData(FRAMES, STACKS), APART)), [
        '-1 565', '  main() 377', '    data = pd.read_csv(path) 377', '      return _read(path) 360',
        '        return np.empty(n) 340', '          return text.strip() 40', '      return loads() 7',
        '  import pandas as pd 185', '    _find_and_load 180', '      import numpy 130', '        _find_and_load 70',
    ]);
});

test('what a library does for one call is one box with its public entry, imports are named', () => {
    assert.deepEqual(outline(makeTree(makeData(FRAMES, STACKS), FOLDED)), [
        '-1 565', '  main() 377', '    data = pd.read_csv(path) 377', '      pandas: read_csv 360',
        '        return text.strip() 40', '      json: load 7',
        '  import pandas as pd 185', '    import pandas 180',
    ]);
});

test('a folded call is opened by its name, the others stay folded', () => {
    const data = makeData(FRAMES, STACKS);
    const folded = makeTree(data, FOLDED);
    const node = Array.from(folded.key).findIndex((key, i) => i < folded.count && key >= folded.labels.first &&
        folded.labels[key - folded.labels.first].text === 'pandas: read_csv');
    const open = new Set([S.hashNode(folded, node)]);
    assert.deepEqual(outline(makeTree(data, { ...FOLDED, open })), [
        '-1 565', '  main() 377', '    data = pd.read_csv(path) 377', '      pandas: read_csv 360',
        '        return _read(path) 360', '          return np.empty(n) 340', '            return text.strip() 40',
        '      json: load 7', '  import pandas as pd 185', '    import pandas 180',
    ]);
});

test('whose code it is can be changed: a library taken as the reader\'s own is shown line by line', () => {
    const tree = makeTree(makeData(FRAMES, STACKS), FOLDED, 'peak', new Map([['pandas', true]]));
    assert.deepEqual(outline(tree).slice(2, 6), [
        '    data = pd.read_csv(path) 377', '      return _read(path) 360', '        return np.empty(n) 340',
        '          return text.strip() 40']);
    const none = makeTree(makeData(FRAMES, STACKS), FOLDED, 'peak', new Map([['app.py', false]]));
    assert.equal(outline(none)[0], '-1 565');
    assert.ok(outline(none).every((row) => !row.includes('read_csv(path)')));
});

test('a line that calls itself is one box that says how often', () => {
    // f -> f -> f, then a cycle of two, then the leaf
    const frames = [[APP, 0, 'f', 1, 'f()'], [APP, 0, 'g', 2, 'g()'], [APP, 0, 'leaf', 3, 'leaf']];
    const stacks = [[0, -1, 0, 0], [1, 0, 1, 1], [1, 0, 1, 1], [1, 0, 1, 1], [1, 1, 10, 1], [1, 0, 1, 1], [1, 1, 10, 1],
                    [1, 2, 100, 1]];
    assert.deepEqual(outline(makeTree(makeData(frames, stacks), FOLDED)), [
        '-1 124', '  f() 124 x4', '    g() 120 x2', '      leaf 100']);
    assert.equal(outline(makeTree(makeData(frames, stacks), APART)).length, 8);
});

test('a recursion of 20,000 frames folds to one box and unfolds to all', () => {
    const depth = 20000;
    const stacks = [[0, -1, 0, 0], ...Array.from({ length: depth }, () => [1, 0, 2, 1])];
    const data = makeData([[APP, 0, 'walk', 4, 'walk()']], stacks);
    assert.deepEqual(outline(makeTree(data, FOLDED)), ['-1 40000', '  walk() 40000 x20000']);
    const tree = makeTree(data, APART);
    assert.equal(tree.count, depth + 1);
    assert.equal(S.findPath(tree, S.pathOf(tree, depth)), depth);
    const turned = S.invertTree(tree);
    let [node, rows] = [0, 0];
    for (; turned.kids(node).length > 0; node = turned.kids(node)[0]) {
        rows++;
    }
    assert.equal(rows, 1000, 'no deeper than can be read');
    assert.equal(turned.bytes[turned.kids(0)[0]], 2 * depth);
});

test('threads and processes are kept apart or merged', () => {
    const frames = [['', 4, 'process 7 app.py', 0, '', 32], ['', 4, '[thread]', 0, '', 6, 2],
                    [APP, 0, 'main', 4, 'start()'], [APP, 0, 'work', 8, 'work()'],
                    ['', 4, 'process 8 app.py', 0, '', 32]];
    const stacks = [[0, -1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 3, 100, 1], [3, 3, 10, 1], [5, 4, 0, 0], [1, 3, 20, 1]];
    const data = makeData(frames, stacks);
    assert.deepEqual(outline(makeTree(data, FOLDED)), [
        '-1 131', '  process 7 app.py 111', '    [thread started at app.py:4] 101', '      work() 100',
        '    work() 10', '  process 8 app.py 20', '    work() 20']);
    assert.deepEqual(outline(makeTree(data, { ...FOLDED, processes: false })), [
        '-1 131', '  [thread started at app.py:4] 101', '    work() 100', '  work() 30']);
    assert.deepEqual(outline(makeTree(data, { ...FOLDED, processes: false, threads: false })), [
        '-1 131', '  work() 130']);
});

test('how a thread gets going is no box of its own', () => {
    const frames = [['', 4, '[thread]', 0, '', 6], ['/usr/lib/python3.11/threading.py', 2, 'Thread.run', 982, 'x'],
                    [SITE + 'pool/api.py', 1, 'job', 5, 'y']];
    const stacks = [[0, -1, 0, 0], [1, 0, 1, 1], [1, 1, 2, 1], [1, 2, 30, 1]];
    assert.deepEqual(outline(makeTree(makeData(frames, stacks), FOLDED)), ['-1 33', '  [thread] 33', '    pool: job 30']);
});

test('upside down the lines that allocated come first, and every level still adds up', () => {
    const turned = S.invertTree(makeTree(makeData(FRAMES, STACKS), FOLDED));
    assert.deepEqual(outline(turned), [
        '-1 565', '  pandas: read_csv 320', '    data = pd.read_csv(path) 320', '      main() 320',
        '  import pandas 180', '    import pandas as pd 180', '  return text.strip() 40', '    pandas: read_csv 40',
        '      data = pd.read_csv(path) 40', '        main() 40', '  data = pd.read_csv(path) 10', '    main() 10',
        '  json: load 7', '    data = pd.read_csv(path) 7', '      main() 7', '  import pandas as pd 5', '  -1 3']);
    assert.equal(turned.kids(0).reduce((sum, kid) => sum + turned.bytes[kid], 0), 565);
});

test('what other kinds of memory hold is a box of its own both ways up', () => {
    // of what read_csv holds, 20 bytes are C heap; all else is left out while the C heap is looked at
    const kinds = { stack: [3], kind: [1], bytes: [20], blocks: [1], end_bytes: [0], end_blocks: [0], alloc_bytes: [0],
                    alloc_blocks: [0] };
    const profile = P.readProfile(makeData(FRAMES, STACKS, { kinds }));
    const grouped = S.groupStacks(profile, P.kindsOfFrames(profile, new Map()), { ...FOLDED, open: new Set() });
    const tree = S.weighTree(grouped, P.weighKind(profile, 'peak', '1'));
    for (const view of [tree, S.invertTree(tree)]) {
        const levels = view.kids(0).map((kid) => [view.key[kid], view.bytes[kid]]);
        assert.ok(levels.some(([key, bytes]) => key === -3 && bytes === 545), JSON.stringify(levels));
        assert.equal(view.self[0], 0, 'nothing is outside of any line');
    }
});

test('each measure has its own bytes on the same tree', () => {
    const stacks = [[0, -1, 0, 0], [1, 0, 5, 1, 0, 50], [1, 1, 10, 1, 10, 10]];
    const data = makeData(FRAMES, stacks);
    assert.deepEqual(outline(makeTree(data, APART, 'end')), ['-1 10', '  main() 10', '    data = pd.read_csv(path) 10']);
    assert.equal(makeTree(data, APART, 'run').bytes[0], 60);
});

test('folded stacks stay a box, or disappear in a folded call', () => {
    const stacks = [[0, -1, 0, 0], [1, 0, 0, 0], [1, 2, 4, 1], [1, -2, 5, 3], [3, -2, 6, 1]];
    assert.deepEqual(outline(makeTree(makeData(FRAMES, stacks), FOLDED)), [
        '-1 15', '  main() 15', '    pandas: read_csv 9', '    -2 6']);
});

test('the paths to a line hold exactly what it is blamed for, both ways up', () => {
    const data = makeData(FRAMES, STACKS);
    const tree = makeTree(data, FOLDED);
    const blame = P.blameStacks(tree.profile, P.kindsOfFrames(tree.profile, new Map()));
    const rows = P.blameTable(blame, tree.profile.values.peak);
    assert.deepEqual(rows.map((row) => [tree.profile.describe(row.frame).location, row.bytes]), [
        ['app.py:4', 337], ['app.py:1', 185], ['app.py:30', 40], ['', 3]]);
    for (const view of [tree, S.invertTree(tree)]) {
        for (const row of rows) {
            const paths = S.pathsTo(view, blame, tree.profile.values.peak, row.line);
            assert.equal(paths.bytes, row.bytes);
            assert.equal(paths.held(0), row.bytes);
            assert.equal(paths.held(paths.common), row.bytes);
        }
    }
    const paths = S.pathsTo(tree, blame, tree.profile.values.peak, rows[0].line);
    assert.equal(tree.profile.describe(tree.key[paths.common]).label, 'data = pd.read_csv(path)');
});

test('a path of names leads to the same box in any tree that has it', () => {
    const data = makeData(FRAMES, STACKS);
    const tree = makeTree(data, FOLDED);
    const other = makeTree(data, FOLDED, 'peak');
    for (let node = 1; node < tree.count; node++) {
        assert.equal(S.findPath(other, S.pathOf(tree, node)), node);
    }
    assert.equal(S.findPath(tree, ['nowhere']), 0);
    assert.equal(S.findPath(tree, [...S.pathOf(tree, 2), 'nowhere']), 2, 'as far as it leads');
});
