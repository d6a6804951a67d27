# SPDX-License-Identifier: Apache-2.0
"""The limits of a test: read from its markers, which mean what they mean to pytest-memray."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

import pytest

from .sizes import parse_size


class LimitError(ValueError):
    """A marker that cannot be understood; the sentence names the test."""


@dataclass(frozen=True)
class StackFrame:
    """A frame as filter_fn sees it; the names are pytest-memray's."""

    function: str
    filename: str
    lineno: int


@dataclass(frozen=True)
class Stack:
    """What filter_fn is asked about: most recent frame first."""

    frames: Tuple[StackFrame, ...]


@dataclass(frozen=True)
class Memory:
    """limit_memory: fails from `size` bytes on."""

    size: int
    text: str
    this_thread: bool = False


@dataclass(frozen=True)
class Leaks:
    """limit_leaks: fails when one stack kept more than `size` bytes."""

    size: int
    text: str
    filter_fn: Optional[Callable[[Stack], bool]] = None
    this_thread: bool = False


@dataclass(frozen=True)
class Limits:
    memory: Optional[Memory]
    leaks: Optional[Leaks]


_NAMES = {
    "limit_memory": ("limit", "memory_limit", "current_thread_only"),
    "limit_leaks": ("limit", "location_limit", "filter_fn", "current_thread_only"),
}


def _words_of(marker: pytest.Mark) -> Dict[str, Any]:
    """The marker's arguments by name."""
    words = dict(marker.kwargs)
    if len(marker.args) > 1:
        raise LimitError("only the limit may be given without a name")
    if marker.args:
        words["limit"] = marker.args[0]
    for name in words:
        if name not in _NAMES[marker.name]:
            raise LimitError(f"it has no argument {name!r}")
    for name in ("memory_limit", "location_limit"):
        if name in words:
            words["limit"] = words.pop(name)
    if "limit" not in words:
        raise LimitError('it needs a size, as in "24 MB"')
    return words


def _closest(item: pytest.Item, name: str) -> Optional[pytest.Mark]:
    """The test's own marker, else its class's, else its module's."""
    for node in reversed(item.listchain()):
        own = [marker for marker in node.own_markers if marker.name == name]
        if len(own) > 1:
            raise LimitError("it is there twice; leave one")
        if own:
            return own[0]
    return None


def _read(item: pytest.Item, name: str) -> Optional[Dict[str, Any]]:
    try:
        marker = _closest(item, name)
        if marker is None:
            return None
        words = _words_of(marker)
        words["text"] = words["limit"]
        words["size"] = parse_size(words["limit"])
        return words
    except ValueError as error:
        raise LimitError(f"{item.nodeid}: the marker {name}: {error}") from None


def read_limits(item: pytest.Item) -> Limits:
    """LimitError if a marker cannot be understood."""
    memory, leaks = _read(item, "limit_memory"), _read(item, "limit_leaks")
    return Limits(
        memory
        and Memory(memory["size"], memory["text"], bool(memory.get("current_thread_only"))),
        leaks
        and Leaks(
            leaks["size"],
            leaks["text"],
            leaks.get("filter_fn"),
            bool(leaks.get("current_thread_only")),
        ),
    )
