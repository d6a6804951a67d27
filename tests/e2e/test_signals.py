# SPDX-License-Identifier: Apache-2.0
"""Signals, Ctrl-C, Ctrl-Z and deaths: with Peakline in between, nobody notices.

No test sleeps: a program says "ready" when it may be signalled, and SIGRTMIN, sent last, asks it
what it got. Signals are taken lowest number first and it has a high one, so a doubled one would
have arrived before that."""

import fcntl
import os
import resource
import select
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from running import find_witness

# The wakeup descriptor gets a byte each time the handler in C runs; Python's own handlers run once
# for several.
COUNTER = """\
import os, signal, sys
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCONT):
    signal.signal(number, lambda number, frame: None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
seen, wakeup = os.pipe()
os.set_blocking(wakeup, False)
signal.set_wakeup_fd(wakeup)
print("ready", flush=True)
signal.sigwait([signal.SIGRTMIN])
os.write(wakeup, b"\\0")
print(",".join(signal.Signals(number).name for number in os.read(seen, 100) if number), flush=True)
sys.exit(5)
"""

TIMEOUT = 30


@pytest.fixture
def start(peakline, python, tmp_path):
    """Start `peakline run -c CODE` as leader of a process group; wait until it said "ready"."""
    started = []

    def run(code, wait_ready=True, preexec_fn=os.setpgrp):
        process = subprocess.Popen(
            [
                peakline,
                "run",
                "-q",
                "--no-open",
                "-o",
                tmp_path / "result",
                "--python",
                python,
                "-c",
                code,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            preexec_fn=preexec_fn,
        )
        started.append(process)
        if wait_ready:
            assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()


def finish(process):
    # Not communicate(): it would lose what readline has read ahead.
    out, errors = process.stdout.read(), process.stderr.read()
    return out, errors, process.wait(timeout=TIMEOUT)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_group_arrives_once(start, number):
    process = start(COUNTER)
    os.killpg(process.pid, number)
    process.send_signal(signal.SIGRTMIN)
    assert finish(process) == (f"{number.name}\n", "", 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_peakline_alone_is_passed_on(start, number):
    process = start(COUNTER)
    process.send_signal(number)
    process.send_signal(signal.SIGRTMIN)
    assert finish(process) == (f"{number.name}\n", "", 5)


@pytest.mark.parametrize("file, pattern", [("comm", "peakline"), ("cmdline", "peakline run")])
def test_a_signal_by_name_is_passed_on(start, file, pattern):
    """As `pkill peakline` and `pkill -f` send it: to every process that is called so."""
    process = start(COUNTER)
    for pid in [process.pid, find_witness(process.pid)]:
        name = Path(f"/proc/{pid}/{file}").read_bytes().replace(b"\0", b" ").decode()
        if pattern in name:
            os.kill(pid, signal.SIGTERM)
    process.send_signal(signal.SIGRTMIN)
    assert finish(process) == ("SIGTERM\n", "", 5)


def test_control_c_on_a_terminal_arrives_once(peakline, python, tmp_path):
    pid, terminal = os.forkpty()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(peakline, [peakline, "run", "-q", "--no-open", "--python", python, "-c", COUNTER])
    seen = read_until(terminal, "ready")
    os.write(terminal, b"\x03")
    # The terminal echoes ^C when it sends the signal, so all later is later.
    seen = read_until(terminal, "^C")
    os.kill(pid, signal.SIGRTMIN)
    seen += read_until(terminal, "SIGINT")
    seen += read_rest(terminal)
    assert seen.count("SIGINT") == 1
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


def read_until(terminal, word):
    seen = ""
    while word not in seen:
        assert select.select([terminal], [], [], TIMEOUT)[0], seen
        seen += os.read(terminal, 4096).decode()
    return seen


def read_rest(terminal):
    seen = ""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side is closed
            return seen
        if not data:
            return seen
        seen += data.decode()


def test_uncaught_interrupt_ends_both_by_sigint(start):
    process = start("import signal\nprint('ready', flush=True)\nwhile True: signal.pause()")
    os.killpg(process.pid, signal.SIGINT)
    _, errors, status = finish(process)
    assert errors.endswith("KeyboardInterrupt\n") and errors.count("KeyboardInterrupt") == 1
    assert status == -signal.SIGINT


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGPIPE]
)
def test_death_by_a_signal_is_passed_on(start, tmp_path, number):
    restore = "" if number == signal.SIGKILL else f"signal.signal({int(number)}, signal.SIG_DFL); "
    kill = f"os.kill(os.getpid(), {int(number)})"
    process = start("import os, signal; " + restore + kill, wait_ready=False)
    _, errors, status = finish(process)
    assert status == -number
    assert errors == ""
    assert '"signal":%d' % number in (tmp_path / "result" / "run.json").read_text().replace(" ", "")
    assert (tmp_path / "result" / "report.html").exists()


