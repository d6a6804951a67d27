#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make or refresh the project's virtual environment: environment.py FOLDER REQUIREMENTS.

Uses the interpreter that runs it if that is good enough, else the newest good one on PATH. Installs again only when
the requirements or the interpreter changed. Written for Python 3.6, so that an old python3 gets a clear answer.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import sys

OLDEST = (3, 8)
NO_PIP = (
    "this Python cannot make a virtual environment with pip in it; install that part of it "
    "(Debian, Ubuntu: apt-get install python3-venv) or 'virtualenv', then run make again"
)


def stop(sentence):
    sys.exit("setup: " + sentence)


def version_of(python):
    """(3, 11) of an interpreter that runs, else (0, 0)."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return tuple(int(part) for part in done.stdout.split()[:2]) if done.returncode == 0 else (0, 0)
    except OSError:
        return (0, 0)


def choose_python():
    """The interpreter that runs this, if it is new enough, else the newest one on PATH."""
    if sys.version_info[:2] >= OLDEST:
        return sys.executable
    found = []
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        found += glob.glob(os.path.join(folder, "python3.*[0-9]"))
    version, python = max([(version_of(path), path) for path in found] or [((0, 0), "")])
    if version < OLDEST:
        stop("Python %d.%d or newer is needed; the python3 here is %s" % (OLDEST + (sys.version.split()[0],)))
    return python


def runs(command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def make(python, folder):
    """A fresh environment with pip. Debian ships venv without pip's part, so there are three ways."""
    ways = [[python, "-m", "venv", "--clear", folder], [python, "-m", "virtualenv", "-q", "--clear", folder]]
    if shutil.which("virtualenv"):
        ways.append(["virtualenv", "-q", "--clear", "-p", python, folder])
    pip = [os.path.join(folder, "bin", "python"), "-m", "pip", "--version"]
    if any(runs(way) and runs(pip) for way in ways):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "-qq", "update"])
        subprocess.run(["apt-get", "-qq", "-y", "install", "python3-venv"], stdout=subprocess.DEVNULL)
        if runs(ways[0]) and runs(pip):
            return
    shutil.rmtree(folder, ignore_errors=True)
    stop(NO_PIP)


def requirement_text(path):
    """The file with what it includes."""
    text = ""
    with open(path) as file:
        for line in file:
            words = line.split()
            nested = len(words) == 2 and words[0] == "-r"
            text += requirement_text(os.path.join(os.path.dirname(path), words[1])) if nested else line
    return text


def main(folder, requirements):
    python = choose_python()
    inside = os.path.join(folder, "bin", "python")
    if version_of(inside) != version_of(python):
        print("setup: making %s with Python %d.%d" % ((folder,) + version_of(python)), file=sys.stderr, flush=True)
        make(python, folder)
    text = requirement_text(requirements)
    name = os.path.splitext(os.path.basename(requirements))[0]
    stamp = os.path.join(folder, "installed-" + hashlib.sha256(text.encode()).hexdigest()[:16])
    if os.path.exists(stamp):
        return
    print("setup: installing what %s lists" % requirements, file=sys.stderr, flush=True)
    install = [inside, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if not runs(install + ["--upgrade", "pip"]) or not runs([inside, "-m", "pip", "--version"]):
        stop("pip in %s does not work; remove that folder and run make again" % folder)
    if subprocess.run(install + ["-r", requirements]).returncode != 0:
        stop("pip could not install what %s lists; its own words are above" % requirements)
    with open(stamp, "w") as file:
        file.write(name + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        stop("usage: environment.py FOLDER REQUIREMENTS")
    main(sys.argv[1], sys.argv[2])
