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

FORMAT_READ = 1  # of the JSON


@dataclass(frozen=True)
class Frame:
    """A function at a line. path is "" and line 0 for what is no Python, as "[native thread]"."""

    function: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.function} ({self.path}:{self.line})" if self.path else self.function


_FOLDED = Frame("[folded together]", "", 0)  # smaller stacks, of a page that had to stay small


class _Path:
    """A stack as a link to its caller's: a recursion of 20,000 calls is 20,000 of these, and not as many tuples of up
    to 20,000. One profile has one for each stack."""

    __slots__ = ("above", "frame")

    def __init__(self, above: "Optional[_Path]", frame: Optional[Frame]) -> None:
        self.above = above
        self.frame = frame  # None: the root

    def frames(self) -> Tuple[Frame, ...]:
        found: List[Frame] = []
        path = self
        while path.above is not None and path.frame is not None:
            found.append(path.frame)
            path = path.above
        return tuple(reversed(found))


class _Frames:
    """`frames` of a dataclass: a tuple, or a _Path that it is made of each time somebody asks."""

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            raise AttributeError("frames")
        kept = owner.__dict__["frames"]
        return kept.frames() if isinstance(kept, _Path) else kept

    def __set__(self, owner: Any, frames: Any) -> None:
        owner.__dict__["frames"] = frames


class _WithFrames:
    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "frames": self.frames}  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Stack(_WithFrames):
    """What one stack itself held at the peak. frames: outermost first."""

    bytes: int
    blocks: int
    frames: Tuple[Frame, ...] = _Frames()  # type: ignore[assignment]


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
class Change(_WithFrames):
    """One stack before and after; 0 where it was not there."""

    frames: Tuple[Frame, ...] = _Frames()  # type: ignore[assignment]
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
        """A row a stack: bytes, blocks, function, path, line (of the innermost frame), stack: a text, of more than 200
        frames the outermost and the innermost 100."""
        try:
            import pandas
        except ImportError as error:
            raise PeaklineError("to_pandas() needs pandas, which is not installed") from error
        rows = []
        for stack in self.stacks:
            frames = stack.frames
            top = frames[-1] if frames else Frame("[no stack]", "", 0)
            text = ";".join(map(str, frames if len(frames) <= 200 else (*frames[:100], "...", *frames[-100:])))
            rows.append((stack.bytes, stack.blocks, top.function, top.path, top.line, text))
        return pandas.DataFrame(
            rows, columns=["bytes", "blocks", "function", "path", "line", "stack"]
        )

    def diff(self, other: "Profile") -> Diff:
        """From this one (before) to the other (after), stack by stack."""
        numbers = _Numbers()
        before = {numbers.of(stack): stack for stack in self.stacks}
        after = {numbers.of(stack): stack for stack in other.stacks}
        changes = []
        for number in {**before, **after}:
            old, new = before.get(number), after.get(number)
            held = [(some.bytes, some.blocks) if some is not None else (0, 0) for some in (old, new)]
            if held[0] != held[1]:
                frames = (new or before[number]).__dict__["frames"]
                changes.append(Change(frames, held[0][0], held[1][0], held[0][1], held[1][1]))
        changes.sort(key=lambda change: -abs(change.bytes))
        return Diff(self.peak_bytes, other.peak_bytes, changes)


class _Numbers:
    """Numbers for stacks, the same for the same frames in any profile."""

    def __init__(self) -> None:
        self._known: Dict[_Path, int] = {}
        self._numbers: Dict[Tuple[int, Optional[Frame]], int] = {}

    def of(self, stack: Stack) -> int:
        kept: Union[_Path, Tuple[Frame, ...], None] = stack.__dict__["frames"]
        if isinstance(kept, tuple):  # made by somebody else
            return self._after(0, kept)
        number, way = 0, []
        while kept is not None and kept.above is not None:  # a loop: it may be 20,000 deep
            if kept in self._known:
                number = self._known[kept]
                break
            way.append(kept)
            kept = kept.above
        for path in reversed(way):
            number = self._known[path] = self._after(number, (path.frame,))
        return number

    def _after(self, number: int, frames: Tuple[Optional[Frame], ...]) -> int:
        for frame in frames:
            number = self._numbers.setdefault((number, frame), len(self._numbers) + 1)
        return number


def _read_stacks(data: Dict[str, Any]) -> List[Stack]:
    files, functions = data["files"]["path"], data["functions"]
    frames = [
        Frame(functions["name"][function], files[functions["file"][function]], line)
        for function, line in zip(data["frames"]["function"], data["frames"]["line"])
    ]
    columns = data["stacks"]
    rows: List[_Path] = []
    paths: Dict[Tuple[_Path, Frame], _Path] = {}
    merged: Dict[_Path, Stack] = {}
    for parent, number, held, blocks in zip(
        columns["parent"], columns["frame"], columns["bytes"], columns["blocks"]
    ):
        if parent < 0:
            path = _Path(None, None)
        else:
            above, frame = rows[parent], frames[number] if number >= 0 else _FOLDED
            path = paths.get((above, frame)) or paths.setdefault((above, frame), _Path(above, frame))
        rows.append(path)
        if held or blocks:
            known = merged.get(path)
            if known is not None:  # threads that differ only in who started them
                held, blocks = held + known.bytes, blocks + known.blocks
            merged[path] = Stack(held, blocks, path)
    return sorted(merged.values(), key=lambda stack: -stack.bytes)


def from_json(data: Dict[str, Any]) -> Profile:
    """A Profile of the JSON report `data`."""
    if data.get("format") != FORMAT_READ:
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
            if row["bytes"] or row["blocks"]  # the others count at the end, or over the run
        ],
        processes=[
            Process(row["pid"], row["parent_pid"], row["peak_bytes"]) for row in data["processes"]
        ],
        warnings=list(data["warnings"]),
        data=data,
    )


def read(path: Union[str, "os.PathLike[str]"]) -> Profile:
    """Reads a result directory, a JSON report or a report.html."""
    path = os.fsdecode(path)
    path = os.path.join(".", path) if path.startswith("-") else path  # the program would take it for an option
    if os.path.isdir(path):
        text: Optional[str] = run_program(["report", path, "--format", "json"])
    else:
        text = _read_file(path)
    try:
        data = json.loads(text or "")
        return from_json(data)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
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
