#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Get the CPythons that the end-to-end tests want and this machine lacks (`make pythons`).

Wanted: 3.8 to 3.15 and free-threaded 3.13 and 3.14. What tests/e2e/pythons.py finds already is left alone. The rest
goes to <cache>/pythons/<name>, <cache> being $PEAKLINE_CACHE or ~/.cache/peakline, as programs that run right on this
machine:

  regular builds        the binaries of Debian's packages, with the C library they need beside them: the program is
                        pointed at that library (elf.py), so an older Debian runs it;
  free-threaded builds  compiled from Debian's source packages, since no package of them exists, or from a
                        Python-3.14.*.tar.xz in the folder $PEAKLINE_SOURCES.

Best effort: what cannot be had is listed with the reason, and the exit status is still 0 (--strict makes it 1).
A failure is remembered for a day, so that the next run is quick (--retry forgets it).
"""

import argparse
import contextlib
import fcntl
import glob
import json
import os
import platform
import shutil
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests", "e2e"))
import debian  # noqa: E402
import elf  # noqa: E402
import pythons as machine  # noqa: E402  (tests/e2e/pythons.py, which knows what is there; not this file)
from debian import NotHere  # noqa: E402

WANTED = ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15", "3.13t", "3.14t"]
SUITES = ["sid"]
# what the tests can use beside the interpreter itself, where wheels of it are to be had
PACKAGES = {"3.8": "gevent", "3.11": "numpy", "3.12": "numpy", "3.13": "numpy", "3.14": "numpy gevent"}
# For the tests of tests/python, an environment each, with the newest Python that these work with: what to install, what
# to import to know, and from which Python on not to try (JupyterLab 4 needs packages without wheels for 3.15, and pip looks
# for other versions of all of them for a very long time).
SUITES_OF_TESTS = {
    "pytest": ("pytest pytest-xdist pytest-asyncio anyio pytest-rerunfailures",
               "import pytest, xdist, pytest_asyncio, anyio, pytest_rerunfailures", None),
    "notebook": ("pytest nbclient ipykernel nbconvert", "import pytest, nbclient, ipykernel, nbconvert", None),
    "lab": ("pytest nbformat ipykernel jupyterlab>=4 playwright",
            "import pytest, nbformat, ipykernel, jupyterlab.labapp, playwright.sync_api", "3.15"),
}
BUILD_NEEDS = ["build-essential", "pkg-config", "libffi-dev", "libssl-dev", "zlib1g-dev", "libbz2-dev", "liblzma-dev"]
CHECK = "import sys, threading, ctypes, zlib, ssl; print(sys.version)"
A_DAY = 24 * 3600
# how a recipe fails when a download, a package or a compiler is not what it should be; the next one is tried
NOT_TO_BE_HAD = (NotHere, OSError, ValueError, tarfile.TarError)


def say(text):
    print("pythons: " + text, file=sys.stderr, flush=True)


def cache_folder():
    return os.environ.get("PEAKLINE_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "peakline")


def short_name(python):
    return "%d.%d%s" % (python.version[0], python.version[1], "t" if python.free_threaded else "")


def found_here():
    """{"3.11": path} for the wanted interpreters of this machine; the newest of each wins."""
    return {short_name(python): python.path for python in machine.find_pythons()}


@contextlib.contextmanager
def only_one_at_a_time(folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "pythons.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("another run is at it; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def verify(program):
    """Run a fresh interpreter once with the modules the tests rely on; its version line, or NotHere."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return debian.run([program, "-c", CHECK], env=env).splitlines()[0]


# --- regular builds: Debian's binaries with their own C library -----------------------------------------------------


def from_packages(apt, name, work, home):
    """Lay out Debian's python3.X and all it needs under `home` (bin/, lib/), pointed at the libraries there."""
    triplet = "%s-linux-gnu" % platform.machine()
    tree = os.path.join(work, name)

    def place(path):
        parts = path.split(os.sep)
        if parts[0] == "usr":  # "/" and "/usr" are one since Debian 12
            parts = parts[1:]
        if parts[-1:] == ["EXTERNALLY-MANAGED"]:
            return None  # nobody else manages this copy: pip may install into it
        return os.path.join(*parts) if parts[:1] in (["bin"], ["lib"]) else None

    for deb in apt.download(["python" + name, "libstdc++6"]):
        debian.unpack(deb, tree, place)
    for other in glob.glob(os.path.join(tree, "bin", "*")):
        if os.path.basename(other) != "python" + name:
            os.unlink(other)  # tools of other packages, and scripts that name /usr/bin
    os.symlink("python" + name, os.path.join(tree, "bin", "python3"))
    # a short name for the libraries: it must fit where the path of the usual loader stood
    os.symlink(triplet, os.path.join(tree, "lib", "own"))
    loader = os.path.join(home, "lib", triplet, loader_name())
    elf.point_program(os.path.join(tree, "bin", "python" + name), loader, "$ORIGIN/../lib/own")
    os.rename(tree, home)


