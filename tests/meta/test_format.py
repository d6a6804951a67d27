# SPDX-License-Identifier: Apache-2.0
"""C looks the same everywhere: as clang-format 14 writes it, which leaves comments alone, and in 100 columns."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for room in ("src", "tests", "bench") for path in (REPOSITORY / room).rglob("*.[ch]"))


def find_clang_format():
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")])
    found = shutil.which("clang-format", path=path)
    version = subprocess.run([found, "--version"], stdout=subprocess.PIPE, text=True).stdout if found else ""
    return found if "version 14." in version else None


def test_c_is_as_clang_format_writes_it():
    clang_format = find_clang_format()
    if clang_format is None:
        pytest.skip("there is no clang-format 14 here")
    done = subprocess.run([clang_format, "--dry-run", "-Werror", *SOURCES], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, "make format\n" + done.stderr


def test_lines_of_c_have_at_most_100_columns():
    long = [f"{path.relative_to(REPOSITORY)}:{number}" for path in SOURCES
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if len(line) > 100]
    assert not long
