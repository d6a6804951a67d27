// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const D = require('../../src/report/web/data.js');

const SPACE = '\u00a0';

// root -> main(10) -> { load(20) -> json(60), save(5) }, root holds 5 itself
function smallNodes() {
    return { up: [0, 1, 1, 1, 3], frame: [-1, 0, 1, 2, 3], bytes: [5, 10, 20, 60, 5],
             blocks: [1, 2, 3, 4, 5] };
}

// Frames 0, 1 and 3 are the user's, frame 2 is a library's.
const KINDS = Uint8Array.from([0, 0, 1, 0]);

function smallData() {
    return {
        format: 1, tool: 'peakline', run: { command: ['app.py'], directory: '/home/ada/app' },
        peak: { bytes: 100, blocks: 15 }, warnings: [],
        files: { path: ['/home/ada/app/app.py', '/v/lib/python3.11/site-packages/json/api.py'],
                 kind: [0, 1], status: [0, 2] },
        functions: { name: ['<module>', 'read'], file: [0, 1], kind: [0, 0] },
        frames: { function: [0, 0, 1, 0], line: [1, 2, 3, 4],
                  source: ['main()', '\tload(path)  ', '', 'save()'] },
        nodes: smallNodes(),
        blame: { frame: [1, 0, -1, 3], bytes: [80, 10, 5, 5], blocks: [7, 2, 1, 5] },
    };
}

test('the total of a node is what it holds itself and all below it', () => {
    const tree = D.buildTree(smallNodes());
    assert.deepEqual(Array.from(tree.bytes), [100, 95, 80, 60, 5]);
    assert.deepEqual(Array.from(tree.blocks), [15, 14, 7, 4, 5]);
    assert.deepEqual(Array.from(tree.depth), [0, 1, 2, 3, 2]);
    assert.deepEqual(Array.from(tree.parent), [0, 0, 1, 2, 1]);
    assert.deepEqual(Array.from(tree.end), [5, 5, 4, 4, 5]);
});

test('children lie side by side from the left edge of their parent', () => {
    const tree = D.buildTree(smallNodes());
    assert.deepEqual(Array.from(tree.start), [0, 0, 0, 0, 80]);
});

test('sums stay exact far above 32 bits', () => {
    const tree = D.buildTree({ up: [0, 1, 2], frame: [-1, 0, 1], bytes: [1, 2 ** 50, 2 ** 51],
                               blocks: [0, 1, 1] });
    assert.equal(tree.bytes[0], 2 ** 50 + 2 ** 51 + 1);
});

test('a recursion of 20,000 frames is a tree like any other', () => {
    const depth = 20000;
    const up = [0, ...Array(depth).fill(1)];
    const frame = up.map((unused, i) => i ? 0 : -1);
    const tree = D.buildTree({ up, frame, bytes: up, blocks: up });
    assert.equal(tree.depth[depth], depth);
    assert.equal(tree.bytes[0], depth);
    assert.equal(tree.end[1], depth + 1);
    const blamed = D.blameNodes(tree, Uint8Array.from([0]));
    assert.equal(D.pathsTo(tree, blamed, [0], 0).bytes, depth);
    assert.equal(D.searchTree(tree, [1]).bytes, depth);
});

test('nodes out of order or without a parent are refused in one sentence', () => {
    const broken = (up) => () => D.buildTree({ up, frame: up.map(() => 0), bytes: up, blocks: up });
    assert.throws(broken([0, 0]), /damaged: node 1 has no parent/);
    assert.throws(broken([0, 2]), /damaged: node 1 has no parent/);
    assert.throws(broken([0, -1, 1]), /damaged: node 1 has no parent/);
    // node 3 names node 1 as its parent after node 2, a child of the root, has closed it
    assert.throws(broken([0, 1, 2, 2]), /damaged: node 3 is out of order/);
    assert.throws(broken([0, 1.5]), /damaged/);
});

test('a newer format is refused with both numbers', () => {
    assert.throws(() => D.buildModel({ format: 2 }), /format 1, not 2/);
});

