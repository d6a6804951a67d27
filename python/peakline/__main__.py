# SPDX-License-Identifier: Apache-2.0
"""`python -m peakline` is the `peakline` program, with this Python as the one that is profiled."""

import os
import shutil
import sys
import sysconfig
from typing import List, Optional


def find_program() -> Optional[str]:
    """The program installed with this package: in this environment, the user's, else on PATH."""
    folders = [sysconfig.get_path("scripts"), os.path.dirname(sys.executable)]
    user_scheme = "posix_user"
    if user_scheme in sysconfig.get_scheme_names():
        folders.append(sysconfig.get_path("scripts", user_scheme))
    for folder in folders:
        found = shutil.which("peakline", path=folder)
        if found is not None:
            return found
    return shutil.which("peakline")


def add_python(words: List[str]) -> List[str]:
    """`run` and `doctor` use this Python, unless what is run is a command of its own."""
    if words[:1] in (["run"], ["doctor"]) and "--" not in words:
        # First, so that a --python of the user's comes later and wins.
        return [words[0], "--python", sys.executable, *words[1:]]
    return words


def main() -> int:
    program = find_program()
    if program is None:
        print(
            "peakline: the peakline program is not installed beside this Python; run: "
            f"{sys.executable} -m pip install --force-reinstall peakline",
            file=sys.stderr,
        )
        return 127
    os.execv(program, [program, *add_python(sys.argv[1:])])
    return 126  # not reached; execv raises


if __name__ == "__main__":
    sys.exit(main())
