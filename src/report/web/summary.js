/* SPDX-License-Identifier: Apache-2.0
 *
 * The report in words, above and below its table; how a line of source looks; text to take along.
 *
 * May use: words.js, page.js, the document. No network, ever.
 * Must stay true: text from the profile reaches the document through textContent only. */
'use strict';

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

function fileNote(words) {
    return ['', 'file not found', 'file changed since the run'][words.status];
}

/* A line of source, the part underlined that its stacks came from. */
function makeCode([before, inside, behind = ''], most) {
    return [cut(before, most) || (inside ? '' : ' '), inside && make('u', '', cut(inside, most)), cut(behind, most)];
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
