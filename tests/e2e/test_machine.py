# SPDX-License-Identifier: Apache-2.0
"""What Peakline costs the machine, and what it stands: little address space, thousands of threads, odd
stacks, full disks, other allocators, forks and sudden ends. The program must never notice."""

import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest
from reports import TARGETS, read_marks, read_report
from running import run_command
from test_accuracy_routes import SOME

MIB = 1 << 20
KEPT = 20_000_003


@pytest.fixture(params=SOME, ids=[each.name for each in SOME])
def python(request):
    """Nothing here depends on the version of Python: a middle one and the newest."""
    return request.param.path


@pytest.fixture
def app(tmp_path):
    """app(code) writes it into app.py of the test's directory."""

    def write(code):
        path = tmp_path / "app.py"
        path.write_text(code)
        return path

    return write


def limit(kind, value):
    """A preexec_fn: `ulimit` for the program to be started."""
    return lambda: resource.setrlimit(kind, (value, value))


def only(report, path, line):
    """Bytes and blocks of the one stack that ends in this line."""
    (held,) = report.at(path, line)
    return held.size, held.blocks


# ---- address space -------------------------------------------------------------------------------------------

HOLDS = f"""\
X = b"x"
import sys
kept = X * {KEPT}
status = dict(line.split(":") for line in open("/proc/self/status") if "VmPeak" in line)
print(status["VmPeak"].split()[0] if len(sys.argv) > 1 else "held")
print(sys.getsizeof(b""))
"""


def needs(python, path):
    """KiB of address space of the plain program."""
    done = run_command([python, "-S", path, "peak"])
    return int(done.stdout.split()[0]) * 1024


@pytest.mark.parametrize("spare", [300, 100, 16])
def test_little_address_space(same_as_python, peakline, python, app, spare):
    path = app(HOLDS)
    address_space = needs(python, path) + spare * MIB
    done = same_as_python(["-S", path], preexec_fn=limit(resource.RLIMIT_AS, address_space))
    report = read_report(peakline, done.result)
    header = int(done.stdout.split()[1])
    assert report["python_status"] == "verified"
    assert only(report, path, 3) == (header + KEPT, 1)


def test_hardly_any_address_space(run_peakline, python, app):
    """Less than the 12 MiB we need at least: the program may be told that there is no memory, in the
    ordinary way, and nothing else happens to it."""
    path = app(HOLDS)
    address_space = needs(python, path) + 2 * MIB
    done = run_peakline(
        ["-S", path], python=python, preexec_fn=limit(resource.RLIMIT_AS, address_space)
    )
    if done.returncode != 0:
        assert done.returncode == 1
        assert re.search(r"(?m)^MemoryError$", done.stderr)


def test_address_space_without_limit_stays_small(run_peakline, python, app):
    """Beside an own 64 MiB for the record, reserved and not used, it is little."""
    path = app(HOLDS)
    done = run_peakline(["-S", path, "peak"], python=python)
    ours = int(done.stdout.split()[0]) * 1024
    assert ours - needs(python, path) < 128 * MIB


def test_strict_overcommit(same_as_python, python, app):
    if Path("/proc/sys/vm/overcommit_memory").read_text().strip() != "2":
        pytest.skip("this machine overcommits (vm.overcommit_memory is not 2)")
    same_as_python(["-S", app(HOLDS)])


# ---- threads and stacks --------------------------------------------------------------------------------------

THREADS = """\
import sys, threading
X = b"x"
COUNT, SIZE = int(sys.argv[1]), int(sys.argv[2])
threading.stack_size(SIZE)
kept = [None] * (COUNT + 1)
gate = threading.Barrier(COUNT + 1)
def work(number):
    kept[number] = X * 10_007
    gate.wait()
    gate.wait()
running = [threading.Thread(target=work, args=(each,)) for each in range(COUNT)]
for each in running:
    each.start()
gate.wait()
kept[COUNT] = X * 40_000_003
gate.wait()
for each in running:
    each.join()
print(sys.getsizeof(b""), threading.active_count())
"""


