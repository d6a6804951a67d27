# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks need before they can start: an environment with the peers, the small C
libraries, the Peakline to measure, and a description of the machine. Standard library only, Python
3.8 and later."""

import datetime
import glob
import json
import os
import platform
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(HERE)
PROGRAMS = os.path.join(HERE, "programs")

PEERS = ["filprofiler==2024.11.2", "memray==1.20.0"]
LIBRARIES = ["numpy", "pandas"]

C_FLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-shared", "-fPIC"]


class WorkshopError(Exception):
    """Something that the person at the keyboard has to put right; the text says what."""


def cache_dir():
    """Return the folder outside the repository that holds what the benchmarks make."""
    default = os.path.join(os.path.expanduser("~"), ".cache", "peakline")
    path = os.environ.get("PEAKLINE_CACHE") or default
    os.makedirs(path, exist_ok=True)
    return path


def python_version(python):
    """Return "3.11.7" for an interpreter that runs, else None."""
    code = "import platform; print(platform.python_version())"
    try:
        done = subprocess.run(
            [python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return None
    return done.stdout.decode().strip() if done.returncode == 0 else None


def choose_python():
    """Return the interpreter to build the environment from: a 3.11, in which the targets were set,
    if any."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    candidates = [os.path.join(REPO, ".venv", "bin", "python"), shutil.which("python3.11")]
    candidates += sorted(glob.glob(os.path.join(pyenv, "versions", "3.11*", "bin", "python3")))
    for candidate in candidates:
        if candidate and (python_version(candidate) or "").startswith("3.11."):
            return candidate
    return sys.executable


def ensure_venv(python=None, path=None):
    """Make or reuse the environment that holds the peers; return its interpreter."""
    python = python or choose_python()
    path = path or os.path.join(cache_dir(), "bench-venv")
    version = python_version(python)
    if not version:
        raise WorkshopError("%s is not a Python that runs; name another one with --python" % python)
    stamp_path = os.path.join(path, "bench-stamp.json")
    stamp = {"python": version, "packages": PEERS + LIBRARIES}
    inside = os.path.join(path, "bin", "python")
    try:
        with open(stamp_path) as source:
            if json.load(source) == stamp and python_version(inside) == version:
                return inside
    except (OSError, ValueError):
        pass  # not there, or half made: make it
    print("bench: making %s (Python %s)" % (path, version), file=sys.stderr, flush=True)
    make = [python, "-m", "venv"]
    if os.path.exists(os.path.join(path, "pyvenv.cfg")):
        make.append("--clear")
    subprocess.run(make + [path], check=True)
    install = [inside, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for package in PEERS + LIBRARIES:
        # One at a time: a peer that has no build for this Python must not cost us the others.
        if subprocess.run(install + [package]).returncode != 0:
            print(
                "bench: %s cannot be installed, and is left out; delete %s to try again"
                % (package, path),
                file=sys.stderr,
            )
    with open(stamp_path, "w") as out:
        json.dump(stamp, out)
    return inside


def installed_versions(python):
    """Return {name: version} of the packages that matter here, as far as they are there."""
    code = (
        "import importlib.metadata as m, json, sys\n"
        "have = {}\n"
        "for name in sys.argv[1:]:\n"
        "    try: have[name] = m.version(name)\n"
        "    except m.PackageNotFoundError: pass\n"
        "print(json.dumps(have))"
    )
    names = [package.split("==")[0] for package in PEERS + LIBRARIES]
    done = subprocess.run([python, "-c", code] + names, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.decode())


def build_library(source, name, defines=()):
    """Compile one C file of this folder into the cache when it is newer than what is there; return
    the path."""
    source = os.path.join(HERE, source)
    target = os.path.join(cache_dir(), name)
    if os.path.exists(target) and os.path.getmtime(target) >= os.path.getmtime(source):
        return target
    compiler = os.environ.get("CC") or "gcc"
    command = [compiler] + C_FLAGS + list(defines) + [source, "-o", target, "-ldl"]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise WorkshopError(
            "cannot build %s (%s); install a C compiler or set CC" % (source, error)
        ) from error
    return target


def find_peakline():
    """Return the peakline program to measure, or None."""
    path = os.environ.get("PEAKLINE") or os.path.join(REPO, "build", "src", "cli", "peakline")
    return path if os.access(path, os.X_OK) else None


def clean_environment():
    """Return an environment in which every tool starts alike: hashes fixed, one thread for BLAS (as
    Fil forces it), nothing preloaded, no Python setting of the caller."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "LD_PRELOAD", "BENCH_", "PEAKLINE"))
    }
    kept.update(PYTHONHASHSEED="12345", PYTHONDONTWRITEBYTECODE="1")
    kept.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    return kept


def first_value(path, key):
    """Return the value of the first `key : value` line of a file in /proc."""
    try:
        with open(path) as source:
            for line in source:
                name, _, value = line.partition(":")
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return "unknown"


def describe_machine(python):
    """Return what a reader needs to place the numbers."""
    memory = first_value("/proc/meminfo", "MemTotal").split()
    peakline = find_peakline()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": first_value("/proc/cpuinfo", "model name"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[0]) / 2**20, 1) if memory[0].isdigit() else None,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "python": python_version(python),
        "packages": installed_versions(python),
        "peakline": peakline_version(peakline) if peakline else None,
        "load_at_start": round(os.getloadavg()[0], 2),
    }


def peakline_version(program):
    """Return what `peakline --version` says, with the commit when the repository is there."""
    done = subprocess.run([program, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said = done.stdout.decode(errors="replace").strip().splitlines()
    text = said[0] if done.returncode == 0 and said else "version unknown"
    git = subprocess.run(
        ["git", "-C", REPO, "describe", "--always", "--dirty"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    commit = git.stdout.decode().strip()
    return "%s (%s)" % (text, commit) if commit else text


def machine_lines(machine):
    """Return the description as lines of markdown."""
    packages = ", ".join("%s %s" % item for item in sorted(machine["packages"].items()))
    lines = [
        "- %s, Python %s, %s" % (machine["date"], machine["python"], packages),
        "- %s, %s cores, %s GiB, Linux %s %s, %s"
        % (
            machine["cpu"],
            machine["cores"],
            machine["memory_gib"],
            machine["kernel"],
            machine["architecture"],
            machine["libc"],
        ),
        "- Peakline: %s; load average at the start: %s"
        % (machine["peakline"] or "not built", machine["load_at_start"]),
    ]
    return lines


def run_main(main):
    """Run a command of this folder: what goes wrong before it can measure is one sentence."""
    try:
        main()
    except WorkshopError as error:
        sys.exit("bench: %s" % error)
    except KeyboardInterrupt:
        sys.exit(130)
