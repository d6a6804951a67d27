# SPDX-License-Identifier: Apache-2.0
"""Options that are given once and for all: [tool.peakline] of pyproject.toml, variables, and which of them wins."""

import json
import os
import re
import sys

import pytest
from running import REPOSITORY, run_command


@pytest.fixture
def project(tmp_path):
    """project(text) writes a pyproject.toml and returns a folder below it with an app.py."""
    inner = tmp_path / "src" / "inner"
    inner.mkdir(parents=True)
    (inner / "app.py").write_text("print('ran')\n")

    def write(text):
        (tmp_path / "pyproject.toml").write_text(text)
        return inner

    return write


@pytest.fixture
def run(peakline, python):
    """run(folder, *options, NAME=value) runs app.py there with these options and variables and no others."""

    def start(folder, *options, **variables):
        return run_command([peakline, "run", "--python", python, *options, "app.py"], cwd=folder,
                           env={**os.environ, **variables})

    return start


def options_of(peakline):
    commands = json.loads(run_command([peakline, "--dump-options"]).stdout)["commands"]
    return {(command["name"], option["name"]): option for command in commands for option in command["options"]}


def test_the_file_above_says_where_and_how_much(project, run, tmp_path):
    folder = project('[tool.peakline]\nquiet = true\noutput = "memory/last"\n')
    done = run(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")
    assert (tmp_path / "memory" / "last" / "report.html").exists(), "paths count from the file's folder"


def test_a_variable_wins_over_the_file_and_the_command_line_over_both(project, run, tmp_path):
    folder = project('[tool.peakline]\nquiet = true\noutput = "a"\n')
    assert "Peak memory" in run(folder, PEAKLINE_QUIET="0", PEAKLINE_OUTPUT="b").stderr
    assert not (tmp_path / "a").exists()
    assert (folder / "b" / "report.html").exists(), "a variable's paths count from where the run starts"
    done = run(folder, "--no-quiet", "-o", "c", PEAKLINE_QUIET="1", PEAKLINE_OUTPUT="b")
    assert "Peak memory" in done.stderr
    assert (folder / "c" / "report.html").exists()


def test_the_nearest_file_counts_and_no_other(project, run):
    folder = project("[tool.peakline]\nquiet = false\n")
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert "Peak memory" in run(folder).stderr
    (folder / "pyproject.toml").write_text("[tool.peakline]\nquiet = true\n")
    assert run(folder).stderr == ""


def test_verbose_says_what_came_from_where(project, run, tmp_path):
    folder = project('[tool.peakline]\nquiet = true\nwait = 1\n')
    lines = run(folder, "--verbose", "--no-open", PEAKLINE_WAIT="0.5").stderr.splitlines()
    file = tmp_path / "pyproject.toml"
    assert lines[0] == f"peakline: settings from {file}"
    assert f"peakline:   quiet = yes, from quiet ({file}:2)" in lines
    assert "peakline:   wait = 0.5, from PEAKLINE_WAIT" in lines
    assert "peakline:   no-open = yes, from the command line" in lines
    (folder / "pyproject.toml").write_text("")
    assert run(folder, "--verbose", "-q").stderr.startswith(f"peakline: settings from {folder}/pyproject.toml\n")


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("qiet = true", "[tool.peakline] has no key qiet; did you mean quiet?"),
        ("zebra = 1", "[tool.peakline] has no key zebra; `peakline run --help` lists the options"),
        ("run.quiet = true", "[tool.peakline] has no key run.quiet; `peakline run --help` lists the options"),
        ("help = true", "[tool.peakline] has no key help; `peakline run --help` lists the options"),
        ("quiet = 1", "quiet needs true or false, not a number"),
        ('quiet = "yes"', "quiet needs true or false, not a string"),
        ("output = true", "output needs a string or a number, not true or false"),
        ('output = ["a"]', "output needs a string or a number, not an array"),
        ("quiet = true\nquiet = true", "quiet is there twice, first in line 3"),
        ('output = "open', 'a string does not end on its line; close it with "'),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_with_file_and_line(project, run, tmp_path, text, sentence):
    folder = project(f"# mine\n[tool.peakline]\n{text}\n")
    done = run(folder)
    line = 2 + len(text.splitlines())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"peakline: {tmp_path}/pyproject.toml:{line}: {sentence}\n"


def test_a_value_where_the_table_should_be_is_one_sentence(project, run, tmp_path):
    folder = project("[tool]\npeakline = true\n")
    sentence = "tool.peakline is a table; write [tool.peakline] and keys below it"
    assert run(folder).stderr == f"peakline: {tmp_path}/pyproject.toml:2: {sentence}\n"


def test_values_are_checked_wherever_they_stand(project, run, tmp_path):
    folder = project('[tool.peakline]\ncolor = "blue"\n')
    place = f"color ({tmp_path}/pyproject.toml:2)"
    assert run(folder).stderr == f"peakline: {place} is blue; it takes one of these words: always never auto\n"
    folder = project('[tool.peakline]\nwait = "soon"\n')
    assert run(folder).stderr == f"peakline: wait ({tmp_path}/pyproject.toml:2) needs a number of seconds, not soon\n"
    folder = project("")
    done = run(folder, PEAKLINE_FAIL_OVER="10%")
    assert done.stderr == "peakline: PEAKLINE_FAIL_OVER takes a size, such as 500MiB or 1.5GB, not 10%\n"
    done = run(folder, PEAKLINE_QUIET="maybe")
    assert done.stderr == "peakline: PEAKLINE_QUIET switches --quiet on or off; it takes 1 or 0, not maybe\n"
    assert done.returncode == 2


def test_a_broken_file_of_others_is_not_our_business(project, run):
    folder = project("[project\nname = \n???\n[tool.peakline]\nquiet = true\n")
    assert run(folder).stderr == ""


def test_a_file_that_cannot_be_read_is_said(project, run, tmp_path):
    folder = project("")
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "pyproject.toml").mkdir()
    done = run(folder)
    assert done.returncode == 2
    assert re.fullmatch(r"peakline: cannot read \S+pyproject\.toml: .*\n", done.stderr)


