/* SPDX-License-Identifier: Apache-2.0
 *
 * Mouse and keyboard at a graph: which box is under the mouse or selected, and what a click or a key does with it.
 *
 * May use: stacks.js, flame.js, page.js, the document.
 * Must stay true: it knows of a page only what it is given, so that a report and a diff answer alike. */
'use strict';

if (typeof require === 'function') {
    Object.assign(globalThis, require('./stacks.js'), require('./flame.js'), require('./page.js'));
}

const MARK_WIDTH = 22; /* pixels at the left of a box: the mark that opens or folds it */

/* Does what the key of an event stands for, if for anything. */
function answerKey(event, actions) {
    if (actions[event.key]) {
        actions[event.key]();
        event.preventDefault();
    }
}

/* Listens from here on. graph: view {focus, selected, hovered, match} (the last three are kept here), tree() and boxes()
 * as they are now, isGroup(node): can it be opened or folded? flip(name): do so, by its name in links; zoom(node),
 * sentence(box), showCard(box, x, y), repaint().
 * Returns a function of nodes and a direction, 1 or -1, which selects the next or the one before; false if there is none. */
function followGraph(graph) {
    const { view, tree, boxes, isGroup, flip, zoom, sentence, showCard, repaint } = graph;
    const canvas = byId('canvas');

    function select(box) {
        if (box) {
            view.selected = box;
            view.hovered = null;
            showRow(box.row);
            say(sentence(box));
            const area = byId('flame').getBoundingClientRect();
            showCard(box, area.left + box.x + Math.min(box.w / 2, 60), area.top + (box.row + 0.5) * ROW_HEIGHT);
            repaint();
        }
    }

    function zoomBox(box) {
        if (box) {
            zoom(box.kind === BOX_SMALLER ? tree().parent[box.node] : box.node);
        }
    }

    /* Opens or folds a library call or an import. */
    function toggle(box) {
        if (box && box.kind === BOX_NODE && isGroup(box.node) && !tree().inverted) {
            const wanted = pathOf(tree(), box.node);
            flip(hashNode(tree(), box.node));
            select(boxes().boxOf.get(findPath(tree(), wanted)));
        }
    }

    function hover(event) {
        const box = boxUnder(boxes(), event);
        if (box !== view.hovered) {
            view.hovered = box;
            repaint();
        }
        if (box === null) {
            hideCard();
        } else {
            showCard(box, event.clientX, event.clientY);
        }
    }

    function leave() {
        view.hovered = null;
        hideCard();
        repaint();
    }

    function click(event) {
        const box = boxUnder(boxes(), event);
        const x = event.clientX - canvas.getBoundingClientRect().left;
        if (box && box.kind === BOX_NODE && isGroup(box.node) && x - box.x < MARK_WIDTH) {
            toggle(box);
        } else {
            zoomBox(box);
        }
        hover(event);
    }

    function press(event) {
        const box = view.selected;
        const start = boxes().boxOf.get(view.focus);
        const beside = (by) => box ? boxes().rows[box.row][box.at + by] : start;
        answerKey(event, {
            ArrowDown: () => select(box ? box.below : start),
            ArrowUp: () => select(box ? box.above : start),
            ArrowLeft: () => select(beside(-1)),
            ArrowRight: () => select(beside(1)),
            Enter: () => zoomBox(box),
            ' ': () => zoomBox(box),
            e: () => toggle(box),
        });
    }

    canvas.addEventListener('mousemove', hover);
    canvas.addEventListener('mouseleave', leave);
    canvas.addEventListener('click', click);
    canvas.addEventListener('keydown', press);
    canvas.addEventListener('blur', () => {
        view.selected = null;
        leave();
    });
    window.addEventListener('scroll', () => {
        if (view.hovered !== null) {
            leave();
        }
        repaint();
    }, { passive: true });

    return (nodes, direction) => {
        if (nodes.length === 0) {
            return false;
        }
        const match = (Math.max(view.match, direction < 0 ? 0 : -1) + direction + nodes.length) % nodes.length;
        const box = boxes().boxOf.get(nodes[match]);
        if (!box || box.w < LABEL_LEAST || box.row < boxes().focusRow) {
            zoom(nodes[match]);
        }
        view.match = match;
        select(boxes().boxOf.get(nodes[match]));
        return true;
    };
}

if (typeof module !== 'undefined') {
    module.exports = { followGraph, answerKey };
}