@pytest.mark.parametrize("count, stack", [(2000, 256 << 10), (16, 64 << 20), (4, 64 << 10)])
def test_threads(same_as_python, peakline, python, app, count, stack):
    path = app(THREADS)
    done = same_as_python(["-S", path, str(count), str(stack)], python=python)
    header = int(done.stdout.split()[0])
    report = read_report(peakline, done.result)
    held = report.at(path, 8)
    assert report.sum_at(path, 8) == (count * (header + 10_007), count)
    assert {each.names[-2] for each in held} == {"run"}
    assert only(report, path, 15) == (header + 40_000_003, 1)
    assert report["ledger"]["dropped_events"] == 0
    # The threads' stacks are not in it: 1 GiB for the sixteen. A thread's own objects are: under 24 KiB, its first frames among them.
    assert report["peak_bytes"] < 40_000_003 + count * (10_007 + 24_576) + 4 * MIB


@pytest.mark.parametrize("stack", [256 << 10, 64 << 20, resource.RLIM_INFINITY])
def test_stack_limits(same_as_python, peakline, python, app, stack):
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    if hard not in (resource.RLIM_INFINITY, stack) and hard < stack:
        pytest.skip("the stack may not be made that large here")
    path = app(HOLDS)
    done = same_as_python(
        ["-S", path],
        python=python,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (stack, hard)),
    )
    assert only(read_report(peakline, done.result), path, 3)[1] == 1


# ---- disks ---------------------------------------------------------------------------------------------------

MANY = """\
import os, sys
fill = sys.argv[1] if len(sys.argv) > 1 else None
kept = []
def make(number):
    source = "".join(f"def f{each}(k):\\n    k.append(b'x' * (50 + k[0]))\\n" for each in range(200))
    space = {}
    exec(compile(source, f"/nowhere/{number}.py", "exec"), space)
    for each in range(200):
        space[f"f{each}"]([number])
        space[f"f{each}"](kept)
kept.append(7)
make(0)
if fill:
    with open(fill, "wb", 0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError as error:
            print(error.strerror)
for number in range(1, 100):
    make(number)
big = b"x" * (KEPT + kept[0])
print(len(kept), sum(map(len, kept[1:])), sys.getsizeof(b""))
""".replace("KEPT", str(KEPT))


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(megabytes) mounts a disk of that size and returns its directory."""
    mounted = []

    def mount(size):
        place = tmp_path / "disk"
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "peakline-test", place]
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("only root can mount a small disk")
        if subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode != 0:
            pytest.skip("mounting is not allowed here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def test_start_on_a_full_disk(run_peakline, peakline, python, app, small_disk):
    disk = small_disk("256k")
    with open(disk / "fill", "wb", 0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    words = ["run", "-o", disk / "result", "--no-open", "--python", python, app("print('ran')")]
    done = run_command([peakline, *words])
    assert (done.returncode, done.stdout) == (125, "")
    assert re.fullmatch(r"peakline: the disk that holds \S+ is full; .*-o DIR\n", done.stderr)
    assert not (disk / "result").exists()


def test_disk_fills_during_the_run(peakline, python, app, small_disk):
    path = app(MANY)
    disk = small_disk("2m")
    plain = run_command([python, "-S", path, disk / "fill"])
    (disk / "fill").unlink()
    words = ["-o", disk / "result", "--no-open", "--python", python, "-S", path, disk / "fill"]
    done = run_command([peakline, "run", *words])
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    assert "No space left on device" in done.stdout
    assert "disk was full" in done.stderr
    report = read_report(peakline, disk / "result")
    assert report["ledger"]["disk_full"] is True
    assert report["ledger"]["merged_stacks"] > 1_000
    assert [each for each in report["warnings"] if "disk was full" in each]
    assert report["peak_bytes"] > KEPT
    # The bytes are still all there, charged further out.
    assert report["blame"][0]["bytes"] >= KEPT


def test_result_directory_removed_during_the_run(run_peakline, peakline, python, app, tmp_path):
    path = app(MANY.replace("fill = ", "import shutil; shutil.rmtree(sys.argv[1]); fill = None and "))
    plain_place = tmp_path / "plain"
    plain_place.mkdir()
    plain = run_command([python, "-S", path, plain_place])
    words = ["-o", tmp_path / "gone", "--no-open", "-q", "--python", python, "-S", path, tmp_path / "gone"]
    done = run_command([peakline, "run", *words])
    assert (done.returncode, done.stdout) == (0, plain.stdout)
    assert done.stderr.startswith("peakline: ") and done.stderr.count("\n") <= 2


@pytest.mark.parametrize("size", [MIB, 2 * MIB])
def test_file_size_limit(same_as_python, peakline, python, app, size):
    """The kernel would answer a ledger that is too large with a deadly signal."""
    path = app(MANY)
    done = same_as_python(
        ["-S", path], python=python, preexec_fn=limit(resource.RLIMIT_FSIZE, size)
    )
    report = read_report(peakline, done.result)
    assert report["ledger"]["disk_full"] is True
    assert report["peak_bytes"] > KEPT


def test_file_size_limit_set_by_the_program(same_as_python, peakline, python, app):
    path = app("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n" + MANY)
    done = same_as_python(["-S", path], python=python)
    assert read_report(peakline, done.result)["ledger"]["disk_full"] is True


def test_tables_full(same_as_python, peakline, python, app):
    """Under a small `ulimit -v` the record is small, too: stacks beyond it go to their callers."""
    path = app(MANY)
    done = same_as_python(
        ["-S", path], python=python, preexec_fn=limit(resource.RLIMIT_AS, 220 * MIB)
    )
    report = read_report(peakline, done.result)
    assert report["ledger"]["table_full"] is True
    assert [each for each in report["warnings"] if "more stacks than" in each]


RECURSION = """\
def left(levels, way):
    return levels and (left if way & 1 else right)(levels - 1, way >> 1) + len(str(levels)) * 0
