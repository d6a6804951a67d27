# SPDX-License-Identifier: Apache-2.0
"""The stopwatch of every benchmark program.

A program imports this first, asks `size()` how much work to do, and calls `finish(...)` last. The
time between the two, imports included, and the most memory the process ever had resident go into
the file named by BENCH_OUT; the values given to `finish` are printed as one line, which must not
depend on the tool that watches.
"""

import os
import sys
import time

_start = time.monotonic()


def size():
    """Return the percentage of the full work that was asked for on the command line."""
    return int(sys.argv[1]) if len(sys.argv) > 1 else 100


def resident_peak_kib():
    """Return VmHWM: unlike ru_maxrss it starts anew at exec, so the parent's size never leaks
    in."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def finish(*values):
    """Stop the watch, write the measurement, print the values."""
    end = time.monotonic()
    target = os.environ.get("BENCH_OUT")
    if target:
        # One write, one line: no json module, which would be one more import to pay for.
        line = '{"start": %r, "end": %r, "peak_kib": %d}\n' % (_start, end, resident_peak_kib())
        with open(target, "w") as out:
            out.write(line)
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    print(name, *values, flush=True)
