#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the demo's report, and of the reports of each tutorial, for README and docs: `make screenshots`.

    screenshots.py DIRECTORY [REPORT.html]

Profiles examples/pipeline.py with the running Python, unless a report is given, and writes PNG files into DIRECTORY. The
programs of examples/tutorials are profiled too: DIRECTORY/tutorials/NAME.webp shows the top of both pages, before and after.
Needs a built peakline, and playwright with Chromium."""

import base64
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


TUTORIAL_WINDOW = (1160, 402)  # the peak, what it is made of, and the first lines
PAIR = """<body style="margin: 0; font: 15px sans-serif; width: 1162px">
<p style="margin: 8px">before.py</p><img src="data:image/png;base64,%s" style="border: 1px solid #bbb; width: 1160px">
<p style="margin: 8px">after.py</p><img src="data:image/png;base64,%s" style="border: 1px solid #bbb; width: 1160px">"""


def make_report(directory, program="examples/pipeline.py"):
    subprocess.run([PEAKLINE, "run", "--quiet", "--no-open", "--force", "--python", sys.executable, "-o",
                    str(directory / "demo"), program], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return directory / "demo" / "report.html"


def save_as_webp(page, path):
    """A third of the bytes of a PNG; playwright itself makes none."""
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": 36, "captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(shot["data"]))
    print("wrote %s, %d bytes" % (path, path.stat().st_size))


def picture_tutorial(browser, name, directory, path):
    shots = []
    for side in ("before", "after"):
        report = make_report(directory, "examples/tutorials/%s/%s.py" % (name, side))
        page = browser.new_page(viewport=dict(zip(("width", "height"), TUTORIAL_WINDOW)), color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.wait_for_function("() => window.peakline")
        shots.append(base64.b64encode(page.screenshot()).decode())
        page.close()
    page = browser.new_page(viewport={"width": TUTORIAL_WINDOW[0] + 2, "height": 2 * TUTORIAL_WINDOW[1] + 76})
    page.set_content(PAIR % tuple(shots))
    save_as_webp(page, path)
    page.close()


def main(arguments):
    from playwright.sync_api import sync_playwright

    target = Path(arguments[0])
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        report = Path(arguments[1]) if len(arguments) > 1 else make_report(Path(work))
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
        for folder in sorted((ROOT / "examples" / "tutorials").iterdir()) if len(arguments) == 1 else []:
            if folder.is_dir():
                (target / "tutorials").mkdir(exist_ok=True)
                picture_tutorial(browser, folder.name, Path(work), target / "tutorials" / (folder.name + ".webp"))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:] or ["docs"])
