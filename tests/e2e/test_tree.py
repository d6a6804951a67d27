# SPDX-License-Identifier: Apache-2.0
"""Several processes: what they held together at one instant, each with its own stacks. Answers known by construction;
processes take turns through pipes, never by sleeping."""

import os
import platform
import resource
import signal
import sys

import pytest
import pythons
from reports import read_report
from running import run_command

ALL = pythons.find_pythons()
CHOSEN = [ALL[0], ALL[len(ALL) // 2], ALL[-1]] if len(ALL) > 2 else ALL
STEP = 64 << 10  # bytes a process may be off in the tree's peak (src/record/tree.h)

# X * N is one request for exactly sys.getsizeof(b"") + N bytes.
HEAD = """\
import os, sys
X = b"x"
def fork(work):
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        held = work()
        os.write(ready[1], b"r")
        os.close(go[1])
        os.read(go[0], 1)
        os._exit(0)
    os.close(ready[1]); os.close(go[0])
    os.read(ready[0], 1)
    return child, go[1]
def end(child):
    os.write(child[1], b"x")
    os.waitpid(child[0], 0)
def line():
    return sys._getframe(1).f_lineno
print(sys.getsizeof(b""))
"""
FIRST = HEAD.count("\n") + 1  # line of what follows


@pytest.fixture(params=CHOSEN, ids=[each.name for each in CHOSEN])
def python(request):
    return request.param.path


@pytest.fixture
def tree(run_peakline, peakline, python, tmp_path):
    """tree(text) runs HEAD and the text; returns the report, and a function from line (of the text, from 1) to
    (bytes without headers, blocks) at the tree's peak."""

    def run(text, status=0, **keywords):
        path = tmp_path / "app.py"
        path.write_text(HEAD + text)
        done = run_peakline(["-S", "-W", "ignore", path], python=python, **keywords)
        assert (done.returncode, done.stderr) == (status, "")
        header = int(done.stdout.split()[0])
        report = read_report(peakline, done.result)

        def at(line):
            # Stacks below 10,000 bytes are the function objects made on that line.
            held = [each for each in report.at(path, FIRST - 1 + line) if each.size > 10_000]
            blocks = sum(each.blocks for each in held)
            return sum(each.size for each in held) - header * blocks, blocks

        return report, at

    return run


def shares(report):
    """bytes at the tree's peak of each process, in order of start."""
    return [each["bytes_at_tree_peak"] for each in report["processes"]]


def test_two_children_at_once(tree):
    report, at = tree(
        """\
kept = X * 10_000_019
first = fork(lambda: X * 20_000_003)
second = fork(lambda: X * 30_000_001)
end(first); end(second)
"""
    )
    assert at(1) == (10_000_019, 1)
    assert at(2) == (20_000_003, 1)
    assert at(3) == (30_000_001, 1)
    assert len(report["processes"]) == 3
    assert sum(shares(report)) == report["peak"]["bytes"]
    assert all(each["inherited_bytes"] > 10_000_000 for each in report["processes"][1:])


def test_two_children_that_never_meet(tree):
    """The larger one counts, with what its parent held; the smaller one was gone."""
    report, at = tree(
        """\
kept = X * 10_000_019
first = fork(lambda: X * 20_000_003)
end(first)
second = fork(lambda: X * 30_000_001)
end(second)
third = fork(lambda: X * 25_000_009)
end(third)
"""
    )
    assert at(1) == (10_000_019, 1)
    assert at(4) == (30_000_001, 1)
    assert at(2) == at(6) == (0, 0)
    main, first, second, third = report["processes"]
    assert first["bytes_at_tree_peak"] == third["bytes_at_tree_peak"] == 0
    assert first["peak_bytes"] > 20_000_003 and third["peak_bytes"] > 25_000_009
    assert second["bytes_at_tree_peak"] > 30_000_001


def test_children_killed_one_after_the_other_are_not_added_up(tree):
    """Nobody announces these deaths: the kernel does."""
    report, at = tree(
        """\
for number in range(4):
    child = fork(lambda: X * 20_000_003)
    os.kill(child[0], 9)
    os.waitpid(child[0], 0)
"""
    )
    assert at(2) == (20_000_003, 1)
    assert len(report["processes"]) == 5


def test_what_a_child_frees_of_its_parents(tree):
    report, at = tree(
        """\
kept = X * 40_000_003
def work():
    global kept
    kept = None
    return X * 30_000_001
child = fork(work)
end(child)
"""
    )
    assert at(1) == (40_000_003, 1)
    assert at(5) == (30_000_001, 1)
    assert report["processes"][1]["inherited_freed_bytes"] >= 40_000_003


def test_a_fork_of_a_fork(tree):
    report, at = tree(
        """\
kept = X * 10_000_019
def work():
    mine = X * 20_000_003
    child = fork(lambda: X * 5_000_011)
    return mine, child
child = fork(work)
end(child)
"""
    )
    assert [at(number) for number in (1, 3, 4)] == [
        (10_000_019, 1),
        (20_000_003, 1),
        (5_000_011, 1),
    ]
    parents = [each["parent"] for each in report["processes"]]
    assert parents == [-1, 0, 1]


def test_a_fork_in_a_thread(tree):
    report, at = tree(
        """\
import threading
kept = X * 10_000_019
children = []
def work():
    children.append(fork(lambda: X * 20_000_003))
thread = threading.Thread(target=work)
thread.start(); thread.join()
end(children[0])
"""
    )
    assert at(2) == (10_000_019, 1)
    assert at(5) == (20_000_003, 1)


@pytest.mark.parametrize(
    "before, reason",
    [
        ("os.setgid(65534); os.setuid(65534)", "its user may not write into the result directory"),
        ("os.mkdir('cell'); os.chroot('cell')", "the result directory is not where it was, or in another root"),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
            "no file descriptor was left",
        ),
    ],
    ids=["another user", "another root", "no descriptor"],
)
def test_a_child_without_a_record_is_said_with_the_reason(tree, before, reason):
    """A daemon that has given its rights away, say. Its own record goes on; what its children hold is not known."""
    if os.geteuid() != 0 and "descriptor" not in reason:
        pytest.skip("only root can become another user or change the root")
    report, at = tree(
        f"{before}\nKEEP = X * 1_000_000\nchild = os.fork()\nif child == 0:\n"
        "    other = X * 3_000_000\n    os._exit(0)\nprint(os.waitpid(child, 0)[1])\n"
    )
    assert at(2) == (1_000_000, 1)
    assert at(5) == (0, 0)
    assert len(report["processes"]) == 1
    assert report["warnings"] == [
        f"No record could be made for 1 Python process ({reason}): not measured, not in the peak."
    ]


@pytest.mark.parametrize(
    "before",
    ["os.setuid(65534)", "os.seteuid(65534)", "os.setreuid(65534, 65534)", "os.setresuid(65534, 65534, 65534)",
     "os.mkdir('cell'); os.chroot('cell')"],
)
def test_a_worker_that_gives_its_rights_away_keeps_its_stacks(tree, before):
    """As gunicorn's do. The ledger is out of reach from then on; all 3,000 stacks that come later have a place in it."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user or change the root")
    report, at = tree(
        f"""\
def work():
    {before}
    lines = "".join("KEEP.append(X * %d)\\n" % (1_000 + i) for i in range(3_000))
    exec(compile(lines, "<later>", "exec"), {{"KEEP": KEEP, "X": X}})
    return X * 20_000_003
KEEP = []
child = fork(work)
end(child)
"""
    )
    assert report["warnings"] == []
    assert at(5) == (20_000_003, 1)
    assert len([line for path, line in report.rows if path == "<later>"]) == 3_000


def test_the_peak_before_there_was_a_second_process(tree):
    """A process that was alone when it held the most: its own peak is the tree's."""
    report, at = tree(
        """\
kept = X * 90_000_001
kept = None
child = fork(lambda: X * 20_000_003)
end(child)
"""
    )
    assert at(1) == (90_000_001, 1)
    assert at(3) == (0, 0)
    assert shares(report)[1] == 0


def test_shares_are_those_of_the_instant(tree):
    """While a child is at its height its parent swaps one stack for another of the same size, again and again: what
    counts is what it held at the instant of the tree's peak."""
    report, at = tree(
        """\
def one(): return [X * 100 for _ in range(20_000)]
def two(): return [X * 100 for _ in range(20_000)]
kept = one()
child = fork(lambda: X * 30_000_001)
end(child)
kept = None
for _ in range(5):
    kept = two()
    kept = None
"""
    )
    assert at(1)[1] in range(20_000, 20_003)
    assert at(2)[0] == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_parent_that_dies_leaves_its_childs_record_whole(tree, number):
    if number == signal.SIGSEGV:
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    report, at = tree(
        f"""\
sys.stdout.flush()
kept = X * 10_000_019
child = fork(lambda: X * 20_000_003)
os.kill(os.getpid(), {int(number)})
""",
        status=-number,
    )
    assert at(2) == (10_000_019, 1)
    assert at(3) == (20_000_003, 1)


def test_daemon_by_double_fork(tree):
    """The grandchild lives on without its parent; the program ends only when it is done."""
    report, at = tree(
        """\
done = os.pipe()
middle = os.fork()
if middle == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(done[0])
        held = X * 20_000_003
        os._exit(0)
    os._exit(0)
os.close(done[1])
os.waitpid(middle, 0)
os.read(done[0], 1)
"""
    )
    assert at(7) == (20_000_003, 1)
    assert len(report["processes"]) == 3


def test_hundreds_of_children(tree):
    report, at = tree(
        """\
for number in range(300):
    child = os.fork()
    if child == 0:
        held = X * 1_000_003
        os._exit(0)
    os.waitpid(child, 0)
"""
    )
    assert len(report["processes"]) == 301
    assert at(4) == (1_000_003, 1)
    assert report["ledger"]["dropped_events"] == 0


def test_a_child_made_without_fork_handlers_disturbs_nobody(tree):
    """_Fork() and clone() run no handlers: such a child records nothing, and its parent's record stays right."""
    report, at = tree(
        """\
import ctypes
libc = ctypes.PyDLL(None)
if not hasattr(libc, "_Fork"):
    libc._Fork = libc.fork
child = libc._Fork()
if child == 0:
    held = X * 20_000_003
    os._exit(0)
os.waitpid(child, 0)
kept = X * 30_000_001
"""
    )
    assert at(10) == (30_000_001, 1)
    assert len(report["processes"]) in (1, 2)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the number of the system call is that of x86-64")
@pytest.mark.parametrize("threads", ["", "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"])
def test_a_child_made_by_the_bare_system_call_disturbs_nobody(tree, threads):
    """Nothing tells us but the kernel, which wipes the page that such a child would begin at. It frees what its parent
    holds, allocates, starts a thread, and has a child by fork(): all of that is in no account, and it is said."""
    report, at = tree(
        f"""\
import ctypes, threading, time
libc = ctypes.PyDLL(None)
{threads}
held = X * 10_000_019
child = libc.syscall(57)
if child == 0:
    del held
    held = [X * 40_000_003, [X * 1_000 for _ in range(20_000)]]
    thread = threading.Thread(target=bytes, args=(50_000_000,))
    thread.start()
    thread.join()
    child = os.fork()
    if child == 0:
        held += X * 60_000_003
        os._exit(0)
    os.waitpid(child, 0)
    os._exit(7)
assert os.waitpid(child, 0)[1] == 7 << 8
child = fork(lambda: X * 9_000_001)
kept = X * 30_000_001
end(child)
""",
    )
    assert at(4) == (10_000_019, 1)
    assert at(8) == (0, 0)
    assert at(19) == (9_000_001, 1)
    assert at(20) == (30_000_001, 1)
    assert len(report["processes"]) == 2
    (said,) = (each for each in report["warnings"] if "bare system call" in each)
    assert said.startswith("1 process was made")


POOLS = """\
import sys
def work(number):
    held = b"x" * 30_000_001
    return number + len(held)
def main(kind):
    if kind == "concurrent":
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(2) as pool:
            print(sum(pool.map(work, range(6))))
    else:
        import multiprocessing
        with multiprocessing.get_context(kind).Pool(2) as pool:
            print(sum(pool.map(work, range(6))))
if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.mark.parametrize("kind", ["fork", "spawn", "forkserver", "concurrent"])
def test_pools(same_as_python, peakline, python, tmp_path, kind):
    path = tmp_path / "pool.py"
    path.write_text(POOLS)
    done = same_as_python(["-S", "-W", "ignore", path, kind], python=python)
    report = read_report(peakline, done.result)
    size, blocks = report.sum_at(path, 3)
    assert 1 <= blocks <= 2 and size >= blocks * 30_000_001
    workers = [each for each in report["processes"] if each["peak_bytes"] > 30_000_001]
    assert 1 <= len(workers) <= 2
    assert sum(shares(report)) == report["peak"]["bytes"]


def test_joblib_with_loky(peakline, tmp_path):
    """Its workers are started by loky's own spawn, in a Python that has joblib: the one that runs the tests."""
    pytest.importorskip("joblib")
    path = tmp_path / "app.py"
    path.write_text(
        "import joblib\n"
        "def work(number):\n"
        "    held = b'x' * 200_000_001\n"
        "    return number + len(held)\n"
        "if __name__ == '__main__':\n"
        "    print(sum(joblib.Parallel(2, backend='loky')(joblib.delayed(work)(n) for n in range(6))))\n"
    )
    result = tmp_path / "result"
    words = [peakline, "run", "-q", "--no-open", "-o", result, "--python", sys.executable, path]
    done = run_command(words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{6 * 200_000_001 + 15}\n", "")
    report = read_report(peakline, result)
    size, blocks = report.sum_at(path, 3)
    assert 1 <= blocks <= 2 and size >= blocks * 200_000_001
    workers = [each for each in report["processes"] if each["peak_bytes"] > 200_000_001]
    assert 1 <= len(workers) <= 2
    assert sum(shares(report)) == report["peak"]["bytes"]


def test_a_tree_stopped_in_the_middle_does_not_hang_the_rest(tree):
    """A child that is stopped, wherever it is in our code, must not keep others from going on."""
    report, at = tree(
        """\
child = os.fork()
if child == 0:
    while True:
        held = [X * 70_000 for _ in range(50)]
for number in range(200):
    os.kill(child, 19)
    os.waitpid(child, os.WUNTRACED)
    kept = [X * 100_000 for _ in range(20)]
    os.kill(child, 18)
os.kill(child, 9)
os.waitpid(child, 0)
"""
    )
    assert at(8)[1] in range(1, 64)  # two lists, and the small ones that hold them


JOINING = """\
import ctypes, os, sys
library = ctypes.CDLL(sys.argv[1])
for allocates_last in (0, 1, 0):
    assert library.start_worker(allocates_last)
    pid = os.fork()
    if pid == 0:
        held = bytearray(5_000_000)  # child
        os._exit(7)
    assert os.waitpid(pid, 0)[1] >> 8 == 7
kept = bytearray(9_000_000)  # parent
"""


def test_a_library_that_waits_for_its_threads_before_a_fork(run_peakline, peakline, compiler, python, tmp_path):
    """It was there before us, so its handler comes after ours, while the ledger stands still. A thread of its that allocates
    then takes the ledger over; that child is not recorded, which is said."""
    library = compiler.library("joining")
    path = tmp_path / "app.py"
    path.write_text(JOINING)
    done = run_peakline(["-W", "ignore", path, library], python=python, env={**os.environ, "LD_PRELOAD": str(library)})
    assert (done.returncode, done.stderr) == (0, "")
    report = read_report(peakline, done.result)
    assert len(report["processes"]) == 3
    assert report.sum_at(path, JOINING.splitlines().index("kept = bytearray(9_000_000)  # parent") + 1)[0] > 9_000_000
    (warning,) = report["warnings"]
    assert "handlers waited for its other threads" in warning


FAILS = """\
import os
def load():
    try:
        return bytearray(1 << 46)  # fails
    except MemoryError:
        return None
pid = os.fork()
if pid == 0:
    load()
    for number in range(50):
        exec(compile("\\n" * number + "kept = bytearray(100)", "innocent.py", "exec"))
    os._exit(0)
os.waitpid(pid, 0)
"""


def test_a_request_that_fails_in_a_child_is_on_its_line(run_peakline, peakline, python, tmp_path):
    path = tmp_path / "app.py"
    path.write_text(FAILS)
    done = run_peakline(["-S", "-W", "ignore", path], python=python)
    assert (done.returncode, done.stderr) == (0, "")
    report = read_report(peakline, done.result)
    assert report["failed"]["bytes"] > 1 << 46 and report["failed"]["count"] == 1
    frame = report.frames[report["failed"]["frame"]]
    assert (frame.path, frame.line) == (str(path), 4)
