# SPDX-License-Identifier: Apache-2.0
"""Garbage that only the collector finds, made at the bottom of deep stacks. Little but that is what the collector counts,
so that on Python 3.11 it often runs while the interpreter makes frame objects for Peakline. Finalizers keep known blocks."""

import gc
import itertools
import sys

X = b"x"
KEPT = [None] * 4_000
NUMBERS = itertools.count()


class Knot:
    def __init__(self):
        self.me = self
        self.data = X * 10_003  # DATA

    def __del__(self):
        number = next(NUMBERS)
        KEPT[number] = X * 5_003  # KEPT


def text(number):
    return str(number) + "abc"


def descend(levels):
    if levels > 0:
        return descend(levels - 1)
    for number in range(200):
        text(number)
        Knot()


gc.set_threshold(1, 100_000, 100_000)
for _ in range(20):
    descend(60)
gc.collect()
LAST = X * 400_000_000  # the peak, whatever was held before
print(sys.getsizeof(X) - 1)
