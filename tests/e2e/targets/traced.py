# SPDX-License-Identifier: Apache-2.0
"""Watches itself with sys.settrace, sys.setprofile or sys.monitoring (the word on the command line),
prints all it saw, and holds a known block in a function that is watched."""

import sys

X = b"x"
KEEP = [None] * 4
seen = []


def watched(value):
    KEEP[0] = X * 3_000_017  #= <module>/watched
    return [helper(each) for each in range(value)]


def helper(value):
    return sorted([value, 1], key=lambda each: -each)


def trace(frame, event, argument):
    seen.append((frame.f_code.co_name, event, frame.f_lineno))
    return trace


def watch(kind):
    if kind == "settrace":
        sys.settrace(trace)
    elif kind == "setprofile":
        sys.setprofile(lambda frame, event, argument: trace(frame, event, None) and None)
    elif kind == "monitoring":
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(2, "test")
        for event in (events.PY_START, events.LINE, events.PY_RETURN, events.CALL):
            sys.monitoring.register_callback(
                2, event, lambda code, *more, event=event: seen.append((code.co_name, event))
            )
        sys.monitoring.set_events(
            2, events.PY_START | events.LINE | events.PY_RETURN | events.CALL
        )


def unwatch(kind):
    if kind == "monitoring":
        sys.monitoring.free_tool_id(2)
    sys.settrace(None)
    sys.setprofile(None)


watch(sys.argv[1])
watched(3)
unwatch(sys.argv[1])
KEEP[1] = X * 20_000_003  #= <module>
print(sys.getsizeof(b""), len(seen))
print(seen)
