# SPDX-License-Identifier: Apache-2.0
"""Lists of dicts, as rows from an API or a database: build, enrich, filter, group, sort."""

import meter  # first: it starts the watch


def make_rows(count, shift):
    return [
        {
            "id": i + shift,
            "name": "user%d" % i,
            "group": (i * 7919) % 97,
            "score": (i * 31 % 1000) / 10,
            "tags": ["t%d" % (i % 13), "t%d" % (i % 29)],
        }
        for i in range(count)
    ]


def enrich(rows):
    return [
        {**row, "rank": row["score"] * row["group"], "label": row["name"].upper()} for row in rows
    ]


def group(rows):
    groups = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row)
    return groups


def summarise(groups):
    result = []
    for key, rows in sorted(groups.items()):
        best = max(rows, key=lambda row: row["rank"])
        result.append({"group": key, "count": len(rows), "best": best["label"]})
    return result


def main():
    check = 0
    for turn in range(max(1, meter.size() * 5 // 100)):
        rows = make_rows(60_000, turn)
        rich = enrich(rows)
        kept = [row for row in rich if row["score"] > 20]
        summary = summarise(group(kept))
        check += sum(entry["count"] for entry in summary) + len(
            summary[turn % len(summary)]["best"]
        )
    meter.finish(check)


main()
