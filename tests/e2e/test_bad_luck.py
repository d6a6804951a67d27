# SPDX-License-Identifier: Apache-2.0
"""Machines that lack something: no /proc, nothing writable but one directory, no /dev/shm, no room
for the report, hardly a descriptor. The program never pays, and what is missing is said.

Each runs in a mount namespace of its own, so that nothing of it is seen outside."""

import os
import resource
import shutil
import signal
import subprocess

import pytest
from reports import read_report, read_run
from running import run_command

MIB = 1 << 20
KEEP = 20_000_003
APP = f"keep = b'x' * {KEEP}\nprint(len(keep))\n"


@pytest.fixture
def app(tmp_path):
    path = tmp_path / "app.py"
    path.write_text(APP)
    return path


@pytest.fixture
def run_where(peakline, python, tmp_path, app):
    """run_where(shell commands that arrange the place, result=...) runs app.py there."""

    def run(arrange, result=tmp_path / "result", before="exec", script=app, options=("-q",)):
        words = [peakline, "run", "--no-open", *options, "-o", result, "--python", python, script]
        command = f"{arrange}\n{before} \"$@\""
        inside = ["sh", "-ec", command, "sh", *map(str, words)]
        done = run_command(["unshare", "--mount", "--propagation=private", *inside], cwd=tmp_path)
        if "unshare: " in done.stderr or "mount: " in done.stderr:
            pytest.skip("namespaces or mounts are not allowed here: " + done.stderr.strip())
        return done._replace(result=result)

    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("only root can arrange mounts")
    return run


def check_measured(peakline, done):
    assert (done.returncode, done.stdout) == (0, f"{KEEP}\n"), done.stderr
    report = read_report(peakline, done.result)
    assert report["peak_bytes"] > KEEP
    assert [line for line in report["blame"] if line["line"] == 1 and line["bytes"] >= KEEP]
    return report


def test_without_proc(peakline, run_where):
    """Nothing can be sampled; what the program holds does not come from /proc."""
    another = "while umount -l /proc 2>/dev/null; do :; done"  # a container's lies over the machine's
    done = run_where(f"umount -l /proc\n{another}")
    check_measured(peakline, done)
    assert done.stderr == ""
    info = read_run(done.result)
    assert info["processes_most"] == 0 and info["groups"] == []
    assert info["rss_peak_bytes"] > KEEP  # by wait4


def test_without_dev_shm_and_with_a_read_only_root(peakline, run_where, tmp_path):
    """All is read-only but the result's own directory: no /tmp, no /dev/shm."""
    (tmp_path / "out").mkdir()
    done = run_where(
        f"mount --bind {tmp_path}/out {tmp_path}/out\n"
        "umount -l /dev/shm\n"
        "for each in /tmp /var/tmp /; do mount --bind $each $each; done 2>/dev/null || true\n"
        "mount -o remount,ro,bind /",
        result=tmp_path / "out" / "result",
    )
    check_measured(peakline, done)
    assert done.stderr == ""


HIDE = f"""\
import ctypes, os, struct
PR_SET_DUMPABLE = 4
def samples():
    with open("result/timeline", "rb") as file:
        return struct.unpack_from("<Q", file.read(64), 56)[0]
def wait_for_samples(count):
    wanted = samples() + count
    while samples() < wanted: pass
hidden, hide = os.pipe()
ended, end = os.pipe()
child = os.fork()
if child == 0:
    os.close(end)
    keep = bytearray({60 * MIB})
    wait_for_samples(2)  # it is seen once
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.write(hide, b"x")
    os.read(ended, 1)
    os._exit(0)
os.close(ended)
os.read(hidden, 1)
wait_for_samples(2)
print(os.path.exists("/proc/%d" % child), flush=True)
keep = bytearray({40 * MIB})
os.close(end)
os.waitpid(child, 0)
"""


