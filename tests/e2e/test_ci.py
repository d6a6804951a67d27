# SPDX-License-Identifier: Apache-2.0
"""A run as a check: the limit, the step's summary, annotations."""

import os
import re
import shutil
import signal

import pytest
from running import REPOSITORY, run_command

BIG = "kept = bytearray(20 << 20)\nmore = bytearray(5 << 20)\n"


@pytest.fixture
def app(tmp_path):
    (tmp_path / "app.py").write_text(BIG)
    return tmp_path / "app.py"


def test_a_peak_over_the_limit_is_status_3_and_names_the_lines(run_peakline, app):
    done = run_peakline(["app.py"], options=["--fail-over", "20MiB"])
    assert done.returncode == 3
    assert re.fullmatch(
        r"peakline: the peak of 2\d\.\d MiB is over the limit of 20\.0 MiB by \d\.\d MiB \(--fail-over 20MiB\); "
        r"held by app\.py:1 \(20\.0 MiB\), app\.py:2 \(5\.0 MiB\)\n", done.stderr)
    assert (done.result / "report.html").exists()


def test_a_peak_at_or_below_the_limit_passes_in_silence(run_peakline, app):
    done = run_peakline(["app.py"], options=["--fail-over=60 MB"])
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_that_failed_itself_keeps_its_status(run_peakline, app):
    app.write_text(BIG + "raise SystemExit(7)\n")
    done = run_peakline(["app.py"], options=["--fail-over", "1MiB"])
    assert done.returncode == 7
    assert "over the limit of 1.0 MiB" in done.stderr
    app.write_text(BIG + "import os\nos.kill(os.getpid(), 15)\n")
    assert run_peakline(["app.py"], options=["--fail-over", "1MiB"]).returncode == -signal.SIGTERM


def test_a_limit_that_cannot_be_checked_is_not_passed(run_peakline):
    done = run_peakline(["--", "/bin/true"], options=["--fail-over", "1GiB"])
    assert done.returncode == 1
    assert "there is no peak to compare with the limit of 1GiB" in done.stderr


@pytest.mark.parametrize("text", ["10%", "many", "", "-1", "1.5 PB"])
def test_what_is_no_size_is_refused_before_the_program_runs(run_peakline, app, text):
    done = run_peakline(["app.py"], options=[f"--fail-over={text}"])
    assert done.returncode == 2
    assert done.stderr == f"peakline: --fail-over takes a size, such as 500MiB or 1.5GB, not {text}\n"
    assert not done.result.exists()


def workflow(tmp_path):
    return {**os.environ, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "GITHUB_WORKSPACE": str(tmp_path) + "/", "GITHUB_ACTIONS": "true"}


def test_a_workflow_gets_a_summary_and_notes_beside_the_lines(run_peakline, app, tmp_path):
    (tmp_path / "summary.md").write_text("from before\n")
    done = run_peakline(["app.py"], options=["--github"], env=workflow(tmp_path))
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("from before\n### Peak memory 2")
    assert "`app.py:1`" in summary
    notes = done.stderr.splitlines()
    assert re.fullmatch(r"::warning file=app\.py,line=1,title=Peak memory::20\.0 MiB \(\d\d\.\d %25\) of the peak of .*",
                        notes[0])
    assert notes[1].startswith("::warning file=app.py,line=2,")
    assert (done.returncode, done.stdout) == (0, "")


def test_names_in_annotations_cannot_give_commands(run_peakline, tmp_path):
    name = "a,b:c%d\n::error::x.py"
    (tmp_path / name).write_text(BIG)
    done = run_peakline([name], options=["--github"], env=workflow(tmp_path))
    first = done.stderr.splitlines()[0]
    assert first.startswith("::warning file=a%2Cb%3Ac%25d%0A%3A%3Aerror%3A%3Ax.py,line=1,")
    assert "\n::error" not in done.stderr


def test_nothing_happens_unless_it_is_asked_for_and_there_is_a_workflow(run_peakline, app, tmp_path):
    done = run_peakline(["app.py"], env=workflow(tmp_path))
    assert (done.stderr, (tmp_path / "summary.md").exists()) == ("", False)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    assert run_peakline(["app.py"], options=["--github"], env=plain).stderr == ""


def test_a_summary_that_cannot_be_written_changes_nothing(run_peakline, app, tmp_path):
    (tmp_path / "summary.md").mkdir()
    done = run_peakline(["app.py"], options=["--github"], env=workflow(tmp_path))
    assert done.returncode == 0
    assert "peakline: cannot write the step's summary" in done.stderr


def test_a_recorded_run_gives_the_same_annotations(run_peakline, app, tmp_path):
    ran = run_peakline(["app.py"], options=["--github"], env=workflow(tmp_path))
    again = run_peakline([ran.result, "--format", "github"], command="report", env=workflow(tmp_path))
    assert again.stdout == ran.stderr


def test_only_lines_of_files_get_a_note(run_peakline, app, tmp_path):
    text = "import sys; sys.path.insert(0, '.'); import app; mine = bytearray(50 << 20)"
    done = run_peakline(["-c", text], options=["--github"], env=workflow(tmp_path))
    assert "<string>" in (tmp_path / "summary.md").read_text(), "the line of the text holds the most"
    assert [line.split(",")[0] for line in done.stderr.splitlines()] == ["::warning file=app.py"] * 2
    assert "<string>:1" in run_peakline(["-c", text], options=["--fail-over", "1MiB"]).stderr


@pytest.fixture
def history(tmp_path):
    """A repository of two commits; history(mib) makes the second one hold so much more. Returns a way to compare them."""
    folder = tmp_path / "project"
    folder.mkdir()
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
                "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    if shutil.which("git") is None:
        pytest.skip("git is not on this machine")

    def git(*words):
        done = run_command(["git", *words], cwd=folder, env={**os.environ, **identity})
        assert done.returncode == 0, done.stderr

    def make(mib):
        git("init", "-q")
        for size in (20, 20 + mib):
            (folder / "app.py").write_text(f"kept = bytearray({size} << 20)\n# {mib}: a commit of its own\nx = {size}\n")
            git("add", ".")
            git("commit", "-q", "--allow-empty", "-m", str(size))
        return folder

    return make


@pytest.mark.parametrize("grown_mib, status", [(5, 3), (0, 0)])
def test_the_recipe_for_pull_requests_from_end_to_end(peakline, python, history, tmp_path, grown_mib, status):
    folder = history(grown_mib)
    summary = tmp_path / "summary.md"
    environment = {**os.environ, "PEAKLINE": peakline, "PEAKLINE_PYTHON": python, "GITHUB_STEP_SUMMARY": str(summary),
                   "GITHUB_ACTIONS": "true"}
    done = run_command([REPOSITORY / "examples/ci/compare.sh", "HEAD~1", "HEAD", "5%", "app.py"], cwd=folder,
                       env=environment)
    assert done.returncode == status, done.stderr
    assert "app.py" in summary.read_text() or status == 0
    notes = [line for line in done.stdout.splitlines() if line.startswith("::")]
    grown = "::warning file=app.py,line=1,title=Peak memory grew::+5.0 MiB at the peak: 20.0 MiB before, 25.0 MiB now"
    assert notes == ([grown] if grown_mib else [])
    worktrees = run_command(["git", "worktree", "list"], cwd=folder).stdout
    assert worktrees.count("\n") == 1, "what it made is gone"
