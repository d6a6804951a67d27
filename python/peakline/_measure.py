# SPDX-License-Identifier: Apache-2.0
"""Beginning and ending a measurement of this process, and its numbers of now."""

import json
import os
import shutil
import sys
import tempfile
import threading
import weakref
from typing import TYPE_CHECKING, List, Optional, Union

from . import _folder, _native
from ._errors import NotMeasuringError, PeaklineError, UnsupportedError

if TYPE_CHECKING:
    from ._block import Track
    from ._results import Profile

PREFIX = "peakline-"  # of directories for records that nobody asked for by name
_OFF = "nothing is measured in this process; call peakline.start() or use peakline.track()"


class _State:
    """What this module knows. Changed under the lock only."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.asked = False  # by start()
        self.users = 0  # blocks that run
        self.remove: Optional["weakref.finalize"] = None  # a temporary directory, at the exit at the latest
        self.blocks: "weakref.WeakSet[Track]" = weakref.WeakSet()  # that run, or are not written


_state = _State()


def _renew_lock() -> None:
    _state.lock = threading.RLock()  # another thread may have held it at the fork


os.register_at_fork(after_in_child=_renew_lock)


def remove_directory(path: str, owner: int) -> None:
    """For finalizers, which also run in forked children: only the maker removes."""
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


def make_directory() -> str:
    """PeaklineError where there is no room for one: who is measured goes on without."""
    try:
        directory = tempfile.mkdtemp(prefix=PREFIX, dir=_folder.find())
    except OSError as error:
        raise PeaklineError(
            f"there is no place for the record ({error}); name a directory that can be written in TMPDIR"
        ) from error
    describe_run(directory)
    return directory


def command_words() -> List[str]:
    return [str(word) for word in getattr(sys, "argv", [])]  # the program's own list: anything may be in it


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def describe_run(directory: str) -> None:
    """What the report wants to know of this process, as the supervisor leaves it for its child."""
    about = {"format": 1, "command": command_words(), "directory": _working_directory()}
    try:
        with open(os.path.join(directory, "run.json"), "x", encoding="utf-8") as file:
            json.dump(about, file, ensure_ascii=True)
    except OSError:
        pass  # there is one, or relative paths of sources are not found


def _begin(directory: Optional[str]) -> None:
    if _native.load().peakline_state() != _native.OFF:
        return  # joined
    if sys.implementation.name != "cpython":
        raise UnsupportedError(f"Peakline measures CPython; this is {sys.implementation.name}")
    temporary = None
    if directory is None:
        directory = temporary = make_directory()
    why = _native.start(os.path.abspath(directory))
    if why is not None:
        if temporary is not None:
            remove_directory(temporary, os.getpid())
        raise UnsupportedError(f"this process cannot be measured: {why}")
    if temporary is not None:
        _state.remove = weakref.finalize(_state, remove_directory, temporary, os.getpid())


def _end() -> None:
    library = _native.load()
    if library.peakline_state() != _native.IN_PROCESS:
        return  # `peakline run` goes on to the end of the process
    for block in list(_state.blocks):
        block._before_stop()
    library.peakline_stop()
    if _state.remove is not None:
        _state.remove()
        _state.remove = None


def acquire() -> None:
    """A block needs the measurement."""
    with _state.lock:
        _begin(None)  # also where others run: a stop() in between has ended the measurement under them
        _state.users += 1


def release() -> None:
    """... and no longer."""
    with _state.lock:
        _state.users -= 1
        if _state.users == 0 and not _state.asked:
            _end()


def start(directory: Union[str, "os.PathLike[str]", None] = None) -> None:
    """Begins to measure this process, until stop(). Under `peakline run` it joins that measurement.

    directory: an existing directory for the ledger file, for `peakline report DIRECTORY` later;
    without it the record is gone after stop().

    Raises UnsupportedError when this interpreter cannot be measured, PeaklineError when it is
    being measured by an earlier start(), or by a block, whose ledger is elsewhere, and a directory is given."""
    with _state.lock:
        if _state.asked:
            raise PeaklineError("peakline.start() was called already; call peakline.stop() first")
        if directory is not None and not os.path.isdir(directory):
            raise PeaklineError(f"{os.fsdecode(directory)} is not a directory; make it first")
        if directory is not None and _native.load().peakline_state() == _native.IN_PROCESS:
            raise PeaklineError(
                "a block is being measured, and its record is elsewhere; call peakline.start() with a directory before it"
            )
        _begin(None if directory is None else os.fsdecode(directory))
        if directory is not None and _native.load().peakline_state() == _native.IN_PROCESS:
            describe_run(os.fsdecode(directory))
        _state.asked = True


def stop() -> None:
    """Ends what start() began. Blocks that still run end too; their numbers stay.

    Raises NotMeasuringError without start()."""
    with _state.lock:
        if not _state.asked:
            raise NotMeasuringError("peakline.stop() without peakline.start()")
        _state.asked = False
        _end()


def is_measuring() -> bool:
    """Is this process measured right now, by start(), a block, or `peakline run`?"""
    return _native.load().peakline_state() != _native.OFF


def _numbers() -> _native.Numbers:
    numbers = _native.Numbers()
    if _native.load().peakline_numbers(numbers) != 0:
        raise NotMeasuringError(_OFF)
    return numbers


def _thread_numbers() -> _native.Numbers:
    numbers = _numbers()
    if not numbers.counts_threads:
        _native.load().peakline_count_threads()
        numbers = _numbers()
    return numbers


def live_bytes(of: str = "process") -> int:
    """Requested bytes held now, of what was allocated since the measurement began.

    of: "process"; "tree": this process, those forked from it, and under `peakline run` all of the run;
    or "thread": what the calling thread has allocated minus what it has freed since this was first
    asked (so it may be negative). Counting by thread costs a little from then on."""
    if of == "thread":
        return int(_thread_numbers().thread_bytes)
    if of == "tree":
        from . import _tree

        _numbers()
        return _tree.live_bytes(os.fsdecode(_native.load().peakline_ledger_path()))
    if of != "process":
        raise PeaklineError(f"of={of!r}: it is 'process', 'thread' or 'tree'")
    return int(_numbers().live_bytes)


def peak_bytes(of: str = "process") -> int:
    """The most bytes held at any moment since the measurement began.

    of: "process", or "thread" as in live_bytes(). That of a tree is in the report of the run."""
    if of == "thread":
        return int(_thread_numbers().thread_peak_bytes)
    if of != "process":
        raise PeaklineError(f"of={of!r}: it is 'process' or 'thread'")
    return int(_numbers().peak_bytes)


def snapshot() -> "Profile":
    """What is held now, by stack: a Profile whose "peak" is this moment."""
    from ._results import read

    directory = make_directory()
    try:
        write_block(None, directory)
        return read(directory)
    finally:
        remove_directory(directory, os.getpid())


def write_block(handle: Optional[int], directory: str, kept: bool = False) -> None:
    """Writes a block's ledger (None: what is held now). Keeps the end of the measurement away, as nothing else does without
    the GIL."""
    library = _native.load()
    write = library.peakline_block_write_kept if kept else library.peakline_block_write
    with _state.lock:
        result = write(handle, os.fsencode(directory))
    if result != 0:
        raise_for(result)


ESTALE = 116


def raise_for(result: int) -> None:
    """The error for a negative errno of the library."""
    if result == -ESTALE:
        raise NotMeasuringError(_OFF)
    raise PeaklineError(f"the stacks could not be written: {os.strerror(-result)}")
