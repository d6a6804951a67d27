# SPDX-License-Identifier: Apache-2.0
"""The tools that are compared: how each is run, as its users run it, and how it makes its
report."""

import glob
import os

import workshop


class Tool:
    """One way to run a program. `command` and `report` return argument lists; `report` may return
    None when the report is made by the run itself. `missing` is a reason, or None when the tool can
    run."""

    name = ""
    # What the run must have left in its output folder: a tool that recorded nothing is fast.
    proof = None

    def __init__(self, python):
        self.python = python
        self.bin = os.path.dirname(python)

    def missing(self):
        return None

    def command(self, target, out):
        raise NotImplementedError

    def environment(self):
        return {}

    def report(self, out):
        return None

    def left_nothing(self, out):
        """Return a reason if the run did not record, else None."""
        if not self.proof or glob.glob(os.path.join(out, self.proof)):
            return None
        return "it ended well but left no %s" % self.proof


class Plain(Tool):
    name = "plain"

    def command(self, target, out):
        return [self.python] + target


class Floor(Plain):
    """Plain Python with the preload that only counts bytes."""

    name = "floor"

    def environment(self):
        return {"LD_PRELOAD": workshop.build_library("floor/floor.c", "bench-floor.so")}


class Census(Plain):
    """The same with the counts of events and blocks: for their numbers, never for its time."""

    name = "census"

    def environment(self):
        library = workshop.build_library("floor/floor.c", "bench-census.so", ["-DFLOOR_CENSUS"])
        return {"LD_PRELOAD": library}


class Fil(Tool):
    name = "fil"
    program = "fil-profile"
    proof = "*/peak-memory.svg"

    def missing(self):
        path = os.path.join(self.bin, self.program)
        return None if os.path.exists(path) else "%s is not installed" % self.program

    def command(self, target, out):
        return [os.path.join(self.bin, self.program), "-o", out, "--no-browser", "run"] + target


class Memray(Tool):
    name = "memray"
    program = "memray"
    proof = "capture.bin"
    options = []

    missing = Fil.missing

    def capture(self, out):
        return os.path.join(out, "capture.bin")

    def command(self, target, out):
        os.makedirs(out, exist_ok=True)
        program = os.path.join(self.bin, self.program)
        return [program, "run", "-q", "-f", "-o", self.capture(out)] + self.options + target

    def report(self, out):
        html = os.path.join(out, "report.html")
        return [
            os.path.join(self.bin, self.program),
            "flamegraph",
            "-f",
            "-o",
            html,
            self.capture(out),
        ]


class MemrayAll(Memray):
    """The mode that sees Python objects, as Fil and Peakline do."""

    name = "memray+"
    options = ["--trace-python-allocators"]


class MemrayAggregate(Memray):
    name = "memray-agg+"
    options = ["--trace-python-allocators", "--aggregate"]


class Peakline(Tool):
    name = "peakline"
    proof = "report.html"

    def missing(self):
        if workshop.find_peakline():
            return None
        return "no peakline program: build it, or name one in PEAKLINE"

    def command(self, target, out):
        program = workshop.find_peakline()
        return [program, "run", "--python", self.python, "-q", "--no-open", "-o", out] + target


TOOLS = [Plain, Floor, Fil, Memray, MemrayAll, MemrayAggregate, Peakline]
BY_NAME = {tool.name: tool for tool in TOOLS}
DEFAULT = ["plain", "floor", "fil", "memray", "memray+", "peakline"]
