# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin, from outside: suites with tests that hold what is written in them, run in a pytest of their own."""

import json
import os
import subprocess
import sys

import pytest
from conftest import MIB, SLACK, find_program, read_properties

pytest_plugins = ("pytester",)


@pytest.fixture
def suite(pytester, surroundings):
    """suite(source, *words) writes the tests and runs pytest on them. Other plugins only where they are named."""

    def run(source, *words, plugins=(), **files):
        if source is not None:
            pytester.makepyfile(test_it=source)
        for name, text in files.items():
            pytester.makepyfile(**{name: text})
        blocked = ["-p", "no:cacheprovider"]
        for name in {"xdist", "asyncio", "anyio", "rerunfailures"}.difference(plugins):
            blocked += ["-p", f"no:{name}"]
        return pytester.runpytest_subprocess(*blocked, "--junitxml=junit.xml", *words)

    return run


@pytest.fixture
def properties(pytester):
    return lambda: read_properties(pytester.path / "junit.xml")


BIG = """
    import pytest
    @pytest.mark.limit_memory("24 MB")
    def test_big():
        data = bytearray(30 << 20)
"""


# ---- limit_memory --------------------------------------------------------------------------------------------


def test_a_test_above_its_limit_fails_with_limit_peak_and_line(suite):
    result = suite(BIG)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "The test held 30.0 MiB at its peak; limit_memory allows less than 24 MB (31,4* and 25,165,824 bytes).",
            "Held at that moment by",
            "*30.0 MiB  test_it.py:4 in test_big: data = bytearray(30 << 20)",
            "FAILED (memory) test_it.py::test_big - The test held 30.0 MiB*",
        ]
    )


def test_a_test_below_its_limit_passes_and_nothing_is_printed(suite):
    result = suite(BIG.replace("30 <<", "20 <<"))
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*eakline*memory*")


def test_freed_memory_counts_at_its_peak_only(suite):
    suite(
        """
        import pytest
        @pytest.mark.limit_memory("24 MB")
        def test_one_after_the_other():
            for _ in range(10):
                data = bytearray(10 << 20)
                del data
        """
    ).assert_outcomes(passed=1)


def test_what_one_test_keeps_is_not_the_next_ones(suite):
    suite(
        """
        import pytest
        kept = []
        def test_first():
            kept.append(bytearray(50 << 20))
        @pytest.mark.limit_memory("1 MB")
        def test_second():
            kept.append(b"x")
        """,
        "--peakline",
    ).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "text, size",
    [
        ("1 MB", MIB),
        ("1MB", MIB),
        ("1 mb", MIB),
        ("1024 KB", MIB),
        ("1 MiB", MIB),
        ("0.5 GB", 512 * MIB),
        ("1.5 GiB", 1536 * MIB),
        ("+2 MB", 2 * MIB),
        ("100 B", 100),
        ("1 TB", 1 << 40),
    ],
)
def test_sizes_are_1024_based(text, size):
    sys.path.insert(0, str(os.path.join(os.path.dirname(__file__), "..", "..", "python")))
    from peakline._suite.sizes import parse_size

    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["24 XB", "lots", "", "-1 MB", "24", "1..5 MB", "24 MB and more"])
def test_a_bad_size_is_a_usage_error_that_names_the_test(suite, text):
    result = suite(BIG.replace("24 MB", text))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: test_it.py::test_big: the marker limit_memory: '{text}' is not a size; write it as *"]
    )


