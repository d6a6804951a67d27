# SPDX-License-Identifier: Apache-2.0
"""The tutorials keep their promise: `after.py` prints what `before.py` prints, and its peak is that much lower."""

import json
import re
import sys

import pytest
from running import REPOSITORY

TUTORIALS = REPOSITORY / "examples" / "tutorials"

# name: (MiB that are saved at least: what is known to be gone, a line of before.py that holds it, modules needed)
SAVINGS = {
    "batches": (20, "rows = ", []),  # 100,000 lists of two strings, and as many floats
    "dtypes": (17, None, ["numpy", "pandas"]),  # 8 + 8 + 8 bytes a row become 1 + 1 + 4
    "rows": (9, "fetchall", ["sqlite3"]),  # 60,000 rows of three columns
    "variable": (15.9, "bytearray(16 << 20)", []),  # one of three times 16 MiB
    "chains": (45, None, ["numpy", "pandas"]),  # three tables of 24.4 MiB; one column of 3 MiB and a few more remain
    "pools": (30, None, []),  # four arrays of 7.6 MiB, and their pickles
    "caches": (36.9, "return bytes", []),  # 40 days of 1 MiB; 2 and the one being made remain
}


def peak_of(run_peakline, path):
    # not the resolved path: what the tests themselves have installed is there for the tutorials too
    done = run_peakline([path], python=sys.executable)
    assert (done.returncode, done.stderr) == (0, "")
    report = run_peakline([done.result, "--format", "json"], command="report")
    return json.loads(report.stdout), done.stdout


def test_every_tutorial_has_its_pair_and_its_page():
    assert {path.name for path in TUTORIALS.iterdir() if path.is_dir()} == set(SAVINGS)
    for name in SAVINGS:
        page = (REPOSITORY / "docs" / "tutorials" / f"{name}.md").read_text()
        assert f"examples/tutorials/{name}/before.py" in page
        assert f"]({name}.webp)" in page
        assert 5_000 < (REPOSITORY / "docs" / "tutorials" / f"{name}.webp").stat().st_size <= 64 << 10


@pytest.mark.parametrize("name", sorted(SAVINGS))
def test_after_needs_less_and_says_the_same(run_peakline, name):
    least_mib, words, modules = SAVINGS[name]
    for module in modules:
        pytest.importorskip(module, reason=f"the tutorial needs {module}")
    before, before_output = peak_of(run_peakline, TUTORIALS / name / "before.py")
    after, after_output = peak_of(run_peakline, TUTORIALS / name / "after.py")
    assert after_output == before_output != ""
    assert before["peak_bytes"] - after["peak_bytes"] >= least_mib * 2**20
    page = (REPOSITORY / "docs" / "tutorials" / f"{name}.md").read_text()
    said = re.search(r"Peak: ([\d.]+) MiB before, ([\d.]+) MiB after", page).groups()
    assert float(said[0]) - float(said[1]) >= least_mib
    if not modules:  # what the libraries themselves need differs from version to version
        for number, report in zip(said, (before, after)):
            measured = report["peak_bytes"] / 2**20
            assert abs(measured - float(number)) <= 2 + measured / 5, "the page is out of date"
    if words is not None:
        largest = [row for row in before["blame"][:3] if words in row["source"]]
        assert largest, "the report of before.py names the line at fault among its first three"