def test_the_programs_own_python_and_variables_are_not_touched(project, run, monkeypatch):
    monkeypatch.delenv("PEAKLINE_CACHE", raising=False)  # where the tests' Pythons are
    folder = project("[tool.peakline]\nquiet = true\n")
    (folder / "app.py").write_text("import os\nprint(sorted(n for n in os.environ if n.startswith('PEAKLINE_')))\n")
    assert run(folder, PEAKLINE_WAIT="1").stdout == "['PEAKLINE_WAIT']\n"


def test_every_option_has_a_key_unless_it_is_about_one_command_line(peakline):
    options = options_of(peakline)
    without = {name for name, option in options.items() if option["key"] is None}
    assert without <= {(command, name) for command, name in options if name in ("help", "output", "after")}
    assert ("run", "output") not in without
    keys = {}
    for (_, name), option in options.items():
        if option["key"] is not None:
            # one key is one option, whichever commands have it
            assert keys.setdefault(option["key"], name) == name
            assert option["variable"] == "PEAKLINE_" + option["key"].upper().replace("-", "_")


def test_settings_of_one_command_do_not_disturb_another(project, run, peakline):
    folder = project('[tool.peakline]\nreport-format = "text"\nquiet = true\noutput = "r"\n')
    run(folder)
    done = run_command([peakline, "report", folder.parents[1] / "r"], cwd=folder)
    assert done.stdout.startswith("Peak memory")


def test_completion_manual_and_reference_know_every_option(peakline, tmp_path):
    options = options_of(peakline)
    for kind, form in (("bash", "--{name}"), ("zsh", "--{name}"), ("fish", "-l {name} "), ("markdown", "`--{name}"),
                       ("man", "\\-\\-{name}")):
        output = tmp_path / kind
        done = run_command([sys.executable, REPOSITORY / "tools" / "words.py", peakline, kind, output])
        assert done.returncode == 0, done.stderr
        text = output.read_text()
        for _, name in options:
            words = form.format(name=name.replace("-", "\\-") if kind == "man" else name)
            assert words in text, (kind, name)


def test_bash_completes_options_and_their_words(peakline, tmp_path):
    run_command([sys.executable, REPOSITORY / "tools" / "words.py", peakline, "bash", tmp_path / "words"])
    script = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _peakline; echo "${COMPREPLY[@]}"'

    def complete(*words):
        return run_command(["bash", "-c", script, tmp_path / "words", *words]).stdout.split()

    assert complete("peakline", "repo") == ["report"]
    assert complete("peakline", "run", "--fail-o") == ["--fail-over"]
    assert complete("peakline", "run", "--color", "a") == ["always", "auto"]
    # each command has formats of its own
    assert complete("peakline", "diff", "--format", "") == ["text", "html", "json", "markdown", "github"]
    formats = ["html", "text", "markdown", "csv", "json", "folded", "pprof", "speedscope", "dhat", "github"]
    assert complete("peakline", "report", "--format", "") == formats
    assert complete("peakline", "report", "-f", "sp") == ["speedscope"]
