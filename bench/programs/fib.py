# SPDX-License-Identifier: Apache-2.0
"""Calls without allocation: results stay below 257, where CPython keeps its integers ready-made."""

import meter  # first: it starts the watch


def fib(n):
    if n < 2:
        return 1
    return (fib(n - 1) + fib(n - 2)) & 127


def main():
    total = 0
    for _ in range(max(1, meter.size() * 40 // 100)):
        total += fib(28)
    meter.finish(total)


main()
