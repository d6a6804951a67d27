# SPDX-License-Identifier: Apache-2.0
"""What the kernel still holds from earlier cells, and whether IPython itself is what holds it: the results in Out[], the
last results in _, the frames of the last traceback."""

import os
import re
import subprocess
import sys
import types
from typing import Any, Container, Dict, Iterable, Iterator, List, Mapping, Set

from .. import _measure
from .._errors import ProgramError
from .._program import find_program
from .._suite.sizes import format_size

LEAST = 1 << 20  # bytes; less is not worth a line
MOST_OBJECTS = 300_000  # looked at; beyond, sizes are "at least"
_IPYTHON_NAMES = {"In", "Out", "_ih", "_oh", "_dh", "_", "__", "___", "_i", "_ii", "_iii"}
_NOT_DATA = (
    types.ModuleType,
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.CodeType,
    types.FrameType,
    types.TracebackType,
)


def bytes_by_cell(cells: Mapping[str, int]) -> Dict[int, int]:
    """Live bytes by the cell that was running: the outermost cell on the stack. Read line by line: all stacks of a
    kernel as objects would be 50 MB in the very process that is measured."""
    if not cells:
        return {}
    directory = _measure.make_directory()
    try:
        _measure.write_block(None, directory)
        return _add_up(directory, cells)
    finally:
        _measure.remove_directory(directory, os.getpid())


def _add_up(directory: str, cells: Mapping[str, int]) -> Dict[int, int]:
    program = find_program()
    if program is None:
        raise ProgramError("the peakline program is not installed beside this Python")
    any_cell = re.compile(r"\((" + "|".join(map(re.escape, cells)) + r"):\d+\)")
    found: Dict[int, int] = {}
    words = [program, "report", directory, "--format", "folded"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as report:
        assert report.stdout is not None
        for line in report.stdout:
            text, _, size = line.decode("utf-8", "replace").rstrip().rpartition(" ")
            first = any_cell.search(text)
            if first is not None:
                number = cells[first.group(1)]
                found[number] = found.get(number, 0) + int(size)
    return found


def _is_ipythons_name(name: str) -> bool:
    return name in _IPYTHON_NAMES or (name[:1] == "_" and name.lstrip("_i").isdigit())


class _Walk:
    """Objects reached so far. Each is counted once, for who reached it first."""

    def __init__(self) -> None:
        self._seen: Set[int] = set()
        self._kept: List[Any] = []  # so that no id is used twice

    def size(self, roots: Iterable[Any]) -> int:
        import gc

        total = 0
        pending = [root for root in roots]
        while pending and len(self._seen) < MOST_OBJECTS:
            value = pending.pop()
            kind = type(value)  # not isinstance(): that asks the object, and a proxy may raise
            if id(value) in self._seen or issubclass(kind, _NOT_DATA):
                continue
            self._seen.add(id(value))
            self._kept.append(value)
            total += _own_size(value)
            pending.extend(gc.get_referents(value))
            module = str(getattr(kind, "__module__", ""))
            base = getattr(value, "base", None) if module == "numpy" else None
            if base is not None:
                pending.append(base)
            if module.startswith("pandas") and hasattr(value, "_mgr"):
                pending.append(getattr(value, "_mgr"))
        return total

    def forget(self, value: Any) -> None:
        self._seen.add(id(value))


def _own_size(value: Any) -> int:
    try:
        return sys.getsizeof(value, 0)
    except Exception:
        return 0


def _traceback_values() -> Iterator[Any]:
    """Local variables of the user's frames on the last traceback."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    traceback = getattr(error, "__traceback__", None) or getattr(sys, "last_traceback", None)
    while traceback is not None:
        frame = traceback.tb_frame
        file = frame.f_code.co_filename
        if "/IPython/" not in file and "/ipykernel/" not in file and frame.f_locals is not frame.f_globals:
            yield from list(frame.f_locals.values())
        traceback = traceback.tb_next


def held_by_ipython(namespace: Dict[str, Any], hidden: Container[str]) -> List[str]:
    """One sentence for each of IPython's own references that alone hold much."""
    walk = _Walk()
    walk.forget(namespace)
    out = namespace.get("_oh", {})
    walk.forget(out)
    walk.size(
        value
        for name, value in list(namespace.items())
        if name not in hidden and not _is_ipythons_name(name)
    )
    sentences = []
    results = []
    for number, value in list(out.items()):
        size = walk.size([value])
        if size >= LEAST:
            also = " (also _)" if namespace.get("_") is value else ""
            results.append(f"Out[{number}]{also} {format_size(size)}")
    if results:
        sentences.append(
            f"Held by no variable, only as a result: {', '.join(results)}; `%reset -f out` lets go."
        )
    size = walk.size(namespace.get(name) for name in ("_", "__", "___"))
    if size >= LEAST:
        sentences.append(f"Held only as the last result, _: {format_size(size)}.")
    size = walk.size(_traceback_values())
    if size >= LEAST:
        sentences.append(
            f"Held only by the last traceback: {format_size(size)}; the next error replaces it."
        )
    return sentences


def kept_lines(cells: Mapping[str, int], current: int, shell: Any) -> List[str]:
    """`current`: the cell that runs or has just ended; it is none of the earlier ones."""
    by_cell = bytes_by_cell(cells)
    earlier = {number: size for number, size in by_cell.items() if number != current}
    total = sum(earlier.values())
    if total < LEAST:
        return []
    parts = [
        f"Cell [{number}] {format_size(size)}"
        for number, size in sorted(earlier.items(), key=lambda pair: -pair[1])
        if size >= LEAST // 16
    ][:8]
    line = f"The kernel still holds {format_size(total)} from earlier cells: {', '.join(parts)}."
    return [line, *held_by_ipython(shell.user_ns, shell.user_ns_hidden)]
