# SPDX-License-Identifier: Apache-2.0
"""Results on a disk that writes every page anew (btrfs): its records are in memory while the run goes on, because such a
disk, once it is full, answers a change of a mapped page with SIGBUS, to the program.

Each test has a btrfs of its own on a loop device, in a mount namespace that ends with it. Needs root and mkfs.btrfs."""

import glob
import json
import os
import re
import shutil
import subprocess

import pytest
from api_session import api_environment
from running import REPOSITORY

MIB = 1 << 20
KEEP = 20_000_003
HOLD = f"keep = b'x' * {KEEP}\nprint(len(keep))\n"
MEMORY = ("/tmp", "/dev/shm")

# Fills the disk, has all of it written out, and changes what is recorded after that.
FILL = """\
import os, sys
fill = os.open("disk/fill", os.O_WRONLY | os.O_CREAT)
for size in (1 << 20, 4096):
    try:
        while True: os.write(fill, os.urandom(size))
    except OSError: pass
keep = []
for i in range(5):
    os.sync()
    for size in range(1000): keep.append(bytearray(1000 + size))
    exec(compile("\\n" * i + "keep.append(bytearray(5_000_000))", "more", "exec"))
if "leave" not in sys.argv: os.unlink("disk/fill")
print(len(keep))
"""


def memory_directories():
    return {path for place in MEMORY for path in glob.glob(place + "/peakline-live-*")}