def right(levels, way):
    return levels and (left if way & 1 else right)(levels - 1, way >> 1) + len(str(levels)) * 0
def main():
    for way in range(4_000):
        left(40, way * 2_654_435_761)
    return b"x" * size
size = 40_000_000
kept = main()
"""


def test_recursion_fills_the_tables_and_the_lines_of_the_program_stay(same_as_python, peakline, python, app):
    """The last places of a record are for short stacks: what a program does after it has filled all others is on its line."""
    path = app(RECURSION)
    done = same_as_python(["-S", path], python=python, preexec_fn=limit(resource.RLIMIT_AS, 220 * MIB))
    report = read_report(peakline, done.result)
    assert report["ledger"]["table_full"] is True and report["ledger"]["merged_stacks"] > 0
    assert [held.size for held in report.at(path, 8)] == [40_000_000 + 33]


# ---- allocators ----------------------------------------------------------------------------------------------

POINTS = TARGETS / "stack_points.py"


@pytest.mark.parametrize(
    "words, env",
    [
        ([], {"PYTHONMALLOC": "malloc"}),
        ([], {"PYTHONMALLOC": "debug"}),
        ([], {"PYTHONMALLOC": "malloc_debug"}),
        ([], {"PYTHONMALLOC": "mimalloc"}),
        (["-X", "dev"], {}),
        (["-X", "tracemalloc"], {}),
        (["-O", "-W", "error"], {}),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "".join(each.values()),
)
def test_other_allocators(same_as_python, peakline, python, words, env):
    """Same program, same answer: what was requested does not depend on who answers the request."""
    env = {**os.environ, **env}
    if run_command([python, "-c", "pass"], env=env).returncode != 0:
        pytest.skip("this Python has no such allocator")
    done = same_as_python(["-S", *words, POINTS], python=python, env=env)
    report = read_report(peakline, done.result)
    header = int(done.stdout)
    assert report["python_status"] == "verified"
    wrong = []
    for mark in read_marks(POINTS):
        held = report.at(POINTS, mark.line)
        sizes = [(each.size, each.blocks) for each in held]
        if sizes != [(mark.times * (header + mark.size), mark.times)]:
            wrong.append((mark, sizes))
    assert wrong == []


@pytest.mark.parametrize("allocator", ["debug", "malloc"])
def test_nothing_is_missed_when_start_up_replaces_the_allocators(
    run_peakline, peakline, python, app, allocator
):
    """PYTHONMALLOC makes Python throw our wrappers away early; not one object is lost by that."""
    path = app("kept = bytes(20_000_003)\n")
    seen = []
    for value in ("", allocator):
        env = {**os.environ, "PYTHONMALLOC": value}
        done = run_peakline(["-S", path], python=python, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        report = read_report(peakline, done.result)
        before = [each for each in report["blame"] if each["function"] == "[before Python]"]
        seen.append([(each["bytes"], each["blocks"]) for each in before])
    assert len(seen[0]) == 1
    assert seen[0] == seen[1]


TRACES = """\
import tracemalloc
X = b"x"
tracemalloc.start(5)
kept = X * 5_000_011
trace = tracemalloc.get_object_traceback(kept)
print(trace, [each.size for each in tracemalloc.take_snapshot().traces if each.size > 4_000_000])
tracemalloc.stop()
big = X * 20_000_003
"""


def test_program_that_uses_tracemalloc(same_as_python, peakline, python, app):
    path = app(TRACES)
    done = same_as_python(["-S", path], python=python)
    report = read_report(peakline, done.result)
    size, _ = only(report, path, 4)
    traced = int(re.search(r"\[(\d+)\]", done.stdout)[1])
    # tracemalloc's own note about the block is memory of that line, too: under 200 bytes.
    assert 0 <= size - traced < 200


# ---- threads that allocate at once ---------------------------------------------------------------------------

STRESS = """\
import ctypes, sys, threading
X = b"x"
c = ctypes.CDLL(None)
c.malloc.argtypes = [ctypes.c_size_t]
c.malloc.restype = ctypes.c_void_p
c.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
c.realloc.restype = ctypes.c_void_p
c.free.argtypes = [ctypes.c_void_p]
c.free.restype = None
kept = [None] * 4
left = [None] * 4
def work(number):
    seed = number
    mine = [None] * 64
    objects = [None] * 64
    for _ in range(6_000):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        slot = seed >> 8 & 63
        if mine[slot] is not None and seed & 64:
            mine[slot] = c.realloc(mine[slot], 1 + (seed >> 10) % 3000)
        elif mine[slot] is not None:
            c.free(mine[slot])
            mine[slot] = None
        else:
            mine[slot] = c.malloc((seed >> 10) % 3000)
        objects[slot] = [X * (seed >> 12 & 1023)] * (slot + 1)
        left[slot & 3] = objects[slot]
    for block in mine:
        if block is not None:
            c.free(block)
    kept[number] = X * (1_000_003 + number)
