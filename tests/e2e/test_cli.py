# SPDX-License-Identifier: Apache-2.0
"""`peakline run` is what plain Python would be: same words, same streams, same ending."""

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from reports import read_run
from running import run_command

# Prints all by which a program could notice how it was started.
WHO_AM_I = """\
import os, sys
print(__name__, globals().get("__file__"), sys.modules["__main__"].__dict__ is globals())
print(sys.argv, sys.path, getattr(sys, "orig_argv", None), sys.executable, sys.prefix)
print(sys.flags, sys.warnoptions, sorted(sys._xoptions.items()), __debug__)
print(list(os.environ.items()), os.getcwd(), sorted(os.listdir("/proc/self/fd")))
"""


def find_runtime(peakline):
    built = Path(peakline).parents[1] / "runtime" / "libpeakline.so"
    return os.environ.get("PEAKLINE_RUNTIME") or built


@pytest.fixture
def app(tmp_path) -> Path:
    path = tmp_path / "app.py"
    path.write_text(WHO_AM_I)
    return path


def test_script_sees_the_same_world(same_as_python, each_python, app):
    done = same_as_python(["app.py", "one", "--two", "-q", "--", "-o", ""], python=each_python.path)
    assert "'app.py', 'one', '--two', '-q', '--', '-o', ''" in done.stdout


def test_interpreter_options_are_passed_on_in_order(same_as_python, app):
    same_as_python(["-X", "dev", "-Wignore", "-O", "-u", "app.py", "-X", "mine"])
    same_as_python(["-IBOO", "-Xutf8", "-c", WHO_AM_I, "-O"])


def test_module_glued_and_apart(same_as_python, tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__main__.py").write_text(WHO_AM_I)
    same_as_python(["-m", "pack", "-m"])
    same_as_python(["-Bmpack", "x"])


def test_directory_with_main_and_zip(same_as_python, tmp_path):
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "__main__.py").write_text(WHO_AM_I)
    same_as_python(["tool"])
    shutil.make_archive(str(tmp_path / "tool"), "zip", tmp_path / "tool")
    same_as_python(["tool.zip", "x"])


def test_program_on_standard_input(same_as_python):
    same_as_python(["-", "a"], input="import sys; print(sys.argv, sys.stdin.read())\n")


def test_standard_input_belongs_to_the_program(same_as_python):
    done = same_as_python(
        ["-c", "import sys; print(sys.stdin.read()[::-1])"], input="drawer\nlager\n"
    )
    assert done.stdout == "\nregal\nreward\n"


def test_any_command_after_two_dashes(run_peakline, python):
    script = f"exec {python} -c 'import sys; print(sys.argv); sys.exit(9)' \"$@\""
    done = run_peakline(["--", "sh", "-c", script, "sh", "--", "-q", "z"])
    assert (done.stdout, done.returncode) == ("['-c', '--', '-q', 'z']\n", 9)
    assert list(done.result.glob("ledger-*"))


@pytest.mark.parametrize("status", [0, 1, 2, 100, 125, 255])
def test_exit_status_is_passed_on(run_peakline, status):
    done = run_peakline(["-c", f"import sys; sys.exit({status})"])
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    outcome = read_run(done.result)["outcome"]
    assert (outcome["kind"], outcome["code"]) == ("exit", status)


def test_os_exit_and_sys_exit_with_text(same_as_python):
    same_as_python(["-c", "import os; os._exit(3)"])
    same_as_python(["-c", "import sys; sys.exit('no such luck')"])


TRACEBACKS = {
    "module level": "x = [1, 2]\nx[5]\n",
    "nested": "def f(n):\n    if n == 0:\n        raise ValueError('deep')\n    f(n - 1)\nf(4)\n",
    "chained": "try:\n    {}['k']\nexcept KeyError as e:\n    raise RuntimeError('outer') from e\n",
    "in a thread": "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='t')\n"
    "t.start()\nt.join()\n",
    "recursion": "def f():\n    f()\nf()\n",
    "syntax": "def f(:\n    pass\n",
    # The message about it would name the method's address, which differs from run to run anyway.
    "in __del__": "import sys\nsys.unraisablehook = lambda u: print(u.exc_value, file=sys.stderr)\n"
    "class A:\n    def __del__(self):\n        raise OSError('late')\na = A()\ndel a\n",
    "system exit in a with": "import contextlib\nwith contextlib.suppress(ValueError):\n"
    "    raise SystemExit(4)\n",
}


