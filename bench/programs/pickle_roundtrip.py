# SPDX-License-Identifier: Apache-2.0
"""Objects pickled and read back, as between the processes of a pool."""

import meter  # first: it starts the watch

import pickle
import zlib


class Item:
    def __init__(self, number):
        self.number = number
        self.name = "item %d" % number
        self.values = [number / 3, number / 7, number / 11]
        self.extra = {"parent": number // 2, "flags": (number % 2, number % 3)}


def main():
    check = 0
    items = [Item(number) for number in range(20_000)]
    for _ in range(max(1, meter.size() * 9 // 100)):
        data = pickle.dumps(items, protocol=pickle.HIGHEST_PROTOCOL)
        items = pickle.loads(data)
        check = zlib.crc32(data, check) + len(items)
    meter.finish(check)


main()
