# SPDX-License-Identifier: Apache-2.0
"""The report as the program writes it: the page carries the whole document, and no more than it may."""

import base64
import gzip
import json
import re

import pytest

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
