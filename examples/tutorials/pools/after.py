# SPDX-License-Identifier: Apache-2.0
"""The same: forked workers see the parent's array; only the numbers of the pieces are sent."""

import multiprocessing
from array import array

WORKERS = 4
data = array("q")


def add_up(piece):
    return sum(memoryview(data)[piece::WORKERS])


if __name__ == "__main__":
    data.extend(range(1_000_000))  # before the fork: what is there then is shared
    with multiprocessing.get_context("fork").Pool(WORKERS) as pool:
        print(sum(pool.map(add_up, range(WORKERS), chunksize=1)))
