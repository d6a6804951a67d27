/* SPDX-License-Identifier: Apache-2.0
 *
 * Source lines around a line, and whole files as annotated listings, from the lines the page carries.
 *
 * May use: profile.js and what it uses.
 * Must stay true: a line that the page does not carry is a gap, never a guess. */
'use strict';

if (typeof require === 'function') {
    Object.assign(globalThis, require('./profile.js'));
}

/* Map(file -> Map(line -> text)) of all lines the page knows. */
function collectLines(profile) {
    const { data: { frames, page }, fileOf } = profile;
    const files = new Map();
    const put = (file, line, text) => {
        if (line > 0 && text !== '') {
            files.set(file, (files.get(file) || new Map()).set(line, text));
        }
    };
    frames.line.forEach((line, frame) => put(fileOf[frame], line, frames.source[frame]));
    const context = (page && page.context) || { file: [], line: [], text: [] };
    let line = 0;
    context.file.forEach((file, i) => {
        line = i > 0 && context.file[i - 1] === file ? line + context.line[i] : context.line[i];
        put(file, line, context.text[i] || ' ');
    });
    return files;
}

/* A line before, of and behind its part from one character to another, which every stack that is at
 * it came from. One text when that is not known, or is all of it. */
function splitLine(text, column, end) {
    const points = Array.from(text);
    const [before, inside, behind] = [points.slice(0, column), points.slice(column, end), points.slice(end)]
        .map((part) => visibleText(part.join('')));
    return !(column >= 0) || (before + behind).trim() === '' ? [visibleText(text)] : [before, inside, behind];
}

/* Map(file -> Map(line -> [column, end])), of all frames at the line. */
function collectParts(profile) {
    const { data: { frames: { line, column, end_column: ends } }, fileOf } = profile;
    const files = new Map();
    (column || []).forEach((from, frame) => {
        const file = files.get(fileOf[frame]) || new Map();
        const [first, last] = file.get(line[frame]) || [from, ends[frame]];
        files.set(fileOf[frame], file.set(line[frame], Math.min(first, from) < 0 ? [-1, -1]
            : [Math.min(first, from), Math.max(last, ends[frame])]));
    });
    return files;
}

/* Two lines either side, without the indentation they share: [{number, text, here}]; empty when the
 * line is not known. */
function linesAround(lines, number, part = [-1, -1], reach = 2) {
    const found = [];
    for (let line = number - reach; line <= number + reach; line++) {
        if (lines && lines.has(line)) {
            const here = line === number;
            found.push({ number: line, here, parts: splitLine(lines.get(line), ...here ? part : [-1, -1]) });
        }
    }
    const shared = Math.min(...found.map(({ parts }) => parts.join('').search(/\S/)).filter((at) => at >= 0));
    return lines && lines.has(number)
        ? found.map(({ parts: [first, ...rest], ...row }) => ({ ...row, parts: [first.slice(shared), ...rest] })) : [];
}

/* A file: its known lines in order with what each holds, and a gap wherever lines are left out. */
function listFile(lines, held, parts = new Map()) {
    const numbers = Array.from(new Set([...lines.keys(), ...held.keys()])).sort((a, b) => a - b);
    const rows = [];
    let last = 0;
    for (const number of numbers) {
        if (number > last + 1) {
            rows.push({ gap: number - last - 1 });
        }
        rows.push({ number, parts: splitLine(lines.get(number) || '', ...parts.get(number) || [-1, -1]), ...held.get(number) });
        last = number;
    }
    return rows;
}

if (typeof module !== 'undefined') {
    module.exports = { collectLines, collectParts, splitLine, linesAround, listFile };
}
