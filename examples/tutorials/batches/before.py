# SPDX-License-Identifier: Apache-2.0
"""The mean of a hundred thousand measurements: all of them are read before the first is used."""

import io


def measurements():
    return io.StringIO("".join(f"{i % 977},{i % 31 / 10}\n" for i in range(100_000)))


def main():
    file = measurements()
    rows = [line.rstrip().split(",") for line in file]
    values = [float(value) for _, value in rows]
    print(f"{sum(values) / len(values):.4f}")


main()
