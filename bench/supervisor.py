#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the supervisor costs while it waits: looks taken, its share of a core, its memory, and what a
look costs. From the timeline that it keeps, and from run.json; so the numbers are its own clock's.

    python3 bench/supervisor.py [--seconds 5]
"""

import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

HEADER = struct.Struct("<8s 4I 2Q 4I 3Q")

QUIET = "import time; time.sleep(SECONDS)"
MOVING = """\
import time
end = time.monotonic() + SECONDS
while time.monotonic() < end:
    for i in range(200): keep = [bytearray(1_000_000) for j in range(i)]
"""
LARGE = "keep = bytearray(2 << 30)\nkeep[::4096] = bytes(len(keep[::4096]))\n" + QUIET
POOL = """\
import os, time
ready, say = os.pipe()
def work():
    keep = [bytes(1000) for i in range(50_000)]
    time.sleep(SECONDS)
    os._exit(0)
pids = []
for i in range(WORKERS):
    pid = os.fork()
    if pid == 0: work()
    pids.append(pid)
for pid in pids: os.waitpid(pid, 0)
"""


def measure(peakline, name, code):
    with tempfile.TemporaryDirectory() as scratch:
        result = pathlib.Path(scratch, "result")
        words = [peakline, "run", "-q", "--no-open", "-o", result, "--python", sys.executable]
        subprocess.run([*words, "-c", code], check=True)
        info = json.loads((result / "run.json").read_text())
        data = (result / "timeline").read_bytes()
    fields = HEADER.unpack_from(data)
    points, most, samples, pss, cpu_ns = fields[7], fields[10], *fields[11:14]
    seconds = (info["end_unix_ns"] - info["start_unix_ns"]) / 1e9
    print(
        "%-22s %9d %8.1f %8d %6d %8d %10.2f %10.0f %10.1f"
        % (
            name,
            most,
            seconds,
            samples,
            pss,
            points,
            cpu_ns / seconds / 1e7,
            cpu_ns / max(samples, 1) / 1e3,
            info["own_rss_bytes"] / (1 << 20),
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parents[1]
    peakline = os.environ.get("PEAKLINE") or str(root / "build/src/cli/peakline")
    print(
        "%-22s %9s %8s %8s %6s %8s %10s %10s %10s"
        % ("program", "processes", "seconds", "looks", "pss", "points", "% of core", "us a look", "own MiB")
    )
    seconds = repr(arguments.seconds)
    for name, code in (
        ("asleep", QUIET),
        ("memory moves", MOVING),
        ("2 GiB resident", LARGE),
        ("2 workers", POOL.replace("WORKERS", "2")),
        ("8 workers", POOL.replace("WORKERS", "8")),
        ("100 workers", POOL.replace("WORKERS", "100")),
    ):
        measure(peakline, name, code.replace("SECONDS", seconds))


if __name__ == "__main__":
    main()
