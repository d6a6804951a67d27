# SPDX-License-Identifier: Apache-2.0
"""A table job in pandas: write and read a CSV, group, merge, pivot, many small groups."""

import meter  # first: it starts the watch

import io
import numpy
import pandas


def make_table(rows, seed):
    random = numpy.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "day": random.integers(0, 60, rows),
            "shop": random.integers(0, 200, rows),
            "item": [f"item{n}" for n in random.integers(0, 500, rows)],
            "amount": random.random(rows).round(4),
        }
    )


def through_csv(table):
    text = io.StringIO()
    table.to_csv(text, index=False)
    text.seek(0)
    return pandas.read_csv(text)


def report(table):
    shops = pandas.DataFrame({"shop": range(200), "region": [n % 7 for n in range(200)]})
    joined = table.merge(shops, on="shop")
    by_region = joined.groupby(["region", "day"])["amount"].agg(["sum", "mean", "max"])
    pivot = joined.pivot_table(index="day", columns="region", values="amount", aggfunc="sum")
    # The slow and very common idiom: a Python function for each small group.
    best = joined.groupby("item")["amount"].apply(lambda s: s.nlargest(3).sum())
    return float(by_region["sum"].sum() + pivot.to_numpy().sum() + best.sum())


def main():
    check = 0.0
    for seed in range(max(1, meter.size() * 4 // 100)):
        check += report(through_csv(make_table(60_000, seed)))
    meter.finish(round(check, 2))


main()
