# SPDX-License-Identifier: Apache-2.0
"""Many stacks, and a new peak at nearly every statement.

Five hundred generated functions of forty statements call one another in ever different orders; each
statement keeps one more object, so that a tool which does much at a new peak does it a million
times.
"""

import meter  # first: it starts the watch


FUNCTIONS = 500
STATEMENTS = 40


def make_functions():
    lines = []
    for number in range(FUNCTIONS):
        lines.append("def f%d(keep, others, depth):" % number)
        for statement in range(STATEMENTS):
            lines.append("    keep.append(b'%%d' %% (len(keep) + %d))" % (number * statement))
        lines.append("    if depth:")
        lines.append(
            "        others[(%d * 31 + depth * 7) %% %d](keep, others, depth - 1)"
            % (number, FUNCTIONS)
        )
    names = {}
    exec(compile("\n".join(lines), "<generated>", "exec"), names)
    return [names["f%d" % number] for number in range(FUNCTIONS)]


def main():
    functions = make_functions()
    keep = []
    for turn in range(max(1, meter.size() * 48 // 100)):
        for number in range(0, FUNCTIONS, 2):
            functions[number](keep, functions, 3 + (number + turn) % 14)
    meter.finish(len(keep), sum(map(len, keep[::100])))


main()
