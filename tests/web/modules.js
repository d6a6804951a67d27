// SPDX-License-Identifier: Apache-2.0
// The modules under test: the files of src/report/web, or, where PEAKLINE_STRIPPED names a file, the same modules as the
// build puts them into a page, stripped and with short names (tests/meta/test_strip.py makes that file).
'use strict';

const stripped = process.env.PEAKLINE_STRIPPED;

// What the aliases of a page's scripts take from the browser at their start; no module may use it.
if (stripped) {
    Object.assign(globalThis, { document: null, window: null });
}

function load(name) {
    return require(stripped || '../../src/report/web/' + name);
}

module.exports = { load };
