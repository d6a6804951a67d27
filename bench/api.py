#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the API costs, beside what the preload costs: importing, starting with many loaded libraries, a block round a
program.

    bench/api.py [--python PATH] [--runs N] [PROGRAM...]

Prints one table each. Programs are those of bench/programs; a block is put round a program by runpy. Medians."""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("PEAKLINE") or str(REPOSITORY / "build" / "src" / "cli" / "peakline")
PROGRAMS = ["floats", "dicts", "json_roundtrip", "fib"]

IMPORT = """
import time
start = time.perf_counter()
import peakline
print((time.perf_counter() - start) * 1e3)
"""

START = """
import ctypes, sys, time
libraries = [ctypes.CDLL(path) for path in sys.argv[1:]]
import peakline
from peakline import _measure, _native
directory = _measure.make_directory()
_native.load()
start = time.perf_counter()
assert _native.start(directory) is None
middle = time.perf_counter()
assert _native.load().peakline_stop() == 0
print((middle - start) * 1e3, (time.perf_counter() - middle) * 1e3)
"""

BLOCK = """
import runpy, sys
import peakline
sys.argv = sys.argv[1:]
sys.path[0] = sys.argv[0].rpartition("/")[0]
with peakline.track() as t:
    runpy.run_path(sys.argv[0], run_name="__main__")
"""

# The same frames below the program in every way of running it: each costs a look at every event.
PLAIN = BLOCK.replace("import peakline\n", "").replace("with peakline.track() as t", "if True")
NESTED = BLOCK.replace("with peakline", "peakline.start()\nwith peakline.track(), peakline")


def environment():
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "python"), "PEAKLINE_PROGRAM": PROGRAM}


def run(words):
    start = time.perf_counter()
    done = subprocess.run(words, env=environment(), stdout=subprocess.PIPE, check=True, text=True)
    return time.perf_counter() - start, done.stdout


def median_of_numbers(words, runs):
    rows = [[float(word) for word in run(words)[1].split()] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*rows)]


def make_libraries(folder, count):
    """Small libraries with references of their own."""
    source = folder / "one.c"
    paths = []
    for number in range(count):
        source.write_text(
            "#include <stdlib.h>\n#include <sys/mman.h>\n"
            f"void *f{number}(long n) {{ free(realloc(malloc(n), 2 * n)); return calloc(n, 2); }}\n"
            f"void *g{number}(long n) {{ return mmap(0, n, 3, 34, -1, 0); }}\n"
        )
        path = folder / f"lib{number}.so"
        options = ["-Wl,-z,now"] if number % 2 else ["-Wl,-z,lazy"]
        subprocess.run(["cc", "-O1", "-w", "-fPIC", "-shared", source, "-o", path, *options], check=True)
        paths.append(str(path))
    return paths


def ratio_table(python, programs, runs, folder):
    print(f"{'program':<18}{'plain s':>9}{'run':>8}{'block':>8}{'nested':>8}   (times the plain run)")
    for name in programs:
        script = str(REPOSITORY / "bench" / "programs" / f"{name}.py")
        ways = {
            "plain": [python, "-c", PLAIN, script],
            "run": [PROGRAM, "run", "-q", "--no-open", "--force", "-o", str(folder / "result"), "--python", python, "-c", PLAIN, script],
            "block": [python, "-c", BLOCK, script],
            "nested": [python, "-c", NESTED, script],
        }
        times = {way: [] for way in ways}
        for _ in range(runs):  # in turns, so that a change of the machine's mood hits all
            for way, words in ways.items():
                times[way].append(run(words)[0])
        plain = statistics.median(times["plain"])
        ratios = "".join(f"{statistics.median(times[way]) / plain:8.2f}" for way in ("run", "block", "nested"))
        print(f"{name:<18}{plain:9.2f}{ratios}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("programs", nargs="*", default=PROGRAMS)
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="peakline-bench-"))
    try:
        python = arguments.python
        print("import peakline: %.1f ms" % median_of_numbers([python, "-c", IMPORT], arguments.runs)[0])
        for count in (0, 200):
            words = [python, "-c", START, *make_libraries(folder, count)]
            start, stop = median_of_numbers(words, arguments.runs)
            print("%3d libraries more: start %.1f ms, stop %.1f ms" % (count, start, stop))
        ratio_table(python, arguments.programs, arguments.runs, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
