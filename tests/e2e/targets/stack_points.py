# SPDX-License-Identifier: Apache-2.0
"""Holds known bytes at known lines, one kind of frame after another; see reports.py for the marks.
Must run on every CPython from 3.8 on. The list comprehension's own frame went away with 3.12."""

import contextlib
import functools
import os
import re
import sys
import threading

X = b"x"
KEEP = [None] * 100

KEEP[0] = X * 100_003  #= <module>
KEEP[1] = X * 101  #= <module>


def nested():
    def inner():
        def innermost():
            KEEP[2] = X * 20_011  #= <module>/nested/inner/innermost
            KEEP[3] = X * 102  #= <module>/nested/inner/innermost

        innermost()
        KEEP[4] = X * 513  #= <module>/nested/inner

    inner()
    KEEP[5] = X * 20_017  #= <module>/nested


def generator(first, second):
    KEEP[first] = X * 10_037  #= <module>/iterate/generator
    got = yield 1
    KEEP[second] = X * 10_039  #= <module>/iterate/generator
    yield got
    yield from delegate()


def delegate():
    KEEP[8] = X * 10_061  #= <module>/iterate/generator/delegate
    yield 3


def iterate():
    running = generator(6, 7)
    next(running)
    running.send(2)
    next(running)


def comprehensions():
    KEEP[9] = [X * 1_009 for _ in range(3)]  #? list
    KEEP[10] = {n: X * 1_013 for n in range(2)}  #? dict
    KEEP[11] = {X * 1_019 for _ in range(1)}  #? set
    KEEP[12] = list(X * 1_021 for _ in range(5))  #? generator


async def innermost_wait():
    KEEP[13] = X * 30_011  #= <module>/drive/outer_wait/middle_wait/innermost_wait
    await Ready()
    KEEP[14] = X * 30_013  #= <module>/drive/outer_wait/middle_wait/innermost_wait


async def middle_wait():
    await innermost_wait()
    KEEP[15] = X * 30_029  #= <module>/drive/outer_wait/middle_wait


async def outer_wait():
    await middle_wait()
    async with manager():
        async for _ in ticks():
            KEEP[16] = X * 30_047  #= <module>/drive/outer_wait
        len(KEEP)  # up to 3.9 leaving the block is charged to its last line


@contextlib.asynccontextmanager
async def manager():
    KEEP[17] = X * 30_059  #= .../outer_wait/__aenter__/manager
    yield


async def ticks():
    KEEP[18] = X * 30_071  #= <module>/drive/outer_wait/ticks
    yield 1


class Ready:
    def __await__(self):
        KEEP[19] = X * 30_089  #= .../middle_wait/innermost_wait/__await__
        yield


def drive():
    running = outer_wait()
    with contextlib.suppress(StopIteration):
        while True:
            running.send(None)


def under_asyncio():
    import asyncio

    async def leaf():
        await asyncio.sleep(0)
        KEEP[20] = X * 30_091  #= .../_run/branch/leaf

    async def branch():
        await leaf()

    asyncio.run(branch())


def class_bodies():
    class Body:
        held = X * 15_013  #= <module>/class_bodies/Body

        class Within:
            held = X * 15_017  #= <module>/class_bodies/Body/Within

        def method(self):
            KEEP[22] = X * 15_031  #= <module>/class_bodies/method

        @property
        def attribute(self):
            KEEP[23] = X * 15_053  #= <module>/class_bodies/attribute

        def __init_subclass__(cls):
            KEEP[24] = X * 15_061  #= <module>/class_bodies/__init_subclass__

    KEEP[21] = Body
    Body().method()
    Body().attribute

    class Child(Body):
        pass


def lambdas():
    make = lambda: X * 12_007  #= <module>/lambdas/<lambda>
    KEEP[25] = make()


def hold(data):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args):
            KEEP[26] = X * 12_011  #= <module>/decorators/wrapper
            return function(*args)

        wrapper.held = data
        return wrapper

    return decorate


