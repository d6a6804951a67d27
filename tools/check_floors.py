#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads every #include below src/ and fails on one that goes up a floor or sideways into another room.

    check_floors.py [SRC]       prints one line a violation; exit status 1 if there is any

The floors are those of docs/architecture.md. A file includes only from its own room and from floors below it, with
paths that start at src/. What runs inside the profiled process stays away from stdio, and nothing knows Python.h.
Standard library only, Python 3.8+.
"""

import os
import re
import sys

FLOOR = {
    "base": 0,
    "ledger": 1,
    "pyframe": 1,
    "record": 2,
    "runtime": 3,
    "supervise": 3,
    "report": 3,
    "cli": 4,
}

# Rooms that run inside other people's processes, and the files in them that do not.
IN_PROCESS = {"base", "ledger", "pyframe", "record", "runtime"}
PROGRAM_ONLY = {
    "record/reader.c",
    "record/reader.h",
    "record/live.c",
    "record/live.h",
    "record/timeline.c",
    "record/timeline.h",
    "record/tree_read.c",
    "record/tree_read.h",
    "record/utf8.c",
    "record/utf8.h",
}

# popen() is stdio: the hook makes the stream that the program asked for.
MAKES_STREAMS = {"runtime/hooks_shell.c"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def blank(comment):
    """As many lines, nothing on them: line numbers stay right."""
    return re.sub(r"[^\n]", " ", comment.group())


def read_includes(path):
    """(line, quoted name or None, angle name or None) of each #include in a file."""
    with open(path, encoding="utf-8") as file:
        text = COMMENT.sub(blank, file.read())
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def judge_quoted(source, name, src):
    """Why a file may not include "name", or None if it may."""
    room, target = source.split("/")[0], name.split("/")[0]
    if name.startswith("./") or ".." in name.split("/") or target not in FLOOR:
        return 'paths in includes start at src/: "room/file.h"'
    if not os.path.isfile(os.path.join(src, name)):
        return "there is no such file"
    if target == room or FLOOR[target] < FLOOR[room]:
        return None
    if FLOOR[target] == FLOOR[room]:
        return "%s and %s are rooms of one floor and do not see each other" % (room, target)
    return "%s is floor %d, %s is floor %d: includes go down" % (room, FLOOR[room], target, FLOOR[target])


def judge_system(source, name):
    """Why a file may not include <name>, or None if it may."""
    if os.path.basename(name) == "Python.h":
        return "layouts are data: nothing is compiled against one Python"
    if name == "stdio.h" and source.split("/")[0] in IN_PROCESS and source not in PROGRAM_ONLY | MAKES_STREAMS:
        return "this runs inside the profiled process, where stdio may allocate or not be ready"
    return None


def find_sources(src):
    for folder, _, names in sorted(os.walk(src)):
        for name in sorted(names):
            if name.endswith((".c", ".h", ".def")):
                yield os.path.relpath(os.path.join(folder, name), src).replace(os.sep, "/")


def check(src):
    """All violations in a tree, as lines of text, and the number of includes that were read."""
    problems, count = [], 0
    for source in find_sources(src):
        if source.split("/")[0] not in FLOOR:
            problems.append("%s: this room is on no floor; add it to FLOOR in tools/check_floors.py" % source)
            continue
        for line, quoted, angle in read_includes(os.path.join(src, source)):
            count += 1
            why = judge_quoted(source, quoted, src) if quoted else judge_system(source, angle)
            if why:
                problems.append("%s:%d: %s: %s" % (source, line, quoted or "<%s>" % angle, why))
    return problems, count


def main(arguments):
    default = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src")
    src = arguments[0] if arguments else default
    problems, count = check(src)
    if count == 0:
        sys.exit("check_floors: %s holds no #include at all; is it the right folder?" % src)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
