# SPDX-License-Identifier: Apache-2.0
"""with peakline.track() as t: the peak inside a block, above what was held when it began."""

import os
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, List, Optional, Type, Union

from . import _measure, _native
from ._errors import ForkedError, PeaklineError
from ._program import run_program

if TYPE_CHECKING:
    from ._results import Line, Profile, Stack

_FORMATS = {
    ".html": "html",
    ".htm": "html",
    ".txt": "text",
    ".md": "markdown",
    ".json": "json",
    ".folded": "folded",
    ".csv": "csv",
}


def _free(handle: int) -> None:
    _native.load().peakline_block_free(handle)


class Track:
    """A block of the program. Counts the whole process, whatever thread allocates.

    Numbers may be read while the block runs (the values so far) and after it, as often as
    wanted. A block that could not be measured runs as ever; asking for its numbers then raises the
    PeaklineError that says why."""

    def __init__(self) -> None:
        self._handle: Optional[int] = None
        self._pid = 0
        self._error: Optional[PeaklineError] = None
        self._final: Optional[_native.BlockNumbers] = None
        self._directory: Optional[str] = None
        self._profile: Optional["Profile"] = None
        self._holds = False
        self._library: Any = None
        self._at_end: Any = None
        self._free: Optional[weakref.finalize] = None

    # -- the block ---------------------------------------------------------------------------

    def start(self) -> "Track":
        """Begins the block; what `with` does."""
        if self._handle is not None and self._final is None and self._pid == os.getpid():
            raise PeaklineError("this block runs already; make another with peakline.track()")
        self.__init__()  # type: ignore[misc]
        try:
            _measure.acquire()
        except PeaklineError as error:
            self._error = error  # the program goes on; who reads the numbers is told
            return self
        self._holds = True
        self._pid = os.getpid()
        with _measure._state.lock:
            _measure._state.blocks.add(self)
        self._at_end = _native.BlockNumbers()
        library = self._library = _native.load()
        self._handle = library.peakline_block_begin()  # what follows in here is part of the block
        if self._handle is None:
            self._error = PeaklineError("there is no memory to measure this block")
        return self

    def stop(self) -> None:
        """Ends the block; what leaving `with` does. Harmless if it has ended."""
        with _measure._state.lock:
            if self._handle is not None and self._final is None and self._pid == os.getpid():
                if self._library.peakline_block_read(self._handle, 1, self._at_end) == 0:
                    self._final = self._at_end
                self._free = weakref.finalize(self, _free, self._handle)
            if self._holds:
                self._holds = False
                _measure.release()

    def __enter__(self) -> "Track":
        return self.start()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        value: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.stop()

    def _before_stop(self) -> None:
        """The recording ends: what only it knows is kept now."""
        if self._pid == os.getpid() and self._handle is not None:
            holds, self._holds = self._holds, False
            self.stop()
            self._holds = holds
            try:
                self._write()
            except PeaklineError as error:
                self._error = self._error or error

    # -- numbers -----------------------------------------------------------------------------

    def _numbers(self) -> _native.BlockNumbers:
        if self._error is not None and self._final is None:
            raise self._error
        if self._final is not None:
            return self._final
        if self._handle is None:
            raise PeaklineError("this block has not begun; use it with `with`")
        if self._pid != os.getpid():
            raise ForkedError(
                f"this block began in process {self._pid}, of which this is a forked child: ask there"
            )
        numbers = _native.BlockNumbers()
        if _native.load().peakline_block_read(self._handle, 0, numbers) != 0:
            raise PeaklineError("the measurement of this block has ended")
        return numbers

    @property
    def peak_bytes(self) -> int:
        """The most bytes held inside the block at any moment, above what was held when it began."""
        numbers = self._numbers()
        return int(numbers.peak_bytes - numbers.start_bytes)

    @property
    def peak_blocks(self) -> int:
        """How many blocks more than at the start were held at that moment."""
        numbers = self._numbers()
        return int(numbers.peak_blocks) - int(numbers.start_blocks)

    @property
    def kept_bytes(self) -> int:
        """What the block left behind: held at its end (or now) minus held at its start."""
        numbers = self._numbers()
        return int(numbers.end_bytes) - int(numbers.start_bytes)

    @property
    def kept_blocks(self) -> int:
        numbers = self._numbers()
        return int(numbers.end_blocks) - int(numbers.start_blocks)

    @property
    def allocated_bytes(self) -> int:
        """All that was allocated inside the block, freed or not. Known when it has ended."""
        return int(self._numbers().alloc_bytes)

    @property
    def allocated_blocks(self) -> int:
        return int(self._numbers().alloc_blocks)

    # -- stacks ------------------------------------------------------------------------------

    def _write(self) -> str:
        """The directory with the block's ledger; written at the first time of asking."""
        with _measure._state.lock:
            if self._directory is not None:
                return self._directory
            self._numbers()
            if self._final is None:
                raise PeaklineError("the block still runs; its stacks are known when it has ended")
            directory = _measure.make_directory()
            weakref.finalize(self, _measure.remove_directory, directory, os.getpid())
            _measure.write_block(self._handle, directory)
            self._directory = directory
            return directory

    def profile(self) -> "Profile":
        """All that is known of the block's peak."""
        if self._profile is None:
            from ._results import read

            self._profile = read(self._write())
        return self._profile

    def kept(self) -> "Profile":
        """What the block left behind: a Profile whose "peak" is the block's end, above its start."""
        self._numbers()
        if self._final is None:
            raise PeaklineError("the block still runs; what it kept is known when it has ended")
        from ._results import read

        directory = _measure.make_directory()
        try:
            _measure.write_block(self._handle, directory, kept=True)
            return read(directory)
        finally:
            _measure.remove_directory(directory, os.getpid())

    @property
    def gained_bytes(self) -> int:
        """What stacks held more at the end than at the start, added up: no stack kept more."""
        self._numbers()
        return int(_native.load().peakline_block_gained(self._handle)) if self._final else 0

    def stacks(self) -> List["Stack"]:
        """Who held the block's peak: stacks with their bytes, largest first."""
        return self.profile().stacks

    def lines(self) -> List["Line"]:
        """The same by the line of the user's own code that it is charged to."""
        return self.profile().lines

    def report(
        self, path: Union[str, "os.PathLike[str]"], format: Optional[str] = None
    ) -> None:
        """Writes a report of the block to `path`.

        format: as in `peakline report --format`; without it told by the name, else HTML."""
        path = os.fspath(path)
        if format is None:
            format = _FORMATS.get(os.path.splitext(path)[1].lower(), "html")
        run_program(["report", self._write(), "--format", format, "-o", os.path.abspath(path)])


def track() -> Track:
    """A block to be measured: `with peakline.track() as t:`. Any number at a time, nested or not.

    Measuring begins with the first block and ends with the last, unless start() or
    `peakline run` keep it on."""
    return Track()
