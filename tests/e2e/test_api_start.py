# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping inside a running Python: thousands of times while threads allocate, with libraries of every
kind, forks, and other tools at the same hooks. Nothing may leak, crash, or change for the program."""

import shutil

import pytest
from api_session import api_environment
from running import REPOSITORY, run_command

SOURCES = REPOSITORY / "tests" / "runtime"


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """library(name, options): tests/runtime/held.c as a shared library that allocates through its own references."""
    cc = shutil.which("cc") or shutil.which("gcc")
    if cc is None:
        pytest.skip("there is no C compiler here")
    folder = tmp_path_factory.mktemp("libraries")

    def build(name, *options):
        path = folder / f"lib{name}.so"
        if not path.exists():
            words = [cc, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-w", "-fPIC", "-shared", "-fno-builtin"]
            done = run_command([*words, "-o", path, SOURCES / "held.c", *options])
            assert done.returncode == 0, done.stderr
        return path

    return build


STORM = """
    import os, sys, threading, time
    from peakline import _measure, _native

    ROUNDS = int(sys.argv[1])
    sys.setswitchinterval(1e-5)
    going = True

    def churn():
        kept = {}
        while going:
            for i in range(200):
                kept[i] = [i] * (i % 50)
                text = bytearray(i * 100)
            kept.clear()

    def short_lived():
        while going:
            thread = threading.Thread(target=lambda: [bytearray(2000) for _ in range(20)])
            thread.start()
            thread.join()

    threads = [threading.Thread(target=work, daemon=True) for work in (churn, churn, short_lived)]
    for thread in threads:
        thread.start()

    library, directory = _native.load(), _measure.make_directory()
    numbers, block_numbers = _native.Numbers(), _native.BlockNumbers()

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def maps():
        with open("/proc/self/maps") as file:
            return sum(1 for _ in file)

    def one_round():
        why = _native.start(directory)
        assert why is None, why
        block = library.peakline_block_begin()
        held = bytearray(4 << 20)
        assert library.peakline_block_read(block, 1, block_numbers) == 0
        library.peakline_block_free(block)
        # The other threads may free what little they held at the start.
        assert 3 << 20 < block_numbers.peak_bytes - block_numbers.start_bytes < 5 << 20
        assert library.peakline_numbers(numbers) == 0
        assert library.peakline_stop() == 0
        for name in os.listdir(directory):
            os.unlink(os.path.join(directory, name))
        return numbers.own_bytes

    early = None
    for number in range(ROUNDS):
        own = one_round()
        if number == ROUNDS // 4:
            early = own, resident(), maps()
    late = own, resident(), maps()
    going = False
    for thread in threads:
        thread.join()
    os.rmdir(directory)
    print(*early, *late)
