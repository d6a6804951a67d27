/* SPDX-License-Identifier: Apache-2.0
 *
 * The change between two runs as a tree of boxes, and how a box says what became of it without
 * colour: hatched is less, crossed is gone, a double border is new, and every amount has its sign.
 *
 * May use: words.js, profile.js, stacks.js, flame.js; painting takes whatever 2D context it is given.
 * Must stay true: a node is as wide as the larger of what it held before and after, so new and gone
 * stacks are both seen; before and after of the root are the two peaks; no recursion. */
'use strict';

if (typeof require === 'function') {
    Object.assign(globalThis, require('./words.js'), require('./profile.js'), require('./stacks.js'), require('./flame.js'));
}

const MINUS = '\u2212';
/* Orange and sky blue stay apart in every kind of colour blindness, and bear dark text. In dark the
 * same hues, deep enough for light text. */
const CHANGES = {
    light: { more: [[251, 240, 219], [240, 173, 40]], less: [[228, 241, 250], [86, 180, 233]], same: '#eeece8',
             text: '#1b1917', quiet: '#33302c', border: '#5a4a2c66', hatch: '#0b4f7a66', edge: '#10202c',
             match: '#cc79c9', other: '#f7f6f4' },
    dark: { more: [[58, 46, 27], [138, 88, 0]], less: [[28, 43, 56], [0, 92, 146]], same: '#2b2d31',
            text: '#fdf9f2', quiet: '#e3ddd2', border: '#ffe0a040', hatch: '#bfe3ff59', edge: '#ffffff',
            match: '#8d3f89', other: '#1c1d21' },
};

/* "+4.3 MiB", "−12 B", "no change". */
function formatChange(before, after) {
    return before === after ? 'no change'
        : (after > before ? '+' : MINUS) + formatBytes(Math.abs(after - before));
}

function formatGrowth(before, after) {
    return before === after ? '' : before === 0 ? 'new' : after === 0 ? 'gone'
        : (after > before ? '+' : MINUS) + formatShare(Math.abs(after - before), before);
}

/* more, less, same, new, gone. */
function statusOf(before, after) {
    return before === after ? 'same' : before === 0 ? 'new' : after === 0 ? 'gone'
        : after > before ? 'more' : 'less';
}

/* What a frame was before, in words; '' when there is nothing to say. */
function originOf(frame) {
    if (!frame || !frame.was) {
        return '';
    }
    const { was } = frame;
    const moved = was.path !== frame.path ? visibleText(was.path) + ':' + was.line
        : was.line !== frame.line || was.function !== frame.function ? 'line ' + was.line : '';
    return joined([
        frame.match === 'similar' && 'similar ' + frame.similar + '\u00a0%',
        frame.match === 'place' && 'found by its place',
        moved && 'was ' + moved + (was.function !== frame.function
            ? ' in ' + visibleText(was.function) : ''),
    ], ', ');
}

/* The stacks of the diff as what groupStacks() takes: frames as columns, files by number. */
function stacksOfChange(data, describe) {
    const { stacks, frames } = data;
    const count = stacks.parent.length;
    const [files, paths, known] = [{ kind: [] }, [], new Map()];
    const fileOf = frames.map((frame) => {
        const path = frame ? frame.path : '';
        if (!known.has(path)) {
            known.set(path, paths.push(path) - 1);
            files.kind.push(frame ? frame.kind : KIND_PSEUDO);
        }
        return known.get(path);
    });
    for (let i = 1; i < count; i++) {
        if (!(stacks.parent[i] >= 0 && stacks.parent[i] < i)) {
            throw damaged('stack ' + i + ' has no parent');
        }
    }
    return {
        count, parent: Int32Array.from(stacks.parent, (above) => Math.max(above, 0)), frame: stacks.frame, paths, fileOf,
        modules: paths.map((path, file) => moduleOf(path, files.kind[file], '')), functionKind: () => 0, describe,
        data: { files, frames: { line: frames, function: frames.map((frame) => frame && frame.path + '\n' + frame.function),
                                 source: frames.map((frame) => frame ? frame.source : '') } },
    };
}

/* The tree that layoutFlame() lays out: bytes are widths, blocks are changes. options as those of
 * groupStacks(): library calls and imports folded, and which of them are open. */
