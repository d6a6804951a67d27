/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a report's lines, and what its heads do.
 *
 * May use: table.js, state.js and what it uses, summary.js, page.js. What choosing a row does is given: choose() of app.js.
 * Must stay true: text from the profile reaches the document through textContent only. */
'use strict';

const MORE_ROWS = 100;

function makeCells(bytes, blocks, ...rest) {
    const [value, unit] = splitBytes(bytes);
    const fill = make('span', 'fill');
    fill.style.width = bytes / (total() || 1) * 100 + '%';
    return [make('td', 'number bytes', make('b', '', value), make('span', 'unit', unit)),
            make('td', 'share', make('span', 'percent', formatShare(bytes, total())),
                 make('span', 'track', fill)),
            make('td', 'number blocks', formatCount(blocks)), ...rest];
}

function makeRow(row, index) {
    const words = profile.describe(row.frame);
    const place = makeButton('link', cut(words.location || words.label, 120), () => {});
    place.title = cut(joined([words.file, words.name], ' in '));
    place.isOn = () => row === now.row;
    const code = make('td', 'code', cut(words.source),
                      make('span', 'aside', words.source || !words.location ? '' : cut(words.name),
                           fileNote(words) && '  ' + fileNote(words)));
    code.title = cut(words.source, 2000);
    const line = make('tr', 'row' + (row === now.row ? ' chosen' : ''),
                      ...makeCells(row.bytes, row.blocks, make('td', 'number largest', largestWords(row)),
                                 make('td', 'place', place), code));
    line.dataset.index = index;
    return line;
}

function showTable() {
    const focused = document.activeElement && document.activeElement.closest('#blame .row');
    const shown = rows.length > now.shown + 1 ? now.shown : now.shown + 1;
    const { first, left, other } = cutRows(rows, shown);
    const sum = (column) => left.reduce((all, row) => all + row[column], 0);
    const body = first.map(makeRow);
    if (left.length > 0) {
        body.push(make('tr', 'rest', ...makeCells(
            sum('bytes'), sum('blocks'), make('td', 'largest'), make('td', 'place', formatPlural(left.length, 'more line')),
            make('td', '', makeButton('link', 'Show ' + (left.length > MORE_ROWS ? MORE_ROWS : 'them'), () => {
                now.shown = shown + MORE_ROWS;
                showTable();
            })))));
    }
    body.push(...other.map((row) => makeRow(row, rows.length - 1))); /* it is the last of them */
    byId('blame').tBodies[0].replaceChildren(...body);
    byId('blame').classList.toggle('no-largest', !rows.some((row) => row.largest > 0));
    for (const head of document.querySelectorAll('#blame th[data-sort]')) {
        const isSorted = head.dataset.sort === now.sort;
        head[isSorted ? 'setAttribute' : 'removeAttribute']('aria-sort', now.rising ? 'ascending' : 'descending');
    }
    byId('lines-title').textContent = MEASURES[state.measure].title;
    byId('measure-note').hidden = state.measure === 'peak';
    if (state.measure !== 'peak') {
        const live = profile.values.end ? profile.values.end.bytes.reduce((a, b) => a + b, 0) : 0;
        byId('measure-note').textContent = state.measure === 'end'
            ? formatBytes(total()) + ' were not freed when the record ended: caches, globals, leaks, and what ' +
              'the interpreter does not free at exit.'
            : formatBytes(total()) + ' were allocated in all; ' + formatBytes(Math.max(0, total() - live)) +
              ' of it were temporary: freed again before the end.';
    }
    refreshButtons();
    const again = focused && byId('blame').querySelector('[data-index="' + focused.dataset.index + '"] button');
    if (again) {
        again.focus({ preventScroll: true });
    }
}

function sortTable(column) {
    now.rising = column === now.sort ? !now.rising : column === 'place';
    now.sort = column;
    build();
    showTable();
}

function startTable(choose) {
    for (const button of document.querySelectorAll('#blame th button')) {
        button.addEventListener('click', () => sortTable(button.parentElement.dataset.sort));
    }
    byId('blame').addEventListener('click', (event) => {
        const line = event.target.closest('.row');
        if (line) {
            choose(rows[Number(line.dataset.index)]);
        }
    });
}