def loader_name():
    names = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
    if platform.machine() not in names:
        raise NotHere("no recipe for %s machines yet" % platform.machine())
    return names[platform.machine()]


# --- free-threaded builds: from source -------------------------------------------------------------------------------


def ensure_compiler():
    """Compiler and headers: installed when root on Debian, else asked for in one sentence."""
    missing = [name for name in BUILD_NEEDS if not is_installed(name)]
    if not missing:
        return
    if os.geteuid() != 0:
        raise NotHere("building it needs, as root: apt-get install %s" % " ".join(missing))
    debian.run(["apt-get", "-qq", "update"])
    debian.run(["apt-get", "-qq", "-y", "--no-install-recommends", "install"] + missing,
               env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


def is_installed(package):
    try:
        return "ok installed" in debian.run(["dpkg-query", "-W", "-f", "${Status}", package])
    except NotHere:
        return False


def own_source(version, work):
    """Unpack python.org's Python-3.14.*.tar.* from the folder $PEAKLINE_SOURCES, if somebody put one there."""
    folder = os.environ.get("PEAKLINE_SOURCES")
    archives = glob.glob(os.path.join(folder, "Python-%s.*.tar.*" % version)) if folder else []
    if not archives:
        return None
    tree = os.path.join(work, "own-" + version)
    with tarfile.open(max(archives, key=debian.natural_key)) as tar:
        tar.extractall(tree, **debian.TRUSTED)
    return os.path.join(tree, os.listdir(tree)[0])


def from_source(apt, name, work, home):
    """Compile CPython's source as Debian ships it, without Debian's patches, into `home`."""
    ensure_compiler()
    tree = own_source(name.rstrip("t"), work) or apt.source("python" + name.rstrip("t"), os.path.join(work, name))
    for empty in ("__init__.py", "eggs.py"):  # a source package made with dpkg may leave out empty files
        path = os.path.join(tree, "Lib", "__phello__", "ham", empty)
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            open(path, "w").close()
    configure = ["./configure", "-q", "--prefix=" + home, "--disable-test-modules", "--without-ensurepip"]
    if name.endswith("t"):
        configure.append("--disable-gil")
    configure.append("CFLAGS=-O2 -g1")
    nice = ["nice", "-n", "10"]
    stage = os.path.join(work, name + "-stage")
    for step in (
        configure,
        ["make", "-s", "-j%d" % min(os.cpu_count() or 1, 8)],
        ["make", "-s", "install", "DESTDIR=" + stage],
    ):
        debian.run(nice + step, cwd=tree)
    os.rename(stage + home, home)


# --- the run --------------------------------------------------------------------------------------------------------


def get(apt, name, folder, work):
    """Make one interpreter; return its version line. On failure nothing is left behind."""
    home = os.path.join(folder, name)
    shutil.rmtree(home, ignore_errors=True)  # half made, else it would have been found
    recipe = from_source if name.endswith("t") else from_packages
    try:
        recipe(apt, name, work, home)
        return verify(os.path.join(home, "bin", "python" + name))
    except NOT_TO_BE_HAD:
        shutil.rmtree(home, ignore_errors=True)
        raise


def get_missing(missing, cache):
    """Make what is missing; return {name: reason} for what cannot be had."""
    folder = os.path.join(cache, "pythons")
    work = os.path.join(cache, "pythons-work")
    os.makedirs(folder, exist_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    apt = debian.PrivateApt(os.path.join(work, "apt"), SUITES)
    failed = {}
    try:
        apt.prepare()
        for name in missing:
            say("getting %s%s" % (name, " from source, some minutes" if name.endswith("t") else ""))
            start = time.monotonic()
            try:
                version = get(apt, name, folder, work)
                say("%s is there after %.0f s: %s" % (name, time.monotonic() - start, version))
            except NOT_TO_BE_HAD as problem:
                failed[name] = str(problem)
    except NotHere as problem:
        failed = {name: str(problem) for name in missing}
    shutil.rmtree(work, ignore_errors=True)
    return failed


def remembered_failures(path):
    """{name: reason} of what failed less than a day ago."""
    try:
        with open(path) as file:
            failed = json.load(file)
        return {name: reason for name, (reason, when) in failed.items() if 0 <= time.time() - when < A_DAY}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def remember_failures(path, failed, before):
    known = {name: [reason, time.time()] for name, reason in failed.items() if name not in before}
    if known:
        known.update({name: [reason, time.time()] for name, reason in before.items()})
        with open(path, "w") as file:
            json.dump(known, file, indent=1)
    elif not failed and os.path.exists(path):
        os.unlink(path)


def make_environment(python, home, packages, check):
    """A virtual environment with these packages, none of them compiled here. NotHere if that does not work."""
    inside = os.path.join(home, "bin", "python")
    shutil.rmtree(home, ignore_errors=True)
    try:
        debian.run([python, "-m", "venv", "--without-pip", home])
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", inside]
        debian.run(pip + ["install", "-q", "--only-binary", ":all:"] + packages.split())
        debian.run([inside, "-c", check])
    except NOT_TO_BE_HAD as problem:
        shutil.rmtree(home, ignore_errors=True)
        raise NotHere(str(problem))
    with open(os.path.join(home, "complete"), "w") as file:
        file.write(packages)


def is_made(home, packages):
    try:
        with open(os.path.join(home, "complete")) as file:
            return file.read() == packages
    except OSError:
        return False


def add_packages(name, python, cache):
    """An environment with packages for one interpreter: <cache>/venvs/<name>/bin/python. Best effort."""
    home = os.path.join(cache, "venvs", name)
    packages = PACKAGES[name]
    if is_made(home, packages):
        return
    try:
        make_environment(python, home, packages, "import " + packages.replace(" ", ", "))
        say("%s for %s: in %s" % (packages, name, home))
    except NotHere as problem:
        say("no %s for %s: %s" % (packages, name, problem))


def add_suite(suite, here, cache):
    """<cache>/venvs/<suite> with the newest Python that will do. Best effort."""
    home = os.path.join(cache, "venvs", suite)
    packages, check, too_new = SUITES_OF_TESTS[suite]
    tried = WANTED[:WANTED.index(too_new)] if too_new else WANTED
    newest = [here[name] for name in reversed(tried) if name in here and not name.endswith("t")]
    notes = os.path.join(cache, "venvs", suite + ".made")
    state = "\n".join([packages] + newest[:3])
    if is_made(home, packages) and os.path.exists(notes) and open(notes).read() == state:
        return
    for python in newest[:3]:
        try:
            make_environment(python, home, packages, check)
        except NotHere as problem:
            say("%s: no tests of it with %s: %s" % (suite, python, problem))
            continue
        say("%s: tested with %s" % (suite, python))
        with open(notes, "w") as file:
            file.write(state)
        return


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 3.14 or 3.13t; default: all wanted")
    parser.add_argument("--list", action="store_true", help="only say what is there")
    parser.add_argument("--packages", action="store_true", help="also numpy and gevent for some, in <cache>/venvs")
    parser.add_argument("--suites", action="store_true", help="also what the tests of the pytest plugin and of notebooks need")
    parser.add_argument("--retry", action="store_true", help="try again what failed within the last day")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if something is missing in the end")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(WANTED))
    if unknown:
        parser.error("unknown name %s; known: %s" % (unknown[0], " ".join(WANTED)))

    wanted = options.names or WANTED
    cache = cache_folder()
    memory = os.path.join(cache, "pythons-not-here.json")
    failed = {}
    if not options.list:
        with only_one_at_a_time(cache):
            before = {} if options.retry else remembered_failures(memory)
            here = found_here()
            missing = [name for name in wanted if name not in here]
            failed = {name: before[name] for name in missing if name in before}
            missing = [name for name in missing if name not in before]
            if missing:
                failed.update(get_missing(missing, cache))
                remember_failures(memory, failed, before)
            if options.packages:
                here = found_here()
                for name in PACKAGES:
                    if name in here and name in wanted:
                        add_packages(name, here[name], cache)
            if options.suites:
                for suite in SUITES_OF_TESTS:
                    add_suite(suite, found_here(), cache)
    here = found_here()
    for name in wanted:
        print("%-6s %s" % (name, here.get(name) or "not available here: " + failed.get(name, "not looked for")))
    return 1 if options.strict and any(name not in here for name in wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