"""


def check_storm(out, noise=4 << 20):
    own, resident, maps, last_own, last_resident, last_maps = map(int, out.split())
    assert last_own <= own + (1 << 20)
    assert last_resident <= resident + noise
    assert last_maps <= maps + 20


def test_start_and_stop_again_and_again_while_threads_allocate(run_api, each_python):
    # mimalloc keeps pages for each thread that ever was, given back when it likes: several MiB without us, too.
    noise = (16 if each_python.free_threaded else 4) << 20
    check_storm(run_api(STORM, "60", python=each_python.path), noise)


def test_start_and_stop_thousands_of_times(run_api):
    """Without other threads a round takes two milliseconds."""
    quiet = STORM.replace("(churn, churn, short_lived)", "()")
    check_storm(run_api(quiet, "2000"))


def test_numbers_of_known_allocations(run_api, each_python, library):
    """Python objects, C heap of a library loaded before and one loaded after the start, maps."""
    before, after = library("before"), library("after")
    out = run_api(
        f"""
        import ctypes, mmap
        import peakline
        early = ctypes.CDLL({str(before)!r})
        early.hold(1)  # bound lazily: one call before, the other references not yet
        with peakline.track() as t:
            a = bytearray(1_000_000)  # A
            early.hold(2_000_000)  # B
            late = ctypes.CDLL({str(after)!r})
            late.hold(3_000_000)  # C
            m = mmap.mmap(-1, 4 << 20)  # D
            late.text(5_000_000)  # E: libc allocates for the library
            b = [None] * 100_000  # F
            late.renew(17_000_000)  # G: the 3,000,000 of C are resized, moved or copied
        source = [""] + open(__file__).read().splitlines()
        held = dict.fromkeys("ABCDEFG", 0)
        for stack in t.stacks():
            letter = source[stack.frames[0].line].rpartition("# ")[2][:1]
            if letter in held:
                held[letter] += stack.bytes
        print(*held.values())
        """,
        python=each_python.path,
    )
    a, b, c, d, e, f, g = [int(word) for word in out.split()]
    little = 4000  # objects that ctypes and the interpreter make and keep on that line
    assert 1_000_001 <= a <= 1_000_001 + little
    assert 2_000_000 <= b <= 2_000_000 + little
    assert c <= little or 3_000_000 <= c <= 3_000_000 + little
    assert 4 << 20 <= d <= (4 << 20) + little
    assert 5_000_001 <= e <= 5_000_001 + little
    assert 800_000 <= f <= 800_000 + little
    assert 17_000_000 <= g <= 17_000_000 + little


@pytest.mark.parametrize(
    "options",
    [["-Wl,-z,now", "-Wl,-z,relro"], ["-Wl,-z,lazy", "-Wl,-z,norelro"], ["-Wl,-z,now", "-Wl,-z,norelro"]],
    ids=["protected", "lazy", "bound"],
)
def test_references_of_every_kind_are_led_to_us_and_back(run_api, library, options):
    """Tables that the dynamic linker has made read-only are so again afterwards; memory from one time is freed in another."""
    path = library("kind" + "".join(options).replace(",", "").replace("-", ""), *options)
    out = run_api(
        f"""
        import ctypes
        import peakline
        lib = ctypes.CDLL({str(path)!r})

        def rights():
            with open("/proc/self/maps") as file:
                return [line.split()[:2] for line in file if {path.name!r} in line]

        lib.hold(10)
        lib.drop()
        before = rights()
        peaks = []
        for number in range(3):
            lib.hold(1_000_000)  # unknown when it is freed
            with peakline.track() as t:
                lib.drop()
                lib.hold(2_000_000)
                lib.renew(3_000_000)
            lib.drop()  # after the end
            peaks.append(t.peak_bytes // 1_000_000)
            assert rights() == before, (before, rights())
        print(*peaks)
        """
    )
    assert set(out.split()) <= {"3", "5"}  # the resize moved pages, or both copies were there


def test_a_library_found_by_name_is_seen(run_api, library, monkeypatch):
    path = library("named")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(path.parent))
    out = run_api(
        """
        import ctypes
        import peakline
        with peakline.track() as t:
            lib = ctypes.CDLL("libnamed.so")
            lib.hold(2_000_000)
        print(t.peak_bytes)
        """
    )
    assert 2_000_000 <= int(out) <= 2_100_000


def test_libraries_may_be_unloaded_in_between(run_api, library):
    """The tables of one that is gone are not written to."""
    path = library("gone")
    run_api(
        f"""
        import _ctypes, ctypes
        import peakline
        for number in range(20):
            lib = ctypes.CDLL({str(path)!r})
            with peakline.track() as t:
                lib.hold(1000)
                lib.drop()
                _ctypes.dlclose(lib._handle)
            lib = ctypes.CDLL({str(path)!r})
            lib.hold(10)
            lib.drop()
            _ctypes.dlclose(lib._handle)
        """
    )


@pytest.mark.parametrize("inside", [True, False], ids=["ends-first", "ends-last"])
def test_tracemalloc_at_the_same_time(run_api, each_python, inside):
    """Two tools wrap the same allocators; whichever ends first, nothing is lost and nothing goes round in circles."""
    end_here, end_there = ("tracemalloc.stop()", "pass") if inside else ("pass", "tracemalloc.stop()")
    out = run_api(
        f"""
        import tracemalloc
        import peakline
        for number in range(4):
            with peakline.track() as t:
                tracemalloc.start()
                kept = [bytearray(1_000_000)]
                {end_here}
            {end_there}
            print(t.peak_bytes >= 1_000_000, t.peak_bytes < 3_000_000)
        tracemalloc.start()
        with peakline.track() as t:
            tracemalloc.stop()
        with peakline.track() as t:
            kept = list(range(100_000))
        print(t.peak_bytes > 3_000_000, True)
        """,
        python=each_python.path,
    )
    assert out.split() == ["True"] * 10


def test_forked_children_go_on_with_ledgers_of_their_own(run_api, each_python, tmp_path):
    (tmp_path / "result").mkdir()
    out = run_api(
        """
        import os
        import peakline
        peakline.start("result")
        kept = bytearray(5_000_000)
        with peakline.track() as outer:
            pid = os.fork()
            if pid == 0:
                with peakline.track() as t:
                    own = bytearray(2_000_000)
                try:
                    outer.peak_bytes
                except peakline.ForkedError as error:
                    print("asked in vain" if "forked child" in str(error) else error)
                print(2_000_000 <= t.peak_bytes <= 2_010_000, peakline.live_bytes() < 3_000_000, flush=True)
        if pid == 0:
            peakline.stop()
            with peakline.track() as again:
                own = bytearray(3_000_000)
            print(3_000_000 <= again.peak_bytes <= 3_010_000, flush=True)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        print(peakline.live_bytes() >= 5_000_000, outer.peak_bytes < 2_000_000)
        peakline.stop()
        print(len([name for name in os.listdir("result") if name.startswith("ledger-")]))
        """,
        python=each_python.path,
    )
    assert out.split("\n")[:-1] == ["asked in vain", "True True", "True", "True True", "2"]


def test_a_fork_between_two_recordings(run_api, each_python):
    """Nothing is recorded at the fork, so nothing is put back for it; threads have ended before it. The child and its
    own child measure as their parent did."""
    out = run_api(
        """
        import os, threading
        import peakline
        def measure():
            with peakline.track() as t:
                bytes(3_000_000)
            return t.peak_bytes
        def measure_in_threads():
            threads = [threading.Thread(target=measure) for _ in range(5)]
            for each in threads: each.start()
            for each in threads: each.join()
        def check(name, below):
            measure_in_threads()
            good = [3_000_000 <= measure() < 3_010_000 for _ in range(3)]
            print(name, all(good), flush=True)
            pid = os.fork() if below else -1
            if pid == 0:
                check(below[0], below[1:])
                os._exit(0)
            if below:
                print(os.waitpid(pid, 0)[1], flush=True)
        check("parent", ["child", "grandchild"])
        """,
        python=each_python.path,
    )
    assert out.split() == ["parent", "True", "child", "True", "grandchild", "True", "0", "0"]


def test_started_in_a_forked_child_and_after_exec(run_api, each_python):
    out = run_api(
        """
        import os, sys
        import peakline
        if len(sys.argv) == 1:
            with peakline.track() as t:
                x = bytearray(1_000_000)
            assert t.peak_bytes >= 1_000_000
            pid = os.fork()
            if pid != 0:
                sys.exit(os.waitpid(pid, 0)[1])
        with peakline.track() as t:
            y = bytearray(2_000_000)
        print(2_000_000 <= t.peak_bytes < 3_000_000, flush=True)
        if len(sys.argv) == 1:
            os.execv(sys.executable, [sys.executable, __file__, "again"])
        """,
        python=each_python.path,
    )
    assert out.split() == ["True", "True"]


def test_under_peakline_run_the_api_joins_that_measurement(run_peakline, peakline, each_python, tmp_path):
    script = tmp_path / "app.py"
    script.write_text(
        "import peakline\n"
        "kept = bytearray(1_000_000)\n"
        "peakline.start()\n"
        "with peakline.track() as t:\n"
        "    more = bytearray(3_000_000)\n"
        "    del more\n"
        "peakline.stop()\n"
        "print(peakline.is_measuring(), 3_000_000 <= t.peak_bytes < 3_100_000)\n"
        "print(t.stacks()[0].bytes, peakline.peak_bytes() > 4_000_000)\n"
    )
    done = run_peakline([script], python=each_python.path, env=api_environment(peakline))
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == "True True"
    size, more = second.split()
    assert 3_000_001 <= int(size) <= 3_001_000 and more == "True"


def test_memory_mapped_without_reservation_counts_by_what_is_touched(run_api):
    out = run_api(
        """
        import mmap
        import peakline
        MAP_NORESERVE = 0x4000
        with peakline.track() as t:
            arena = mmap.mmap(-1, 256 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
            arena[: 32 << 20] = bytes(32 << 20)
        print(t.peak_bytes >> 20, t.kept_bytes >> 20)
        """
    )
    peak, kept = map(int, out.split())
    assert kept == 32 and 32 <= peak <= 65  # the object that was written into it, too


FORKS = """
    import ctypes, os, sys, warnings
    warnings.simplefilter("ignore")
    library = ctypes.CDLL(sys.argv[1])  # its handler is there before ours
    import peakline
    kept = []
    with peakline.track() as t:
        for allocates_last in (0, 1, 0):
            assert library.start_worker(allocates_last)
            pid = os.fork()
            if pid == 0:
                os._exit(int(peakline.is_measuring()))
            print(os.waitpid(pid, 0)[1] >> 8)
            kept.append(bytearray(1_000_000))
    print(t.peak_bytes >= 3_000_000 and t.kept_bytes >= 3_000_000)
"""


def test_a_library_that_waits_for_its_threads_before_a_fork(run_api, compiler, python):
    """OpenBLAS does: import numpy, start, multiply, fork, and again. A thread that only ends is waited for as ever; for one
    that allocates, the lock is let go, and that child goes unrecorded."""
    out = run_api(FORKS, str(compiler.library("joining")), python=python)
    assert out.split() == ["1", "0", "1", "True"]
