/* SPDX-License-Identifier: Apache-2.0
 *
 * The blame lines as rows, and as text or Markdown to paste elsewhere.
 *
 * May use: profile.js and what it uses.
 * Must stay true: no text of the profile can end a cell, a row or a code span. */
'use strict';

if (typeof require === 'function') {
    Object.assign(globalThis, require('./profile.js'));
}

/* Rows of one measure, adding up to it. The document's own are exact even when its smallest stacks
 * are folded together; the reader's own view of whose code it is has to be added up anew. */
function blameRows(profile, blame, measure, isOwnView, kind = '') {
    const { bytes: name, blocks: count } = MEASURES[measure];
    const { data } = profile;
    if (isOwnView || kind !== '' || !data.blame[name]) {
        return blameTable(blame, weighKind(profile, measure, kind));
    }
    return data.blame.frame.map((frame, i) => ({
        line: frame < 0 ? frame : blame.lineOf[frame], frame, bytes: data.blame[name][i],
        blocks: data.blame[count][i], ...measure === 'peak' && data.blame.largest_bytes && {
            largest: data.blame.largest_bytes[i], least: data.blame.largest_least_bytes[i] } }))
        .filter((row) => row.bytes > 0 || row.blocks > 0)
        .sort((a, b) => b.bytes - a.bytes || b.blocks - a.blocks || a.frame - b.frame);
}

/* The largest single block of a row; of some only a limit is known. */
function largestWords({ largest, least }) {
    return largest > 0 ? (least < largest ? '\u2264\u00a0' : '') + formatBytes(largest) : '';
}

function sortRows(rows, column, rising, profile) {
    const path = (row) => profile.describe(row.frame).path;
    const compare = column === 'place'
        ? (a, b) => path(a).localeCompare(path(b), 'en', { numeric: true })
        : (a, b) => (a[column] || 0) - (b[column] || 0);
    const last = (row) => row.frame === FRAME_LEFT_OUT;
    return rows.slice().sort((a, b) => last(a) - last(b) || (rising ? compare(a, b) : compare(b, a)) || b.bytes - a.bytes);
}

/* The first rows, those left, and what other kinds of memory hold, which is no line. */
function cutRows(rows, count) {
    const isOther = (row) => row.frame === FRAME_LEFT_OUT;
    const lines = rows.filter((row) => !isOther(row));
    return { first: lines.slice(0, count), left: lines.slice(count), other: rows.filter(isOther) };
}

const COPIED = 30;

function cellsOf(profile, rows, total) {
    const { first, left, other } = cutRows(rows, COPIED);
    const cellsFor = (row) => {
        const { path, label, source } = profile.describe(row.frame);
        return [formatBytes(row.bytes), formatShare(row.bytes, total), formatCount(row.blocks),
                path || label, cut(source, 120)].map((text) => text.replace(/\u00a0/g, ' '));
    };
    const bytes = left.reduce((sum, row) => sum + row.bytes, 0);
    const rest = [formatBytes(bytes), formatShare(bytes, total), '', formatPlural(left.length, 'more line'), '']
        .map((text) => text.replace(/\u00a0/g, ' '));
    return [...first.map(cellsFor), ...bytes === 0 ? [] : [rest], ...other.map(cellsFor)];
}

function tableText(profile, rows, total, title) {
    const cells = cellsOf(profile, rows, total);
    const wide = [0, 1, 2, 3].map((i) => Math.max(...cells.map((row) => row[i].length)));
    return [title, ...cells.map((row) => row.map((text, i) => i < 3 ? text.padStart(wide[i])
        : text.padEnd(wide[i] || 0)).join('  ').trimEnd())].join('\n') + '\n';
}

/* Inside a cell: a code span longer than any run of backticks in it; `|` would end the cell. */
function codeSpan(text) {
    const clean = text.replace(/\|/g, '\\|').trim();
    const longest = Math.max(0, ...(clean.match(/`+/g) || []).map((run) => run.length));
    const ticks = '`'.repeat(longest + 1);
    const pad = /^`|`$/.test(clean) ? ' ' : '';
    return clean === '' ? '' : ticks + pad + clean + pad + ticks;
}

function tableMarkdown(profile, rows, total, title) {
    const lines = cellsOf(profile, rows, total).map(([bytes, share, blocks, place, source]) =>
        '| ' + [bytes, share, blocks, codeSpan(place), codeSpan(source)].join(' | ') + ' |');
    return ['**' + title.replace(/[\\`*_<>[\]]/g, '\\$&') + '**', '', '| Bytes | Share | Blocks | Line | Source |',
            '| ---: | ---: | ---: | --- | --- |', ...lines].join('\n') + '\n';
}

if (typeof module !== 'undefined') {
    module.exports = { blameRows, largestWords, sortRows, cutRows, tableText, tableMarkdown, codeSpan };
}
