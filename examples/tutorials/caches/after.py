# SPDX-License-Identifier: Apache-2.0
"""The same: the cache keeps the last two days, which is all that is asked for again."""

import functools


@functools.lru_cache(maxsize=2)
def load(day):
    return bytes([day]) * (1 << 20)


total = 0
for day in range(40):
    for hour in range(24):
        total += load(day)[hour]
print(total)