function buildChange(data, options) {
    if (data.diff_format !== 1) {
        throw new Error('This page reads diffs of format 1, not ' + data.diff_format + '.');
    }
    const { stacks, frames } = data;
    const words = new Map();
    function describe(frame) {
        if (!words.has(frame)) {
            const some = frame >= 0 ? frames[frame] : null;
            const path = some ? visibleText(some.path) : '';
            const source = some ? visibleText(some.source.trim()) : '';
            const name = some ? visibleText(some.function) : '';
            const number = some && some.line > 0 ? ':' + some.line : '';
            words.set(frame, {
                label: some ? source || name || path + number
                    : frame === FRAME_FOLDED ? 'smaller stacks, folded together' : 'outside any Python line',
                source, name, kind: some ? some.kind : KIND_PSEUDO, origin: originOf(some),
                path: some && some.kind !== KIND_PSEUDO ? path + number : '',
                location: some && some.kind !== KIND_PSEUDO ? path.split('/').pop() + number : '',
            });
        }
        return words.get(frame);
    }
    const tree = groupStacks(stacksOfChange(data, describe), frames.map((frame) => frame ? frame.kind : KIND_PSEUDO), {
        recursion: false, threads: true, processes: true, library: false, imports: false, open: new Set(), ...options });
    const { count, parent, of, head, next } = tree;
    const own = ['before', 'after'].map((side) => {
        const sums = new Float64Array(count);
        stacks[side].forEach((bytes, i) => {
            sums[of[i]] += bytes;
        });
        return sums;
    });
    const self = own[0].map((before, i) => Math.max(before, own[1][i]));
    const [before, after, bytes] = [own[0].slice(), own[1].slice(), self.slice()];
    for (let i = count - 1; i > 0; i--) {
        before[parent[i]] += before[i];
        after[parent[i]] += after[i];
        bytes[parent[i]] += bytes[i];
    }
    const kids = (node) => {
        const list = [];
        for (let kid = head[node]; kid > 0; kid = next[kid]) {
            if (bytes[kid] > 0) {
                list.push(kid);
            }
        }
        return list.sort((a, b) => bytes[b] - bytes[a] || a - b);
    };
    const change = after.map((value, i) => value - before[i]);
    /* The root may not have changed where all below it did. */
    const most = change.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    const isGroup = (node) => tree.key[node] >= tree.labels.first;
    /* What a node is: a line, or a library call or import that is one box. */
    function describeNode(node) {
        if (!isGroup(node)) {
            return describe(tree.key[node]);
        }
        const { text, isImport } = tree.labels[tree.key[node] - tree.labels.first];
        const mark = tree.mode[node] === MODE_FOLDED ? '\u25b8 ' : '\u25be ';
        return { label: mark + text, source: '', name: '', kind: isImport ? KIND_IMPORT : KIND_LIBRARY, origin: '',
                 path: '', location: '' };
    }
    return { ...tree, data, before, after, own, change, bytes, self, blocks: change,
             selfBlocks: self.map((unused, i) => own[1][i] - own[0][i]), kids, most, describe, isGroup, describeNode };
}

/* What a box held before and after; of several small ones together only their change is known. */
function amountsOf(tree, box) {
    if (box.kind === BOX_SMALLER) {
        return { before: null, after: null, change: box.blocks,
                 status: box.blocks === 0 ? 'same' : box.blocks > 0 ? 'more' : 'less' };
    }
    const [before, after] = box.kind === BOX_SELF ? tree.own.map((side) => side[box.node])
        : [tree.before[box.node], tree.after[box.node]];
    return { before, after, change: after - before, status: statusOf(before, after) };
}

/* Frames that a search finds: text, case ignored, in source, function or place. */
function findFrames(tree, query) {
    const text = query.trim().toLowerCase();
    return text === '' ? null : tree.data.frames.map((frame) => frame !== null && [
        frame.source, frame.function, frame.path + ':' + frame.line,
    ].some((value) => value.toLowerCase().includes(text)));
}

/* Boxes that match, or have a match folded into them, and before and after of all that is in matches; below a match
 * nothing counts twice. */
function searchChange(tree, found) {
    const { stacks } = tree.data;
    const inside = new Uint8Array(stacks.parent.length);
    const marked = new Uint8Array(tree.count);
    let [before, after] = [0, 0];
    for (let i = 1; i < inside.length; i++) {
        const is = stacks.frame[i] >= 0 && found[stacks.frame[i]] ? 1 : 0;
        inside[i] = inside[stacks.parent[i]] | is;
        marked[tree.of[i]] |= is;
        if (inside[i]) {
            before += stacks.before[i];
            after += stacks.after[i];
        }
    }
    return { marked, nodes: Array.from(marked.keys()).filter((node) => marked[node]), before, after };
}

/* The boxes of a line, or those that it is folded into. */
function nodesOf(tree, frame) {
    const nodes = new Set();
    tree.data.stacks.frame.forEach((some, i) => i > 0 && some === frame && nodes.add(tree.of[i]));
    return Array.from(nodes);
}

/* ---- painting ---- */

/* 0 to 1: the square root keeps half of the change from looking like half of the colour. */
function strengthOf(change, most) {
    return most > 0 ? Math.sqrt(Math.min(Math.abs(change) / most, 1)) : 0;
}

