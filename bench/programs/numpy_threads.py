# SPDX-License-Identifier: Apache-2.0
"""Four threads in numpy, which gives the interpreter lock away while it works."""

import meter  # first: it starts the watch

from concurrent.futures import ThreadPoolExecutor
import numpy


def work(seed):
    values = numpy.random.default_rng(seed).random(60_000)
    for _ in range(6):
        values = numpy.sqrt(numpy.sort(values) * 1.01 + 0.001)
        values = numpy.concatenate([part[::-1] for part in numpy.array_split(values, 32)])
    return int(values.sum() * 1000)


def main():
    tasks = max(4, meter.size() * 450 // 100)
    with ThreadPoolExecutor(4) as pool:
        meter.finish(sum(pool.map(work, range(tasks))))


main()
