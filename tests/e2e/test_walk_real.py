#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every CPython at hand: does src/pyframe read the truth from its memory?

Compiles walkcheck.c with src/pyframe, and lets walk_points.py run inside each interpreter. Nothing
is preloaded: this proves the reading alone. Run with pytest or as a script; words on the command
line of the script select versions ("3.12", "3.14.4t").

PEAKLINE_WALK_FILES: how many library modules to compare line tables of (default 60; "all").
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

from pythons import find_pythons  # noqa: E402

SOURCES = ["tests/e2e/walkcheck.c", "src/pyframe/layouts.c", "src/pyframe/linetable.c",
           "src/pyframe/codeinfo.c"]


def build_library(folder):
    path = os.path.join(folder, "walkcheck.so")
    command = os.environ.get("CC", "cc").split() + [
        "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden",
        "-Isrc", *SOURCES, "-o", path, "-ldl", "-lpthread"]
    subprocess.run(command, cwd=ROOT, check=True)
    return path


def run_points(python, library, **environment):
    files = os.environ.get("PEAKLINE_WALK_FILES", "60")
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env.update(environment)
    return subprocess.run(
        [python.path, "-X", "faulthandler", os.path.join(HERE, "walk_points.py"), library,
         "100000" if files == "all" else files],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=900)


class WalkReal(unittest.TestCase):
    """One test an interpreter; they are added below."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="peakline-walk-")
        cls.library = build_library(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check(self, python, **environment):
        done = run_points(python, self.library, **environment)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace")[-3000:])
        answer = json.loads(done.stdout)
        self.assertEqual(answer["wrong"], [], json.dumps(answer, indent=1))
        self.assertEqual(answer["bad_offsets"], 0)
        # enough was compared: a test that compares nothing must not pass
        self.assertGreater(answer["probes"], 1400)
        self.assertGreater(answer["blocks"], 1200)
        self.assertGreater(answer["code_units"], 5000)
        self.assertGreater(answer["walks"], 100000)
        print("# %-8s %5d probes, %5d blocks, %7d code units, %8d walks, %9d frames" % (
            python.name, answer["probes"], answer["blocks"], answer["code_units"], answer["walks"],
            answer["frames"]), file=sys.stderr)

    def test_some_interpreter_was_found(self):
        self.assertTrue(PYTHONS, "no CPython 3.8 or later on this machine: set PEAKLINE_PYTHONS")


PYTHONS = find_pythons()


def add_test(python):
    def test(self):
        self.check(python)

    name = "test_cpython_" + python.name.replace(".", "_")
    while hasattr(WalkReal, name):
        name += "_again"
    setattr(WalkReal, name, test)


for each in PYTHONS:
    add_test(each)

if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    wanted = ["test_cpython_" + word.replace(".", "_") for word in words]
    for name in wanted:
        if not any(method.startswith(name) for method in dir(WalkReal)):
            sys.exit("test_walk_real: no interpreter for " + name)
    patterns = [arg for name in wanted for arg in ("-k", name)]
    unittest.main(argv=[sys.argv[0]] + options + patterns)
