/* SPDX-License-Identifier: Apache-2.0
 *
 * The recorded profile: the document's columns, what is said about a frame, whose code it is, which
 * line is blamed, what a search finds.
 *
 * May use: words.js.
 * Must stay true: no recursion over stacks (one may be 20,000 frames deep); the blame lines of a
 * measure add up to it, whoever's code is whose. */
'use strict';

if (typeof require === 'function') {
    Object.assign(globalThis, require('./words.js'));
}

const FRAME_FOLDED = -2; /* the root's is -1 */
const FRAME_LEFT_OUT = -3; /* of a stack that the document has not: the other kinds, while one is looked at */
const KIND_USER = 0;
const KIND_LIBRARY = 1;
const KIND_STDLIB = 2;
const KIND_IMPORT = 3;
const KIND_PSEUDO = 4;
const KIND_NAMES = ['your code', 'library', 'standard library', 'import system', 'not Python'];
const FUNCTION_THREAD = 6;
const FUNCTION_PROCESS = 32;

/* What can be weighed: the name of its columns, and its words. */
const MEASURES = {
    peak: { bytes: 'bytes', blocks: 'blocks', tab: 'At the peak', of: 'of the peak',
            all: 'All memory at the peak', title: 'Lines that held the memory at the peak' },
    end: { bytes: 'end_bytes', blocks: 'end_blocks', tab: 'Live at the end', of: 'of what was left',
           all: 'All memory live at the end', title: 'Lines that still held memory at the end' },
    run: { bytes: 'alloc_bytes', blocks: 'alloc_blocks', tab: 'Allocated over the run',
           of: 'of all allocated', all: 'All memory allocated over the run',
           title: 'Lines that allocated the most over the run' },
};

/* Kinds of memory. The document has the parts of all but the first. */
const MEMORY_KINDS = ['Python objects', 'C heap', 'Maps'];

/* Own bytes and blocks of each stack, of a kind only if there is one ('0' to '2'); what that leaves
 * out is the last stack's, so that the total is the same. */
function weighKind(profile, measure, kind) {
    const all = profile.values[measure];
    if (kind === '' || !profile.hasKinds) {
        return all;
    }
    const { kinds } = profile.data;
    return Object.fromEntries(['bytes', 'blocks'].map((what) => {
        const column = kinds[MEASURES[measure][what]];
        const own = kind === '0' ? all[what].slice() : new Float64Array(profile.count);
        column.forEach((value, i) => {
            own[kinds.stack[i]] += kind === '0' ? -value : Number(kind) === kinds.kind[i] ? value : 0;
        });
        const sum = (values) => values.reduce((a, b) => a + b, 0);
        own[profile.count - 1] = sum(all[what]) - sum(own);
        return [what, own];
    }));
}

function damaged(what) {
    return new Error('This report is damaged: ' + what);
}

/* The page's columns hold distances to the caller; the document its number. */
function readParents(up) {
    const parent = new Int32Array(up.length);
    for (let i = 1; i < up.length; i++) {
        parent[i] = i - up[i];
        if (!(up[i] > 0 && parent[i] >= 0 && parent[i] === i - up[i])) {
            throw damaged('stack ' + i + ' has no parent');
        }
    }
    return parent;
}

/* The document of `peakline report --format json`, from the page's own form of it. */
function toDocument(data) {
    const { stacks: { up, ...columns }, blame: { frame: where, ...held }, page, folded, ...others } = data;
    const rest = folded ? { ...others, folded } : others; /* null is the page's own */
    const { files, functions, frames } = data;
    const stacks = { parent: up.map((distance, i) => i === 0 ? -1 : i - distance), ...columns };
    const lines = where.map((frame, i) => {
        const of = frames.function[frame];
        const file = functions.file[of];
        return {
            ...Object.fromEntries(Object.entries(held).map(([name, column]) => [name, column[i]])),
            ...frame < 0 ? { path: '', line: 0, function: frame === FRAME_FOLDED ? '[smaller lines]' : '[no stack]',
                             source: '', kind: KIND_PSEUDO }
                : { path: files.path[file], line: frames.line[frame], function: functions.name[of],
                    source: frames.source[frame], kind: files.kind[file] },
        };
    });
    return { ...rest, blame: lines, stacks };
}

/* The part of a program that a file belongs to: a library, the standard library, or, of the rest, a
 * file or directory where the program was started. */
