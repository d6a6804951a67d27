# SPDX-License-Identifier: Apache-2.0
"""Four workers add up one large array: each is sent the whole of it."""

import multiprocessing
from array import array

WORKERS = 4


def add_up(work):
    data, start, step = work
    return sum(data[start::step])


if __name__ == "__main__":
    data = array("q", range(1_000_000))
    work = [(data, i, WORKERS) for i in range(WORKERS)]
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        print(sum(pool.map(add_up, work, chunksize=1)))
