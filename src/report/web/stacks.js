/* SPDX-License-Identifier: Apache-2.0
 *
 * From the recorded stacks to the tree that is shown: library calls, imports and recursion folded,
 * threads and processes together or apart, weighed by any measure, right way up or inverted.
 *
 * May use: profile.js and what it uses.
 * Must stay true: every recorded stack ends up in exactly one node, so each tree adds up to its
 * measure; parents come before their children; no recursion. */
'use strict';

if (typeof require === 'function') {
    Object.assign(globalThis, require('./profile.js'));
}

const MODE_PLAIN = 0;
const MODE_FOLDED = 1;      /* what is not the user's own code disappears in this node */
const MODE_OPEN = 2;        /* a library call, opened: its frames are below it */
const MODE_OPEN_IMPORT = 3;
const LOOK_BACK = 8;        /* frames up to which a cycle is seen as recursion */
const COUNT_BACK = 64;      /* callers up to which the turn before is looked for, to count the turns */
const INVERTED_DEPTH = 1000;

/* Numbers for pairs of numbers. */
function makePairs(most) {
    const size = 2 ** Math.ceil(Math.log2(most * 2 + 2));
    const [first, second, found] = [0, 1, 2].map(() => new Int32Array(size));
    return (a, b, next) => {
        let slot = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b + 7, 0x85ebca6b)) >>> 0;
        for (slot = (slot ^ slot >>> 15) & (size - 1); found[slot] !== 0; slot = (slot + 1) & (size - 1)) {
            if (first[slot] === a && second[slot] === b) {
                return found[slot];
            }
        }
        [first[slot], second[slot], found[slot]] = [a, b, next];
        return next;
    };
}

function hashText(text, hash = 0x811c9dc5) {
    for (let i = 0; i < text.length; i++) {
        hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    }
    return hash >>> 0;
}

/* What a node is called in links, whatever its number is today: its own name after all above it. */
function nameOf(profile, labels, key) {
    const words = key < labels.first && profile.describe(key);
    return words ? words.path + words.name : labels[key - labels.first].text;
}

function hashNode(tree, node) {
    const path = [];
    for (; node > 0; node = tree.parent[node]) {
        path.push(tree.key[node]);
    }
    return path.reduceRight((hash, key) => hashText(tree.nameOf(key), hash), 1).toString(36);
}

/* The public entry of a library call: "pandas: read_csv". */
function entryLabel(profile, frame) {
    const file = profile.fileOf[frame];
    const { path, kind } = { path: profile.paths[file], kind: profile.data.files.kind[file] };
    const module = kind >= KIND_STDLIB || !profile.modules[file].includes('/')
        ? path.replace(/^<(?:frozen )?|>$/g, '').split('/')[0].replace(/\.\w+$/, '') : path;
    return module + ': ' + profile.describe(frame).name.replace(/<locals>\./g, '');
}

/* Puts into times[node] how often a stack comes through the node, at most: the turns of a recursion. */
function countRecursion({ count, parent: callers, frame: frames }, { of, key, depth, times }) {
    const seen = new Int32Array(count);   /* by stack: how often its node stands on its path */
    const cycled = new Uint8Array(count); /* is there a recursion on its path? */
    for (let i = 1; i < count; i++) {
        const node = of[i];
        const isFrame = key[node] === frames[i];
        let outer = callers[i];
        cycled[i] = cycled[outer] | (isFrame && depth[node] <= depth[of[outer]] ? 1 : 0);
        for (let back = 0; cycled[i] && isFrame && back < COUNT_BACK && outer > 0 && of[outer] !== node; back++) {
            outer = callers[outer];
        }
        seen[i] = of[outer] === node ? seen[outer] + (isFrame ? 1 : 0) : 1;
        times[node] = Math.max(times[node], seen[i]);
    }
}

/* How the recorded stacks are shown. options: library, imports, recursion (fold them), threads,
 * processes (keep them apart), open (a Set of hashes of folded nodes that are opened). */
