# SPDX-License-Identifier: Apache-2.0
"""The kernel before this one, if it died while it was measured: its record is still there."""

import glob
import json
import os
import sys
from typing import Optional

from .. import _folder, _measure

_TOLD = "told"  # in the record's directory: somebody was told of it


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return True


def _was_this_kernel(directory: str) -> bool:
    """Jupyter starts a kernel again with the same words, among them the name of its connection file."""
    try:
        with open(os.path.join(directory, "run.json"), encoding="utf-8") as file:
            about = json.load(file)
        return os.stat(directory).st_uid == os.getuid() and about["command"] == sys.argv
    except (OSError, ValueError, KeyError, TypeError):
        return False


def say_died() -> Optional[str]:
    """One sentence, once, about the newest such record; None if there is none."""
    found = []
    for directory in glob.glob(os.path.join(glob.escape(_folder.find()), _measure.PREFIX + "*")):
        ledgers = glob.glob(os.path.join(glob.escape(directory), "ledger-*"))
        pids = [int(each.rpartition("-")[2].partition(".")[0]) for each in ledgers]
        if not pids or any(map(_is_alive, pids)) or not _was_this_kernel(directory):
            continue
        if not os.path.exists(os.path.join(directory, _TOLD)):
            found.append((max(map(os.path.getmtime, ledgers)), directory, min(pids)))
    if not found:
        return None
    _, directory, pid = max(found)
    try:
        open(os.path.join(directory, _TOLD), "x").close()
    except OSError:
        return None
    return (
        f"The kernel before this one (process {pid}) died while it was measured. What it held then: "
        f"peakline report {directory}"
    )
