# SPDX-License-Identifier: Apache-2.0
"""Where the `peakline` program and its library are, and running the program."""

import glob
import os
import shutil
import sys
import sysconfig
from typing import Iterator, List, Optional

from ._errors import ProgramError

LIBRARY = "libpeakline.so"
LIBRARY_VARIABLE = "PEAKLINE_RUNTIME"  # the program reads it too
PROGRAM_VARIABLE = "PEAKLINE_PROGRAM"
MISSING = (
    "the peakline program is not installed beside this Python; run: "
    f"{sys.executable} -m pip install --force-reinstall peakline"
)


def find_program() -> Optional[str]:
    """The program installed with this package: in this environment, the user's, else on PATH."""
    named = os.environ.get(PROGRAM_VARIABLE)
    if named:
        return named
    folders = [sysconfig.get_path("scripts"), os.path.dirname(sys.executable)]
    if "posix_user" in sysconfig.get_scheme_names():
        folders.append(sysconfig.get_path("scripts", "posix_user"))
    for folder in folders:
        found = shutil.which("peakline", path=folder)
        if found is not None:
            return found
    return shutil.which("peakline")


def _library_patterns() -> Iterator[str]:
    package = glob.escape(os.path.dirname(os.path.abspath(__file__)))
    yield f"{package}/{LIBRARY}"
    yield f"{package}/../peakline.libs/{LIBRARY}"
    yield f"{package}/../.peakline.mesonpy.libs/{LIBRARY}"
    program = find_program()
    if program is not None:
        folder = glob.escape(os.path.dirname(os.path.realpath(program)))
        yield f"{folder}/../runtime/{LIBRARY}"  # the build tree
        yield f"{folder}/../lib*/peakline/{LIBRARY}"
        yield f"{folder}/../lib/*-linux-gnu/peakline/{LIBRARY}"
        for packages in ("site-packages", "dist-packages"):
            for place in ("peakline", "peakline.libs", ".peakline.mesonpy.libs"):
                yield f"{folder}/../lib*/python3*/{packages}/{place}/{LIBRARY}"


def find_library() -> Optional[str]:
    """The library that is preloaded by the program, and loaded by this package."""
    named = os.environ.get(LIBRARY_VARIABLE)
    if named:
        return named
    for pattern in _library_patterns():
        for path in glob.glob(pattern):
            return os.path.realpath(path)
    return None


def run_program(words: List[str]) -> str:
    """Runs `peakline WORDS` and returns what it printed; its sentence becomes the error."""
    import subprocess

    program = find_program()
    if program is None:
        raise ProgramError(MISSING)
    try:
        done = subprocess.run(
            [program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
    except OSError as error:
        raise ProgramError(f"{program} could not be started: {error.strerror}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ProgramError(said[-1] if said else f"{program} ended with status {done.returncode}")
    return done.stdout.decode("utf-8", "replace")
