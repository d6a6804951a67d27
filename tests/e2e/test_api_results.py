# SPDX-License-Identifier: Apache-2.0
"""Results read back: stacks as deep as the program's own, pages that had to fold, plain data that can be passed on."""

import json

import pytest
from api_session import run_script
from test_page_sources import with_data
from test_page_archive import page_data

DEEP = """
import sys

sys.setrecursionlimit(20_000)


def down(depth):
    kept = "x" * 100 + str(depth)
    return [kept] if depth == 0 else [kept, down(depth - 1)]


held = down(6_000)
"""


@pytest.fixture
def result(run_peakline, tmp_path):
    (tmp_path / "deep.py").write_text(DEEP)
    run = run_peakline(["deep.py"])
    assert run.returncode == 0, run.stderr
    return run.result


def test_a_deep_recursion_is_read_and_compared_in_little_memory(result, python, peakline, tmp_path):
    """6,000 stacks of up to 6,000 frames: 18 million links, of which only those that are asked for are made."""
    done = run_script(python, peakline, tmp_path, """
        import pickle, resource, sys
        import peakline
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
        profile, again = peakline.read(sys.argv[1]), peakline.read(sys.argv[1])
        print(sum(stack.bytes for stack in profile.stacks) == profile.peak_bytes, len(profile.diff(again).changes))
        deepest = max((stack for stack in profile.stacks if stack.bytes > 100), key=lambda stack: len(stack.frames))
        print(len(deepest.frames) > 5_900, deepest.frames[-1].function, pickle.loads(pickle.dumps(deepest)) == deepest)
        """, result)
    assert (done.returncode, done.stdout) == (0, "True 0\nTrue down True\n"), done.stderr


def test_folded_stacks_of_a_page_have_no_frame_of_another_line(result, python, peakline, tmp_path):
    """-2 is no index: it was taken for the last frame but one."""
    page = result / "report.html"
    data = page_data(page.read_text("utf-8"))
    stacks = data["stacks"]
    leaf = next(i for i in reversed(range(len(stacks["up"]))) if stacks["bytes"][i] > 0)
    stacks["frame"][leaf] = -2
    data["folded"] = {"stacks": 1, "bytes": stacks["bytes"][leaf]}
    page.write_text(with_data(page.read_text("utf-8"), data))
    done = run_script(python, peakline, tmp_path, """
        import sys
        import peakline
        profile = peakline.read(sys.argv[1])
        print([stack.bytes for stack in profile.stacks if stack.frames and stack.frames[-1].function == "[folded together]"])
        """, page)
    assert (done.returncode, done.stdout) == (0, "[%d]\n" % stacks["bytes"][leaf]), done.stderr


def test_lines_are_those_that_held_something_at_the_peak(result, python, peakline, tmp_path, run_peakline):
    blame = json.loads(run_peakline([result, "--format", "json"], command="report").stdout)["blame"]
    held = [[row["path"], row["line"], row["bytes"]] for row in blame if row["bytes"] or row["blocks"]]
    assert len(held) < len(blame), "others allocated over the run, or held at its end"
    done = run_script(python, peakline, tmp_path, """
        import dataclasses, json, sys
        import peakline
        profile = peakline.read(sys.argv[1])
        print(json.dumps([[line.path, line.line, line.bytes] for line in profile.lines]))
        print(sorted(dataclasses.asdict(profile.stacks[0])))
        """, result)
    lines, names = done.stdout.splitlines()
    assert json.loads(lines) == held and names == "['blocks', 'bytes', 'frames']"
