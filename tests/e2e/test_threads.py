# SPDX-License-Identifier: Apache-2.0
"""Stacks and threads of every kind at once: greenlets, interpreters with a lock of their own, threads without any lock,
libraries that come and go. Each holds known sizes at known lines."""

import os
import shutil
import sys

import pytest
import pythons
from reports import read_report
from running import run_command
from test_tree import CHOSEN

ALL = pythons.find_pythons()
FURNISHED = pythons.find_furnished()


def ids(found):
    return [each.name for each in found]


def ends_and_middle(found):
    return [found[0], found[len(found) // 2], found[-1]] if len(found) > 2 else found


@pytest.fixture
def profile(same_as_python, peakline, tmp_path):
    """profile(code, python, words) runs it as app.py; the report, with .path and the numbers that it .printed."""

    def run(code, python, *words):
        path = tmp_path / "app.py"
        path.write_text(code)
        done = same_as_python(["-W", "ignore", path, *words], python=python)
        assert (done.returncode, done.stderr) == (0, "")
        report = read_report(peakline, done.result)
        report.path = path
        report.printed = [int(word) for word in done.stdout.split()]
        assert report["ledger"]["dropped_events"] == 0
        return report

    return run


def line_of(code, mark):
    """The one line of the code that ends with this comment."""
    (found,) = (number for number, text in enumerate(code.split("\n"), 1) if text.endswith("# " + mark))
    return found


# ---- greenlets ---------------------------------------------------------------------------------------------------

GREENLETS = """\
import sys
import greenlet
X = b"x"
def down(levels, work):
    if levels:
        down(levels - 1, work)
    else:
        work()
def worker(number):
    kept = [None] * 40
    def hold():
        kept[turn] = X * (1_003 + number)  # first
        greenlet.getcurrent().parent.switch()
        kept[turn + 1] = X * (2_003 + number)  # second
    for turn in range(0, 40, 2):
        down(number * 7 + turn % 4, hold)
    greenlet.getcurrent().parent.switch()
def main():
    workers = [greenlet.greenlet(worker) for _ in range(10)]
    for number, each in enumerate(workers):
        each.switch(number)
    for _ in range(20):
        for each in reversed(workers):
            each.switch()
    top = X * 5_000_003
    for each in workers:
        each.switch()
    print(sys.getsizeof(X) - 1, all(each.dead for each in workers) + 0)
main()
"""


def pythons_with(module):
    """Interpreters that have this module: the one that runs the tests, and those that tools/pythons.py furnished."""
    paths = [sys.executable] + [each.path for each in FURNISHED]
    code = f"import {module}"
    return [path for path in paths if run_command([path, "-c", code], cwd="/").returncode == 0]


@pytest.fixture(scope="module")
def with_gevent():
    found = pythons_with("gevent")
    if not found:
        pytest.skip("no interpreter here has gevent")
    return found


def test_each_greenlet_has_its_own_stack(profile, with_gevent):
    """Ten greenlets take turns, each at its own depth; whoever ran before, the frames are the right one's."""
    for python in with_gevent:
        report = profile(GREENLETS, python)
        header, good = report.printed
        assert good == 1
        for mark, size in (("first", 1_003), ("second", 2_003)):
            expected = {}
            for number in range(10):
                for turn in range(0, 40, 2):
                    depth = number * 7 + turn % 4
                    before = expected.get(depth, (0, 0))
                    expected[depth] = (before[0] + header + size + number, before[1] + 1)
            held = report.at(report.path, line_of(GREENLETS, mark))
            found = {}
            for each in held:
                levels = len(each.names) - 3
                assert each.names == ["worker", *["down"] * (levels + 1), "hold"]
                found[levels] = (each.size, each.blocks)
            assert found == expected, python


GEVENT = """\
import sys
import gevent
from gevent import monkey; monkey.patch_all()
import threading, time
X = b"x"
top = None
kept = [None] * 60
def inner(number):
    kept[number] = X * (10_003 + number)  # inner
    time.sleep(0)
    kept[20 + number] = X * (20_003 + number)  # after
def outer(number):
    inner(number)
gevent.joinall([gevent.spawn(outer, number) for number in range(10)])
threads = [threading.Thread(target=inner, args=(10 + number,)) for number in range(10)]
for each in threads: each.start()
for each in threads: each.join()
top = X * 5_000_003  # top
print(sys.getsizeof(X) - 1)
"""


def test_gevent(profile, with_gevent):
    """Ten of its greenlets, and ten threads that it has made greenlets of."""
    for python in with_gevent:
        report = profile(GEVENT, python)
        (header,) = report.printed
        for mark, size in (("inner", 10_003), ("after", 20_003)):
            held = report.at(report.path, line_of(GEVENT, mark))
            assert sorted(each.names[-2:] for each in held) == [["outer", "inner"], ["run", "inner"]]
            for each in held:
                first = 0 if each.names[-2] == "outer" else 10
                assert "<module>" not in each.names
                assert each.size == sum(header + size + first + number for number in range(10))
        assert [each.names for each in report.at(report.path, line_of(GEVENT, "top"))] == [["<module>"]]


# ---- interpreters beside one another -----------------------------------------------------------------------------

# Run by each interpreter: 20 stacks of different depth, much memory that comes and goes, one block that stays at each.
INNER = """\
X = b"x"
kept = [None] * 20
def churn():
    for number in range(600):
        [X * (size & 1023) for size in range(number & 63)]
def down(levels, turn, number):
    if levels:
        return down(levels - 1, turn, number)
    churn()
    kept[turn] = X * (100_003 + number)  # kept
def main(number):
    for turn in range(20):
        down(turn, turn, number)
"""

INTERPRETERS = """\
import sys, threading
X = b"x"
top = None
def make():
    if sys.version_info >= (3, 14):
        from concurrent import interpreters
        made = interpreters.create()
        return made.exec, made.close
    if sys.version_info >= (3, 13):
        import _interpreters as module
        made = module.create("isolated")
    else:
        import _xxsubinterpreters as module
        made = module.create()
    return lambda code: module.run_string(made, code), lambda: module.destroy(made)
ready, done, seen = (threading.Barrier(5) for _ in range(3))
def work(number):
    run, close = make()
    ready.wait()
    run("import sys; sys.path.insert(0, %r); import inner; inner.main(%d)" % (sys.path[0], number))
    done.wait()
    seen.wait()
    close()
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for each in threads: each.start()
ready.wait()
done.wait()
top = X * 30_000_003  # top
seen.wait()
for each in threads: each.join()
print(sys.getsizeof(X) - 1)
"""

OWN_LOCK = [each for each in ALL if each.version >= (3, 12)]


@pytest.mark.skipif(not OWN_LOCK, reason="interpreters with a lock of their own: Python 3.12 and later")
@pytest.mark.parametrize("python", ends_and_middle(OWN_LOCK), ids=ids(ends_and_middle(OWN_LOCK)))
def test_interpreters_that_each_have_their_own_lock(profile, python, tmp_path):
    """Four of them in four threads, all of Python's lock-protected life at once."""
    (tmp_path / "inner.py").write_text(INNER)
    report = profile(INTERPRETERS, python.path)
    (header,) = report.printed
    held = report.at(tmp_path / "inner.py", line_of(INNER, "kept"))
    depths = {}
    for each in held:
        names = [name for name in each.names if name == "down"]
        assert each.names[-len(names) - 1 :] == ["main", *names]
        size, blocks = depths.get(len(names), (0, 0))
        depths[len(names)] = (size + each.size, blocks + each.blocks)
    four = sum(header + 100_003 + number for number in range(4))
    assert depths == {levels: (four, 4) for levels in range(1, 21)}
    assert report.sum_at(report.path, line_of(INTERPRETERS, "top")) == (header + 30_000_003, 1)


# ---- threads, with a lock and without --------------------------------------------------------------------------------------

FREE = """\
import os, sys, threading
X = b"x"
SIZES = [100_003 + turn for turn in range(30)]  # made here: a number made beside the block may stay, for use again
top = None
WORKERS = max(4, len(os.sched_getaffinity(0)))
start = threading.Barrier(WORKERS)
kept = [[None] * 30 for _ in range(WORKERS)]
handed = [[] for _ in range(WORKERS)]
def churn(number):
    mine = {}
    for turn in range(20_000):
        mine[turn & 255] = [X * (turn & 511), {"n": turn}, (turn, str(turn))]
        if turn & 7 == 0:
            handed[number].append([X * (turn & 1023)])
        if turn & 31 == 0:
            handed[(number + 1) % WORKERS].clear()
def down(levels, number):
    if levels:
        down(levels - 1, number)
        return
    churn(number)
def work(number):
    start.wait()
    for turn in range(30):
        if turn % 10 == 0:
            down(turn, number)
        kept[number][turn] = X * SIZES[turn]  # kept
threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
for each in threads: each.start()
for each in threads: each.join()
for each in handed:
    each.clear()
top = X * 30_000_003  # top
print(sys.getsizeof(X) - 1, WORKERS, int(not getattr(sys, "_is_gil_enabled", lambda: True)()))
"""

FREE_THREADED = [each for each in ALL if each.free_threaded]
TURNS = CHOSEN + [each for each in FREE_THREADED if each not in CHOSEN]


@pytest.mark.parametrize("python", TURNS, ids=ids(TURNS))
def test_what_one_thread_made_another_frees(profile, python):
    """On every core at once where there is no lock. What each keeps is there to the byte, and nothing is left of the
    rest. The checked build proves its books again and again."""
    report = profile(FREE, python.path)
    header, workers, free = report.printed
    assert free == python.free_threaded
    kept = workers * sum(header + 100_003 + turn for turn in range(30))
    held = report.at(report.path, line_of(FREE, "kept"))
    assert all(each.names[-1] == "work" for each in held)
    assert sum(each.blocks for each in held) == 30 * workers
    assert sum(each.size for each in held) == kept
    assert report.sum_at(report.path, line_of(FREE, "top")) == (header + 30_000_003, 1)
    left = sum(each.size for line in range(10, 17) for each in report.at(report.path, line))
    assert left < 200_000  # what delayed frees of the interpreter and the lists' own rooms may hold


# ---- libraries that come and go ----------------------------------------------------------------------------------

LIBRARIES = """\
import _ctypes, ctypes, gc, sys, threading
X = b"x"
top = None
opener = ctypes.CDLL(sys.argv[1])
opener.open_often.argtypes = [ctypes.c_char_p, ctypes.c_long]
opener.open_often.restype = ctypes.c_long
good = [0] * 3
def often(number, path):
    good[number] = opener.open_often(path.encode(), 300)  # often
def keeps(path):
    for _ in range(100):
        library = ctypes.CDLL(path)
        keep = library.keep
        keep.argtypes, keep.restype = [ctypes.c_size_t], None
        keep(10_007)  # keeps
        _ctypes.dlclose(library._handle)
threads = [threading.Thread(target=often, args=(number, path)) for number, path in enumerate(sys.argv[2:5])]
threads += [threading.Thread(target=keeps, args=(path,)) for path in sys.argv[4:6]]
for each in threads: each.start()
for each in threads: each.join()
gc.collect()  # ctypes ties its functions and their libraries into rings
top = X * 30_000_003  # top
print(sys.getsizeof(X) - 1, *good)
"""


@pytest.mark.parametrize("python", CHOSEN, ids=ids(CHOSEN))
def test_libraries_loaded_and_closed_by_threads_at_once(profile, compiler, python, tmp_path):
    """1,100 times, from five threads: two open the same library, the others each its own. What stays is what they kept."""
    visitor = compiler.library("visitor")
    copies = [tmp_path / f"visitor-{number}.so" for number in range(4)]
    for each in copies:
        shutil.copy(visitor, each)
    report = profile(LIBRARIES, python.path, compiler.library("opener", "-ldl"), *copies)
    header, *good = report.printed
    assert good == [300, 300, 300]
    assert report.sum_at(report.path, line_of(LIBRARIES, "keeps")) == (200 * 10_007, 200)
    # The loader keeps a few hundred bytes of its own for the next library; 300 visits would have left 9 MB.
    assert report.sum_at(report.path, line_of(LIBRARIES, "often"))[0] < 16_384
    assert report.sum_at(report.path, line_of(LIBRARIES, "top")) == (header + 30_000_003, 1)
