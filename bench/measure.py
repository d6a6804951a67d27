# SPDX-License-Identifier: Apache-2.0
"""Run one program under one tool once, and measure it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time


class Run:
    """What one run gave. Times in seconds, memory in KiB, sizes in bytes. `reason` says why a run
    does not count; then the numbers are meaningless."""

    def __init__(self):
        self.reason = None
        self.stdout = b""
        self.program_s = 0.0  # first line of the program to its last
        self.startup_s = 0.0  # from the tool's start to the first line of the program
        self.end_s = 0.0  # last line of the program to the end of the tool
        self.complete = False  # the report is made: to_report_s and output_bytes have all in them
        self.report_s = 0.0  # the separate command that makes the report, where there is one
        self.wall_s = 0.0  # from the tool's start to its end
        self.peak_kib = 0  # the program's own process, at its last line (VmHWM)
        self.tree_kib = 0  # the largest process of the whole run, to its end (wait4)
        self.report_kib = 0  # the separate report command (wait4)
        self.output_bytes = 0  # everything the tool wrote, its report included
        self.census = None

    @property
    def to_report_s(self):
        return self.end_s + self.report_s

    def as_dict(self):
        skip = ("stdout", "census")
        return {name: value for name, value in vars(self).items() if name not in skip}


def directory_bytes(path):
    """Return the bytes on disk of the files below a path: a sparse file counts by its blocks."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            entry = os.lstat(os.path.join(folder, name))
            total += min(entry.st_size, entry.st_blocks * 512)
    return total


def last_line(text, fallback):
    lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:160] if lines else fallback


def run_command(command, environment, timeout):
    """Run a command in a process group of its own. Return (how it failed or None, stdout, stderr,
    wall seconds, start on the monotonic clock, KiB of its largest process)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return "cannot be started: %s" % error.strerror, b"", b"", 0.0, start, 0
        expired = threading.Event()

        def stop():
            expired.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(timeout, stop)
        timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # Ctrl-C: do not leave the child behind
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            timer.cancel()
        wall = time.monotonic() - start
        child.returncode = status  # reaped here: Popen must not wait for it again
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    reason = None
    if expired.is_set():
        reason = "stopped after %d s" % timeout
    elif os.WIFSIGNALED(status):
        reason = "killed by signal %d" % os.WTERMSIG(status)
    elif os.WEXITSTATUS(status) != 0:
        reason = "exit status %d: %s" % (os.WEXITSTATUS(status), last_line(stderr, "no message"))
    return reason, stdout, stderr, wall, start, usage.ru_maxrss


def measure(tool, target, environment, timeout, with_report, scratch):
    """Run `target` (a script and its arguments) under a tool, and return a Run."""
    run = Run()
    folder = tempfile.mkdtemp(prefix="bench-", dir=scratch)
    try:
        out = os.path.join(folder, "out")
        meter, census = os.path.join(folder, "meter"), os.path.join(folder, "census")
        env = dict(environment, BENCH_OUT=meter, BENCH_CENSUS=census)
        command = tool.command(target, out)
        reason, run.stdout, _, run.wall_s, start, run.tree_kib = run_command(
            command, dict(env, **tool.environment()), timeout
        )
        run.reason = reason
        if reason:
            return run
        try:
            with open(meter) as source:
                seen = json.load(source)
        except (OSError, ValueError):
            run.reason = "the program did not reach its end"
            return run
        run.reason = tool.left_nothing(out)
        if run.reason:
            return run
        run.program_s = seen["end"] - seen["start"]
        run.startup_s = seen["start"] - start
        run.end_s = start + run.wall_s - seen["end"]
        run.peak_kib = seen["peak_kib"]
        report = tool.report(out)
        run.complete = with_report or not report
        if report and with_report:
            reason, _, _, run.report_s, _, run.report_kib = run_command(report, env, timeout)
            if reason:
                run.reason = "report: " + reason
                return run
        run.output_bytes = directory_bytes(out)
        if os.path.exists(census):
            with open(census) as source:
                run.census = json.load(source)
        return run
    finally:
        shutil.rmtree(folder, ignore_errors=True)
