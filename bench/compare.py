#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare Peakline with plain Python, with a floor that only counts bytes, and with Fil and memray.

Every round runs each tool once, in an order that rotates, and a ratio is taken within its round, so
that a machine that grows slower or faster meanwhile does not favour anyone. See README.md beside
this file.
"""

import argparse
import json
import os
import sys

import tables
import tools
import workshop
from measure import measure


def program_names():
    """Return the names of all benchmark programs, without the stopwatch they share."""
    names = (os.path.splitext(name) for name in os.listdir(workshop.PROGRAMS))
    return sorted(name for name, ending in names if ending == ".py" and name != "meter")


def choose(text, known, what):
    """Split a comma-separated choice, and refuse a name that nobody knows."""
    if not text:
        return None
    chosen = [name for name in text.split(",") if name]
    for name in chosen:
        if name not in known:
            raise workshop.WorkshopError(
                "unknown %s '%s'; known: %s" % (what, name, ", ".join(known))
            )
    return chosen


def parse_arguments():
    parser = argparse.ArgumentParser(description="Peakline against plain Python, Fil and memray.")
    parser.add_argument("--rounds", type=int, help="how often each pair is run (default 5)")
    parser.add_argument(
        "--quick", action="store_true", help="3 rounds, reports made in the first only"
    )
    parser.add_argument("--only", metavar="PROG,...", help="these programs (default all)")
    parser.add_argument(
        "--tools", metavar="TOOL,...", help="these tools (default %s)" % ",".join(tools.DEFAULT)
    )
    parser.add_argument(
        "--size", type=int, default=100, help="per cent of the full work (default 100)"
    )
    parser.add_argument(
        "--reports", type=int, help="rounds in which separate reports are made (default all)"
    )
    parser.add_argument(
        "--timeout", type=int, default=600, help="seconds until a run is given up (default 600)"
    )
    parser.add_argument(
        "--python", help="interpreter that the environment is made from (default a 3.11)"
    )
    parser.add_argument("--venv", help="where that environment is (default in the cache folder)")
    parser.add_argument(
        "--scratch", help="where tools write their files (default the cache folder)"
    )
    parser.add_argument("--json", metavar="FILE", help="write every single run there")
    parser.add_argument("--markdown", metavar="FILE", help="write the tables there as well")
    arguments = parser.parse_args()
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    if arguments.reports is None:
        arguments.reports = 1 if arguments.quick else arguments.rounds
    if min(arguments.rounds, arguments.size) < 1:
        parser.error("--rounds and --size must be at least 1")
    return arguments


def say(text, end="\n"):
    print(text, file=sys.stderr, end=end, flush=True)


def run_program(program, chosen, results, arguments, environment, census):
    """Run all rounds of one program, and fill in the results."""
    target = [os.path.join(workshop.PROGRAMS, program + ".py"), str(arguments.size)]
    scratch = arguments.scratch or workshop.cache_dir()

    def once(tool, with_report=False):
        return measure(tool, target, environment, arguments.timeout, with_report, scratch)

    # One run that nobody times: it warms the file cache and counts the events.
    first = once(census)
    results.census[program] = first.census
    if first.reason:
        say("%s: the untimed first run failed: %s" % (program, first.reason))
    for number in range(arguments.rounds):
        runs = {}
        shift = number % len(chosen)
        for tool in chosen[shift:] + chosen[:shift]:
            runs[tool.name] = once(tool, number < arguments.reports)
        for run in runs.values():
            if not run.reason and run.stdout != runs["plain"].stdout:
                run.reason = "its output differs from plain"
        results.rounds[program].append(runs)
        times = [
            "%s %s" % (t.name, runs[t.name].reason or "%.2f s" % runs[t.name].program_s)
            for t in chosen
        ]
        say("%s %d/%d: %s" % (program, number + 1, arguments.rounds, ", ".join(times)))


def write_json(path, results, machine, arguments):
    data = {
        "machine": machine,
        "rounds": arguments.rounds,
        "size": arguments.size,
        "missing": results.missing,
    }
    data["programs"] = {
        program: {
            "census": results.census[program],
            "rounds": [
                {tool: run.as_dict() for tool, run in runs.items()}
                for runs in results.rounds[program]
            ],
        }
        for program in results.programs
    }
    with open(path, "w") as out:
        json.dump(data, out, indent=1)
        out.write("\n")


def main():
    arguments = parse_arguments()
    programs = choose(arguments.only, program_names(), "program") or program_names()
    names = choose(arguments.tools, list(tools.BY_NAME), "tool") or tools.DEFAULT
    if "plain" not in names:
        names = ["plain"] + names  # every ratio needs it
    python = workshop.ensure_venv(arguments.python, arguments.venv)
    machine = workshop.describe_machine(python)
    environment = workshop.clean_environment()
    environment["BENCH_CHURN"] = workshop.build_library("programs/churn.c", "bench-churn.so")
    results = tables.Results(programs, names)
    chosen = []
    for name in names:
        tool = tools.BY_NAME[name](python)
        reason = tool.missing()
        if reason:
            results.missing[name] = reason
            say("%s: %s" % (name, reason))
        else:
            chosen.append(tool)
    census = tools.Census(python)
    for program in programs:
        run_program(program, chosen, results, arguments, environment, census)
        if arguments.json:
            write_json(
                arguments.json, results, machine, arguments
            )  # after each: nothing lost if stopped
    text = tables.full_report(results, workshop.machine_lines(machine), arguments.rounds)
    if arguments.markdown:
        with open(arguments.markdown, "w") as out:
            out.write(text)
    print(text, end="")


if __name__ == "__main__":
    workshop.run_main(main)
