# SPDX-License-Identifier: Apache-2.0
"""The Python API as people use it: blocks, decorated functions, numbers of now, results; and its bad uses, each with one
clear sentence and none of them a danger to the program."""

import json

from api_session import api_environment


def test_the_peak_inside_a_block_with_its_stacks(run_api, each_python):
    """Held before the block: not in it. Freed before its peak: not in it. The rest adds up, byte for byte."""
    out = run_api(
        """
        import peakline
        peakline.start()
        before = bytearray(9_000_000)
        with peakline.track() as t:
            early = bytearray(4_000_000)
            del early
            low = bytearray(1_000_000)
            high = bytearray(5_000_000)
            del high
            after = bytearray(2_000_000)
        print(t.peak_bytes, sum(stack.bytes for stack in t.stacks()))
        for stack in t.stacks()[:2]:
            print(stack.frames[-1].line, stack.bytes)
        print(t.kept_bytes, t.allocated_bytes)
        """,
        python=each_python.path,
    )
    first, *stacks, last = [[int(word) for word in line.split()] for line in out.splitlines()]
    assert 6_000_002 <= first[0] <= 6_003_000
    assert first[0] <= first[1] <= first[0] + 2000  # small things from before that were freed in it
    assert [line for line, _ in stacks] == [9, 8]
    assert 5_000_001 <= stacks[0][1] <= 5_000_100 and 1_000_001 <= stacks[1][1] <= 1_000_100
    assert 3_000_000 <= last[0] <= 3_003_000
    assert 12_000_000 <= last[1] <= 12_010_000


def test_blocks_nest_and_overlap(run_api, each_python):
    out = run_api(
        """
        import peakline
        with peakline.track() as outer:
            a = bytearray(1_000_000)
            with peakline.track() as inner:
                b = bytearray(2_000_000)
                del b
            c = bytearray(500_000)
        first = peakline.track().start()
        x = bytearray(1_000_000)
        second = peakline.track().start()
        first.stop()
        y = bytearray(3_000_000)
        second.stop()
        print(*(block.peak_bytes // 100_000 for block in (outer, inner, first, second)), peakline.is_measuring())
        """,
        python=each_python.path,
    )
    assert out.split() == ["30", "20", "10", "30", "False"]


def test_an_exception_passes_untouched_and_the_block_is_kept(run_api):
    out = run_api(
        """
        import peakline
        error = KeyError("mine")
        try:
            with peakline.track() as t:
                x = bytearray(1_000_000)
                raise error
        except KeyError as caught:
            print(caught is error, caught.__context__, t.peak_bytes >= 1_000_000, len(t.stacks()) > 0)
        """
    )
    assert out.split() == ["True", "None", "True", "True"]


def test_decorated_functions_of_every_kind(run_api, each_python):
    out = run_api(
        """
        import asyncio, threading
        import peakline

        @peakline.profile
        def plain(size):
            "doc"
            return len(bytearray(size))

        @peakline.profile
        def nested(depth):
            x = bytearray(1_000_000)
            return nested(depth - 1) if depth else 0

        @peakline.profile
        async def waits(size):
            x = bytearray(size)
            await asyncio.sleep(0)
            return size

        @peakline.profile
        def yields(size):
            for _ in range(3):
                got = yield bytearray(size)

        @peakline.profile
        async def yields_async(size):
            got = yield bytearray(size)
            print("sent", got)
            try:
                yield 2
            except ValueError as error:
                print("thrown", error)
                yield 3

        @peakline.profile
        def fails():
            x = bytearray(3_000_000)
            raise ValueError("from inside")

        async def use():
            await asyncio.gather(*(waits(1_000_000) for _ in range(3)))
            items = yields_async(2_000_000)
            await items.__anext__()
            await items.asend("this")
            print(await items.athrow(ValueError("that")))
            async for _ in items:
                pass

        assert plain(1_000_000) == 1_000_000 and plain.__name__ == "plain" and plain.__doc__ == "doc"
        nested(4)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use())
        loop.close()
        assert [len(item) for item in yields(1_000_000)] == [1_000_000] * 3
        try:
            fails()
        except ValueError as error:
            print(error)
        threads = [threading.Thread(target=plain, args=(100,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for function in (plain, nested, waits, yields, yields_async, fails):
            print(function.peakline.count, function.peakline.peak_bytes // 1_000_000)
        print(fails.peakline.largest.stacks()[0].bytes // 1_000_000, peakline.is_measuring())
        """,
        python=each_python.path,
    )
    lines = out.splitlines()
    assert lines[:4] == ["sent this", "thrown that", "3", "from inside"]
    plain, nested, waits, yields, yields_async, fails, last = lines[4:]
    assert (plain, nested, yields_async, fails, last) == ("9 1", "5 5", "1 2", "1 3", "3 False")
    assert waits.startswith("3 ") and int(waits[2:]) in (2, 3)  # the first to begin saw all three
    assert yields in ("1 2", "1 3")  # the list of all items grows outside, while the block runs


