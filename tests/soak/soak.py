#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Storms of threads, forks and kills under the checked build, one after the other on every interpreter, for as long as
asked (SOAK_SECONDS, default 600); in ten minutes also 10,000 children of one process. The main process of every third storm is killed at a random moment. After each, every
ledger must read back and add up.

    SOAK_SECONDS=60 python tests/soak/soak.py        one minute; --seed N repeats a storm"""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

import pythons  # noqa: E402

PEAKLINE = os.environ.get("PEAKLINE") or os.path.join(HERE, "..", "..", "build-checked", "src", "cli", "peakline")


class Failed(Exception):
    """What went wrong, in a sentence."""


def storm(python, seed, seconds, kill, result):
    """Runs one storm and returns how many processes it had."""
    command = [PEAKLINE, "run", "-q", "--no-open", "-o", result, "--python", python, "-S", "-W", "ignore"]
    command += [os.path.join(HERE, "storm.py"), str(seed), str(seconds)]
    words = tempfile.TemporaryFile("w+")  # no pipe: who outlives a killed storm would hold it open
    running = subprocess.Popen(command, stdout=words, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        if kill:
            time.sleep(random.Random(seed).random() * seconds)
            children = subprocess.run(["ps", "-o", "pid=,comm=", "--ppid", str(running.pid)], stdout=subprocess.PIPE,
                                      text=True, check=False).stdout
            for line in children.splitlines():
                if "python" in line:
                    with contextlib.suppress(ProcessLookupError):  # it was quicker
                        os.kill(int(line.split()[0]), 9)
        running.wait(timeout=seconds + 120)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, 9)
        raise Failed("hangs") from None
    if kill:
        end_the_rest(running.pid)
    words.seek(0)
    said = words.read()
    if not kill and (running.returncode != 0 or said != "fine\n"):
        raise Failed("status %d, said %r" % (running.returncode, said[-2000:]))
    return check(result)


def end_the_rest(group):
    """Children of a storm that was killed, which wait for it to kill them; until they are gone, or zombies that nobody
    collects."""
    until = time.monotonic() + 5
    try:
        while time.monotonic() < until:
            os.killpg(group, 9)
            time.sleep(0.01)
    except ProcessLookupError:
        pass


CHILDREN = """\
import os
held = b"x" * 1_000_003
for number in range(10_000):
    child = os.fork()
    if child == 0:
        more = b"x" * 2_000_003
        os._exit(number % 100)
    assert os.waitpid(child, 0)[1] == number % 100 << 8
print("fine")
"""


def ten_thousand_children(python, result):
    """One after the other; each leaves a ledger, and the report is made of all."""
    command = [PEAKLINE, "run", "-q", "--no-open", "-o", result, "--python", python, "-S", "-c", CHILDREN]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if (done.returncode, done.stdout, done.stderr) != (0, "fine\n", ""):
        raise Failed("10,000 children: status %d, said %r" % (done.returncode, done.stderr[-2000:]))
    count = check(result)
    if count != 10_001:
        raise Failed("10,000 children, %d processes in the report" % count)
    return count


def check(result):
    done = subprocess.run([PEAKLINE, "report", result, "--format", "json"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != 0 or done.stderr:
        raise Failed("report: status %d, %r" % (done.returncode, done.stderr))
    report = json.loads(done.stdout)
    if sum(report["stacks"]["bytes"]) != report["peak"]["bytes"]:
        raise Failed("the stacks do not add up to the peak")
    if sum(each["bytes_at_tree_peak"] for each in report["processes"]) != report["peak"]["bytes"]:
        raise Failed("the processes do not add up to the peak")
    for each in report["processes"]:
        if each["dropped_events"] != 0 or each["python_status"] not in ("verified", "attached"):
            raise Failed("process %d: %s" % (each["pid"], each))
    return len(report["processes"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    until = time.monotonic() + seconds
    seed = arguments.seed if arguments.seed is not None else int(time.time())
    found = pythons.find_pythons()
    storms = processes = 0
    folder = tempfile.mkdtemp(prefix="peakline-soak-")
    if seconds >= 600:
        result = os.path.join(folder, "children")
        try:
            processes += ten_thousand_children(found[seed % len(found)].path, result)
        except Failed as problem:
            sys.exit("soak: seed %d: %s (left in %s)" % (seed, problem, result))
        shutil.rmtree(result)
    while time.monotonic() < until or storms == 0:
        python = found[seed % len(found)]
        result = os.path.join(folder, str(seed))
        try:
            processes += storm(python.path, seed, min(4.0, seconds / 10), seed % 3 == 0, result)
        except Failed as problem:
            sys.exit("soak: seed %d on %s: %s (left in %s)" % (seed, python.name, problem, result))
        shutil.rmtree(result)
        storms += 1
        seed += 1
    shutil.rmtree(folder)
    print("soak: %d storms with %d processes on %d interpreters, all of them add up" % (storms, processes, len(found)))


if __name__ == "__main__":
    main()
