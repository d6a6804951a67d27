# SPDX-License-Identifier: Apache-2.0
"""The interpreter's own habits, where they meet a count of requested bytes: arenas, free lists, frames,
memory that is requested and never touched. docs/accuracy.md says what holds; here it is shown."""

import pytest
from reports import read_report

MIB = 1 << 20


@pytest.fixture
def profile(run_peakline, peakline, each_python, tmp_path):
    """profile(code) runs it as app.py on each Python; the report, with .path and .printed."""

    def run(code):
        path = tmp_path / "app.py"
        path.write_text(code)
        done = run_peakline(["-S", path], python=each_python.path)
        assert (done.returncode, done.stderr) == (0, "")
        report = read_report(peakline, done.result)
        report.path, report.printed = path, done.stdout
        return report

    return run


def held_at(report, line):
    return report.sum_at(report.path, line)


SMALL = """\
import sys
X = b"x"
COUNT = 200_000
kept = [None] * COUNT
for number in range(COUNT):
    kept[number] = X * 77
print(sys.getsizeof(b""))
"""


def test_small_objects_are_counted_and_their_arenas_are_not(profile):
    report = profile(SMALL)
    requested = 200_000 * (int(report.printed) + 77)
    assert held_at(report, 6) == (requested, 200_000)
    # The list, and an interpreter of 4 MiB at the most: arenas would add as much again as the objects.
    assert report["peak_bytes"] < requested + 200_000 * 8 + 4 * MIB
    arenas = report["ledger"]["arena_peak_bytes"]
    assert arenas == 0 or arenas > requested


NOTHING_LEFT = """\
X = b"x"
for number in range(1000):
    held = [X * (each + 2) for each in range(200)]
    del held
kept = X * 20_000_003
"""


def test_what_was_freed_is_gone(profile):
    """Two hundred thousand blocks later, no more is left than the loop's last objects: under 2,000 bytes."""
    report = profile(NOTHING_LEFT)
    assert held_at(report, 3)[0] < 2_000


FREE_LIST = """\
X = b"x"
def make():
    return [
        float(number)
        for number in range(50_000)
    ]
floats = make()
del floats
import sys
print(sys.getsizeof(1.0))
kept = X * 20_000_003
"""


def test_free_lists_count_while_the_interpreter_keeps_them(profile):
    """Some freed floats stay with the interpreter, which keeps up to 100 of them."""
    report = profile(FREE_LIST)
    size, blocks = held_at(report, 4)
    assert 0 < blocks <= 100 and size == blocks * int(report.printed)


DEEP = """\
import sys
X = b"x"
sys.setrecursionlimit(30_000)
def recurse(depth):
    if depth:
        recurse(depth - 1)
        return
    global kept
    kept = X * 20_000_003
recurse(8_000)
"""


def test_frames_are_memory_too(profile):
    """Frame objects up to 3.10, chunks of 16 KiB from 3.11 on: charged to the line that calls. Between 80
    and 600 bytes a call, with its argument."""
    report = profile(DEEP)
    size, _ = held_at(report, 6)
    assert 80 * 8_000 < size < 600 * 8_000


UNTOUCHED = """\
kept = bytes(600_000_000)
"""


def test_requested_is_not_resident(profile, each_python):
    """bytes(N) asks the kernel for zeros that nobody has touched: requested, not resident."""
    if each_python.free_threaded:
        pytest.skip("mimalloc writes its zeros: there it is resident, with and without us")
    report = profile(UNTOUCHED)
    assert 0 <= held_at(report, 1)[0] - 600_000_000 < 1_000
    assert report["peak_bytes"] > 600_000_000
    assert report["peak"]["rss_bytes"] < 200 * MIB


def test_start_of_the_interpreter_is_named(profile):
    """What Python needs before its first line of code is "[before Python]": 100 KiB to 4 MiB."""
    report = profile("kept = b'x'\n")
    assert 100 << 10 < report.total_of("[before Python]") < 4 * MIB