def test_decorated_objects_and_coroutines_of_the_old_kind(run_api, each_python):
    """An object with an async __call__ was measured until its coroutine was made; the other kind could not be awaited."""
    out = run_api(
        """
        import asyncio
        import types
        import peakline

        class Load:
            async def __call__(self):
                return len(bytearray(1_000_000))

        class Rows:
            def __call__(self):
                yield len(bytearray(1_000_000))

        @peakline.profile
        @types.coroutine
        def old():
            yield
            return len(bytearray(1_000_000))

        async def main():
            return await load() + await old()

        load, rows = peakline.profile(Load()), peakline.profile(Rows())
        print(asyncio.run(main()) + sum(rows()))
        print([(each.peakline.count, each.peakline.peak_bytes // 1_000_000) for each in (load, rows, old)])
        """,
        python=each_python.path,
    )
    assert out == "3000000\n[(1, 1), (1, 1), (1, 1)]\n"



def test_bytes_of_now_of_the_process_and_of_a_thread(run_api, each_python):
    out = run_api(
        """
        import threading
        import peakline
        peakline.start()
        a = bytearray(1_000_000)
        print(peakline.live_bytes() // 1_000_000, peakline.live_bytes("thread") // 1000)
        given = []

        def other():
            start = peakline.live_bytes("thread")
            given.append(bytearray(3_000_000))
            print((peakline.live_bytes("thread") - start) // 1_000_000, start < 100_000)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        given.clear()  # freed by another thread than allocated it
        print(-peakline.live_bytes("thread") // 1_000_000 + 1, peakline.peak_bytes() // 1_000_000)
        peakline.snapshot()  # its modules are loaded
        before = peakline.snapshot()
        b = bytearray(7_000_000)
        difference = before.diff(peakline.snapshot())
        print(difference.changes[0].bytes // 1_000_000, difference.changes[0].frames[-1].line, before.peak_bytes // 1_000_000)
        peakline.stop()
        """,
        python=each_python.path,
    )
    first, *lines, last = out.splitlines()
    assert [first, *lines] == ["1 0", "3 True", "3 4"]
    size, line, held = last.split()
    assert (size, line) == ("7", "21") and 1 <= int(held) <= 3  # the modules that a snapshot needs


def test_results_read_back_from_every_form(run_api, peakline, tmp_path):
    (tmp_path / "result").mkdir()
    out = run_api(
        """
        import os
        import peakline
        peakline.start("result")
        with peakline.track() as t:
            x = bytearray(2_000_000)
        peakline.stop()
        for name in ("block.html", "block.json", "block.txt", "block.folded", "block.md"):
            t.report(name)
        for path in ("result", "block.json"):
            profile = peakline.read(path)
            print(profile.peak_bytes // 1_000_000, profile.lines[0].line, profile.lines[0].source.strip())
            print([process.pid > 0 for process in profile.processes], profile.data["ledger"]["in_process"])
        print(peakline.read("block.json").data["ledger"]["block"])
        os.rename("result", "-o")  # no option
        print(peakline.read("-o").peak_bytes == peakline.read(b"./-o").peak_bytes > 2_000_000)
        """
    )
    shown = ["2 6 x = bytearray(2_000_000)", "[True] True"]
    assert out.splitlines() == [*shown, *shown, "True", "True"]
    text = (tmp_path / "block.txt").read_text()
    assert "Measured from inside the program" in text
    warnings = json.loads((tmp_path / "block.json").read_text())["warnings"]
    assert any("one block of the program" in warning for warning in warnings)