def test_peakline_leaves_no_core_beside_the_programs_own(start):
    """The program forbids itself a core file; Peakline, which may write one, dies without."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("core files are forbidden here altogether")

    def prepare():
        os.setpgrp()
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    process = start(
        "import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()",
        wait_ready=False,
        preexec_fn=prepare,
    )
    status = os.waitpid(process.pid, 0)[1]
    process.returncode = 0  # it has been waited for
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert not os.WCOREDUMP(status)


def wait_stopped(process):
    pid, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), status
    return os.WSTOPSIG(status)


GOES_ON = """\
import os, signal
print("ready", flush=True)
signal.sigwait([signal.SIGRTMIN])
print("went on")
"""
BLOCKING = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])\n"


def test_control_z_stops_both_and_fg_continues_both(start):
    process = start(BLOCKING + GOES_ON)
    os.killpg(process.pid, signal.SIGTSTP)
    assert wait_stopped(process) == signal.SIGTSTP
    os.killpg(process.pid, signal.SIGCONT)
    process.send_signal(signal.SIGRTMIN)
    assert finish(process) == ("went on\n", "", 0)


def test_a_program_that_stops_itself_is_seen_by_the_shell(start):
    process = start(
        BLOCKING
        + GOES_ON.replace("signal.sigwait", "os.kill(os.getpid(), signal.SIGSTOP)\nsignal.sigwait")
    )
    assert wait_stopped(process) == signal.SIGSTOP
    process.send_signal(signal.SIGCONT)  # to Peakline alone: it must wake the program
    process.send_signal(signal.SIGRTMIN)
    assert finish(process) == ("went on\n", "", 0)


def test_stopping_twice(start):
    process = start(BLOCKING + GOES_ON)
    for _ in range(2):
        process.send_signal(signal.SIGTSTP)
        assert wait_stopped(process) == signal.SIGTSTP
        os.killpg(process.pid, signal.SIGCONT)
    process.send_signal(signal.SIGRTMIN)
    assert finish(process) == ("went on\n", "", 0)


def test_mask_and_dispositions_are_inherited(same_as_python):
    """As under nohup, in a shell's background job, or below a parent that ignores its children."""

    def prepare():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGWINCH])

    done = same_as_python(
        [
            "-c",
            "import re; print(re.findall('(?:Sig|Shd)[PBIC].*', open('/proc/self/status').read()))",
        ],
        preexec_fn=prepare,
    )
    assert "SigBlk" in done.stdout


def test_limits_are_inherited(same_as_python):
    def prepare():
        resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))

    done = same_as_python(
        ["-c", "import resource; print(resource.getrlimit(resource.RLIMIT_CORE))"],
        preexec_fn=prepare,
    )
    assert done.stdout == "(4096, 8192)\n"


def test_a_background_process_of_the_program_does_not_hold_us(start):
    """Only the program itself is waited for; what it leaves running is its own business."""
    process = start(
        "import subprocess as s\n"
        "child = s.Popen(['sleep', '9'], stdout=s.DEVNULL, stderr=s.DEVNULL, start_new_session=1)\n"
        "print('ready', flush=True); print(child.pid)"
    )
    out, _, status = finish(process)
    os.kill(int(out), signal.SIGKILL)
    assert status == 0


# ---- terminals ----


