# SPDX-License-Identifier: Apache-2.0
"""Right function, right file, right line, right bytes, on every interpreter: programs that hold known
sizes at known places, and a report that must say so to the byte."""

import glob
import json
import os
import shutil
import subprocess

import pytest
from reports import TARGETS, chain_matches, read_marks, read_report

POINTS = TARGETS / "stack_points.py"


@pytest.fixture
def profile(run_peakline, peakline):
    """profile(python, words) runs the program to its good end and reads its report; what it printed
    is report.printed."""

    def run(python, words, **keywords):
        done = run_peakline(words, python=getattr(python, "path", python), **keywords)
        assert (done.returncode, done.stderr) == (0, "")
        report = read_report(peakline, done.result)
        report.printed = done.stdout
        assert report["python_status"] == "verified"
        # Code made by exec has no source to show; nothing else may be in doubt.
        doubts = [each for each in report["warnings"] if not each.startswith("Source not readable")]
        assert doubts == []
        return report

    return run


def wrong_marks(report, path, header):
    """Marks of `path` that the report does not bear out."""
    wrong = []
    marks = list(read_marks(path))
    assert marks
    for mark in marks:
        held = report.at(path, mark.line)
        good = (
            len(held) == 1
            and held[0].size == mark.times * (header + mark.size)
            and held[0].blocks == mark.times
            and chain_matches(mark.chain, held[0].names)
        )
        if not good:
            wrong.append((mark, [(each.names[-8:], each.size, each.blocks) for each in held]))
    return wrong


@pytest.fixture(scope="module")
def kept_points():
    return {}


@pytest.fixture
def points(profile, kept_points):
    """The report about stack_points.py, made once an interpreter."""

    def get(python):
        if python not in kept_points:
            kept_points[python] = profile(python, ["-S", POINTS])
        return kept_points[python]

    return get


def test_every_kind_of_frame(points, each_python):
    report = points(each_python)
    assert wrong_marks(report, POINTS, int(report.printed)) == []


def test_the_part_of_a_line_that_allocated(profile, each_python):
    """Exactly the expression, in characters of the line; before 3.11 no code object knows columns."""
    path = TARGETS / "expressions.py"
    report = profile(each_python, ["-S", path])
    lines = path.read_text(encoding="utf-8").split("\n")
    columns = zip(report.frames, report["frames"]["column"], report["frames"]["end_column"])
    found = {
        (frame.line, frame.name): (start, end) for frame, start, end in columns if frame.path == str(path)
    }
    known = json.loads(report.printed)
    if not known:
        assert set(found.values()) == {(-1, -1)}
        return
    parts = {line: lines[line - 1][start:end] for (line, _), (start, end) in found.items()}
    marked = {line: text.split("  #= ")[1] for line, text in enumerate(lines, 1) if "  #= " in text}
    assert len(marked) == 8
    assert {line: parts[line] for line in marked} == marked
    (line,) = [line for line, text in enumerate(lines, 1) if "to the end of the line" in text]
    assert parts[line] == lines[line - 1][lines[line - 1].index("callee(") :]
    # Of every line of the file: it begins and ends where the interpreter says that something does.
    for (line, name), (start, end) in found.items():
        if start >= 0:
            text = lines[line - 1].rstrip()
            first, last = (len(text[:to].encode()) for to in (start, end))
            here = [each[1:] for each in known if each[0] == line]
            assert first in [each[0] for each in here], (line, name)
            ends = [len(text.encode()) if each[1] < 0 else each[1] for each in here]
            assert last in ends, (line, name)


def test_without_columns_no_part_is_marked(profile, each_python):
    """The interpreter can be told to leave them out: then there is nothing to say, and nothing is said."""
    path = TARGETS / "expressions.py"
    report = profile(each_python, ["-S", "-X", "no_debug_ranges", path])
    columns = zip(report.frames, report["frames"]["column"])
    assert {start for frame, start in columns if frame.path == str(path)} == {-1}


