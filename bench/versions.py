#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every CPython of this machine: what a program costs under Peakline, as a ratio to plain.

The way of an event differs by version (how frames are read, which allocator is below): a version that falls out of line has
a slow way that the one of the big table (compare.py) does not take. Rounds are interleaved, a ratio is taken within its
round, the table has medians. Needs the built program."""

import argparse
import os
import statistics
import sys
import tempfile

import measure
import tools
import workshop

sys.path.insert(0, os.path.join(workshop.REPO, "tests", "e2e"))
import pythons  # noqa: E402

PROGRAMS = ["floats", "dicts", "json_roundtrip", "deepcopy_graph", "generators_floats", "recursion"]
TIMEOUT = 600  # seconds a run


def seconds(tool, program, size, scratch):
    """The program's own seconds."""
    target = [os.path.join(workshop.PROGRAMS, program + ".py"), str(size)]
    run = measure.measure(tool, target, dict(os.environ, PYTHONHASHSEED="0"), TIMEOUT, False, scratch)
    if run.reason:
        raise workshop.WorkshopError("%s with %s: %s" % (program, tool.python, run.reason))
    return run.program_s


def ratio(python, program, arguments, scratch):
    plain, ours = tools.Plain(python.path), tools.Peakline(python.path)
    ratios = []
    for number in range(arguments.rounds):
        pair = {tool: seconds(tool, program, arguments.size, scratch)
                for tool in ((plain, ours) if number % 2 else (ours, plain))}
        ratios.append(pair[ours] / pair[plain])
    return statistics.median(ratios)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=25, help="percent of the full work")
    parser.add_argument("--python", action="append", help="a name such as 3.13.0 or a path; may be repeated")
    parser.add_argument("--programs", default=",".join(PROGRAMS))
    arguments = parser.parse_args()
    programs = arguments.programs.split(",")
    chosen = [each for each in pythons.find_pythons()
              if not arguments.python or {each.name, each.path} & set(arguments.python)]
    if workshop.find_peakline() is None or not chosen:
        sys.exit("versions: no such Python here" if workshop.find_peakline() else "versions: build the program first")
    print("| Python | %s |" % " | ".join(programs))
    print("| --- |%s" % (" ---: |" * len(programs)))
    with tempfile.TemporaryDirectory() as scratch:
        for python in chosen:
            found = [ratio(python, program, arguments, scratch) for program in programs]
            print("| %s | %s |" % (python.name, " | ".join("%.2f" % each for each in found)), flush=True)


if __name__ == "__main__":
    workshop.run_main(main)