@pytest.fixture
def on_terminal(peakline, python, tmp_path):
    """Start `peakline run -c CODE` as session leader on a terminal of its own: (pid, terminal)."""
    started = []

    def run(code, *arguments):
        pid, terminal = os.forkpty()
        if pid == 0:
            os.chdir(tmp_path)
            os.environ["TERM"] = "xterm"
            words = ["run", "-q", "--no-open", "-o", "result", "--python", python, "-c", code]
            os.execv(peakline, [peakline, *words, *arguments])
        started.append((pid, terminal))
        return pid, terminal

    yield run
    for pid, terminal in started:
        os.close(terminal)
        # Not collected by the test: it failed.
        if os.path.exists(f"/proc/{pid}/stat") and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def end(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_program_that_reads_keys_one_by_one(on_terminal):
    """Raw mode: Ctrl-C is a byte like any other, and the terminal is as before afterwards."""
    pid, terminal = on_terminal(
        "import os, termios, tty\n"
        "before = termios.tcgetattr(0)\n"
        "tty.setraw(0)\n"
        "os.write(1, b'ready')\n"
        "keys = b''\n"
        "while len(keys) < 3: keys += os.read(0, 1)\n"
        "termios.tcsetattr(0, termios.TCSADRAIN, before)\n"
        "print('got', keys.hex(), flush=True)"
    )
    read_until(terminal, "ready")
    os.write(terminal, b"\x03\x1aq")
    assert "got 031a71" in read_until(terminal, "got 031a71")
    assert end(pid) == 0


def test_curses(on_terminal):
    """Full screen: it sees keys and a change of the window's size, and nothing of ours is drawn."""
    pytest.importorskip("curses")
    pid, terminal = on_terminal(
        "import curses, os\n"
        "def main(screen):\n"
        "    screen.timeout(50)\n"  # else a change just before getch waits for a key, as without us
        "    screen.addstr(0, 0, 'ready'); screen.refresh()\n"
        "    while True:\n"
        "        key = screen.getch()\n"
        "        if key == curses.KEY_RESIZE: \n"
        "            screen.addstr(1, 0, 'size %d %d' % os.get_terminal_size())\n"
        "        elif key == ord('q'): break\n"
        "        screen.refresh()\n"
        "curses.wrapper(main)"
    )
    seen = read_until(terminal, "ready")
    set_size(terminal, 43, 98)  # no digit twice: curses would send it once, and "repeat"
    seen += read_until(terminal, "size 98 43")
    os.write(terminal, b"q")
    seen += read_rest(terminal)
    assert end(pid) == 0
    assert "peakline" not in seen


def set_size(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


WINDOW = """\
import os, signal
got = []
seen, wakeup = os.pipe()
os.set_blocking(wakeup, False)
signal.signal(signal.SIGWINCH, lambda number, frame: None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
signal.set_wakeup_fd(wakeup)
print("ready", flush=True)
signal.sigwait([signal.SIGRTMIN])
os.write(wakeup, b"\\0")
print("times", len(os.read(seen, 100)) - 1, os.get_terminal_size(0), flush=True)
"""


def test_sigwinch_arrives_once(on_terminal):
    pid, terminal = on_terminal(WINDOW)
    read_until(terminal, "ready")
    set_size(terminal, 44, 111)
    os.kill(pid, signal.SIGRTMIN)
    assert "times 1 os.terminal_size(columns=111, lines=44)" in read_rest(terminal)
    assert end(pid) == 0


def test_the_terminal_hangs_up(peakline, python, tmp_path):
    """The window is closed: the program gets SIGHUP once and both end by it."""
    pid, terminal = os.forkpty()
    if pid == 0:
        os.chdir(tmp_path)
        words = ["run", "-q", "--no-open", "-o", "result", "--python", python, "-c"]
        code = "import signal\nprint('ready', flush=True)\nwhile True: signal.pause()"
        os.execv(peakline, [peakline, *words, code])
    read_until(terminal, "ready")
    os.close(terminal)
    assert end(pid) == -signal.SIGHUP
    assert '"signal":1' in (tmp_path / "result" / "run.json").read_text()
    assert (tmp_path / "result" / "report.html").exists()


def test_a_program_with_a_process_group_of_its_own(start):
    """As shells and some servers do. What its old group gets is no longer for it, as without us;
    what Peakline gets is."""
    process = start("import os\nos.setpgid(0, 0)\n" + COUNTER)
    os.killpg(process.pid, signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGRTMIN)
    assert finish(process) == ("SIGTERM\n", "", 5)


def test_a_program_in_the_foreground_group_of_its_own(on_terminal):
    """It takes the terminal for its own group: Ctrl-C is for it alone, and Peakline, in the
    background then, neither stops nor dies."""
    pid, terminal = on_terminal(
        "import os, signal, sys\n"
        "signal.signal(signal.SIGTTOU, signal.SIG_IGN)\n"
        "os.setpgid(0, 0)\n"
        "os.tcsetpgrp(0, os.getpid())\n"
        "try:\n"
        "    print('ready', flush=True)\n"
        "    while True: signal.pause()\n"
        "except KeyboardInterrupt: print('interrupted', flush=True)\n"
        "sys.exit(4)"
    )
    read_until(terminal, "ready")
    os.write(terminal, b"\x03")
    read_until(terminal, "interrupted")
    assert end(pid) == 4


ENDLESS = "import sys\nfor i in range(10**9): print(i)"


def test_a_pipe_that_is_closed_behind_it(peakline, python, tmp_path):
    """`peakline run app.py | head -2`, beside `python app.py | head -2`."""
    script = tmp_path / "app.py"
    script.write_text(ENDLESS)
    options = f"-q --no-open -o {tmp_path}/result --python {python}"
    ends = []
    for command in (f"{python} {script}", f"{peakline} run {options} {script}"):
        ends.append(
            subprocess.run(
                ["bash", "-c", f"{command} | head -2; echo ${{PIPESTATUS[0]}}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                timeout=TIMEOUT,
                check=True,
            )
        )
    assert ends[0].stdout == ends[1].stdout == "0\n1\n1\n"
    assert ends[0].stderr == ends[1].stderr


def test_sigusr2_to_the_group_is_the_programs(start):
    """To Peakline alone it asks for a report; to the group it is a signal like any other."""
    code = COUNTER.replace("signal.SIGUSR1", "signal.SIGUSR1, signal.SIGUSR2")
    process = start(code)
    os.killpg(process.pid, signal.SIGUSR2)
    process.send_signal(signal.SIGRTMIN)
    assert finish(process) == ("SIGUSR2\n", "", 5)