def test_a_number_is_no_size(suite):
    result = suite(BIG.replace('"24 MB"', "24"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_big: the marker limit_memory: 24 is not a size*"])


def test_a_marker_twice_is_a_usage_error(suite):
    result = suite(BIG.replace("    def", '    @pytest.mark.limit_memory("1 MB")\n    def'))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_big: the marker limit_memory: it is there twice; leave one"])


def test_a_marker_without_a_size_or_with_a_wrong_word(suite):
    result = suite(BIG.replace('"24 MB"', ""))
    result.stderr.fnmatch_lines(["*test_big: the marker limit_memory: it needs a size*"])
    result = suite(BIG.replace('"24 MB"', '"24 MB", threads=1'))
    result.stderr.fnmatch_lines(["*test_big: the marker limit_memory: it has no argument 'threads'"])


def test_the_tests_own_marker_is_nearer_than_the_class_s(suite):
    suite(
        """
        import pytest
        @pytest.mark.limit_memory("1 MB")
        class TestIt:
            @pytest.mark.limit_memory("24 MB")
            def test_nearer(self):
                data = bytearray(10 << 20)
            def test_of_the_class(self):
                data = bytearray(10 << 20)
        """
    ).assert_outcomes(passed=1, failed=1)


def test_the_limit_by_name_as_in_memray(suite):
    suite(BIG.replace('"24 MB"', 'memory_limit="24 MB"')).assert_outcomes(failed=1)


def test_a_test_that_fails_anyway_keeps_its_own_failure(suite):
    result = suite(BIG + "        assert data == 1\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *assert *"])
    result.stdout.no_fnmatch_line("*at its peak*")


def test_an_expected_failure_may_be_one_of_memory(suite):
    suite(BIG.replace("    def", "    @pytest.mark.xfail\n    def")).assert_outcomes(xfailed=1)
    suite(BIG.replace("    def", "    @pytest.mark.xfail(strict=True)\n    def")).assert_outcomes(xfailed=1)


def test_a_skipped_test_is_skipped(suite):
    suite(BIG.replace("    def", "    @pytest.mark.skip\n    def"), "--peakline").assert_outcomes(skipped=1)


def test_markers_are_known_to_strict_suites(suite):
    result = suite(BIG, "--strict-markers", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.limit_memory(limit*", "@pytest.mark.limit_leaks(limit*"])


def test_the_suites_own_line_comes_before_where_it_was_allocated(suite):
    result = suite(
        """
        import pytest, helper
        @pytest.mark.limit_memory("1 MB")
        def test_helped():
            rest = helper.make(3)
            data = helper.make(5)
        """,
        helper="""
        def make(n):
            return bytearray(n << 20)
        """,
    )
    result.stdout.fnmatch_lines(
        [
            "*5.0 MiB  test_it.py:5 in test_helped: data = helper.make(5)",
            "*of that 5.0 MiB at helper.py:2 in make: return bytearray(n << 20)",
            "*3.0 MiB  test_it.py:4 in test_helped: rest = helper.make(3)",
        ]
    )


def test_many_functions_and_tests_keep_their_lines(suite):
    """The record's tables grow several times over; the last test's line is as sure as the first one's."""
    bodies = "\n".join(
        f"def f{i}_{'x' * 80}(): return bytearray(3000)\nmade.append(f{i}_{'x' * 80}())"
        for i in range(1500)
    )
    result = suite(
        f"import pytest\nBODIES = {bodies!r}\n"
        "def test_first():\n    exec(compile(BODIES, 'bodies.py', 'exec'), {'made': []})\n"
        "@pytest.mark.limit_memory('2 MB')\ndef test_last():\n    data = bytearray(7 << 20)\n",
        "--peakline",
    )
    result.stdout.fnmatch_lines(["*7.0 MiB  test_it.py:7 in test_last: data = bytearray(7 << 20)"])


THREAD = """
    import pytest, threading
    @pytest.mark.limit_memory("8 MB"{})
    def test_threads():
        other = threading.Thread(target=bytearray, args=[10 << 20])
        other.start()
        other.join()
        data = bytearray({} << 20)
"""


def test_other_threads_count(suite):
    suite(THREAD.format("", 1)).assert_outcomes(failed=1)


def test_other_threads_do_not_count_if_so_asked(suite):
    suite(THREAD.format(", current_thread_only=True", 7)).assert_outcomes(passed=1)
    result = suite(THREAD.format(", current_thread_only=True", 9))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["The thread of the test held 9.0 MiB at its peak*"])


FAMILY = """
    import multiprocessing, pytest
    def work(n, barrier):
        data = bytearray(n << 20)
        barrier.wait()
        barrier.wait()
    @pytest.mark.limit_memory("{limit} MB")
    def test_family():
        fork = multiprocessing.get_context("fork")
        barrier = fork.Barrier(3)
        children = [fork.Process(target=work, args=(n, barrier)) for n in (8, 12)]
        data = bytearray(5 << 20)
        for child in children: child.start()
        barrier.wait()
        barrier.wait()
        for child in children: child.join()
"""


def test_children_of_a_test_count_with_it(suite, properties):
    """5 MiB of its own and two children with 8 and 12, all at one moment: 25, and nothing is added up that was not
    held at the same time."""
    suite(FAMILY.format(limit=27)).assert_outcomes(passed=1)
    result = suite(FAMILY.format(limit=24), "--peakline")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["The test with its child processes held 25.* MiB at its peak*"])
    assert 0 <= properties()["test_family"]["peakline_peak_bytes"] - 25 * MIB < MIB  # three processes' own


def test_children_one_after_the_other_are_not_added_up(suite):
    suite(
        """
        import multiprocessing, pytest
        def work(): data = bytearray(10 << 20)
        @pytest.mark.limit_memory("14 MB")
        def test_family():
            for _ in range(4):
                child = multiprocessing.get_context("fork").Process(target=work)
                child.start()
                child.join()
        """
    ).assert_outcomes(passed=1)


def test_a_child_from_before_the_test_counts_by_what_it_grew(suite):
    suite(
        """
        import os, pytest
        @pytest.fixture
        def server():
            down, up = os.pipe(), os.pipe()
            if os.fork() == 0:
                data = bytearray(20 << 20)
                os.write(up[1], b"x")
                os.read(down[0], 1)
                more = bytearray(6 << 20)
                os.write(up[1], b"x")
                os.read(down[0], 1)
                os._exit(0)
            os.read(up[0], 1)
            yield down[1], up[0]
            os.write(down[1], b"x")
            os.wait()
        @pytest.mark.limit_memory("8 MB")
        def test_below(server):
            os.write(server[0], b"x")
            os.read(server[1], 1)
        @pytest.mark.limit_memory("5 MB")
        def test_above(server):
            os.write(server[0], b"x")
            os.read(server[1], 1)
        """
    ).assert_outcomes(passed=1, failed=1)


# ---- limit_leaks ---------------------------------------------------------------------------------------------

LEAK = """
    import pytest
    kept = []
    def keep(n):
        kept.append(bytearray(n << 20))
    def not_cache(stack):
        return stack.frames[0].function != "keep"
    @pytest.mark.limit_leaks("4 MB"{})
    def test_leak():
        {}
"""


def test_a_leak_above_the_limit_fails_with_its_stack(suite):
    result = suite(LEAK.format("", "keep(5)"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "One call stack of the test kept up to 5.0 MiB; limit_leaks allows 4 MB a call stack.",
            "*5.0 MiB  test_it.py:4 in keep*",
        ]
    )


def test_what_is_freed_is_no_leak(suite):
    suite(LEAK.format("", "data = bytearray(50 << 20)")).assert_outcomes(passed=1)


def test_leaks_count_by_call_stack(suite):
    suite(LEAK.format("", "keep(3)\n        keep(3)")).assert_outcomes(passed=1)
    suite(LEAK.format("", "for _ in range(2): keep(3)")).assert_outcomes(failed=1)


def test_a_leak_may_be_filtered(suite):
    suite(LEAK.format(", filter_fn=not_cache", "keep(5)")).assert_outcomes(passed=1)
    suite(LEAK.format(", filter_fn=not_cache", "kept.append(bytearray(5 << 20))")).assert_outcomes(failed=1)


def test_the_filter_sees_frames_as_memray_names_them(suite):
    suite(
        LEAK.replace(
            'stack.frames[0].function != "keep"',
            '[(f.function, f.filename.rsplit("/")[-1], f.lineno) for f in stack.frames[:2]]'
            ' != [("keep", "test_it.py", 4), ("test_leak", "test_it.py", 9)]',
        ).format(", filter_fn=not_cache", "keep(5)")
    ).assert_outcomes(passed=1)


def test_a_filter_that_raises_fails_its_test_alone(suite):
    result = suite(
        LEAK.replace('stack.frames[0].function != "keep"', "stack.no_such_thing").format(", filter_fn=not_cache", "keep(5)")
        + "\n    def test_after():\n        pass\n"
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "The filter_fn of limit_leaks raised AttributeError: *no_such_thing*",
            "*test_it.py*line 6, in not_cache*",
            "*return stack.no_such_thing*",
        ]
    )
    result.stdout.no_fnmatch_line("*checks.py*")


def test_both_markers_on_one_test(suite):
    both = LEAK.replace("    def test_leak", '    @pytest.mark.limit_memory("{} MB")\n    def test_leak')
    result = suite(both.format("", 100, "keep(5)"))
    result.stdout.fnmatch_lines(["*limit_leaks allows*"])
    result = suite(both.format("", 1, "keep(5)"))
    result.stdout.fnmatch_lines(["*limit_memory allows*"])


# ---- numbers and the summary ---------------------------------------------------------------------------------

THREE = """
    import pytest
    @pytest.fixture
    def table():
        return bytearray(8 << 20)
    def test_small():
        data = bytearray(1 << 20)
    def test_large(table):
        data = [bytes(1 << 20) for _ in range(5)]
    def test_middle():
        data = bytearray(3 << 20)
"""


def test_peaks_and_fixtures_are_properties_of_the_junit_report(suite, properties):
    suite(THREE, "--peakline").assert_outcomes(passed=3)
    found = properties()
    for name, peak, setup in (("test_small", 1, 0), ("test_large", 5, 8), ("test_middle", 3, 0)):
        assert 0 <= found[name]["peakline_peak_bytes"] - peak * MIB < SLACK
        assert 0 <= found[name]["peakline_setup_bytes"] - setup * MIB < SLACK
    assert found["test_large"]["peakline_peak_blocks"] >= 5


def test_the_summary_has_the_highest_first_with_their_lines(suite):
    result = suite(THREE, "--peakline", "--peakline-most", "2")
    result.stdout.fnmatch_lines(
        [
            "=* peak memory (Peakline) =*",
            "*5.0 MiB  test_it.py::test_large  (* blocks, fixtures 8.0 MiB)",
            "*5.0 MiB  test_it.py:8 in test_large*",
            "*3.0 MiB  test_it.py::test_middle*",
            "2 of 3 tests; --peakline-most 0 shows all",
        ]
    )
    result.stdout.no_fnmatch_line("*test_small*")


def test_zero_shows_all(suite):
    result = suite(THREE, "--peakline", "--peakline-most=0")
    result.stdout.fnmatch_lines(["*1.0 MiB  test_it.py::test_small*"])


def test_the_configuration_file_turns_it_on(suite, pytester):
    pytester.makeini("[pytest]\npeakline = true\npeakline_most = 1\n")
    result = suite(THREE)
    result.stdout.fnmatch_lines(["*5.0 MiB  test_it.py::test_large*", "1 of 3 tests*"])


@pytest.mark.parametrize("way", ["ini", "option"])
def test_a_default_limit_for_tests_without_a_marker(suite, pytester, way):
    if way == "ini":
        pytester.makeini("[pytest]\npeakline_limit = 2 MB\n")
    source = THREE.replace("    def test_middle", '    @pytest.mark.limit_memory("4 MB")\n    def test_middle')
    result = suite(source, *(["--peakline-limit", "2 MB"] if way == "option" else []))
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["The test held 5.0 MiB at its peak; peakline_limit allows less than 2 MB*"])


