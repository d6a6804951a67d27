# SPDX-License-Identifier: Apache-2.0
"""Peakline: which lines of a Python program hold its memory when it is highest.

    import peakline

    with peakline.track() as t:
        work()
    print(t.peak_bytes)
    t.report("work.html")

The whole API is in docs/api.md; `peakline --help` tells of the program. Importing this package loads nothing else:
each name is fetched when it is first used, and nothing is measured before that is asked for."""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it, whose import would cost more than all the rest
if TYPE_CHECKING:
    from ._block import Track, track
    from ._errors import (
        ForkedError,
        NotMeasuringError,
        PeaklineError,
        ProgramError,
        UnsupportedError,
    )
    from ._measure import (
        is_measuring,
        live_bytes,
        peak_bytes,
        snapshot,
        start,
        stop,
    )
    from ._profile import Calls, profile
    from ._results import Change, Diff, Frame, Line, Process, Profile, Stack, read

__version__ = "0.1.0"

# Where each public name lives.
_HOMES = {
    "Calls": "_profile",
    "Change": "_results",
    "Diff": "_results",
    "ForkedError": "_errors",
    "Frame": "_results",
    "Line": "_results",
    "NotMeasuringError": "_errors",
    "PeaklineError": "_errors",
    "Process": "_results",
    "Profile": "_results",
    "ProgramError": "_errors",
    "Stack": "_results",
    "Track": "_block",
    "UnsupportedError": "_errors",
    "is_measuring": "_measure",
    "live_bytes": "_measure",
    "peak_bytes": "_measure",
    "profile": "_profile",
    "read": "_results",
    "snapshot": "_measure",
    "start": "_measure",
    "stop": "_measure",
    "track": "_block",
}

__all__ = [
    "Calls",
    "Change",
    "Diff",
    "ForkedError",
    "Frame",
    "Line",
    "NotMeasuringError",
    "PeaklineError",
    "Process",
    "Profile",
    "ProgramError",
    "Stack",
    "Track",
    "UnsupportedError",
    "__version__",
    "is_measuring",
    "live_bytes",
    "peak_bytes",
    "profile",
    "read",
    "snapshot",
    "start",
    "stop",
    "track",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: object) -> None:
    """`%load_ext peakline`: the magic %%peakline."""
    from .ipython import load

    load(shell)


def unload_ipython_extension(shell: object) -> None:
    """`%unload_ext peakline`."""
    from .ipython import unload

    unload(shell)
