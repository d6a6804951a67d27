#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What measuring several processes costs, against plain Python, in interleaved pairs:

  pools        a pool of 2 and of 8 workers that build lists of dicts: time to the end
  fork         os.fork() and the child's first write, with few and with many live small objects
  tree peak    what the report says against what the program holds by construction
  supervisor   its share of a core while the program works
  kill         time to the report after SIGKILL with 100,000 stacks

Needs nothing but the built program and a Python (--python, default this one)."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import workshop

POOL = """\
import multiprocessing, sys
def work(number):
    kept = [{"a": i, "b": str(i), "c": [i]} for i in range(60_000)]
    return len(kept) + number
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(int(sys.argv[1])) as pool:
        print(sum(pool.map(work, range(int(sys.argv[2])), chunksize=1)))
"""

FORK = """\
import json, os, statistics, sys, time
kept = [bytes(50) for _ in range(int(sys.argv[1]))]
forks, writes = [], []
for _ in range(11):
    out, into = os.pipe()
    start = time.perf_counter()
    child = os.fork()
    if child == 0:
        os.write(into, b"x")
        os._exit(0)
    forks.append(time.perf_counter() - start)
    os.read(out, 1)
    writes.append(time.perf_counter() - start)
    os.waitpid(child, 0)
    os.close(out); os.close(into)
print(json.dumps([statistics.median(forks), statistics.median(writes)]))
"""

# Parent 10 MB, four children 20 MB each at one time, then four more one after the other.
TREE = """\
import os
X = b"x"
kept = X * 10_000_000
def start():
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        held = X * 20_000_000
        os.write(ready[1], b"r")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    return child, go[1]
def end(child):
    os.write(child[1], b"x")
    os.waitpid(child[0], 0)
children = [start() for _ in range(4)]
for child in children:
    end(child)
for _ in range(4):
    end(start())
"""
DEFAULT = os.path.join(os.path.dirname(__file__), "..", "build", "src", "cli", "peakline")
TREE_BYTES = 10_000_000 + 4 * 20_000_000

STACKS = """\
import os, sys
sys.setrecursionlimit(10_000)
kept = []
def tree(depth):
    if depth == 0:
        kept.append(bytes(100))
        return
%s
for _ in range(1):
    tree(5)
os.kill(os.getpid(), 9)
"""


def run(command, **options):
    start = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    return done, time.monotonic() - start


class Bench:
    def __init__(self, peakline, python, folder):
        self.peakline, self.python, self.folder = peakline, python, folder

    def script(self, name, text):
        path = os.path.join(self.folder, name + ".py")
        with open(path, "w") as out:
            out.write(text)
        return path

    def profiled(self, words):
        """Returns the finished run, its seconds and its result directory."""
        result = os.path.join(self.folder, "result")
        shutil.rmtree(result, ignore_errors=True)
        command = [self.peakline, "run", "-q", "--no-open", "-o", result, "--python", self.python]
        done, seconds = run(command + words)
        return done, seconds, result

    def plain(self, words):
        return run([self.python] + words)

    def report(self, result):
        done, seconds = run([self.peakline, "report", result, "--format", "json"])
        return json.loads(done.stdout), seconds

    def pools(self, rounds):
        path = self.script("pool", POOL)
        for workers in (2, 8):
            ratios = []
            for _ in range(rounds):
                plain, base = self.plain([path, str(workers), str(workers * 4)])
                ours, seconds, result = self.profiled([path, str(workers), str(workers * 4)])
                assert plain.stdout == ours.stdout, ours.stderr
                with open(os.path.join(result, "run.json")) as source:
                    info = json.load(source)
                wall = (info["end_unix_ns"] - info["start_unix_ns"]) / 1e9
                ratios.append(wall / base)
            print("pool of %d workers: %.2f times plain to the end of the program" %
                  (workers, statistics.median(ratios)))
        print("supervisor: %.2f %% of a core while the last of them ran" %
              (100 * info["own_cpu_ns"] / 1e9 / wall))

    def forks(self, rounds):
        path = self.script("fork", FORK)
        for objects in (100_000, 8_000_000):
            cells = {"plain": [], "ours": []}
            for _ in range(rounds):
                cells["plain"].append(json.loads(self.plain([path, str(objects)])[0].stdout))
                cells["ours"].append(json.loads(self.profiled([path, str(objects)])[0].stdout))
            medians = [statistics.median(each[i] for each in cells[kind]) * 1000
                       for i in (0, 1) for kind in ("plain", "ours")]
            print("fork with %d live objects: %.2f ms plain, %.2f ms with us; the child's first write"
                  " after %.2f and %.2f ms" % (objects, *medians))

    def tree_peak(self):
        _, _, result = self.profiled(["-S", self.script("tree", TREE)])
        document, _ = self.report(result)
        error = document["peak"]["bytes"] - TREE_BYTES
        print("tree peak: %d bytes by construction, %+d in the report (interpreters included), %d processes"
              % (TREE_BYTES, error, len(document["processes"])))

    def kill(self):
        calls = "".join("    tree(depth - 1)\n" for _ in range(10))
        done, _, result = self.profiled(["-S", self.script("stacks", STACKS % calls)])
        os.remove(os.path.join(result, "report.html"))
        made, seconds = run([self.peakline, "report", result])
        assert made.returncode == 0 and os.path.exists(os.path.join(result, "report.html")), made.stderr
        document, _ = self.report(result)
        print("after SIGKILL with %d stacks: report.html in %.2f s (program ended with %d)"
              % (document["ledger"]["stacks"], seconds, done.returncode))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--peakline", default=DEFAULT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(os.path.abspath(arguments.peakline), arguments.python, folder)
        bench.pools(arguments.rounds)
        bench.forks(arguments.rounds)
        bench.tree_peak()
        bench.kill()


if __name__ == "__main__":
    workshop.run_main(main)
