# SPDX-License-Identifier: Apache-2.0
"""Days of data, each used a few times in a row: the cache keeps every day for ever."""

import functools


@functools.lru_cache(maxsize=None)
def load(day):
    return bytes([day]) * (1 << 20)


total = 0
for day in range(40):
    for hour in range(24):
        total += load(day)[hour]
print(total)
