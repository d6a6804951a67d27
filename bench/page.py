#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The report page in numbers: how long it takes to build and how large it is, how soon it is there and how fast it answers.

    page.py [--stacks N[,N...]] [--runs R]     # default: 100000,1000000 and 5

Ledgers are made by bench/page_ledger.c, with source files for every line. Build: wall time and largest resident size of
`peakline report`. Page: headless Chromium without a GPU at 1280x900, from the navigation to the second frame after the
graph was painted, and from an act to the second frame after it; medians. Needs a built peakline, cc, and playwright with
Chromium."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tools"))
from chromium import FIRST_PAINT, FLAGS, TIMED, find_chromium  # noqa: E402

PEAKLINE = os.environ.get("PEAKLINE", str(ROOT / "build/src/cli/peakline"))
FILES = 400
# (words, what to do first, what is timed)
ACTS = [("zoom in", {}, ("zoom", 40)), ("search", {}, ("search", "load_data")),
        ("Allocated over the run", {"measure": "peak"}, ("go", {"measure": "run"})),
        ("inverted", {"inverted": False, "measure": "peak"}, ("go", {"inverted": True})),
        ("libraries unfolded", {"inverted": False, "library": True}, ("go", {"library": False})),
        ("search, unfolded", {"library": False}, ("search", "load_data")),
        ("inverted, unfolded", {"library": False, "inverted": False}, ("go", {"inverted": True}))]


def make_sources(directory):
    (directory / "site-packages").mkdir()
    for file in range(FILES):
        path = "part_%d.py" if file % 4 == 0 else "site-packages/lib_%d.py"
        text = "".join("    value_%d = load_data(source_%d, %d)\n" % (line * 31 % 977, file, line) for line in range(910))
        (directory / (path % file)).write_text(text)


def build(ledger, page, runs):
    times, most = [], 0
    for _ in range(runs):
        start = time.monotonic()
        child = subprocess.Popen([PEAKLINE, "report", str(ledger), "-o", str(page), "--no-open"],
                                 stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        times.append(time.monotonic() - start)
        most = max(most, usage.ru_maxrss)
        if status != 0:
            sys.exit("page.py: peakline report failed")
    return statistics.median(times), most / 1024


def measure(browser, page_path, runs):
    paints, acts = [], {name: [] for name, _, _ in ACTS}
    for _ in range(runs):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(FIRST_PAINT)
        page.goto(page_path.as_uri())
        page.wait_for_function("() => window.paintedAt")
        paints.append(page.evaluate("window.paintedAt"))
        for name, first, act in ACTS:
            page.evaluate("(changes) => { peakline.reset(); peakline.go({...changes, measure: 'peak'}); }", first)
            acts[name].append(page.evaluate(TIMED, list(act)))
        page.close()
    return statistics.median(paints), {name: statistics.median(times) for name, times in acts.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stacks", default="100000,1000000")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        directory = Path(name)
        maker = directory / "page_ledger"
        subprocess.run(["cc", "-O2", "-w", "-I", str(ROOT), "-I", str(ROOT / "src"), "-o", str(maker),
                        str(ROOT / "bench/page_ledger.c"), "-lm"], check=True)
        make_sources(directory)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for stacks in options.stacks.split(","):
            ledger, page = directory / ("ledger-" + stacks), directory / "report.html"
            subprocess.run([str(maker), str(ledger), stacks, "300", str(FILES), name], check=True)
            seconds, mib = build(ledger, page, options.runs)
            paint, acts = measure(browser, page, options.runs)
            print("%s stacks" % format(int(stacks), ","))
            print("  report built in        %7.2f s   (target 1 s)" % seconds)
            print("  with at most           %7.0f MiB (target 100 MiB)" % mib)
            print("  page                   %7.0f KB  (target 600 KB)" % (page.stat().st_size / 1000))
            print("  first paint            %7.0f ms  (target 500 ms)" % paint)
            for act, spent in acts.items():
                print("  %-22s %7.0f ms  (target 100 ms)" % (act, spent))
        browser.close()


if __name__ == "__main__":
    main()