running = [threading.Thread(target=work, args=(each,)) for each in range(4)]
for each in running:
    each.start()
for each in running:
    each.join()
big = X * 40_000_003
print(sys.getsizeof(b""))
"""


def test_threads_that_allocate_at_once(same_as_python, peakline, python, app):
    """The checked build proves the books again and again here; the sizes prove them from outside."""
    path = app(STRESS)
    done = same_as_python(["-S", path], python=python)
    report = read_report(peakline, done.result)
    header = int(done.stdout)
    assert report.sum_at(path, 31) == (4 * (header + 1_000_003) + 6, 4)
    # Every block of C's was freed: nothing is left on those lines but Python's own small integers.
    for line in (19, 24):
        assert report.sum_at(path, line)[0] < 4_096
    assert report["ledger"]["dropped_events"] == 0


# ---- forks and ends ------------------------------------------------------------------------------------------

FORK = """\
import os, sys
X = b"x"
kept = [None] * 3
kept[0] = X * 3_000_017
child = os.fork()
if child == 0:
    kept[1] = X * 60_000_011
    kept[0] = None
    os.write(1, b"child %d\\n" % len(kept[1]))
    END
pid, status = os.waitpid(child, 0)
kept[2] = X * 20_000_003
print(sys.getsizeof(b""), status)
"""


@pytest.mark.parametrize("end", ["os._exit(3)", "sys.exit(3)", "os.abort()"])
def test_fork(same_as_python, peakline, python, app, end):
    path = app(FORK.replace("END", end))
    done = same_as_python(
        ["-S", path], python=python, preexec_fn=limit(resource.RLIMIT_CORE, 0)
    )
    header, status = map(int, done.stdout.split("\n")[-2].split())
    assert status != 0
    report = read_report(peakline, done.result)
    # The child lets go of what it inherited: its parent still has it.
    assert only(report, path, 4) == (header + 3_000_017, 1)
    assert only(report, path, 7) == (header + 60_000_011, 1)
    assert report.at(path, 12) == []


MANY_FORKS = """\
import os, threading
stop = threading.Event()
kept = []
def work():
    while not stop.is_set():
        kept[:] = [[b"x" * 100] for _ in range(50)]