@pytest.mark.parametrize(
    "words",
    [
        ["--peakline", "--peakline-most", "few"],
        ["--peakline", "--peakline-most", "\N{SUPERSCRIPT TWO}"],
        ["--peakline-limit", "much"],
        ["--peakline-limit", f"{10**400} MB"],
        ["--peakline-fail-on-increase", "x%"],
    ],
    ids=["a word", "no decimal digit", "no size", "no machine's size", "no share"],
)
def test_bad_options_are_usage_errors(suite, words):
    result = suite(THREE, *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{words[-2]}*{words[-1]}*"])


def test_unittest_and_doctest_items_are_measured(suite, properties):
    suite(
        '''
        import unittest
        def made():
            """
            >>> data = bytearray(2 << 20)
            """
        class TestOld(unittest.TestCase):
            def test_old(self):
                data = bytearray(4 << 20)
        ''',
        "--peakline",
        "--doctest-modules",
    ).assert_outcomes(passed=2)
    found = properties()
    assert 0 <= found["test_old"]["peakline_peak_bytes"] - 4 * MIB < SLACK
    assert 0 <= found["test_it.made"]["peakline_peak_bytes"] - 2 * MIB < 4 * SLACK  # doctest compiles, too


# ---- baselines -----------------------------------------------------------------------------------------------

GROWS = """
    import os
    def test_grows():
        data = bytearray(int(os.environ["SIZE"]))
"""


@pytest.fixture
def grows(suite, monkeypatch):
    def run(size, *words, source=GROWS, **keywords):
        monkeypatch.setenv("SIZE", str(size))
        return suite(source, *words, **keywords)

    return run


def test_a_peak_that_grew_fails(grows, pytester):
    grows(10 * MIB, "--peakline-save-baseline").stdout.fnmatch_lines(["*peaks of 1 tests were added to *"])
    grows(10 * MIB, "--peakline-fail-on-increase=10%").assert_outcomes(passed=1)
    grows(int(10.9 * MIB), "--peakline-fail-on-increase=10%").assert_outcomes(passed=1)
    result = grows(12 * MIB, "--peakline-fail-on-increase=10%")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "The test held 12.0 MiB at its peak, 2.0 MiB more than in the baseline, 20%; "
            "--peakline-fail-on-increase 10% allows up to 11.0 MiB.",
            "*12.0 MiB  test_it.py:3 in test_grows*",
        ]
    )


