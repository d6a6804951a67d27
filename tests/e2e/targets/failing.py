# SPDX-License-Identifier: Apache-2.0
"""Allocations that get nothing, and go on. Argument: the library made of tests/runtime/routes.c."""

import ctypes
import sys

c = ctypes.CDLL(sys.argv[1])
c.by_failing.argtypes = [ctypes.c_size_t]
c.by_failing_resize.argtypes = [ctypes.c_size_t]


def fail():
    c.by_failing(1 << 61)  # 1
    c.by_failing_resize(1000)  # 2: SIZE_MAX / 4, the largest that could be asked
    c.by_overflowing()  # 3, 4: more than any size
    try:
        bytearray(1 << 60)  # 5
    except MemoryError:
        pass


fail()
kept = bytes(20_000_003)
print("went on")
