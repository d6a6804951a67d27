# SPDX-License-Identifier: Apache-2.0
"""The formats for other tools: each read back the way those tools do, each adding up to the peak to
the byte, and nothing that a program calls itself able to break them."""

import copy
import csv
import io
import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import jsonschema
import pprof_reader
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import REPOSITORY, run_command

FORMATS = ["pprof", "speedscope", "dhat", "markdown", "csv", "json", "folded"]

# 5,000,000 bytes stay to the end, 3,000,000 are freed after the peak, 100 times 20,000 never meet.
# A bytes object of N is one request of sys.getsizeof(b"") + N, see reports.py.
APP = """\
import sys
import threading
KEEP = [None, None]
def keep(place, size):
    KEEP[place] = bytes(size)
def churn():
    for i in range(100):
        bytes(20_000)
churn()
keep(0, 5_000_000)
worker = threading.Thread(target=keep, args=(1, 3_000_000))
worker.start()
worker.join()
KEEP[1] = None
"""
BYTES = 33  # sys.getsizeof(b"")


def export(peakline, result, form) -> bytes:
    done = subprocess.run(
        [peakline, "report", str(result), "--format", form],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.fixture(scope="module")
def result(peakline, python, tmp_path_factory):
    directory = tmp_path_factory.mktemp("exports")
    (directory / "app.py").write_text(APP)
    words = [peakline, "run", "-q", "--no-open", "--python", python, "-o", "out"]
    done = run_command([*words, "-S", "app.py"], cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    return directory / "out"


@pytest.fixture(scope="module")
def document(peakline, result):
    return json.loads(export(peakline, result, "json"))


@pytest.fixture(scope="module")
def peak(document):
    assert document["peak_bytes"] > 8_000_000
    return document["peak"]


# ---- the same run, the same bytes ----


@pytest.mark.parametrize("form", FORMATS)
def test_twice_the_same(peakline, result, form, tmp_path):
    first = export(peakline, result, form)
    assert first == export(peakline, result, form)
    file = tmp_path / "report"
    done = run_command([peakline, "report", result, "-f", form, "-o", file])
    assert (done.returncode, done.stdout) == (0, f"{file}\n")
    assert file.read_bytes() == first


# ---- pprof ----


@pytest.fixture(scope="module")
def pprof(peakline, result):
    return pprof_reader.read(export(peakline, result, "pprof"))


def test_pprof_adds_up(pprof, peak):
    assert pprof.total("peak_bytes") == peak["bytes"]
    assert pprof.total("peak_blocks") == peak["blocks"]


def test_pprof_counts_what_was_kept_and_what_went(pprof, result):
    app = str(result.parent / "app.py")
    sums = {name: 0 for name, _ in pprof.types}
    for stack, values in pprof.samples:
        if stack[0][1] == app and stack[0][2] in (5, 8):
            for name, value in values.items():
                sums[name] += value
    kept, freed, churned = (BYTES + size for size in (5_000_000, 3_000_000, 20_000))
    assert sums == {
        "peak_blocks": 2,
        "peak_bytes": kept + freed,
        "end_blocks": 0,
        "end_bytes": 0,
        "alloc_blocks": 102,
        "alloc_bytes": kept + freed + 100 * churned,
    }


def test_pprof_has_the_lines(pprof, result):
    app = str(result.parent / "app.py")
    kept = [
        (stack, values["peak_bytes"], values["peak_blocks"])
        for stack, values in pprof.samples
        if stack[0][1:] == (app, 5) and values["peak_bytes"] > 1_000_000
    ]
    assert sorted(each[1:] for each in kept) == [(3_000_000 + BYTES, 1), (5_000_000 + BYTES, 1)]
    main = [stack for stack, size, _ in kept if size > 4_000_000]
    assert main == [(("keep (app.py)", app, 5), ("<module> (app.py)", app, 10))]
    [thread] = [stack for stack, size, _ in kept if size < 4_000_000]
    assert thread[-1] == ("[thread started at app.py:12]", "", 0)


def test_pprof_says_what_it_is(pprof):
    assert pprof.default_type == "peak_bytes"
    assert [unit for _, unit in pprof.types] == ["count", "bytes"] * 3
    assert pprof.comments[1] == "-S app.py"
    assert (pprof.program, pprof.period) == ("app.py", 1)
    assert 0 < pprof.duration_ns < 100e9


@pytest.mark.skipif(shutil.which("go") is None, reason="no go here: its pprof is not asked")
def test_pprof_in_go(peakline, result, peak, tmp_path):
    (tmp_path / "peak.pb.gz").write_bytes(export(peakline, result, "pprof"))
    done = run_command(["go", "tool", "pprof", "-raw", "peak.pb.gz"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^ +(\d+) +(\d+) +\d+ +\d+ +\d+ +\d+:", done.stdout, re.MULTILINE)
    assert sum(int(row[1]) for row in rows) == peak["bytes"]


# ---- speedscope ----

SPEEDSCOPE = {  # what its file format asks for
    "type": "object",
    "required": ["$schema", "shared", "profiles"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://www.speedscope.app/file-format-schema.json"},
        "name": {"type": "string"},
        "exporter": {"type": "string"},
        "activeProfileIndex": {"type": "integer"},
        "shared": {
            "type": "object",
            "required": ["frames"],
            "properties": {
                "frames": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "file": {"type": "string"},
                            "line": {"type": "integer", "minimum": 1},
                        },
                    },
                }
            },
        },
        "profiles": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "type", "name", "unit", "startValue", "endValue", "samples", "weights",
                ],
                "additionalProperties": False,
                "properties": {
                    "type": {"const": "sampled"},
                    "name": {"type": "string"},
                    "unit": {"const": "bytes"},
                    "startValue": {"const": 0},
                    "endValue": {"type": "integer"},
                    "samples": {
                        "type": "array",
                        "items": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "integer", "minimum": 0},
                        },
                    },
                    "weights": {"type": "array", "items": {"type": "integer", "minimum": 1}},
                },
            },
        },
    },
}  # fmt: skip