test('bytes are blamed on the user\'s innermost line, else a library\'s, else the frame', () => {
    const tree = D.buildTree(smallNodes());
    assert.deepEqual(Array.from(D.blameNodes(tree, KINDS)), [0, 1, 2, 2, 4]);
    const noUser = D.blameNodes(tree, Uint8Array.from([2, 1, 3, 2]));
    assert.deepEqual(Array.from(noUser), [0, 1, 2, 2, 4]);
    const none = D.blameNodes(tree, Uint8Array.from([2, 3, 2, 2]));
    assert.deepEqual(Array.from(none), [0, 1, 2, 3, 4]);
});

test('folded stacks are blamed on the line they hang below', () => {
    const tree = D.buildTree({ up: [0, 1, 1], frame: [-1, 0, -2], bytes: [0, 1, 7],
                               blocks: [0, 1, 1] });
    assert.deepEqual(Array.from(D.blameNodes(tree, Uint8Array.from([2]))), [0, 1, 1]);
});

test('the paths to a line hold exactly what the line is blamed for', () => {
    const tree = D.buildTree(smallNodes());
    const paths = D.pathsTo(tree, D.blameNodes(tree, KINDS), [0, 1, 2, 3], 1);
    assert.equal(paths.bytes, 80);
    assert.deepEqual(paths.nodes, [2]);
    assert.equal(paths.common, 2);
    assert.deepEqual(Array.from(paths.held), [80, 80, 80, 60, 0]);
});

test('two paths to a line meet in the deepest node above both', () => {
    // root -> a -> { b -> x, c -> x }
    const tree = D.buildTree({ up: [0, 1, 1, 1, 3, 1], frame: [-1, 0, 1, 3, 2, 3],
                               bytes: [0, 0, 0, 8, 0, 4], blocks: [0, 0, 0, 1, 0, 1] });
    const blamed = D.blameNodes(tree, Uint8Array.from([0, 0, 0, 0]));
    const paths = D.pathsTo(tree, blamed, [0, 1, 2, 3], 3);
    assert.deepEqual(paths.nodes, [3, 5]);
    assert.equal(paths.common, 1);
    assert.equal(paths.bytes, 12);
});

test('every blame line of a model adds up to its row and all rows to the peak', () => {
    const model = D.buildModel(smallData());
    const { blame } = model.data;
    const found = blame.frame.map((frame) => model.pathsTo(frame).bytes);
    assert.deepEqual(found, blame.bytes);
    assert.equal(found.reduce((a, b) => a + b), model.peak);
});

test('two functions on one line are one line: all paths to it are found', () => {
    // root -> main(10) -> load:26(20) -> listcomp:26(60); json is library code at another line 26
    const data = smallData();
    data.functions = { name: ['<module>', 'read', '<listcomp>'], file: [0, 1, 0], kind: [0, 0, 0] };
    data.frames = { function: [0, 0, 2, 1], line: [1, 26, 26, 26], source: ['', '', '', ''] };
    data.blame = { frame: [2, 0, -1], bytes: [80, 15, 5], blocks: [7, 7, 1] };
    const model = D.buildModel(data);
    for (const frame of [1, 2]) {
        const paths = model.pathsTo(frame);
        assert.equal(paths.bytes, 80);
        assert.deepEqual(paths.nodes, [2, 3]);
        assert.equal(paths.common, 2);
    }
    assert.equal(model.pathsTo(0).bytes, 15);
    assert.equal(model.pathsTo(-1).bytes, 5);
    assert.equal(model.pathsTo(3).bytes, 0);
});

