# SPDX-License-Identifier: Apache-2.0
"""From runs to tables: ratios within a round, their medians, and markdown."""

import math
import statistics

# Design section 7. Programs without a line of their own must stay below the worst case.
TIME_TARGETS = {
    "fib": 1.03,
    "floats": 1.4,
    "dicts": 1.18,
    "json_roundtrip": 1.10,
    "arrays": 1.05,
    "pandas_work": 1.12,
}
TIME_TARGET_OTHERS = 1.6
MEMORY_TARGETS = {"dicts": 15, "json_roundtrip": 15, "arrays": 10, "large_arrays": 3}


def median(values):
    return statistics.median(values) if values else None


def geomean(values):
    good = [value for value in values if value and value > 0]
    return math.exp(sum(map(math.log, good)) / len(good)) if good else None


def worst(values):
    return max((value for value in values if value), default=None)


class Results:
    """rounds[program] is a list of {tool: Run}; census[program] is the census of one run, or
    None."""

    def __init__(self, programs, tools):
        self.programs = programs
        self.tools = tools
        self.rounds = {program: [] for program in programs}
        self.census = {program: None for program in programs}
        self.missing = {}  # tool -> reason, for the whole run

    def good_pairs(self, program, tool, base="plain"):
        """Yield (base, tool) of each round in which both counted."""
        for runs in self.rounds[program]:
            first, second = runs.get(base), runs.get(tool)
            if first and second and not first.reason and not second.reason:
                yield first, second

    def ratios(self, program, tool, key, base="plain"):
        pairs = (
            (getattr(b, key), getattr(t, key)) for b, t in self.good_pairs(program, tool, base)
        )
        return [value / basis for basis, value in pairs if basis > 0]

    def values(self, program, tool, key):
        runs = (runs.get(tool) for runs in self.rounds[program])
        return [getattr(run, key) for run in runs if run and not run.reason]

    def report_values(self, program, tool, key):
        """Return the values of the rounds in which the report was made as well."""
        runs = (runs.get(tool) for runs in self.rounds[program])
        return [getattr(run, key) for run in runs if run and not run.reason and run.complete]

    def added(self, program, tool, key, unit):
        """Return what a tool adds to plain in each round, divided by a unit."""
        return [
            (getattr(t, key) - getattr(b, key)) / unit for b, t in self.good_pairs(program, tool)
        ]

    def reasons(self):
        """Return one line for each thing that did not work."""
        lines = ["%s: %s" % item for item in self.missing.items()]
        for program in self.programs:
            for tool in self.tools:
                seen = [
                    runs[tool].reason
                    for runs in self.rounds[program]
                    if tool in runs and runs[tool].reason
                ]
                if seen:
                    lines.append("%s, %s: %s (%d rounds)" % (program, tool, seen[0], len(seen)))
        return lines