running = [threading.Thread(target=work) for _ in range(3)]
for each in running:
    each.start()
statuses = []
for number in range(60):
    child = os.fork()
    if child == 0:
        [bytes(each) for each in range(500)]
        os._exit(number)
    statuses.append(os.waitpid(child, 0)[1] >> 8)
stop.set()
for each in running:
    each.join()
print(statuses == list(range(60)))
"""


def test_forks_while_threads_allocate(run_peakline, peakline, python, app):
    """The lock of the ledger may be held at the instant of the fork: no child may hang on it."""
    done = run_peakline(["-S", "-W", "ignore", app(MANY_FORKS)], python=python)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
    processes = read_report(peakline, done.result)["processes"]
    assert len(processes) == 61
    assert all(each["dropped_events"] == 0 for each in processes)


POOL = """\
import multiprocessing, sys
X = b"x"
kept = [None] * 2
def square(value):
    held = X * 50_000_017
    return value * value + len(held)
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        print(sum(pool.map(square, range(20))))
    kept[0] = X * 20_000_003
    print(sys.getsizeof(b""))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(same_as_python, peakline, python, app, method):
    path = app(POOL)
    done = same_as_python(["-S", path, method], python=python)
    report = read_report(peakline, done.result)
    # The parent's block comes when the workers are gone: the peak is theirs, one block each or both at once.
    size, blocks = report.sum_at(path, 5)
    assert size == blocks * (int(done.stdout.split()[1]) + 50_000_017)
    assert 1 <= blocks <= 2
    assert report.at(path, 11) == []


SPAWNS = """\
import subprocess, sys
print(subprocess.run([sys.executable, "-S", "-c", "print(len(bytes(10**7)))"], stdout=-1).stdout)
print(subprocess.run(["sh", "-c", "echo $LD_PRELOAD $PEAKLINE_RUN"], stdout=-1).stdout)
kept = bytes(20_000_003)
"""


def test_programs_it_starts(same_as_python, peakline, python, app):
    path = app(SPAWNS)
    done = same_as_python(["-S", path], python=python)
    assert only(read_report(peakline, done.result), path, 4)[0] >= 20_000_003


ENDS = """\
import atexit, os, sys
X = b"x"
kept = X * 20_000_003
print(sys.getsizeof(b""), flush=True)
"""