function groupStacks(profile, kinds, options) {
    const { count, parent: callers, frame: frames, data } = profile;
    const first = data.frames.line.length;
    const labels = Object.assign([], { first });
    const known = new Map();
    const most = count * 2;
    const [parent, depth, key, rep, times, next, head] = Array.from({ length: 7 }, () => new Int32Array(most));
    const mode = new Uint8Array(most);
    const of = new Int32Array(count);
    const pairs = makePairs(most);
    const tree = { profile, parent, depth, key, rep, times, mode, of, labels, count: 1, inverted: false,
                   nameOf: (some) => nameOf(profile, labels, some) };
    key[0] = rep[0] = -1;
    times[0] = 1;

    function child(above, wanted, frame, how) {
        const node = pairs(above, wanted, tree.count);
        if (node === tree.count) {
            tree.count++;
            [parent[node], depth[node], key[node], rep[node], mode[node], times[node]] =
                [above, depth[above] + 1, wanted, frame, how, 1];
            next[node] = head[above];
            head[above] = node;
        }
        return node;
    }

    function labelled(cause, isImport, makeText) {
        if (!known.has(cause)) {
            const text = visibleText(makeText());
            if (!known.has(text)) {
                known.set(text, first + labels.push({ text, isImport }) - 1);
            }
            known.set(cause, known.get(text));
        }
        return known.get(cause);
    }

    /* The node for a call into what is folded. */
    function group(above, frame, isImport) {
        const from = key[above] >= 0 && key[above] < first ? key[above] : -1;
        const wanted = isImport
            ? labelled('i' + from, true, () => 'import ' + ((from < 0 ? null
                : /^\s*(?:from|import)\s+([\w.]+)/.exec(data.frames.source[from])) || ['', 'of modules'])[1])
            : labelled('l' + data.frames.function[frame], false, () => entryLabel(profile, frame));
        const node = child(above, wanted, frame, MODE_FOLDED);
        if (options.open.size > 0 && mode[node] === MODE_FOLDED && options.open.has(hashNode(tree, node))) {
            mode[node] = isImport ? MODE_OPEN_IMPORT : MODE_OPEN;
        }
        return node;
    }

    function recursed(above, frame) {
        for (let back = 0; back < LOOK_BACK && above > 0; back++, above = parent[above]) {
            if (key[above] === frame) {
                return above;
            }
        }
        return 0;
    }

    const isStarting = profile.paths.map((path, file) => data.files.kind[file] === KIND_STDLIB &&
        /(^|\/)(threading|concurrent\/futures\/thread)\.py$/.test(path));

    function place(above, frame) {
        if (frame < 0) {
            return mode[above] === MODE_FOLDED ? above : child(above, frame, frame, mode[above]);
        }
        const kind = kinds[frame];
        const what = profile.functionKind(frame);
        if ((what === FUNCTION_THREAD && !options.threads) ||
            (what === FUNCTION_PROCESS && !options.processes)) {
            return above;
        }
        if (kind === KIND_USER) {
            return (options.recursion && recursed(above, frame)) || child(above, frame, frame, MODE_PLAIN);
        }
        if (mode[above] === MODE_FOLDED) {
            return above;
        }
        if (kind === KIND_IMPORT && options.imports && mode[above] !== MODE_OPEN_IMPORT) {
            const node = group(above, frame, true);
            return mode[node] === MODE_FOLDED ? node : child(node, frame, frame, mode[node]);
        }
        if ((kind === KIND_LIBRARY || kind === KIND_STDLIB) && options.library && mode[above] === MODE_PLAIN) {
            /* How a thread gets going is of no interest. */
            if (isStarting[profile.fileOf[frame]] &&
                (above === 0 || (key[above] < first && kinds[key[above]] === KIND_PSEUDO))) {
                return above;
            }
            const node = group(above, frame, false);
            return mode[node] === MODE_FOLDED ? node : child(node, frame, frame, mode[node]);
        }
        return (options.recursion && recursed(above, frame)) || child(above, frame, frame, mode[above]);
    }

    for (let i = 1; i < count; i++) {
        of[i] = place(of[callers[i]], frames[i]);
    }
    countRecursion(profile, tree);
    return Object.assign(tree, { next, head });
}

