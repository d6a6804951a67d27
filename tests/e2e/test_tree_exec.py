# SPDX-License-Identifier: Apache-2.0
"""The measurement goes on to every Python that is started below, whatever starts it, and nothing of it shows.

Each test runs a program twice, plain and under Peakline: output (the whole environment, in order) and exit status
must be the same. Every Python writes its number into a file, and each number there must have its ledger."""

import json
import os
import shutil
import struct
import sys
from collections import Counter
from pathlib import Path

import pytest
import pythons
from running import run_command

ALL = pythons.find_pythons()
CHOSEN = [ALL[0], ALL[len(ALL) // 2], ALL[-1]] if len(ALL) > 2 else ALL
RUNNING, ENDED, EXEC = 0, 1, 2  # states of a ledger (src/record/format.h)

# What is started in the end: says who it is, and shows all that it was handed.
LEAF = """\
import os, sys
with open({pids!r}, "a") as pids:
    pids.write("%d\\n" % os.getpid())
print(sys.argv[1:])
for name, value in os.environ.items():
    print(name + "=" + value)
seen = open("/proc/self/environ", "rb").read()
assert b"PEAKLINE_RUN" not in seen and b"libpeakline" not in seen
sys.stdout.flush()
os._exit(7) if "_exit" in sys.argv else sys.exit(7)
"""

APP = """\
import ctypes, os, subprocess, sys
with open({pids!r}, "a") as pids:
    pids.write("%d\\n" % os.getpid())
PYTHON, LEAF = sys.executable, {leaf!r}
COMMAND = [PYTHON, "-S", LEAF]
LINE = " ".join(COMMAND)
libc = ctypes.CDLL(None)
libc.popen.restype = libc.fdopen.restype = ctypes.c_void_p
libc.pclose.argtypes = libc.fileno.argtypes = libc.fclose.argtypes = [ctypes.c_void_p]
def show(*what):
    print(*what)
    sys.stdout.flush()
def wait(child):
    show(os.waitpid(child, 0)[1])
"""


class Place:
    """A folder with the leaf and the app, and the file where they leave their numbers."""

    def __init__(self, folder, python, run_peakline):
        self.folder, self.python, self.run_peakline = folder, python, run_peakline
        self.pids = folder / "pids"
        self.leaf = folder / "leaf.py"
        self.app = folder / "app.py"
        self.leaf.write_text(LEAF.format(pids=str(self.pids)))
        self.line = f"{python} -S {self.leaf}"

    def file(self, name, text, mode=0o644):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def write_app(self, text):
        self.app.write_text(APP.format(pids=str(self.pids), leaf=str(self.leaf)) + text)
        return [self.python, "-S", "-W", "ignore", self.app]

    def read_pids(self):
        return [int(line) for line in self.pids.read_text().split()]

    def check(self, words, count, **keywords):
        """Runs `words` plain and under Peakline; `count` Pythons must have left a ledger. Returns the second run."""
        keywords.setdefault("cwd", self.folder)
        self.pids.write_text("")
        plain = run_command(words, **keywords)
        assert len(self.read_pids()) == count, plain
        assert "Traceback" not in plain.stderr
        self.pids.write_text("")
        ours = self.run_peakline(["--", *words], **keywords)
        assert ours.stderr == plain.stderr
        assert ours.stdout == plain.stdout
        assert ours.returncode == plain.returncode
        pids = self.read_pids()
        assert len(pids) == count
        ledgers = Counter(header[0] for header in read_headers(ours.result))
        assert {pid: number for pid, number in Counter(pids).items() if ledgers[pid] < number} == {}
        return ours


def read_headers(result):
    """(pid, state) of each ledger, the older ones of a process first."""
    found = []
    for path in sorted(result.glob("ledger-*"), key=lambda path: (len(path.name), path.name)):
        data = path.read_bytes()[:32]
        found.append((struct.unpack_from("<I", data, 20)[0], struct.unpack_from("<I", data, 28)[0]))
    return found


@pytest.fixture(params=CHOSEN, ids=[each.name for each in CHOSEN])
def place(request, tmp_path, run_peakline):
    return Place(tmp_path, request.param.path, run_peakline)


@pytest.fixture
def one_place(tmp_path, run_peakline, python):
    """For what does not depend on the version."""
    return Place(tmp_path, python, run_peakline)


# ---- programs that are not Python -----------------------------------------------------------------

# {line}: a command for a shell; {python} -S {leaf}: the same as words
LAUNCHERS = {
    "env": "env A=1 {line}",
    "env -i": "env -i {line}",
    "env -u": "env -u PATH -u LD_PRELOAD {line}",
    "sh -c": "sh -c '{line}; env; exit 4'",
    "exec in a shell": "sh -c 'exec {line}'",
    "shells in shells": "sh -c \"sh -c '{line} a; sh -c env'; {line} b\"",
    "a pipeline": "sh -c '{line} | cat | grep -v nothing'",
    "bash": "bash -c '{line}; env; exec {line} last'",
    "xargs": "sh -c 'echo a b c | xargs -n 1 -P 1 {line}'",
    "nohup": "nohup {line}",
    "nice": "nice -n 1 {line}",
    "setsid": "setsid -w {line}",
    "timeout": "timeout 100 {line}",
    "find": "find leaf.py -exec {line} {{}} ;",
    "awk": "awk 'BEGIN {{ while ((\"{line}\" | getline line) > 0) print line; print system(\"{line}\") }}'",
    "perl exec": "perl -e 'exec @ARGV' {line}",
    "perl system": "perl -e 'print system(@ARGV) >> 8, \"\\n\"; system(\"env\")' {line}",
    "perl backticks": "perl -e 'delete $ENV{{PATH}}; print `@ARGV`' {line}",
    "busybox": "busybox env -i {line}",
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_launcher_that_is_not_python(place, launcher):
    command = LAUNCHERS[launcher].format(line=place.line)
    program = command.split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")
    if program == "busybox" and b"/ld-linux" not in Path(shutil.which(program)).read_bytes()[:65536]:
        pytest.skip(f"{program} is static here: what it keeps from its children nobody sees")
    # each mention of the leaf is one Python; xargs starts three
    count = 3 if launcher == "xargs" else command.count(place.line)
    place.check(["sh", "-c", "exec " + command.replace(" ;", " ';'")], count)


def test_make(place):
    if shutil.which("make") is None:
        pytest.skip("make is not on this machine")
    place.file(
        "Makefile",
        f"all: one two\n\tenv\none:\n\t{place.line} $@\ntwo:\n\tA=1 {place.line} $@ && true\n"
        f"three := $(shell {place.line})\n",
    )
    place.check(["make", "-k", "-s"], 3)


def test_scripts_with_a_line_of_their_own(place):
    direct = place.file("direct", f"#!{place.python} -S\n" + place.leaf.read_text(), 0o755)
    by_env = place.file("by_env", f"#!/usr/bin/env -S -i {place.python} -S\n" + place.leaf.read_text(), 0o755)
    script = place.file("script.sh", f"#!/bin/sh\n{direct} a\n{by_env} b\nenv\nexec {direct} c\n", 0o755)
    without = place.file("without", f"{direct} d\nenv\n", 0o755)  # no #! line: execvp hands it to a shell
    place.check([script], 3)
    place.check(["env", "FIRST=1", without], 1)


def test_a_preload_of_the_users_stays_where_it_was(place):
    words = place.write_app(
        "subprocess.run(COMMAND)\n"
        "subprocess.run(['sh', '-c', 'env; ' + LINE])\n"
        "subprocess.run(COMMAND, env={'A': '1', 'LD_PRELOAD': ' libm.so.6:', 'B': '2'})\n"
        "os.environ['LD_PRELOAD'] = ''\n"
        "os.system('env')\n"
        "del os.environ['LD_PRELOAD']\n"
        "os.system('env; ' + LINE)\n"
    )
    surroundings = {"A": "1", "LD_PRELOAD": "libm.so.6:libdl.so.2", "PATH": os.environ["PATH"]}
    ours = place.check(words, 5, env=surroundings)
    assert "\nLD_PRELOAD=libm.so.6:libdl.so.2\n" in ours.stdout
    assert "\nLD_PRELOAD= libm.so.6:\n" in ours.stdout


# ---- Python --------------------------------------------------------------------------------------

WAYS = {
    "subprocess": (2, "show(subprocess.call(COMMAND))"),
    "subprocess with its own env": (3, "subprocess.run(COMMAND, env={}); subprocess.run(COMMAND, env={'A': '1'})"),
    "subprocess with a shell": (2, "show(subprocess.call(LINE + '; env', shell=True))"),
    "subprocess in a session of its own": (2, "show(subprocess.call(COMMAND, start_new_session=True, close_fds=False))"),
    "subprocess with a function before": (2, "show(subprocess.call(COMMAND, preexec_fn=lambda: os.nice(1)))"),
    "subprocess that finds nothing": (
        2,
        "try:\n subprocess.run(['no-such-program'])\nexcept OSError as error: show(error)\nshow(subprocess.call(COMMAND))",
    ),
    "a cleared environment": (2, "os.environ.clear(); show(subprocess.call(COMMAND))"),
    "os.execv": (2, "os.execv(PYTHON, COMMAND)"),
    "os.execve": (2, "os.execve(PYTHON, COMMAND, {'A': '1'})"),
    "os.execvpe": (2, "os.execvpe('nice', ['nice'] + COMMAND, {'PATH': os.environ['PATH']})"),
    "os.execve of a descriptor": (2, "os.execve(os.open(PYTHON, os.O_RDONLY), COMMAND, {'A': '1'})"),
    "os.execv in a thread": (2, "import threading; threading.Thread(target=os.execv, args=(PYTHON, COMMAND)).start()"),
    "os.posix_spawn": (2, "wait(os.posix_spawn(PYTHON, COMMAND, {}))"),
    "os.posix_spawnp": (2, "wait(os.posix_spawnp('env', ['env', '-i'] + COMMAND, os.environ))"),
    "os.spawnv": (2, "show(os.spawnv(os.P_WAIT, PYTHON, COMMAND))"),
    "os.spawnve": (2, "show(os.spawnve(os.P_WAIT, PYTHON, COMMAND, {}))"),
    "os.system": (2, "show(os.system(LINE))"),
    "os.popen": (2, "pipe = os.popen(LINE + '; env'); show(pipe.read()); show(pipe.close())"),
    "os.fork and exec": (2, "child = os.fork()\nif child == 0: os.execve(PYTHON, COMMAND, {})\nwait(child)"),
    "os._exit": (2, "show(subprocess.call(COMMAND + ['_exit']))"),
    "a daemon": (
        2,
        "ready, end = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    os.set_inheritable(end, True)\n"
        "    os.execve(PYTHON, COMMAND, {'A': 'daemon'})\n"
        "os.close(end); wait(child); os.read(ready, 1)",
    ),
    "the C library's system": (2, "show(libc.system((LINE + '; env; exit 3').encode()))"),
    "the C library's execl": (2, "libc.execl(PYTHON.encode(), PYTHON.encode(), b'-S', LEAF.encode(), None)"),
    "the C library's popen": (
        3,
        "pipe = libc.popen((LINE + '; exit 3').encode(), b'w'); show(hex(libc.pclose(pipe)))\n"
        "pipe = libc.popen((LINE + '; exit 4').encode(), b'r')\n"
        "show(open(libc.fileno(pipe), closefd=False).read(), hex(libc.fclose(pipe)))",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_python_that_starts_one(place, way):
    count, text = WAYS[way]
    place.check(place.write_app(text + "\n"), count)


POOLS = """\
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
def work(number):
    with open({pids!r}, "a") as pids:
        pids.write("%d\\n" % os.getpid())
    return sorted(os.environ), number
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    for number in range(2):
        child = context.Process(target=work, args=(number,))
        child.start()
        child.join()
        show(child.exitcode)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        show(list(pool.map(work, [1])))
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers(place, method):
    words = place.write_app(POOLS.format(pids=str(place.pids), method=method))
    # each of the three workers by spawn runs the app's own lines too; a fork server has run them for all
    text = place.app.read_text()
    place.app.write_text(text.replace("with open", "if __name__ == '__main__':\n  with open", 1).replace("    pids.write", "      pids.write", 1))
    place.check(words, 4)


# ---- what the ledgers say --------------------------------------------------------------------------


def test_a_process_that_becomes_another_says_so(place):
    """One ledger for each of its lives; a start that failed leaves no trace."""
    words = place.write_app(
        "try: os.execv('/no/such/program', ['x'])\n"
        "except OSError as error: show(error)\n"
        "os.execv(PYTHON, COMMAND)\n"
    )
    ours = place.check(words, 2)
    assert [state for _, state in read_headers(ours.result)] == [EXEC, ENDED]
    words = place.write_app(f"open({str(place.folder / 'broken')!r}, 'wb').write(b'\\x7fELF\\2\\1\\1' + bytes(500))\n"
                            "os.chmod('broken', 0o755)\n"
                            "try: os.execv('broken', ['x'])\n"
                            "except OSError as error: show(error)\n"
                            "os.kill(os.getpid(), 9)\n")
    ours = place.check(words, 1)
    assert [state for _, state in read_headers(ours.result)] == [RUNNING]


@pytest.mark.parametrize("way", ["os._exit(3)", "libc._exit(3)", "libc._Exit(3)", "libc.quick_exit(3)"])
def test_an_end_without_exit_handlers_is_an_end(place, way):
    ours = place.check(place.write_app(way + "\n"), 1)
    assert [state for _, state in read_headers(ours.result)] == [ENDED]


def test_peakline_below_peakline_measures_for_itself(place, peakline, tmp_path):
    """What a second Peakline starts is the second one's."""
    inner = tmp_path / "inner"
    words = place.write_app(
        f"subprocess.run([{peakline!r}, 'run', '-q', '--no-open', '-o', {str(inner)!r}, '--'] + COMMAND, stderr=2)\n"
    )
    ours = place.run_peakline(["--", *words], cwd=place.folder)
    assert (ours.returncode, ours.stderr) == (0, "")
    app, leaf = place.read_pids()
    assert [pid for pid, _ in read_headers(ours.result)] == [app]
    assert [pid for pid, _ in read_headers(inner)] == [leaf]


# ---- what cannot be measured is said ---------------------------------------------------------------


def read_warnings(peakline, result):
    done = run_command([peakline, "report", result, "--format", "json"])
    assert done.returncode == 0, done.stderr
    return "\n".join(json.loads(done.stdout)["warnings"])


def test_a_static_launcher_hands_the_variables_on(one_place, peakline, compiler):
    try:
        static = compiler.program("launcher", "-static", target="static_launcher")
    except AssertionError:
        pytest.skip("no static C library on this machine")
    place = one_place
    words = place.write_app(f"show(subprocess.call([{str(static)!r}] + COMMAND))\n")
    ours = place.check(words, 2)
    assert f"{static} is linked statically" in read_warnings(peakline, ours.result)


def test_a_launcher_that_calls_the_kernel_itself(one_place, compiler):
    """A program of the Go compiler's, linked dynamically: no hook sees what it starts."""
    go = compiler.program("launcher", "-DGO", target="go_launcher")
    place = one_place
    words = place.write_app(f"show(subprocess.call([{str(go)!r}] + COMMAND))\n")
    place.check(words, 2)


def test_a_program_with_other_privileges(one_place, peakline, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can make a setuid program of another user's")
    place = one_place
    tmp_path.chmod(0o755)
    other = tmp_path / "other-env"
    shutil.copy(shutil.which("env"), other)
    os.chown(other, 65534, 65534)
    other.chmod(0o4755)
    words = place.write_app(f"show(subprocess.call([{str(other)!r}]))\n")
    ours = place.check(words, 1)
    assert f"{other} runs with other privileges" in read_warnings(peakline, ours.result)
    # set for the very user who runs it, it changes nothing
    os.chown(other, 0, 0)
    other.chmod(0o4755)
    words = place.write_app(f"show(subprocess.call([{str(other)!r}, '-i'] + COMMAND))\n")
    ours = place.check(words, 2)
    assert "privileges" not in read_warnings(peakline, ours.result)


def test_another_user_who_cannot_read_the_runtime(one_place, peakline, tmp_path):
    """The loader would complain on stderr about a library that it cannot open."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    place = one_place
    private = tmp_path / "private"
    for part in ("src/cli/peakline", "src/runtime/libpeakline.so"):
        source = os.path.join(os.path.dirname(peakline), "..", "..", part)
        (private / part).parent.mkdir(parents=True)
        shutil.copy(source, private / part)
    private.chmod(0o700)
    words = place.write_app(
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.setuid(65534)\n"
        "    os.execvp('env', ['env'])\n"
        "wait(child)\n"
    )
    place.pids.write_text("")
    plain = run_command(words, cwd=place.folder)
    ours = run_command(
        [private / "src/cli/peakline", "run", "-q", "--no-open", "-o", tmp_path / "result", "--", *words],
        cwd=place.folder,
    )
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)
    assert "env was started as another user" in read_warnings(peakline, tmp_path / "result")


BECOME_NOBODY = "import os\nos.setgid(65534); os.setuid(65534)\nos.execvp('env', ['env', 'true'])\n"


def test_another_user_who_cannot_write_the_record(one_place, peakline):
    """A server that starts its workers as another user: nobody would know of them."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    place = one_place
    words = place.write_app(f"show(subprocess.call([PYTHON, '-c', {BECOME_NOBODY!r}]))\n")
    place.pids.write_text("")
    ours = place.check(words, 1)
    assert "env was started as another user" in read_warnings(peakline, ours.result)


def test_a_program_that_becomes_another_user_before_python(run_peakline, tmp_path):
    """As an entry point of a container does: nothing of it can be recorded, and the sentence says why."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, with setpriv")
    become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    done = run_peakline(["--", *become, "/bin/sh", "-c", "exit 4"])
    assert done.returncode == 4
    assert done.stderr.startswith("peakline: nothing was recorded: setpriv became another user, who may not write into ")


def test_a_32_bit_program_is_left_alone(one_place, peakline, tmp_path):
    """Its loader would complain about a library of another kind. None may be here: its head is enough."""
    place = one_place
    other = tmp_path / "old"
    other.write_bytes(b"\x7fELF\x01\x01\x01" + bytes(500))
    other.chmod(0o755)
    words = place.write_app(f"try: subprocess.call([{str(other)!r}])\nexcept OSError as error: show(error)\n")
    ours = place.check(words, 1)
    assert f"{other} is linked statically, or for another system" in read_warnings(peakline, ours.result)


# ---- each entry point, in C ------------------------------------------------------------------------

REPLACING = (
    "execve execve-null execv execvp execvp-slash execvpe execl execlp execle fexecve execveat execveat-empty cleared many"
).split()


@pytest.fixture
def start(run_peakline, compiler):
    """start(way) runs tests/runtime/starts.c plain and under Peakline: the same output. Returns the second run."""

    def run(way, *words, program=None):
        program = program or compiler.program("starts")
        path = f"{compiler.folder}:{os.environ['PATH']}"
        keywords = {"env": dict(os.environ, PATH=path), "cwd": compiler.folder}
        plain = run_command([program, way, *words], **keywords)
        ours = run_peakline(["--", program, way, *words], **keywords)
        assert ours.stdout == plain.stdout
        assert ours.returncode == plain.returncode
        for line in ours.stderr.splitlines():
            if line.startswith("pid "):
                assert list(ours.result.glob(f"ledger-{line[4:]}*")), line
        return ours

    return run


@pytest.mark.parametrize("way", REPLACING)
def test_each_way_to_become_another_program(start, compiler, way):
    ours = start(way)
    assert ours.returncode == 9
    assert [state for _, state in read_headers(ours.result)] == [EXEC, ENDED]
    # from a program that is no interpreter: untouched, one record
    launcher = compiler.program("starts", "-DPLAIN", target="starts_plain")
    ours = start(way, compiler.program("starts"), program=launcher)
    assert [state for _, state in read_headers(ours.result)] == [ENDED]


@pytest.mark.parametrize("way, started", [("spawn", 1), ("spawnp", 1), ("system", 1), ("popen", 1)])
def test_each_way_to_start_another_program(start, compiler, way, started):
    ours = start(way)
    assert ours.returncode == 3
    assert [state for _, state in read_headers(ours.result)] == [ENDED] * (1 + started)
    launcher = compiler.program("starts", "-DPLAIN", target="starts_plain")
    ours = start(way, compiler.program("starts"), program=launcher)
    assert [state for _, state in read_headers(ours.result)] == [ENDED] * started


def test_starts_that_fail_change_nothing(start):
    """In a child by vfork, which shares the parent's memory, in one by fork, and in the process itself."""
    ours = start("failures")
    assert ours.stdout.count("running, recording") == 5
    assert ours.stdout.count("errno") == 3 * 14


def test_starts_leave_no_descriptor_and_no_map(start):
    assert start("nothing-left").stdout == "descriptors +0, maps +0\n"


def test_starts_from_signal_handlers(start):
    assert "after 400 handlers: running, recording" in start("handlers").stdout


def test_the_environment_is_too_large_with_ours(start):
    """Just large enough for the kernel without our variables: then it goes without them."""
    assert start("brim").stdout.startswith("some fit, most ")
