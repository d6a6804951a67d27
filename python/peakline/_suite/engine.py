# SPDX-License-Identifier: Apache-2.0
"""The measurement under a test session: begun before the first test that is measured, ended after the last, joined if
the session runs under `peakline run`. Whatever goes wrong is a sentence here and never an exception in a test."""

import ctypes
import os
import sys
from typing import Optional

from .. import _measure, _native
from .._block import Track
from .._errors import PeaklineError


class Engine:
    def __init__(self) -> None:
        self.why: Optional[str] = None  # nothing is measured, and this is the reason
        self._holds = False

    def begin(self) -> bool:
        """Measuring? Begins if needed, also again, after a test called peakline.stop()."""
        if self.why is not None:
            return False
        try:
            if not self._holds:
                if not sys.platform.startswith("linux"):
                    raise PeaklineError(f"Peakline measures on Linux; this is {sys.platform}")
                _measure.acquire()
                self._holds = True
            elif not _measure.is_measuring():
                with _measure._state.lock:
                    _measure._begin(None)
        except PeaklineError as error:
            self.why = str(error)
        except Exception as error:  # never the user's problem
            self.why = f"{type(error).__name__}: {error}"
        return self.why is None

    def end(self) -> None:
        if self._holds:
            self._holds = False
            try:
                _measure.release()
            except PeaklineError:
                pass


class Block:
    """The block of one phase of one test; of its thread and of the processes it starts, if that is asked for."""

    def __init__(self, by_thread: bool = False, with_children: bool = False) -> None:
        self.track = Track()
        self.thread_peak: Optional[int] = None
        self.tree_peak: Optional[int] = None  # None: there were no children
        self._by_thread = by_thread
        # Workers of pytest-xdist under one `peakline run` are one tree: what is a test's own is not told there.
        self._with_children = with_children and not (
            "PYTEST_XDIST_WORKER" in os.environ and _native.load().peakline_state() == _native.PRELOADED
        )
        self._thread_start = 0
        self._mark = -1

    def start(self) -> None:
        if self._by_thread:
            _native.load().peakline_thread_restart()
            self._thread_start = _measure.live_bytes("thread")
        if self._with_children:
            self._mark = _native.load().peakline_tree_mark()
        self.track.start()

    def stop(self) -> None:
        self.track.stop()
        if self._mark >= 0:
            size = ctypes.c_uint64()
            if _native.load().peakline_tree_unmark(self._mark, size):
                self.tree_peak = int(size.value)
        if self._by_thread:
            try:
                self.thread_peak = max(_measure.peak_bytes("thread") - self._thread_start, 0)
            except PeaklineError:
                pass  # the test itself ended the measurement
