# SPDX-License-Identifier: Apache-2.0
"""Bad input: one sentence, what to do next, the fitting status, and nothing lost or left behind."""

import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import textwrap

import pytest
from reports import read_report
from running import run_command, wait_for_end


def check_refused(done, status, *words):
    """Exactly one line, from Peakline, with these words; nothing on standard output."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("peakline: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


# Usage: 2


@pytest.mark.parametrize(
    "words, hint",
    [
        (["--forse", "app.py"], "did you mean --force?"),
        (["--no-opne", "app.py"], "did you mean --no-open?"),
        (["-force", "app.py"], "did you mean --force?"),
        (["--qiet=1", "app.py"], "did you mean --quiet?"),
        (["--zzzz", "app.py"], "peakline run --help"),
        (["-Z", "app.py"], "peakline run --help"),
        (["--force=yes", "app.py"], "takes no value"),
        (["--color", "purple", "app.py"], "always, never or auto"),
        ([], "name a script"),
        (["-u"], "name a script"),
        (["-m"], "needs a value"),
        (["-X"], "needs a value"),
        (["-o"], "needs a value"),
        (["--"], "needs a command"),
        (["-u", "--", "true"], "-- python -u"),
        (["--python", "python3", "--", "true"], "leave one of them out"),
        ([""], "is empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_usage_of_run(peakline, tmp_path, words, hint):
    check_refused(run_command([peakline, "run", *words], cwd=tmp_path), 2, hint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "word, hint",
    [
        ("rnu", "did you mean `peakline run`?"),
        ("reprot", "did you mean `peakline report`?"),
        ("doc", "did you mean `peakline doctor`?"),
        ("xyzzy", "peakline --help"),
        ("--verbose", "peakline --help"),
        ("app.py", "did you mean `peakline run app.py`?"),
    ],
)
def test_unknown_command(run_peakline, word, hint):
    check_refused(run_peakline([], command=word), 2, word, hint)


def test_no_command_at_all(peakline):
    done = run_command([peakline])
    assert (done.returncode, done.stdout) == (2, "")
    assert "peakline run app.py" in done.stderr


def test_names_cannot_play_tricks_on_the_terminal(run_peakline):
    check_refused(run_peakline(["--", "no\x1b[31m\nsuch"]), 127, "no?[31m?such")


# Commands: 126 and 127


def test_command_not_found(run_peakline, tmp_path):
    done = run_peakline(["--", "no-such-command"])
    check_refused(done, 127, "no-such-command", "PATH")
    check_refused(run_peakline(["--", "./no-such-file"]), 127, "./no-such-file")
    assert list(tmp_path.iterdir()) == []


def test_command_not_executable(run_peakline, tmp_path):
    (tmp_path / "data.txt").write_text("1\n")
    check_refused(run_peakline(["--", "./data.txt"]), 126, "data.txt")
    check_refused(run_peakline(["--", str(tmp_path)]), 126)


def test_a_script_after_two_dashes(run_peakline, tmp_path):
    (tmp_path / "app.py").write_text("print(1)\n")
    check_refused(run_peakline(["--", "app.py"]), 127, "leave out the --")
    check_refused(run_peakline(["--", "./app.py"]), 126, "leave out the --")


def test_command_that_the_kernel_refuses(run_peakline, tmp_path):
    (tmp_path / "noise").write_bytes(b"\x01\x02\x03\x04")
    (tmp_path / "noise").chmod(0o755)
    check_refused(run_peakline(["--", "./noise"]), 126, "neither a program nor a script")
    (tmp_path / "orphan").write_text("#!/no/such/interpreter\n")
    (tmp_path / "orphan").chmod(0o755)
    done = run_peakline(["--", "./orphan"])
    check_refused(done, 127, "does not exist")
    assert not done.result.exists()


# Pythons that cannot be profiled: 125


def test_python_missing(run_peakline, tmp_path):
    check_refused(run_peakline(["-c", "1"], python="/no/such/python"), 127, "--python PATH")
    check_refused(run_peakline(["-c", "1"], python="python9.9"), 127, "python9.9", "PATH")
    check_refused(run_peakline(["-c", "1"], python=tmp_path), 126)


def test_python_is_another_program(run_peakline):
    check_refused(run_peakline(["-c", "1"], python=shutil.which("ls")), 125, "is not a Python")


def test_python_is_another_python(run_peakline, tmp_path):
    (tmp_path / "pypy3").write_text("#!/bin/sh\necho peakline pypy 3 10 14 0\n")
    (tmp_path / "pypy3").chmod(0o755)
    check_refused(run_peakline(["-c", "1"], python=tmp_path / "pypy3"), 125, "is pypy, not CPython")


def test_python_behind_a_script_is_fine(run_peakline, python, tmp_path):
    """As the shims of version managers are."""
    (tmp_path / "python3").write_text(f'#!/usr/bin/env sh\nexec {python} "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    done = run_peakline(["-c", "print('fine')"], python=tmp_path / "python3")
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)
    assert list(done.result.glob("ledger-*"))


def compile_python(tmp_path, *flags):
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    path = tmp_path / "python3"
    try:
        subprocess.run(
            ["gcc", *flags, "-o", str(path), str(tmp_path / "main.c")],
            check=True,
            stderr=subprocess.PIPE,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no C compiler that can do this")
    return path


def test_python_is_static(run_peakline, tmp_path):
    path = compile_python(tmp_path, "-static")
    check_refused(run_peakline(["-c", "1"], python=path), 125, "static", "--python PATH")
    check_refused(run_peakline(["--", path, "-c", "1"]), 125, "static")


def test_another_static_program_may_still_start_a_python(run_peakline, tmp_path):
    launcher = compile_python(tmp_path, "-static").rename(tmp_path / "launcher")
    done = run_peakline(["--", launcher])
    check_refused(done, 0, "nothing was recorded", "static")


def test_python_is_built_for_musl(run_peakline, tmp_path):
    path = compile_python(tmp_path, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
    check_refused(run_peakline(["-c", "1"], python=path), 125, "musl", "glibc")


def test_python_is_32_bit(run_peakline, tmp_path):
    header = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9) + struct.pack("<HHI", 2, 3, 1)
    (tmp_path / "python3").write_bytes(header + bytes(100))
    (tmp_path / "python3").chmod(0o755)
    check_refused(
        run_peakline(["-c", "1"], python=tmp_path / "python3"), 125, "32-bit", "64-bit Python"
    )


def test_python_is_for_another_machine(run_peakline, python, tmp_path):
    data = bytearray(open(python, "rb").read(4096))
    data[18:20] = struct.pack("<H", 22)  # e_machine: s390
    (tmp_path / "python3").write_bytes(data)
    (tmp_path / "python3").chmod(0o755)
    check_refused(
        run_peakline(["-c", "1"], python=tmp_path / "python3"), 125, "another kind of processor"
    )


def test_python_is_setuid(run_peakline, python, tmp_path):
    shutil.copy(python, tmp_path / "python3")
    (tmp_path / "python3").chmod(0o4755)
    check_refused(run_peakline(["-c", "1"], python=tmp_path / "python3"), 125, "setuid")


# The result directory: 125, before anything runs


@pytest.fixture
def run_into(peakline, python, tmp_path):

    def run(*words, **keywords):
        keywords.setdefault("cwd", tmp_path)
        return run_command(
            [peakline, "run", "-q", "--no-open", "--python", python, *words, "-c", "print('ran')"],
            **keywords,
        )

    return run


def test_existing_result_is_refused_and_kept(run_into, tmp_path):
    assert run_into("-o", "out").stdout == "ran\n"
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    check_refused(run_into("-o", "out"), 125, "out exists and is not empty", "--force")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_force_replaces_our_files_and_no_others(run_into, tmp_path):
    run_into("-o", "out")
    (tmp_path / "out" / "thesis.txt").write_text("only copy")
    (tmp_path / "out" / "report.html").write_text("old")
    old_ledgers = {path.name for path in (tmp_path / "out").glob("ledger-*")}
    done = run_into("-o", "out", "--force")
    assert (done.stdout, done.stderr, done.returncode) == ("ran\n", "", 0)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "only copy"
    assert (tmp_path / "out" / "report.html").read_text() != "old"
    assert old_ledgers.isdisjoint(path.name for path in (tmp_path / "out").glob("ledger-*"))


FOREIGN = {
    "ledger-2025": "date,amount\n2025-01-01,17\n",
    "ledger-31.2": "mine",
    "report.html": "<html>mine</html>",
    "run.json": '{"tool": "sprinter", "run": 5}',
    "timeline": "mine, and longer than a mark",
    "tree": "oak",
}


def check_all_is_kept(run_into, directory, name):
    (directory / name).write_text(FOREIGN[name])
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    check_refused(run_into("-o", directory.name, "--force"), 125, f"{name} is not of a run of Peakline", "-o DIR")
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize("name", FOREIGN)
def test_force_never_replaces_what_only_has_a_name_of_ours(run_into, tmp_path, name):
    (tmp_path / "out").mkdir()
    check_all_is_kept(run_into, tmp_path / "out", name)


@pytest.mark.parametrize("name", ["ledger-2025", "timeline", "tree"])  # of an older result the others are its own
def test_force_never_replaces_it_in_an_older_result(run_into, tmp_path, name):
    assert run_into("-o", "out").returncode == 0
    (tmp_path / "out" / name).unlink(missing_ok=True)
    check_all_is_kept(run_into, tmp_path / "out", name)


def test_force_leaves_names_that_are_nearly_ours(run_into, peakline, tmp_path):
    """They stay through runs and refusals, and nobody takes them for records."""
    names = ["ledger-2025.csv", "ledger-", "ledger-old", "ledger-12.", "ledger-12.x", "ledger-.2", "report.html~", "trees",
             ".peakline-.part", ".peakline-5.part~", ".peakline-baseline.json"]
    (tmp_path / "out").mkdir()
    for name in names:
        (tmp_path / "out" / name).write_text(name)
    (tmp_path / "out" / "ledger-2025.d").mkdir()
    for _ in range(2):
        done = run_into("-o", "out", "--force")
        assert (done.stdout, done.stderr, done.returncode) == ("ran\n", "", 0)
    assert read_report(peakline, tmp_path / "out")["warnings"] == []
    words = [peakline, "run", "-o", "out", "--force", "--python", "/dev/null", "-c", "pass"]
    assert run_command(words, cwd=tmp_path).returncode in (125, 126)
    for name in names:
        assert (tmp_path / "out" / name).read_text() == name


def test_force_replaces_what_a_killed_run_left(run_into, tmp_path):
    """A record that was never begun, or whose run.json never came, is no reason to refuse."""
    assert run_into("-o", "out").returncode == 0
    (tmp_path / "out" / "run.json").unlink()
    (tmp_path / "out" / "ledger-7").write_bytes(bytes(4096))
    (tmp_path / "out" / ".peakline-31.part").write_text("<!DOCTYPE html>")
    done = run_into("-o", "out", "--force")
    assert (done.stdout, done.stderr, done.returncode) == ("ran\n", "", 0)
    assert not (tmp_path / "out" / "ledger-7").exists()
    assert not (tmp_path / "out" / ".peakline-31.part").exists()


@pytest.fixture
def running(peakline, python, tmp_path):
    """A run into out/ of a program that has said its pid and waits for its standard input to end."""
    code = "import os, sys; keep = b'x' * 20_000_003; print(os.getpid(), flush=True); sys.stdin.read()"
    words = [peakline, "run", "-q", "--no-open", "-o", "out", "--python", python, "-c", code]
    process = subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.program = int(process.stdout.readline())
    yield process
    process.stdin.close()
    process.stdout.close()
    process.wait()


def test_two_runs_into_one_directory(run_into, running, peakline, tmp_path):
    """As `force = true` and an `output` for the whole project ask for when two programs are profiled at once. The second
    would take the first one's records for an older result, and the first would report what the second held."""
    check_refused(run_into("-o", "out", "--force"), 125, "out belongs to a run that is still going on", "-o DIR")
    check_refused(run_into("-o", "out"), 125, "out belongs to a run that is still going on")
    running.stdin.close()
    assert running.wait() == 0
    report = read_report(peakline, tmp_path / "out")
    assert report["run"]["command"][-1].endswith("sys.stdin.read()")
    assert report["peak_bytes"] > 20_000_003
    assert run_into("-o", "out", "--force").returncode == 0


