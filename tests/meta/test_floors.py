# SPDX-License-Identifier: Apache-2.0
"""The floors hold, and the check that says so does notice when they do not."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKER = REPOSITORY / "tools" / "check_floors.py"


def load_checker():
    spec = importlib.util.spec_from_file_location("check_floors", CHECKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check_floors = load_checker()

GOOD = {
    "base/text.h": "#pragma once\n#include <stdint.h>\n",
    "ledger/ledger.h": '#pragma once\n#include "base/text.h"\n',
    "ledger/ledger.c": '#include "ledger/ledger.h"\n',
    "pyframe/walk.h": "#pragma once\n",
    "record/format.h": '#include "ledger/ledger.h"\n',
    "record/reader.c": '#include <stdio.h>\n#include "record/format.h"\n',
    "runtime/init.c": '#include "pyframe/walk.h"\n#include "record/format.h"\n',
    "report/view.h": "#include <stdio.h>\n",
    "cli/main.c": '#include "report/view.h"\n#include <stdio.h>\n',
}


@pytest.fixture
def tree(tmp_path):
    """tree({"room/file.h": text}) lays out a good source tree with these files on top and checks it."""

    def make(changes):
        for name, text in {**GOOD, **changes}.items():
            path = tmp_path / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check_floors.check(str(tmp_path / "src"))[0]

    return make


def test_our_own_tree_keeps_to_the_floors():
    problems, count = check_floors.check(str(REPOSITORY / "src"))
    assert problems == []
    assert count > 100, "so few includes were read that the check must have missed the tree"


def test_every_room_of_the_tree_is_on_a_floor():
    rooms = {path.name for path in (REPOSITORY / "src").iterdir() if path.is_dir()}
    assert rooms == set(check_floors.FLOOR)


def test_a_good_tree_passes(tree):
    assert tree({}) == []


@pytest.mark.parametrize(
    "source, text, words",
    [
        ("base/up.c", '#include "ledger/ledger.h"\n', "includes go down"),
        ("ledger/up.c", '#include "record/format.h"\n', "includes go down"),
        ("report/up.c", '#include "cli/cmd.h"\n', "no such file"),
        ("ledger/side.c", '#include "pyframe/walk.h"\n', "do not see each other"),
        ("runtime/side.c", '#include "report/view.h"\n', "do not see each other"),
        ("cli/bare.c", '#include "main.h"\n', "start at src/"),
        ("cli/dots.c", '#include "../report/view.h"\n', "start at src/"),
        ("cli/hidden.c", '#include "report/../runtime/init.c"\n', "start at src/"),
        ("cli/odd.c", '\t #  include\t"nowhere/x.h"\n', "start at src/"),
        ("attic/old.c", "int x;\n", "on no floor"),
        ("runtime/print.c", "#include <stdio.h>\n", "stdio"),
        ("pyframe/python.c", "#include <Python.h>\n", "layouts are data"),
        ("report/python.c", "#include <python3.11/Python.h>\n", "layouts are data"),
    ],
)
def test_a_bad_include_is_found_where_it_is(tree, source, text, words):
    (problem,) = tree({source: text})
    assert problem.startswith(source)
    assert words in problem


def test_the_line_is_named_and_comments_do_not_count(tree):
    text = '/* #include "cli/x.h"\n#include "cli/y.h"\n*/\n#include "ledger/ledger.h"\n'
    (problem,) = tree({"base/late.c": text})
    assert problem.startswith("base/late.c:4: ")


def test_the_command_fails_on_a_bad_tree_and_on_an_empty_one(tree, tmp_path):
    tree({"base/up.c": '#include "ledger/ledger.h"\n'})
    done = subprocess.run([sys.executable, CHECKER, tmp_path / "src"], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    (tmp_path / "empty").mkdir()
    done = subprocess.run([sys.executable, CHECKER, tmp_path / "empty"], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "no #include" in done.stderr
