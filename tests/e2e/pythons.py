# SPDX-License-Identifier: Apache-2.0
"""The CPython interpreters of this machine, for tests that must hold on every version.

PEAKLINE_PYTHONS (paths joined by os.pathsep) names them; if it is not set they are looked for among
pyenv's versions, in pythons/*/bin of the project's cache ($PEAKLINE_CACHE or ~/.cache/peakline), and
on PATH (python3.X). Run this file to see the list.
"""

import glob
import os
import re
import subprocess
from typing import List, NamedTuple, Tuple

OLDEST = (3, 8)

_QUESTION = (
    "import sys, sysconfig; "
    "free = bool(sysconfig.get_config_var('Py_GIL_DISABLED')); "
    "print(sys.implementation.name, sys.hexversion, int(free), "
    "'.'.join(map(str, sys.version_info[:3])))"
)


class Python(NamedTuple):
    path: str
    version: Tuple[int, int, int]
    hexversion: int
    free_threaded: bool

    @property
    def name(self) -> str:
        return "%d.%d.%d%s" % (*self.version, "t" if self.free_threaded else "")


def _is_program(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _candidates() -> List[str]:
    named = os.environ.get("PEAKLINE_PYTHONS")
    if named:
        return [path for path in named.split(os.pathsep) if path]
    home = os.path.expanduser("~")
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv")
    cache = os.environ.get("PEAKLINE_CACHE") or os.path.join(home, ".cache", "peakline")
    found = []
    for folder in (os.path.join(pyenv, "versions", "*"), os.path.join(cache, "pythons", "*")):
        found += sorted(glob.glob(os.path.join(folder, "bin", "python3*")))
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        # pyenv's shims are scripts that start another interpreter: on PATH only programs count
        found += filter(_is_program, sorted(glob.glob(os.path.join(folder or ".", "python3.*"))))
    # python3-config, python3.11-gdb.py and the like are no interpreters
    return [path for path in found if re.fullmatch(r"python3(\.\d+t?)?", os.path.basename(path))]


def _ask(path: str):
    """Version and build of one interpreter, or None if it is not a CPython that runs."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        done = subprocess.run([path, "-I", "-S", "-c", _QUESTION], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=60, env=env, check=True)
        kind, number, free, version = done.stdout.decode().split()
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    numbers = tuple(int(part) for part in version.split("."))
    if kind != "cpython" or numbers[:2] < OLDEST:
        return None
    return Python(path, numbers, int(number), free == "1")


def find_pythons() -> List[Python]:
    """Each real interpreter once (links to one file are one interpreter), oldest version first."""
    seen = set()
    found = []
    for path in _candidates():
        try:
            status = os.stat(path)
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        python = _ask(path)
        if python is not None:
            found.append(python)
    found.sort(key=lambda python: (python.version, python.free_threaded, python.path))
    return found


def find_furnished() -> List[Python]:
    """Interpreters of environments with packages in them, which tools/pythons.py makes (--packages)."""
    cache = os.environ.get("PEAKLINE_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "peakline")
    if os.environ.get("PEAKLINE_PYTHONS"):
        return []
    paths = glob.glob(os.path.join(cache, "venvs", "*", "bin", "python"))
    found = [each for each in map(_ask, paths) if each is not None]
    return sorted(found, key=lambda python: python.version)


if __name__ == "__main__":
    for each in find_pythons():
        print(each.name, each.path)
