# SPDX-License-Identifier: Apache-2.0
"""Memory by every route: the C functions, C++, Fortran, maps, resizes, failures, libraries loaded later.
Each has a right answer known before, and is asked for to the byte."""

import os
import re
import shutil
import subprocess

import pythons
import pytest
from reports import TARGETS, read_report
from running import REPOSITORY

SOURCES = REPOSITORY / "tests" / "runtime"
ALL = [each for each in pythons.find_pythons()]
# The routes do not depend on the version of Python: a middle one and the newest.
SOME = {each.version[:2]: each for each in ALL if not each.free_threaded}
SOME = [each for key, each in SOME.items() if key == (3, 11) or key == max(SOME)] or ALL


@pytest.fixture(params=SOME, ids=[each.name for each in SOME])
def some_python(request):
    return request.param


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """build("routes.c") compiles it to a shared library and returns its path; None: no compiler."""
    folder = tmp_path_factory.mktemp("routes")
    languages = {
        ".c": [*os.environ.get("CC", "cc").split(), "-std=gnu11", "-D_FORTIFY_SOURCE=0"],
        ".cc": [*os.environ.get("CXX", "c++").split(), "-std=c++17"],
        ".f90": [*os.environ.get("FC", "gfortran").split()],
        ".rs": [*os.environ.get("RUSTC", "rustc").split(), "-Copt-level=1"],
    }
    made = {}

    def compile_one(name):
        source = SOURCES / name
        if name not in made:
            words = languages[source.suffix]
            made[name] = None
            if shutil.which(words[0]):
                made[name] = folder / name.replace(".", "-")
                # -fno-builtin: the compiler may leave out a malloc whose block nobody uses.
                shared = ["-O1", "-g", "-fPIC", "-shared"]
                more = {".f90": shared, ".rs": ["--crate-type=cdylib"]}.get(source.suffix, [*shared, "-fno-builtin"])
                subprocess.run([*words, *more, source, "-o", made[name]], check=True)
        return made[name]

    return compile_one


@pytest.fixture
def routes(build):
    library = build("routes.c")
    if library is None:
        pytest.skip("no C compiler here")
    return library


def line_of(path, text):
    (line,) = [
        number
        for number, each in enumerate(path.read_text().split("\n"), 1)
        if text in each
    ]
    return line


def held_at(report, path, line):
    return report.sum_at(path, line)


MARK = re.compile(r"\b(by_\w+)\(.*#: (\d+) bytes, (\d+) blocks?(, and what getline says)?$")


def test_every_route(run_peakline, peakline, build, routes, some_python, tmp_path):
    path = TARGETS / "routes.py"
    others = {name: build("routes." + suffix) for name, suffix in (("cxx", "cc"), ("fortran", "f90"), ("rust", "rs"))}
    words = ["-S", path, routes, tmp_path / "mapped", *filter(None, others.values())]
    done = run_peakline(words, python=some_python.path)
    assert (done.returncode, done.stderr) == (0, "")
    report = read_report(peakline, done.result)
    wrong, checked = [], set()
    for number, text in enumerate(path.read_text().split("\n"), 1):
        mark = MARK.search(text)
        if mark is None:
            continue
        if others.get(text.strip().partition(".")[0], path) is None:
            continue
        size, blocks = int(mark[2]), int(mark[3])
        if mark[4]:
            size = int(done.stdout)
            assert size > 1_009
        if held_at(report, path, number) != (size, blocks):
            wrong.append((mark[1], (size, blocks), report.at(path, number)))
        kind = 2 if "PAGE" in text else 1  # of all that is asked for in pages, nothing is a block
        if report.kinds_at(path, number)[kind] != (size, blocks):
            wrong.append((mark[1], "kinds", report.kinds_at(path, number)))
        checked.add(mark[1])
    assert wrong == []
    defined = re.findall(r"(?m)^EXPORT void (by_\w+)", (SOURCES / "routes.c").read_text())
    assert set(defined) - {"by_failing", "by_overflowing"} <= checked
    # What is not counted is listed, as large as it was.
    listed = {each["path"]: each["bytes"] for each in report["maps"]}
    assert listed[str(tmp_path / "mapped")] == 8192 * 4096
    assert listed["[reserved without memory]"] >= 8192 * 4096
    assert report["ledger"]["file_map_bytes"] >= 8192 * 4096
    assert report["ledger"]["noreserve_bytes"] >= 8192 * 4096
    assert report["ledger"]["dropped_events"] == report["ledger"]["missed_frees"] == 0


@pytest.mark.parametrize("language", ["routes.cc", "routes.f90"])
def test_other_languages_were_there(build, language):
    if build(language) is None:
        pytest.skip(f"no compiler for {language}: its routes were not tested")


