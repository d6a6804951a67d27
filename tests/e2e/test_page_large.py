# SPDX-License-Identifier: Apache-2.0
"""As large as it gets: a million stacks, a recursion of 20,000 calls, a line of 10,000 characters, from the ledger to the page.

Same browser and page as test_page.py."""

import csv
import re
import shutil
import subprocess

import pytest
from running import REPOSITORY, run_command

from test_page import browser, show  # noqa: F401
from test_page_archive import page_data


@pytest.fixture(scope="module")
def million(peakline, tmp_path_factory):
    """The page of a ledger of a million stacks, 300 deep, and its JSON, which is whole."""
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        pytest.skip("no C compiler on this machine")
    place = tmp_path_factory.mktemp("million")
    subprocess.run([cc, "-O1", "-w", f"-I{REPOSITORY}", f"-I{REPOSITORY / 'src'}", "-o", place / "maker",
                    REPOSITORY / "bench" / "page_ledger.c", "-lm"], check=True)
    subprocess.run([place / "maker", place / "ledger-1", "1000000", "300", "400", place], check=True)
    for form, name in (("html", "page.html"), ("csv", "lines.csv")):
        done = run_command([peakline, "report", place / "ledger-1", "--format", form, "--no-open", "-o", place / name])
        assert done.returncode == 0, done.stderr
    (place / "ledger-1").unlink()
    return place


def test_a_million_stacks_are_a_page_that_can_be_mailed_and_has_every_byte(million):
    html = (million / "page.html").read_text("utf-8")
    assert len(html) <= 620_000
    data = page_data(html)
    assert data["ledger"]["stacks"] >= 1_000_000
    folded = data["folded"]
    assert folded["stacks"] > 10_000 and folded["bytes"] > 0, "the cut is said"
    assert folded["bytes"] == sum(
        size for size, frame in zip(data["stacks"]["bytes"], data["stacks"]["frame"]) if frame == -2)
    with open(million / "lines.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {name: sum(int(row[in_csv]) for row in rows) for name, in_csv in (
        ("bytes", "peak_bytes"), ("end_bytes", "end_bytes"), ("alloc_bytes", "alloc_bytes"))}
    for name, total in columns.items():
        assert sum(data["stacks"][name]) == sum(data["blame"][name]) == total
    assert data["peak"]["bytes"] == columns["bytes"] > 0


def test_a_million_stacks_can_be_looked_at(million, show):
    """Zoomed, searched, turned over, unfolded: and whatever is shown adds up."""
    report = show(None, html=(million / "page.html").read_text("utf-8"))
    data = page_data((million / "page.html").read_text("utf-8"))
    assert re.search(r"[\d,]+ small stacks folded together here: ", report.text("#facts"))
    total = data["peak"]["bytes"]
    for change in ("{}", "{ inverted: true }", "{ inverted: false, library: false, imports: false, recursion: false }",
                   "{ inverted: true }", "{ inverted: false, query: 'load_data' }", "{ measure: 'run', library: true }"):
        report.page.evaluate("peakline.go(%s)" % change)
        wanted = total if "run" not in change else sum(data["stacks"]["alloc_bytes"])
        rows = {}
        for box in report.page.evaluate("peakline.layout(true)"):
            rows.setdefault(box["row"], []).append(box["bytes"])
        assert sum(rows[0]) == sum(rows[1]) == wanted, change
        assert all(sum(row) <= wanted for row in rows.values())
    report.page.evaluate("peakline.zoom(peakline.tree.kids(0)[0])")
    assert report.page.evaluate("peakline.now.focus") > 0


def test_a_line_of_10_000_characters_and_a_recursion_20_000_deep(run_peakline, peakline, show, tmp_path):
    """From the program to the formats and the page."""
    (tmp_path / "app.py").write_text(
        "import sys\nsys.setrecursionlimit(30_000)\nKEEP = []\n"
        "def call(depth):\n    if depth:\n        return call(depth - 1)\n"
        "    KEEP.append(bytes(5_000_000))  # " + "x" * 10_000 + "\ncall(20_000)\n")
    run = run_peakline(["app.py"])
    if run.returncode != 0 and "Segmentation" in run.stderr or run.returncode < 0:
        pytest.skip("this Python's own stack is too small for it")
    assert run.returncode == 0, run.stderr
    data = page_data((run.result / "report.html").read_text("utf-8"))
    largest = data["blame"]["frame"][0]
    assert 400 <= len(data["frames"]["source"][largest]) <= 10_100
    # not "folded", which writes each stack whole and so would write gigabytes (docs/exports.md)
    for form in ("text", "markdown", "csv", "json", "pprof", "speedscope", "dhat"):
        done = run_command([peakline, "report", run.result, "--format", form, "-o", tmp_path / form])
        assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in (tmp_path / "text").read_text("utf-8").splitlines() if "Report:" not in line)
    assert len((tmp_path / "markdown").read_text("utf-8")) < 65_536
    report = show(None, html=(run.result / "report.html").read_text("utf-8"))
    assert report.page.evaluate("document.documentElement.scrollWidth") <= 1280, "the line does not widen the page"
    assert report.page.evaluate("peakline.layout(true).length") >= 3
    report.page.evaluate("peakline.go({ recursion: false, library: false, imports: false })")
    depths = report.page.evaluate("Math.max(...peakline.layout(true).map((box) => box.row))")
    assert depths >= 20_000
    report.page.evaluate("peakline.go({ tab: 'source' })")
    assert "KEEP.append" in report.text("#panel")
