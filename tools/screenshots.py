#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the demo's report, for README and docs: `make screenshots`.

    screenshots.py DIRECTORY [REPORT.html]

Profiles examples/pipeline.py with the running Python, unless a report is given, and writes PNG files into DIRECTORY.
Needs a built peakline, and playwright with Chromium."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEAKLINE = os.environ.get("PEAKLINE", str(ROOT / "build/src/cli/peakline"))

# name, window, theme, what to look at
PICTURES = [
    ("report", (1280, 760), "light", ""),
    ("report-dark", (1280, 760), "dark", "peakline.choose(peakline.rows[2])"),
    ("report-source", (1280, 760), "light",
     "peakline.go({tab: 'source'}); document.getElementById('bar').scrollIntoView()"),
]


def make_report(directory):
    subprocess.run([PEAKLINE, "run", "--quiet", "--no-open", "--python", sys.executable, "-o", str(directory / "demo"),
                    "examples/pipeline.py"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return directory / "demo" / "report.html"


def main(arguments):
    from playwright.sync_api import sync_playwright

    target = Path(arguments[0])
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        report = Path(arguments[1]) if len(arguments) > 1 else make_report(Path(name))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            args=["--no-sandbox", "--disable-gpu"])
        for name, (width, height), scheme, act in PICTURES:
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(report.resolve().as_uri())
            page.wait_for_function("() => window.peakline")
            page.evaluate("async () => { %s; await new Promise(requestAnimationFrame); }" % act)
            page.wait_for_timeout(200)
            page.screenshot(path=str(target / (name + ".png")))
            page.close()
            print("wrote %s" % (target / (name + ".png")))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:] or ["docs"])
