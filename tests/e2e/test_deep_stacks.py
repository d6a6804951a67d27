# SPDX-License-Identifier: Apache-2.0
"""Deep stacks are not read to the bottom at each allocation (src/runtime/anchors.h). What that must
never do is mistake one stack for another that differs only far out."""

import json
import re

import pytest
from reports import TARGETS, read_report
from running import run_command

TARGET = TARGETS / "deep_lines.py"


def test_stacks_that_differ_only_far_out_are_told_apart(run_peakline, peakline, each_python):
    done = run_peakline([TARGET], python=each_python.path)
    assert (done.returncode, done.stderr) == (0, "")
    report = read_report(peakline, done.result)
    assert report["python_status"] == "verified"

    lines = TARGET.read_text().split("\n")
    number_of = {tag: 1 + next(i for i, text in enumerate(lines) if text.endswith(f"# {tag}"))
                 for tag in ("LEAF", "TAKE")}
    header = 33  # sys.getsizeof(b""), regular builds; free-threaded ones have 16 more
    header += 16 if each_python.free_threaded else 0

    wanted = {}
    for number, text in enumerate(lines, 1):
        call = re.search(r"(?:down|climb)\(\d+, \d+, ([\d_]+)\).*#\d+$", text)
        if call:
            wanted[number] = header + int(call[1])
        call = re.search(r"take\(source, \d+, (\d+)\).*#\d+$", text)
        if call:
            wanted[number] = header + 30_000 + int(call[1])
    assert len(wanted) == 12

    found = {}
    for tag in ("LEAF", "TAKE"):
        for held in report.at(TARGET, number_of[tag]):
            outermost = next(each.line for each in held.frames if each.name == "main")
            found[outermost] = found.get(outermost, 0) + held.size
            assert len(held.frames) > 100
    assert found == wanted


def test_garbage_collected_where_peakline_makes_objects_is_seen(run_peakline, peakline, each_python):
    """From 3.11 on deep stacks are read with the help of frame objects. 3.11 may collect garbage whenever it makes one."""
    target = TARGETS / "deep_garbage.py"
    done = run_peakline([target], python=each_python.path)
    assert (done.returncode, done.stderr) == (0, "")
    report = read_report(peakline, done.result)
    held = {line["source"].rpartition("# ")[2]: (line["bytes"], line["blocks"]) for line in report["blame"]}
    assert report["ledger"]["missed_frees"] == 0
    assert held["DATA"] == (0, 0)
    assert held["KEPT"] == (4_000 * (int(done.stdout) + 5_003), 4_000)


def test_a_marked_frame_is_as_it_was_to_the_program(run_peakline, each_python):
    """Up to 3.10 an anchor is a mark in a frame. The flag that it stands in means what it meant, and what the program sets stays."""
    if each_python.version >= (3, 11):
        pytest.skip("frames are no objects here: nothing is marked")
    target = TARGETS / "deep_marks.py"
    plain = json.loads(run_command([each_python.path, target]).stdout)
    done = run_peakline([target], python=each_python.path)
    seen = json.loads(done.stdout)
    assert plain["see"] == {"marks": 0, "told": True}
    assert seen["see"]["marks"] > 0, "the test is about nothing"
    seen["see"]["marks"] = 0
    assert seen == plain