def test_methods_of_either_kind_are_decorated_in_either_order(run_api, each_python):
    """A static method was callable in some versions only, and a class method in none."""
    out = run_api(
        """
        import peakline

        class Loader:
            @peakline.profile
            @staticmethod
            def above(size):
                return len(bytearray(size))

            @staticmethod
            @peakline.profile
            def below(size):
                return len(bytearray(size))

            @peakline.profile
            @classmethod
            def named(cls, size):
                return cls.__name__, len(bytearray(size))

        print(Loader.above(1_000_000), Loader().above(1_000_000), Loader.below(1_000_000), Loader.named(1_000_000))
        print([some.peakline.peak_bytes // 1_000_000 for some in (Loader.above, Loader.below, Loader.named)])
        """,
        python=each_python.path,
    )
    assert out == "1000000 1000000 1000000 ('Loader', 1000000)\n[1, 1, 1]\n"


def test_bad_uses_have_one_sentence_each(run_api):
    out = run_api(
        """
        import peakline

        def ask(call, *arguments):
            try:
                call(*arguments)
            except peakline.PeaklineError as error:
                print(type(error).__name__, str(error).count("\\n"), error)

        ask(peakline.stop)
        ask(peakline.live_bytes)
        ask(peakline.snapshot)
        ask(lambda: peakline.track().peak_bytes)
        ask(peakline.start, "missing")
        peakline.start()
        ask(peakline.start)
        ask(peakline.live_bytes, "machine")
        with peakline.track() as t:
            ask(t.stacks)
            ask(t.start)
        peakline.stop()
        with peakline.track():
            ask(peakline.start, ".")
        ask(peakline.read, "missing")
        ask(peakline.read, __file__)
        with open("deep.json", "w") as file:
            file.write('{"a":' + "[" * 200_000)
        ask(peakline.read, "deep.json")
        ask(peakline.profile, 3)
        ask(peakline.profile, str)
        """
    )
    lines = out.splitlines()
    kinds = [line.split(" ")[:2] for line in lines]
    assert [kind for kind, _ in kinds] == (
        ["NotMeasuringError"] * 3 + ["PeaklineError"] * 8 + ["ProgramError"] + ["PeaklineError"] * 3
    ), out
    assert {count for _, count in kinds} == {"0"}


def test_an_interpreter_that_cannot_be_measured_runs_as_ever(run_api):
    """start() says why; a block and a decorated function run, and say why when asked."""
    out = run_api(
        """
        import peakline
        from peakline import _native
        _native.start = lambda directory: "this version of Python is not known to this version of Peakline"

        @peakline.profile
        def function():
            return 5

        try:
            peakline.start()
        except peakline.UnsupportedError as error:
            print(error)
        with peakline.track() as t:
            x = 1
        try:
            t.peak_bytes
        except peakline.UnsupportedError as error:
            print("later")
        print(function(), function.peakline.count, peakline.is_measuring())
        """
    )
    assert out.splitlines() == [
        "this process cannot be measured: this version of Python is not known to this version of Peakline",
        "later",
        "5 1 False",
    ]


