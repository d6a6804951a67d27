# SPDX-License-Identifier: Apache-2.0
"""The runtime inside hostile C programs: errno, signal handlers, threads, forks, early allocations,
other allocators, and death at any moment.

The programs are in tests/runtime. Most of them only have the face of an interpreter
(fake_interpreter.h): they are recorded, and no Python stands between the test and the runtime."""

import json
import os
import random
import re
import shutil
import signal
import sys
import sysconfig

import pytest
import reports
from compiling import Compiler
from running import run_command
from test_tree import CHOSEN

MEBIBYTE = 1 << 20


@pytest.fixture
def record(run_peakline, peakline):
    """record([program, ...]) runs it under Peakline and returns the Run and the JSON report."""

    def run(words, **keywords):
        done = run_peakline(["--", *words], **keywords)
        return done, read_report(peakline, done.result)

    return run


def read_report(peakline, directory) -> dict:
    done = run_command([peakline, "report", directory, "--format", "json"])
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert sum(report["stacks"]["bytes"]) == report["peak"]["bytes"]
    assert sum(report["stacks"]["blocks"]) == report["peak"]["blocks"]
    return report


def assert_exact(report):
    """Nothing was lost on the way: what the stacks hold is the peak, byte for byte."""
    ledger = report["ledger"]
    assert ledger["in_flight_bytes"] == 0
    assert ledger["surplus_bytes"] == 0
    assert ledger["merged_stacks"] == 0


# ---- lists of arguments -------------------------------------------------------------------------


def cross_compiler(folder) -> Compiler:
    words = ("aarch64-linux-gnu-gcc", "qemu-aarch64-static")
    missing = [word for word in words if shutil.which(word) is None]
    if missing:
        pytest.skip("no " + " and no ".join(missing) + " here")
    return Compiler(words[0], folder)


@pytest.mark.parametrize("machine", ["this", "aarch64"])
def test_the_arguments_and_the_environment_of_execl(compiler, tmp_path, machine):
    """execle takes the environment from behind the arguments. On aarch64 a list that another function went through is
    only gone through for its caller too when it was lent, not copied; on x86-64 it is always."""
    if machine == "this":
        done = run_command([compiler.program("execl_arguments")])
    else:
        done = run_command(["qemu-aarch64-static", cross_compiler(tmp_path).program("execl_arguments", "-static")])
    assert done.stdout.splitlines() == [
        "/bin/l: l | INHERITED=1",
        "p: p a | INHERITED=1",
        "/bin/e: e | OWN=1",
        "/bin/e: e a b | OWN=1",
        "/bin/e: e a b c d e f g h i | OWN=1",
    ], done.stderr


# ---- errno --------------------------------------------------------------------------------------


def test_every_call_leaves_errno_as_the_c_library_does(compiler, record):
    program = compiler.program("errno_kept")
    plain = run_command([program])
    ours, _ = record([program])
    assert ours.stdout == plain.stdout
    assert ours.returncode == plain.returncode == 0
    assert "malloc too large: failed, errno 12" in plain.stdout  # the program does reach its end
    assert "dlerror: " in plain.stdout


# ---- signal handlers ----------------------------------------------------------------------------


def test_a_handler_that_maps_memory_is_counted_like_anybody(compiler, record):
    """Signals wait while a map is recorded, so nothing is dropped."""
    done, report = record([compiler.program("handler"), "maps", "4000"])
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert report["ledger"]["dropped_events"] == 0
    # stdio aside, one map of the loop's and one of the handler's
    assert 8192 + 4096 <= report["peak"]["bytes"] <= 8192 + 4096 + 65536
    assert_exact(report)


@pytest.mark.parametrize("others", [(), ("with another thread",)])
def test_a_handler_that_leaves_by_a_jump(compiler, record, others):
    done, report = record([compiler.program("jumper"), *others])
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert report["peak"]["bytes"] >= 100 * MEBIBYTE
    assert report["ledger"]["dropped_events"] == 0


