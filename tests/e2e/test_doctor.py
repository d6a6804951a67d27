# SPDX-License-Identifier: Apache-2.0
"""`peakline doctor` on machines that lack something: each finding has its line, its word and its
fix; a note leaves the exit status 0, a problem makes it 1."""

import glob
import os
import resource
import shutil

import pytest
from running import run_command
from test_oom import enter, memory_group

MIB = 1 << 20


@pytest.fixture
def doctor(peakline, python, tmp_path):
    """doctor(...) runs it and returns (exit status, {what: [(finding, text)]})."""

    def run(arrange=None, **options):
        words = [peakline, "doctor", "--python", python]
        if arrange is not None:
            if os.geteuid() != 0 or shutil.which("unshare") is None:
                pytest.skip("only root can arrange mounts")
            inside = ["sh", "-ec", arrange + '\nexec "$@"', "sh", *words]
            words = ["unshare", "--mount", "--propagation=private", *inside]
        options.setdefault("cwd", tmp_path)
        done = run_command(words, **options)
        if "unshare: " in done.stderr or "mount: " in done.stderr:
            pytest.skip("mounts are not allowed here: " + done.stderr.strip())
        assert done.stderr == ""
        found = {}
        for line in done.stdout.splitlines():
            finding, what, text = line.split(maxsplit=2)
            found.setdefault(what, []).append((finding, text))
        return done.returncode, found

    return run


def check(done, what, finding, *words):
    status, found = done
    assert status == (1 if finding == "PROBLEM" else 0), found
    lines = [text for kind, text in found[what] if kind == finding]
    assert any(all(word in line for word in words) for line in lines), found


def limits(kind, value):
    return lambda: resource.setrlimit(kind, (value, value))


def test_a_healthy_machine(doctor):
    status, found = doctor()
    assert status == 0
    assert {"machine", "/proc", "memory", "limits", "preload", "library", "Python", "trial", "results"} == set(found)


def test_ulimits(doctor):
    done = doctor(preexec_fn=limits(resource.RLIMIT_FSIZE, 8 * MIB))
    check(done, "limits", "note", "8.0 MiB", "ulimit -f unlimited")
    done = doctor(preexec_fn=limits(resource.RLIMIT_AS, 1024 * MIB))
    check(done, "limits", "note", "1.0 GiB", "ulimit -v unlimited")
    done = doctor(preexec_fn=limits(resource.RLIMIT_NOFILE, 20))
    check(done, "limits", "note", "only 20 files", "ulimit -n")


def test_a_memory_cgroup(doctor):
    with memory_group(300 * MIB) as group:
        done = doctor(preexec_fn=enter(group))
    check(done, "memory", "note", "300.0 MiB", group.name)


def test_what_else_is_preloaded(doctor, tmp_path):
    """Stand-ins with nothing in them: only their names are looked at."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no compiler")
    (tmp_path / "empty.c").write_text("int peakline_test_empty;\n")
    for name, finding, word in (
        ("libasan.so.8", "PROBLEM", "sanitizer"),
        ("libjemalloc.so.2", "note", "stays in use"),
    ):
        library = tmp_path / name
        run_command([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "empty.c"])
        done = doctor(env={**os.environ, "LD_PRELOAD": str(library)})
        check(done, "preload", finding, word)


def test_settings_of_python(doctor):
    check(doctor(env={**os.environ, "PYTHONMALLOC": "debug"}), "settings", "note", "unset it")


def test_no_proc(doctor):
    check(doctor("umount -l /proc"), "/proc", "note", "mount -t proc")


def test_a_library_that_may_not_be_executed(doctor, peakline, tmp_path):
    library = next(
        path
        for path in (os.path.join(os.path.dirname(peakline), "../runtime/libpeakline.so"),)
        if os.path.exists(path)
    )
    disk = tmp_path / "noexec"
    disk.mkdir()
    arrange = f"mount -t tmpfs -o noexec none {disk}; cp {library} {disk}/libpeakline.so"
    env = {**os.environ, "PEAKLINE_RUNTIME": str(disk / "libpeakline.so")}
    check(doctor(arrange, env=env), "library", "PROBLEM", "noexec", "PEAKLINE_RUNTIME")


def test_a_disk_in_memory_and_a_full_one(doctor, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    done = doctor(f"mount -t tmpfs -o size=100m none {disk}; cd {disk}")
    check(done, "results", "note", "in memory", "-o DIR")
    done = doctor(f"mount -t tmpfs -o size=30m none {disk}; cd {disk}")
    check(done, "results", "note", "30.0 MiB left", "-o DIR")
    done = doctor(f"mount -t tmpfs -o size=1m none {disk}; cd {disk}")
    check(done, "results", "PROBLEM", "full", "-o DIR")


def test_a_directory_that_cannot_be_written(doctor, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    done = doctor(f"mount --bind {place} {place}; mount -o remount,ro,bind {place}; cd {place}")
    check(done, "results", "PROBLEM", "not writable", "-o DIR")


def test_a_python_2(doctor, peakline):
    """One that starts, but does not know the options of the question."""
    old = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/2.*/bin/python")))
    if not old:
        pytest.skip("no Python 2 here")
    done = run_command([peakline, "doctor", "--python", old[0]])
    assert done.returncode == 1
    assert "does not start as a Python 3" in done.stdout and "--python PATH" in done.stdout


def test_not_a_cpython(doctor, peakline):
    done = run_command([peakline, "doctor", "--python", "/bin/ls"])
    assert done.returncode == 1
    assert "PROBLEM  Python" in done.stdout and "--python PATH" in done.stdout
