# SPDX-License-Identifier: Apache-2.0
"""Lines are those that ran: a report made again after an edit takes them from the page of the run, or says that it cannot."""

import json
import os

import pytest
from test_page_archive import page_data

PROGRAM = """\
import helper


def load():
    # the rows of the year
    rows = [b"x" * 1000 for _ in range(3000)]
    # all of them
    return rows


rows = load()
copies = helper.copy(rows)
"""
HELPER = """\
def copy(rows):
    return [row + b"!" for row in rows]
"""
EDITED = PROGRAM.replace("\n\ndef load", "\nTHE_EDIT = 1  # the edit\n\n\ndef load").replace("b\"x\"", "b\"edited\"")
CHANGED = "Changed since the run began"
MISSING = "Source not readable"


@pytest.fixture
def result(run_peakline, tmp_path):
    (tmp_path / "app.py").write_text(PROGRAM)
    (tmp_path / "helper.py").write_text(HELPER)
    run = run_peakline(["app.py"])
    assert run.returncode == 0, run.stderr
    return run.result


@pytest.fixture
def report(run_peakline, result):
    def write(form, *options):
        done = run_peakline([result, "--format", form, "--no-open", *options], command="report")
        assert done.returncode == 0, done.stderr
        return (result / "report.html").read_text("utf-8") if form == "html" and not options else done.stdout

    return write


def edit(path, text=EDITED):
    """Later than the run by the file's own time, whatever the clock's steps are."""
    path.write_text(text)
    os.utime(path, (2**31, 2**31))


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "json", "github", "dhat", "speedscope", "folded", "pprof"])
def test_an_edit_after_the_run_changes_nothing_in_any_format(report, tmp_path, form):
    if form == "pprof":
        read = lambda: report(form, "-o", tmp_path / "p.pb.gz") and (tmp_path / "p.pb.gz").read_bytes()  # noqa: E731
    else:
        read = lambda: report(form)  # noqa: E731
    before = read()
    edit(tmp_path / "app.py")
    (tmp_path / "helper.py").unlink()
    assert read() == before


def test_the_page_made_again_keeps_its_lines_with_those_around_them(report, tmp_path):
    before = page_data(report("html"))
    edit(tmp_path / "app.py")
    (tmp_path / "helper.py").unlink()
    for _ in range(2):  # the second is made from the page that the first one wrote
        assert page_data(report("html")) == before
    assert "    # the rows of the year" in before["page"]["context"]["text"]


def test_without_the_page_it_is_said_that_lines_may_be_others(report, result, tmp_path):
    (result / "report.html").unlink()
    edit(tmp_path / "app.py")
    (tmp_path / "helper.py").unlink()
    document = json.loads(report("json"))
    assert any(CHANGED in text and "app.py" in text for text in document["warnings"])
    assert any(MISSING in text and "helper.py" in text for text in document["warnings"])
    # and a page that was made then knows no better
    assert page_data(report("html"))["warnings"] == document["warnings"]
    assert json.loads(report("json")) == document


def damage(page):
    text = page.read_text("utf-8")
    page.write_text(text[:text.index('id="peakline-data"') + 1000])


def with_data(text, data):
    start = text.index('<script type="application/json" id="peakline-data"')
    return (text[:start] + '<script type="application/json" id="peakline-data" data-encoding="json">'
            + json.dumps(data).replace("<", "\\u003c") + text[text.index("</script>", start):])


def change_a_number(page):
    """Whole, and its stacks no longer add up."""
    text = page.read_text("utf-8")
    data = page_data(text)
    data["stacks"]["bytes"][-1] += 1
    page.write_text(with_data(text, data))


@pytest.mark.parametrize("spoil", [damage, change_a_number, lambda page: page.write_text("<p>mine</p>"), lambda page: page.write_text(""),
                                   lambda page: (page.unlink(), page.mkdir()), lambda page: (page.unlink(), os.mkfifo(page))],
                         ids=["cut off", "does not add up", "foreign", "empty", "a directory", "a pipe"])
def test_a_page_that_cannot_be_read_is_as_none(report, result, tmp_path, spoil):
    spoil(result / "report.html")
    edit(tmp_path / "app.py")
    document = json.loads(report("json"))
    assert any(CHANGED in text for text in document["warnings"])


