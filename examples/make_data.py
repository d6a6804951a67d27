# SPDX-License-Identifier: Apache-2.0
"""The data of the example: a shop's orders (36 MB of CSV) and its customers, always the same.

    python examples/make_data.py    makes data/orders.csv and data/customers.csv beside this file,
                                    if they are not there
"""

import os
import sys

import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
ORDERS = os.path.join(FOLDER, "orders.csv")
CUSTOMERS = os.path.join(FOLDER, "customers.csv")

ORDER_COUNT = 400_000
CUSTOMER_COUNT = 30_000
BATCH = 20_000

CATEGORIES = [
    "books", "clothing", "electronics", "furniture", "garden", "groceries", "sports", "toys",
]
CHANNELS = ["app", "marketplace", "phone", "store", "web"]
CITIES = [
    "Amsterdam", "Barcelona", "Copenhagen", "Dublin", "Edinburgh", "Florence", "Geneva", "Hamburg",
    "Krakow", "Lisbon", "Marseille", "Naples", "Porto", "Rotterdam", "Stockholm", "Vienna",
]
SEGMENTS = ["business", "family", "new", "student"]
NOTES = [
    "", "", "", "gift wrapping", "leave at the door", "call first", "fragile", "second attempt",
]
FIRST_DAY = np.datetime64("2024-01-01T00:00:00")
TWO_YEARS = 2 * 365 * 24 * 3600


def write_customers(path, random):
    with open(path, "w") as file:
        file.write("customer_id,segment,member_since,score\n")
        for number in range(CUSTOMER_COUNT):
            segment = SEGMENTS[random.integers(0, len(SEGMENTS))]
            year = 2010 + random.integers(0, 14)
            score = random.integers(0, 1000) / 10
            file.write(f"{number},{segment},{year},{score}\n")


def order_lines(first, count, random):
    """The text of `count` orders, numbered from `first`.

    A few are returns and a few come twice, as in real exports.
    """
    moments = FIRST_DAY + random.integers(0, TWO_YEARS, count).astype("timedelta64[s]")
    returned = random.random(count) < 0.02
    columns = (
        (first + np.arange(count)).tolist(),
        np.datetime_as_string(moments).tolist(),
        random.integers(0, CUSTOMER_COUNT, count).tolist(),
        random.integers(0, len(CATEGORIES), count).tolist(),
        random.integers(0, len(CHANNELS), count).tolist(),
        random.integers(0, len(CITIES), count).tolist(),
        (random.integers(1, 9, count) * np.where(returned, -1, 1)).tolist(),
        np.round(random.lognormal(3.2, 0.8, count), 2).tolist(),
        (random.integers(0, 6, count) * 5).tolist(),
        random.integers(0, len(NOTES), count).tolist(),
    )
    for order, moment, customer, category, channel, city, *amounts, note in zip(*columns):
        quantity, price, discount = amounts
        line = (
            f"SO-{order:08d},{moment},{customer},{CATEGORIES[category]},{CHANNELS[channel]},"
            f"{CITIES[city]},{quantity},{price},{discount},"
            f"ref {order * 7919 % 1000003} {NOTES[note]}\n"
        )
        yield line if order % 211 else line + line


def write_orders(path, random):
    with open(path, "w") as file:
        file.write(
            "order_id,ordered_at,customer_id,category,channel,city,"
            "quantity,unit_price,discount,note\n"
        )
        for first in range(0, ORDER_COUNT, BATCH):
            file.writelines(order_lines(first, BATCH, random))


def ensure_data():
    """Make what is missing. A file appears under its name only when it is whole."""
    os.makedirs(FOLDER, exist_ok=True)
    for path, write, seed in ((CUSTOMERS, write_customers, 1), (ORDERS, write_orders, 2)):
        if os.path.exists(path):
            continue
        partial = f"{path}.{os.getpid()}.partial"
        write(partial, np.random.default_rng(seed))
        os.replace(partial, path)
        print(f"made {path}: {os.path.getsize(path) / 1e6:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    ensure_data()
