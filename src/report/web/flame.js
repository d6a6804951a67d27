/* SPDX-License-Identifier: Apache-2.0
 *
 * The flame graph: from a tree's columns to boxes, from boxes to a canvas.
 *
 * May use: nothing but the language; painting takes whatever 2D context it is given.
 * Must stay true: below the zoomed node, a box that is opened is exactly as wide as the boxes
 * under it together (what a line holds itself and what is too small to draw are boxes too), so
 * that every level adds up. No recursion. */
'use strict';

const BOX_NODE = 'node';
const BOX_SELF = 'self';       /* what a line holds itself, beside the boxes of what it called */
const BOX_SMALLER = 'smaller'; /* neighbours too narrow to draw one by one */
const ROW_HEIGHT = 21;
const NARROWEST = 2;           /* pixels: narrower boxes are drawn together and not opened */
const LABEL_LEAST = 24;        /* pixels: narrower boxes carry no text */

/* All boxes of one zoom: rows[r] is row r from left to right; boxOf has the box of each node that
 * has its own. Above the zoomed node are its ancestors, each over the full width. */
function layoutFlame(tree, focus, width) {
    const rows = [];
    const boxOf = new Map();
    const todo = [];
    const scale = tree.bytes[focus] > 0 ? width / tree.bytes[focus] : 0;

    /* above and below (its largest) are how the keyboard moves, at is the place in the row. */
    function add(above, node, kind, x, w, bytes, blocks, members) {
        const row = above === null ? 0 : above.row + 1;
        rows[row] = rows[row] || [];
        const box = { node, kind, x, w, bytes, blocks, members, row, at: rows[row].length, above,
                      below: null };
        rows[row].push(box);
        if (kind === BOX_NODE) {
            boxOf.set(node, box);
        }
        if (above !== null && (above.below === null || above.below.bytes < bytes)) {
            above.below = box;
        }
        return box;
    }

    function open(box) {
        const { node } = box;
        let { x } = box;
        let first = -1;
        let members = 0;
        let bytes = 0;
        let blocks = 0;
        const place = (kid, kind, own, count, many = 1) => {
            const made = add(box, kid, kind, x, own * scale, own, count, many);
            x += own * scale;
            return made;
        };
        /* Largest first: once one is too narrow, all that follow are. */
        for (const kid of tree.kids(node)) {
            if (tree.bytes[kid] * scale >= NARROWEST) {
                todo.push(place(kid, BOX_NODE, tree.bytes[kid], tree.blocks[kid]));
            } else {
                first = members === 0 ? kid : first;
                members++;
                bytes += tree.bytes[kid];
                blocks += tree.blocks[kid];
            }
        }
        if (members > 0) {
            place(first, members === 1 ? BOX_NODE : BOX_SMALLER, bytes, blocks, members);
        }
        if (tree.self[node] > 0 && tree.self[node] < tree.bytes[node]) {
            place(node, BOX_SELF, tree.self[node], tree.selfBlocks[node]);
        }
    }

    const chain = [];
    for (let node = focus; node !== 0; node = tree.parent[node]) {
        chain.push(node);
    }
    chain.push(0);
    let box = null;
    for (const node of chain.reverse()) {
        box = add(box, node, BOX_NODE, 0, width, tree.bytes[node], tree.blocks[node], 1);
    }
    todo.push(box);
    /* Row after row: `todo` grows while it is read. */
    for (let i = 0; i < todo.length; i++) {
        open(todo[i]);
    }
    return { rows, boxOf, focus, focusRow: chain.length - 1, width };
}

/* The box under a point, or null. A box thinner than a pixel can still be met. */
function boxAt(boxes, x, row) {
    const line = boxes.rows[row] || [];
    let low = 0;
    let high = line.length - 1;
    while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (line[middle].x <= x) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    const box = line[low];
    return box && x >= box.x && x < box.x + Math.max(box.w, 1) ? box : null;
}

/* ---- colour ---- */

/* The ramps go one way in lightness (no hue needed). Text on them keeps a contrast of 4.5 to 1. */
const THEMES = {
    light: {
        ramp: [[253, 238, 226], [252, 205, 180], [247, 163, 136], [236, 122, 101]],
        text: '#1d1a18', quiet: '#33261f', border: '#6e2d1457', outline: '#10202c',
        other: '#eceae6', otherText: '#55514c', self: '#faf9f7', selfBorder: '#6e655a4d',
        match: '#7cc7f4', matchText: '#10202c', user: '#1553a8', stripe: '#7d746d',
    },
    dark: {
        ramp: [[56, 42, 39], [92, 49, 41], [127, 52, 41], [158, 56, 42]],
        text: '#fdf6f2', quiet: '#e8dcd5', border: '#ffbea042', outline: '#ffffff',
        other: '#2b2d31', otherText: '#b4b7bc', self: '#1c1d21', selfBorder: '#c8c8dc38',
        match: '#4aa8e0', matchText: '#07131b', user: '#8cc0ff', stripe: '#a89b93',
    },
};
const STEPS = 64;

function makePalette(theme) {
    const colors = THEMES[theme];
    const steps = Array.from({ length: STEPS }, (unused, step) => {
        const at = step / (STEPS - 1) * (colors.ramp.length - 1);
        const low = Math.min(Math.floor(at), colors.ramp.length - 2);
        const mixed = colors.ramp[low].map(
            (value, i) => Math.round(value + (colors.ramp[low + 1][i] - value) * (at - low)));
        return 'rgb(' + mixed.join(',') + ')';
    });
    return Object.assign({}, colors, { ramp: steps });
}

