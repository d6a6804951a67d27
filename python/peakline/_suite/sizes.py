# SPDX-License-Identifier: Apache-2.0
"""Sizes as people write them. KB, MB, ... are 1024-based, as pytest-memray reads them; KiB, MiB, ... are the same."""

import re

MOST = 1 << 63  # bytes
_UNITS = "BKMGTP"
_SIZE = re.compile(r"\s*(\+?(?:\d+\.?\d*|\.\d+))\s*(?:([KMGTP])i?B|(B))\s*", re.IGNORECASE)


def parse_size(text: object) -> int:
    """Bytes. ValueError, with a sentence, for what is no size."""
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f'{text!r} is not a size; write it as "24 MB" or "1.5 GiB"')
    unit = (found.group(2) or "B").upper()
    size = float(found.group(1)) * 1024 ** _UNITS.index(unit)
    if size >= MOST:
        raise ValueError(f"{text!r} is more than any machine has")
    return int(size)


def format_size(size: int) -> str:
    """As the reports write it: three digits and the unit."""
    if abs(size) < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if abs(value) < 1000 or unit == "TiB":
            break
    return f"{value:.1f} {unit}" if abs(value) < 100 else f"{value:.0f} {unit}"