def test_an_increase_may_be_given_in_bytes(grows):
    grows(10 * MIB, "--peakline-save-baseline")
    grows(12 * MIB, "--peakline-fail-on-increase", "3 MB").assert_outcomes(passed=1)
    grows(14 * MIB, "--peakline-fail-on-increase", "3 MB").assert_outcomes(failed=1)


def test_small_tests_may_vary_by_the_noise_band(grows, pytester):
    grows(1000, "--peakline-save-baseline")
    grows(30000, "--peakline-fail-on-increase=0%").assert_outcomes(passed=1)
    grows(100000, "--peakline-fail-on-increase=0%").assert_outcomes(failed=1)
    pytester.makeini("[pytest]\npeakline_noise = 1 MB\n")
    grows(100000, "--peakline-fail-on-increase=0%").assert_outcomes(passed=1)


def test_runs_of_the_baseline_that_differ_widen_the_band(grows, pytester):
    for size in (10, 12, 11):
        grows(size * MIB, "--peakline-save-baseline", "--peakline-baseline=peaks.json")
    data = json.loads((pytester.path / "peaks.json").read_text())
    assert data["format"] == 1
    assert [round(peak / MIB) for peak in data["tests"]["test_it.py::test_grows"]] == [10, 12, 11]
    words = ("--peakline-fail-on-increase=1%", "--peakline-baseline=peaks.json")
    grows(12 * MIB, *words).assert_outcomes(passed=1)
    grows(13 * MIB, *words).assert_outcomes(failed=1)