/* The square root keeps a frame with half of the bytes from looking only half as red. */
function rampStep(bytes, peak) {
    return peak > 0 ? Math.round(Math.sqrt(Math.min(bytes / peak, 1)) * (STEPS - 1)) : 0;
}

/* ---- painting ---- */

/* The start of a text that fits, and its width. ASCII in a monospaced font needs no measuring. */
function fitText(text, room, charWidth, measure) {
    const most = Math.floor(room / charWidth);
    if (most < 3) {
        return ['', 0];
    }
    let cut = text.length > most ? text.slice(0, most - 1) + '\u2026' : text;
    if (/^[ -~]*\u2026?$/.test(cut)) {
        return [cut, cut.length * charWidth];
    }
    const characters = Array.from(text.slice(0, most));
    while (characters.length > 1 && measure(cut) > room) {
        characters.pop();
        cut = characters.join('') + '\u2026';
    }
    return [cut, measure(cut)];
}

/* Your code: a broad stripe; libraries: a thin one; standard library: dashes; the rest: dots. */
function paintStripe(context, palette, kind, x, y, height) {
    const dash = [height, height, 5, 2, 2][kind];
    context.fillStyle = kind === 0 ? palette.user : palette.stripe;
    for (let top = 0; top < height; top += dash + 3) {
        context.fillRect(x, y + top, kind === 0 ? 4 : 2, Math.min(dash, height - top));
    }
}

/* The label; then, where there is room left, the amount at the right and the place before it. */
function paintLabel(context, scene, box, match, y) {
    const { palette, fonts } = scene;
    const words = scene.describe(box);
    const middle = y + ROW_HEIGHT / 2;
    const right = box.x + box.w - 7;
    if (words.kind >= 0) {
        paintStripe(context, palette, words.kind, box.x, y, ROW_HEIGHT - 1);
    }
    context.fillStyle = match ? palette.matchText
        : box.kind === BOX_NODE ? palette.text : palette.otherText;
    context.font = words.kind === 0 ? fonts.strong : fonts.plain;
    context.textAlign = 'left';
    const [label, used] = fitText(words.label, box.w - 13, fonts.charWidth,
                                  (text) => context.measureText(text).width);
    context.fillText(label, box.x + 8, middle);
    let room = box.w - 13 - used;
    context.font = fonts.plain;
    context.textAlign = 'right';
    const amount = (words.amount.length + 2) * fonts.charWidth;
    if (label !== '' && room >= amount) {
        context.fillText(words.amount, right, middle);
        room -= amount;
        if (room >= (words.detail.length + 2) * fonts.charWidth) {
            context.fillStyle = match ? palette.matchText : palette.quiet;
            context.fillText(words.detail, right - amount, middle);
        }
    }
}

/* scene: boxes, peak, palette, top (first pixel shown), height, fonts {plain, strong, charWidth},
 * describe(box) -> {label, amount, detail, kind or -1}, look(box) -> {match, dim, outline, grey}.
 * Paints only the rows between top and top + height. */
function paintFlame(context, scene) {
    const { boxes, palette, top, height } = scene;
    const firstRow = Math.max(0, Math.floor(top / ROW_HEIGHT));
    const lastRow = Math.min(boxes.rows.length - 1, Math.floor((top + height) / ROW_HEIGHT));
    const tall = ROW_HEIGHT - 1;
    const outlined = [];
    context.textBaseline = 'middle';
    context.lineWidth = 1;
    for (let row = firstRow; row <= lastRow; row++) {
        const y = row * ROW_HEIGHT - top;
        for (const box of boxes.rows[row]) {
            const look = scene.look(box);
            /* A gap of one pixel parts the boxes; the thinnest keep half a pixel of colour. */
            const wide = Math.max(box.w >= NARROWEST ? box.w - 1 : box.w, 0.5);
            context.globalAlpha = look.dim ? 0.3 : 1;
            context.fillStyle = look.match ? palette.match : box.kind === BOX_SELF ? palette.self
                : look.grey ? palette.other : palette.ramp[rampStep(box.bytes, scene.peak)];
            context.fillRect(box.x, y, wide, tall);
            if (box.w >= 3) {
                context.strokeStyle = look.grey ? palette.selfBorder : palette.border;
                context.strokeRect(box.x + 0.5, y + 0.5, wide - 1, tall - 1);
            }
            if (box.w >= LABEL_LEAST) {
                paintLabel(context, scene, box, look.match, y);
            }
            if (look.outline) {
                outlined.push([box.x + 1, y + 1, Math.max(wide - 2, 1), tall - 2]);
            }
        }
    }
    context.globalAlpha = 1;
    context.strokeStyle = palette.outline;
    context.lineWidth = 2;
    outlined.forEach((frame) => context.strokeRect(...frame));
}

if (typeof module !== 'undefined') {
    module.exports = { BOX_NODE, BOX_SELF, BOX_SMALLER, NARROWEST, LABEL_LEAST, STEPS, ROW_HEIGHT, layoutFlame, boxAt, makePalette, rampStep, fitText,
                       paintFlame };
}