def test_a_handler_that_allocates_blocks_with_another_allocator_behind_us(compiler, record):
    bump = compiler.library("bump")
    handler = compiler.program("handler")
    done, report = record(
        [handler, "blocks", "4000"], env={**os.environ, "LD_PRELOAD": str(bump)}
    )
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert report["ledger"]["dropped_events"] > 0
    assert_exact(report)


# ---- threads and forks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "storm, rounds", [("threads", 3000), ("strangers", 20000), ("c11", 40000), ("forks", 150)]
)
def test_after_a_storm_every_byte_is_accounted_for(compiler, record, storm, rounds):
    done, report = record([compiler.storms(), storm, rounds])
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
    ledger = report["ledger"]
    assert_exact(report)
    # Nor of the early library's fork handlers: ours is registered before its constructor, and runs last and first.
    assert ledger["dropped_events"] == ledger["missed_frees"] == 0
    # The storm has freed what it took: the peak is the last block, what libc and the loader keep for
    # 4 threads (stacks and thread-local areas are mapped by libc itself and not seen), and stdio.
    assert 64 * MEBIBYTE <= report["peak"]["bytes"] <= 64 * MEBIBYTE + 65536
    assert ledger["live_bytes"] <= 65536
    # One struct for each thread that lives at a time, not for each that ever lived.
    assert report["processes"][0]["own_bytes"] <= 4 * MEBIBYTE


@pytest.mark.parametrize("storm, rounds", [("moves", 20000), ("unmaps", 500)])
def test_maps_of_racing_and_failing_calls_stay_counted(compiler, record, storm, rounds):
    done, report = record([compiler.storms(), storm, rounds])
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
    # The pages the storm kept, and the last block: what else libc and the loader hold is a few of them.
    kept = rounds * 4096 + 64 * MEBIBYTE
    assert kept <= report["peak"]["bytes"] < kept + MEBIBYTE


def test_a_forked_child_leaves_its_parents_record_alone(run_peakline, peakline, tmp_path):
    (tmp_path / "app.py").write_text(
        "import os, sys\n"
        "held = bytearray(20 << 20)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    more = bytearray(200 << 20)\n"
        "    sys.exit(5)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "      if hasattr(os, 'waitstatus_to_exitcode') else 5)\n"
    )
    done = run_peakline(["app.py"])
    assert (done.returncode, done.stdout) == (0, "5\n")
    report = read_report(peakline, done.result)
    parent, forked = report["processes"]
    assert 20 * MEBIBYTE <= parent["peak_bytes"] < 40 * MEBIBYTE
    assert 200 * MEBIBYTE <= forked["peak_bytes"] < 201 * MEBIBYTE
    assert 220 * MEBIBYTE <= report["peak"]["bytes"] < 240 * MEBIBYTE
    assert parent["state"] == forked["state"] == "ended"