def test_a_test_that_is_new_has_nothing_to_be_compared_with(grows):
    grows(10 * MIB, "--peakline-save-baseline")
    new = GROWS.replace("test_grows", "test_new")
    grows(90 * MIB, "--peakline-fail-on-increase=1%", source=new).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ('{"format": 9, "tests": {}}', "has format 9 and this version of Peakline reads format 1; make it again *"),
        ("not JSON", "is no baseline of Peakline"),
        ("[]", "is no baseline of Peakline"),
        ('{"format": 1, "tests": {"a": "b"}}', "is damaged"),
        ('{"format": 1, "tests": {"test_it.py::test_it": [%d]}}' % 10**400, "is damaged"),
        ("[" * 200_000, "is no baseline of Peakline"),
        (None, "make one with --peakline-save-baseline"),
    ],
    ids=["newer", "no JSON", "a list", "other types", "no machine's size", "nested without end", "missing"],
)
def test_a_baseline_that_cannot_be_used_is_one_sentence_and_no_failure(grows, pytester, text, sentence):
    if text is not None:
        (pytester.path / ".peakline-baseline.json").write_text(text)
    result = grows(10 * MIB, "--peakline-fail-on-increase=1%")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    lines = [line for line in result.outlines if line.startswith("peakline: ")]
    assert len(lines) == 1
    result.stdout.fnmatch_lines([f"peakline: *{sentence}"])


def test_a_baseline_of_another_python_is_said(grows, pytester):
    grows(10 * MIB, "--peakline-save-baseline")
    file = pytester.path / ".peakline-baseline.json"
    data = json.loads(file.read_text())
    data["python"] = "2.7"
    file.write_text(json.dumps(data))
    result = grows(10 * MIB, "--peakline-fail-on-increase=1%")
    result.stdout.fnmatch_lines(["peakline: the baseline * was made with Python 2.7 and this is *"])


