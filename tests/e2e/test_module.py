# SPDX-License-Identifier: Apache-2.0
"""`python -m peakline` is the same program, run with the Python that was asked."""

import json
import os
import re
import sys

import pytest
from running import REPOSITORY, run_command


@pytest.fixture
def environment(tmp_path, peakline):
    """A package beside a program that says how it was called."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "peakline"
    program.write_text('#!/bin/sh\nfor word; do echo "$word"; done\nexit 7\n')
    program.chmod(0o755)
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "python"),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }


@pytest.fixture
def run_module(tmp_path, environment):
    # An environment of its own: whatever is installed beside the tests' Python must not be found.
    assert (
        run_command([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"]).returncode
        == 0
    )

    def run(*words, **changes):
        return run_command(
            [tmp_path / "env" / "bin" / "python", "-m", "peakline", *words],
            env={**environment, **changes},
            cwd=tmp_path,
        )

    return run


def test_this_python_is_passed_on(run_module, tmp_path):
    done = run_module("run", "-q", "app.py", "x y")
    assert done.returncode == 7
    assert done.stdout.splitlines() == [
        "run",
        "--python",
        str(tmp_path / "env" / "bin" / "python"),
        "-q",
        "app.py",
        "x y",
    ]


@pytest.mark.parametrize(
    "words",
    ["app.py -- x", "-m mod -- x", "-Bc pass -- x", "-o -- app.py", "-qWerror app.py --", "-X -- app.py", "--quiet - --"],
)
def test_two_dashes_of_the_programs_own_change_nothing(run_module, tmp_path, words):
    python = str(tmp_path / "env" / "bin" / "python")
    done = run_module("run", *words.split())
    assert done.stdout.splitlines() == ["run", "--python", python, *words.split()]


@pytest.mark.parametrize("before", ["", "-q", "-o out", "--output=out", "--wait 3 -oout", "-X dev"])
def test_other_words_are_left_alone(run_module, before):
    words = ["run", *before.split(), "--", "make"]
    assert run_module(*words).stdout.splitlines() == words
    assert run_module("report", "dir").stdout.splitlines() == ["report", "dir"]
    assert run_module().stdout == ""


def test_all_options_of_run_that_take_a_word_are_known(peakline):
    commands = json.loads(run_command([peakline, "--dump-options"]).stdout)["commands"]
    options = next(command["options"] for command in commands if command["name"] == "run")
    source = (REPOSITORY / "python" / "peakline" / "__main__.py").read_text()
    known = re.search(r"-o\|--\((.*?)\)", source).group(1).split("|")
    taking = [option for option in options if option["value"]]
    assert known == [*(option["name"] for option in taking), "check-hash-based-pycs"]
    assert [option["letter"] for option in taking if option["letter"]] == ["o"]


def test_program_beside_this_python_comes_first(run_module, tmp_path):
    (tmp_path / "env" / "bin" / "peakline").symlink_to("/bin/echo")
    assert run_module("report", "dir").stdout == "report dir\n"


def test_program_is_missing(run_module):
    done = run_module("run", "app.py", PATH="/nowhere", HOME="/nowhere")
    assert done.returncode == 127
    assert (
        done.stderr.startswith("peakline: ")
        and done.stderr.count("\n") == 1
        and "pip install" in done.stderr
    )


def test_version_is_the_programs(peakline):
    done = run_command(
        [sys.executable, "-c", "import peakline; print(peakline.__version__)"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "python")},
    )
    first, *facts = run_command([peakline, "--version"]).stdout.splitlines()
    assert first == f"peakline {done.stdout.strip()}"
    assert {"compiler:", "machine:", "libc:"} <= {line.split()[0] for line in facts}