// root -> { main -> start(1), [thread] started by main (5) -> json(60), [thread] of nobody -> json }
function threadData() {
    const data = smallData();
    data.functions = { name: ['<module>', 'read', '[thread]'], file: [0, 1, 2], kind: [0, 0, 6] };
    data.files = { path: [...data.files.path, ''], kind: [0, 1, 4], status: [0, 2, 0] };
    data.frames = { function: [0, 1, 2, 2], line: [7, 3, 0, 0], source: ['go()', 'x', '[thread started at app.py:7]', ''],
                    started_by: [-1, -1, 0, -1] };
    data.nodes = { up: [0, 1, 1, 3, 4, 1], frame: [-1, 2, 1, 0, 3, 1], bytes: [0, 5, 60, 1, 2, 30],
                   blocks: [0, 1, 1, 1, 1, 1] };
    data.blame = { frame: [0, 1, 3], bytes: [66, 30, 2], blocks: [3, 1, 1] };
    return data;
}

test('a thread is blamed on the line that started it, and says which', () => {
    const model = D.buildModel(threadData());
    assert.equal(model.describe(2).label, '[thread started at app.py:7]');
    assert.equal(model.describe(2).location, '');
    assert.equal(model.describe(3).label, '[thread]');
    const paths = model.pathsTo(0);
    assert.equal(paths.bytes, 66);
    assert.deepEqual(paths.nodes, [1, 3], 'the thread, and the line itself');
    assert.equal(paths.common, 0);
    const found = model.data.blame.frame.map((frame) => model.pathsTo(frame).bytes);
    assert.deepEqual(found, model.data.blame.bytes);
    const hits = model.matchFrames(D.makeMatcher('thread started at app.py:7'));
    assert.deepEqual(Array.from(hits), [0, 0, 1, 0]);
});

test('a library line in a thread of the standard library is nobody else\'s', () => {
    const data = threadData();
    data.files.kind[0] = 2;
    data.blame = { frame: [1, 2, 3, 0], bytes: [90, 5, 2, 1] };
    const model = D.buildModel(data);
    const found = data.blame.frame.map((frame) => model.pathsTo(frame).bytes);
    assert.deepEqual(found, data.blame.bytes);
});

test('a match below a match is not counted twice', () => {
    const tree = D.buildTree(smallNodes());
    const found = D.searchTree(tree, [0, 1, 1, 1]);
    assert.deepEqual(found.nodes, [2, 3, 4]);
    assert.equal(found.bytes, 85);
    assert.deepEqual(Array.from(found.marked), [0, 0, 1, 1, 1]);
});

test('search looks at source, function and file:line; case does not matter', () => {
    const model = D.buildModel(smallData());
    const hits = (query) => Array.from(model.matchFrames(D.makeMatcher(query)));
    assert.deepEqual(hits('LOAD'), [0, 1, 0, 0]);
    assert.deepEqual(hits('read'), [0, 0, 1, 0]);
    assert.deepEqual(hits('app.py:4'), [0, 0, 0, 1]);
    assert.deepEqual(hits('/^(main|save)/'), [1, 0, 0, 1]);
    assert.deepEqual(hits('a.b'), [0, 0, 0, 0], 'plain text is not a pattern');
});

test('no query is no search, a broken pattern says so', () => {
    assert.equal(D.makeMatcher('  '), null);
    assert.throws(() => D.makeMatcher('/(/'), /not a regular expression/);
    assert.equal(D.makeMatcher('/')('a/b'), true);
});

test('a frame is called by its source, else its function, and placed in its file', () => {
    const { describe } = D.buildModel(smallData());
    assert.equal(describe(1).label, 'load(path)');
    assert.equal(describe(1).location, 'app.py:2');
    assert.equal(describe(2).label, 'read');
    assert.equal(describe(2).path, 'json/api.py:3');
    assert.equal(describe(2).status, 2);
    assert.equal(describe(-2).label, 'smaller stacks, folded together');
    assert.equal(describe(-1).location, '');
});

test('bytes carry binary units with one decimal', () => {
    const cases = [[0, '0 B'], [1, '1 B'], [1023, '1,023 B'], [1024, '1.0 KiB'],
                   [1536, '1.5 KiB'], [1048575, '1.0 MiB'], [64172851, '61.2 MiB'],
                   [1023.9 * 1024, '1,023.9 KiB'], [1.5 * 2 ** 30, '1.5 GiB'],
                   [2 ** 50, '1.0 PiB'], [5000 * 2 ** 50, '5,000.0 PiB']];
    for (const [bytes, text] of cases) {
        assert.equal(D.formatBytes(bytes), text.replace(' ', SPACE));
    }
});