def test_a_program_in_odd_surroundings_runs_as_ever(run_api):
    """Its directory is gone, its words are no texts: the block measures. There is no place for a record: it says so."""
    out = run_api(
        """
        import os
        import pathlib
        import sys
        import tempfile
        import peakline

        place = tempfile.mkdtemp()
        os.chdir(place)
        os.rmdir(place)
        sys.argv = [pathlib.Path("app.py"), None]
        with peakline.track() as t:
            block = bytearray(1_000_000)
        print(t.peak_bytes // 1_000_000, t.profile().data["run"]["command"])
        del sys.argv
        peakline.start()
        print(peakline.snapshot().data["run"]["command"])
        peakline.stop()

        tempfile.tempdir = "/missing"
        with peakline.track() as t:
            print("goes on")
        for ask in (lambda: t.peak_bytes, peakline.start):
            try:
                ask()
            except peakline.PeaklineError as error:
                print(str(error).startswith("there is no place for the record"), peakline.is_measuring())
        """
    )
    assert out.splitlines() == ["1 ['app.py', 'None']", "[]", "goes on", "True False", "True False"]


def test_a_python_built_for_musl_is_told_so(run_api, tmp_path):
    """As there: the library cannot be loaded, and the C library does not know glibc's name for its version."""
    (tmp_path / "lib.so").write_bytes(b"no library for this one")
    out = run_api(
        """
        import os, sys
        def confstr(name):
            raise OSError(22, "Invalid argument")
        os.confstr = confstr
        os.environ["PEAKLINE_RUNTIME"] = sys.argv[1]
        import peakline
        try:
            peakline.start()
        except peakline.UnsupportedError as error:
            print(error)
        """,
        str(tmp_path / "lib.so"),
    )
    assert "musl" in out and "use a Python built for glibc" in out and out.count("\n") == 1


def test_a_python_without_ctypes_is_told_so(run_api):
    out = run_api(
        """
        import sys
        sys.modules["_ctypes"] = None
        import peakline
        try:
            peakline.track
        except peakline.PeaklineError as error:
            print(error)
        """
    )
    assert "no ctypes" in out and "peakline run" in out and out.count("\n") == 1


def test_stopped_while_blocks_run_their_numbers_stay(run_api):
    out = run_api(
        """
        import peakline
        peakline.start()
        with peakline.track() as t:
            x = bytearray(2_000_000)
            peakline.stop()
            y = bytearray(9_000_000)
        print(t.peak_bytes // 1_000_000, t.stacks()[0].bytes // 1_000_000, peakline.is_measuring())
        """
    )
    assert out.split() == ["2", "2", "True"] or out.split() == ["2", "2", "False"]


def test_a_block_inside_one_whose_measurement_was_stopped(run_api, each_python):
    out = run_api(
        """
        import peakline
        with peakline.track():
            peakline.start()
            peakline.stop()
            with peakline.track() as inner:
                block = bytearray(1_000_000)
        print(inner.peak_bytes // 1_000_000, peakline.is_measuring())
        """,
        python=each_python.path,
    )
    assert out == "1 False\n"