function colorOf(change, most, colors) {
    if (change === 0) {
        return colors.same;
    }
    const [weak, strong] = change > 0 ? colors.more : colors.less;
    const at = strengthOf(change, most);
    return 'rgb(' + weak.map((value, i) => Math.round(value + (strong[i] - value) * at)).join(',') + ')';
}

/* Lines down to the left for less; crossed for gone. */
function paintHatch(context, colors, status, x, y, wide, tall) {
    context.save();
    context.beginPath();
    context.rect(x, y, wide, tall);
    context.clip();
    context.strokeStyle = colors.hatch;
    context.lineWidth = 1;
    context.beginPath();
    const start = Math.floor(x / 8) * 8 - tall;
    for (let at = start; at < x + wide + tall; at += 8) {
        context.moveTo(at + tall, y);
        context.lineTo(at, y + tall);
        if (status === 'gone') {
            context.moveTo(at, y);
            context.lineTo(at + tall, y + tall);
        }
    }
    context.stroke();
    context.restore();
}

function paintWords(context, scene, box, amounts, y) {
    const { colors, fonts } = scene;
    const middle = y + ROW_HEIGHT / 2;
    const measure = (text) => context.measureText(text).width;
    const words = scene.wordsOf(box);
    const shown = amounts.change === 0 ? '' : formatChange(0, amounts.change);
    const tag = ['new', 'gone'].includes(amounts.status) ? amounts.status.toUpperCase() + ' ' : '';
    context.fillStyle = colors.text;
    context.font = words.kind === KIND_USER ? fonts.strong : fonts.plain;
    context.textAlign = 'left';
    /* The amount first where there is no room for both: what changed is what is asked. */
    const room = box.w - 13;
    const amountWide = (shown.length + 2) * fonts.charWidth;
    const isRoomy = room > amountWide + 12 * fonts.charWidth;
    const label = tag + (isRoomy || shown === '' ? '' : shown + ' ') + words.label;
    const [text] = fitText(label, isRoomy ? room - amountWide : room, fonts.charWidth, measure);
    context.fillText(text, box.x + 7, middle);
    if (isRoomy) {
        context.font = fonts.plain;
        context.textAlign = 'right';
        context.fillText(shown, box.x + box.w - 6, middle);
    }
}

/* scene: tree, boxes, colors, top, height, fonts, wordsOf(box) -> {label, kind},
 * look(box) -> {match, dim, outline}. Paints only the rows between top and top + height. */
function paintChange(context, scene) {
    const { tree, boxes, colors, top, height } = scene;
    const lastRow = Math.min(boxes.rows.length - 1, Math.floor((top + height) / ROW_HEIGHT));
    const tall = ROW_HEIGHT - 1;
    const outlined = [];
    context.textBaseline = 'middle';
    for (let row = Math.max(0, Math.floor(top / ROW_HEIGHT)); row <= lastRow; row++) {
        const y = row * ROW_HEIGHT - top;
        for (const box of boxes.rows[row]) {
            const look = scene.look(box);
            const amounts = amountsOf(tree, box);
            const { status } = amounts;
            const wide = Math.max(box.w >= NARROWEST ? box.w - 1 : box.w, 0.5);
            context.globalAlpha = look.dim ? 0.3 : 1;
            context.fillStyle = look.match ? colors.match : box.kind === BOX_SMALLER ? colors.other
                : colorOf(amounts.change, tree.most, colors);
            context.fillRect(box.x, y, wide, tall);
            if (status === 'less' || status === 'gone') {
                paintHatch(context, colors, status, box.x, y, wide, tall);
            }
            if (box.w >= 3) {
                context.strokeStyle = status === 'new' ? colors.edge : colors.border;
                context.lineWidth = 1;
                context.setLineDash(status === 'gone' ? [3, 3] : []);
                context.strokeRect(box.x + 0.5, y + 0.5, wide - 1, tall - 1);
                if (status === 'new' && box.w >= 8) {
                    context.strokeRect(box.x + 2.5, y + 2.5, wide - 5, tall - 5);
                }
                context.setLineDash([]);
            }
            if (box.w >= LABEL_LEAST) {
                paintWords(context, scene, box, amounts, y);
            }
            if (look.outline) {
                outlined.push([box.x + 1, y + 1, Math.max(wide - 2, 1), tall - 2]);
            }
        }
    }
    context.globalAlpha = 1;
    context.strokeStyle = colors.edge;
    context.lineWidth = 2.5;
    outlined.forEach((frame) => context.strokeRect(...frame));
}

if (typeof module !== 'undefined') {
    module.exports = { CHANGES, formatChange, formatGrowth, statusOf, originOf, buildChange, amountsOf,
                       nodesOf, findFrames, searchChange, strengthOf, colorOf, paintChange };
}
