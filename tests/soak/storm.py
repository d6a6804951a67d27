# SPDX-License-Identifier: Apache-2.0
"""What the soak test runs: threads that allocate, processes that fork, exec, end and are killed, all at random from a
seed (first argument), for some seconds (second). Its own memory and its children's are checked by the soak test from
outside; here only: nothing may hang, and every child ends the way it was told to."""

import ctypes
import mmap
import os
import random
import signal
import subprocess
import sys
import threading
import time

LIMIT = 40  # seconds that anything may take


def allocate(dice, kept):
    kind = dice.randrange(6)
    if kind == 0:
        kept.append(bytes(dice.randrange(200_000)))
    elif kind == 1:
        kept.append([{"n": number} for number in range(dice.randrange(500))])
    elif kind == 2:
        kept.append(mmap.mmap(-1, dice.randrange(1, 1 << 20)))
    elif kind == 3:
        kept.append(bytearray(dice.randrange(1000)))
        kept[-1].extend(b"x" * dice.randrange(100_000))
    elif kind == 4:
        kept.append(ctypes.create_string_buffer(dice.randrange(1, 50_000)))
    elif kept:
        del kept[dice.randrange(len(kept)) :]


def work(seed, until, depth=0):
    dice = random.Random(seed)
    kept = []

    def deeper(levels):
        if levels > 0:
            deeper(levels - 1)
        else:
            allocate(dice, kept)

    while time.monotonic() < until:
        deeper(dice.randrange(30))
        if len(kept) > 200:
            del kept[:150]


def short_threads(seed, until):
    dice = random.Random(seed)
    while time.monotonic() < until:
        threads = [
            threading.Thread(target=work, args=(dice.random(), time.monotonic() + 0.005))
            for _ in range(dice.randrange(1, 20))
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(LIMIT)
            assert not each.is_alive(), "a thread hangs"


def wait_for(child):
    until = time.monotonic() + LIMIT
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid != 0:
            return status
        assert time.monotonic() < until, "a child hangs"
        time.sleep(0.002)


def fork_one(dice):
    ending = dice.randrange(5)
    seconds = dice.random() * 0.05
    seed = dice.random()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            work(seed, time.monotonic() + seconds)
            if ending == 0:
                thread = threading.Thread(target=work, args=(seed, time.monotonic() + seconds))
                thread.start()
                thread.join()
            elif ending == 1:
                grandchild = os.fork()
                if grandchild == 0:
                    work(seed, time.monotonic() + seconds)
                    os._exit(3)
                assert os.waitpid(grandchild, 0)[1] >> 8 == 3
            elif ending == 2:
                os.execv(sys.executable, [sys.executable, "-S", "-c", "raise SystemExit(17)"])
            elif ending == 3:
                while True:
                    work(seed, time.monotonic() + 1)
            code = 17
        finally:
            os._exit(code)
    if ending == 3:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        assert wait_for(child) == signal.SIGKILL
    else:
        status = wait_for(child)
        assert status >> 8 == 17, status


def fork_on(seed, until):
    dice = random.Random(seed)
    while time.monotonic() < until:
        if dice.randrange(8) == 0:
            words = [sys.executable, "-S", "-c", "kept = bytes(3_000_000); print(len(kept))"]
            done = subprocess.run(words, stdout=subprocess.PIPE, timeout=LIMIT, check=True)
            assert done.stdout == b"3000000\n"
        else:
            fork_one(dice)


def main():
    dice = random.Random(sys.argv[1])
    until = time.monotonic() + float(sys.argv[2])
    failures = []

    def guard(target, *arguments):
        try:
            target(*arguments)
        except BaseException as problem:
            failures.append(problem)

    jobs = [work, work, short_threads, fork_on, fork_on]
    threads = [
        threading.Thread(target=guard, args=(job, dice.random(), until)) for job in jobs
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(LIMIT + float(sys.argv[2]))
        assert not each.is_alive(), "a thread hangs"
    if failures:
        raise failures[0]
    print("fine")


if __name__ == "__main__":
    main()
