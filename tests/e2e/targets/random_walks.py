# SPDX-License-Identifier: Apache-2.0
"""Wanders through calls at random, deep and shallow: plain functions, generators (also ones resumed from
elsewhere), callbacks from C, exceptions, several threads. Keeps blocks on the way, and writes down for
itself where it is, without asking the interpreter, which would change what is being tested.

Arguments: seed, file for the notes: {"name line name line ...": bytes}, outermost call first."""

import json
import random
import sys
import threading

X = b"x"
FUNCTIONS = 10
STEPS = 20_000
SLOTS = 1_500  # each walker's
THREADS = 3

# One text for all functions, so that each knows the lines it is on. AT(n) is (own name, line n of this).
BODY = """\
def NAME(w, depth):
    mark = len(w.trail)
    while w.go(depth):
        step = w.choose(depth)
        try:
            if step == 0:
                w.trail.append(AT(8))
                w.call(w, depth + 1)
            elif step == 1:
                w.trail += [AT(11), ("<lambda>", LINE(11))]
                sorted([0], key=lambda _: w.call(w, depth + 1) or 0)
            elif step == 2:
                w.trail.append(AT(14))
                for _ in w.generate(w, depth + 1): pass
            elif step == 3:
                w.trail.append(AT(18))
                sleeping = w.wake()
                next(sleeping, None)
                w.asleep.append(sleeping)
            elif step == 4:
                w.note(AT(22))
                KEPT[w.slot] = X * w.size
            elif step == 5:
                raise Unwind
            elif step == 6:
                REST
                mark = len(w.trail)
        except Unwind:
            if w.passes_on(depth): raise
        del w.trail[mark:]
"""
LENGTH = 40


class Unwind(Exception):
    pass


class Walker:
    def __init__(self, seed, first_slot, deepest):
        self.random = random.Random(seed)
        self.steps = STEPS
        self.slots = list(range(first_slot, first_slot + SLOTS))
        self.deepest = deepest
        self.wanted = deepest
        self.trail = []
        self.asleep = []
        self.notes = {}

    def go(self, depth):
        self.steps -= 1
        if self.steps % 400 == 0:
            self.wanted = self.random.randrange(self.deepest)
        stays = 0.97 if depth < self.wanted else 0.6
        return self.steps > 0 and (depth == 0 or self.random.random() < stays)

    def choose(self, depth):
        step = self.random.choice((0, 0, 0, 0, 0, 1, 2, 3, 4, 6, 5))
        if step == 5 and (depth == 0 or self.random.random() < 0.95):
            step = 0
        if step < 4 and depth >= self.deepest:
            step = 4
        if step == 4:
            if self.slots:
                self.slot = self.slots.pop()
                self.size = self.random.choice((2, 60, 400, 700, 5_000))
            else:
                step = 6
        self.call = self.random.choice(PLAIN)
        self.generate = self.random.choice(GENERATORS)
        return step

    def wake(self):
        if not self.asleep or self.random.random() < 0.5:
            return self.generate(self, self.deepest - 3)
        return self.asleep.pop(self.random.randrange(len(self.asleep)))

    def passes_on(self, depth):
        return depth > 0 and self.random.random() < 0.8

    def note(self, at):
        key = " ".join(f"{name} {line}" for name, line in (*self.trail, at))
        self.notes[key] = self.notes.get(key, 0) + HEADER + self.size


def make(number, rest):
    name = ("walk_%d" if rest == "pass" else "stroll_%d") % number
    first = made.count("\n") + 1

    def at(match):
        line = first + int(match[2]) - 1
        return str(line) if match[1] == "LINE" else f"({name!r}, {line})"

    import re

    text = re.sub(r"(AT|LINE)\((\d+)\)", at, BODY.replace("NAME", name).replace("REST", rest))
    return text + "\n" * (LENGTH - text.count("\n"))


HEADER = sys.getsizeof(b"")
KEPT = [None] * (SLOTS * (THREADS + 1))
made = ""
for each in range(FUNCTIONS):
    made += make(each, "pass")
    made += make(each, "yield")
exec(compile(made, "/nowhere/walks.py", "exec"))
PLAIN = [globals()[f"walk_{each}"] for each in range(FUNCTIONS)]
GENERATORS = [globals()[f"stroll_{each}"] for each in range(FUNCTIONS)]
sys.setrecursionlimit(10_000)
threading.stack_size(32 << 20)

seed = int(sys.argv[1])
walkers = [Walker(seed + each, SLOTS * each, (300, 12, 40, 80)[each]) for each in range(THREADS + 1)]
running = [threading.Thread(target=PLAIN[0], args=(each, 0)) for each in walkers[1:]]
for each in running:
    each.start()
PLAIN[1](walkers[0], 0)
for each in running:
    each.join()
KEPT.append(X * 60_000_003)
with open(sys.argv[2], "w") as file:
    json.dump([each.notes for each in walkers], file)