def test_daemon_threads_that_allocate_while_python_ends(compiler, each_python, run_peakline):
    library = compiler.library("churn_library")
    code = (
        "import ctypes, threading\n"
        f"churn = ctypes.CDLL({str(library)!r}).churn\n"
        "churn.argtypes = [ctypes.c_long]\n"
        "for i in range(3):\n"
        "    threading.Thread(target=churn, args=(-1,), daemon=True).start()\n"
        "churn(1000)\n"
        "print('fine')\n"
    )
    for _ in range(5):
        done = run_peakline(["-c", code], python=each_python.path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_thousands_of_children(compiler, peakline, run_peakline):
    """Each has its own ledger, and the report is made of all of them. Ten thousand are a part of the soak test: on a
    busy disk they take minutes."""
    done = run_peakline(["--", compiler.program("many_children"), 2_000])
    assert (done.returncode, done.stdout, done.stderr) == (0, "2000\n", "")
    report = read_report(peakline, done.result)
    assert len(report["processes"]) == 2_001
    assert {each["peak_bytes"] for each in report["processes"][1:]} == {1_000_003}
    assert 1_000_003 <= report["peak"]["bytes"] < 1_000_003 + 65_536
    assert (done.result / "report.html").stat().st_size < 2 << 20
    shutil.rmtree(done.result)


# ---- other programs -----------------------------------------------------------------------------


def test_a_program_without_python_is_left_as_it_is(compiler, run_peakline):
    done = run_peakline(["--", compiler.program("plain")])
    assert (done.returncode, done.stdout) == (3, "LD_PRELOAD=\nPEAKLINE_RUN=\n")
    assert not list(done.result.glob("ledger-*"))
    # -q drops the summary, not the word that there is none
    assert "nothing was recorded" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_python_that_another_program_becomes_is_recorded(compiler, run_peakline, peakline, python):
    code = (
        "import os\n"
        "held = bytearray(30 << 20)\n"
        "print([name for name in ('LD_PRELOAD', 'PEAKLINE_RUN') if name in os.environ])\n"
    )
    done = run_peakline(["--", compiler.program("plain"), python, "-c", code])
    assert done.returncode == 0
    assert done.stdout.endswith("\n[]\n")
    assert read_report(peakline, done.result)["peak"]["bytes"] >= 30 * MEBIBYTE


def test_a_shell_that_starts_python(run_peakline, peakline, python):
    command = f"'{python}' -c 'held = bytearray(30 << 20)'; exit 4"
    done = run_peakline(["--", "/bin/sh", "-c", command])
    assert (done.returncode, done.stdout, done.stderr) == (4, "", "")
    assert read_report(peakline, done.result)["peak"]["bytes"] >= 30 * MEBIBYTE


def test_other_preloaded_libraries_stay_in_the_environment(compiler, run_peakline, python):
    bump = compiler.library("bump")
    done = run_peakline(
        ["-c", "import os; print(os.environ.get('LD_PRELOAD'), 'PEAKLINE_RUN' in os.environ)"],
        env={**os.environ, "LD_PRELOAD": str(bump)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{bump} False\n"


def test_a_library_finds_its_neighbour_as_if_we_were_not_there(compiler, record):
    """The dynamic linker looks at who calls dlopen: our hook must end in a jump."""
    inner = compiler.folder / "inner"
    inner.mkdir(exist_ok=True)
    compiler.library("churn_library", target="inner/libneighbour.so")
    compiler.library("loader", f"-Wl,--enable-new-dtags,-rpath,{inner}", "-ldl")
    load = compiler.program(
        "load", f"-L{compiler.folder}", f"-Wl,-rpath,{compiler.folder}", "-lloader"
    )
    assert run_command([load, "libneighbour.so"]).stdout == "found\n"
    done, _ = record([load, "libneighbour.so"])
    assert done.stdout == "found\n"


@pytest.fixture
def embedding(compiler):
    """embedding(name) compiles a program with this Python inside; skips where it has no library."""
    name = sysconfig.get_config_var("LDLIBRARY") or ""
    folder = sysconfig.get_config_var("LIBDIR") or ""
    found = re.fullmatch(r"lib(python.*)\.so", name)
    if found is None or not os.path.exists(f"{folder}/{name}"):
        pytest.skip("this Python has no shared library to link")
    options = (f"-L{folder}", f"-Wl,-rpath,{folder}", f"-l{found.group(1)}")
    return lambda program: compiler.program(program, *options)


HOME = {**os.environ, "PYTHONHOME": sys.base_prefix}


def test_python_inside_another_program(embedding, record):
    program = embedding("embed")
    assert run_command([program], env=HOME).stdout == "fine\n"
    done, report = record([program], env=HOME)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
    assert report["python_status"] in ("verified", "attached")
    assert_exact(report)
    assert 64 * MEBIBYTE <= report["peak"]["bytes"] <= 80 * MEBIBYTE
    assert "hold" in report["functions"]["name"]


def test_a_thread_state_made_by_one_thread_and_run_by_another(embedding, run_peakline):
    """Up to 3.11 the state names the thread that made it, which must not walk the other's frames."""
    program = embedding("handed_over")
    assert run_command([program], env=HOME).stdout == "fine\n"
    for _ in range(6):
        done = run_peakline(["--", program], env=HOME)
        assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


# ---- death at any moment ------------------------------------------------------------------------


def test_a_record_killed_at_any_moment_reads_back(compiler, peakline, run_peakline):
    """100 moments, chosen by the number of allocations made so far. One event may be under way: no
    block and no map of that program is larger than 64 KiB."""
    program = compiler.program("killed")
    chosen = random.Random(20261123)
    for _ in range(100):
        moment = int(10 ** chosen.uniform(1, 5))
        done = run_peakline(["--", program, moment])
        assert done.returncode == -signal.SIGKILL, moment
        report = read_report(peakline, done.result)
        ledger = report["ledger"]
        assert ledger["state"] == "running"
        assert ledger["in_flight_bytes"] <= 65536, (moment, ledger)
        assert ledger["surplus_bytes"] <= 65536, (moment, ledger)
        assert ledger["dropped_events"] == 0
        shutil.rmtree(done.result)


def test_a_python_killed_while_its_tables_grow(peakline, run_peakline, tmp_path):
    """New functions at new lines without end: stacks, functions and strings are being appended when
    the process is killed from another thread of its own."""
    (tmp_path / "app.py").write_text(
        "import os, signal, sys, threading\n"
        "moment = int(sys.argv[1])\n"
        "made = 0\n"
        "def kill():\n"
        "    while made < moment:\n"
        "        pass\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "threading.Thread(target=kill, daemon=True).start()\n"
        "sys.setswitchinterval(1e-5)\n"
        "kept = []\n"
        "while True:\n"
        "    code = f'def f{made}():\\n' + '\\n' * (made % 50) + '    return [object()]\\n'\n"
        "    scope = {}\n"
        "    exec(compile(code, f'generated-{made}.py', 'exec'), scope)\n"
        "    kept.append(scope[f'f{made}']())\n"
        "    made += 1\n"
    )
    chosen = random.Random(7)
    for _ in range(20):
        moment = chosen.randrange(1, 6000)
        done = run_peakline(["app.py", moment])
        assert done.returncode == -signal.SIGKILL, moment
        report = read_report(peakline, done.result)
        ledger = report["ledger"]
        # lists of the interpreter's own: the largest single block is the list `kept`
        assert ledger["in_flight_bytes"] <= 65536, (moment, ledger)
        assert ledger["surplus_bytes"] <= 65536, (moment, ledger)
        shutil.rmtree(done.result)


def alone(peakline, result, pid, folder):
    """The report about one process of a run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("run.json", f"ledger-{pid}"):
        shutil.copy(result / name, folder)
    return read_report(peakline, folder)


def test_hundreds_of_children_killed_at_random_by_their_parent(
    compiler, peakline, run_peakline, tmp_path
):
    """Four threads that do nothing but allocate, in each of 400 children; none knows when it dies. What each held then
    is known: its threads had told their parent, no more than one call of each late."""
    program = compiler.program("killed_children")
    done = run_peakline(["--", program, 400, 20261123])
    assert (done.returncode, done.stderr) == (0, "")
    said = dict(map(int, line.split()) for line in done.stdout.splitlines())
    assert len(said) == 400
    report = read_report(peakline, done.result)
    ended = {each["pid"]: each for each in report["processes"][1:]}
    assert 300 <= len(ended) <= 400  # an eighth is killed at once: before its first call it has no ledger
    assert all(said[pid] == 0 for pid in said if pid not in ended)
    late = 4 * 16_384  # one call of each thread
    own = 4 * 1_000  # what libc keeps for a thread
    for pid, process in ended.items():
        assert process["state"] == "running"
        assert process["dropped_events"] == 0
        assert 0 <= process["end_bytes"] - said[pid] <= late + own, (pid, process, said[pid])
        ledger = alone(peakline, done.result, pid, tmp_path / "alone")["ledger"]
        assert ledger["in_flight_bytes"] <= 16_384, (pid, ledger)
        assert ledger["surplus_bytes"] <= 16_384, (pid, ledger)


CHILDREN = """\
import gc, mmap, os, random, signal, sys, threading, time
X = b"x"
gc.disable()  # what is there stays there
said = memoryview(mmap.mmap(-1, 4096)).cast("q")
kept = [[None] * 20_000 for _ in range(4)]
def hold(number, turn, size):
    kept[number][turn] = X * size  # hold
def live(number):
    for turn in range(20_000):
        scope = {"hold": hold, "number": number, "turn": turn}
        code = "\\n" * (turn % 50) + "def f%d():\\n    hold(number, turn, 10_000 + turn %% 5_000)\\nf%d()" % (turn, turn)
        exec(compile(code, "generated-%d.py" % turn, "exec"), scope)
        said[number] += 1
def child():
    for number in range(3):
        threading.Thread(target=live, args=(number,)).start()
    live(3)
dice = random.Random(sys.argv[1])
for _ in range(int(sys.argv[2])):
    for number in range(4):
        said[number] = 0
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(1)
    moment = int(2 ** (dice.random() * 9))
    while sum(said[number] for number in range(4)) < moment:
        time.sleep(0)
    for _ in range(dice.randrange(3_000)):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    print(pid, *(said[number] for number in range(4)))
print(sys.getsizeof(X) - 1)
"""


@pytest.mark.parametrize("python", CHOSEN, ids=[each.name for each in CHOSEN])
def test_python_children_killed_while_their_threads_make_new_stacks(
    peakline, run_peakline, python, tmp_path
):
    """60 children of four threads, each call a new function at a new line: all tables grow when the parent kills."""
    path = tmp_path / "app.py"
    path.write_text(CHILDREN)
    line = CHILDREN[: CHILDREN.index("# hold")].count("\n") + 1
    done = run_peakline(["-W", "ignore", path, 7, 60], python=python.path)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, header = done.stdout.splitlines()
    report = read_report(peakline, done.result)
    assert len(report["processes"]) == 61
    for pid, *turns in (map(int, each.split()) for each in lines):
        report = reports.Report(alone(peakline, done.result, pid, tmp_path / "alone"))
        ledger = report["ledger"]
        assert ledger["state"] == "running"
        assert ledger["dropped_events"] == 0
        assert ledger["in_flight_bytes"] <= 65536, (pid, ledger)
        assert ledger["surplus_bytes"] <= 65536, (pid, ledger)
        size, blocks = report.sum_at(path, line)
        # A block that is there and not told yet, a thread. Fewer: came after the highest moment, when what four
        # compilations needed for a while (some 20 KB each) was given back.
        assert -12 <= blocks - sum(turns) <= 4, (pid, turns)
        assert blocks * (int(header) + 10_000) <= size <= blocks * (int(header) + 14_999)


def test_running_out_of_descriptors_for_a_while(peakline, run_peakline, tmp_path):
    """The ledger file is opened anew when a table grows. What cannot be done now may be possible
    later, and it is no full disk."""
    (tmp_path / "app.py").write_text(
        "import os, resource\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "kept = []\n"
        "def run(first, last):\n"
        "    for i in range(first, last):\n"
        "        scope = {}\n"
        "        exec(f'def f{i}():\\n    return [object()]\\n', scope)\n"
        "        kept.append(scope[f'f{i}']())\n"
        "run(0, 10)\n"
        "taken = []\n"
        "try:\n"
        "    while True:\n"
        "        taken.append(os.open('/dev/null', os.O_RDONLY))\n"
        "except OSError:\n"
        "    pass\n"
        "run(10, 3000)\n"
        "for each in taken:\n"
        "    os.close(each)\n"
        "run(3000, 3010)\n"
        "def hold():\n"
        "    return bytearray(30 << 20)\n"
        "held = hold()\n"
    )
    done = run_peakline(["app.py"])
    assert (done.returncode, done.stderr) == (0, "")
    report = read_report(peakline, done.result)
    assert report["ledger"]["merged_stacks"] > 0  # the tables did want to grow
    assert not report["ledger"]["disk_full"]
    assert not report["ledger"]["table_full"]
    assert "hold" in report["functions"]["name"]
    assert report["blame"][0]["function"] == "hold"


def test_a_python_whose_ledger_cannot_be_made_runs_and_it_is_said(run_peakline, python):
    """No file may be written there: the program must not notice, and -q must not hide it."""
    command = f"ulimit -f 0; exec '{python}' -c 'print(\"fine\")'"
    done = run_peakline(["--", "/bin/sh", "-c", command])
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert "nothing was recorded" in done.stderr
    assert done.stderr.count("\n") == 1