@pytest.mark.parametrize("name", TRACEBACKS)
def test_tracebacks_are_the_same_to_the_letter(same_as_python, tmp_path, name):
    (tmp_path / "fails.py").write_text(TRACEBACKS[name])
    same_as_python(["fails.py"])


def test_traceback_on_every_python(same_as_python, each_python, tmp_path):
    (tmp_path / "fails.py").write_text(TRACEBACKS["nested"])
    assert same_as_python(["fails.py"], python=each_python.path).returncode == 1


@pytest.mark.parametrize(
    "words",
    [["missing.py"], ["-m", "no_such_module"], ["empty"], ["bad.py"], ["-c", "1 +"]],
    ids=lambda words: " ".join(words),
)
def test_a_bad_script_is_for_python_to_complain_about(same_as_python, tmp_path, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.py").write_text("print('never'\n")
    assert same_as_python(words).returncode in (1, 2)


def test_a_script_that_does_not_exist_takes_no_results_place(peakline, python, tmp_path, app):
    """Somebody mistypes: Python's own sentence and no more. What was measured last stays the latest."""
    words = [peakline, "run", "--no-open", "--python", python]
    assert run_command([*words, "-q", "app.py"], cwd=tmp_path).returncode == 0
    before = sorted(os.walk(tmp_path / "peakline-result")), os.readlink(tmp_path / "peakline-result" / "latest")
    plain = run_command([python, "ap.py", "x"], cwd=tmp_path)
    ours = run_command([*words, "ap.py", "x"], cwd=tmp_path)
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    assert plain.returncode == 2 and "No such file" in plain.stderr
    after = sorted(os.walk(tmp_path / "peakline-result")), os.readlink(tmp_path / "peakline-result" / "latest")
    assert after == before


def test_a_command_in_a_scripts_place(peakline, python, tmp_path):
    """`peakline run pytest` is meant for the command, which stands behind two dashes."""
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    (tmp_path / "elsewhere").mkdir()
    done = run_command(
        [peakline, "run", "--python", python, "tool", "-x"], cwd=tmp_path / "elsewhere", env=environment
    )
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == (
        "peakline: there is no script tool; to run the command of that name, write `peakline run -- tool`\n"
    )
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_script(same_as_python, app):
    app.chmod(0)
    assert same_as_python(["app.py"]).returncode == 2


def test_standard_output_is_never_touched(run_peakline):
    done = run_peakline(["-c", "print('mine')"], quiet=False)
    assert done.stdout == "mine\n"
    assert "report.html" in done.stderr


def test_summary_stands_apart_and_is_short(run_peakline):
    done = run_peakline(["-c", "import sys; print('last words', file=sys.stderr)"], quiet=False)
    lines = done.stderr.splitlines()
    assert lines[:2] == ["last words", ""]
    assert 1 <= len(lines[2:]) <= 12
    assert not done.stderr.endswith("\n\n")


def test_quiet_says_nothing_and_still_writes_the_report(run_peakline):
    done = run_peakline(["-c", "pass"])
    assert done.stderr == ""
    assert (done.result / "report.html").stat().st_size > 0


def test_results_are_private(run_peakline):
    done = run_peakline(["-c", "pass"])
    assert stat.S_IMODE(done.result.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in done.result.iterdir()} == {0}


def test_default_result_directory(peakline, python, tmp_path, app):
    for _ in range(2):
        assert (
            run_command(
                [peakline, "run", "-q", "--no-open", "--python", python, "app.py"], cwd=tmp_path
            ).returncode
            == 0
        )
    results = tmp_path / "peakline-result"
    latest = os.readlink(results / "latest")
    names = sorted(path.name for path in results.iterdir() if path.name != "latest")
    assert len(names) == 2 and latest in names
    assert all(name.split("-", 2)[2].startswith("app") and ":" not in name for name in names)
    assert (results / "latest" / "report.html").exists()


def test_python_is_looked_up_on_path(run_peakline, python, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(python)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    done = run_peakline(
        ["-c", "import sys; print(sys.version_info[:2], sys.executable)"],
        python=None,
        env=environment,
    )
    assert done.returncode == 0
    assert done.stdout == f"{sys.version_info[:2]} {tmp_path / 'bin' / 'python3'}\n"


def test_python_beside_the_program_comes_first(peakline, python, tmp_path):
    """As after `pip install` into a virtual environment."""
    runtime = find_runtime(peakline)
    run_command([python, "-m", "venv", "--without-pip", tmp_path / "env"])
    packages = next((tmp_path / "env" / "lib").glob("python3*")) / "site-packages"
    (packages / ".peakline.mesonpy.libs").mkdir()
    shutil.copy(runtime, packages / ".peakline.mesonpy.libs" / "libpeakline.so")
    shutil.copy(peakline, tmp_path / "env" / "bin" / "peakline")
    environment = {key: value for key, value in os.environ.items() if key != "PEAKLINE_RUNTIME"}
    done = run_command(
        [tmp_path / "env" / "bin" / "peakline", "run", "-q", "-c", "import sys; print(sys.prefix)"],
        cwd=tmp_path,
        env=environment,
    )
    assert (done.stdout, done.returncode) == (f"{tmp_path / 'env'}\n", 0)
    assert list((tmp_path / "peakline-result" / "latest").glob("ledger-*"))


def test_a_preload_of_the_users_own_stays(same_as_python, tmp_path):
    other = "libdl.so.2"  # part of glibc, found by the loader without a path
    environment = {**os.environ, "LD_PRELOAD": other}
    done = same_as_python(["-c", "import os; print(os.environ['LD_PRELOAD'])"], env=environment)
    assert done.stdout == other + "\n"


def test_runtime_in_a_directory_with_a_space(run_peakline, peakline, tmp_path):
    """LD_PRELOAD takes spaces and colons for separators."""
    runtime = find_runtime(peakline)
    (tmp_path / "my: files").mkdir()
    (tmp_path / "tmp").mkdir()
    shutil.copy(runtime, tmp_path / "my: files" / "libpeakline.so")
    environment = {
        **os.environ,
        "PEAKLINE_RUNTIME": str(tmp_path / "my: files" / "libpeakline.so"),
        "TMPDIR": str(tmp_path / "tmp"),
    }
    done = run_peakline(["-c", "print('fine')"], env=environment)
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)
    assert list(done.result.glob("ledger-*"))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_command_without_python_is_said(run_peakline):
    done = run_peakline(["--", "true"])
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("peakline: nothing was recorded: true ")


def test_doctor_finds_nothing_wrong_here(run_peakline, python):
    done = run_peakline(["--python", python], command="doctor")
    assert done.returncode == 0, done.stdout
    assert "CPython %d.%d.%d" % sys.version_info[:3] in done.stdout
    assert "was recorded" in done.stdout


def test_doctor_names_the_fix(run_peakline, tmp_path):
    done = run_peakline(["--python", "/bin/ls"], command="doctor")
    assert done.returncode == 1
    assert "PROBLEM  Python" in done.stdout and "--python PATH" in done.stdout


def test_help_and_version(run_peakline):
    assert run_peakline([], command="--version").stdout.startswith("peakline ")
    top = run_peakline([], command="--help")
    assert top.returncode == 0 and "run " in top.stdout and "report " in top.stdout
    for command in ("run", "report", "doctor"):
        one = run_peakline([command], command="help")
        assert one.returncode == 0 and one.stdout.startswith(f"Usage: peakline {command}")
        assert max(map(len, one.stdout.splitlines())) <= 120
