# SPDX-License-Identifier: Apache-2.0
"""Chromium for tests, measurements and pictures: where it is, how it is started, and how the report page is timed in it.

Uses the Python standard library only; playwright is the caller's."""

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")  # as `make chromium` looks for them
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--no-first-run"]

# Before the page: window.paintedAt is when the second frame began after the graph was painted, or the page gave up.
FIRST_PAINT = """
    const look = () => {
        if (window.peakline && (window.peakline.error || document.getElementById('canvas').width > 0)) {
            requestAnimationFrame(() => requestAnimationFrame(() => { window.paintedAt = performance.now(); }));
        } else {
            requestAnimationFrame(look);
        }
    };
    document.addEventListener('DOMContentLoaded', look);
"""
# In the page, with [name of an act of window.peakline, its argument]: milliseconds until the second frame after it.
TIMED = """async ([act, argument]) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    await frame();
    const start = performance.now();
    peakline[act](argument);
    await frame();
    await frame();
    return performance.now() - start;
}"""


def find_chromium():
    """The path of the first that is there, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)
