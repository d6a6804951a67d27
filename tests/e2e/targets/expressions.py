# SPDX-License-Identifier: Apache-2.0
"""Which part of a line allocates: the text behind the mark must be what is marked, no more and no less.

Local variables only, and no list that grows: what is beside the marked part allocates nothing. At the end it prints what the
interpreter itself knows of the columns of each line: [[line, column, end column], ...], in bytes of
UTF-8; an end of -1 is in a later line."""

import json
import types

KEEP = []


def one_call(flag):
    a, b = flag, bytes(1_000_003)  #= bytes(1_000_003)
    c = len("é日😀") and bytes(1_000_033)  #= bytes(1_000_033)
    d = None if flag else bytes(1_000_037)  #= bytes(1_000_037)
    return a, b, c, d


def several():
    a = bytes(10**6) + bytes(2 * 10**6)  #= bytes(10**6) + bytes(2 * 10**6)
    b = [bytes(1_000_039)]  #= [bytes(1_000_039)]
    return a, b


def callee(size):
    return bytes(size)  #= bytes(size)


def caller():
    a, b = 1, callee(1_000_081)  #= callee(1_000_081)
    c = callee(1_000_099) if a else callee(1)  #= callee(1_000_099)
    d = callee(  # marked to the end of the line
        1_000_117
    )
    return b, c, d


def columns(code):
    for line, end_line, start, end in code.co_positions():
        if line and start is not None:
            yield [line, start, end if line == end_line else -1]
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from columns(part)


KEEP = [one_call(0), several(), caller()]
if hasattr(one_call.__code__, "co_positions"):  # 3.11 and later
    with open(__file__, encoding="utf-8") as file:
        print(json.dumps(list(columns(compile(file.read(), __file__, "exec")))))
else:
    print("[]")
