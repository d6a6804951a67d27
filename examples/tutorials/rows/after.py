# SPDX-License-Identifier: Apache-2.0
"""The same: the database finds the rows by an index and hands over the one column that is needed."""

import os
import sqlite3
import tempfile


def make(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE orders (customer INTEGER, amount REAL, note TEXT)")
    rows = ((i % 1000, i % 97, f"order {i}: " + "x" * 40) for i in range(60_000))
    connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    connection.execute("CREATE INDEX by_customer ON orders (customer)")
    connection.commit()
    connection.close()


def spent(connection, customer):
    query = "SELECT amount FROM orders WHERE customer = ?"
    return sum(amount for (amount,) in connection.execute(query, (customer,)))


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "shop.db")
    make(path)
    print(spent(sqlite3.connect(path), 321))
