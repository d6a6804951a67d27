# SPDX-License-Identifier: Apache-2.0
"""Out of memory, for real: the kernel kills in a memory cgroup, an address space limit refuses, and
the report says which limit it was, what the program held, and which lines held it."""

import contextlib
import os
import resource
import signal
import subprocess
import uuid
from pathlib import Path

import pytest
from reports import read_report, read_run
from running import run_command, wait_for_end
from test_accuracy_routes import SOME

MIB = 1 << 20
LIMIT = 96 * MIB


@pytest.fixture(params=SOME, ids=[each.name for each in SOME])
def python(request):
    return request.param.path


def find_memory_controller():
    """(version, directory of our own group), or (0, reason)."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for mount in mounts:
        kind, options = mount[mount.index("-") + 1], mount[-1].split(",")
        for _, controllers, path in groups:
            top = Path(mount[4]) / os.path.relpath(path, mount[3])
            if kind == "cgroup" and "memory" in options and "memory" in controllers.split(","):
                return 1, top
            if kind == "cgroup2" and controllers == "" and (top / "memory.max").exists():
                return 2, top.parent  # a group with processes cannot have children
    return 0, "no memory controller is mounted"


@contextlib.contextmanager
def memory_group(limit, parent=None):
    """A cgroup of its own, below ours (or `parent`); its processes are gone when it is left."""
    version, top = find_memory_controller()
    if version == 0:
        pytest.skip(f"no memory cgroup can be used here: {top}")
    group = (parent or top) / f"peakline-test-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        if limit is not None:
            name = "memory.limit_in_bytes" if version == 1 else "memory.max"
            (group / name).write_text(str(limit))
            if version == 2:
                (group / "memory.swap.max").write_text("0")
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        yield group
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        while True:
            with contextlib.suppress(OSError):
                group.rmdir()
                break


def enter(group):
    return lambda: (group / "cgroup.procs").write_text("0")


HUNGRY = """\
keep = []
def load():
    while True:
        keep.append(b"x" * 1_000_000)
load()
"""


def test_a_kill_at_the_limit_of_the_group(run_peakline, tmp_path):
    (tmp_path / "hungry.py").write_text(HUNGRY)
    with memory_group(LIMIT) as group:
        done = run_peakline(["hungry.py"], quiet=False, preexec_fn=enter(group))
    assert done.returncode == -signal.SIGKILL
    info = read_run(done.result)
    assert info["oom"]["kind"] == "cgroup"
    assert info["oom"]["limit_bytes"] == LIMIT
    assert info["oom"]["path"].endswith(group.name)
    assert info["oom"]["is_program"] and info["oom"]["is_certain"]
    # All of it is in the one line; what is not in the account is Python, Peakline and the kernel's
    # own use for the group: 40 MiB are plenty.
    assert LIMIT - 40 * MIB < info["oom"]["held_bytes"] < LIMIT
    first = " ".join(done.stderr.strip().splitlines()[:2])
    assert first.startswith("Out of memory: the kernel killed the program at the limit of 96.0 MiB")
    assert "cgroup /" in first, done.stderr
    assert group.name in info["headline"]
    assert "hungry.py:4" in done.stderr
    assert (done.result / "report.html").exists()
    # The supervisor was in the same group and lived.
    assert info["own_rss_bytes"] < 8 * MIB


def test_the_limit_of_an_ancestor(run_peakline, tmp_path):
    (tmp_path / "hungry.py").write_text(HUNGRY)
    with memory_group(LIMIT) as parent, memory_group(None, parent) as group:
        done = run_peakline(["hungry.py"], preexec_fn=enter(group))
    info = read_run(done.result)
    assert (info["oom"]["kind"], info["oom"]["limit_bytes"]) == ("cgroup", LIMIT)
    assert info["oom"]["path"].endswith(parent.name)


def is_marked_dead(result, pid):
    """By the slot of that process in DIR/tree: FUTEX_OWNER_DIED in the first word of its lock."""
    tree = (result / "tree").read_bytes()
    slots = (tree[at : at + 64] for at in range(8192, len(tree), 64))
    slot = next(slot for slot in slots if int.from_bytes(slot[60:64], "little") == pid)
    return int.from_bytes(slot[0:4], "little") & 0x40000000 != 0


def test_a_worker_is_killed_and_the_program_goes_on(run_peakline, tmp_path):
    """The kernel takes the largest process: a worker. The program sees it and ends as it likes."""
    (tmp_path / "app.py").write_text(
        "import os, sys\n"
        "def work():\n"
        "    keep = []\n"
        "    while True:\n"
        "        keep.append(b'x' * 1_000_000)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    work()\n"
        "print(pid, os.waitpid(pid, 0)[1])\n"
        "sys.exit(7)\n"
    )
    with memory_group(LIMIT) as group:
        done = run_peakline(["app.py"], quiet=False, preexec_fn=enter(group))
    assert done.returncode == 7
    pid, status = map(int, done.stdout.split())
    assert status == signal.SIGKILL
    oom = read_run(done.result)["oom"]
    assert (oom["kind"], oom["killed_pid"], oom["is_program"]) == ("cgroup", pid, False)
    assert oom["is_certain"] and oom["kills"] == 1
    # At a limit the kernel cannot always mark the dead process's lock in the shared page; its bytes
    # would be added to all that come later.
    assert is_marked_dead(done.result, pid)
    assert f"the kernel killed process {pid} at the limit of 96.0 MiB" in done.stderr
    assert "app.py:5" in done.stderr


MANY_WORKERS = """\
import os, sys
def is_marked(pid):
    tree = open(sys.argv[1] + "/tree", "rb").read()
    slots = (tree[at : at + 64] for at in range(8192, len(tree), 64))
    return next(slot[3] & 0x40 for slot in slots if int.from_bytes(slot[60:], "little") == pid) != 0
