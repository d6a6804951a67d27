# SPDX-License-Identifier: Apache-2.0
"""Runs inside the interpreter under test: compares what src/pyframe reads with what Python says.

    python walk_points.py LIBRARY [FILES]

LIBRARY is walkcheck.c, compiled. FILES bounds the number of library modules whose line tables are
compared. Prints one JSON object; "wrong" lists every disagreement. Only the standard library, 3.8+.

Ground truth, computed another way: sys._getframe for the frames of a moment, tracemalloc for the
frames of an allocation, code.co_lines() or dis for lines, code.co_positions() for columns.
"""

import asyncio
import contextlib
import ctypes
import dis
import functools
import glob
import itertools
import json
import os
import re
import sys
import sysconfig
import threading
import tracemalloc
import types

DEPTH = 8192
NEW_LINES = hasattr(types.CodeType, "co_lines")  # 3.10+
POSITIONS = hasattr(types.CodeType, "co_positions")  # 3.11+
QUALNAMES = hasattr((lambda: 0).__code__, "co_qualname")  # 3.11+


class Entry(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char * 128),
        ("qualname", ctypes.c_char * 256),
        ("file", ctypes.c_char * 512),
        ("first_line", ctypes.c_int32),
        ("line", ctypes.c_int32),
    ]

    def key(self):
        return (self.name.decode(), self.qualname.decode(), self.file.decode(), self.first_line,
                self.line)


def declare(library):
    library.walkcheck_open.argtypes = [ctypes.c_uint32, ctypes.c_int, ctypes.c_char_p,
                                       ctypes.c_size_t]
    library.walkcheck_now.argtypes = [ctypes.POINTER(Entry), ctypes.c_int]
    library.walkcheck_lines.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    library.walkcheck_locations.argtypes = library.walkcheck_lines.argtypes
    library.walkcheck_hash.argtypes = [ctypes.c_void_p]
    library.walkcheck_hash.restype = ctypes.c_uint32
    library.walkcheck_same_stamp.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    library.walkcheck_block.argtypes = [ctypes.c_void_p, ctypes.POINTER(Entry), ctypes.c_int]
    library.walkcheck_count.restype = ctypes.c_uint64
    library.walkcheck_cost.restype = ctypes.c_double
    return library


HELD = declare(ctypes.PyDLL(sys.argv[1]))  # called with the GIL
FREED = declare(ctypes.CDLL(sys.argv[1]))  # called without
why = ctypes.create_string_buffer(200)
if HELD.walkcheck_open(sys.hexversion, bool(sysconfig.get_config_var("Py_GIL_DISABLED")), why, 200):
    sys.exit("walkcheck_open: " + why.value.decode())
held_now = HELD.walkcheck_now
freed_now = FREED.walkcheck_now
room = threading.local()

counting = threading.Lock()
probes = 0
blocks_seen = 0
wrong = []


def complain(what, *details):
    if len(wrong) < 40:
        wrong.append([what] + [repr(detail)[:800] for detail in details])


# ---------------------------------------------------------------- the frames of a moment


def chain():
    """Python's own account of the caller's stack, innermost first."""
    frame = sys._getframe(1)
    found = []
    while frame is not None:
        code = frame.f_code
        name = code.co_name
        found.append((name, code.co_qualname if QUALNAMES else name, code.co_filename,
                      code.co_firstlineno, frame.f_lineno or 0))
        frame = frame.f_back
    return found


def compare(where, found, truth):
    if found != truth:
        pairs = itertools.zip_longest(found, truth)
        first = next(pair for pair in pairs if pair[0] != pair[1])
        complain(where, "depth %d, expected %d" % (len(found), len(truth)), first)


def probe(where, *_ignored):
    """Walk here, with and without the GIL, and compare with Python's account. Returns `where`."""
    global probes
    if not hasattr(room, "a"):
        room.a, room.b = (Entry * DEPTH)(), (Entry * DEPTH)()
    a, b = room.a, room.b
    held, freed, truth = held_now(a, DEPTH), freed_now(b, DEPTH), chain()  # one line on purpose
    compare(where + " (held)", [entry.key() for entry in a[:held]], truth)
    compare(where + " (released)", [entry.key() for entry in b[:freed]], truth)
    with counting:
        probes += 2
    return where