def read_speedscope(data: bytes) -> dict:
    """As its importer would: what its schema does not say."""
    document = json.loads(data)
    count = len(document["shared"]["frames"])
    for profile in document["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        assert sum(profile["weights"]) == profile["endValue"]
        assert all(frame < count for sample in profile["samples"] for frame in sample)
    return document


def test_speedscope_adds_up(peakline, result, peak, document):
    stacks = document
    document = read_speedscope(export(peakline, result, "speedscope"))
    jsonschema.validate(document, SPEEDSCOPE)
    assert [profile["endValue"] for profile in document["profiles"]] == [
        sum(stacks["stacks"][column]) for column in ("bytes", "end_bytes", "alloc_bytes")
    ]
    assert document["profiles"][0]["endValue"] == peak["bytes"]
    frames, first = document["shared"]["frames"], document["profiles"][0]
    largest = max(zip(first["weights"], first["samples"]))
    assert largest[0] == 5_000_000 + BYTES
    app = str(result.parent / "app.py")
    assert [frames[frame] for frame in largest[1]] == [
        {"name": "<module> (app.py:10)", "file": app, "line": 10},
        {"name": "keep (app.py:5)", "file": app, "line": 5},
    ]


# ---- DHAT ----


def read_dhat(data: bytes) -> dict:
    """What valgrind's dh_view.js and the importer of the Firefox profiler insist on."""
    document = json.loads(data)
    assert (document["dhatFileVersion"], document["bklt"], document["bkacc"]) == (2, True, False)
    for key in ("mode", "verb", "tu", "Mtu", "cmd"):
        assert document[key] and isinstance(document[key], str)
    assert 0 <= document["tg"] <= document["te"] and document["te"] > 0
    assert isinstance(document["tuth"], int) and isinstance(document["pid"], int)
    assert document["ftbl"][0] == "[root]"
    seen = set()
    for point in document["pps"]:
        for key in ("tb", "tbk", "tl", "mb", "mbk", "gb", "gbk", "eb", "ebk"):
            assert isinstance(point[key], int) and point[key] >= 0
        assert point["mb"] >= point["gb"] and point["mb"] >= point["eb"]
        assert point["fs"] and all(0 < frame < len(document["ftbl"]) for frame in point["fs"])
        seen.add(tuple(point["fs"]))
    assert len(seen) == len(document["pps"]), "the viewer refuses a stack that comes twice"
    return document


# As the Firefox profiler takes frames apart.
DHAT_FRAME = re.compile(r"^0x([0-9a-f]+): (.+) \((?:in )?(.+?)(?::(\d+))?(?::(\d+))?\)$", re.I)


def test_dhat_adds_up(peakline, result, peak, document):
    stacks = document["stacks"]
    document = read_dhat(export(peakline, result, "dhat"))
    assert sum(point["gb"] for point in document["pps"]) == peak["bytes"]
    assert sum(point["gbk"] for point in document["pps"]) == peak["blocks"]
    for short, column in (("e", "end"), ("t", "alloc")):
        for key, unit in (("b", "bytes"), ("bk", "blocks")):
            total = sum(point[short + key] for point in document["pps"])
            assert total == sum(stacks[f"{column}_{unit}"])
    parsed = [DHAT_FRAME.match(frame).groups() for frame in document["ftbl"][1:]]
    app = str(result.parent / "app.py")
    largest = max(document["pps"], key=lambda point: point["gb"])
    assert [parsed[frame - 1][1:4] for frame in largest["fs"]] == [
        ("keep", app, "5"),
        ("<module>", app, "10"),
    ]


# What the Firefox profiler shows of a DHAT file, by the name it gives to each of its four threads, and from which key.
FIREFOX_THREADS = {"Total Bytes": "tb", "Maximum Bytes": "mb", "Bytes at Global Max": "gb", "Bytes at End": "eb"}


def import_as_firefox(data: bytes) -> dict:
    """The rules of its importer, field by field: by thread, the bytes of each call tree path. A frame that has not the
    expected shape is shown as it stands, in a file called like the command; functions are one by name and file; stacks
    go from the root inwards below the command, one that comes twice is one."""
    document = json.loads(data)
    assert type(document["dhatFileVersion"]) is int and document["dhatFileVersion"] == 2
    assert isinstance(document["cmd"], str) and document["cmd"], "the product's name and the root of all stacks"
    assert type(document["pid"]) is int
    functions = []
    for frame in document["ftbl"]:
        found = DHAT_FRAME.match(frame)
        functions.append((found[2], found[3], found[4] and int(found[4])) if found else (frame, document["cmd"], None))
    assert [function for function in functions if function[1] == document["cmd"]] == [("[root]", document["cmd"], None)], (
        "every frame but the first, which no stack names, has the expected shape")
    threads = {name: {} for name in FIREFOX_THREADS}
    for point in document["pps"]:
        path = [document["cmd"]]
        for index in reversed(point["fs"]):
            assert type(index) is int and 0 < index < len(functions), "each frame is in the table"
            path.append(functions[index][:2])
        for name, key in FIREFOX_THREADS.items():
            assert type(point[key]) is int
            threads[name][tuple(path)] = threads[name].get(tuple(path), 0) + point[key]
    return threads


def test_the_firefox_profiler_reads_the_stacks_that_there_are(peakline, result, document):
    """Against the JSON: the same files and functions from the outside in, the same bytes, in each of its threads."""
    threads = import_as_firefox(export(peakline, result, "dhat"))
    names, files = document["functions"], document["files"]["path"]
    stacks = document["stacks"]
    paths = [()]
    for parent, frame in list(zip(stacks["parent"], stacks["frame"]))[1:]:
        function = document["frames"]["function"][frame]
        path = files[names["file"][function]]
        paths.append(paths[parent] + (((names["name"][function], path),) if path else ()))
    for thread, column in (("Total Bytes", "alloc_bytes"), ("Bytes at Global Max", "bytes"), ("Bytes at End", "end_bytes")):
        wanted, shown = Counter(), Counter()
        for path, size in zip(paths, stacks[column]):
            wanted[path] += size
        for path, size in threads[thread].items():
            shown[tuple(frame for frame in path[1:] if frame[1] != "Peakline")] += size
        assert +shown == +wanted, thread
    largest = threads["Maximum Bytes"]
    assert all(largest[path] >= max(threads["Bytes at Global Max"][path], threads["Bytes at End"][path]) for path in largest)


# ---- CSV ----


def read_csv(data: bytes):
    text = data.decode("utf-8")
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


def test_csv_adds_up(peakline, result, peak, document):
    rows = read_csv(export(peakline, result, "csv"))
    assert sum(int(row["peak_bytes"]) for row in rows) == peak["bytes"]
    assert sum(int(row["peak_blocks"]) for row in rows) == peak["blocks"]
    for column in ("end_bytes", "end_blocks", "alloc_bytes", "alloc_blocks"):
        assert sum(int(row[column]) for row in rows) == sum(document["stacks"][column])
    assert len(rows) == len(document["blame"])
    assert rows[0]["path"] == str(result.parent / "app.py")
    assert (rows[0]["line"], rows[0]["function"], rows[0]["kind"]) == ("5", "keep", "user")
    assert int(rows[0]["peak_bytes"]) >= 8_000_000 + 2 * BYTES
    assert rows[0]["source"] == "KEEP[place] = bytes(size)"


# ---- Markdown ----

CODE = r"(?:`[^`|\\\n]+`|<code>(?:&#\d+;|[^<>&`|\\*_@#\[\]!\n])*</code>)"
STARTED = rf"threads started at {CODE}"
HOLDER = (
    rf"(?:Process \d+ \({CODE}\) holds the most, [\d.]+ \w+ \([\d.]+ %\)"
    rf"(?:, (?:all|[\d.]+ \w+) of it in (?:its main thread|other threads|{STARTED}))?\."
    rf"|(?:The main thread holds|Other threads hold|T{STARTED[1:]} hold) the most, [\d.]+ \w+ \([\d.]+ %\)\.)"
)
MARKDOWN = re.compile(
    rf"### Peak memory [\d.]+ \w+\n\n"
    rf"{CODE} held at most \*\*[\d.]+ \w+\*\* \([\d,]+ bytes in [\d,]+ blocks?\)"
    rf"(?: in \d+ of \d+ processes)?(?:, [\w. ]+)?\."
    rf"(?: {HOLDER})?"
    rf"(?: The first 3 lines hold [\d.]+ % of it\.)?\n"
    rf"(?:\n- {CODE}\n)?"
    rf"(?:\n\*\*[\w ().,;]+\*\*\n)?"
    rf"(?:\n(?:- (?:{CODE}|\d+ more in the report)\n)+)?"
    rf"\n\| At the peak \| Share \| Blocks \| Line \| Source \|\n\| ---: .*\n"
    rf"(?P<rows>(?:\| [\d.]+ \w+ \| [\d.]+ % \| [\d,]+ \| {CODE} \| (?:{CODE})? \|\n)+)"
    rf"(?:\| [\d.]+ \w+ \| [\d.]+ % \| [\d,]+ \| [\d,]+ more lines? \| \|\n)?"
)


def read_markdown(data: bytes):
    """Nothing but our own words stands outside of code."""
    text = data.decode("utf-8")
    match = MARKDOWN.fullmatch(text)
    assert match, text
    assert len(text) < 65_536
    return match["rows"].splitlines()


def test_markdown_reads_like_this(peakline, result, peak):
    data = export(peakline, result, "markdown")
    rows = read_markdown(data)
    assert rows[0].endswith("| 2 | `app.py:5` | `KEEP[place] = bytes(size)` |")
    size = peak["bytes"]
    start = f"`-S app.py` held at most **{size / 2**20:.1f} MiB** ({size:,} bytes in "
    assert start in data.decode()


# ---- JSON ----


def make_strict(schema):
    """The schema lets new keys appear. Here a key that it does not know is a mistake of ours."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            make_strict(value)
    elif isinstance(schema, list):
        for value in schema:
            make_strict(value)


@pytest.fixture(scope="module")
def schema():
    return json.loads((REPOSITORY / "docs" / "json-schema.json").read_text(encoding="utf-8"))


def test_json_keeps_to_its_schema(document, schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    strict = copy.deepcopy(schema)
    make_strict(strict)
    jsonschema.validate(document, strict)
    document = {**document, "later": 1}
    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, strict)


def test_json_of_a_killed_program_keeps_to_its_schema(run_peakline, peakline, tmp_path, schema):
    (tmp_path / "dies.py").write_text(
        "import os\ntry:\n    bytearray(1 << 62)\n"
        "except MemoryError:\n    os.kill(os.getpid(), 9)\n"
    )
    done = run_peakline(["dies.py"])
    document = json.loads(export(peakline, done.result, "json"))
    jsonschema.validate(document, schema)
    assert document["run"]["outcome"]["signal_name"] == "SIGKILL"
    (done.result / "run.json").unlink()
    jsonschema.validate(json.loads(export(peakline, done.result, "json")), schema)
    for form in FORMATS:
        export(peakline, done.result, form)


# ---- several processes ----

# Each child allocates beside its parent, which waits for it.
FORKS = """\
import os
KEEP = [None]
def hold(size):
    KEEP[0] = bytes(size)
hold(5_000_000)
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        hold(4_000_000)
        os._exit(0)
    os.waitpid(pid, 0)
"""


def test_each_process_is_an_outermost_frame(run_peakline, peakline, tmp_path):
    (tmp_path / "forks.py").write_text(FORKS)
    result = run_peakline(["forks.py"]).result
    document = json.loads(export(peakline, result, "json"))
    pids = {process["pid"] for process in document["processes"]}
    assert len(pids) == 3
    pprof = pprof_reader.read(export(peakline, result, "pprof"))
    assert pprof.total("peak_bytes") == document["peak_bytes"]
    for stack, _ in pprof.samples:
        assert re.match(r"process (\d+|x\d+) forks\.py(, forked)?$", stack[-1][0])
    allocated = [
        values["alloc_bytes"] for stack, values in pprof.samples if stack[0][0] == "hold (forks.py)"
    ]
    assert sum(allocated) == 5_000_000 + 2 * 4_000_000 + 3 * BYTES
    speedscope = read_speedscope(export(peakline, result, "speedscope"))
    assert speedscope["profiles"][0]["endValue"] == document["peak_bytes"]
    dhat = read_dhat(export(peakline, result, "dhat"))
    assert sum(point["gb"] for point in dhat["pps"]) == document["peak_bytes"]
    rows = read_csv(export(peakline, result, "csv"))
    assert sum(int(row["peak_bytes"]) for row in rows) == document["peak_bytes"]
    read_markdown(export(peakline, result, "markdown"))


# ---- who holds the most ----

# The parent keeps 2 MB in its main thread and 3 MB in a thread; the child 20 MB, of it 15 MB in a thread.
HOLDERS = """\
import os, threading
KEEP = []
def hold(size):
    KEEP.append(bytes(size))
def hold_apart(size):
    worker = threading.Thread(target=hold, args=(size,))
    worker.start()
    worker.join()
hold(2_000_000)
hold_apart(3_000_000)
pid = os.fork()
if pid == 0:
    hold(5_000_000)
    hold_apart(15_000_000)
    os._exit(0)
os.waitpid(pid, 0)
"""


def test_the_process_and_the_thread_that_hold_the_most_are_named(run_peakline, peakline, tmp_path):
    (tmp_path / "holders.py").write_text(HOLDERS)
    run = run_peakline(["holders.py"])
    document = json.loads(export(peakline, run.result, "json"))
    holder = document["peak"]["holder"]
    parent, child = document["processes"]
    assert holder["pid"] == child["pid"] and holder["bytes"] == child["bytes_at_tree_peak"] >= 20_000_000
    assert 15_000_000 <= holder["thread_bytes"] < 15_100_000, "what the thread itself needed is small"
    function = document["frames"]["function"][holder["thread"]]
    assert document["functions"]["name"][function] == "[thread]"
    starter = document["frames"]["started_by"][holder["thread"]]
    assert document["frames"]["line"][starter] == 7
    words = f"Process {child['pid']} (holders.py, forked) holds the most, "
    assert holder["text"].startswith(words) and holder["text"].endswith(" of it in threads started at holders.py:7.")
    written = export(peakline, run.result, "markdown").decode()
    assert f"Process {child['pid']} (`holders.py, forked`) holds the most, " in written
    assert " of it in threads started at `holders.py:7`." in written
    summary = " ".join(export(peakline, run.result, "text").decode().split())
    assert words in summary and "in threads started at holders.py:7." in summary, "on one line or two"


@pytest.mark.parametrize("main, apart, said", [
    (14_000_000, 3_000_000, r"The main thread holds the most, [\d.]+ MiB \([\d.]+ %\)\.$"),
    (3_000_000, 15_000_000, r"Threads started at threads\.py:4 hold the most, [\d.]+ MiB \([\d.]+ %\)\.$"),
])
def test_of_one_process_the_thread_is_named(run_peakline, peakline, tmp_path, main, apart, said):
    (tmp_path / "threads.py").write_text(
        f"import threading\nkeep = [bytes({main})]\n"
        f"worker = threading.Thread(target=lambda: keep.append(bytes({apart})))\nworker.start()\nworker.join()\n")
    document = json.loads(export(peakline, run_peakline(["threads.py"]).result, "json"))
    assert re.match(said, document["peak"]["holder"]["text"])


def test_where_there_is_one_thread_nobody_is_named(run_peakline, peakline, tmp_path):
    (tmp_path / "plain.py").write_text("keep = bytes(3_000_000)\n")
    result = run_peakline(["plain.py"]).result
    assert json.loads(export(peakline, result, "json"))["peak"]["holder"] is None
    for form in ("text", "markdown"):
        written = export(peakline, result, form)
        assert b"hold the most" not in written and b"holds the most" not in written


# ---- recursion ----

# 6,000 levels that each keep something would be 18 million frames, if every stack had all of its own.
DEEP = """\
import sys
sys.setrecursionlimit(10_000)
KEEP = [None] * 6000
def call(depth):
    KEEP[depth] = bytes(100)
    if depth < 5999:
        call(depth + 1)
call(0)
"""


def test_deep_recursion_leaves_frames_out_and_no_bytes(run_peakline, peakline, tmp_path):
    (tmp_path / "deep.py").write_text(DEEP)
    result = run_peakline(["deep.py"]).result
    peak = json.loads(export(peakline, result, "json"))["peak_bytes"]
    pprof = pprof_reader.read(export(peakline, result, "pprof"))
    assert pprof.total("peak_bytes") == peak
    deep = str(tmp_path / "deep.py")
    assert pprof.comments[-1].startswith("Stacks deeper than ")
    deepest = max(len(stack) for stack, _ in pprof.samples)
    assert 128 <= deepest < 6000
    kept = [stack for stack, values in pprof.samples if stack[0][1:] == (deep, 5)]
    assert len(kept) == 6000
    assert all(stack[-1][2] == 8 for stack in kept)  # the outermost is still there
    assert sum(1 for stack in kept if ("[frames left out]", "", 0) in stack) > 1000
    dhat = read_dhat(export(peakline, result, "dhat"))
    assert sum(point["gb"] for point in dhat["pps"]) == peak
    speedscope = read_speedscope(export(peakline, result, "speedscope"))
    assert speedscope["profiles"][0]["endValue"] == peak
    assert "cut" in speedscope["name"]


# ---- hostile names ----

HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1", '"', '","', "a\r\nb", "'",
    "|", "\\|", "`", "``", "` `", "<script>alert(1)</script>", "<!--", "&lt;", "@everyone", "#1",
    "[a](b)", "![a](b)", "**x**", "_x_", "~~x~~", "$x$", "www.example.com", "\x1b[31m", "\x00",
    "\u202e", "\u2028", "\x85", "\x7f", ";", "a;b 3", "(x:1)", ") (", "a" * 3000, "é" * 700, "",
    " ", "\ud800", "%s%n", "x" + "\u0301" * 900, "/" * 300, "<module>", "../../etc/passwd",
]  # fmt: skip

NAMES = """\
import json, sys, types
KEEP = []
def f(size):
    return bytes(size)
for i, name in enumerate(json.load(open(sys.argv[1]))):
    names = {"co_name": name, "co_filename": name}
    if hasattr(f.__code__, "co_qualname"):
        names["co_qualname"] = name
    KEEP.append(types.FunctionType(f.__code__.replace(**names), {"bytes": bytes})(1_000_000 + i))
"""


FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def check_names(peakline, python, names):
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        (directory / "names.py").write_text(NAMES)
        (directory / "names.json").write_text(json.dumps(names))
        words = [peakline, "run", "-q", "--no-open", "--python", python, "-o", "out"]
        done = run_command([*words, "-S", "names.py", "names.json"], cwd=directory)
        assert (done.returncode, done.stderr) == (0, "")
        out = {form: export(peakline, directory / "out", form) for form in FORMATS}
    peak = json.loads(out["json"])["peak_bytes"]
    for data in (out["speedscope"], out["dhat"], out["csv"], out["markdown"], out["folded"]):
        assert b"\x00" not in data and b"\x1b" not in data
    pprof = pprof_reader.read(out["pprof"])
    speedscope = read_speedscope(out["speedscope"])
    dhat = read_dhat(out["dhat"])
    rows = read_csv(out["csv"])
    read_markdown(out["markdown"])
    assert pprof.total("peak_bytes") == peak
    assert speedscope["profiles"][0]["endValue"] == peak
    assert sum(point["gb"] for point in dhat["pps"]) == peak
    assert sum(int(row["peak_bytes"]) for row in rows) == peak
    assert sum(int(line.rpartition(b" ")[2]) for line in out["folded"].splitlines()) == peak
    for row in rows:
        for cell in row.values():
            assert not cell.startswith(FORMULA_STARTS)
            assert not UNPRINTABLE.search(cell)
    # (two that are the same in name, file and line are one stack)
    large = [values["peak_bytes"] for _, values in pprof.samples]
    wanted = sum(1_000_000 + BYTES + i for i in range(len(names)))
    assert sum(size for size in large if size >= 1_000_000) == wanted


@pytest.mark.parametrize("first", range(0, len(HOSTILE), 16))
def test_names_that_people_have_used_against_others(peakline, python, first):
    """No more at a time than Markdown has rows."""
    check_names(peakline, python, HOSTILE[first : first + 16])


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.lists(st.text(max_size=60), min_size=1, max_size=60))
def test_any_names(peakline, python, names):
    check_names(peakline, python, names)


# ---- the command line ----


@pytest.mark.parametrize(
    "typed, meant",
    [("prof", "pprof"), ("speedscop", "speedscope"), ("mark", "markdown"), ("dhta", "dhat")],
)
def test_the_nearest_format_is_suggested(peakline, result, typed, meant):
    done = run_command([peakline, "report", result, "--format", typed])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"peakline: unknown format {typed}; did you mean {meant}?\n"


def test_a_format_like_no_other_gets_the_list(peakline, result):
    done = run_command([peakline, "report", result, "--format", "zzzzzz"])
    assert done.returncode == 2
    for form in FORMATS:
        assert form in done.stderr


def test_help_names_every_format(peakline):
    done = run_command([peakline, "report", "--help"])
    for form in [*FORMATS, "html", "text"]:
        assert form in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 100
