# SPDX-License-Identifier: Apache-2.0
"""The report as the program writes it: the page carries the whole document, and no more than it may."""

import base64
import gzip
import json
import re
import zlib
from pathlib import Path
from typing import NamedTuple

import pprof_reader
import pytest
from running import run_command

PROGRAM = """\
import json

SECRET = "hunter2"


def load(count):
    return ["row %d" % i for i in range(count)]


def recurse(depth):
    return [recurse(depth - 1), b"x" * 64] if depth else []


rows = load(20_000)
text = json.dumps(rows)
deep = recurse(900)
for i in range(50):
    for_a_moment = bytearray(1_000_000)
del for_a_moment
"""


def page_data(html):
    """As src/report/page.h has it."""
    found = re.findall(r'<script type="application/json" id="peakline-data" data-encoding="([^"]+)">(.*?)</script>', html,
                       re.DOTALL)
    assert len(found) == 1
    encoding, text = found[0]
    assert "<" not in text
    if encoding == "gzip+base64":
        text = gzip.decompress(base64.b64decode(text, validate=True)).decode("utf-8")
    return json.loads(text)


def document_of(data):
    """The way back that page.h describes, for a page without folded stacks."""
    assert data.pop("folded") is None
    data.pop("page")
    up = data["stacks"].pop("up")
    data["stacks"] = {"parent": [row - distance if row else -1 for row, distance in enumerate(up)], **data["stacks"]}
    blame = data["blame"]
    data["blame"] = []
    for row, frame in enumerate(blame["frame"]):
        line = {name: column[row] for name, column in blame.items() if name != "frame"}
        if frame < 0:
            line.update(path="", line=0, function="[no stack]", source="", kind=4)
        else:
            function = data["frames"]["function"][frame]
            file = data["functions"]["file"][function]
            line.update(path=data["files"]["path"][file], line=data["frames"]["line"][frame],
                        function=data["functions"]["name"][function], source=data["frames"]["source"][frame],
                        kind=data["files"]["kind"][file])
        data["blame"].append(line)
    return data


def shown_sources(data):
    return [text for text in data["frames"]["source"] + data["page"]["context"]["text"] if text.strip()]


@pytest.fixture
def result(run_peakline, tmp_path):
    (tmp_path / "app.py").write_text(PROGRAM)
    run = run_peakline(["app.py", "--token", "t0ps3cret"])
    assert run.returncode == 0, run.stderr
    return run.result


@pytest.fixture
def report(run_peakline):
    return lambda result, *options: run_peakline([result, *options], command="report")


def test_the_page_carries_the_document(report, result):
    data = page_data((result / "report.html").read_text("utf-8"))
    document = json.loads(report(result, "--format", "json").stdout)
    frames = list(zip(data["frames"]["function"], data["frames"]["line"]))
    assert len(frames) == len(set(frames))
    assert document_of(data) == document


def test_the_page_holds_lines_near_those_that_ran_and_no_others(result, tmp_path):
    data = page_data((result / "report.html").read_text("utf-8"))
    mine = set(PROGRAM.split("\n"))
    shown = {text for text in shown_sources(data) if text in mine}
    assert "    return [\"row %d\" % i for i in range(count)]" in shown
    assert "def load(count):" in shown, "two lines above"
    assert data["stacks"]["alloc_bytes"] != data["stacks"]["bytes"]


def test_without_sources_and_redacted(report, result, tmp_path):
    page = tmp_path / "shared.html"
    done = report(result, "--no-source", "--redact", "-o", page, "--no-open")
    assert done.returncode == 0, done.stderr
    text = page.read_text("utf-8")
    data = page_data(text)
    assert shown_sources(data) == []
    assert data["run"]["command"] == ["app.py"] and data["run"]["directory"] == ""
    everything = json.dumps(data)
    for secret in (str(tmp_path), "t0ps3cret", "hunter2", "/home/", "/usr/"):
        assert secret not in everything
    full = page_data((result / "report.html").read_text("utf-8"))
    assert data["peak"]["bytes"] == full["peak"]["bytes"]
    assert data["stacks"]["bytes"] == full["stacks"]["bytes"], "no number changes"