def nested():
    def inner():
        def innermost(): probe("nested")
        innermost()
    inner()


def recursion(depth):
    if depth == 0:
        return probe("recursion")
    return recursion(depth - 1)


def calls():
    probe("positional", 1, 2)
    probe(
        "several",

        [1,
         2],
        probe("argument"),
    )
    (lambda: probe("lambda"))()
    (lambda *a, **k:
        probe("lambda on the next line", *a))(1, 2, x=3)
    functools.partial(probe, "partial")()
    x = (1 +
         len(probe("binary operation")) +
         2)
    return [x,
            probe("after a list")]


def decorate(function):
    probe("decorator")

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        probe("wrapper")
        return function(*args, **kwargs)

    return wrapper


@decorate
def decorated(value=probe("default value")):
    probe("decorated")
    return value


def classes():
    class Meta(type):
        def __new__(mcs, name, bases, space):
            probe("metaclass new")
            return super().__new__(mcs, name, bases, space)

        def __call__(cls, *args):
            probe("metaclass call")
            return super().__call__(*args)

    class Base(metaclass=Meta):
        probe("class body")
        attribute = [probe("class body comprehension") for _ in range(2)]

        def __init__(self, value):
            probe("init")
            self.value = value

        def __init_subclass__(cls):
            probe("init subclass")

        def __getattr__(self, name):
            probe("getattr")
            return 1

        def __eq__(self, other):
            probe("eq")
            return False

        def __hash__(self):
            probe("hash")
            return 1

        def __lt__(self, other):
            probe("lt")
            return self.value < other.value

        def __enter__(self):
            probe("enter")
            return self

        def __exit__(self, *error):
            probe("exit")
            return True

        def __del__(self):
            probe("del")

        def __repr__(self):
            return probe("repr")

        def __add__(self, other):
            return probe("add")

        def __getitem__(self, key):
            return probe("getitem")

        def __iter__(self):
            probe("iter")
            return iter([1])

        @property
        def prop(self):
            return probe("property")

    class Child(Base):
        class Inner:
            probe("inner class body")

        def __init__(self, value):
            super().__init__(value)
            probe("super init")

    child, base = Child(1), Base(2)
    child.missing
    child.prop
    child + base
    child[1]
    list(child)
    repr(child), "%r" % base, f"{child!r:>10}"
    child in [base]
    {child: 1, base: 2}
    sorted([child, base])
    with child:
        probe("with body")
        raise ValueError
    del child
    return base


def comprehensions():
    [probe("list comprehension") for _ in range(2)]
    {probe("set comprehension") for _ in range(2)}
    {probe("dict comprehension"): 1 for _ in range(2)}
    list(probe("generator expression") for _ in range(2))
    [[probe("nested comprehension")
      for _ in range(2)]
     for _ in range(2)]


def generators():
    def plain():
        try:
            received = yield probe("generator start")
            probe("generator sent", received)
            yield 1
        except KeyError:
            yield probe("generator threw")
        finally:
            probe("generator closed")

    def outer():
        yield probe("outer")
        yield from plain()

    generator = plain()
    next(generator)
    generator.send(2)
    generator.throw(KeyError)
    generator.close()
    for _ in outer():
        probe("loop over generator")
    next(itertools.chain(outer()))
    sum(len(probe("in sum")) for _ in range(3))

    @contextlib.contextmanager
    def manager():
        probe("manager enter")
        yield
        probe("manager exit")

    with manager():
        probe("managed")


