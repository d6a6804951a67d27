# SPDX-License-Identifier: Apache-2.0
"""A loop that only makes floats: the worst case, since nothing else is done between two
allocations."""

import meter  # first: it starts the watch


def scale(values, factor):
    return [value * factor for value in values]


def main():
    values = [float(i) for i in range(20_000)]
    total = 0.0
    for step in range(meter.size() * 32):
        total += scale(values, 1.0 + step / 1000)[-1]
    meter.finish(round(total, 3))


main()