@pytest.mark.parametrize(
    "end", ["os._exit(3)", "os.abort()", "os.kill(os.getpid(), 9)", "sys.exit(3)", "raise KeyError"]
)
def test_sudden_ends_leave_a_report(run_peakline, peakline, python, app, end):
    path = app(ENDS + end + "\n")
    plain = run_command([python, "-S", path], preexec_fn=limit(resource.RLIMIT_CORE, 0))
    done = run_peakline(["-S", path], python=python, preexec_fn=limit(resource.RLIMIT_CORE, 0))
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    assert only(read_report(peakline, done.result), path, 3) == (int(done.stdout) + KEPT, 1)


DEATHS = {
    "SIGTERM": "import os; os.kill(os.getpid(), 15)",
    "SIGHUP": "import os; os.kill(os.getpid(), 1)",
    "SIGINT": "import os; os.kill(os.getpid(), 2)",
    "segmentation fault": "import ctypes; ctypes.string_at(8)",
    "stack overflow": "import ctypes; ctypes.CDLL({overflow!r}).overflow(0)",
    "exec": "import os; os.execv('/bin/sh', ['sh', '-c', 'exit 7'])",
    "in finalisation": """\
import ctypes
class Last:
    def __del__(self, die=ctypes.pythonapi.Py_FatalError):
        die(b"the end")
sys.last = Last()""",
}


@pytest.mark.parametrize("end", DEATHS)
def test_other_ends_leave_a_report(compiler, run_peakline, peakline, python, app, end):
    """The same status as plain, and all bytes in place. What the interpreter says of a fatal error has addresses in it."""
    text = DEATHS[end].replace("{overflow!r}", repr(str(compiler.library("overflow"))))
    path = app(ENDS + text + "\n")
    plain = run_command([python, "-S", path], preexec_fn=limit(resource.RLIMIT_CORE, 0))
    done = run_peakline(["-S", path], python=python, preexec_fn=limit(resource.RLIMIT_CORE, 0))
    assert plain.returncode != 0
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout)
    assert done.stderr.splitlines()[:1] == plain.stderr.splitlines()[:1]
    assert only(read_report(peakline, done.result), path, 3) == (int(done.stdout) + KEPT, 1)


AT_EXIT = """\
import atexit, sys
X = b"x"
def last():
    global kept
    kept = X * 20_000_003
    print(sys.getsizeof(b""))
atexit.register(last)
class Late:
    def __del__(self):
        late = X * 30_000_001
        print(len(late))
forever = Late()
"""


def test_what_is_allocated_at_exit(same_as_python, peakline, python, app):
    path = app(AT_EXIT)
    done = same_as_python(["-S", path], python=python)
    header, late = map(int, done.stdout.split())
    report = read_report(peakline, done.result)
    assert only(report, path, 10) == (header + late, 1)
    assert only(report, path, 5) == (header + KEPT, 1)


CLOSES = "import os\nos.closerange(3, 1 << 16)\n" + MANY


def test_program_that_closes_all_descriptors(same_as_python, peakline, python, app):
    """The ledger needs none: it is opened when it must grow, and closed again."""
    path = app(CLOSES)
    done = same_as_python(["-S", path], python=python)
    report = read_report(peakline, done.result)
    assert report["ledger"]["disk_full"] is False
    assert report["ledger"]["merged_stacks"] == 0
    assert {(f"/nowhere/{each}.py", 2) for each in range(100)} <= set(report.rows)


def test_descriptors_are_the_same(same_as_python, python, app):
    """None is kept open: a program that counts on the next number gets it."""
    same_as_python(["-S", app("import os\nprint(sorted(os.listdir('/proc/self/fd')), os.dup(0))")])


def test_no_descriptor_left_to_open(same_as_python, peakline, python, app):
    """The program has used up its descriptors: the ledger stops growing, nothing breaks."""
    code = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n" + MANY
    done = same_as_python(["-S", app(code)], python=python)
    assert read_report(peakline, done.result)["peak_bytes"] > KEPT
