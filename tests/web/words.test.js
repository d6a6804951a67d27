// SPDX-License-Identifier: Apache-2.0
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');
const W = load('words.js');

const SPACE = '\u00a0';

test('bytes carry binary units with one decimal', () => {
    const cases = [[0, '0 B'], [1, '1 B'], [1023, '1,023 B'], [1024, '1.0 KiB'],
                   [1536, '1.5 KiB'], [1048575, '1.0 MiB'], [64172851, '61.2 MiB'],
                   [1023.9 * 1024, '1,023.9 KiB'], [1.5 * 2 ** 30, '1.5 GiB'],
                   [2 ** 50, '1.0 PiB'], [5000 * 2 ** 50, '5,000.0 PiB']];
    for (const [bytes, text] of cases) {
        assert.equal(W.formatBytes(bytes), text.replace(' ', SPACE));
    }
});

test('only nothing is 0 % and only everything is 100 %', () => {
    const cases = [[0, 100, '0 %'], [100, 100, '100 %'], [45.06, 100, '45.1 %'],
                   [0.05, 100, '<0.1 %'], [99.999, 100, '99.9 %'], [0, 0, '0 %']];
    for (const [part, whole, text] of cases) {
        assert.equal(W.formatShare(part, whole), text.replace(' ', SPACE));
    }
});

test('counts, plurals and durations read as people write them', () => {
    assert.equal(W.formatCount(1234567), '1,234,567');
    assert.equal(W.formatCount(999), '999');
    assert.equal(W.formatPlural(1, 'block'), '1' + SPACE + 'block');
    assert.equal(W.formatPlural(2, 'box', 'boxes'), '2' + SPACE + 'boxes');
    const durations = [[0.25, '0.3~s'], [12.44, '12.4~s'], [99.97, '1~min 40~s'],
                       [3599.7, '1~h 0~min'], [7260, '2~h 1~min']];
    for (const [seconds, text] of durations) {
        assert.equal(W.formatDuration(seconds), text.replaceAll('~', SPACE));
    }
});

test('a number stays with its unit, wherever the sentence was made', () => {
    assert.equal(W.keepUnits('The 2 Besten hold 548.7 MiB (88.0 %), 3 B and 4 GiB.'),
        'The 2 Besten hold 548.7~MiB (88.0~%), 3~B and 4~GiB.'.replaceAll('~', SPACE));
});

test('characters that would lie are shown as Python writes them', () => {
    assert.equal(W.visibleText('a\x1b[31m\0\u202eb\u2028\x9b'),
                 'a\\x1b[31m\\x00\\u202eb\\u2028\\x9b');
    assert.equal(W.visibleText('\tif x:'), '    if x:');
    assert.equal(W.visibleText('naïve = "日本語 🙂"'), 'naïve = "日本語 🙂"');
});

test('paths are shortened to what a person would say', () => {
    const short = (path) => W.shortenPath(path, '/home/ada/app');
    assert.equal(short('/home/ada/app/lib/load.py'), 'lib/load.py');
    assert.equal(short('/home/ada/application/x.py'), '/home/ada/application/x.py');
    assert.equal(short('/v/lib/python3.11/site-packages/pandas/core/frame.py'),
                 'pandas/core/frame.py');
    assert.equal(short('/usr/lib/python3/dist-packages/yaml/loader.py'), 'yaml/loader.py');
    assert.equal(short('/usr/lib/python3.13t/json/decoder.py'), 'json/decoder.py');
    assert.equal(short('<frozen importlib._bootstrap>'), '<frozen importlib._bootstrap>');
    assert.equal(W.shortenPath('/a/b.py', ''), '/a/b.py');
    assert.equal(W.shortenPath('/a/b.py', undefined), '/a/b.py');
});

test('files of one name are told apart by as much of the path as it takes', () => {
    const paths = ['a/util.py', 'b/util.py', 'main.py', 'x/b/util.py', 'main.py'];
    assert.deepEqual(W.shortestTails(paths), paths);
    assert.deepEqual(W.shortestTails(['/deep/er/one.py']), ['one.py']);
    assert.deepEqual(W.shortestTails([]), []);
});

test('arguments are quoted when a shell would need it', () => {
    assert.equal(W.quoteArgument('--year=2024'), '--year=2024');
    assert.equal(W.quoteArgument("it's here"), "'it'\\''s here'");
    assert.equal(W.quoteArgument(''), "''");
});

test('an ending is told only when it was not a normal one', () => {
    const says = (outcome, pattern) => assert.match(W.describeEnding(outcome), pattern);
    assert.equal(W.describeEnding({ kind: 'exit', code: 0 }), '');
    says({ kind: 'exit', code: 3 }, /exit status 3/);
    says({ kind: 'signal', signal: 9, signal_name: 'SIGKILL' }, /SIGKILL \(signal 9\)/);
    says({ kind: 'signal', signal: 40, signal_name: '' }, /ended by signal 40/);
    says({ kind: 'running' }, /still running/);
    says({ kind: 'unknown' }, /not known/);
    says(undefined, /not known/);
});
