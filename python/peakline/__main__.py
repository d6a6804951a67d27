# SPDX-License-Identifier: Apache-2.0
"""`python -m peakline` is the `peakline` program, with this Python as the one that is profiled."""

import os
import sys
from typing import List

from ._program import MISSING, find_program


def add_python(words: List[str]) -> List[str]:
    """`run` and `doctor` use this Python, unless what is run is a command of its own."""
    if words[:1] in (["run"], ["doctor"]) and "--" not in words:
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