def test_the_largest_block_of_a_line(profile, each_python):
    """To the byte where it can be known, and never beyond its limits where not."""
    path = TARGETS / "largest.py"
    report = profile(each_python, ["-S", path])
    header = int(report.printed)
    lines = {line["line"]: line for line in report["blame"] if line["path"] == str(path)}
    checked = 0
    for number, text in enumerate(path.read_text().split("\n"), 1):
        if "  #: " not in text:
            continue
        words = text.split("  #: ")[1].replace("from ", "").replace("the least", str(1024 - header)).split(" to ")
        least, most = (header + int(words[at]) for at in (0, -1))
        found = lines[number]["largest_least_bytes"], lines[number]["largest_bytes"]
        assert found == (least, most), (number, text)
        checked += 1
    assert checked == 7


# Where a comprehension's own frame is to be expected. 3.12 made list, dict and set comprehensions part of
# the function around them; a generator expression always is a function.
COMPREHENSIONS = {
    "list": (3, 1_009, "<listcomp>"),
    "dict": (2, 1_013, "<dictcomp>"),
    "set": (1, 1_019, "<setcomp>"),
    "generator": (5, 1_021, "<genexpr>"),
}


@pytest.mark.parametrize("kind", COMPREHENSIONS)
def test_comprehensions(points, each_python, kind):
    report = points(each_python)
    header = int(report.printed)
    line = next(
        number
        for number, text in enumerate(POINTS.read_text().split("\n"), 1)
        if text.endswith("#? " + kind)
    )
    times, size, frame = COMPREHENSIONS[kind]
    inlined = each_python.version >= (3, 12) and kind != "generator"
    names = ["<module>", "comprehensions"] + ([] if inlined else [frame])
    held = [each for each in report.at(POINTS, line) if each.names == names]
    assert len(held) == 1
    # The container grows on the same line: under 1,000 bytes. list() makes its own outside the generator.
    spare = 0 if kind == "generator" else 1_000
    assert 0 <= held[0].size - times * (header + size) <= spare


def test_qualified_names(points, each_python):
    """From 3.11 on the interpreter knows the qualified name; before, the plain one."""
    report = points(each_python)
    names = {frame.function for frame in report.frames if frame.path == str(POINTS)}
    if each_python.version >= (3, 11):
        assert "nested.<locals>.inner.<locals>.innermost" in names
        assert "Finalized.__del__" in names
        assert "class_bodies.<locals>.Body.Within" in names
    else:
        assert {"innermost", "__del__", "Within"} <= names


def test_deep_recursion_is_whole(points, each_python):
    """Ten thousand calls deep: every single frame is there, from <module> to the innermost."""
    report = points(each_python)
    (mark,) = [each for each in read_marks(POINTS) if each.size == 50_021]
    (held,) = report.at(POINTS, mark.line)
    assert held.names == ["<module>", "deep"] + ["recurse"] * 10_001
    (mark,) = [each for each in read_marks(POINTS) if each.size == 50_023]
    (held,) = report.at(POINTS, mark.line)
    assert held.names == ["<module>", "deep"] + ["recurse"] * 5_001


def test_executed_code_and_lines_above_65535(points, each_python):
    report = points(each_python)
    header = int(report.printed)

    def only(path, line):
        # The standard library, too, runs code it calls "<string>".
        (held,) = [each for each in report.at(path, line) if each.names[1] == "executed"]
        return held.names, held.size

    assert only("/nowhere/far.py", 70_001) == (
        ["<module>", "executed", "<module>"],
        header + 60_013,
    )
    assert only("/nowhere/far.py", 70_404) == (
        ["<module>", "executed", "<module>", "far"],
        header + 60_017,
    )
    assert only("/nowhere/eval.py", 1) == (["<module>", "executed", "<module>"], header + 60_029)
    assert only("<string>", 1) == (["<module>", "executed", "<module>"], header + 60_037)


