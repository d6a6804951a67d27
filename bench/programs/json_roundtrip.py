# SPDX-License-Identifier: Apache-2.0
"""Documents written as JSON and read back, a few hundred kilobytes each."""

import meter  # first: it starts the watch

import json
import zlib


def document(seed):
    return {
        "orders": [
            {
                "id": seed * 10_000 + i,
                "customer": {"name": "customer %d" % (i % 500), "vip": i % 7 == 0},
                "lines": [
                    {"sku": "S%05d" % (i * j % 9973), "n": j, "price": j * 1.25} for j in range(4)
                ],
                "note": None if i % 3 else "leave at the door",
            }
            for i in range(2_000)
        ]
    }


def main():
    check = 0
    kept = []
    for seed in range(max(1, meter.size() * 65 // 100)):
        text = json.dumps(document(seed))
        back = json.loads(text)
        check = zlib.crc32(text.encode(), check) + len(back["orders"])
        kept.append(back)
        if len(kept) > 5:
            kept.pop(0)
    meter.finish(check)


main()
