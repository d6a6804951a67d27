# SPDX-License-Identifier: Apache-2.0
"""Many small numpy arrays, 800 bytes each, most of them kept for a while."""

import meter  # first: it starts the watch

import numpy


def batch(count, seed):
    base = numpy.arange(100, dtype=numpy.float64)
    return [base * ((seed + i) % 17) + i for i in range(count)]


def main():
    check = 0.0
    for turn in range(max(1, meter.size() * 10 // 100)):
        arrays = batch(60_000, turn)
        smooth = [array[1:] - array[:-1] for array in arrays[::2]]
        check += float(sum(array[turn] for array in arrays)) + float(sum(s.sum() for s in smooth))
    meter.finish(round(check, 3))


main()
