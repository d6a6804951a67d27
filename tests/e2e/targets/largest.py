# SPDX-License-Identifier: Apache-2.0
"""Blocks of known sizes at known lines: bytes(n) makes one block and nothing else. Behind the mark, as such an n: how large the
largest block is that the line holds at the peak; or, where it cannot be known, "from n to m"."""

import sys

KEEP = [None] * 100


def main():
    for i in range(3):
        KEEP[i] = bytes((100_000, 300_000, 200_000)[i])  #: 300_000
    for i in range(3, 6):
        KEEP[i] = bytes(100_000 * i)  #: 300_000
    KEEP[5] = None  # the largest of three goes
    KEEP[4] = None  # one is left
    for i in range(6, 10):
        KEEP[i] = bytes(1_000_000 - 1000 * i)  #: from 992_000 to 993_999
    KEEP[6] = None  # the largest of four goes: of three it is not known which is the largest
    for i in range(10, 30):
        KEEP[i] = bytes(70_000)  #: 70_000
    for i in range(30, 90):
        KEEP[i] = bytes(900)  #: from 900 to the least
    KEEP[90] = bytes(600)  #: 600
    KEEP[99] = bytes(50_000_000)  #: 50_000_000


main()
print(sys.getsizeof(b""))
KEEP.clear()