/* The tree with bytes and blocks: of each node with all below it, and of the node itself. */
function weighTree(tree, own) {
    const { count, parent, of, next, head } = tree;
    const [self, selfBlocks] = [0, 1].map(() => new Float64Array(count));
    for (let i = 0; i < of.length; i++) {
        self[of[i]] += own.bytes[i];
        selfBlocks[of[i]] += own.blocks[i];
    }
    const [bytes, blocks] = [self.slice(), selfBlocks.slice()];
    for (let i = count - 1; i > 0; i--) {
        bytes[parent[i]] += bytes[i];
        blocks[parent[i]] += blocks[i];
    }
    const sorted = new Map();
    /* Children that hold anything, largest first. */
    const kids = (node) => {
        if (!sorted.has(node)) {
            const list = [];
            for (let kid = head[node]; kid > 0; kid = next[kid]) {
                if (bytes[kid] > 0) {
                    list.push(kid);
                }
            }
            sorted.set(node, list.sort((a, b) => bytes[b] - bytes[a] || a - b));
        }
        return sorted.get(node);
    };
    return { ...tree, self, selfBlocks, bytes, blocks, kids,
             /* What of `share` (bytes by node, of the node itself) is in a node and below it. */
             shareOf: (share) => {
                 const all = share.slice();
                 for (let i = count - 1; i > 0; i--) {
                     all[parent[i]] += all[i];
                 }
                 return (node) => all[node];
             } };
}

/* How much of each kind a node has with all below it, and of the node itself: functions of the node. Only for a profile
 * that has kinds. */
function weighKinds(profile, tree, measure) {
    const upright = tree.upright || tree;
    return MEMORY_KINDS.map((unused, kind) => {
        const { bytes } = weighKind(profile, measure, String(kind));
        const share = new Float64Array(upright.count);
        for (let i = 0; i < profile.count - 1; i++) { /* the last stack is readProfile()'s: what the kind leaves out */
            share[upright.of[i]] += bytes[i];
        }
        return { held: tree.shareOf(share), self: (node) => share[node] };
    });
}

/* Upside down: below the root are the lines that allocated, below those their callers. Nodes are
 * made when their parents are opened, since all of them would be too many. */