def test_nothing_is_left_behind(run_api, peakline, tmp_path):
    """Temporary directories go with the objects that need them, and in children they are left alone."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    run_api(
        """
        import os
        import peakline
        with peakline.track() as t:
            x = 1
        t.stacks()
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            assert os.listdir(os.environ["TMPDIR"])
            assert len(t.stacks()) >= 0 and os.path.exists(t._directory)
            peakline.start()  # and never stopped
        """,
        env={**api_environment(peakline), "TMPDIR": str(temporary)},
    )
    assert list(temporary.iterdir()) == []


def test_importing_loads_nothing_and_needs_nothing(run_api, each_python):
    out = run_api(
        """
        import sys
        before = set(sys.modules)
        import peakline
        print(sorted(name for name in set(sys.modules) - before if not name.startswith("peakline")))
        print(sorted(name for name in set(sys.modules) - before if name.startswith("peakline")))
        """,
        python=each_python.path,
    )
    loaded, ours = out.splitlines()
    assert set(eval(loaded)) <= {"__future__"} and eval(ours) == ["peakline"]


def test_a_second_recording_keeps_as_many_stacks_as_the_first(run_api):
    """Its tables grow beyond their first extents, too."""
    out = run_api(
        """
        import peakline
        source = "".join(f"def f{i}():\\n return bytearray(100)\\n" for i in range(3000))
        for number in range(2):
            made = {}
            with peakline.track() as t:
                exec(compile(source, "many", "exec"), made)
                kept = [made[f"f{i}"]() for i in range(3000)]
            ledger = t.profile().data["ledger"]
            print(ledger["stacks"] > 3000, ledger["merged_stacks"])
        """
    )
    assert out.splitlines() == ["True 0"] * 2


def test_bytes_of_now_of_a_tree(run_api, each_python):
    """A forked child counts until it is gone; what it inherited counts once."""
    out = run_api(
        """
        import os
        import peakline
        peakline.start()
        shared = bytearray(5_000_000)
        there, here = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            own = bytearray(3_000_000)
            os.write(there[1], b"x")
            os.read(here[0], 1)
            os._exit(0)
        os.read(there[0], 1)
        both = peakline.live_bytes("tree")
        os.write(here[1], b"x")
        os.waitpid(pid, 0)
        print(both // 1_000_000, peakline.live_bytes("tree") // 1_000_000, peakline.live_bytes() // 1_000_000)
        """,
        python=each_python.path,
    )
    assert out.split() == ["8", "5", "5"]


def test_a_table_for_pandas(run_api, tmp_path):
    """Without pandas one sentence; with it (here: the face of one) a row a stack."""
    fake = tmp_path / "pandas.py"
    out = run_api(
        """
        import sys
        import peakline
        sys.modules["pandas"] = None
        with peakline.track() as t:
            x = bytearray(1_000_000)
        try:
            t.profile().to_pandas()
        except peakline.PeaklineError as error:
            print(error)
        del sys.modules["pandas"]
        open("pandas.py", "w").write("def DataFrame(rows, columns):\\n    return [dict(zip(columns, row)) for row in rows]\\n")
        first = t.profile().to_pandas()[0]
        print(first["bytes"] > 1_000_000, first["line"], first["stack"].endswith("program.py:6)"))
        """
    )
    assert fake.exists()
    assert out.splitlines() == ["to_pandas() needs pandas, which is not installed", "True 6 True"]


def test_blocks_are_written_while_other_threads_end_the_measurement(run_api, each_python):
    """Without the GIL the last block to end takes away what another thread is writing from, unless it waits."""
    out = run_api(
        """
        import threading
        import peakline
        def work():
            for _ in range(150):
                with peakline.track() as t:
                    x = [bytearray(2000 + i) for i in range(200)]
                t._write()
        threads = [threading.Thread(target=work) for _ in range(4)]
        for each in threads: each.start()
        for each in threads: each.join()
        print(peakline.is_measuring())
        """,
        python=each_python.path,
    )
    assert out == "False\n"


def test_a_measurement_begun_by_a_thread_that_has_ended_counts_with_its_children(run_api, each_python):
    """What the process holds in the sum of all is published under a lock that dies with its thread."""
    out = run_api(
        """
        import ctypes, os, threading, warnings
        warnings.simplefilter("ignore")
        import peakline
        from peakline import _native
        thread = threading.Thread(target=peakline.start)
        thread.start()
        thread.join()
        while len(os.listdir("/proc/self/task")) > 1:  # joined before the kernel has let go of it
            pass
        library = _native.load()
        mark = library.peakline_tree_mark()
        keep = bytearray(50_000_000)
        ready, go = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            held = bytearray(10_000_000)
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        os.write(go[1], b"x")
        os.waitpid(pid, 0)
        most = ctypes.c_uint64()
        print(library.peakline_tree_unmark(mark, most), most.value)
        """,
        python=each_python.path,
    )
    others, most = map(int, out.split())
    assert others == 1 and 60_000_000 - 2 * 65536 <= most <= 60_200_000