def test_the_page_of_another_run_is_not_believed(report, result, run_peakline, tmp_path):
    page = (result / "report.html").read_text("utf-8")
    lines = PROGRAM.replace("# the rows of the year", "# of another run").replace("(3000)", "(2000)")
    (tmp_path / "app.py").write_text(lines)
    other = run_peakline(["app.py"])
    assert other.returncode == 0, other.stderr
    (other.result / "report.html").write_text(page)
    edit(tmp_path / "app.py")
    done = run_peakline([other.result, "--format", "json"], command="report")
    document = json.loads(done.stdout)
    assert any(CHANGED in text for text in document["warnings"])
    assert not any("range(3000)" in text for text in document["frames"]["source"])


@pytest.mark.parametrize("option", ["--no-source", "--redact"])
def test_what_a_page_left_out_is_missed_and_said(report, result, tmp_path, option):
    report("html", option, "-o", result / "report.html")
    edit(tmp_path / "app.py")
    assert any(CHANGED in text for text in json.loads(report("json"))["warnings"])


@pytest.mark.parametrize("option", ["--no-source", "--redact"])
def test_a_report_to_be_passed_on_leaves_out_old_lines_too(report, tmp_path, option):
    before = report("json", option)
    edit(tmp_path / "app.py")
    assert report("json", option) == before


def test_lines_that_the_page_does_not_have_leave_the_warning(report, result, tmp_path):
    """A page of this run that knows fewer lines, as one made from a part of the ledgers."""
    page = result / "report.html"
    data = page_data(page.read_text("utf-8"))
    at = data["frames"]["source"].index("rows = load()")
    data["frames"]["line"][at] = 3
    page.write_text(with_data(page.read_text("utf-8"), data))
    edit(tmp_path / "app.py")
    document = json.loads(report("json"))
    assert any(CHANGED in text for text in document["warnings"])
    assert any("b\"x\" * 1000" in text for text in document["frames"]["source"]), "what it has is right"


EDITS_ITSELF = """\
import os, signal, time

held = b"x" * 5_000_000  # as it ran
os.kill(os.getppid(), signal.SIGUSR2)
page = os.path.join("so-far", "report.html")
while not os.path.exists(page):
    time.sleep(0.01)
with open(__file__) as file:
    text = file.read()
with open(__file__, "w") as file:
    file.write(text.replace("as it ran", "as the run ended"))
os.utime(__file__, (2**31, 2**31))
"""


def test_a_page_of_a_running_program_is_not_the_last_word(run_peakline, tmp_path):
    """The lines of a run are those at its end, also where it was looked at before."""
    (tmp_path / "app.py").write_text(EDITS_ITSELF)
    run = run_peakline(["app.py"], options=["-o", "so-far"])
    assert run.returncode == 0, run.stderr
    data = page_data((tmp_path / "so-far" / "report.html").read_text("utf-8"))
    assert data["run"]["outcome"]["kind"] == "exit"
    assert any(CHANGED in text for text in data["warnings"])
    assert any("as the run ended" in text for text in data["frames"]["source"])


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_redacted_page_has_the_lines_around_its_lines(report, run_peakline, result, tmp_path, is_edited):
    """Source lines are not what --redact takes out."""
    if is_edited:
        edit(tmp_path / "app.py")
    page = tmp_path / "shared.html"
    report("html", "--redact", "-o", page)
    context = page_data(page.read_text("utf-8"))["page"]["context"]["text"]
    assert "    # the rows of the year" in context and "    # all of them" in context


STRINGS = """\
import os, subprocess, sys
mine = bytearray(2_000_000)
def f(size): return bytearray(size)
called = f(3_000_000)
exec("import sys\\nby_exec = bytearray(5_000_000)")
if os.fork() == 0:
    f(1_000_000)
    os._exit(0)
os.wait()
child = "first = 1\\nanother = bytearray(7_000_000)\\nimport os, time\\nos.write(1, b'.')\\nsys = 3\\ninput()"
with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
    process.stdout.read(1)
    process.communicate(b"\\n")
"""


def test_only_the_program_of_c_has_the_lines_of_its_text(run_peakline):
    """What exec() runs, and what another process was given with -c, is `<string>` as well: the second line of all three
    stood as the program's."""
    run = run_peakline(["-c", STRINGS])
    assert run.returncode == 0, run.stderr
    document = json.loads(run_peakline([run.result, "--format", "json"], command="report").stdout)
    lines = {(row["path"], row["line"]): row for row in document["blame"] if row["alloc_bytes"] > 900_000}
    text = STRINGS.split("\n")
    for number, size in ((2, 2_000_000), (3, 4_000_000), (5, 5_000_000)):
        row = lines[("<string>", number)]
        assert row["source"] == text[number - 1] and row["alloc_bytes"] - size < 200_000, row
    other = lines[("<other string>", 2)]
    assert other["source"] == "" and other["bytes"] - 7_000_000 < 200_000 and other["kind"] == 1