def test_a_process_of_an_older_run_that_still_records(run_into, running, tmp_path):
    """Its supervisor was killed. What it starts from now on would be taken for the new run's."""
    running.kill()
    running.wait()
    check_refused(
        run_into("-o", "out", "--force"), 125, f"process {running.program} of an older run still records into out", "-o DIR"
    )
    running.stdin.close()
    wait_for_end(running.program)
    assert run_into("-o", "out", "--force").returncode == 0


def test_existing_empty_directory_and_missing_parents_are_fine(run_into, tmp_path):
    (tmp_path / "empty").mkdir()
    assert run_into("-o", "empty").returncode == 0
    assert run_into("-o", "a/b/c/").returncode == 0
    assert (tmp_path / "a" / "b" / "c" / "report.html").exists()


def test_result_is_a_file(run_into, tmp_path):
    (tmp_path / "out").write_text("mine")
    check_refused(run_into("-o", "out"), 125, "not a directory")
    check_refused(run_into("-o", "out/below"), 125, "-o DIR")
    assert (tmp_path / "out").read_text() == "mine"


def test_result_cannot_be_written(run_into):
    check_refused(run_into("-o", "/proc/peakline"), 125, "/proc/peakline", "-o DIR")
    check_refused(run_into(cwd="/proc"), 125, "peakline-result", "-o DIR")


