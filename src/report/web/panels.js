/* SPDX-License-Identifier: Apache-2.0
 *
 * The panels that a report shows in place of its graph: a source file, the processes, whose code is whose.
 *
 * May use: state.js and what it uses, summary.js, page.js. What a click does is given: go() and openLine() of app.js.
 * Must stay true: text from the profile reaches the document through textContent only. */
'use strict';

function showPanel(acts) {
    const makers = { source: makeSource, processes: () => makeProcesses(profile.data), code: makeModules };
    byId('panel').replaceChildren((makers[state.tab] || makeModules)(acts));
    byId('panel').style.minHeight = window.innerHeight - barHeight() + 'px';
    const here = byId('panel').querySelector('.here');
    if (here) {
        here.scrollIntoView({ block: 'center' });
    }
    say({ source: 'Bytes are what a line and all it called hold. Choose a line number to find it in the graph.',
          code: 'Choose whose code is whose: table and graph follow.' }[state.tab] || '');
}

function makeSource({ go, openLine }) {
    const weighed = once('lines', [state.mine, state.measure, state.kind].join(), () => weighLines(profile, blame, own()));
    const most = (lines) => Math.max(0, ...Array.from(lines.values(), (line) => line.bytes));
    const files = once('files', [state.mine, state.measure, state.kind].join(), () => Array.from(weighed.keys())
        .map((file) => ({ file, bytes: most(weighed.get(file)), kind: kinds[weighed.get(file).values().next().value.frame] }))
        .sort((a, b) => Math.min(a.kind, 1) - Math.min(b.kind, 1) || b.bytes - a.bytes).slice(0, 1000));
    const wanted = /^(.*?)(?::(\d+))?$/.exec(state.file);
    const chosen = (files.find(({ file }) => profile.paths[file] === wanted[1]) || files[0] || { file: -1 }).file;
    if (chosen < 0) {
        return make('p', '', 'No source file is involved.');
    }
    const pick = make('select', '', ...files.map(({ file, bytes }) => {
        const item = make('option', '', cut(profile.paths[file], 100) + DOT + formatBytes(bytes));
        item.value = profile.paths[file];
        item.selected = file === chosen;
        return item;
    }));
    pick.setAttribute('aria-label', 'File');
    pick.addEventListener('change', () => go({ file: pick.value }));
    const lines = sources().get(chosen) || new Map();
    const parts = once('parts', '', () => collectParts(profile)).get(chosen);
    const list = listFile(lines, weighed.get(chosen), parts).map((row) => {
        if (row.gap) {
            return make('tr', 'gap', make('td', ''), make('td', ''), make('td', '', '\u22ee'));
        }
        const share = row.bytes > 0 ? row.bytes / total() : 0;
        const number = row.bytes > 0
            ? makeButton('link', String(row.number), () => openLine(chosen, row)) : String(row.number);
        const line = make('tr', row.number === Number(wanted[2]) ? 'here' : '',
                          make('td', 'number', row.bytes > 0 ? formatBytes(row.bytes) : ''),
                          make('td', 'number', number),
                          make('td', 'code', ...makeCode(row.parts, 600)));
        line.firstChild.style.background = share > 0 ? palette.ramp[rampStep(row.bytes, total())] : '';
        line.firstChild.style.color = share > 0 ? palette.text : '';
        return line;
    });
    const words = profile.describe(weighed.get(chosen).values().next().value.frame);
    return make('div', '', make('p', 'small', pick, ' ', fileNote(words)), make(
        'div', 'scroll', make('table', 'listing', make('tbody', '', ...list))));
}

function makeModules({ go }) {
    const { data: { files }, modules } = profile;
    const held = new Map();
    profile.frame.forEach((frame, i) => {
        if (frame >= 0) {
            const name = modules[profile.fileOf[frame]];
            held.set(name, (held.get(name) || 0) + own().bytes[i]);
        }
    });
    const ofName = new Map();
    files.kind.forEach((kind, file) => kind !== KIND_PSEUDO && kind !== KIND_IMPORT && ofName.set(modules[file], kind));
    const mine = readMine(state.mine);
    const list = Array.from(ofName).sort((a, b) => (held.get(b[0]) || 0) - (held.get(a[0]) || 0)).slice(0, 300);
    const lines = list.map(([name, kind]) => {
        const box = make('input', '');
        box.type = 'checkbox';
        box.checked = mine.has(name) ? mine.get(name) : kind === KIND_USER;
        box.addEventListener('change', () => {
            mine.delete(name);
            if (box.checked !== (kind === KIND_USER)) {
                mine.set(name, box.checked);
            }
            go({ mine: writeMine(mine), blame: '', path: '', open: '' });
        });
        return make('tr', '', make('td', '', make('label', '', box, ' ' + cut(visibleText(name), 100))),
                    make('td', 'number', formatBytes(held.get(name) || 0)), make('td', '', KIND_NAMES[kind]));
    });
    return make('div', '', make('p', 'small', 'Ticked is your own code: its lines are blamed and shown one by one. What is ' +
        'not ticked is folded into the call that leads there. Bytes are those its own lines allocated.'),
                make('table', 'plain', make('tbody', '', ...lines)));
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