function invertTree(tree) {
    let most = 0;
    for (let i = 0; i < tree.count; i++) {
        most += tree.self[i] > 0 ? 1 : 0;
    }
    const up = { ...tree, inverted: true, upright: tree, count: 1, parent: [0], depth: [0], key: [-1], rep: [-1],
                 times: [1], mode: [0], bytes: [tree.bytes[0]], blocks: [tree.blocks[0]], self: [0],
                 selfBlocks: [0] };
    /* Nodes of the upright tree that hold something, and how far out each is. A node of this tree has a stretch of
     * them, its children have parts of that stretch: opening one sorts the stretch, and allocates nothing. */
    const [origins, cursors, someOrigins, someCursors, group, slots, counts] =
        Array.from({ length: 7 }, () => new Int32Array(most + 1));
    const [bytesOf, blocksOf] = [0, 1].map(() => new Float64Array(most + 1));
    const groupOf = new Int32Array(tree.labels.first + tree.labels.length + 3); /* by key + 3; 0: none yet */
    const [starts, ends] = [[0], [most]];
    const sorted = new Map();
    for (let i = 0, end = 0; i < tree.count; i++) {
        if (tree.self[i] > 0) {
            origins[end] = cursors[end++] = i;
        }
    }

    const { parent, key, self, selfBlocks } = tree;

    function open(node) {
        const start = starts[node];
        const end = up.depth[node] >= INVERTED_DEPTH ? start : ends[node];
        let groups = 0;
        for (let i = start; i < end; i++) {
            const at = someCursors[i] = node === 0 ? cursors[i] : parent[cursors[i]];
            const origin = someOrigins[i] = origins[i];
            group[i] = 0;
            if (at !== 0 || node === 0) { /* nobody called: it stays with the node */
                const slot = key[at] + 3;
                if (groupOf[slot] === 0) {
                    groupOf[slot] = ++groups;
                    slots[groups] = slot;
                    counts[groups] = bytesOf[groups] = blocksOf[groups] = 0;
                }
                group[i] = groupOf[slot];
                counts[group[i]]++;
                bytesOf[group[i]] += self[origin];
                blocksOf[group[i]] += selfBlocks[origin];
            }
        }
        const kids = [];
        let [from, bytesLeft, blocksLeft] = [start, up.bytes[node], up.blocks[node]];
        for (let i = 1; i <= groups; i++) {
            const kid = up.count++;
            up.parent[kid] = node;
            up.depth[kid] = up.depth[node] + 1;
            up.key[kid] = slots[i] - 3;
            up.bytes[kid] = bytesOf[i];
            up.blocks[kid] = blocksOf[i];
            bytesLeft -= bytesOf[i];
            blocksLeft -= blocksOf[i];
            starts[kid] = from;
            ends[kid] = from += counts[i];
            counts[i] = starts[kid]; /* from here on, where the next of the group goes */
            groupOf[slots[i]] = 0;
            kids.push(kid);
        }
        for (let i = start; i < end; i++) {
            const to = group[i] > 0 ? counts[group[i]]++ : from++;
            origins[to] = someOrigins[i];
            cursors[to] = someCursors[i];
        }
        for (const kid of kids) {
            const one = cursors[starts[kid]];
            up.rep[kid] = tree.rep[one];
            up.mode[kid] = tree.mode[one];
            up.times[kid] = tree.times[one];
        }
        up.self[node] = bytesLeft;
        up.selfBlocks[node] = blocksLeft;
        return kids.sort((a, b) => up.bytes[b] - up.bytes[a] || a - b);
    }

    up.kids = (node) => {
        if (!sorted.has(node)) {
            sorted.set(node, open(node));
        }
        return sorted.get(node);
    };
    up.shareOf = (share) => (node) => {
        let total = 0;
        for (let i = starts[node]; i < ends[node]; i++) {
            total += share[origins[i]];
        }
        return total;
    };
    return up;
}

/* The node at the end of a path of names, or as far as it leads. */
function findPath(tree, names) {
    let node = 0;
    for (const name of names) {
        const kid = tree.kids(node).find((some) => shortHash(tree.nameOf(tree.key[some])) === name);
        if (kid === undefined) {
            return node;
        }
        node = kid;
    }
    return node;
}

function shortHash(text) {
    return hashText(text).toString(36);
}

function pathOf(tree, node) {
    const path = [];
    for (; node > 0; node = tree.parent[node]) {
        path.unshift(shortHash(tree.nameOf(tree.key[node])));
    }
    return path;
}

/* The paths to a blame line: share is what each node of the upright tree holds for it, held(node)
 * what a node and all below it do; common is the deepest node that has all of it, at most the line's
 * own. */
function pathsTo(tree, blame, own, line) {
    const upright = tree.upright || tree;
    const share = new Float64Array(upright.count);
    let bytes = 0;
    blame.blamed.forEach((some, i) => {
        if (some === line && own.bytes[i] > 0) {
            share[upright.of[i]] += own.bytes[i];
            bytes += own.bytes[i];
        }
    });
    const held = tree.shareOf(share);
    const isThere = (node) => tree.key[node] >= 0 && blame.lineOf[tree.key[node]] === line;
    let common = 0;
    let kid = 0;
    /* (bytes are whole numbers, so their sums are exact) */
    while (kid !== undefined) {
        common = kid;
        kid = isThere(common) ? undefined
            : tree.kids(common).find((some) => held(some) === bytes && bytes > 0);
    }
    return { share, held, common, bytes };
}

if (typeof module !== 'undefined') {
    module.exports = { MODE_PLAIN, MODE_FOLDED, MODE_OPEN, MODE_OPEN_IMPORT, groupStacks, weighTree, invertTree,
                       weighKinds, hashText, hashNode, findPath, pathOf, pathsTo, entryLabel };
}
