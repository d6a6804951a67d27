/* SPDX-License-Identifier: Apache-2.0
 *
 * What is looked at, as the part of the address behind #, and back.
 *
 * May use: nothing but the language.
 * Must stay true: a link that is damaged or from another report opens as much as it can; the start
 * of the report is the empty text. */
'use strict';

const START = {
    measure: 'peak', tab: 'graph', inverted: false, library: true, imports: true, recursion: true, threads: true,
    processes: true, query: '', blame: '', file: '', path: '', open: '', mine: '', kind: '',
};
const LETTERS = { measure: 'm', tab: 't', query: 'q', blame: 'b', file: 's', path: 'z', open: 'o', mine: 'c',
                  kind: 'k' };
const SWITCHES = { inverted: 'v', library: 'l', imports: 'i', recursion: 'r', threads: 'h', processes: 'p' };
const MOST_PATH = 4000;

function writeLink(state) {
    const parts = new URLSearchParams();
    for (const [name, letter] of Object.entries(LETTERS)) {
        if (state[name] !== START[name] && state[name].length <= MOST_PATH) {
            parts.set(letter, state[name]);
        }
    }
    const turned = Object.keys(SWITCHES).filter((name) => state[name] !== START[name]);
    if (turned.length > 0) {
        parts.set('x', turned.map((name) => SWITCHES[name]).join(''));
    }
    return parts.toString();
}

function readLink(text) {
    const parts = new URLSearchParams(text.replace(/^#/, ''));
    const state = { ...START };
    for (const [name, letter] of Object.entries(LETTERS)) {
        state[name] = parts.get(letter) || START[name];
    }
    for (const [name, letter] of Object.entries(SWITCHES)) {
        state[name] = (parts.get('x') || '').includes(letter) ? !START[name] : START[name];
    }
    return state;
}

/* "+sales/,-pandas": whose code the reader says it is. A comma in a name is %2C, and so % is %25. */
function writeMine(mine) {
    return Array.from(mine, ([module, isMine]) => (isMine ? '+' : '-') + module.replace(/[%,]/g, encodeURIComponent))
        .join(',');
}

function readMine(text) {
    return new Map(text.split(',').filter((part) => /^[+-]./.test(part))
        .map((part) => [part.slice(1).replace(/%2C/g, ',').replace(/%25/g, '%'), part[0] === '+']));
}

if (typeof module !== 'undefined') {
    module.exports = { START, writeLink, readLink, writeMine, readMine };
}
