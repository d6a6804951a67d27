/* SPDX-License-Identifier: Apache-2.0
 *
 * The document, for the pages of a report and of a diff: elements, the data out of it, and the window, the card and the
 * letters of a graph.
 *
 * May use: profile.js, flame.js, the document. No network, ever.
 * Must stay true: text from the profile reaches the document through textContent only. */
'use strict';

if (typeof require === 'function') {
    Object.assign(globalThis, require('./profile.js'), require('./flame.js'));
}

const byId = (id) => document.getElementById(id);

/* An element with a class and children; strings become text, never markup. */
function make(tag, className, ...children) {
    const element = document.createElement(tag);
    element.className = className;
    element.append(...children.filter((child) => child));
    return element;
}

function makeButton(className, text, act) {
    const button = make('button', className, text);
    button.type = 'button';
    button.addEventListener('click', act);
    return button;
}

/* One of several, or on and off: `isOn()` is asked again by refreshButtons(). */
function makeSwitch(text, isOn, act) {
    const button = makeButton('', text, act);
    button.isOn = isOn;
    return button;
}

function refreshButtons() {
    for (const button of document.querySelectorAll('button')) {
        if (button.isOn) {
            button.setAttribute('aria-pressed', button.isOn());
        }
    }
}

async function readData() {
    const holder = byId('peakline-data');
    if (holder === null) {
        throw damaged('it holds no data.');
    }
    if (holder.dataset.encoding !== 'gzip+base64') {
        return JSON.parse(holder.textContent);
    }
    if (typeof DecompressionStream === 'undefined') {
        throw new Error('This browser is too old to unpack the report.');
    }
    const text = atob(holder.textContent.trim());
    const packed = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
        packed[i] = text.charCodeAt(i);
    }
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    return JSON.parse(await new Response(stream).text());
}

/* ---- the place of a graph ---- */

function hideCard() {
    byId('card').hidden = true;
}

function say(text) {
    byId('status').textContent = text;
}

/* How far the graph has moved up under the canvas, which stays in the window. */
function scrolled() {
    return Math.max(0, byId('canvas').getBoundingClientRect().top -
                       byId('flame').getBoundingClientRect().top);
}

/* Of the bar, where it stays in the window. */
function barHeight() {
    return getComputedStyle(byId('bar')).position === 'sticky' ? byId('bar').offsetHeight : 0;
}

/* Of the canvas: no more than the window shows, but on paper. */
function canvasHeight(boxes, onPaper) {
    const all = boxes.rows.length * ROW_HEIGHT;
    const room = onPaper ? 60 * ROW_HEIGHT : window.innerHeight - barHeight();
    return Math.max(ROW_HEIGHT, Math.min(all, room));
}

function sizeCanvas(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const [wide, tall] = [width, height].map((size) => Math.round(size * ratio));
    if (canvas.width !== wide || canvas.height !== tall) {
        canvas.width = wide;
        canvas.height = tall;
    }
    const context = canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
}

/* Brings a row between the bar and the status line. */
function showRow(row) {
    const y = byId('flame').getBoundingClientRect().top + row * ROW_HEIGHT;
    const least = barHeight() + ROW_HEIGHT;
    const most = window.innerHeight - byId('status').offsetHeight - 2 * ROW_HEIGHT;
    if (y < least || y > most) {
        window.scrollBy({ top: y - (least + most) / 2, behavior: 'instant' });
    }
}

/* Shows the card where the mouse does not cover it. */
function placeCard(x, y) {
    const card = byId('card');
    card.hidden = false;
    const { width, height } = card.getBoundingClientRect();
    const below = y + 20 + height < window.innerHeight;
    card.style.left = Math.max(8, Math.min(x + 14, window.innerWidth - width - 8)) + 'px';
    card.style.top = Math.max(8, below ? y + 20 : y - height - 14) + 'px';
}

function boxUnder(boxes, event) {
    const area = byId('canvas').getBoundingClientRect();
    const row = Math.floor((event.clientY - area.top + scrolled()) / ROW_HEIGHT);
    return boxAt(boxes, event.clientX - area.left, row);
}

const fonts = { plain: '', strong: '', charWidth: 7 };

/* Of the page's own typeface, which the canvas does not inherit. */
function measureFonts() {
    const context = byId('canvas').getContext('2d');
    const mono = getComputedStyle(document.documentElement).getPropertyValue('--mono');
    fonts.plain = '12px ' + mono.replace(/\s+/g, ' ');
    fonts.strong = '600 ' + fonts.plain;
    context.font = fonts.plain;
    fonts.charWidth = context.measureText('m'.repeat(10)).width / 10;
}

if (typeof module !== 'undefined') {
    module.exports = { byId, say, hideCard, showRow, boxUnder };
}