def test_a_failed_test_does_not_enter_the_baseline(grows, pytester):
    grows(10 * MIB, "--peakline-save-baseline", source=GROWS + "        assert 0\n")
    assert not (pytester.path / ".peakline-baseline.json").exists()


def test_a_baseline_that_cannot_be_written_is_a_sentence(grows):
    result = grows(10 * MIB, "--peakline-save-baseline", "--peakline-baseline=missing/peaks.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["peakline: the baseline * cannot be written: No such file or directory"])


# ---- with other plugins --------------------------------------------------------------------------------------


def test_xdist_shows_and_fails_as_without(suite, properties):
    pytest.importorskip("xdist")
    source = THREE.replace("    def test_middle", '    @pytest.mark.limit_memory("2 MB")\n    def test_middle')
    result = suite(source, "-n2", "--peakline", "--peakline-most=2", plugins=["xdist"])
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "The test held 3.0 MiB at its peak*",
            "*5.0 MiB  test_it.py::test_large  (* blocks, fixtures 8.0 MiB)",
            "*5.0 MiB  test_it.py:8 in test_large*",
            "*3.0 MiB  test_it.py::test_middle*",
            "2 of 3 tests*",
        ]
    )
    assert 0 <= properties()["test_small"]["peakline_peak_bytes"] - MIB < SLACK


def test_xdist_with_markers_alone(suite):
    pytest.importorskip("xdist")
    result = suite(BIG, "-n1", plugins=["xdist"])
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED (memory) test_it.py::test_big*"])


def test_xdist_with_a_bad_marker_fails_that_test_alone(suite):
    pytest.importorskip("xdist")
    source = BIG.replace("24 MB", "24 XB") + "    def test_other(): pass\n"
    result = suite(source, "-n1", plugins=["xdist"])
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*test_big: the marker limit_memory: '24 XB' is not a size*"])


def test_xdist_saves_and_compares_one_baseline(grows):
    pytest.importorskip("xdist")
    plugins = ["xdist"]
    grows(10 * MIB, "-n1", "--peakline-save-baseline", plugins=plugins)
    grows(10 * MIB, "-n1", "--peakline-fail-on-increase=5%", plugins=plugins).assert_outcomes(passed=1)
    grows(12 * MIB, "-n1", "--peakline-fail-on-increase=5%", plugins=plugins).assert_outcomes(failed=1)


ASYNC = """
    import asyncio, pytest
    pytestmark = pytest.mark.{}
    @pytest.mark.limit_memory("4 MB")
    async def test_waits():
        data = bytearray({} << 20)
        await asyncio.sleep(0)
        return None
"""


@pytest.mark.parametrize("plugin, module", [("asyncio", "pytest_asyncio"), ("anyio", "anyio")])
def test_coroutines(suite, plugin, module):
    pytest.importorskip(module)
    # anyio imports its backend when it is first used, in the middle of a test, and pytest rewrites it: 6 MB
    warm = "import anyio; anyio.run(anyio.sleep, 0)" if plugin == "anyio" else ""
    conftest = f"""
        {warm}
        import pytest
        @pytest.fixture
        def anyio_backend():
            return "asyncio"
    """
    for size, outcome in ((3, {"passed": 1}), (5, {"failed": 1})):
        result = suite(ASYNC.format(plugin, size), plugins=[plugin], conftest=conftest)
        result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines(["*5.0 MiB  test_it.py:5 in test_waits: data = bytearray(5 << 20)"])


def test_a_rerun_is_measured_anew(suite, properties):
    pytest.importorskip("pytest_rerunfailures")
    result = suite(
        """
        import pytest
        times = []
        @pytest.mark.limit_memory("4 MB")
        def test_flaky():
            times.append(1)
            data = bytearray((8 if len(times) == 1 else 2) << 20)
        """,
        "--reruns=2",
        "--peakline",
        plugins=["rerunfailures"],
    )
    result.stdout.fnmatch_lines(["*1 passed, 1 rerun*"])
    found = properties()["test_flaky"]
    assert 0 <= found["peakline_peak_bytes"] - 2 * MIB < SLACK


def test_subtests_are_part_of_their_test(suite):
    pytest.importorskip("_pytest.subtests")
    result = suite(
        """
        import pytest
        @pytest.mark.limit_memory("4 MB")
        def test_parts(subtests):
            for part in range(3):
                with subtests.test(part=part):
                    data = bytearray((part + 3) << 20)
                    del data
        """
    )
    result.stdout.fnmatch_lines(["The test held 5.0 MiB at its peak*", "FAILED (memory)*test_parts*"])
    assert result.parseoutcomes().get("failed") == 1


