# SPDX-License-Identifier: Apache-2.0
"""A few large numpy arrays of tens of megabytes: each allocation is a map of its own."""

import meter  # first: it starts the watch

import numpy


def main():
    check = 0.0
    for turn in range(max(1, meter.size() * 8 // 100)):
        left = numpy.linspace(0.0, 1.0 + turn, 4_000_000)
        right = numpy.sqrt(left) + 1.0
        both = numpy.concatenate([left, right])
        both *= 0.5
        order = both.reshape(-1, 1000).sum(axis=1)
        check += float(order.sum()) + float(numpy.cumsum(both)[-1])
    meter.finish(round(check, 1))


main()