def test_code_that_died_does_not_mislead(profile, each_python):
    report = profile(each_python, ["-S", TARGETS / "code_churn.py"])
    header, different = map(int, report.printed.split())
    # The trap is there: many code objects, few addresses. (mimalloc's and PEP 703's late frees use more.)
    assert different < (4_000 if each_python.free_threaded else 2_000)
    rounds = 4_000
    wrong = []
    rows = {}
    for path in range(7):
        for line in range(2, 100):
            for held in report.at(f"/nowhere/made-{path}.py", line):
                if held.names[-1] != "<module>":  # which keeps what `def` makes, for a while
                    rows.setdefault(held.frames[-1], []).append(held)
    for number in range(rounds):
        held = rows.get((f"made_{number}", f"/nowhere/made-{number % 7}.py", number % 97 + 2), [])
        sizes = [(each.size, each.blocks, each.names[:-1]) for each in held]
        # `X * 1` is X itself.
        want = [] if number == 1 else [(header + number, 1, ["<module>", "churn"])]
        if sizes != want:
            wrong.append((number, sizes))
    assert wrong == []
    assert len(rows) == rounds - 1


@pytest.mark.parametrize("seed", [1])
def test_random_walks(profile, each_python, tmp_path, seed):
    """Thousands of blocks at random places of random stacks: what is kept of the last walk never misleads."""
    path = TARGETS / "random_walks.py"
    report = profile(each_python, ["-S", path, str(seed), tmp_path / "notes"])
    wanted = {}
    for notes in json.loads((tmp_path / "notes").read_text()):
        for key, size in notes.items():
            wanted[key] = wanted.get(key, 0) + size
    assert len(wanted) > 1_000
    assert max(key.count(" ") for key in wanted) > 400
    lines = {int(key.rpartition(" ")[2]) for key in wanted}
    found = {}
    for line in lines:
        for held in report.at("/nowhere/walks.py", line):
            inner = [each for each in held.frames if each.path == "/nowhere/walks.py"]
            key = " ".join(f"{each.name} {each.line}" for each in inner)
            found[key] = found.get(key, 0) + held.size
    wrong = {
        key: (wanted.get(key), found.get(key))
        for key in {*wanted, *found}
        if wanted.get(key) != found.get(key)
    }
    assert wrong == {}


KINDS = ["settrace", "setprofile", "monitoring"]


@pytest.mark.parametrize("kind", KINDS)
def test_programs_that_trace_themselves(same_as_python, peakline, each_python, kind):
    """They see what they see without us, and their lines are right nonetheless."""
    if kind == "monitoring" and each_python.version < (3, 12):
        pytest.skip("sys.monitoring came with 3.12")
    path = TARGETS / "traced.py"
    done = same_as_python(["-S", path, kind], python=each_python.path)
    report = read_report(peakline, done.result)
    header, events = map(int, done.stdout.split("\n")[0].split())
    assert events > 20
    (mark, *_) = read_marks(path)
    held = [each for each in report.at(path, mark.line) if each.names == ["<module>", "watched"]]
    # A traced frame gets a frame object and the tracer's arguments, made on the line that runs: under 1,000.
    assert len(held) == 1
    assert 0 <= held[0].size - (header + mark.size) < 1_000


def test_debugger(same_as_python, each_python, tmp_path):
    (tmp_path / "app.py").write_text("def f(a):\n    b = a * 2\n    return b\n\n\nprint(f(21))\n")
    words = "b 2\nc\np a\nn\np b\nw\nc\nq\n"
    done = same_as_python(["-m", "pdb", "app.py"], python=each_python.path, input=words)
    assert "42" in done.stdout


def test_coverage(same_as_python, each_python, tmp_path):
    (tmp_path / "app.py").write_text("for i in range(3):\n    if i:\n        print(i)\n")
    same_as_python(
        ["-m", "trace", "--count", "--missing", "-C", "covered", "app.py"], python=each_python.path
    )
    assert "    2:         print(i)" in (tmp_path / "covered" / "app.cover").read_text()


