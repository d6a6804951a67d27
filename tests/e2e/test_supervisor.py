# SPDX-License-Identifier: Apache-2.0
"""The supervisor beside the run: what it sees from outside, a report of the run so far, its own
death, and what it costs.

No test sleeps: the program says what it has done, and waits to be told to go on."""

import json
import os
import signal
import struct
import subprocess
from pathlib import Path

import pytest
from reports import read_report, read_run
from running import find_witness, run_command, wait_for_end
from test_accuracy_routes import SOME

MIB = 1 << 20


@pytest.fixture(params=SOME, ids=[each.name for each in SOME])
def python(request):
    return request.param.path


HEADER = struct.Struct("<8s 4I 2Q 4I 14Q")
HEADER_NAMES = (
    "magic version byte_order points processes start_unix_ns start_mono_ns point_count "
    "process_count lost_processes process_most samples pss_samples cpu_ns rss_peak_bytes "
    "rss_peak_ns rss_peak_file_bytes swap_peak_bytes swap_peak_ns pss_peak_bytes pss_peak_ns "
    "tracked_peak_bytes tracked_peak_ns end_ns"
).split()
POINT = struct.Struct("<7Q 2I")
POINT_NAMES = "first_ns last_ns rss file swap pss tracked processes samples".split()


class Timeline:
    """docs/ledger-format.md, read by somebody else."""

    def __init__(self, result):
        data = (result / "timeline").read_bytes()
        self.header = dict(zip(HEADER_NAMES, HEADER.unpack_from(data)))
        assert self.header["magic"] == b"PEAKTIME"
        self.points = [
            dict(zip(POINT_NAMES, POINT.unpack_from(data, 4096 + 64 * i)))
            for i in range(self.header["point_count"])
        ]