def markdown(header, rows):
    """Return an aligned markdown table; the first column is text, the rest numbers."""
    cells = [header] + rows
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row):
        first = row[0].ljust(widths[0])
        return "| " + " | ".join([first] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([line(header), rule] + [line(row) for row in rows])


def show(value, form):
    return "n/a" if value is None else form % value


def human_bytes(value):
    if value is None:
        return "n/a"
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return ("%d %s" if unit == "B" else "%.1f %s") % (value, unit)
        value /= 1000
    return "%.1f GB" % value


def spread(values):
    """Return the median with the least and the greatest, which tell what the median is worth."""
    if not values:
        return "n/a"
    return "%.2f (%.2f-%.2f)" % (median(values), min(values), max(values))


def time_table(results, key="program_s"):
    """Ratios of time to plain in the same round, and of Peakline to the floor; the targets are for
    the time inside the program."""
    peers = [tool for tool in results.tools if tool != "plain"]
    with_target = key == "program_s"
    header = ["Program", "plain s"] + peers + ["peakline/floor"] + ["target"] * with_target
    rows, columns = [], {tool: [] for tool in peers + ["peakline/floor"]}
    for program in results.programs:
        row = [program, show(median(results.values(program, "plain", key)), "%.2f")]
        for tool in peers:
            ratios = results.ratios(program, tool, key)
            columns[tool].append(median(ratios))
            row.append(spread(ratios) if tool == "peakline" else show(median(ratios), "%.2f"))
        to_floor = median(results.ratios(program, "peakline", key, base="floor"))
        columns["peakline/floor"].append(to_floor)
        target = "%.2f" % TIME_TARGETS.get(program, TIME_TARGET_OTHERS)
        rows.append(row + [show(to_floor, "%.2f")] + [target] * with_target)
    for label, fold in (("geometric mean", geomean), ("worst", worst)):
        folded = [show(fold(columns[name]), "%.2f") for name in peers + ["peakline/floor"]]
        rows.append([label, ""] + folded + [""] * with_target)
    return markdown(header, rows)


def memory_table(results):
    """Resident memory at the program's end beyond plain, in per cent (in MiB), and bytes a live
    block."""
    peers = [tool for tool in results.tools if tool != "plain"]
    header = ["Program", "plain MiB", "live blocks"] + peers + ["target", "peakline B/block"]
    rows = []
    for program in results.programs:
        census = results.census[program]
        plain = median(results.values(program, "plain", "peak_kib"))
        row = [
            program,
            show(plain and plain / 1024, "%.0f"),
            "%d" % census["most_live"] if census else "n/a",
        ]
        for tool in peers:
            ratio = median(results.ratios(program, tool, "peak_kib"))
            added = median(results.added(program, tool, "peak_kib", 1024))
            row.append("n/a" if ratio is None else "%+.0f %% (%.0f)" % ((ratio - 1) * 100, added))
        target = MEMORY_TARGETS.get(program)
        row.append("%+d %%" % target if target else "")
        each = (
            median(results.added(program, "peakline", "peak_kib", census["most_live"] / 1024))
            if census
            else None
        )
        rows.append(row + [show(each, "%.1f")])
    return markdown(header, rows)


def event_table(results):
    """Nanoseconds each tool adds for one event: an allocation, a resize, or a free."""
    peers = [tool for tool in results.tools if tool != "plain"]
    header = ["Program", "million events", "plain ns"] + peers
    rows = []
    for program in results.programs:
        census = results.census[program]
        # Below a hundred thousand a second the difference is made of noise, not of events.
        plain = median(results.values(program, "plain", "program_s"))
        if not census or not plain or census["events"] < plain * 100_000:
            rows.append(
                [program, "%.2f" % (census["events"] / 1e6) if census else "n/a"]
                + ["-"] * (len(peers) + 1)
            )
            continue
        row = [
            program,
            "%.2f" % (census["events"] / 1e6),
            "%.0f" % (plain * 1e9 / census["events"]),
        ]
        for tool in peers:
            row.append(
                show(
                    median(results.added(program, tool, "program_s", census["events"] / 1e9)),
                    "%+.1f",
                )
            )
        rows.append(row)
    return markdown(header, rows)


def output_table(results):
    """Bytes written, and seconds from the program's last line until the report can be opened."""
    peers = [tool for tool in results.tools if tool not in ("plain", "floor")]
    header = (
        ["Program"]
        + [tool + " size" for tool in peers]
        + ["plain end s"]
        + [tool + " end s" for tool in peers]
    )
    rows = []
    for program in results.programs:
        row = [program]
        for tool in peers:
            written = median(results.report_values(program, tool, "output_bytes"))
            row.append(human_bytes(written))
        for tool in ["plain"] + peers:
            row.append(show(median(results.report_values(program, tool, "to_report_s")), "%.2f"))
        rows.append(row)
    return markdown(header, rows)


def full_report(results, machine_lines, rounds):
    """Return all tables as one markdown text."""
    parts = [
        "\n".join(machine_lines),
        "- medians of %d round(s); every ratio is to plain in the same round" % rounds,
    ]
    text = ["\n".join(parts)]
    text.append(
        "Time in the program, against plain (Peakline: median, least, greatest)\n\n"
        + time_table(results)
    )
    text.append(
        "Resident memory added at the program's last line, against plain (in MiB)\n\n"
        + memory_table(results)
    )
    text.append("Nanoseconds added for each event\n\n" + event_table(results))
    text.append(
        "Bytes written, and seconds from the program's last line to the end of the tool with its"
        " report\n\n" + output_table(results)
    )
    text.append(
        "Time from start to end of the tool, against plain\n\n" + time_table(results, "wall_s")
    )
    reasons = results.reasons()
    if reasons:
        text.append("Not available\n\n" + "\n".join("- " + reason for reason in reasons))
    return "\n\n".join(text) + "\n"