def test_result_name_too_long(run_into):
    check_refused(run_into("-o", "x" * 300), 125, "too long")
    check_refused(run_into("-o", "x/" * 3000), 125, "too long")


def test_result_on_a_full_disk(peakline, python, tmp_path):
    """A file system of 64 KiB of our own. Nothing runs and nothing stays."""
    script = (
        f"mount -t tmpfs -o size=64k none {tmp_path} && cd {tmp_path} && "
        f"{{ '{peakline}' run -o out --python '{python}' -c 'print(1)'; echo status $?; ls -A; }}"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    if "status" not in done.stdout:
        pytest.skip("no mount namespaces here: " + done.stderr.strip())
    assert done.stdout == "status 125\n"
    assert done.stderr.count("\n") == 1 and "full" in done.stderr and "-o DIR" in done.stderr


def test_no_descriptors(peakline, python, tmp_path):
    """Another directory would not help."""
    words = [peakline, "run", "--python", python, "-o", "out", "-c", "print('ran')"]
    done = run_command(["sh", "-c", 'ulimit -n 4; exec "$@"', "sh", *words], cwd=tmp_path)
    check_refused(done, 125, "out: Too many open files; raise ulimit -n")
    assert not (tmp_path / "out").exists()


def test_file_size_limit(run_into, tmp_path):
    import resource

    done = run_into(
        "-o", "out", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    )
    check_refused(done, 125, "ulimit -f")
    assert not (tmp_path / "out").exists()


def test_runtime_is_missing(run_into, tmp_path):
    done = run_into("-o", "out", env={**os.environ, "PEAKLINE_RUNTIME": "/no/such/library.so"})
    check_refused(done, 125, "PEAKLINE_RUNTIME", "/no/such/library.so")
    assert not (tmp_path / "out").exists()


# Reports: 1


@pytest.fixture
def result(run_into, tmp_path):
    assert run_into("-o", "out").returncode == 0
    return tmp_path / "out"


def test_report_of_nothing(run_peakline, tmp_path):
    check_refused(run_peakline(["missing"], command="report"), 1, "missing")
    (tmp_path / "empty").mkdir()
    check_refused(run_peakline(["empty"], command="report"), 1, "empty")
    check_refused(run_peakline([], command="report"), 2, "result directory")
    check_refused(run_peakline(["a", "b"], command="report"), 2, "one too many")


def test_report_formats(run_peakline, result):
    check_refused(
        run_peakline(["out", "--format", "jsno"], command="report"), 2, "did you mean json?"
    )
    check_refused(
        run_peakline(["out", "--fromat", "json"], command="report"), 2, "did you mean --format?"
    )
    for form in ("text", "json", "folded"):
        done = run_peakline(["out", "--format", form], command="report")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout
    (result / "report.html").unlink()
    done = run_peakline(["out"], command="report")
    assert (done.returncode, done.stdout) == (0, "out/report.html\n")
    assert (result / "report.html").stat().st_size > 0


def test_report_into_a_file(run_peakline, result, tmp_path):
    done = run_peakline(["out", "-f", "json", "-o", "peak.json"], command="report")
    assert (done.returncode, done.stdout) == (0, "peak.json\n")
    assert (tmp_path / "peak.json").stat().st_size > 0
    check_refused(
        run_peakline(["out", "-f", "json", "-o", "no/such/place"], command="report"),
        1,
        "no/such/place",
        "-o FILE",
    )
    check_refused(
        run_peakline(["out", "-f", "json", "-o", "/dev/full"], command="report"),
        1,
        "/dev/full",
        "No space left",
    )
    assert not list(tmp_path.glob("*.part"))
    longest = "a" * 255
    done = run_peakline(["out", "-f", "json", "-o", longest], command="report")
    assert (done.returncode, done.stdout, done.stderr) == (0, longest + "\n", "")
    assert (tmp_path / longest).read_bytes() == (tmp_path / "peak.json").read_bytes()


def test_a_report_beyond_the_file_size_limit(peakline, result, tmp_path):
    (result / "report.html").write_text("the older report")
    words = f"ulimit -f 10; {peakline} report out --no-open"
    check_refused(run_command(["sh", "-c", words], cwd=tmp_path), 1, "out/report.html", "File too large")
    assert (result / "report.html").read_text() == "the older report"
    assert not list(result.glob(".*"))


def test_two_reports_into_one_file_at_once(peakline, result, compiler, tmp_path):
    """The first has written its own and is about to put it in place when the second begins: both are whole."""
    words = [peakline, "report", "out", "-f", "json", "-o", "peak.json"]
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    environment = {**os.environ, "LD_PRELOAD": str(compiler.library("slow_rename", "-ldl"))}
    first = subprocess.Popen(words, cwd=tmp_path, env=environment, **pipes)
    assert first.stderr.read(1) == b"!"
    second = run_command(words, cwd=tmp_path)
    assert (second.returncode, second.stderr) == (0, "")
    whole = (tmp_path / "peak.json").read_bytes()
    assert first.communicate(b"go") == (b"peak.json\n", b"")
    assert (tmp_path / "peak.json").read_bytes() == whole
    assert not list(tmp_path.glob("*.part"))


def test_a_file_that_was_made_for_the_report_to_find_is_not_written_into(peakline, result, tmp_path):
    """In a directory for everybody somebody else's file would be the report's, to be read by them."""
    bystander = tmp_path / "bystander"
    bystander.write_text("theirs")
    code = f"""
        import os
        os.link({str(bystander)!r}, ".peakline-%d.part" % os.getpid())
        os.link({str(bystander)!r}, "peak.json.part")
        os.execv({str(peakline)!r}, ["peakline", "report", "out", "-f", "json", "-o", "peak.json"])
    """
    done = run_command([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert bystander.read_text() == "theirs"
    assert (tmp_path / "peak.json").stat().st_nlink == 1


@pytest.mark.parametrize(
    "damage, word",
    [
        (lambda data: data[:100], "ledger-"),
        (lambda data: b"", "ledger-"),
        (lambda data: b"GIF89a" + data[6:], "ledger-"),
        (lambda data: data[:8] + struct.pack("<I", 999) + data[12:], "newer"),
    ],
    ids=["truncated", "empty", "foreign", "newer"],
)
def test_report_of_a_damaged_ledger(run_peakline, result, damage, word):
    for ledger in result.glob("ledger-*"):
        ledger.write_bytes(damage(ledger.read_bytes()))
    (result / "report.html").write_text("the older report")
    check_refused(run_peakline(["out"], command="report"), 1, word)
    assert (result / "report.html").read_text() == "the older report"


def test_interrupted_report_says_how_to_go_on(peakline, result, tmp_path):
    """A pipe of one page that nobody empties keeps the report at work until it is interrupted."""
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)
    fcntl.fcntl(pipe, getattr(fcntl, "F_SETPIPE_SZ", 1031), 4096)
    process = subprocess.Popen(
        [peakline, "report", "out", "-o", "pipe"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert len(os.read(pipe, 1)) == 1  # comes when the report has begun to write
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    os.close(pipe)
    assert process.returncode == -signal.SIGINT
    assert errors.strip().endswith("write it with: peakline report out")


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