function moduleOf(path, kind, directory) {
    if (kind === KIND_STDLIB || kind === KIND_IMPORT) {
        return 'standard library';
    }
    const inside = path.split(/\/(?:site|dist)-packages\//).pop();
    if (inside !== path || (kind === KIND_LIBRARY && path[0] !== '/')) {
        return inside.split('/')[0].replace(/\.\w+$/, '');
    }
    const base = directory ? directory.replace(/\/*$/, '/') : '';
    const below = path[0] !== '/' && path[0] !== '<' ? path.split('/')
        : base && path.startsWith(base) ? path.slice(base.length).split('/') : [];
    return below.length > 0 ? below[0] + (below.length > 1 ? '/' : '')
        : path.replace(/[^/]*$/, '') || path;
}

/* The columns and what is looked up by frame. describe(frame) gives label (source, else function,
 * else place), source, name, location (short), path (longer), file, kind, status. */
function readProfile(data) {
    if (data.format !== 1) {
        throw new Error('This page reads data of format 1, not ' + data.format + '.');
    }
    const { files, functions, frames, stacks } = data;
    const hasKinds = Boolean(data.kinds && data.kinds.stack.length > 0);
    const more = hasKinds ? [0] : []; /* the stack of what is left out */
    const parent = readParents([...stacks.up, ...more.map(() => stacks.up.length)]);
    const directory = data.run.directory;
    const paths = files.path.map((path) => shortenPath(path, directory));
    const tails = shortestTails(paths);
    const modules = files.path.map((path, file) => moduleOf(path, files.kind[file], directory));
    const fileOf = Int32Array.from(frames.function, (f) => functions.file[f]);
    const starters = frames.started_by || [];
    const described = new Map();

    function describe(frame) {
        if (frame < 0) {
            const label = frame === FRAME_FOLDED ? 'smaller stacks, folded together'
                : frame === FRAME_LEFT_OUT ? 'other kinds, left out' : 'outside any Python line';
            return { label, source: '', name: '', location: '', path: '', file: '', number: 0,
                     kind: KIND_PSEUDO, status: 0 };
        }
        if (!described.has(frame)) {
            const file = fileOf[frame];
            const number = frames.line[frame];
            const by = starters[frame] >= 0 ? describe(starters[frame]) : null;
            const source = visibleText(frames.source[frame].trim());
            const name = visibleText(functions.name[frames.function[frame]]);
            const place = (path) => files.kind[file] === KIND_PSEUDO ? ''
                : path + (number > 0 ? ':' + number : '');
            described.set(frame, {
                label: by ? '[thread started at ' + by.path + ']'
                    : source || name || place(tails[file]),
                source, name, number, location: place(tails[file]), path: place(paths[file]),
                file: visibleText(files.path[file]), kind: files.kind[file],
                status: files.status[file],
            });
        }
        return described.get(frame);
    }

    const measures = Object.keys(MEASURES).filter((name) => stacks[MEASURES[name].bytes]);
    const values = {};
    for (const name of measures) {
        values[name] = { bytes: Float64Array.from([...stacks[MEASURES[name].bytes], ...more]),
                         blocks: Float64Array.from([...stacks[MEASURES[name].blocks], ...more]) };
    }
    const frame = Int32Array.from([...stacks.frame, ...more.map(() => FRAME_LEFT_OUT)]);
    return { data, count: parent.length, parent, frame, values, measures, hasKinds, describe, fileOf, paths, modules, starters,
             functionKind: (frame) => functions.kind[frames.function[frame]] };
}

/* The kind of each frame. `mine`: what the reader says about modules, true for their own code. */
function kindsOfFrames(profile, mine) {
    const { data: { files }, fileOf, modules } = profile;
    const kinds = files.kind.map((kind, file) => kind === KIND_PSEUDO || !mine.has(modules[file])
        ? kind : mine.get(modules[file]) ? KIND_USER : kind === KIND_USER ? KIND_LIBRARY : kind);
    return Uint8Array.from(fileOf, (file) => kinds[file]);
}

/* Who is blamed for what each stack holds itself: the number of a line, lines[n] being a frame
 * there. It is the innermost line of the user's own code; without any, the innermost of a library;
 * without any, the frame's own. A thread stands for the line that started it. */
function blameStacks(profile, kinds) {
    const { count, parent, frame: frames, fileOf, starters, data } = profile;
    const numbers = new Map();
    const lines = [-1];
    const lineOf = Int32Array.from(fileOf, (file, frame) => {
        const by = starters[frame] >= 0 && kinds[starters[frame]] <= KIND_LIBRARY
            ? starters[frame] : frame;
        const key = kinds[by] === KIND_PSEUDO ? -1 - by : fileOf[by] * 0x1000000 + data.frames.line[by];
        if (!numbers.has(key)) {
            numbers.set(key, lines.push(by) - 1);
        }
        return numbers.get(key);
    });
    const blamed = new Int32Array(count); /* 0: no line at all */
    const user = new Int32Array(count);
    const library = new Int32Array(count);
    for (let i = 1; i < count; i++) {
        const above = parent[i];
        const frame = frames[i];
        const at = starters[frame] >= 0 ? starters[frame] : frame;
        const kind = frame >= 0 ? kinds[at] : KIND_PSEUDO;
        user[i] = kind === KIND_USER ? lineOf[frame] : user[above];
        library[i] = kind === KIND_LIBRARY ? lineOf[frame] : library[above];
        blamed[i] = frame === FRAME_LEFT_OUT ? lines.push(frame) - 1
            : user[i] || library[i] || (frame >= 0 ? lineOf[frame] : blamed[above]);
    }
    return { lines, lineOf, blamed };
}

/* The table: [{line, frame, bytes, blocks}], largest first, adding up to all that is held. */
function blameTable(blame, own) {
    const bytes = new Float64Array(blame.lines.length);
    const blocks = new Float64Array(blame.lines.length);
    for (let i = 0; i < blame.blamed.length; i++) {
        bytes[blame.blamed[i]] += own.bytes[i];
        blocks[blame.blamed[i]] += own.blocks[i];
    }
    return blame.lines.map((frame, line) => ({ line, frame, bytes: bytes[line], blocks: blocks[line] }))
        .filter((row) => row.bytes > 0 || row.blocks > 0)
        .sort((a, b) => b.bytes - a.bytes || b.blocks - a.blocks || a.frame - b.frame);
}

/* For each line of each file, what it and all it called hold: Map(file -> Map(line -> row)).
 * Counted once where a line calls itself. `self` is what the line is blamed for. */
function weighLines(profile, blame, own) {
    const { count, parent, frame: frames, fileOf, data } = profile;
    const total = own.bytes.slice();
    for (let i = count - 1; i > 0; i--) {
        total[parent[i]] += total[i];
    }
    const held = new Float64Array(blame.lines.length);
    const open = new Int32Array(blame.lines.length);
    const path = []; /* lines of the stack at hand: preorder, so a stack of its own */
    const left = new Int32Array(count);
    for (let i = 1; i < count; i++) {
        while (path.length > 0 && path[path.length - 1] !== parent[i]) {
            open[left[path.pop()]]--;
        }
        left[i] = frames[i] >= 0 ? blame.lineOf[frames[i]] : 0;
        held[left[i]] += open[left[i]]++ === 0 ? total[i] : 0;
        path.push(i);
    }
    const files = new Map();
    for (const { line, bytes } of blameTable(blame, own)) {
        open[line] = 0;
        held[line] = Math.max(held[line], bytes);
    }
    blame.lines.forEach((frame, line) => {
        if (frame >= 0 && held[line] > 0 && data.files.kind[fileOf[frame]] !== KIND_PSEUDO) {
            const file = files.get(fileOf[frame]) || new Map();
            files.set(fileOf[frame], file.set(data.frames.line[frame],
                                              { line, frame, bytes: held[line] }));
        }
    });
    return files;
}

/* ---- search ---- */

/* Marks the frames that a query matches: text (case ignored), /regular expression/, or
 * file.py:42. null when there is nothing to look for. */
function matchFrames(profile, query) {
    const wanted = query.trim();
    const text = wanted.toLowerCase();
    const pattern = /^\/(.+)\/$/.exec(wanted);
    const place = /^(\S+):(\d+)$/.exec(text);
    const { data: { frames, functions }, fileOf, paths } = profile;
    if (text === '') {
        return null;
    }
    let expression = null;
    try {
        expression = pattern && new RegExp(pattern[1], 'i');
    } catch (error) {
        throw new Error('not a regular expression');
    }
    const memo = (values, test) => {
        const known = new Map();
        return (value) => {
            if (!known.has(value)) {
                known.set(value, test(values(value)));
            }
            return known.get(value);
        };
    };
    const has = (value) => expression ? expression.test(value) : value.toLowerCase().includes(text);
    const inName = memo((f) => functions.name[f], has);
    const inPath = memo((file) => paths[file], has);
    const isFile = memo((file) => paths[file],
                        (path) => place && ('/' + path.toLowerCase()).endsWith('/' + place[1]));
    return Uint8Array.from(frames.line, (line, frame) => {
        const file = fileOf[frame];
        return place && isFile(file) ? line === Number(place[2])
            : inName(frames.function[frame]) || inPath(file) || has(frames.source[frame]) ||
              Boolean(expression && expression.test(paths[file] + ':' + line));
    });
}

/* What the matches hold: a match below a match adds no bytes. */
function searchStacks(profile, matches, own) {
    const { count, parent, frame } = profile;
    const inside = new Uint8Array(count);
    let bytes = 0;
    for (let i = 1; i < count; i++) {
        inside[i] = inside[parent[i]] | (frame[i] >= 0 ? matches[frame[i]] : 0);
        bytes += inside[i] ? own.bytes[i] : 0;
    }
    return bytes;
}

if (typeof module !== 'undefined') {
    module.exports = {
        MEASURES, KIND_NAMES, KIND_USER, KIND_LIBRARY, KIND_STDLIB, KIND_IMPORT, KIND_PSEUDO,
        FRAME_FOLDED, FRAME_LEFT_OUT, MEMORY_KINDS, weighKind, FUNCTION_THREAD, FUNCTION_PROCESS, damaged, readProfile, toDocument, moduleOf,
        kindsOfFrames, blameStacks, blameTable, weighLines, matchFrames, searchStacks,
    };
}
