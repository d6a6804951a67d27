# SPDX-License-Identifier: Apache-2.0
"""Allocation under deep recursion: a tree walked some 300 frames deep, a chain some 900 deep."""

import meter  # first: it starts the watch

import sys


def build_chain(depth):
    node = None
    for level in range(depth):
        node = [level, node]
    return node


def flatten(node, depth):
    if node is None:
        return []
    value, rest = node
    pair = (value * 1000, str(depth))  # on the way in, at every depth
    result = flatten(rest, depth + 1)
    result.append(pair)  # and again on the way out
    return result


def work_at_depth(depth):
    """The other habit: dive once, then allocate for a long while at the bottom."""
    if depth:
        return work_at_depth(depth - 1)
    return sum(len([str(number), number + 1000]) for number in range(25_000))


def main():
    sys.setrecursionlimit(3_000)
    shallow, deep = build_chain(300), build_chain(900)
    total = 0
    for turn in range(meter.size() * 4):
        for _ in range(10):
            total += len(flatten(shallow, 0))
        for _ in range(3):
            total += len(flatten(deep, turn))
        total += work_at_depth(300 if turn % 2 else 900)
    meter.finish(total)


main()