@pytest.fixture
def inside(peakline, python, tmp_path):
    """inside(shell commands) runs them in tmp_path, where disk/ is a btrfs; $RUN is `peakline run` of a Python."""
    missing = [word for word in ("mkfs.btrfs", "unshare") if shutil.which(word) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip("needs root, mkfs.btrfs and unshare")
    image = tmp_path / "image"
    with open(image, "wb") as file:
        file.truncate(300 * MIB)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (tmp_path / "disk").mkdir()
    (tmp_path / "hold.py").write_text(HOLD)
    (tmp_path / "fill.py").write_text(FILL)
    before = memory_directories()

    def run(script, memory=True, environment=os.environ):
        arrange = "mount -o loop image disk"
        # Where all of /tmp and /dev/shm is too small, as in most containers.
        # A /tmp in memory cannot be covered: the test itself may live there.
        small = '[ "$(stat -f -c %T /tmp)" != tmpfs ] && mount -t tmpfs -o size=64m none /dev/shm'
        arrange += "" if memory else f" && {small}"
        environment = {
            **environment,
            "RUN": f"{peakline} run -q --no-open --python {python}",
            "REPORT": f"{peakline} report",
            "DOCTOR": f"{peakline} doctor --python {python}",
        }
        words = ["unshare", "--mount", "--propagation=private", "sh", "-c", f"{arrange} || exit 99\n{script}"]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
        if done.returncode == 99 or "unshare: " in done.stderr:
            pytest.skip("no btrfs can be mounted here: " + done.stderr.strip())
        return done

    yield run
    assert memory_directories() == before


def check_moved(said, peak=KEEP):
    """`ls` of the result, then its JSON: all is in it, and in order."""
    listing, _, document = said.partition("{")
    assert re.fullmatch(r"(ledger-\d+\n)+report\.html\nrun\.json\ntimeline\ntree\n", listing)
    report = json.loads("{" + document)
    assert report["peak"]["bytes"] > peak
    return report


def test_a_disk_that_becomes_full_does_not_kill_the_program(inside):
    done = inside("$RUN -o disk/out fill.py; echo status $?; ls disk/out; $REPORT disk/out --format json")
    assert done.stderr == ""
    assert done.stdout.startswith("5005\nstatus 0\n")
    report = check_moved(done.stdout.partition("status 0\n")[2], 25_000_000)
    assert report["ledger"]["merged_stacks"] == 0


def test_records_that_find_no_room_stay_in_memory_until_there_is_some(inside):
    done = inside(
        "$RUN -o disk/out fill.py leave; echo status $?; test -L disk/out/live && rm disk/fill\n"
        "$REPORT disk/out --format json > report.json; ls disk/out; cat report.json"
    )
    assert done.stdout.startswith("5005\nstatus 0\n")
    kept = r"the records are still in memory, in /\S+/peakline-live-\w+ \(No space left on device\); make room"
    assert re.search(kept, done.stderr)
    listing, _, document = done.stdout.partition("status 0\n")[2].partition("{")
    assert "ledger-" in listing and "live" not in listing.split()
    assert json.loads("{" + document)["peak"]["bytes"] > 25_000_000


def test_while_it_runs_and_after_the_supervisor_was_killed(inside, tmp_path):
    """The records are found through DIR/live by everybody, and moved by the next report after the program's end."""
    wait = "open('pid', 'w').write(str(os.getpid()))\nopen('go').read()\n"
    (tmp_path / "wait.py").write_text("import os\n" + HOLD + wait)
    done = inside(
        "mkfifo go; $RUN -o disk/out wait.py & supervisor=$!\n"
        "until test -s pid; do :; done\n"
        "$REPORT disk/out --format json > first.json; test -L disk/out/live && echo live\n"
        "$RUN -o disk/out --force hold.py; echo status $?\n"
        "kill -9 $supervisor; wait $supervisor\n"
        "$RUN -o disk/out --force hold.py; echo status $?\n"
        "$REPORT disk/out --format json > second.json; test -L disk/out/live && echo live\n"
        "exec 3> go; exec 3>&-; while test -d /proc/$(cat pid); do :; done\n"
        "$REPORT disk/out > /dev/null; ls disk/out; $REPORT disk/out --format json\n"
    )
    said = f"{KEEP}\nlive\nstatus 125\nstatus 125\nlive\n"
    assert done.stdout.startswith(said), done.stderr
    assert "disk/out belongs to a run that is still going on" in done.stderr
    assert f"process {(tmp_path / 'pid').read_text()} of an older run still records into disk/out" in done.stderr
    check_moved(done.stdout[len(said) :])
    for name in ("first.json", "second.json"):
        assert json.loads((tmp_path / name).read_text())["peak"]["bytes"] > KEEP


def test_a_process_that_outlives_the_program_keeps_its_record(inside, tmp_path):
    (tmp_path / "leave.py").write_text(
        "import os\n"
        "if os.fork() == 0:\n"
        f"    keep = b'x' * {KEEP}\n"
        "    open('pid', 'w').write(str(os.getpid()))\n"
        "    open('go').read()\n"
        "    more = b'x' * 30_000_000\n"
        "    os._exit(0)\n"
        "while not os.path.exists('pid') or not os.path.getsize('pid'): pass\n"
    )
    done = inside(
        "mkfifo go; $RUN -o disk/out leave.py; test -L disk/out/live && echo live\n"
        "exec 3> go; exec 3>&-; while test -d /proc/$(cat pid); do :; done\n"
        "$REPORT disk/out > /dev/null; ls disk/out; $REPORT disk/out --format json\n"
    )
    assert done.stdout.startswith("live\n"), done.stderr
    check_moved(done.stdout[len("live\n") :], KEEP + 30_000_000)


DIE = """\
import os, signal
os.kill(os.getppid(), signal.SIGKILL)
open("pid", "w").write(str(os.getpid()))
"""
UNTIL_DEAD = "until test -s pid; do :; done; while test -d /proc/$(cat pid); do :; done\n"


def test_force_over_a_result_whose_records_were_left_in_memory(inside, tmp_path):
    (tmp_path / "die.py").write_text(DIE)
    done = inside(
        "$RUN -o disk/out die.py\n" + UNTIL_DEAD + "test -L disk/out/live && echo live\n"
        "$RUN -o disk/out --force hold.py; ls disk/out; $REPORT disk/out --format json"
    )
    said = f"live\n{KEEP}\n"
    assert done.stdout.startswith(said), done.stderr
    check_moved(done.stdout[len(said) :])


def test_records_that_a_restart_took(inside, tmp_path):
    (tmp_path / "die.py").write_text(DIE)
    done = inside(
        "$RUN -o disk/out die.py\n" + UNTIL_DEAD + "rm -r $(readlink disk/out/live); $REPORT disk/out; echo status $?\n"
        "$RUN -o disk/out --force hold.py; ls disk/out; $REPORT disk/out --format json"
    )
    said = f"status 1\n{KEEP}\n"
    assert done.stdout.startswith(said), done.stderr
    assert "disk/out holds no ledger; its records were in memory" in done.stderr
    check_moved(done.stdout[len(said) :])


@pytest.mark.parametrize("where, which", [("-o out", "out"), ("", "peakline-result/2*")])
def test_a_result_directory_that_is_removed_takes_its_records_along(inside, tmp_path, where, which):
    (tmp_path / "remove.py").write_text(f"import glob, shutil\nshutil.rmtree(glob.glob('{which}')[0])\n")
    done = inside(f"cd disk; $RUN {where} ../remove.py")
    assert "was removed during the run: there is no report" in done.stderr


def test_a_result_directory_that_is_moved(inside, tmp_path):
    (tmp_path / "move.py").write_text("import os\nos.rename('disk/out', 'disk/moved')\n" + HOLD)
    done = inside("$RUN -o disk/out move.py; $REPORT disk/moved > /dev/null; ls disk/moved; $REPORT disk/moved --format json")
    assert done.stdout.startswith(f"{KEEP}\n"), done.stderr
    check_moved(done.stdout[len(f"{KEEP}\n") :])


def test_through_an_overlay(inside):
    """As a container's own disk lies on its machine's."""
    done = inside(
        "mkdir disk/lower disk/upper disk/work merged\n"
        "mount -t overlay -o lowerdir=disk/lower,upperdir=disk/upper,workdir=disk/work none merged || exit 99\n"
        "cat > see.py <<END\nimport os\nprint(os.path.islink('merged/out/live'))\nEND\n"
        "$RUN -o merged/out see.py; ls merged/out; $REPORT merged/out --format json"
    )
    assert done.stdout.startswith("True\n"), done.stderr
    check_moved(done.stdout[len("True\n") :], 0)


def test_without_room_in_memory(inside):
    """The run goes on, and says what could have happened."""
    done = inside(
        "$RUN -o disk/out hold.py; ls disk/out; lsattr -d disk/out; $REPORT disk/out --format json", memory=False
    )
    assert done.stdout.startswith(f"{KEEP}\nledger-"), done.stderr
    report = json.loads(done.stdout[done.stdout.index("{") :])
    assert [text for text in report["warnings"] if "writes every page anew" in text and "/dev/shm" in text]
    assert re.search(r"C\S* disk/out$", done.stdout, re.MULTILINE)  # at least written in place, if the kernel can


def test_doctor_says_where_records_will_be(inside):
    said = inside("cd disk && $DOCTOR").stdout
    note = "^note +results +this disk writes every page anew"
    assert re.search(note + ".* in (/tmp|/dev/shm), and are moved", said, re.MULTILINE)
    said = inside("cd disk && $DOCTOR", memory=False).stdout
    assert re.search(note + ".*SIGBUS.*-o DIR", said, re.MULTILINE)


RECORDED = """\
import peakline
peakline.start()
print(*{line.split(None, 5)[5].rsplit("/", 2)[0] for line in open("/proc/self/maps") if "/ledger-" in line})
"""


def test_the_api_and_temporary_files_on_such_a_disk(inside, peakline, python, tmp_path):
    (tmp_path / "api.py").write_text(RECORDED)
    said = inside(f"TMPDIR=$PWD/disk {python} api.py; ls disk", environment=api_environment(peakline))
    assert (said.stdout, said.stderr) == ("/dev/shm\n", "")
    said = inside(f"TMPDIR=$PWD/disk {python} api.py", environment=api_environment(peakline), memory=False)
    assert (said.stdout, said.stderr) == (f"{tmp_path}/disk\n", "")


def test_the_disk_below_a_path(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "python"))
    from peakline import _folder

    table = tmp_path / "mountinfo"
    table.write_text(
        "22 1 0:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        f"23 22 0:2 / {tmp_path}/a rw - btrfs /dev/vdb rw\n"
        f"24 23 0:3 / {tmp_path}/a/b\\040c rw master:1 - xfs /dev/vdc rw\n"
        f"25 22 0:4 / {tmp_path}/twice rw - xfs /dev/vdd rw\n"
        f"26 22 0:5 / {tmp_path}/twice rw - btrfs /dev/vde rw\n"
    )
    kinds = {"a": "btrfs", "a/x/y": "btrfs", "a/b": "btrfs", "a/b c/d": "xfs", "twice/x": "btrfs", "ab": "ext4", "": "ext4"}
    assert {below: _folder.disk_type(str(tmp_path / below), str(table)) for below in kinds} == kinds
    assert _folder.disk_type("/", str(tmp_path / "none")) == ""


def test_nothing_ran(inside):
    done = inside("$RUN -o disk/out --python /dev/null -c pass; echo status $?; $RUN -o disk/out -- /dev/null; ls disk")
    assert "status 12" in done.stdout and "out" not in done.stdout.split()
