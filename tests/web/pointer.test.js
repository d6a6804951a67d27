// SPDX-License-Identifier: Apache-2.0
// What mouse and keys do at a graph, with a document around it that knows only where the graph's parts are.
'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./modules.js');

const ROW = 21;
const TOP = 100; // of the graph, in the window
const WIDTH = 1000;

// Before the modules are loaded: as in a browser, they may keep what these names stand for.
function makeElement(top, height) {
    return Object.assign(new EventTarget(), {
        hidden: true, textContent: '', offsetHeight: height,
        getBoundingClientRect: () => ({ left: 0, top, width: WIDTH, height }),
    });
}
const parts = {};
globalThis.document = { documentElement: null, getElementById: (id) => parts[id] };
globalThis.window = new EventTarget();
globalThis.getComputedStyle = () => ({ position: 'static' });

const { followGraph, answerKey } = load('pointer.js');
const { layoutFlame } = load('flame.js');
const { hashNode } = load('stacks.js');
const { plainTree } = require('./trees.js');

const GROUP = 'line 2';

// main() called three functions that hold 600, 300 and 88 bytes, one with 10, too narrow for its name, and two with 1 byte
// each, too narrow to draw: with as many pixels as bytes, x is bytes. The second can be opened.
function follow() {
    const tree = plainTree({ up: [0, 1, 1, 2, 3, 4, 5, 6], frame: [-1, 0, 1, 2, 3, 4, 5, 6], bytes: [0, 0, 600, 300, 88, 10, 1, 1],
                             blocks: [0, 0, 1, 1, 1, 1, 1, 1] });
    const labelOf = (node) => node === 0 ? 'all' : tree.profile.describe(tree.key[node]).label;
    const sentence = (box) => box.kind === 'node' ? labelOf(box.node) : box.kind;
    const view = { focus: 0, selected: null, hovered: null, match: -1 };
    const done = [];
    const names = { canvas: [TOP, 400], flame: [TOP, 400], bar: [0, 50], card: [0, 0], status: [0, 20] };
    for (const [id, place] of Object.entries(names)) {
        parts[id] = makeElement(...place);
    }
    Object.assign(window, { innerHeight: 900, scrollBy: () => done.push('scroll') });
    let boxes = layoutFlame(tree, 0, WIDTH);
    const zoom = (node) => {
        done.push('zoom ' + labelOf(node));
        view.focus = node;
        boxes = layoutFlame(tree, node, WIDTH);
    };
    const stepTo = followGraph({
        view, tree: () => tree, boxes: () => boxes, isGroup: (node) => labelOf(node) === GROUP, zoom, sentence,
        flip: (name) => done.push('flip ' + name), repaint: () => {},
        showCard: (box) => Object.assign(parts.card, { hidden: false, textContent: sentence(box) }),
    });
    const send = (name, values) => {
        const event = Object.assign(new Event(name, { cancelable: true }), values);
        parts.canvas.dispatchEvent(event);
        return event.defaultPrevented;
    };
    return { tree, view, done, stepTo, boxOf: (node) => boxes.boxOf.get(node),
             press: (key) => send('keydown', { key }), send: (name) => send(name),
             mouse: (name, x, row) => send(name, { clientX: x, clientY: TOP + (row + 0.5) * ROW }),
             card: () => parts.card.hidden ? null : parts.card.textContent, status: () => parts.status.textContent };
}

const named = (tree, label) => Array.from({ length: tree.count }, (unused, i) => i)
    .find((node) => node > 0 && tree.profile.describe(tree.key[node]).label === label);

test('the mouse shows the card of the box under it, and takes it away', () => {
    const { view, mouse, send, card } = follow();
    mouse('mousemove', 700, 2);
    assert.equal(card(), 'line 2');
    mouse('mousemove', 700, 9);
    assert.equal(card(), null);
    assert.equal(view.hovered, null);
    mouse('mousemove', 50, 1);
    assert.equal(card(), 'line 0');
    send('mouseleave');
    assert.equal(card(), null);
    mouse('mousemove', 50, 1);
    window.dispatchEvent(new Event('scroll')); // another box may be there now
    assert.deepEqual([card(), view.hovered], [null, null]);
});