marks = []
for _ in range(6):
    pid = os.fork()
    if pid == 0:
        keep = []
        while True:
            keep.append(b"x" * 1_000_000)
    status = os.waitpid(pid, 0)[1]
    marks.append(status == 9 and is_marked(pid))
print(marks)
"""


@pytest.mark.skipif(
    0 <= resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] < MIB, reason="too little may be locked here"
)
def test_the_dead_are_out_of_the_sum_at_once(run_peakline, python, tmp_path):
    """By the kernel's mark, which it makes at the limit only where the page is in memory: in the instant in which the
    parent knows of the death, before the supervisor has looked."""
    (tmp_path / "app.py").write_text(MANY_WORKERS)
    with memory_group(LIMIT) as group:
        done = run_peakline(["app.py", tmp_path / "result-1"], python=python, preexec_fn=enter(group))
    assert (done.returncode, done.stdout) == (0, f"{[True] * 6}\n"), done.stderr


def test_another_sigkill_is_not_the_kernels(run_peakline):
    with memory_group(LIMIT) as group:
        done = run_peakline(
            ["-c", "import os; os.kill(os.getpid(), 9)"], quiet=False, preexec_fn=enter(group)
        )
    assert done.returncode == -signal.SIGKILL
    assert read_run(done.result)["oom"]["kind"] == "none"
    assert "memory:" not in done.stderr.lower().replace("peak memory", "")


def test_a_limit_that_only_makes_the_kernel_reclaim_is_no_end(run_peakline, tmp_path):
    """File pages fill the group up to its limit, again and again; nobody dies."""
    code = (
        "data = bytes(1_000_000)\n"
        f"with open('big', 'wb') as file:\n    for i in range({2 * LIMIT // 1_000_000}): file.write(data)\n"
        "print(sum(len(part) for part in iter(lambda f=open('big', 'rb'): f.read(1 << 20), b'')))"
    )
    with memory_group(LIMIT) as group:
        done = run_peakline(["-c", code], preexec_fn=enter(group))
    assert done.returncode == 0
    assert read_run(done.result)["oom"]["kind"] == "none"


def test_a_caught_memory_error_changes_nothing(run_peakline):
    """`ulimit -v`: the program gets its MemoryError and goes on."""
    limit = 2048 * MIB

    def restrict():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    code = (
        "try:\n    bytearray(3 << 30)\nexcept MemoryError:\n    print('caught')"
    )
    done = run_peakline(["-c", code], quiet=False, preexec_fn=restrict)
    assert (done.returncode, done.stdout) == (0, "caught\n")
    info = read_run(done.result)
    assert info["oom"]["kind"] == "address-space"
    assert info["oom"]["limit_bytes"] == limit
    assert 3 << 30 <= info["oom"]["failed_bytes"] < (3 << 30) + 4096
    assert info["headline"] is None
    assert "3.0 GiB" in done.stderr


def test_an_address_space_limit_that_ends_the_program(run_peakline):
    limit = 2048 * MIB

    def restrict():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = run_peakline(["-c", "bytearray(3 << 30)"], quiet=False, preexec_fn=restrict)
    assert done.returncode == 1
    assert read_run(done.result)["headline"] == (
        "Out of memory: the address space limit of 2.0 GiB (ulimit -v) was reached; a request for "
        "3.0 GiB got nothing."
    )
    assert "Out of memory" in done.stderr


FILL = """\
import ctypes, resource
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
MALLOC = libc.malloc
rooms = [MALLOC(100_000) for _ in range(15)]
guard = MALLOC(100_000)
held = (ctypes.c_void_p * 30_000)()
for room in rooms:
    libc.free(room)
before = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (4096, before[1]))
for i in range(30_000):
    held[i] = MALLOC(24 if i % 2 else 40)
resource.setrlimit(resource.RLIMIT_AS, before)
peak = bytes(2_000_000)
print(all(held))
"""


def test_nothing_is_lost_at_an_address_space_limit(run_peakline, peakline, python, tmp_path):
    """When the kernel gives no more, the program goes on in the memory that it has: 1.2 MB of small blocks, where large ones
    were. Their index takes 1 KiB a page, so more than the arena's chunk of 256 KiB."""
    path = tmp_path / "app.py"
    path.write_text(FILL)
    done = run_peakline(["-S", path], python=python)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    report = read_report(peakline, done.result)
    assert report["ledger"]["dropped_events"] == 0
    line = FILL[: FILL.index("held[i] =")].count("\n") + 1
    assert report.kinds_at(path, line)[1] == (30_000 * 32, 30_000)


def test_the_whole_group_dies_and_the_report_still_tells(peakline, python, tmp_path):
    """As when a container is stopped at its limit: the supervisor is gone too. `peakline report`
    finds the kernel's counters changed since the start."""
    (tmp_path / "hungry.py").write_text(HUNGRY)
    result = tmp_path / "result"
    with memory_group(LIMIT) as group:
        started = subprocess.Popen(
            [peakline, "run", "--no-open", "-o", result, "--python", python, "hungry.py"],
            cwd=tmp_path,
            preexec_fn=enter(group),
            stderr=subprocess.DEVNULL,
        )
        # Stopped, it cannot see its child die; the program is a process that it has started.
        while not list(result.glob("ledger-*")):
            assert started.poll() is None
        started.send_signal(signal.SIGSTOP)
        os.waitpid(started.pid, os.WUNTRACED)
        program = int(next(result.glob("ledger-*")).name.partition("-")[2])
        wait_for_end(program)
        started.kill()
        started.wait()
        assert read_run(result)["outcome"]["kind"] == "running"
        done = run_command([peakline, "report", result, "--format", "text"])
        assert done.returncode == 0, done.stderr
        info = read_run(result)
    assert info["outcome"]["kind"] == "unknown"
    assert (info["oom"]["kind"], info["oom"]["limit_bytes"]) == ("cgroup", LIMIT)
    assert info["oom"]["killed_pid"] == program
    assert "Out of memory" in done.stdout and "hungry.py:4" in done.stdout
