# SPDX-License-Identifier: Apache-2.0
"""SQLite in memory: insert, index, join, aggregate, and read the rows back into Python."""

import meter  # first: it starts the watch

import sqlite3


def rows(count):
    for i in range(count):
        yield i, "name%d" % (i % 5_000), (i * 7919) % 1_000, i * 0.25


def main():
    database = sqlite3.connect(":memory:")
    database.execute(
        "create table sale (id integer primary key, name text, shop integer, amount real)"
    )
    database.execute("create table shop (shop integer primary key, region text)")
    database.executemany(
        "insert into shop values (?, ?)", ((i, "region%d" % (i % 9)) for i in range(1_000))
    )
    check = 0
    for turn in range(max(1, meter.size() * 4 // 100)):
        database.execute("delete from sale")
        database.executemany("insert into sale values (?, ?, ?, ?)", rows(150_000))
        database.execute("create index by_name_%d on sale (name, amount)" % turn)
        query = (
            "select region, count(*), sum(amount) from sale join shop using (shop) group by region"
        )
        check += sum(count for _, count, _ in database.execute(query))
        names = database.execute("select name, max(amount) from sale group by name").fetchall()
        everything = database.execute("select * from sale where shop < 500").fetchall()
        check += len(names) + len(everything)
        database.execute("drop index by_name_%d" % turn)
    meter.finish(check)


main()
