# SPDX-License-Identifier: Apache-2.0
"""The library, through ctypes. The other side is src/runtime/api.h: the same fields in the same order."""

import os
from typing import List, Optional

from ._errors import UnsupportedError
from ._program import LIBRARY_VARIABLE, find_library

try:
    import ctypes
except ImportError as error:
    raise UnsupportedError(
        f"this Python has no ctypes ({error}), which the library is called by; `peakline run` measures it all the same"
    ) from None

OFF, IN_PROCESS, PRELOADED = 0, 1, 2


class Numbers(ctypes.Structure):
    _fields_ = [
        ("live_bytes", ctypes.c_uint64),
        ("live_blocks", ctypes.c_uint64),
        ("peak_bytes", ctypes.c_uint64),
        ("peak_blocks", ctypes.c_uint64),
        ("own_bytes", ctypes.c_uint64),
        ("dropped_events", ctypes.c_uint64),
        ("merged_stacks", ctypes.c_uint64),
        ("counts_threads", ctypes.c_uint64),
        ("thread_bytes", ctypes.c_int64),
        ("thread_peak_bytes", ctypes.c_int64),
    ]


class BlockNumbers(ctypes.Structure):
    _fields_ = [
        ("start_bytes", ctypes.c_uint64),
        ("start_blocks", ctypes.c_uint64),
        ("peak_bytes", ctypes.c_uint64),
        ("peak_blocks", ctypes.c_uint64),
        ("end_bytes", ctypes.c_uint64),
        ("end_blocks", ctypes.c_uint64),
        ("alloc_bytes", ctypes.c_uint64),
        ("alloc_blocks", ctypes.c_uint64),
    ]


_loaded: List[ctypes.PyDLL] = []


def _declare(library: ctypes.PyDLL) -> None:
    library.peakline_start.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
    library.peakline_ledger_path.restype = ctypes.c_char_p
    library.peakline_numbers.argtypes = [ctypes.POINTER(Numbers)]
    library.peakline_block_begin.restype = ctypes.c_void_p
    library.peakline_block_read.argtypes = [
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.POINTER(BlockNumbers),
    ]
    library.peakline_block_write.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.peakline_block_write_kept.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.peakline_tree_unmark.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_uint64)]
    library.peakline_block_gained.argtypes = [ctypes.c_void_p]
    library.peakline_block_gained.restype = ctypes.c_uint64
    library.peakline_block_free.argtypes = [ctypes.c_void_p]
    library.peakline_block_free.restype = None


def _find_and_load() -> ctypes.PyDLL:
    # Under `peakline run` the library is in the process already; a second copy must not be loaded.
    program = ctypes.PyDLL(None)
    if hasattr(program, "peakline_start"):
        return program
    path = find_library()
    if path is None:
        raise UnsupportedError(
            "libpeakline.so, a part of Peakline, was not found; install Peakline again or name it "
            f"in {LIBRARY_VARIABLE}"
        )
    try:
        return ctypes.PyDLL(path)
    except OSError as error:
        if not _is_glibc():
            raise UnsupportedError(
                "this Python is built for another C library (musl?), and Peakline for glibc; "
                "use a Python built for glibc"
            ) from error
        raise UnsupportedError(f"{path} cannot be loaded: {error}") from error


def _is_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):  # musl knows no such name
        return False


def load() -> ctypes.PyDLL:
    """The library. PyDLL: calls keep the GIL, which start and stop count on."""
    if not _loaded:
        library = _find_and_load()
        _declare(library)
        _loaded.append(library)
    return _loaded[0]


def start(directory: str) -> Optional[str]:
    """None: recording. Else the sentence that says why not."""
    why = ctypes.create_string_buffer(400)
    result = load().peakline_start(os.fsencode(directory), why, len(why))
    return why.value.decode("utf-8", "replace") if result < 0 else None