test('only nothing is 0 % and only everything is 100 %', () => {
    const cases = [[0, 100, '0 %'], [100, 100, '100 %'], [45.06, 100, '45.1 %'],
                   [0.05, 100, '<0.1 %'], [99.999, 100, '99.9 %'], [0, 0, '0 %']];
    for (const [part, whole, text] of cases) {
        assert.equal(D.formatShare(part, whole), text.replace(' ', SPACE));
    }
});

test('counts, plurals and durations read as people write them', () => {
    assert.equal(D.formatCount(1234567), '1,234,567');
    assert.equal(D.formatCount(999), '999');
    assert.equal(D.formatPlural(1, 'block'), '1' + SPACE + 'block');
    assert.equal(D.formatPlural(2, 'box', 'boxes'), '2' + SPACE + 'boxes');
    const durations = [[0.25, '0.3~s'], [12.44, '12.4~s'], [99.97, '1~min 40~s'],
                       [3599.7, '1~h 0~min'], [7260, '2~h 1~min']];
    for (const [seconds, text] of durations) {
        assert.equal(D.formatDuration(seconds), text.replaceAll('~', SPACE));
    }
});

test('characters that would lie are shown as Python writes them', () => {
    assert.equal(D.visibleText('a\x1b[31m\0\u202eb\u2028\x9b'),
                 'a\\x1b[31m\\x00\\u202eb\\u2028\\x9b');
    assert.equal(D.visibleText('\tif x:'), '    if x:');
    assert.equal(D.visibleText('naïve = "日本語 🙂"'), 'naïve = "日本語 🙂"');
});

test('paths are shortened to what a person would say', () => {
    const short = (path) => D.shortenPath(path, '/home/ada/app');
    assert.equal(short('/home/ada/app/lib/load.py'), 'lib/load.py');
    assert.equal(short('/home/ada/application/x.py'), '/home/ada/application/x.py');
    assert.equal(short('/v/lib/python3.11/site-packages/pandas/core/frame.py'),
                 'pandas/core/frame.py');
    assert.equal(short('/usr/lib/python3/dist-packages/yaml/loader.py'), 'yaml/loader.py');
    assert.equal(short('/usr/lib/python3.13t/json/decoder.py'), 'json/decoder.py');
    assert.equal(short('<frozen importlib._bootstrap>'), '<frozen importlib._bootstrap>');
    assert.equal(D.shortenPath('/a/b.py', ''), '/a/b.py');
    assert.equal(D.shortenPath('/a/b.py', undefined), '/a/b.py');
});

test('files of one name are told apart by as much of the path as it takes', () => {
    const paths = ['a/util.py', 'b/util.py', 'main.py', 'x/b/util.py', 'main.py'];
    assert.deepEqual(D.shortestTails(paths), paths);
    assert.deepEqual(D.shortestTails(['/deep/er/one.py']), ['one.py']);
    assert.deepEqual(D.shortestTails([]), []);
});

test('arguments are quoted when a shell would need it', () => {
    assert.equal(D.quoteArgument('--year=2024'), '--year=2024');
    assert.equal(D.quoteArgument("it's here"), "'it'\\''s here'");
    assert.equal(D.quoteArgument(''), "''");
});

test('an ending is told only when it was not a normal one', () => {
    const says = (outcome, pattern) => assert.match(D.describeEnding(outcome), pattern);
    assert.equal(D.describeEnding({ kind: 'exit', code: 0 }), '');
    says({ kind: 'exit', code: 3 }, /exit status 3/);
    says({ kind: 'signal', signal: 9, signal_name: 'SIGKILL' }, /SIGKILL \(signal 9\)/);
    says({ kind: 'signal', signal: 40, signal_name: '' }, /ended by signal 40/);
    says({ kind: 'running' }, /still running/);
    says({ kind: 'unknown' }, /not known/);
    says(undefined, /not known/);
});
