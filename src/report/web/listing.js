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

/* Two lines either side, without the indentation they share: [{number, text, here}]; empty when the
 * line is not known. */
function linesAround(lines, number, reach = 2) {
    const found = [];
    for (let line = number - reach; line <= number + reach; line++) {
        if (lines && lines.has(line)) {
            found.push({ number: line, text: visibleText(lines.get(line)), here: line === number });
        }
    }
    const shared = Math.min(...found.map(({ text }) => /\S/.test(text) ? text.search(/\S/) : 999));
    return lines && lines.has(number) ? found.map((row) => ({ ...row, text: row.text.slice(shared) })) : [];
}

/* A file: its known lines in order with what each holds, and a gap wherever lines are left out. */
function listFile(lines, held) {
    const numbers = Array.from(new Set([...lines.keys(), ...held.keys()])).sort((a, b) => a - b);
    const rows = [];
    let last = 0;
    for (const number of numbers) {
        if (number > last + 1) {
            rows.push({ gap: number - last - 1 });
        }
        rows.push({ number, text: visibleText(lines.get(number) || ''), ...held.get(number) });
        last = number;
    }
    return rows;
}

if (typeof module !== 'undefined') {
    module.exports = { collectLines, linesAround, listFile };
}
