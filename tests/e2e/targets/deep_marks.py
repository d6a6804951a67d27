# SPDX-License-Identifier: Apache-2.0
"""For 3.8 to 3.10: deep enough for anchors, which are marks in f_trace_lines there. Prints what the program can see of them."""

import ctypes
import json
import sys


def read_bytes(frame):
    return ctypes.string_at(id(frame), 128)


def find_place():
    frame = sys._getframe()
    before = read_bytes(frame)
    frame.f_trace_lines = False
    after = read_bytes(frame)
    (place,) = [i for i in range(128) if before[i] == 1 and after[i] == 0]
    return place


def churn():
    for number in range(2_000):
        str(number) + "abc"


def down(depth, then):
    if depth:
        return down(depth - 1, then)
    churn()
    return then()


def frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def see():
    place = find_place()
    return {"marks": [read_bytes(frame)[place] for frame in frames()].count(2),
            "told": all(frame.f_trace_lines is True for frame in frames())}


def forbid():
    """All frames say that they do not want line events; that stays so."""
    for frame in frames():
        frame.f_trace_lines = False
    churn()
    return [frame.f_trace_lines for frame in frames()].count(True)


def trace():
    """Line events of frames that may be marked."""
    seen = []

    def local(frame, event, argument):
        seen.append((event, frame.f_lineno))
        return local

    for frame in frames():
        frame.f_trace = local
    sys.settrace(local)
    return seen


def main():
    answer = {"see": down(300, see), "forbid": down(300, forbid)}
    seen = down(300, trace)
    sys.settrace(None)
    answer["trace"] = len(seen)
    print(json.dumps(answer))


main()