test('a click zooms, beside the mark of a group too; at the mark it opens the group', () => {
    const { tree, done, mouse, status, card } = follow();
    mouse('click', 621, 2);
    assert.deepEqual(done.splice(0), ['flip ' + hashNode(tree, named(tree, GROUP))]);
    assert.equal(status(), GROUP); // it is selected, and said
    mouse('click', 622, 2);
    assert.deepEqual(done.splice(0), ['zoom ' + GROUP]);
    mouse('click', 622, 0);
    assert.equal(card(), 'all', 'what is under the mouse now');
});

test('a click on what is too narrow to draw zooms to the box above it; one at the left of a plain box zooms', () => {
    const { done, mouse, card } = follow();
    mouse('mousemove', 999, 2);
    assert.equal(card(), 'smaller');
    mouse('click', 999, 2);
    mouse('click', 500, 0);
    mouse('click', 1, 2);
    assert.deepEqual(done, ['zoom line 0', 'zoom all', 'zoom line 1']);
});

test('arrows go to the boxes beside, and stay where there is none', () => {
    const { press, status, card, view, done } = follow();
    const went = ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowLeft', 'ArrowDown', 'ArrowUp', 'ArrowUp',
                  'ArrowUp'].map((key) => press(key) && status());
    assert.deepEqual(went, ['all', 'line 0', 'line 1', GROUP, 'line 3', GROUP, GROUP, 'line 0', 'all', 'all']);
    assert.equal(card(), 'all');
    assert.equal(view.selected.node, 0);
    assert.deepEqual(done, []);
});

test('Enter and space zoom to the selected box, e opens it; other keys are left to the page', () => {
    const { tree, press, done, send, view } = follow();
    ['ArrowDown', 'ArrowDown', 'e', 'Enter'].forEach(press);
    assert.deepEqual(done.splice(0), ['zoom line 0'], 'a plain box does not open');
    ['ArrowDown', 'ArrowRight', 'e', ' '].forEach(press);
    assert.deepEqual(done, ['flip ' + hashNode(tree, named(tree, GROUP)), 'zoom ' + GROUP]);
    assert.equal(press('n'), false);
    send('blur');
    assert.equal(view.selected, null);
});

test('an inverted graph has nothing to open', () => {
    const { tree, mouse, done } = follow();
    tree.inverted = true;
    mouse('click', 605, 2);
    assert.deepEqual(done, []);
});

test('steps go round, and zoom only where a box cannot be read or is above the zoom', () => {
    const { tree, view, done, stepTo, status } = follow();
    const nodes = ['line 0', 'line 3', 'line 4', 'line 5'].map((label) => named(tree, label));
    assert.equal(stepTo([], 1), false);
    const went = [1, 1, 1, 1].map((by) => stepTo(nodes, by) && [view.match, status(), done.splice(0).join()]);
    assert.deepEqual(went, [[0, 'line 0', ''], [1, 'line 3', ''], [2, 'line 4', 'zoom line 4'], [3, 'line 5', 'zoom line 5']]);
    stepTo(nodes, 1);
    assert.deepEqual([view.match, done.splice(0).join()], [0, 'zoom line 0']);
    view.match = -1;
    stepTo(nodes, -1);
    assert.equal(view.match, 3, 'the last one first');
});

test('a box out of sight is scrolled to, and the mouse does not outline another', () => {
    const { view, mouse, press, done } = follow();
    mouse('mousemove', 700, 2);
    window.innerHeight = 60;
    press('ArrowDown');
    assert.deepEqual([done, view.hovered], [['scroll'], null]);
});

test('a key that stands for nothing is left alone', () => {
    const seen = [];
    const event = { key: 'x', preventDefault: () => seen.push('kept') };
    answerKey(event, { y: () => seen.push('y') });
    assert.deepEqual(seen, []);
    answerKey({ ...event, key: 'y' }, { y: () => seen.push('y') });
    assert.deepEqual(seen, ['y', 'kept']);
});
