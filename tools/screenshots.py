#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the demo's report, of the diff with a cure, and of each tutorial, for README and docs: `make screenshots`.

    screenshots.py DIRECTORY [REPORT.html [DIFF.html]]

Profiles examples/pipeline.py with the running Python, once as it is and once cured, unless pages
are given, and writes PNG files into DIRECTORY. The programs of examples/tutorials are profiled too:
DIRECTORY/tutorials/NAME.webp shows the top of both pages, before and after. Needs a built peakline, and playwright
with Chromium."""

import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from chromium import FLAGS, find_chromium

ROOT = Path(__file__).resolve().parents[1]
PEAKLINE = os.environ.get("PEAKLINE", str(ROOT / "build/src/cli/peakline"))

# The cure: the raw table is not needed any more once it is clean.
CURES = [("    raw = load(ORDERS)\n    orders = clean(raw)\n", "    orders = clean(load(ORDERS))\n"),
         ("{len(raw)} lines read, ", "")]

# name, window, theme, what to look at
PICTURES = [
    ("report", (1280, 760), "light", ""),
    ("report-dark", (1280, 760), "dark", "peakline.choose(peakline.rows[2])"),
    ("report-source", (1280, 760), "light",
     "peakline.go({tab: 'source'}); document.getElementById('bar').scrollIntoView()"),
]
DIFF_PICTURES = [
    ("diff", (1280, 760), "light", ""),
]

TUTORIAL_WINDOW = (1160, 402)  # the peak, what it is made of, and the first lines
PAIR = """<body style="margin: 0; font: 15px sans-serif; width: 1162px">
<p style="margin: 8px">before.py</p><img src="data:image/png;base64,%s" style="border: 1px solid #bbb; width: 1160px">
<p style="margin: 8px">after.py</p><img src="data:image/png;base64,%s" style="border: 1px solid #bbb; width: 1160px">"""


def run_demo(folder, script, name, cwd=None):
    subprocess.run([PEAKLINE, "run", "--quiet", "--no-open", "--python", sys.executable, "-o", folder / name, script],
                   cwd=cwd or folder, check=True, stdout=subprocess.DEVNULL)
    return folder / name / "report.html"


def make_pages(folder):
    """The report of the demo, and its diff with the cured one, as they would be in a project of their own."""
    examples = ROOT / "examples"
    (folder / "examples").mkdir()
    for name in ("make_data.py", "data"):
        (folder / "examples" / name).symlink_to(examples / name)
    script = folder / "examples" / "pipeline.py"
    text = (examples / script.name).read_text(encoding="utf-8")
    script.write_text(text, encoding="utf-8")
    report = run_demo(folder, "examples/pipeline.py", "before")
    for old, new in CURES:
        if old not in text:
            sys.exit("screenshots.py: examples/pipeline.py has no longer %r" % old)
        text = text.replace(old, new)
    script.write_text(text, encoding="utf-8")
    run_demo(folder, "examples/pipeline.py", "after")
    subprocess.run([PEAKLINE, "diff", "before", "after", "--format", "html", "--no-open", "-o", "diff.html"], cwd=folder,
                   check=True, stdout=subprocess.DEVNULL)
    return [report, folder / "diff.html"]


def save_as_webp(page, path):
    """A third of the bytes of a PNG; playwright itself makes none."""
    session = page.context.new_cdp_session(page)
    shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": 26, "captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(shot["data"]))
    print("wrote %s, %d bytes" % (path, path.stat().st_size))


def picture_tutorial(browser, name, directory, path):
    shots = []
    for side in ("before", "after"):
        report = run_demo(directory, "examples/tutorials/%s/%s.py" % (name, side), name + "-" + side, ROOT)
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
        pages = [Path(word) for word in arguments[1:]] or make_pages(Path(work))
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for page_path, pictures in zip(pages, (PICTURES, DIFF_PICTURES)):
            for name, (width, height), scheme, act in pictures:
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(page_path.resolve().as_uri())
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
