# SPDX-License-Identifier: Apache-2.0
"""What all processes of one measurement hold now: each has a ledger in the same directory, whose header says it
(docs/ledger-format.md)."""

import glob
import os
import struct

_HEADER = struct.Struct("<8sIIIIII")  # magic, version, byte order, header bytes, pid, parent, state
_TOTAL_AT = 320
_RUNNING = 0


def _held_by(path: str) -> int:
    with open(path, "rb") as file:
        head = file.read(_TOTAL_AT + 8)
    if len(head) < _TOTAL_AT + 8:
        return 0
    magic, version, _, _, pid, _, state = _HEADER.unpack_from(head)
    if magic != b"PEAKLDGR" or version != 3 or state != _RUNNING or not os.path.exists(f"/proc/{pid}"):
        return 0
    return int(struct.unpack_from("<Q", head, _TOTAL_AT)[0])


def live_bytes(ledger: str) -> int:
    """The sum over the living processes whose ledgers lie beside this one."""
    total = 0
    for path in glob.glob(os.path.join(glob.escape(os.path.dirname(ledger)), "ledger-*")):
        try:
            total += _held_by(path)
        except OSError:
            pass  # gone in the meantime
    return total
