# SPDX-License-Identifier: Apache-2.0
"""Threads made in C (native.c): one that never meets Python, one started by another of its kind, one
that comes back into Python, and Python's own thread that starts one."""

import ctypes
import sys
import threading

native = ctypes.CDLL(sys.argv[1])
X = b"x"
KEEP = [None] * 10


def start_native():
    alone(1_000_003)  #> alone
    pair(1_000_033, 1_000_037)  #> pair


@ctypes.CFUNCTYPE(None)
def come_back():
    KEEP[1] = X * 1_000_039  #= come_back


def start_visitor():
    visit(come_back, 1_000_081)  #> visitor


alone = native.alone
pair = native.pair
visit = native.visit
alone.argtypes = [ctypes.c_size_t]
pair.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
visit.argtypes = [ctypes.CFUNCTYPE(None), ctypes.c_size_t]
for each in (alone, pair, visit):
    each.restype = None

start_native()
start_visitor()
thread = threading.Thread(target=start_native)
thread.start()
thread.join()
KEEP[2] = X * 20_000_003  #= <module>
print(sys.getsizeof(b""))
