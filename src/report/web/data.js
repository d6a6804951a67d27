/* SPDX-License-Identifier: Apache-2.0
 *
 * The profile as columns and what is computed from it: totals, blame, search, words, numbers.
 *
 * May use: nothing but the language (runs under Node for its tests).
 * Must stay true: no recursion over nodes (a stack may be 20,000 frames deep), and every sum over
 * a tree is exactly the peak. */
'use strict';

const FRAME_FOLDED = -2; /* the root's is -1 */
const KIND_USER = 0;
const KIND_LIBRARY = 1;
const KIND_PSEUDO = 4;
const KIND_NAMES = ['your code', 'library', 'standard library', 'import system', 'not Python'];

function damaged(what) {
    return new Error('This report is damaged: ' + what);
}

/* Columns for a tree in preorder: parent, depth, end (one past the last descendant), total bytes
 * and blocks, start (bytes to the left of the node). Children lie side by side from the left; what
 * a node holds itself is at its right. */
function buildTree(nodes) {
    const count = nodes.frame.length;
    const parent = new Int32Array(count);
    const depth = new Int32Array(count);
    const end = new Int32Array(count);
    const start = new Float64Array(count);
    const bytes = Float64Array.from(nodes.bytes);
    const blocks = Float64Array.from(nodes.blocks);
    for (let i = 1; i < count; i++) {
        const above = i - nodes.up[i];
        if (!(above >= 0 && above < i)) {
            throw damaged('node ' + i + ' has no parent');
        }
        /* Close what ended before this node, each once: linear over all. */
        let open = i - 1;
        for (; open > above; open = parent[open]) {
            end[open] = i;
        }
        if (open !== above) {
            throw damaged('node ' + i + ' is out of order');
        }
        parent[i] = above;
        depth[i] = depth[above] + 1;
    }
    for (let open = count - 1; open > 0; open = parent[open]) {
        end[open] = count;
    }
    end[0] = count;
    for (let i = count - 1; i > 0; i--) {
        bytes[parent[i]] += bytes[i];
        blocks[parent[i]] += blocks[i];
    }
    for (let i = 0; i < count; i++) {
        let left = start[i];
        for (let child = i + 1; child < end[i]; child = end[child]) {
            start[child] = left;
            left += bytes[child];
        }
    }
    return { count, parent, depth, end, start, bytes, blocks, frame: Int32Array.from(nodes.frame),
             self: Float64Array.from(nodes.bytes), selfBlocks: Float64Array.from(nodes.blocks) };
}

/* For each node, the node whose line is blamed for what that node holds itself: the innermost of
 * the user's own code; without any, the innermost library line; without any, the node. */
function blameNodes(tree, frameKinds) {
    const user = new Int32Array(tree.count);
    const library = new Int32Array(tree.count);
    const blamed = new Int32Array(tree.count);
    for (let i = 1; i < tree.count; i++) {
        const above = tree.parent[i];
        const frame = tree.frame[i];
        const kind = frame >= 0 ? frameKinds[frame] : KIND_PSEUDO;
        /* The root is nobody's line, so 0 says "none". */
        user[i] = kind === KIND_USER ? i : user[above];
        library[i] = kind === KIND_LIBRARY ? i : library[above];
        blamed[i] = user[i] || library[i] || (frame >= 0 ? i : above);
    }
    return blamed;
}

/* The paths to the blame line of a frame: held[n] is how much of node n's total is blamed on it;
 * nodes are the boxes of the line itself; common is the deepest node that has all of them in or
 * below it. Frames at one line of one file have the same value in lines. */
function pathsTo(tree, blamed, lines, frame) {
    const held = new Float64Array(tree.count);
    const found = new Set();
    const lineOf = (some) => some >= 0 ? lines[some] : some;
    const wanted = lineOf(frame);
    for (let i = tree.count - 1; i >= 0; i--) {
        if (tree.self[i] > 0 && lineOf(tree.frame[blamed[i]]) === wanted) {
            held[i] += tree.self[i];
            found.add(blamed[i]);
        }
        if (i > 0) {
            held[tree.parent[i]] += held[i];
        }
    }
    const nodes = Array.from(found).sort((a, b) => a - b);
    let common = nodes.length > 0 ? nodes[0] : 0;
    while (nodes.length > 0 && nodes[nodes.length - 1] >= tree.end[common]) {
        common = tree.parent[common];
    }
    return { held, nodes, found, common, bytes: held[0] };
}

