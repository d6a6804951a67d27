# SPDX-License-Identifier: Apache-2.0
"""Deep stacks that differ only far out: the same three hundred frames at the same places, called from
one line after another with nothing allocated in between."""

import sys

sys.setrecursionlimit(20_000)
X = b"x"
KEEP = [None] * 16


def leaf(place, size):
    KEEP[place] = X * size  # LEAF


def down(depth, place, size):
    return down(depth - 1, place, size) if depth else leaf(place, size)


def churn(depth):
    """Allocate for a while at the bottom, so that Peakline finds the stack deep and steady."""
    if depth:
        return churn(depth - 1)
    for number in range(2_000):
        str(number) + "abc"


def deep_churn(depth, then):
    if depth:
        return deep_churn(depth - 1, then)
    churn(100)
    return then()


def climb(depth, place, size, chain=None):
    """Allocates at each level of the way there and back: more anchors than are kept."""
    kept = climb(depth - 1, place, size, [chain]) if depth else leaf(place, size)
    return [kept]


def generator():
    for number in range(400):
        yield str(number) * 3  # a generator resumed by callers at different depths


def take(source, depth, count):
    if depth:
        return take(source, depth - 1, count)
    for _ in range(count):
        next(source)
    KEEP[8 + count % 2] = X * (30_000 + count)  # TAKE


def throw(depth):
    if depth:
        try:
            return throw(depth - 1)
        finally:
            str(depth) + "abc"
    raise ValueError("deep")


def main():
    for _ in range(3):
        churn(300)
        down(300, 0, 10_007)  #1
        down(300, 1, 20_011)  #2
        churn(299)
        down(300, 2, 30_013)  #3
        down(300, 3, 40_009)  #4
        down(301, 4, 50_021)  #5
    source = generator()
    take(source, 200, 101)  #6
    take(source, 150, 102)  #7
    for _ in range(3):
        try:
            throw(200)
        except ValueError:
            down(300, 5, 60_013)  #8
    deep_churn(200, lambda: down(100, 6, 70_001))  #9
    deep_churn(200, lambda: down(100, 7, 80_021))  #10
    climb(9000, 10, 90_001)  #11
    climb(9000, 11, 95_003)  #12
    KEEP[15] = X * 50_000_000  # the peak is now, whatever frames took before


main()
