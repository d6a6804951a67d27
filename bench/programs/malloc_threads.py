# SPDX-License-Identifier: Apache-2.0
"""Four threads inside C code that does nothing but malloc and free, without the interpreter lock.

BENCH_CHURN names the small C library (churn.c beside this file) that compare.py builds.
"""

import meter  # first: it starts the watch

import ctypes
import os
import sys
import threading


def main():
    path = os.environ.get("BENCH_CHURN")
    if not path:
        sys.exit(
            "malloc_threads.py: BENCH_CHURN is not set; run this program through bench/compare.py"
        )
    churn = ctypes.CDLL(path).bench_churn
    churn.argtypes = [ctypes.c_uint64, ctypes.c_long]
    churn.restype = ctypes.c_uint64
    results = [0] * 4
    count = meter.size() * 350_000

    def work(index):
        results[index] = churn(index + 1, count)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.finish(*results)


main()
