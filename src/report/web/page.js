/* SPDX-License-Identifier: Apache-2.0
 *
 * Elements, the data out of the document, the words above and below the table, and what the pages of a report and of
 * a diff do alike with their graph: its window, its card, its letters.
 *
 * May use: words.js, profile.js, flame.js, the document. No network, ever.
 * Must stay true: text from the profile reaches the document through textContent only. */
'use strict';

const DOT = ' \u00b7 ';
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

function showRun({ run, tool }) {
    const command = run.command.map(quoteArgument).join(' ');
    const shown = make('span', 'command', cut(command));
    shown.title = cut(command, 4000);
    const started = /^([\d-]{10})T(\d\d:\d\d)/.exec(run.started);
    byId('run').append(
        shown,
        make('span', '', run.python && 'Python ' + visibleText(run.python)),
        make('span', '', started && started[1] + ' ' + started[2] + ' UTC'),
        make('span', '', run.pid && 'process ' + run.pid),
        make('span', 'tool', visibleText(tool)));
}

function showAnswer(profile, rows) {
    const { run, peak, folded, processes = [] } = profile.data;
    const all = peak.bytes;
    if (!(all > 0)) {
        byId('answer').textContent = 'No memory was recorded.';
        return;
    }
    const first = rows.slice(0, 3);
    const share = formatShare(first.reduce((sum, row) => sum + row.bytes, 0), all);
    const when = typeof peak.time_s !== 'number' ? ''
        : ', ' + formatDuration(peak.time_s) + ' into ' +
          (run.duration_s > 0 ? 'a run of ' + formatDuration(run.duration_s) : 'the run');
    const many = processes.filter((process) => process.bytes_at_tree_peak > 0);
    byId('answer').replaceChildren(
        many.length > 1 ? 'Memory of ' + formatPlural(many.length, 'process', 'processes') + ' peaked at '
            : 'Memory peaked at ', make('strong', '', formatBytes(all)), when + '. ',
        peak.holder ? keepUnits(visibleText(peak.holder.text)) + ' ' : '',
        ['', 'One line holds ', 'Two lines hold ', 'Three lines hold '][first.length],
        make('strong', '', share), ' of it.');
    const facts = [
        formatCount(all) + '\u00a0bytes in ' + formatPlural(peak.blocks, 'block'),
        peak.rss_bytes > 0 && 'resident size reached ' + formatBytes(peak.rss_bytes),
        describeEnding(run.outcome) === '' && 'ended normally',
        folded && formatPlural(folded.stacks, 'small stack') + ' folded together here: ' + formatBytes(folded.bytes),
    ];
    byId('facts').append(...facts.filter((fact) => fact).map((fact) => make('span', '', fact)));
}

function showAlerts(profile) {
    const { run, failed, warnings = [] } = profile.data;
    const ending = visibleText(run.headline || '') || describeEnding(run.outcome);
    if (ending !== '') {
        byId('ending').append(make('p', 'alert bad', ending));
    }
    if (failed && failed.count > 0) {
        const words = failed.frame >= 0 ? profile.describe(failed.frame) : null;
        byId('ending').append(make(
            'p', 'alert bad', 'An allocation of ' + formatBytes(failed.bytes) + ' failed',
            words && ' at ' + cut(words.location, 100) + ' ',
            words && make('code', '', cut(words.source, 100)),
            failed.count > 1 ? ' (' + formatCount(failed.count) + ' failed in all).' : '.'));
    }
    const texts = warnings.map((text) => cut(visibleText(text), 600));
    const shown = texts.length > 3 ? 2 : 3;
    byId('alerts').append(...texts.slice(0, shown).map((text) => make('p', 'alert', text)));
    if (texts.length > shown) {
        byId('alerts').append(make(
            'details', 'alert', make('summary', '', texts.length - shown + ' more warnings'),
            ...texts.slice(shown).map((text) => make('p', '', text))));
    }
}

function showMaps({ maps = [], peak }) {
    byId('resident').hidden = !peak.resident_note;
    byId('resident').textContent = visibleText(peak.resident_note || '');
    if (maps.length > 0) {
        const rows = maps.slice(0, 50).map((map) => make(
            'tr', '', make('td', 'number', formatBytes(map.bytes)),
            make('td', 'mono', cut(visibleText(map.path))),
            make('td', '', cut(visibleText(map.note)))));
        const rest = maps.length > 50 ? 'and ' + formatCount(maps.length - 50) + ' more' : '';
        byId('maps').append('Files mapped into memory:', make('table', '', ...rows), rest);
    }
}

function makeProcesses({ processes = [] }) {
    const cell = (text, number) => make('td', number ? 'number' : '', text);
    const size = (bytes) => typeof bytes === 'number' ? formatBytes(bytes) : 'not known';
    const rows = processes.slice(0, 1000).map((process) => make(
        'tr', '', cell(String(process.pid), true), cell(String(process.parent_pid), true),
        cell(size(process.bytes_at_tree_peak), true), cell(size(process.peak_bytes), true),
        cell(size(process.end_bytes), true),
        cell(cut(visibleText(process.label || process.command || process.ledger || '')))));
    const heads = ['Process', 'Parent', 'At the peak of all', 'Own peak', 'At its end', 'Program'];
    return make('table', 'plain', make('thead', '', make('tr', '', ...heads.map((text, i) =>
        make('th', i < 5 ? 'number' : '', text)))), make('tbody', '', ...rows));
}

function fileNote(words) {
    return ['', 'file not found', 'file changed since the run'][words.status];
}

/* To the clipboard; from a file, in a frame, in an old browser: by way of a field. */
async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
    } catch (error) {
        const field = make('textarea', 'away', text);
        document.body.append(field);
        field.select();
        document.execCommand('copy');
        field.remove();
    }
}

function downloadText(name, text) {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/* ---- what both pages do with their graph ---- */

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
