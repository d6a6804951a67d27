/* SPDX-License-Identifier: Apache-2.0
 *
 * Words and numbers as people read them: sizes, shares, times, paths, texts made visible.
 *
 * May use: nothing but the language.
 * Must stay true: whatever text goes in, what comes out shows no control character and cannot turn
 * the direction of what is around it. */
'use strict';

const DOT = ' \u00b7 ';

function cut(text, most = 400) {
    return text.length > most ? text.slice(0, most) + '\u2026' : text;
}

function joined(parts, glue = DOT) {
    return parts.filter((part) => part).join(glue);
}

function formatCount(count) {
    return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/* [number, unit] */
function splitBytes(bytes) {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
    let value = bytes;
    while (units.length > 1 && Math.round(value * 10) >= 10240) {
        value /= 1024;
        units.shift();
    }
    const tenths = Math.round(value * 10);
    return [formatCount(Math.floor(tenths / 10)) + (units[0] === 'B' ? '' : '.' + tenths % 10),
            units[0]];
}

function formatBytes(bytes) {
    return splitBytes(bytes).join('\u00a0');
}

function formatPlural(count, singular, plural = singular + 's') {
    return formatCount(count) + '\u00a0' + (count === 1 ? singular : plural);
}

/* Only nothing is 0 %, only all of it is 100 %. */
function formatShare(part, whole) {
    const percent = whole > 0 ? part / whole * 100 : 0;
    const text = percent === 0 || part === whole ? String(Math.round(percent))
        : percent < 0.1 ? '<0.1' : Math.min(percent, 99.9).toFixed(1);
    return text + '\u00a0%';
}

/* A sentence made elsewhere: no line ends between a number and its unit. */
function keepUnits(text) {
    return text.replace(/(\d) (?=%|[KMGT]?i?B\b)/g, '$1\u00a0');
}

function formatDuration(seconds) {
    if (seconds < 99.95) {
        return seconds.toFixed(1) + '\u00a0s';
    }
    const minutes = Math.floor(Math.round(seconds) / 60);
    return minutes < 60 ? minutes + '\u00a0min ' + Math.round(seconds) % 60 + '\u00a0s'
        : Math.floor(minutes / 60) + '\u00a0h ' + minutes % 60 + '\u00a0min';
}

/* Characters that control, or turn the direction of text, are shown as Python would write them. */
function visibleText(text) {
    return String(text).replace(/\t/g, '    ').replace(
        /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
        (character) => {
            const code = character.charCodeAt(0).toString(16);
            return code.length > 2 ? '\\u' + code.padStart(4, '0') : '\\x' + code.padStart(2, '0');
        });
}

/* The path a person would say: from the run's directory, package or module on. */
function shortenPath(path, directory) {
    const inside = directory ? directory.replace(/\/?$/, '/') : '';
    const rest = path.startsWith(inside) ? path.slice(inside.length) : path;
    return visibleText(rest.replace(
        /^.*\/(?:(?:site|dist)-packages|lib\/python3\.\d+t?)\/(?=.)/, ''));
}

/* The last part of each path, two or more where one part would not tell them apart. */
function shortestTails(paths) {
    const tails = new Map();
    let open = Array.from(new Set(paths));
    for (let parts = 1; open.length > 0; parts++) {
        const users = new Map();
        const tail = (path) => path.split('/').slice(-parts).join('/');
        open.forEach((path) => users.set(tail(path), (users.get(tail(path)) || 0) + 1));
        open.forEach((path) => tails.set(path, tail(path)));
        open = open.filter((path) => users.get(tail(path)) > 1 && tail(path) !== path);
    }
    return paths.map((path) => tails.get(path));
}

function quoteArgument(argument) {
    const text = visibleText(argument);
    return /^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'";
}

/* How the run ended; nothing to read first when it is empty. */
function describeEnding(outcome) {
    const { kind, code, signal, signal_name: name } = outcome || {};
    if (kind === 'exit') {
        return code === 0 ? '' : 'The program ended with exit status ' + code + '.';
    }
    if (kind === 'signal') {
        return 'The program was ended by ' +
               (name ? visibleText(name) + ' (signal ' + signal + ').' : 'signal ' + signal + '.');
    }
    return kind === 'running' ? 'The program was still running when this report was written.'
        : 'How the program ended is not known.';
}

if (typeof module !== 'undefined') {
    module.exports = { DOT, cut, joined, formatCount, splitBytes, formatBytes, formatPlural, formatShare, keepUnits,
                       formatDuration, visibleText, shortenPath, shortestTails, quoteArgument,
                       describeEnding };
}