@pytest.mark.parametrize("option, word", [("--hide", "("), ("--show", "["), ("--project", "/nowhere/at/all")])
def test_a_choice_that_cannot_be_is_one_sentence(report, result, option, word):
    done = report(result, option, word, "--format", "text")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and option in done.stderr


def test_whose_code_is_whose_by_option(report, result, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    own = json.loads(report(result, "--format", "json").stdout)
    assert {row["kind"] for row in own["blame"] if row["path"].endswith("/app.py")} == {0}
    hidden = json.loads(report(result, "--format", "json", "--hide", "app[.]py$").stdout)
    assert hidden["peak_bytes"] == own["peak_bytes"]
    assert {row["kind"] for row in hidden["blame"] if row["path"].endswith("/app.py")} == {1}
    project = json.loads(report(result, "--format", "json", "--project", tmp_path / "elsewhere").stdout)
    assert {row["kind"] for row in project["blame"] if row["path"].endswith("/app.py")} == {1}


# ---- every format from the page ----

HELD_BY_MANY = """\
import os
import threading

KEEP = []


def hold(size):
    KEEP.append(bytes(size))


def churn():
    return [bytes(900) for _ in range(2000)]


hold(3_000_000)
churn()
worker = threading.Thread(target=hold, args=(4_000_000,))
worker.start()
worker.join()
if os.fork() == 0:
    hold(5_000_000)
    os._exit(0)
os.wait()
"""

class Sources(NamedTuple):
    """A result directory, and its page alone, moved away."""
    peakline: Path
    ledgers: Path
    page: Path

    def write(self, source, *options):
        return run_command([self.peakline, "report", source, *options], cwd=self.ledgers.parent)


@pytest.fixture(scope="module")
def sources(peakline, python, tmp_path_factory):
    place = tmp_path_factory.mktemp("formats")
    (place / "app.py").write_text(HELD_BY_MANY)
    done = run_command([peakline, "run", "-q", "--no-open", "-o", "result", "--python", python, "app.py"], cwd=place)
    assert done.returncode == 0, done.stderr
    page = place / "elsewhere" / "mailed.html"
    page.parent.mkdir()
    page.write_bytes((place / "result" / "report.html").read_bytes())
    return Sources(peakline, place / "result", page)


@pytest.mark.parametrize("form", ["text", "markdown", "csv", "folded", "speedscope", "dhat", "json", "github"])
def test_a_page_gives_every_format_that_its_directory_gives(sources, form):
    both = [sources.write(source, "--format", form) for source in (sources.ledgers, sources.page)]
    assert [(done.returncode, done.stderr) for done in both] == [(0, "")] * 2
    ledgers, page = (done.stdout for done in both)
    if form == "text":  # which names the report that it was made from, or lies beside
        ledgers, page = (re.sub(r"^Report: .*", "Report", text, flags=re.M) for text in (ledgers, page))
    if form == "dhat":  # in microseconds; a page has milliseconds
        ledgers, page = (re.sub(r'("t[eg]":\d*)\d{3},', r"\g<1>000,", text) for text in (ledgers, page))
    assert len(page) > 100 and page == ledgers


def test_pprof_of_a_page_has_the_same_stacks(sources, tmp_path):
    profiles = []
    for source in (sources.ledgers, sources.page):
        done = sources.write(source, "--format", "pprof", "-o", tmp_path / "one.pb.gz")
        assert done.returncode == 0, done.stderr
        profiles.append(pprof_reader.read((tmp_path / "one.pb.gz").read_bytes()))
    ledgers, page = profiles
    assert page.samples == ledgers.samples and page.total("peak_bytes") == ledgers.total("peak_bytes") > 12_000_000


@pytest.mark.parametrize("options, said", [
    ([], "is the page already; choose another format with --format"),
    (["--format", "html"], "is the page already; choose another format with --format"),
    (["--format", "text", "--hide", "x"], "to use --hide, name the result directory"),
    (["--format", "csv", "--project", "."], "to use --project, name the result directory"),
    (["--format", "json", "--redact"], "name the result directory"),
])
def test_what_a_page_does_not_give_is_said_in_one_sentence(sources, options, said):
    done = sources.write(sources.page, *options)
    assert done.returncode == 2 and done.stdout == ""
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_page_can_be_passed_on_with_less(sources):
    done = sources.write(sources.page, "--format", "csv", "--no-source", "--redact")
    assert done.returncode == 0 and str(sources.page.parents[1]) not in done.stdout
    assert "KEEP.append" not in done.stdout and "app.py" in done.stdout


def test_of_a_page_with_folded_stacks_it_is_said_and_nothing_is_lost(sources, tmp_path):
    """The page as a very large run would leave it: the smallest stacks are one."""
    html = sources.page.read_text("utf-8")
    data = page_data(html)
    stacks = data["stacks"]
    last = len(stacks["up"]) - 1
    assert not any(stacks["up"][i] == i - last for i in range(last)), "a leaf"
    stacks["frame"][last] = -2
    data["folded"] = {"stacks": 17, "bytes": stacks["bytes"][last]}
    blame = data["blame"]
    blame["frame"][-1] = -2
    text = json.dumps(data).replace("<", "\\u003c")
    page = tmp_path / "folded.html"
    page.write_text(re.sub(r'(id="peakline-data" data-encoding=")[^"]+(">).*?(</script>)',
                           lambda found: found[1] + "json" + found[2] + text + found[3], html, flags=re.DOTALL), "utf-8")
    for form in ("folded", "csv", "dhat", "speedscope", "text"):
        done = sources.write(page, "--format", form)
        assert done.returncode == 0, done.stderr
        assert "has its 17 smallest stacks folded together, and so has this" in done.stderr
        if form == "folded":
            lines = done.stdout.splitlines()
            assert sum(int(line.rpartition(" ")[2]) for line in lines) == data["peak_bytes"]
        if form == "csv":
            assert "[folded together]" in done.stdout
        if form == "dhat":
            assert sum(point["gb"] for point in json.loads(done.stdout)["pps"]) == data["peak_bytes"]


@pytest.mark.parametrize("extra", [
    '"frames": {"function": [900000000, 900000000], ',
    '"frames": {"line": [], ',
    '"files": {' + "".join(f'"c{number}": [], ' for number in range(16)),
], ids=["a column that points nowhere", "an empty column", "many columns first"])
def test_of_tables_that_do_not_fit_no_document_is_made(report, result, tmp_path, extra):
    """Whoever made this page put a key into it twice: what is checked must be what is used."""
    data = json.dumps(page_data((result / "report.html").read_text("utf-8")))
    table = extra.split("{")[0] + "{"
    assert data.count(table) == 1
    page = tmp_path / "made.html"
    start = '<script type="application/json" id="peakline-data" data-encoding="json">'
    text = data.replace(table, extra).replace("<", "\\u003c")
    page.write_text(f"<!doctype html>{start}{text}</script>")
    done = report(page, "--format", "json", "-o", tmp_path / "out.json")
    assert done.returncode == 1, done.stderr
    assert "do not fit together" in done.stderr
    assert not (tmp_path / "out.json").exists()


def packed(parts):
    """A page of these parts of its data, whatever they are."""
    press = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = b"".join([*map(press.compress, parts), press.flush()])
    start = b'<script type="application/json" id="peakline-data" data-encoding="gzip+base64">'
    return b"<!doctype html>" + start + base64.b64encode(data) + b"</script>"


@pytest.mark.parametrize("numbers", [10_000_000, 80_000_000])
def test_a_small_page_made_to_unpack_into_the_whole_memory_is_refused(report, result, tmp_path, numbers):
    """First as values of which each takes 25 times its place in the text, then as text."""
    page = tmp_path / "made.html"
    data = json.dumps(page_data((result / "report.html").read_text("utf-8"))).replace("<", "\\u003c")
    page.write_bytes(packed([data[:-1].encode(), b', "x": [0', *[b",0" * 1_000_000] * (numbers // 1_000_000), b"]}"]))
    assert page.stat().st_size < 1_000_000
    done = report(page, "--format", "text")
    assert done.returncode == 1
    assert "holds more data than Peakline reads" in done.stderr and done.stderr.count("\n") == 1
