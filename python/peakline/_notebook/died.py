# SPDX-License-Identifier: Apache-2.0
"""The kernel before this one, if it died while it was measured: its record is still there."""

import glob
import json
import os
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
        if os.stat(directory).st_uid != os.getuid():
            return False  # before anything of it is opened: it may be a pipe that nobody writes into
        with open(os.path.join(directory, "run.json"), encoding="utf-8") as file:
            about = json.load(file)
        return bool(about["command"] == _measure.command_words())
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def say_died() -> Optional[str]:
    """One sentence, once, about the newest such record; None if there is none."""
    found = []
    try:
        folder = _folder.find()
    except OSError:  # there is none
        return None
    for directory in glob.glob(os.path.join(glob.escape(folder), _measure.PREFIX + "*")):
        if not _was_this_kernel(directory) or os.path.exists(os.path.join(directory, _TOLD)):
            continue
        ledgers = glob.glob(os.path.join(glob.escape(directory), "ledger-*"))
        try:
            pids = [int(each.rpartition("-")[2].partition(".")[0]) for each in ledgers]
            if pids and not any(map(_is_alive, pids)):
                found.append((max(map(os.path.getmtime, ledgers)), directory, min(pids)))
        except (OSError, ValueError, OverflowError):
            pass  # it is being removed, or not of our making
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