/* A test for the text of a search: plain text, case ignored, or /regular expression/.
 * null when there is nothing to look for. */
function makeMatcher(query) {
    const text = query.trim().toLowerCase();
    const pattern = /^\/(.+)\/$/.exec(query.trim());
    if (pattern === null) {
        return text === '' ? null : (value) => value.toLowerCase().includes(text);
    }
    try {
        const expression = new RegExp(pattern[1], 'i');
        return (value) => expression.test(value);
    } catch (error) {
        throw new Error('not a regular expression');
    }
}

/* Takes marks on frames, not nodes: far fewer to test. A match below a match adds no bytes. */
function searchTree(tree, frameMatches) {
    const marked = new Uint8Array(tree.count);
    const nodes = [];
    let bytes = 0;
    let coveredUntil = 0;
    for (let i = 1; i < tree.count; i++) {
        if (tree.frame[i] >= 0 && frameMatches[tree.frame[i]]) {
            marked[i] = 1;
            nodes.push(i);
            if (i >= coveredUntil) {
                bytes += tree.bytes[i];
                coveredUntil = tree.end[i];
            }
        }
    }
    return { marked, nodes, bytes };
}

/* ---- words and numbers ---- */

function formatCount(count) {
    return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/* [number, unit] */
function splitBytes(bytes) {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
    let value = bytes;
    while (units.length > 1 && Math.round(value * 10) >= 10240) {
        value /= 1024;
        units.shift();
    }
    const tenths = Math.round(value * 10);
    return [formatCount(Math.floor(tenths / 10)) + (units[0] === 'B' ? '' : '.' + tenths % 10),
            units[0]];
}

function formatBytes(bytes) {
    return splitBytes(bytes).join('\u00a0');
}

function formatPlural(count, singular, plural = singular + 's') {
    return formatCount(count) + '\u00a0' + (count === 1 ? singular : plural);
}

/* Only nothing is 0 %, only all of it is 100 %. */
function formatShare(part, whole) {
    const percent = whole > 0 ? part / whole * 100 : 0;
    const text = percent === 0 || part === whole ? String(Math.round(percent))
        : percent < 0.1 ? '<0.1' : Math.min(percent, 99.9).toFixed(1);
    return text + '\u00a0%';
}

function formatDuration(seconds) {
    if (seconds < 99.95) {
        return seconds.toFixed(1) + '\u00a0s';
    }
    const minutes = Math.floor(Math.round(seconds) / 60);
    return minutes < 60 ? minutes + '\u00a0min ' + Math.round(seconds) % 60 + '\u00a0s'
        : Math.floor(minutes / 60) + '\u00a0h ' + minutes % 60 + '\u00a0min';
}

/* Characters that control, or turn the direction of text, are shown as Python would write them. */
function visibleText(text) {
    return String(text).replace(/\t/g, '    ').replace(
        /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
        (character) => {
            const code = character.charCodeAt(0).toString(16);
            return code.length > 2 ? '\\u' + code.padStart(4, '0') : '\\x' + code.padStart(2, '0');
        });
}

/* The path a person would say: from the run's directory, package or module on. */
function shortenPath(path, directory) {
    const inside = directory ? directory.replace(/\/?$/, '/') : '';
    const rest = path.startsWith(inside) ? path.slice(inside.length) : path;
    return visibleText(rest.replace(
        /^.*\/(?:(?:site|dist)-packages|lib\/python3\.\d+t?)\/(?=.)/, ''));
}

/* The last part of each path, two or more where one part would not tell them apart. */
function shortestTails(paths) {
    const tails = new Map();
    let open = Array.from(new Set(paths));
    for (let parts = 1; open.length > 0; parts++) {
        const users = new Map();
        const tail = (path) => path.split('/').slice(-parts).join('/');
        open.forEach((path) => users.set(tail(path), (users.get(tail(path)) || 0) + 1));
        open.forEach((path) => tails.set(path, tail(path)));
        open = open.filter((path) => users.get(tail(path)) > 1 && tail(path) !== path);
    }
    return paths.map((path) => tails.get(path));
}

function quoteArgument(argument) {
    const text = visibleText(argument);
    return /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'";
}

/* How the run ended; nothing to read first when it is empty. */
function describeEnding(outcome) {
    const { kind, code, signal, signal_name: name } = outcome || {};
    if (kind === 'exit') {
        return code === 0 ? '' : 'The program ended with exit status ' + code + '.';
    }
    if (kind === 'signal') {
        return 'The program was ended by ' +
               (name ? visibleText(name) + ' (signal ' + signal + ').' : 'signal ' + signal + '.');
    }
    return kind === 'running' ? 'The program was still running when this report was written.'
        : 'How the program ended is not known.';
}

/* The tree, and what the page looks up by frame: describe(frame) gives label (source, else
 * function, else place), source, name, location (short), path (longer), file, kind, status. */
function buildModel(data) {
    if (data.format !== 1) {
        throw new Error('This page reads data of format 1, not ' + data.format + '.');
    }
    const { files, functions, frames } = data;
    const paths = files.path.map((path) => shortenPath(path, data.run.directory));
    const tails = shortestTails(paths);
    const fileOf = (frame) => functions.file[frames.function[frame]];
    const frameKinds = Uint8Array.from(frames.function, (f) => files.kind[functions.file[f]]);
    /* A thread stands for the line that started it, unless that is nobody's code to blame. */
    const starters = frames.started_by || [];
    const blameKinds = frameKinds.map((kind, frame) => frameKinds[starters[frame]] ?? kind);
    const lines = frames.line.map((unused, frame) => {
        const at = blameKinds[frame] > KIND_LIBRARY || !(starters[frame] >= 0) ? frame
            : starters[frame];
        return frameKinds[at] === KIND_PSEUDO ? at : fileOf(at) + ':' + frames.line[at];
    });
    const described = new Map();

    function describe(frame) {
        if (frame < 0) {
            const label = frame === FRAME_FOLDED ? 'smaller stacks, folded together'
                : 'outside any Python line';
            return { label, source: '', name: '', location: '', path: '', file: '',
                     kind: KIND_PSEUDO, status: 0 };
        }
        if (!described.has(frame)) {
            const file = fileOf(frame);
            const source = visibleText(frames.source[frame].trim());
            const name = visibleText(functions.name[frames.function[frame]]);
            const place = (path) => frameKinds[frame] === KIND_PSEUDO ? ''
                : path + (frames.line[frame] > 0 ? ':' + frames.line[frame] : '');
            described.set(frame, {
                label: source || name || place(tails[file]), source, name,
                location: place(tails[file]), path: place(paths[file]),
                file: visibleText(files.path[file]), kind: frameKinds[frame],
                status: files.status[file],
            });
        }
        return described.get(frame);
    }

    function matchFrames(matches) {
        return Uint8Array.from(frames.line, (line, frame) =>
            matches(frames.source[frame]) || matches(functions.name[frames.function[frame]]) ||
            matches(paths[fileOf(frame)] + ':' + line));
    }

    const tree = buildTree(data.nodes);
    const blamed = blameNodes(tree, blameKinds);
    return { data, tree, describe, matchFrames, blamed, peak: tree.bytes[0],
             pathsTo: (frame) => pathsTo(tree, blamed, lines, frame) };
}

if (typeof module !== 'undefined') {
    module.exports = {
        buildTree, blameNodes, pathsTo, makeMatcher, searchTree, formatCount, formatBytes,
        formatPlural, formatShare, formatDuration, visibleText, shortenPath, shortestTails,
        quoteArgument, describeEnding, buildModel,
    };
}