def test_failures_are_counted_with_size_and_line(run_peakline, peakline, routes, some_python):
    path = TARGETS / "failing.py"
    done = run_peakline(["-S", path, routes], python=some_python.path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")
    report = read_report(peakline, done.result)
    assert report["ledger"]["failed_allocs"] == report["failed"]["count"] == 5
    assert report["failed"]["bytes"] == 2**64 - 1
    assert report.frames[report["failed"]["frame"]].line == line_of(path, "# 3, 4")
    # The block that could not grow is still there, with the line that asked for it.
    assert held_at(report, path, line_of(path, "# 2")) == (1000, 1)
    assert held_at(report, path, line_of(path, "# 1")) == (0, 0)


@pytest.mark.parametrize(
    "kind, moved, before",
    [
        ("a map of its own", None, 0),  # pages move, nothing is copied
        ("copied in the heap", True, 20_000_003 + 2_000_003),  # both are there at once
        ("in place in the heap", False, 0),
    ],
)
def test_resize_at_the_peak(run_peakline, peakline, routes, some_python, kind, moved, before):
    path = TARGETS / "resize.py"
    number = ["a map of its own", "copied in the heap", "in place in the heap"].index(kind)
    done = run_peakline(["-S", path, routes, str(number)], python=some_python.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert moved is None or bool(int(done.stdout)) == moved
    report = read_report(peakline, done.result)
    # ctypes' own small objects are alive during the call, which is the peak: under 200 bytes.
    assert 0 <= held_at(report, path, line_of(path, "# before"))[0] - before < 200
    assert 0 <= held_at(report, path, line_of(path, "# after"))[0] - 30_000_001 < 200


GROWING = """\
kept = bytearray(20_000_003)
kept.extend(bytes(5_000_000))
"""


def test_growing_python_object_counts_once_when_its_pages_move(
    run_peakline, peakline, some_python, tmp_path
):
    (tmp_path / "app.py").write_text(GROWING)
    done = run_peakline(["-S", "app.py"], python=some_python.path)
    report = read_report(peakline, done.result)
    before, after = (held_at(report, tmp_path / "app.py", line) for line in (1, 2))
    # The object itself stays with line 1; its buffer is line 2's, with an eighth to spare, beside the 5 MB.
    assert before[0] < 100 and before[1] == 1
    assert 30_000_003 <= after[0] <= 30_000_003 + 25_000_003 // 8 + 100


PYTHON_MAPS = """\
import mmap, sys
from multiprocessing import shared_memory
PAGE = mmap.PAGESIZE
kept = [None] * 10
def maps():
    kept[0] = mmap.mmap(-1, 100 * PAGE - 5)
    kept[1] = mmap.mmap(-1, 50 * PAGE)
    kept[1].close()
    kept[2] = shared_memory.SharedMemory(create=True, size=200 * PAGE)
    kept[2].unlink()
    kept[3] = mmap.mmap(-1, 40 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for _ in range(20):
        with open(sys.argv[1], "w+b") as file:
            file.truncate(300 * PAGE)
            kept[4] = mmap.mmap(file.fileno(), 0)
        kept[4].close()
maps()
kept[9] = bytes(20_000_003)
"""


@pytest.fixture
def python_maps(run_peakline, peakline, some_python, tmp_path):
    path = tmp_path / "app.py"
    path.write_text(PYTHON_MAPS)
    done = run_peakline(["-S", path, tmp_path / "file"], python=some_python.path)
    assert (done.returncode, done.stderr) == (0, "")
    return read_report(peakline, done.result), path


@pytest.mark.parametrize("line, pages", [(6, 100), (7, 0), (9, 200), (11, 40)])
def test_maps_made_by_python(python_maps, line, pages):
    report, path = python_maps
    held = [each["bytes"] for each in report["blame"] if (each["path"], each["line"]) == (str(path), line)]
    # Whole pages, and the Python objects around them: under 4,096 bytes.
    assert sum(held) // 4096 == pages


def test_a_file_mapped_again_and_again_is_listed_once(python_maps):
    report, path = python_maps
    listed = {each["path"]: each["bytes"] for each in report["maps"]}
    assert listed[str(path.parent / "file")] == 300 * 4096
    assert report["ledger"]["file_map_bytes"] == 0


GIANTS = """\
import ctypes, sys
c = ctypes.CDLL(None)
for name in ("malloc", "realloc"):
    getattr(c, name).restype = ctypes.c_void_p
c.malloc.argtypes = [ctypes.c_size_t]
c.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
c.free.restype = None
first = c.malloc((5 << 30) + 3)
if not first:
    sys.exit("no memory")
c.free(first)
first = c.malloc((4 << 30) - 1)
first = c.realloc(first, (4 << 30) + 5)
second = c.malloc((2 << 30) + 7)
"""


def test_blocks_beyond_four_gibibytes(run_peakline, peakline, some_python, tmp_path):
    """Never touched, so that they cost nothing: only their addresses and sizes matter."""
    (tmp_path / "app.py").write_text(GIANTS)
    done = run_peakline(["-S", "app.py"], python=some_python.path)
    if done.stderr == "no memory\n":
        pytest.skip("this machine does not hand out 5 GiB")
    report = read_report(peakline, done.result)
    path = tmp_path / "app.py"
    # The int objects that hold the addresses stay on these lines: under 200 bytes.
    assert held_at(report, path, 9)[0] < 200
    assert held_at(report, path, 13)[0] < 200
    assert 0 <= held_at(report, path, 14)[0] - ((4 << 30) + 5) < 200
    assert 0 <= held_at(report, path, 15)[0] - ((2 << 30) + 7) < 200


# ---- libraries loaded later ----------------------------------------------------------------------------------

INNER = "int answer(void) { return 42; }\n"
OUTER = """\
#include <dlfcn.h>
#include <stddef.h>
int ask(void) {
    void *inner = dlopen("libinner.so", RTLD_NOW);
    int (*answer)(void) = inner == NULL ? NULL : (int (*)(void))dlsym(inner, "answer");
    return answer == NULL ? -1 : answer();
}
"""


def test_runpath_of_the_caller_is_searched(same_as_python, tmp_path):
    """dlopen looks beside the library that calls it ($ORIGIN), not beside the hook in between."""
    compiler = os.environ.get("CC", "cc").split()
    if shutil.which(compiler[0]) is None:
        pytest.skip("no C compiler here")
    (tmp_path / "deep").mkdir()
    (tmp_path / "inner.c").write_text(INNER)
    (tmp_path / "outer.c").write_text(OUTER)
    for words in (
        ["inner.c", "-o", "deep/libinner.so"],
        ["outer.c", "-o", "libouter.so", "-Wl,-rpath,$ORIGIN/deep", "-Wl,--enable-new-dtags"],
    ):
        subprocess.run([*compiler, "-shared", "-fPIC", *words], cwd=tmp_path, check=True)
    done = same_as_python(["-c", "import ctypes; print(ctypes.CDLL('./libouter.so').ask())"])
    assert done.stdout == "42\n"


def test_a_library_that_cannot_be_loaded_says_why(same_as_python):
    same_as_python(["-c", "import ctypes; ctypes.CDLL('no-such-library.so')"])


DEEP = """\
import ctypes, os, sys
library = ctypes.CDLL(sys.argv[1], mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
library.by_malloc.argtypes = [ctypes.c_size_t]
library.by_malloc(5_000_011)
print("loaded")
"""


def test_deepbind_is_noticed_and_said(run_peakline, peakline, routes, tmp_path):
    (tmp_path / "app.py").write_text(DEEP)
    done = run_peakline(["-S", "app.py", routes])
    assert (done.returncode, done.stdout) == (0, "loaded\n")
    report = read_report(peakline, done.result)
    assert report["ledger"]["deepbind"] is True
    assert [each for each in report["warnings"] if "DEEPBIND" in each]


def test_without_deepbind_nothing_is_said(run_peakline, peakline, routes, tmp_path):
    (tmp_path / "app.py").write_text(DEEP.replace(" | os.RTLD_DEEPBIND", ""))
    done = run_peakline(["-S", "app.py", routes])
    report = read_report(peakline, done.result)
    assert report["ledger"]["deepbind"] is False
    assert report["warnings"] == []
    assert held_at(report, tmp_path / "app.py", 4) == (5_000_011, 1)


UNRESERVED = """\
import mmap
NORESERVE = 0x4000
space = mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE)
for at in range(0, 50 << 20, 4096):
    space[at] = 1
kept = [bytes(100_000) for _ in range(10)]
"""


def test_touched_pages_of_a_map_without_reservation(run_peakline, peakline, tmp_path):
    """A gibibyte of address space of which 50 MiB are touched counts 50 MiB, on the line that mapped it, marked as
    sampled. The kernel may make a touched page a huge one: 2 MiB more at the most."""
    path = tmp_path / "app.py"
    path.write_text(UNRESERVED)
    done = run_peakline(["-S", path])
    assert (done.returncode, done.stderr) == (0, "")
    report = read_report(peakline, done.result)
    (held,) = report.below(path, 3, "[resident, sampled]")
    assert 50 << 20 <= held.size <= 52 << 20
    assert held.blocks == 1
    assert report["ledger"]["noreserve_bytes"] == 0  # given back at the end
