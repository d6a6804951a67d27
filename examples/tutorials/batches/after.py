# SPDX-License-Identifier: Apache-2.0
"""The same, one line at a time: a generator holds one row, whatever the length of the file."""

import io


def measurements():
    return io.StringIO("".join(f"{i % 977},{i % 31 / 10}\n" for i in range(100_000)))


def values(file):
    for line in file:
        yield float(line.rstrip().split(",")[1])


def main():
    total, count = 0.0, 0
    for value in values(measurements()):
        total += value
        count += 1
    print(f"{total / count:.4f}")


main()
