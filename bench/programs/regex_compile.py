# SPDX-License-Identifier: Apache-2.0
"""Compiling regular expressions: a parser in Python that makes many short-lived small objects."""

import meter  # first: it starts the watch

import re


PATTERNS = [
    r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>\d{2})[T ](\d{2}):(\d{2})(:\d{2}(\.\d+)?)?",
    r"^(?:[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9-]+)*)@"
    r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$",
    r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b",
    r"(?s)/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[A-Za-z_]\w*|\d+(?:\.\d+)?",
    r"(?i)\b(select|insert|update|delete|from|where|group\s+by|order\s+by|having|limit|offset)\b",
]


def main():
    total = 0
    for turn in range(meter.size() * 24):
        for pattern in PATTERNS:
            re.purge()
            compiled = re.compile("%s|%d" % (pattern, turn))
            total += compiled.groups + len(compiled.groupindex)
    meter.finish(total)


main()
