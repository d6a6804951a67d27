# SPDX-License-Identifier: Apache-2.0
"""`python -m peakline` is the `peakline` program, with this Python as the one that is profiled."""

import os
import re
import sys
from typing import List

from ._program import MISSING, find_program


# The options of `run` and of Python whose value is the next word, and Python's options behind which all is the program's.
_WITH_VALUE = re.compile(
    r"-o|--(output|python|wait|project|hide|show|color|fail-over|check-hash-based-pycs)|-[bBdEiIOPqRsStuvx]*[WX]"
)
_MODULE_OR_CODE = re.compile(r"-[bBdEiIOPqRsStuvx]*[cm]")


def _is_command(words: List[str]) -> bool:
    """Does `--` stand before any program is named? Behind it, it is one of the program's own words."""
    at = 1
    while at < len(words):
        word = words[at]
        if word == "--":
            return True
        if word == "-" or not word.startswith("-") or _MODULE_OR_CODE.match(word):
            return False
        at += 2 if _WITH_VALUE.fullmatch(word) else 1
    return False


def add_python(words: List[str]) -> List[str]:
    """`run` and `doctor` use this Python, unless what is run is a command of its own."""
    if words[:1] in (["run"], ["doctor"]) and not _is_command(words):
        # First, so that a --python of the user's comes later and wins.
        return [words[0], "--python", sys.executable, *words[1:]]
    return words


def main() -> int:
    program = find_program()
    if program is None:
        print(f"peakline: {MISSING}", file=sys.stderr)
        return 127
    os.execv(program, [program, *add_python(sys.argv[1:])])
    return 126  # not reached; execv raises


if __name__ == "__main__":
    sys.exit(main())