def test_pytest_memrays_checks_are_not_made_twice(suite, pytester):
    pytester.makeconftest(
        """
        class Manager: pass
        def pytest_configure(config):
            config.pluginmanager.register(Manager(), "memray_manager")
        """
    )
    suite(BIG).assert_outcomes(passed=1)
    suite(BIG, "--peakline").assert_outcomes(failed=1)


# ---- how it fits in ------------------------------------------------------------------------------------------


def test_off_loads_nothing_and_hooks_into_no_test(suite):
    suite(
        """
        import sys
        def test_off(request):
            loaded = [name for name in sys.modules if name.startswith("peakline")]
            assert sorted(loaded) == ["peakline", "peakline.pytest_plugin"]
            assert not request.config.pluginmanager.hasplugin("peakline-session")
            assert not request.config.pluginmanager.hasplugin("peakline-summary")
        """
    ).assert_outcomes(passed=1)


def test_only_tests_with_a_limit_are_measured_unless_asked(suite, properties):
    suite(BIG.replace("30 <<", "1 <<") + "    def test_other(): pass\n")
    found = properties()
    assert found["test_other"] == {} and "peakline_peak_bytes" in found["test_big"]


def test_an_interpreter_that_cannot_be_measured_runs_its_tests(suite, monkeypatch):
    monkeypatch.setenv("PEAKLINE_RUNTIME", "/nowhere/libpeakline.so")
    result = suite(BIG + "    def test_other(): pass\n")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["peakline: nothing was measured: */nowhere/*", "peakline: the limits of 1 test were not checked"]
    )


def test_another_system_runs_its_tests(suite, pytester):
    pytester.makeconftest(
        """
        import pytest, sys
        @pytest.hookimpl(hookwrapper=True, tryfirst=True)
        def pytest_runtest_setup(item):
            sys.platform = "darwin"
            yield
            sys.platform = "linux"
        """
    )
    result = suite(BIG, "-W", "error")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["peakline: nothing was measured: Peakline measures on Linux; this is darwin"])


def test_another_implementation_runs_its_tests(suite, pytester):
    pytester.makeconftest("import sys\ndef pytest_collection_finish(session): sys.implementation.name = 'pypy'\n")
    result = suite(BIG)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["peakline: nothing was measured: Peakline measures CPython; this is pypy"])


def test_without_the_program_peaks_are_known_and_lines_are_not(suite, monkeypatch):
    from_build = os.path.join(os.path.dirname(find_program()), "..", "runtime", "libpeakline.so")
    monkeypatch.setenv("PEAKLINE_RUNTIME", os.path.abspath(from_build))
    monkeypatch.setenv("PEAKLINE_PROGRAM", "/nowhere/peakline")
    result = suite(BIG, "--peakline")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["The test held 30.0 MiB*", "Which lines held it is not known: /nowhere/peakline could not be started*"]
    )


def test_tests_that_use_peakline_themselves(suite, properties):
    suite(
        """
        import peakline
        def test_block():
            with peakline.track() as t:
                data = bytearray(2 << 20)
            assert 2 << 20 <= t.peak_bytes < 3 << 20
        def test_start_and_stop():
            peakline.start()
            data = bytearray(2 << 20)
            peakline.stop()
        def test_after():
            data = bytearray(6 << 20)
        """,
        "--peakline",
    ).assert_outcomes(passed=3)
    found = properties()
    assert 0 <= found["test_block"]["peakline_peak_bytes"] - 2 * MIB < SLACK
    assert 0 <= found["test_after"]["peakline_peak_bytes"] - 6 * MIB < SLACK


def test_under_peakline_run_it_joins_that_measurement(pytester, surroundings):
    pytester.makepyfile(test_it=BIG)
    done = subprocess.run(
        [find_program(), "run", "--no-open", "-o", "result", "--", sys.executable, "-m", "pytest"]
        + ["-p", "no:cacheprovider", "test_it.py"],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1  # pytest's
    assert "test_it.py:4 in test_big: data = bytearray(30 << 20)" in done.stdout
    assert "test_it.py" in done.stderr and "30" in done.stderr  # and the report of the run names the same line
