# SPDX-License-Identifier: Apache-2.0
"""A resize that is the peak of the run: 20 MB become 30 MB. Arguments: the library made of
tests/runtime/routes.c, and where the block lies (0 a map of its own, 1 in the heap with a neighbour
behind it, 2 in the heap with room behind it)."""

import ctypes
import sys

PLACE = int(sys.argv[2])
c = ctypes.CDLL(sys.argv[1])
c.resize_begin.argtypes = [ctypes.c_size_t, ctypes.c_int]
c.resize_end.argtypes = [ctypes.c_size_t]


def begin():
    c.resize_begin(20_000_003, PLACE)  # before


def end():
    return c.resize_end(30_000_001)  # after


begin()
print(end())