def test_a_process_that_is_hidden_lives(peakline, run_where, tmp_path):
    """Where others' processes are hidden (hidepid), one that made itself undumpable is hidden from the supervisor too. It
    still holds its 60 MiB when the other one takes 40."""
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv here")
    script = tmp_path / "hide.py"
    script.write_text(HIDE)
    hide_others = (
        "mount -o remount,hidepid=2,gid=12345 /proc\n"  # but from that group
        # Root sees all, unless it may not trace.
        'exec setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace "$@"'
    )
    done = run_where(
        "", before=f"exec unshare --pid --fork --mount-proc sh -ec '{hide_others}' sh", script=script
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
    assert 100 * MIB < read_report(peakline, done.result)["peak_bytes"] < 125 * MIB


@pytest.mark.parametrize("room", ["1m", "1500k", "2m", "2200k", "2500k"])
def test_a_disk_that_is_full_before_the_report(peakline, run_where, tmp_path, room):
    """At each size something else has no room; each time the program runs or was not started, and
    the reason is said in words: the disk is full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = tmp_path / "fill.py"
    script.write_text(
        "keep = b'x' * 20_000_003\n"
        "try:\n"
        f"    with open({str(disk / 'fill')!r}, 'wb', 0) as fill:\n"
        "        while True: fill.write(bytes(4096))\n"
        "except OSError: pass\n"
        "print(len(keep))\n"
    )
    done = run_where(
        f"mount -t tmpfs -o size={room} none {disk}",
        result=disk / "result",
        before="status=0;",
        script=script,
        options=("-q",),
    )
    assert "Input/output" not in done.stderr
    if done.returncode == 125:
        assert done.stdout == "" and "full" in done.stderr
        return
    assert (done.returncode, done.stdout) == (0, f"{KEEP}\n"), done.stderr
    assert "No space left on device" in done.stderr
    assert "report" in done.stderr


def test_few_descriptors(peakline, python, tmp_path, app):
    """Just enough for Python itself; the supervisor holds a handful."""
    result = tmp_path / "result"

    def restrict():
        resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))

    words = [peakline, "run", "-q", "--no-open", "-o", result, "--python", python, app]
    done = run_command(words, preexec_fn=restrict)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{KEEP}\n", "")
    assert read_report(peakline, result)["peak_bytes"] > KEEP


def test_a_report_beyond_the_file_size_limit(peakline, python, tmp_path):
    """The program ends with its own status, not by SIGXFSZ, and we say why there is no report."""
    script = tmp_path / "app.py"
    lines = [f"x{i} = [b'x' * 1000]" for i in range(60_000)]
    script.write_text("\n".join(lines) + "\nprint('ran')\n")
    result = tmp_path / "result"

    def restrict():
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))

    words = [peakline, "run", "-q", "--no-open", "-o", result, "--python", python, script]
    done = run_command(words, preexec_fn=restrict)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    # The page fits: it is packed. What is missing is said in it.
    assert done.stderr == "" or "File too large" in done.stderr
    warnings = read_run(result)["warnings"]
    assert [each for each in warnings if "/tree could not be made (File too large)" in each]


def test_the_result_directory_is_removed(peakline, python, tmp_path):
    script = tmp_path / "app.py"
    script.write_text("import shutil, sys\nshutil.rmtree(sys.argv[1])\nprint('ran')\nsys.exit(3)\n")
    result = tmp_path / "result"
    words = [peakline, "run", "--no-open", "-o", result, "--python", python, script, result]
    done = run_command(words)
    assert (done.returncode, done.stdout) == (3, "ran\n")
    assert done.stderr.count("\n") == 1
    assert "was removed during the run: there is no report" in done.stderr
    assert not result.exists()


def test_the_result_directory_is_removed_and_a_report_is_asked_for(peakline, python, tmp_path):
    script = tmp_path / "app.py"
    script.write_text(
        "import shutil, sys\nshutil.rmtree(sys.argv[1])\nprint('gone', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    result = tmp_path / "result"
    words = [peakline, "run", "--no-open", "-o", result, "--python", python, script, result]
    process = subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "gone\n"
    process.send_signal(signal.SIGUSR2)
    assert process.stderr.readline().startswith("peakline: ")
    out, errors = process.communicate("\n", timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in errors
