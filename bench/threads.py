#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How threads that do nothing but allocate scale, plain and profiled:

  objects   lists of dicts, made and dropped by each thread: one interpreter lock, or none on a free-threaded Python
  malloc    malloc and free in C, the interpreter lock released (programs/churn.c)

Each thread has the same work, so plain threads with a core of their own take as long as one. Rounds are interleaved, a
ratio is taken within its round, the table has medians. Needs the built program and, for C, a compiler."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

import workshop

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
import pythons  # noqa: E402

PROGRAM = """\
import ctypes, sys, threading, time
kind, count, work = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if kind == "malloc":
    churn = ctypes.CDLL(sys.argv[4]).bench_churn
    churn.argtypes, churn.restype = [ctypes.c_uint64, ctypes.c_long], ctypes.c_uint64
    def run(number):
        churn(number + 1, work)
else:
    def run(number):
        for _ in range(work):
            [{"a": i, "b": [i, str(i)]} for i in range(100)]
start = threading.Barrier(count + 1)
def begin(number):
    start.wait()
    run(number)
threads = [threading.Thread(target=begin, args=(number,)) for number in range(count)]
for each in threads:
    each.start()
start.wait()
began = time.perf_counter()
for each in threads:
    each.join()
print(time.perf_counter() - began)
"""
THREADS = (1, 2, 4)
WORK = {"objects": 6_000, "malloc": 4_000_000}  # about half a second of one thread


class Bench:
    def __init__(self, peakline, folder, percent):
        self.peakline, self.folder, self.percent = peakline, folder, percent
        self.program = os.path.join(folder, "threads.py")
        with open(self.program, "w") as out:
            out.write(PROGRAM)

    def seconds(self, python, kind, count, profiled):
        """The program's own seconds from the start of its threads to the end of the last."""
        words = ["-S", self.program, kind, str(count), str(WORK[kind] * self.percent // 100)]
        if kind == "malloc":
            words.append(workshop.build_library("programs/churn.c", "bench-churn.so"))
        command = [python.path] + words
        if profiled:
            out = os.path.join(self.folder, "result")
            options = ["-q", "--no-open", "--force", "-o", out, "--python", python.path]
            command = [self.peakline, "run"] + options + words
        return float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)

    def rows(self, python, kind, rounds):
        """{threads: [(plain, profiled) of each round]}; who goes first takes turns."""
        found = {count: [] for count in THREADS}
        for number in range(rounds):
            for count in THREADS:
                pair = {ours: self.seconds(python, kind, count, ours) for ours in (number % 2 == 0, number % 2 == 1)}
                found[count].append((pair[False], pair[True]))
        return found


def show(name, kind, found):
    def scaling(count, which):
        """How many times the work of one thread was done in the same time."""
        return statistics.median(
            count * one[which] / many[which] for one, many in zip(found[1], found[count])
        )

    for count, pairs in found.items():
        plain, ours = (statistics.median(pair[which] for pair in pairs) for which in (0, 1))
        ratios = sorted(ours / plain for plain, ours in pairs)
        print("| %s | %s | %d | %.2f s | %.2f s | %.2f (%.2f to %.2f) | %.2f | %.2f |" % (
            name, kind, count, plain, ours, statistics.median(ratios), ratios[0], ratios[-1],
            scaling(count, 0), scaling(count, 1)))


def choose(words):
    """The interpreters to measure on: as named, else the free-threaded ones and one with the lock."""
    found = pythons.find_pythons()
    if words:
        return [each for each in found if each.name in words or each.path in words]
    locked = [each for each in found if not each.free_threaded and each.version[:2] == (3, 13)]
    return [each for each in found if each.free_threaded] + (locked or found[-1:])[:1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--percent", type=int, default=100, help="of the full work")
    parser.add_argument("--python", action="append", help="a name such as 3.13.0 or a path; may be repeated")
    parser.add_argument("--kinds", default="objects,malloc")
    arguments = parser.parse_args()
    peakline = workshop.find_peakline()
    chosen = choose(arguments.python)
    if peakline is None or not chosen:
        sys.exit("threads: no peakline program: build it first" if peakline is None else "threads: no such Python here")
    print("%d cores, %d rounds, load %.1f\n" % (os.cpu_count(), arguments.rounds, os.getloadavg()[0]))
    print("| Python | work | threads | plain | profiled | ratio | plain does | profiled does |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(peakline, folder, arguments.percent)
        for python in chosen:
            for kind in arguments.kinds.split(","):
                show(python.name, kind, bench.rows(python, kind, arguments.rounds))


if __name__ == "__main__":
    workshop.run_main(main)
