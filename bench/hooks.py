#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nanoseconds for one allocation and its free, by size, by route and by depth of the Python stack,
with and without the tools. The stack stands still in these loops: this is the cost of the hooks and
of the block index, the least that an allocation can cost; what changing stacks cost is seen in
compare.py."""

import argparse
import ctypes
import functools
import json
import os
import sys
import tempfile

import tables
import tools
import workshop
from measure import run_command

ROUTES = {"malloc": 0, "object": 1}
# (route, size, blocks in the window, depth of the Python stack, pairs)
CASES = [("malloc", size, 1, 3, 300_000) for size in (16, 64, 256, 1024, 8192)]
CASES += [("malloc", 65_536, 1, 3, 50_000), ("malloc", 1 << 20, 1, 3, 10_000)]
CASES += [("malloc", size, 50_000, 3, 300_000) for size in (16, 64)] + [
    ("malloc", 1024, 5_000, 3, 300_000)
]
CASES += [("object", size, 1, 3, 300_000) for size in (24, 56, 512)]
CASES += [("object", size, 50_000, 3, 300_000) for size in (24, 56)]
CASES += [("object", 24, 1, depth, 100_000) for depth in (30, 300, 900)]


def at_depth(depth, call):
    """Call something from a Python stack about that deep."""
    return call() if depth <= 3 else at_depth(depth - 1, call)


def measure_here(library):
    """Measure all cases in this process, and write them to BENCH_OUT."""
    # PyDLL keeps the GIL, which CPython's own allocators need.
    pairs = ctypes.PyDLL(library).bench_pairs
    pairs.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_long, ctypes.c_long]
    pairs.restype = ctypes.c_double
    sys.setrecursionlimit(3_000)
    found = []
    for route, size, window, depth, count in CASES:
        once = functools.partial(pairs, ROUTES[route], size, count, window)
        at_depth(depth, once)  # warm
        found.append(min(at_depth(depth, once) for _ in range(3)))
    with open(os.environ["BENCH_OUT"], "w") as out:
        json.dump(found, out)


def compare(arguments):
    python = workshop.ensure_venv(arguments.python, arguments.venv)
    library = workshop.build_library("hooks.c", "bench-hooks.so")
    names = arguments.tools.split(",")
    found = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            tool = tools.BY_NAME[name](python)
            reason = tool.missing()
            if not reason:
                reason = run_tool(tool, [os.path.abspath(__file__), "--here", library], found[name])
            if reason:
                print("%s: %s" % (name, reason), file=sys.stderr)
    rows = []
    for index, (route, size, window, depth, _) in enumerate(CASES):
        row = ["%s %d B, %d live, depth %d" % (route, size, window, depth)]
        for name in names:
            row.append(
                tables.show(tables.median([values[index] for values in found[name]]), "%.1f")
            )
        rows.append(row)
    print("\n".join(workshop.machine_lines(workshop.describe_machine(python))))
    print(
        "\nNanoseconds for one allocation and its free, medians of %d round(s)\n" % arguments.rounds
    )
    print(tables.markdown(["Case"] + names, rows))


def run_tool(tool, target, found):
    """Run the cases under a tool, and append what was measured; return a reason if it failed."""
    with tempfile.TemporaryDirectory(dir=workshop.cache_dir()) as folder:
        meter = os.path.join(folder, "meter")
        environment = dict(workshop.clean_environment(), BENCH_OUT=meter, **tool.environment())
        command = tool.command(target, os.path.join(folder, "out"))
        reason = run_command(command, environment, 600)[0]
        if reason:
            return reason
        with open(meter) as source:
            found.append(json.load(source))
    return None


def main():
    parser = argparse.ArgumentParser(description="Nanoseconds for one allocation and its free.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--tools", default="plain,floor,peakline", help="default plain,floor,peakline"
    )
    parser.add_argument(
        "--python", help="interpreter that the environment is made from (default a 3.11)"
    )
    parser.add_argument("--venv", help="where that environment is (default in the cache folder)")
    parser.add_argument("--here", metavar="LIBRARY", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        measure_here(arguments.here)
    else:
        unknown = [name for name in arguments.tools.split(",") if name not in tools.BY_NAME]
        if unknown:
            raise workshop.WorkshopError(
                "unknown tool '%s'; known: %s" % (unknown[0], ", ".join(tools.BY_NAME))
            )
        compare(arguments)


if __name__ == "__main__":
    workshop.run_main(main)
