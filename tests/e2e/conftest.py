# SPDX-License-Identifier: Apache-2.0
"""What every end-to-end test needs: the built program, and a way to run something under it and
under plain Python.

The program is $PEAKLINE if set, else build/src/cli/peakline. The interpreters come from
pythons.py."""

import os
import shutil
import sys

import pytest
import pythons
from api_session import run_script
from compiling import Compiler
from running import REPOSITORY, Run, run_command


def _find_peakline() -> str:
    path = os.environ.get("PEAKLINE") or str(REPOSITORY / "build" / "src" / "cli" / "peakline")
    if not os.access(path, os.X_OK):
        pytest.fail(
            f"{path} is missing: build first, or name the program in PEAKLINE", pytrace=False
        )
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def peakline() -> str:
    return _find_peakline()


@pytest.fixture(scope="session")
def python() -> str:
    """One interpreter, for tests that do not depend on the version: the one that runs the tests."""
    return os.path.realpath(sys.executable)


ALL_PYTHONS = pythons.find_pythons()


@pytest.fixture(params=ALL_PYTHONS, ids=[each.name for each in ALL_PYTHONS])
def each_python(request):
    """Every interpreter on the machine, one test each."""
    return request.param


# What tests and builds are told by; every other PEAKLINE_ variable is an option of the program.
OWN_VARIABLES = ("PEAKLINE_CACHE", "PEAKLINE_PYTHONS", "PEAKLINE_RUNTIME", "PEAKLINE_RUN")


@pytest.fixture(autouse=True)
def quiet_surroundings(monkeypatch):
    """The same surroundings for all: no colours, no browser, no settings of the developer's."""
    for name in (
        "FORCE_COLOR",
        "CLICOLOR_FORCE",
        "BROWSER",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONWARNINGS",
        "PEAKLINE_PYTHONS",  # pythons.py has read it
        "GITHUB_STEP_SUMMARY",
        *(name for name in os.environ if name.startswith("PEAKLINE_") and name not in OWN_VARIABLES),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    cc = os.environ.get("CC", "cc").split()[0]
    if shutil.which(cc) is None:
        pytest.skip("there is no C compiler here")
    return Compiler(cc, tmp_path_factory.mktemp("runtime"))


@pytest.fixture
def run_peakline(peakline, python, tmp_path):
    """run_peakline(["app.py", "x"]) runs `peakline run app.py x` with a result directory of its own
    and returns a Run. `python=` picks the interpreter (None: leave it to Peakline); `quiet=False`
    keeps the summary; `command=` is another command than run, with nothing added to its words;
    further keywords go to subprocess.run."""
    number = 0

    def run(words, python=python, quiet=True, command="run", options=(), **keywords) -> Run:
        nonlocal number
        result = None
        before = []
        if command == "run":
            number += 1
            result = tmp_path / f"result-{number}"
            before = ["-o", result, "--no-open", *(["-q"] if quiet else [])]
            if python is not None and words[:1] != ["--"]:
                before += ["--python", python]
        keywords.setdefault("cwd", tmp_path)
        done = run_command([peakline, command, *before, *options, *words], **keywords)
        return done._replace(result=result)

    return run


@pytest.fixture
def run_api(peakline, python, tmp_path):
    """run_api(code) runs a program that uses the API and asserts that it ended well and said nothing on stderr.
    Returns what it printed."""

    def run(code, *words, python=python, **options):
        done = run_script(python, peakline, tmp_path, code, *words, **options)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
        return done.stdout

    return run


@pytest.fixture
def same_as_python(run_peakline, python, tmp_path):
    """same_as_python(words) runs `python words` and `peakline run words` and asserts that the two
    cannot be told apart by output, errors and ending. Returns the Run under Peakline."""

    def check(words, python=python, **keywords) -> Run:
        keywords.setdefault("cwd", tmp_path)
        plain = run_command([python, *words], **keywords)
        ours = run_peakline(words, python=python, **keywords)
        assert ours.stderr == plain.stderr
        assert ours.stdout == plain.stdout
        assert ours.returncode == plain.returncode
        return ours

    return check