def test_native_threads_belong_to_the_line_that_started_them(profile, native, each_python):
    path = TARGETS / "native_threads.py"
    report = profile(each_python, ["-S", path, native])
    thread = "[native thread]"
    lines = {
        text.rpartition("#> ")[2]: number
        for number, text in enumerate(path.read_text().split("\n"), 1)
        if "#> " in text
    }

    def below(name):
        held = report.below(path, lines[name], thread)
        return sorted((each.names, each.size, each.blocks) for each in held)

    main = ["<module>", "start_native"]
    # The same calls once more from a thread of Python's own: with that thread's frames below them.
    own = next(each.names for each in report.below(path, lines["alone"], thread) if "run" in each.names)
    assert own[-3:] == ["run", "start_native", thread] and own[0] != "<module>"
    own = own[:-1]
    assert below("alone") == sorted(
        [([*main, thread], 1_000_003, 1), ([*own, thread], 1_000_003, 1)]
    )
    # A thread that starts another also holds what libc keeps for that one: under 1,000 bytes, in a block or none.
    pairs = below("pair")
    assert [names for names, _, _ in pairs] == sorted(
        [*stack, *more] for stack in (main, own) for more in ([thread], [thread, thread])
    )
    for names, size, _ in pairs:
        if names[-2] == thread:
            assert size == 1_000_037
        else:
            assert 0 <= size - 1_000_033 < 1_000
    # A thread that visits Python has Python's frames there, and is nobody's but its starter's before and after.
    assert below("visitor") == [(["<module>", "start_visitor", thread], 2 * 1_000_081, 2)]
    held = [each for mark in read_marks(path) for each in report.at(path, mark.line)]
    assert [each.size for each in held if each.names[-1] == "come_back"] == [
        int(report.printed) + 1_000_039
    ]


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory):
    """compile_c("x.c", ...) compiles a file of targets/ with more words for the compiler; its path."""
    compiler = os.environ.get("CC", "cc").split()
    if shutil.which(compiler[0]) is None:
        pytest.skip("no C compiler here")
    made = {}

    def build(source, *words):
        if (source, words) not in made:
            path = tmp_path_factory.mktemp("compiled") / source.replace(".c", "")
            command = [*compiler, "-std=gnu11", "-O1", "-g", "-Wall", "-Werror", "-pthread"]
            subprocess.run([*command, *words, TARGETS / source, "-o", path], check=True)
            made[source, words] = path
        return made[source, words]

    return build


@pytest.fixture(scope="session")
def native(compile_c):
    return compile_c("native.c", "-shared", "-fPIC")


@pytest.mark.parametrize(
    "version, status",
    [
        ("3.99.0 (from the future)", "unknown"),
        ("2.7.18 (from the past)", "unknown"),
        ("3.13.0 (not what it says)", "mismatch"),  # its table of offsets is rubbish
    ],
)
def test_unknown_interpreter_is_measured_all_the_same(
    run_peakline, peakline, compile_c, version, status
):
    fake = compile_c("fake_python.c", "-rdynamic", f'-DFAKE_VERSION="{version}"')
    done = run_peakline(["--", fake], quiet=False)
    assert (done.returncode, done.stdout) == (7, "fine\n")
    assert done.stderr.lower().count("unknown python stack") >= 1
    report = read_report(peakline, done.result)
    assert report["python_status"] == status
    assert report["python_note"]
    assert len([each for each in report["warnings"] if report["python_note"] in each]) == 1
    # Both blocks were live at the peak, and nothing else of this program needs a megabyte.
    assert 0 <= report.total_of("[unknown Python stack]") - 5_000_020 < 100_000


OLD = """\
import sys
X = b"x"
kept = X * 20000003
print(sys.version_info[:2], len(kept))
"""


def test_old_interpreters_are_measured_without_stacks(same_as_python, peakline, tmp_path):
    """A real CPython that is older than any table, where there is one."""
    home = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    old = sorted(glob.glob(os.path.join(home, "versions", "3.[67].*", "bin", "python3")))
    if not old:
        pytest.skip("no CPython 3.6 or 3.7 here")
    (tmp_path / "app.py").write_text(OLD)
    for path in old:
        done = same_as_python(["-S", "app.py"], python=path)
        report = read_report(peakline, done.result)
        assert report["python_status"] == "unknown"
        # All of Python's memory is there: the block, and an interpreter of 4 MiB at the most.
        assert 0 < report.total_of("[unknown Python stack]") - 20_000_003 < 4 << 20
        assert {frame.function for frame in report.frames} <= {
            "[unknown Python stack]",
            "[before Python]",
        }
        assert [text.partition(") ")[2] for text in report["warnings"]] == [
            "cannot be read, its memory is shown as unknown Python stack: "
            "this version of Python is not known to this version of Peakline."
        ]
