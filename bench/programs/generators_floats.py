# SPDX-License-Identifier: Apache-2.0
"""A chain of generators that hand floats on, one at a time: many frames, one object at each
step."""

import meter  # first: it starts the watch


def read(count):
    value = 0.5
    for _ in range(count):
        value = (value * 1103.0 + 0.123) % 97.0
        yield value


def scaled(values, factor):
    for value in values:
        yield value * factor


def smoothed(values, width):
    window = []
    for value in values:
        window.append(value)
        if len(window) > width:
            window.pop(0)
        yield sum(window) / len(window)


def pairs(values):
    last = 0.0
    for value in values:
        yield last, value
        last = value


def main():
    total = 0.0
    kept = []
    for low, high in pairs(smoothed(scaled(read(meter.size() * 38_000), 1.25), 5)):
        total += high - low
        if high > 60.0:
            kept.append(high)
    meter.finish(round(total, 6), len(kept))


main()
