# SPDX-License-Identifier: Apache-2.0
"""Where records that nobody asked for by name are kept: among the temporary files, unless those are on a disk that
writes every page anew. Such a disk, once full, kills whoever changes a mapped page (docs/decisions/0011-records-aside.md)."""

import os
import re
import tempfile

_MEMORY = "/dev/shm"
_LEAST_SIZE, _LEAST_FREE = 1 << 30, 512 << 20  # as for `peakline run`: a small one is the program's own
_WRITES_ANEW = ("btrfs", "bcachefs")


def disk_type(path: str, mounts: str = "/proc/self/mountinfo") -> str:
    """The kind of the file system that `path` is on; "" if it cannot be known."""
    longest, kind = "", ""
    path = os.path.realpath(path) + "/"
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                mount, _, rest = line.partition(" - ")
                point = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), mount.split(" ")[4])
                # Of several at one place the last one is on top.
                if path.startswith(point.rstrip("/") + "/") and len(point) >= len(longest):
                    longest, kind = point, rest.split(" ")[0]
    except (OSError, IndexError):
        return ""
    return kind


def _has_room(path: str) -> bool:
    try:
        disk = os.statvfs(path)
    except OSError:
        return False
    size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    return size == 0 or (size >= _LEAST_SIZE and free >= _LEAST_FREE)


def find() -> str:
    folder = tempfile.gettempdir()
    if disk_type(folder) in _WRITES_ANEW and disk_type(_MEMORY) == "tmpfs" and _has_room(_MEMORY):
        return _MEMORY
    return folder
