# SPDX-License-Identifier: Apache-2.0
"""What a test held against what it may hold. Each check gives None, or a Problem with what the user reads."""

import traceback
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from .._errors import PeaklineError
from .._results import Stack as MeasuredStack
from .engine import Block
from .limits import Leaks, Memory, Stack, StackFrame
from .lines import Row, find_lines, format_rows, of_this_thread
from .options import Increase
from .sizes import format_size

SHOWN = 10  # lines in a failure


@dataclass(frozen=True)
class Problem:
    sentence: str
    details: List[str]

    def text(self) -> str:
        return "\n".join([self.sentence, *self.details])


def _held_by(block: Block, path: str, root: str) -> List[str]:
    try:
        rows = find_lines(block.track.profile(), path)
    except PeaklineError as error:
        return [f"Which lines held it is not known: {error}"]
    if _has_children(block):
        return ["Held by the test's own process, at its own peak, by", *format_rows(rows, root, SHOWN)]
    return ["Held at that moment by", *format_rows(rows, root, SHOWN)]


def _has_children(block: Block) -> bool:
    return (block.tree_peak or 0) > block.track.peak_bytes


def _who(block: Block) -> str:
    return "The test with its child processes" if _has_children(block) else "The test"


def check_memory(
    limit: Memory, name: str, peak: int, block: Block, path: str, root: str
) -> Optional[Problem]:
    """Below the limit passes, as with pytest-memray."""
    if limit.this_thread and block.thread_peak is not None:
        peak = block.thread_peak
    if peak < limit.size:
        return None
    who = "The thread of the test" if limit.this_thread else _who(block)
    return Problem(
        f"{who} held {format_size(peak)} at its peak; {name} allows less than "
        f"{limit.text} ({peak:,} and {limit.size:,} bytes).",
        _held_by(block, path, root),
    )


def check_increase(
    increase: Increase,
    noise: int,
    peaks: Optional[List[int]],
    peak: int,
    block: Block,
    path: str,
    root: str,
) -> Optional[Problem]:
    """`peaks`: of the baseline's runs. The highest of them counts, so their spread never fails a test."""
    if not peaks:
        return None
    allowed = increase.allowed(max(peaks), noise)
    if peak <= allowed:
        return None
    rise = peak - max(peaks)
    part = f", {rise / max(peaks):.0%}" if max(peaks) else ""
    return Problem(
        f"{_who(block)} held {format_size(peak)} at its peak, {format_size(rise)} more than in the baseline{part}; "
        f"--peakline-fail-on-increase {increase.text} allows up to {format_size(allowed)}.",
        _held_by(block, path, root),
    )


def _of_the_suite(error: Exception) -> List[traceback.FrameSummary]:
    return [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]


def _as_memray(stack: MeasuredStack) -> Stack:
    return Stack(
        tuple(
            StackFrame(frame.function, frame.path, frame.line) for frame in reversed(stack.frames)
        )
    )


def _describe_leak(stack: MeasuredStack, path: str, root: str) -> str:
    inner = next((frame for frame in reversed(stack.frames) if frame.path), None)
    own = next((frame for frame in reversed(stack.frames) if frame.path == path), None)
    row: Dict[str, Any] = {"bytes": stack.bytes, "source": ""}
    for frame in (own, inner):
        if frame is not None:
            row.update(path=frame.path, line=frame.line, function=frame.function)
            break
    else:
        row.update(path="", line=0, function=str(stack.frames[-1]) if stack.frames else "[no stack]")
    rows: List[Row] = [row]
    if own is not None and inner != own and inner is not None:
        row["inner"] = {
            "bytes": stack.bytes,
            "path": inner.path,
            "line": inner.line,
            "function": inner.function,
            "source": "",
        }
    return "\n".join(format_rows(rows, root, 1))


def check_leaks(limit: Leaks, block: Block, path: str, root: str) -> Optional[Problem]:
    """Each call stack on its own."""
    if block.track.gained_bytes <= limit.size:
        return None  # all of them together are below it
    stacks = [stack for stack in block.track.kept().stacks if stack.bytes > limit.size]
    if limit.this_thread:
        stacks = [stack for stack in stacks if of_this_thread(stack)]
    if limit.filter_fn is not None:
        try:
            stacks = [stack for stack in stacks if limit.filter_fn(_as_memray(stack))]
        except Exception as error:  # of the suite's own function: this test's failure, not the session's end
            return Problem(
                f"The filter_fn of limit_leaks raised {type(error).__name__}: {error}.",
                [line.rstrip() for line in traceback.format_list(_of_the_suite(error))],
            )
    if not stacks:
        return None
    # Own code first, each part with the largest first.
    stacks.sort(key=lambda stack: not any(frame.path == path for frame in stack.frames))
    worst = max(stack.bytes for stack in stacks)
    count = "One call stack" if len(stacks) == 1 else f"{len(stacks)} call stacks"
    return Problem(
        f"{count} of the test kept up to {format_size(worst)}; limit_leaks allows {limit.text} a call stack.",
        ["Kept at the end of the test by", *(_describe_leak(each, path, root) for each in stacks[:SHOWN])],
    )