def callbacks():
    sorted([2, 1], key=lambda item: len(probe("key", item)))
    list(map(lambda item: probe("map", item), [1, 2]))
    list(filter(lambda item: probe("filter", item), [1, 2]))
    functools.reduce(lambda a, b: probe("reduce", a, b), [1, 2, 3])
    re.sub("a", lambda match: probe("re", match), "aa")
    max([1, 2], key=lambda item: probe("max"))
    sorted([1, 2], key=functools.cmp_to_key(lambda a, b: len(probe("compare"))))
    iter_end = iter(lambda: probe("iter call"), "iter call")
    list(iter_end)
    json.dumps(object(), default=lambda item: probe("json default"))
    ctypes.CFUNCTYPE(None)(lambda: probe("ctypes callback") and None)()
    getattr(types.SimpleNamespace(f=probe), "f")("namespace")


def executed():
    exec("probe('exec')\n\n\nprobe('exec third line')")
    eval("probe('eval')")
    eval(compile("(\nprobe\n(\n'eval lines'\n))", "<eval lines>", "eval"))
    far = ("\n" * 70000 + "def far(f):\n    x = [\n" + "\n" * 300 +
           "f('far')]\n    return f('near') + x[0]\n")
    space = {}
    exec(compile(far, "<far lines>", "exec"), space)
    space["far"](probe)
    long = "def long(f):\n" + "".join("    x%d = %d + f.n\n" % (i % 200, i) for i in range(9000))
    exec(compile(long + "    return f('long')\n", "<long>", "exec"), space)
    probe.n = 1
    space["long"](probe)
    wide = "n\u00e4m\u4e2d\U00020000"
    exec(compile("def %s(f):\n    f('wide')\n" % wide, "\u4e2d\U0001f600.py", "exec"), space)
    space[wide](probe)
    exec(compile("def latin\u00e9(f): f('latin')", "\u00e9\u00fc.py", "exec"), space)
    space["latin\u00e9"](probe)


def exceptions():
    try:
        try:
            raise ValueError(probe("raise"))
        except ValueError:
            probe("except")
            raise KeyError from None
        finally:
            probe("finally")
    except KeyError:
        probe("outer except")
    try:
        int("x")
    except ValueError as error:
        probe("as", error)
    for i in range(3):
        try:
            if i == 1:
                continue
            probe("loop try")
        finally:
            probe("loop finally")
    else:
        probe("else")


async def waits(depth):
    if depth == 0:
        await asyncio.sleep(0)
        return probe("await")
    return await waits(depth - 1)


async def asynchronous():
    class Manager:
        async def __aenter__(self):
            await waits(1)
            probe("aenter")

        async def __aexit__(self, *error):
            probe("aexit")

    async def numbers():
        for i in range(2):
            await waits(0)
            yield probe("async generator")

    async with Manager():
        probe("async with")
    async for _ in numbers():
        probe("async for")
    [probe("async comprehension") async for _ in numbers()]
    await asyncio.gather(waits(2), waits(3))
    asyncio.get_running_loop().call_soon(probe, "call soon")
    await asyncio.sleep(0)


def hot():
    """Specialised instructions: the interpreter rewrites what runs often."""

    class Point:
        def __init__(self, x):
            self.x = x
            if x == 2999:
                probe("hot init")

    def add(a, b):
        if a == 2999:
            probe("hot function")
        return a + b

    total = 0
    for i in range(3000):
        total = add(i, total)
        point = Point(i)
        total += point.x
        if i == 2999:
            probe("hot loop")


def traced():
    def tracer(frame, event, argument):
        return tracer

    def victim():
        probe("traced")
        return [probe("traced comprehension") for _ in range(2)]

    previous = sys.gettrace()
    sys.settrace(tracer)
    try:
        victim()
    finally:
        sys.settrace(previous)