class Program:
    """`peakline run` with a program that speaks over its pipes."""

    def __init__(self, words, result, cwd):
        self.result = result
        self.process = subprocess.Popen(
            words,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hear(self):
        return self.process.stdout.readline().strip()

    def tell(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self):
        """What is left of its output, what it and Peakline said as errors, its status."""
        self.process.stdin.close()
        out, errors = self.process.stdout.read(), self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return out, errors, self.process.wait(timeout=60)


@pytest.fixture
def start(peakline, python, tmp_path):
    started = []

    def run(code, *options):
        (tmp_path / "app.py").write_text(code)
        result = tmp_path / "result"
        words = [peakline, "run", "--no-open", "-o", result, "--python", python, *options]
        program = Program([str(word) for word in [*words, "app.py"]], result, tmp_path)
        started.append(program)
        return program

    yield run
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


HOLD = f"""\
import os, sys
print(os.getpid(), flush=True)
keep = bytearray({200 * MIB})
print("full", flush=True)
sys.stdin.readline()
del keep
print("empty", flush=True)
sys.stdin.readline()
"""


def wait_for_samples(result, count):
    """Until that many more samples were taken."""
    wanted = Timeline(result).header["samples"] + count
    while Timeline(result).header["samples"] < wanted:
        pass


def test_the_timeline_sees_the_hill(start):
    """200 MiB come and go; the points, the peaks and run.json agree about it."""
    program = start(HOLD, "-q")
    program.hear()
    assert program.hear() == "full"
    wait_for_samples(program.result, 2)
    program.tell()
    assert program.hear() == "empty"
    wait_for_samples(program.result, 2)
    program.tell()
    assert program.finish() == ("", "", 0)

    timeline = Timeline(program.result)
    info = read_run(program.result)
    most = max(point["rss"] for point in timeline.points)
    assert 200 * MIB < most < 260 * MIB
    assert timeline.header["rss_peak_bytes"] == most
    assert timeline.points[-1]["rss"] < 60 * MIB
    # The kernel's own maximum is at least what was seen; it batches a few pages a thread.
    assert most <= info["rss_peak_bytes"] < most + 8 * MIB
    assert 200 * MIB < max(point["tracked"] for point in timeline.points) < 215 * MIB
    assert info["tracked_peak_bytes"] == timeline.header["tracked_peak_bytes"]
    assert info["pss_peak_bytes"] <= info["rss_peak_bytes"]
    assert info["processes_most"] == 1


def test_the_timeline_follows_the_program_through_exec(start):
    """The second program of the same process has a record of its own, and so has the third."""
    program = start(
        "import os, sys\n"
        "step = int(sys.argv[1]) if len(sys.argv) > 1 else 0\n"
        f"keep = bytearray(step * {40 * MIB})\n"
        "print(step, flush=True)\n"
        "sys.stdin.readline()\n"
        "if step < 2: os.execv(sys.executable, [sys.executable, 'app.py', str(step + 1)])\n",
        "-q",
    )
    for step in range(3):
        assert program.hear() == str(step)
        wait_for_samples(program.result, 2)
        tracked = Timeline(program.result).points[-1]["tracked"]
        assert step * 40 * MIB < tracked < step * 40 * MIB + 10 * MIB
        program.tell()
    assert program.finish() == ("", "", 0)


def test_what_it_costs(start):
    """At most 1 % of a core, by the supervisor's own clock, while memory moves all the time. Start
    and end, which a short run feels more, are not part of it; 5 ms for the first looks."""
    program = start(
        "import time\n"
        "end = time.monotonic() + 2\n"
        "while time.monotonic() < end:\n"
        "    for i in range(50): keep = [bytearray(1_000_000) for j in range(i)]\n",
        "-q",
    )
    assert program.finish()[2] == 0
    header = Timeline(program.result).header
    assert header["samples"] >= 5
    assert header["cpu_ns"] < header["end_ns"] // 100 + 5_000_000
    assert read_run(program.result)["own_rss_bytes"] < 8 * MIB


def test_sigusr2_writes_a_report_and_the_program_does_not_notice(start, peakline):
    program = start(HOLD, "-q")
    pid = int(program.hear())
    assert program.hear() == "full"
    program.process.send_signal(signal.SIGUSR2)
    said = program.process.stderr.readline()
    assert "report of the run so far, peak 20" in said and said.endswith("result/report.html\n")
    page = (program.result / "report.html").read_text()
    assert "app.py" in page
    # Had it got the signal it would be dead: SIGUSR2 ends a process that does not expect it.
    os.kill(pid, 0)
    program.tell()
    assert program.hear() == "empty"
    program.tell()
    assert program.finish() == ("", "", 0)
    assert (program.result / "report.html").read_text() != page
    assert not list(program.result.glob("*.part"))


def test_the_program_may_end_while_a_report_is_being_written(start):
    """Many requests, one end: the last report is whole."""
    program = start("print('ready', flush=True)\nimport sys; sys.stdin.readline(); sys.exit(3)")
    assert program.hear() == "ready"
    for _ in range(20):
        program.process.send_signal(signal.SIGUSR2)
    program.tell()
    _, errors, status = program.finish()
    assert status == 3
    assert "The program ended with exit status 3." in errors
    assert (program.result / "report.html").read_text().rstrip().endswith("</html>")


def test_the_supervisor_is_killed_first(start, peakline):
    """The program goes on undisturbed; `peakline report` finishes the job."""
    program = start(HOLD, "-q")
    pid = int(program.hear())
    assert program.hear() == "full"
    wait_for_samples(program.result, 2)
    program.process.kill()
    program.process.wait()

    # While the program runs it is "running", whoever asks.
    done = run_command([peakline, "report", program.result, "--format", "text"])
    assert done.returncode == 0 and "still running" in done.stdout, done.stdout
    assert read_run(program.result)["outcome"]["kind"] == "running"

    program.tell()
    assert program.hear() == "empty"  # alive, and its pipes work
    program.tell()
    assert program.process.stdout.read() == ""  # ended
    wait_for_end(pid)
    done = run_command([peakline, "report", program.result, "--format", "json"])
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["run"]["outcome"]["kind"] == "unknown"
    assert report["peak"]["bytes"] > 200 * MIB
    info = read_run(program.result)
    assert info["outcome"]["kind"] == "unknown"
    assert info["rss_peak_bytes"] > 200 * MIB
    assert info["end_unix_ns"] > info["start_unix_ns"]
    program.finish()


def test_both_are_killed_at_once(start, peakline):
    program = start(HOLD, "-q")
    pid = int(program.hear())
    assert program.hear() == "full"
    os.kill(pid, signal.SIGSTOP)  # neither can see the other's end
    program.process.send_signal(signal.SIGSTOP)
    os.waitpid(program.process.pid, os.WUNTRACED)
    program.process.kill()
    os.kill(pid, signal.SIGKILL)
    program.process.wait()
    wait_for_end(pid)
    done = run_command([peakline, "report", program.result, "--format", "text"])
    assert done.returncode == 0, done.stderr
    assert "Nobody saw the program end" in done.stdout
    assert "app.py:3" in done.stdout
    assert read_run(program.result)["outcome"]["kind"] == "unknown"
    # And once more, now that the job is done.
    again = run_command([peakline, "report", program.result, "--format", "text"])
    assert again.stdout == done.stdout


def test_no_process_of_ours_stays_behind(start):
    """The witness dies with the supervisor, however it dies."""
    program = start(HOLD, "-q")
    program.hear()
    assert program.hear() == "full"
    witness = find_witness(program.process.pid)
    program.process.kill()
    program.process.wait()
    wait_for_end(witness)
    program.finish()


# The program ends at once; its child waits to be told, or for the program's end of the pipe.
LEAVES_A_CHILD = """\
import os, sys
wait, told = os.pipe()
ready, say = os.pipe()
if os.fork() == 0:
    {before}
    os.close(told)
    keep = bytearray(50_000_000)
    os.write(say, b"x")
    {then}
    os._exit(0)
os.read(ready, 1)
print("left", flush=True)
"""
OTHERS_OUTPUT = "os.closerange(0, 3)"


def leave(start, before, then, *options):
    program = start(LEAVES_A_CHILD.format(before=before, then=then), *options)
    assert program.hear() == "left"
    return program


def test_a_child_that_ends_soon_after_is_waited_for(start):
    """As multiprocessing's helpers do: they end when they see that the program has."""
    program = leave(start, OTHERS_OUTPUT, "os.read(wait, 1)", "-q")
    assert program.finish()[1:] == ("", 0)
    info = read_run(program.result)
    assert info["still_running"] == 0 and info["warnings"] == []
    # it may have ended before the second look, and is then in no sample; its ledger is there
    assert info["processes_most"] in (1, 2)
    assert len(list(program.result.glob("ledger-*"))) == 2


FOREVER = "__import__('signal').pause()"


def find_child(result, pid):
    return next(
        int(ledger.name.partition("-")[2])
        for ledger in result.glob("ledger-*")
        if ledger.name != f"ledger-{pid}"
    )


def program_pid(result):
    return struct.unpack_from("<I", (result / "tree").read_bytes(), 8192 + 60)[0]


def test_one_that_stays_is_named(start):
    program = leave(start, OTHERS_OUTPUT, FOREVER, "--wait=0.05")
    _, errors, status = program.finish()
    child = find_child(program.result, program_pid(program.result))
    os.kill(child, signal.SIGKILL)
    info = read_run(program.result)
    assert status == 0
    assert info["still_running"] == 1
    assert f"(pid {child})" in info["warnings"][0] and "peakline report" in info["warnings"][0]


@pytest.mark.parametrize("before, waited", [("", True), ("os.setsid(); ", False)])
def test_only_a_daemon_is_not_waited_for(start, before, waited):
    """One that made a session of its own says that nobody is to wait; others get a second."""
    program = leave(start, before + OTHERS_OUTPUT, FOREVER, "-q")
    assert program.finish()[2] == 0
    os.kill(find_child(program.result, program_pid(program.result)), signal.SIGKILL)
    info = read_run(program.result)
    assert info["still_running"] == 1
    assert info["waited_ns"] > 8e8 if waited else info["waited_ns"] == 0


def test_a_daemon_in_a_container_is_not_waited_for(peakline, python, tmp_path):
    """There Peakline is process 1, and its session was begun outside, so that it has no number."""
    code = LEAVES_A_CHILD.format(before="os.setsid(); " + OTHERS_OUTPUT, then=FOREVER)
    words = [peakline, "run", "-q", "--no-open", "-o", tmp_path / "result", "--python", python]
    inside = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    done = run_command([*inside, *words, "-c", code], cwd=tmp_path)
    if "unshare: " in done.stderr:
        pytest.skip("no containers here: " + done.stderr.strip())
    assert (done.stdout, done.stderr, done.returncode) == ("left\n", "", 0)
    info = read_run(tmp_path / "result")
    assert (info["still_running"], info["waited_ns"]) == (1, 0)


ORPHANS = """\
import os, signal, time
signal.alarm(60)  # if nobody collects them
def orphan():
    said, orphans = os.pipe()
    if os.fork() == 0:
        pid = os.fork()
        if pid > 0:
            os.write(orphans, b"%d" % pid)
        os._exit(0)
    os.wait()
    return int(os.read(said, 20))
def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
for pid in [orphan() for _ in range(5)]:
    while is_there(pid):
        time.sleep(0.001)
print("collected")
"""


def test_orphans_in_a_container_are_collected(peakline, python, tmp_path):
    """As process 1 Peakline stands where the program stood, which may have collected them by waiting for anybody's end.
    A service that runs for weeks would fill the table of processes with their remains."""
    words = [peakline, "run", "-q", "--no-open", "-o", tmp_path / "result", "--python", python]
    inside = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    done = run_command([*inside, *words, "-W", "ignore", "-c", ORPHANS], cwd=tmp_path)
    if "unshare: " in done.stderr:
        pytest.skip("no containers here: " + done.stderr.strip())
    assert (done.stdout, done.stderr, done.returncode) == ("collected\n", "", 0)


def test_control_c_ends_the_waiting(start):
    program = leave(start, OTHERS_OUTPUT, FOREVER, "--wait=1000")
    child = find_child(program.result, program_pid(program.result))
    wait_for_end(program_pid(program.result))
    while Path(f"/proc/{program_pid(program.result)}").exists():
        pass  # until the supervisor has collected it
    program.process.send_signal(signal.SIGINT)
    _, errors, status = program.finish()
    os.kill(child, signal.SIGKILL)
    assert status == 0
    assert "Report: " in errors
    assert read_run(program.result)["still_running"] == 1


def test_told_to_wait_it_waits(start):
    program = leave(start, "os.setsid(); os.close(1)", "sys.stdin.readline()", "-q", "--wait=1000")
    child = find_child(program.result, program_pid(program.result))
    program.tell()
    assert program.finish()[2] == 0
    assert not Path(f"/proc/{child}").exists() or wait_for_end(child) is None
    assert read_run(program.result)["still_running"] == 0


def test_the_sum_of_two_processes(start):
    """100 MiB in the program, then 100 MiB more in its child: the tree's resident peak is both,
    each process's own peak is its own."""
    program = start(
        "import os, sys\n"
        f"a = bytearray({100 * MIB})\n"
        "ready, say = os.pipe()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    del a\n"
        f"    b = bytearray({100 * MIB})\n"
        "    os.write(say, b'x')\n"
        "    sys.stdin.readline()\n"
        "    os._exit(0)\n"
        "os.read(ready, 1)\n"
        "print('full', flush=True)\n"
        "os.waitpid(pid, 0)\n",
        "-q",
    )
    assert program.hear() == "full"
    wait_for_samples(program.result, 2)
    program.tell()
    assert program.finish() == ("", "", 0)
    info = read_run(program.result)
    assert 200 * MIB < info["tracked_peak_bytes"] < 215 * MIB
    assert 200 * MIB < info["rss_peak_bytes"] < 300 * MIB
    assert info["program_rss_peak_bytes"] < 150 * MIB


@pytest.mark.parametrize("value", ["", "x", "-1", "1s", "nan"])
def test_wait_wants_seconds(run_peakline, value):
    done = run_peakline(["-c", "1"], options=[f"--wait={value}"])
    assert done.returncode == 2
    assert "--wait" in done.stderr


def test_duration_is_measured_by_the_clock_that_nobody_sets(run_peakline):
    """CLOCK_REALTIME of the end is not asked at all: end - start is what CLOCK_MONOTONIC counted,
    so a clock set back an hour cannot make a run of -3600 s."""
    done = run_peakline(["-c", "import time; time.sleep(0.3)"])
    info = read_run(done.result)
    taken = (info["end_unix_ns"] - info["start_unix_ns"]) / 1e9
    assert 0.3 < taken < 30


def test_a_clock_that_jumps(compiler, run_peakline, peakline):
    """An hour back or forth at each look, for us and for the program: nothing that matters asks that clock."""
    code = (
        "import time\n"
        "a = time.time()\n"
        "assert abs(time.time() - a) > 3000, 'it does not jump'\n"
        "hill = bytearray(100 << 20)\n"
        "del hill\n"
        "time.sleep(0.3)\n"
    )
    done = run_peakline(
        ["-c", code], env={**os.environ, "LD_PRELOAD": str(compiler.library("jumping_clock"))}
    )
    assert (done.returncode, done.stderr) == (0, "")
    info = read_run(done.result)
    assert 0.3 < (info["end_unix_ns"] - info["start_unix_ns"]) / 1e9 < 60
    report = read_report(peakline, done.result)
    assert 100 * MIB <= report["peak"]["bytes"] < 110 * MIB
    assert 0 < report["peak"]["time_s"] < 60
    points = report["timeline"]["time_s"]
    assert points == sorted(points) and 0 <= points[0] and points[-1] < 60
