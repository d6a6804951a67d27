# SPDX-License-Identifier: Apache-2.0
"""Which lines held a test's memory: the test's own code first, and below each of its lines where in the code it called
the bytes were allocated."""

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from .._results import Frame, Profile, Stack
from .sizes import format_size

Row = Dict[str, Any]  # bytes, path, line, function, source, own, inner: plain data, it travels between processes

_THREAD = "[thread]"


class _Key(NamedTuple):
    frame: Frame
    own: bool


class Code:
    """What a profile knows of its files."""

    def __init__(self, profile: Profile) -> None:
        files, functions, frames = (profile.data[name] for name in ("files", "functions", "frames"))
        self._kinds = dict(zip(files["path"], files["kind"]))
        self._sources: Dict[Tuple[str, int], str] = {}
        for function, line, source in zip(frames["function"], frames["line"], frames["source"]):
            self._sources[files["path"][functions["file"][function]], line] = source

    def source(self, frame: Frame) -> str:
        return self._sources.get((frame.path, frame.line), "").strip()

    def blame(self, stack: Stack) -> Frame:
        """The innermost frame of the user's own code, else of a library, else of all."""
        for kind in (0, 1):
            for frame in reversed(stack.frames):
                if self._kinds.get(frame.path) == kind:
                    return frame
        return stack.frames[-1] if stack.frames else Frame("[no stack]", "", 0)


def _own_frame(stack: Stack, path: str) -> Optional[Frame]:
    return next((frame for frame in reversed(stack.frames) if frame.path == path), None)


def find_lines(profile: Profile, path: str) -> List[Row]:
    """Lines of the file `path` first, each group with the largest first."""
    code = Code(profile)
    totals: Dict[_Key, int] = {}
    inner: Dict[_Key, Dict[Frame, int]] = {}
    for stack in profile.stacks:
        own, blame = _own_frame(stack, path), code.blame(stack)
        key = _Key(own or blame, own is not None)
        totals[key] = totals.get(key, 0) + stack.bytes
        parts = inner.setdefault(key, {})
        parts[blame] = parts.get(blame, 0) + stack.bytes
    rows = []
    for key in sorted(totals, key=lambda key: (not key.own, -totals[key])):
        rows.append(_row(code, key.frame, totals[key], key.own))
        parts = inner[key]
        deepest = max(parts, key=lambda frame: parts[frame])
        if deepest != key.frame:
            rows[-1]["inner"] = _row(code, deepest, parts[deepest], False)
    return rows


def _row(code: Code, frame: Frame, size: int, own: bool) -> Row:
    return {
        "bytes": size,
        "path": frame.path,
        "line": frame.line,
        "function": frame.function,
        "source": code.source(frame),
        "own": own,
    }


def of_this_thread(stack: Stack) -> bool:
    return not (stack.frames and stack.frames[0].function == _THREAD)


def _place(row: Row, root: str) -> str:
    path = row["path"]
    if not path:
        return str(row["function"])
    if path.startswith(root + "/"):
        path = path[len(root) + 1 :]
    text = f"{path}:{row['line']} in {row['function']}"
    return f"{text}: {row['source'][:100]}" if row["source"] else text


def format_rows(rows: List[Row], root: str, most: int, indent: str = "  ") -> List[str]:
    """Text lines for at most `most` rows, without those below one percent."""
    total = sum(row["bytes"] for row in rows)
    shown = [row for row in rows if row["bytes"] * 100 >= total][:most]
    lines = []
    for row in shown:
        lines.append(f"{indent}{format_size(row['bytes']):>9}  {_place(row, root)}")
        if "inner" in row:
            part = row["inner"]
            lines.append(
                f"{indent}{'':>9}    of that {format_size(part['bytes'])} at {_place(part, root)}"
            )
    rest = total - sum(row["bytes"] for row in shown)
    if rest > 0 and len(rows) > len(shown):
        lines.append(f"{indent}{format_size(rest):>9}  {len(rows) - len(shown)} other lines")
    return lines