def threads():
    def worker(number):
        for i in range(20):
            recursion(i + number)
        generators()
        callbacks()

    workers = [threading.Thread(target=worker, args=(i,)) for i in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        probe("while threads run")
        each.join()


def moments():
    probe("function")
    for function in (nested, calls, decorated, classes, comprehensions, generators, callbacks,
                     executed, exceptions, hot, traced, threads):
        function()
    for depth in (1, 2, 30, 700):
        recursion(depth)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(6000)
    recursion(5000)
    sys.setrecursionlimit(limit)
    asyncio.run(asynchronous())


# ---------------------------------------------------------------- the frames of an allocation


class Holder:
    def __init__(self, size):
        self.data = b"i" * size


def make_closure(value):
    def closure():
        return value
    return closure


def make_generator():
    yield 1


async def make_coroutine():
    pass


# Compiled once and kept: the walk's answer is put into words only after the code has run.
EXECUTED = compile("keep(b'e' * many)\n\nkeep(b'f' *\n many)", "<executed>", "exec")


def allocations():
    """Objects whose blocks were allocated at many kinds of place."""
    kept = []

    def keep(value):
        kept.append(value)
        return value

    many = 100  # a variable: products of constants are made once, by the compiler
    keep(b"x" * many)
    keep("y" * many * 10)
    keep(
        bytearray(
            50
        )
    )
    keep(object())
    keep(make_generator())  # allocated before the generator's own frame counts
    keep(make_closure(keep("c" * many)).__closure__[0])  # a cell: the same
    coroutine = keep(make_coroutine())
    coroutine.close()
    for value in [b"l" * (i + 40) for i in range(5)]:
        keep(value)
    for value in sorted((b"s" * i for i in range(50, 60)), key=lambda item: keep(item + b"k")):
        keep(value)
    for i in range(300):  # long enough for __init__ to be called through the trampoline
        last = Holder(100 + i)
    keep(last)
    keep(last.data)
    exec(EXECUTED, {"keep": keep, "many": many})
    for value in map(lambda i: b"m" * i, range(70, 75)):
        keep(value)

    def recurse(depth):
        if depth == 0:
            return keep(b"r" * many)
        return recurse(depth - 1)

    recurse(30)
    for value in (b"g" * (40 + i) for i in range(3)):
        keep(value)
    return kept


def compare_allocations():
    global blocks_seen
    out = (Entry * 64)()
    for round in range(30):  # the first rounds warm the code up, the last ones run it specialised
        tracemalloc.start(64)
        HELD.walkcheck_record(1)
        kept = allocations()
        HELD.walkcheck_record(0)
        traces = [tracemalloc.get_object_traceback(item) for item in kept]
        tracemalloc.stop()
        for item, trace in zip(kept, traces):
            depth = HELD.walkcheck_block(id(item), out, 64)
            if trace is None and type(item) is Holder:
                continue  # 3.11, 3.13t: tracemalloc misses the second header of such objects
            if trace is None or depth < 0:
                complain("unseen " + type(item).__name__, round, trace, depth)
                continue
            truth = [(frame.filename, frame.lineno) for frame in trace][::-1]
            found = [(entry.file.decode(), entry.line) for entry in out[:depth]]
            blocks_seen += 1
            if found != truth:
                complain("allocation of %s, round %d" % (type(item).__name__, round), found, truth)


def stress():
    """A walk at every allocation of a lively program: nothing to compare, but nothing may break."""
    moments()
    import dataclasses, decimal, email.message, fractions, logging, unittest.mock  # noqa: E401,F401
    for i in range(20):
        json.loads(json.dumps({"a": list(range(50)), "b": {"c": [None, True, "\u4e2d"]}}))
        re.compile("a*b+(c|d)%d" % i)
        dataclasses.make_dataclass("D%d" % i, ["x", "y"])(1, 2)


# ---------------------------------------------------------------- line tables


def expected_lines(code, units):
    lines = [0] * units
    if NEW_LINES:
        for start, end, line in code.co_lines():
            for unit in range(start // 2, min(end // 2, units)):
                lines[unit] = line or 0
        return lines
    starts = list(dis.findlinestarts(code)) + [(units * 2, 0)]
    line = code.co_firstlineno
    lines = [line] * units
    for (start, line), (end, _next) in zip(starts, starts[1:]):
        lines[start // 2:end // 2] = [line] * ((end - start) // 2)
    return lines


class Location(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in ("line", "end_line", "column", "end_column")]


def compare_code(code, where):
    """Every code unit of one code object. Returns how many there are."""
    units = len(code.co_code) // 2
    lines = (ctypes.c_int32 * units)()
    HELD.walkcheck_lines(id(code), lines, units)
    truth = expected_lines(code, units)
    if list(lines) != truth:
        unit = next(i for i in range(units) if lines[i] != truth[i])
        complain("line", where, code.co_name, unit, lines[unit], truth[unit])
    if POSITIONS:
        places = (Location * units)()
        HELD.walkcheck_locations(id(code), places, units)
        for unit, (line, end_line, column, end_column) in enumerate(code.co_positions()):
            place = places[unit]
            found = (place.line, place.end_line, place.column, place.end_column)
            if line is None:
                expected = (0, 0, -1, -1)
            else:
                expected = (line, line if end_line is None else end_line,
                            -1 if column is None else column,
                            -1 if end_column is None else end_column)
            # a line of 0 (the start of a module) counts as none
            if found != expected and not (line == 0 and place.line == 0):
                complain("position", where, code.co_name, unit, found, expected)
                break
    return units


def compare_identity(code):
    """A copy is the same function; with another name, file or line it is not."""
    def hash_of(other):
        return HELD.walkcheck_hash(id(other))

    copy = code.replace()
    if hash_of(copy) != hash_of(code):
        complain("hash of a copy", code.co_name)
    for change in ({"co_name": code.co_name + "x"}, {"co_filename": code.co_filename + "x"},
                   {"co_firstlineno": code.co_firstlineno + 1}):
        if hash_of(code.replace(**change)) == hash_of(code):
            complain("hash ignores", change)
    if not HELD.walkcheck_same_stamp(id(code), id(code)):
        complain("stamp of itself", code.co_name)
    # a copy shares all its parts: from 3.12 on its version still tells it apart
    if HELD.walkcheck_same_stamp(id(code), id(copy)) != (sys.version_info < (3, 12)):
        complain("stamp of a copy", code.co_name)
    other = code.replace(co_firstlineno=code.co_firstlineno + 1)
    if HELD.walkcheck_same_stamp(id(code), id(other)):
        complain("stamp of another", code.co_name)


def compare_tables(limit):
    folder = os.path.dirname(os.__file__)
    paths = sorted(glob.glob(os.path.join(folder, "*.py")) +
                   glob.glob(os.path.join(folder, "*", "*.py")))
    paths = paths[::max(1, len(paths) // limit)][:limit]
    objects = units = 0
    for path in paths:
        try:
            with open(path, "rb") as file:
                waiting = [compile(file.read(), path, "exec", dont_inherit=True)]
        except (SyntaxError, ValueError, OSError):
            continue
        while waiting:
            code = waiting.pop()
            waiting += [item for item in code.co_consts if isinstance(item, types.CodeType)]
            units += compare_code(code, path)
            objects += 1
            if objects % 50 == 0:
                compare_identity(code)
    return objects, units


def main():
    moments()
    objects, units = compare_tables(int(sys.argv[2]) if len(sys.argv) > 2 else 150)
    HELD.walkcheck_wrap()
    compare_allocations()
    stress()
    print(json.dumps({
        "version": sys.version.split()[0], "probes": probes, "blocks": blocks_seen,
        "code_objects": objects, "code_units": units, "walks": HELD.walkcheck_count(0),
        "frames": HELD.walkcheck_count(1), "bad_offsets": HELD.walkcheck_count(2), "wrong": wrong,
    }))


def cost():
    """By hand: PEAKLINE_WALK_COST=1 prints nanoseconds a walk at several depths."""

    def down(depth):
        return HELD.walkcheck_cost(20000) if depth == 0 else down(depth - 1)

    sys.setrecursionlimit(2000)
    print(sys.version.split()[0], {depth: round(down(depth - 4), 1) for depth in (10, 30, 100)})


if __name__ == "__main__":
    cost() if os.environ.get("PEAKLINE_WALK_COST") else main()
