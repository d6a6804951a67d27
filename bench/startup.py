#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a tool adds to the start of a program that does nothing: until its first line, and until all
is over, report included. Each difference is taken against a plain run right before it."""

import argparse
import os
import sys
import tempfile

import tables
import tools
import workshop
from measure import measure

# No import beyond what the interpreter has loaded anyway; the same keys as programs/meter.py
# writes.
PROGRAM = """\
import os, time
now = time.monotonic()
with open("/proc/self/status") as status:
    kib = [line.split()[1] for line in status if line.startswith("VmHWM:")]
with open(os.environ["BENCH_OUT"], "w") as out:
    out.write('{"start": %r, "end": %r, "peak_kib": %s}' % (now, now, (kib or ["0"])[0]))
"""


def main():
    parser = argparse.ArgumentParser(description="Start-up beyond plain Python.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--tools", default="floor,fil,memray,memray+,peakline")
    parser.add_argument(
        "--python", help="interpreter that the environment is made from (default a 3.11)"
    )
    parser.add_argument("--venv", help="where that environment is (default in the cache folder)")
    arguments = parser.parse_args()
    names = arguments.tools.split(",")
    unknown = [name for name in names if name not in tools.BY_NAME]
    if unknown:
        raise workshop.WorkshopError(
            "unknown tool '%s'; known: %s" % (unknown[0], ", ".join(tools.BY_NAME))
        )
    python = workshop.ensure_venv(arguments.python, arguments.venv)
    environment = workshop.clean_environment()
    plain = tools.Plain(python)
    rows = []
    with tempfile.TemporaryDirectory(dir=workshop.cache_dir()) as scratch:
        script = os.path.join(scratch, "nothing.py")
        with open(script, "w") as out:
            out.write(PROGRAM)
        for name in names:
            rows.append(
                measure_tool(
                    plain, tools.BY_NAME[name](python), script, environment, scratch, arguments
                )
            )
    print("\n".join(workshop.machine_lines(workshop.describe_machine(python))))
    print(
        "\nMilliseconds beyond plain Python for a program that does nothing, medians of %d pairs\n"
        % arguments.rounds
    )
    print(
        tables.markdown(
            [
                "Tool",
                "plain ms",
                "to the first line",
                "until all is over",
                "then the report",
                "MiB",
            ],
            rows,
        )
    )
    print("\nTarget for Peakline: at most 25 ms.")


def measure_tool(plain, tool, script, environment, scratch, arguments):
    """Return one row of the table."""
    reason = tool.missing()
    firsts, walls, reports, sizes, plains = [], [], [], [], []
    for number in range(arguments.rounds + 1):
        if reason:
            break
        base = measure(plain, [script], environment, 60, False, scratch)
        run = measure(tool, [script], environment, 60, number == 1, scratch)
        reason = base.reason or run.reason
        if reason or number == 0:
            continue  # the first pair warms the file cache
        plains.append(base.wall_s * 1000)
        firsts.append((run.startup_s - base.startup_s) * 1000)
        walls.append((run.wall_s - base.wall_s) * 1000)
        sizes.append((run.peak_kib - base.peak_kib) / 1024)
        if number == 1:
            reports.append(run.report_s * 1000)
    if reason:
        print("%s: %s" % (tool.name, reason), file=sys.stderr)
        return [tool.name] + ["n/a"] * 5
    cells = [plains, firsts, walls, reports, sizes]
    return [tool.name] + [tables.show(tables.median(values), "%.1f") for values in cells]


if __name__ == "__main__":
    workshop.run_main(main)
