# SPDX-License-Identifier: Apache-2.0
"""Results as plain data: read from a result directory, a JSON file or a report page."""

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Union

from ._errors import PeaklineError
from ._program import run_program

if TYPE_CHECKING:
    import pandas

FORMATS_READ = (1, 2)  # of the JSON


@dataclass(frozen=True)
class Frame:
    """A function at a line. path is "" and line 0 for what is no Python, as "[native thread]"."""

    function: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.function} ({self.path}:{self.line})" if self.path else self.function


@dataclass(frozen=True)
class Stack:
    """What one stack itself held at the peak. frames: outermost first."""

    bytes: int
    blocks: int
    frames: Tuple[Frame, ...]


@dataclass(frozen=True)
class Line:
    """A line of code and what is charged to it. kind: 0 the user's own, 1 library, 2 standard
    library, 3 import machinery, 4 no file."""

    bytes: int
    blocks: int
    path: str
    line: int
    function: str
    source: str
    kind: int


@dataclass(frozen=True)
class Process:
    pid: int
    parent_pid: int
    peak_bytes: int


@dataclass(frozen=True)
class Change:
    """One stack before and after; 0 where it was not there."""

    frames: Tuple[Frame, ...]
    before_bytes: int
    after_bytes: int
    before_blocks: int
    after_blocks: int

    @property
    def bytes(self) -> int:
        return self.after_bytes - self.before_bytes


@dataclass(frozen=True)
class Diff:
    """What grew and what shrank, largest change first."""

    before_bytes: int
    after_bytes: int
    changes: List[Change]

    @property
    def bytes(self) -> int:
        return self.after_bytes - self.before_bytes

    @property
    def grew(self) -> List[Change]:
        return [change for change in self.changes if change.bytes > 0]

    @property
    def shrank(self) -> List[Change]:
        return [change for change in self.changes if change.bytes < 0]


@dataclass(frozen=True)
class Profile:
    """One result: the peak and who held it."""

    peak_bytes: int
    peak_blocks: int
    stacks: List[Stack]  # those that hold something themselves, largest first; they add up to the peak
    lines: List[Line]
    processes: List[Process]
    warnings: List[str]
    data: Dict[str, Any] = field(repr=False)  # the JSON report as it is (docs/json.md)

    def to_pandas(self) -> "pandas.DataFrame":
        """A row a stack: bytes, blocks, function, path, line (of the innermost frame), stack."""
        try:
            import pandas
        except ImportError as error:
            raise PeaklineError("to_pandas() needs pandas, which is not installed") from error
        rows = []
        for stack in self.stacks:
            top = stack.frames[-1] if stack.frames else Frame("[no stack]", "", 0)
            text = ";".join(map(str, stack.frames))
            rows.append((stack.bytes, stack.blocks, top.function, top.path, top.line, text))
        return pandas.DataFrame(
            rows, columns=["bytes", "blocks", "function", "path", "line", "stack"]
        )

    def diff(self, other: "Profile") -> Diff:
        """From this one (before) to the other (after), stack by stack."""
        before = {stack.frames: stack for stack in self.stacks}
        after = {stack.frames: stack for stack in other.stacks}
        none = Stack(0, 0, ())
        changes = []
        for frames in {**before, **after}:
            old, new = before.get(frames, none), after.get(frames, none)
            if (old.bytes, old.blocks) != (new.bytes, new.blocks):
                changes.append(Change(frames, old.bytes, new.bytes, old.blocks, new.blocks))
        changes.sort(key=lambda change: -abs(change.bytes))
        return Diff(self.peak_bytes, other.peak_bytes, changes)


def _read_stacks(data: Dict[str, Any]) -> List[Stack]:
    files, functions = data["files"]["path"], data["functions"]
    frames = [
        Frame(functions["name"][function], files[functions["file"][function]], line)
        for function, line in zip(data["frames"]["function"], data["frames"]["line"])
    ]
    columns = data["stacks"]
    paths: List[Tuple[Frame, ...]] = []
    merged: Dict[Tuple[Frame, ...], Stack] = {}
    for parent, frame, held, blocks in zip(
        columns["parent"], columns["frame"], columns["bytes"], columns["blocks"]
    ):
        path = () if parent < 0 else paths[parent] + (frames[frame],)
        paths.append(path)
        if held or blocks:
            known = merged.get(path)
            if known is not None:  # threads that differ only in who started them
                held, blocks = held + known.bytes, blocks + known.blocks
            merged[path] = Stack(held, blocks, path)
    return sorted(merged.values(), key=lambda stack: -stack.bytes)


def from_json(data: Dict[str, Any]) -> Profile:
    """A Profile of the JSON report `data`."""
    if data.get("format") not in FORMATS_READ:
        raise PeaklineError(
            f"this is JSON of format {data.get('format')!r}, which this version of Peakline does not "
            "know; read it with the version that wrote it"
        )
    return Profile(
        peak_bytes=data["peak"]["bytes"],
        peak_blocks=data["peak"]["blocks"],
        stacks=_read_stacks(data),
        lines=[
            Line(
                row["bytes"],
                row["blocks"],
                row["path"],
                row["line"],
                row["function"],
                row["source"],
                row["kind"],
            )
            for row in data["blame"]
        ],
        processes=[
            Process(row["pid"], row["parent_pid"], row["peak_bytes"]) for row in data["processes"]
        ],
        warnings=list(data["warnings"]),
        data=data,
    )


def read(path: Union[str, "os.PathLike[str]"]) -> Profile:
    """Reads a result directory, a JSON report or a report.html."""
    path = os.fspath(path)
    if os.path.isdir(path):
        text: Optional[str] = run_program(["report", path, "--format", "json"])
    else:
        text = _read_file(path)
    try:
        data = json.loads(text or "")
        return from_json(data)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise PeaklineError(f"{path} is no result of Peakline, or it is damaged") from error


def _read_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise PeaklineError(f"{path} cannot be read: {error}") from error
    if text.lstrip()[:1] == "{":
        return text
    return run_program(["report", path, "--format", "json"])  # a page: the program knows them