def decorators():
    @hold(
        X * 12_037  #= <module>/decorators
    )
    def decorated(
        value=X * 12_041,  #= <module>/decorators
    ):
        KEEP[27] = X * 12_043  #= <module>/decorators/wrapper/decorated

    KEEP[28] = decorated
    decorated()


class Finalized:
    def __del__(self):
        KEEP[29] = X * 12_049  #= <module>/finalizers/__del__


def finalizers():
    thing = Finalized()
    del thing


class Ordered:
    def __init__(self, slot):
        self.slot = slot

    def __lt__(self, other):
        KEEP[30] = X * 12_071  #= <module>/callbacks/__lt__
        return True


def callbacks():
    sorted(
        [1],
        key=lambda _: KEEP.__setitem__(31, X * 12_073),  #= <module>/callbacks/<lambda>
    )

    def mapped(value):
        KEEP[32] = X * 12_097  #= <module>/callbacks/mapped

    list(map(mapped, [1]))
    functools.reduce(reduced, [1, 2])
    re.sub("a", replaced, "a")
    min(Ordered(1), Ordered(2))


def reduced(left, right):
    KEEP[33] = X * 12_101  #= <module>/callbacks/reduced


def replaced(match):
    KEEP[34] = X * 12_107  #= .../callbacks/sub/replaced
    return ""


def lines():
    KEEP[35] = [
        None,
        X * 14_009,  #= <module>/lines
        (
            X * 14_011,  #= <module>/lines
            len(
                both(
                    X * 14_029,  #= <module>/lines
                    a=X * 14_033,  #= <module>/lines
                )
            ),
        ),
        X * 14_051  #= <module>/lines
        if KEEP
        else None,
    ]
    KEEP[36] = (
        "a"
        if not KEEP
        else both(
            [],
            a=X * 14_057,  #= <module>/lines
        )
    )


def both(first, a):
    KEEP[37 if first else 38] = (first, a)
    return "held"


def handlers():
    try:
        try:
            raise ValueError
        except ValueError:
            KEEP[39] = X * 14_071  #= <module>/handlers
            raise
        finally:
            KEEP[40] = X * 14_081  #= <module>/handlers
    except ValueError:
        KEEP[41] = X * 14_083  #= <module>/handlers
    with contextlib.suppress(KeyError):
        KEEP[42] = X * 14_087  #= <module>/handlers
        raise KeyError


def worker(gate):
    gate.wait()
    KEEP[43] = X * 40_009  #= .../run/worker


def other_worker(gate):
    gate.wait()
    KEEP[44] = X * 40_013  #= .../run/other_worker


def threads():
    gate = threading.Barrier(3)
    running = [threading.Thread(target=each, args=(gate,)) for each in (worker, other_worker)]
    for each in running:
        each.start()
    gate.wait()
    for each in running:
        each.join()
    KEEP[45] = X * 40_031  #= <module>/threads


def recurse(depth):
    if depth == 0:
        KEEP[46] = X * 50_021  #= .../recurse/recurse
        return
    recurse(depth - 1)
    if depth == 5_000:
        KEEP[47] = X * 50_023  #= .../recurse/recurse


def deep():
    sys.setrecursionlimit(20_000)
    recurse(10_000)


def executed():
    """Lines above 65,535, one table entry that spans many lines, a function of that file."""
    far = "\n" * 70_000 + "KEEP[48] = X * 60_013\n" + "def far():\n    return (\n" + "\n" * 400
    far += "        X * 60_017)\nKEEP[49] = far()\n"
    exec(compile(far, os.path.join(os.sep, "nowhere", "far.py"), "exec"), globals())
    KEEP[50] = eval(compile("X * 60_029", os.path.join(os.sep, "nowhere", "eval.py"), "eval"))
    exec("KEEP[51] = X * 60_037")


nested()
iterate()
comprehensions()
drive()
under_asyncio()
class_bodies()
lambdas()
decorators()
finalizers()
callbacks()
lines()
handlers()
threads()
deep()
executed()
KEEP[99] = X * 20_000_003  #= <module>

print(sys.getsizeof(b""))
