# SPDX-License-Identifier: Apache-2.0
"""The notebook magic: `%load_ext peakline`, then `%%peakline` on the first line of a cell, or `%peakline STATEMENT`.

A cell with the magic is run by IPython as any other: an input transformer takes the magic's line away (a blank line
stays, so lines keep their numbers) and the block begins and ends at IPython's own events. So variables, `await`, the
value of the last line, and errors are as ever. The magic called in any other way (below another one, from code) runs
what it is given with exec()."""

import ast
import html
import os
import re
import shlex
import sys
import tempfile
from typing import Any, Dict, List, Optional, Tuple

from . import _measure
from ._block import Track
from ._errors import PeaklineError
from ._notebook.died import say_died
from ._notebook.kept import kept_lines
from ._notebook.page import (
    MOST_BYTES,
    blame_lines,
    name_cells,
    put_data,
    read_data,
    start_at_cells,
)
from ._suite.sizes import format_size

_MAGIC = re.compile(r"%%peakline(?:\s+(.*))?$")
LINES = 5


def _read_words(text: str) -> Tuple[Optional[str], Optional[str]]:
    """The output file, and what is wrong with the words."""
    try:
        words = shlex.split(text or "")
    except ValueError as error:
        return None, f"%%peakline {text}: {error}"
    if not words:
        return None, None
    if words[0] in ("-o", "--output") and len(words) == 2:
        return words[1], None
    return None, f"%%peakline takes nothing, or -o FILE for the page as a file; not {text!r}"


class Report:
    """What is displayed: the page in a frame, under the same in a few lines of text."""

    def __init__(self, text: str, page: Optional[str]) -> None:
        self.text = text
        self.page = page

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> Dict[str, str]:
        shown = f'<pre style="white-space:pre-wrap">{html.escape(self.text)}</pre>'
        if self.page is not None:
            # srcdoc: no second file, no request; works in Jupyter, VS Code and exported files.
            shown += (
                f'<iframe title="Peakline" sandbox="allow-scripts" srcdoc="{html.escape(self.page)}" '
                'style="width:100%;height:480px;border:1px solid #8888;resize:vertical"></iframe>'
            )
        return {"text/plain": self.text, "text/html": shown}


class Magic:
    """One for each shell that has loaded the extension."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._why: Optional[str] = None
        self._running: List[Optional[Tuple[Track, Optional[str]]]] = []
        self._numbers: Dict[str, int] = {}  # of cells that run inside others, whose number IPython gets wrong
        self._ahead = self._find_ahead()
        self._number = shell.execution_count - self._ahead
        died = say_died()
        if died is not None:
            print(f"peakline: {died}", file=sys.stderr)
        try:
            _measure.acquire()  # for as long as it is loaded: what cells keep is known then
        except PeaklineError as error:
            self._why = str(error)
            print(f"peakline: nothing will be measured: {error}", file=sys.stderr)

    def close(self) -> None:
        for running in filter(None, self._running):  # unloaded by the very cell that is measured
            running[0].stop()
        if self._why is None:
            _measure.release()

    def _find_ahead(self) -> int:
        """By how much execution_count is ahead of the running cell: 0 or 1, as the version of IPython has it."""
        numbers = getattr(self._shell.compile, "_filename_map", {}).values()
        if not numbers:  # loaded before the first cell
            from IPython import version_info

            return 1 if version_info[0] >= 9 else 0
        return 1 if self._shell.execution_count > max(numbers) else 0

    # -- %%peakline as a cell's first line ---------------------------------------------------

    def take_away(self, lines: List[str]) -> List[str]:
        """IPython's input transformer; it may be called any number of times for a cell."""
        if not lines or _MAGIC.match(lines[0].rstrip()) is None:
            return lines
        if self._running:  # what a magic above (%%time) or code runs: no events come for it, so it calls this magic
            return lines
        rest = lines[1:]
        if rest and rest[0].startswith("%%"):
            return rest  # another magic, which has to come first
        return ["\n", *rest]

    def before(self, info: Any) -> None:
        if self._running:
            self._running.append(None)  # a cell inside a cell: see take_away()
            return
        self._number = self._shell.execution_count - self._ahead
        first = (info.raw_cell or "").lstrip().split("\n", 1)[0].rstrip()
        found = _MAGIC.match(first)
        if found is None:
            self._running.append(None)
            return
        output, wrong = _read_words(found.group(1))
        if wrong is not None:
            print(f"peakline: {wrong}", file=sys.stderr)
        track = Track()
        self._running.append((track, output))
        track.start()

    def after(self, result: Any) -> None:
        running = self._running.pop() if self._running else None
        if running is not None:
            track, output = running
            track.stop()
            self._show(track, self._number, output)
        if not self._running:
            self._cells()

    # -- and in all other ways ---------------------------------------------------------------

    def cell_magic(self, line: str, cell: str) -> Any:
        output, wrong = _read_words(line)
        if wrong is not None:
            print(f"peakline: {wrong}", file=sys.stderr)
        return self._run(cell, output, above="\n")  # lines keep their numbers

    def line_magic(self, line: str) -> Any:
        if not line.strip():
            self._show_kept()
            return None
        return self._run(line, None)

    def _run(self, source: str, output: Optional[str], above: str = "") -> Any:
        shell = self._shell
        number = self._number
        code = above + shell.transform_cell(source)
        name = shell.compile.cache(code, number, raw_code=source)
        tree = shell.compile.ast_parse(code, filename=name)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        body = shell.compile(tree, name, "exec")
        value = None if last is None else shell.compile(ast.Expression(last.value), name, "eval")
        with Track() as track:
            try:
                exec(body, shell.user_ns)
                result = None if value is None else eval(value, shell.user_ns)
            finally:
                track.stop()
                self._show(track, number, output)
        return result

    # -- showing -----------------------------------------------------------------------------

    def _cells(self) -> Dict[str, int]:
        """The number of each cell by the name of its file. What ran inside a cell (below %%capture) belongs to it."""
        cells = {}
        for path, number in getattr(self._shell.compile, "_filename_map", {}).items():
            if number > self._number:
                self._numbers[path] = self._number
            cells[path] = self._numbers.get(path, number)
        return cells

    def _show(self, track: Track, number: int, output: Optional[str]) -> None:
        """Never raises: the cell is over, and its own error is the user's only one."""
        from IPython.display import display

        try:
            display(self._report(track, number, output))
        except Exception as error:
            print(f"peakline: Cell [{number}] has no report: {error}", file=sys.stderr)

    def _report(self, track: Track, number: int, output: Optional[str]) -> Report:
        cells = self._cells()
        peak, kept = max(track.peak_bytes, 0), track.kept_bytes
        page, data = _make_page(track, cells, number, peak)
        lines = [
            f"Cell [{number}]: {format_size(peak)} at its peak, above what was held when it began; "
            f"{format_size(kept)} still held at its end."
        ]
        for size, place, source in blame_lines(data, LINES):
            if size * 100 >= peak:
                lines.append(f"  {format_size(size):>9}  {place}  {source}")
        lines += kept_lines(cells, number, self._shell)
        if output is not None:
            try:
                with open(output, "w", encoding="utf-8") as file:
                    file.write(page)
                lines.append(f"The page: {os.path.abspath(output)}")
            except OSError as error:
                lines.append(f"The page was not written to {output}: {error.strerror or error}.")
        if len(page) > MOST_BYTES:
            lines.append("The page is too large for a notebook; %%peakline -o FILE writes it to a file.")
            return Report("\n".join(lines), None)
        return Report("\n".join(lines), page)

    def _show_kept(self) -> None:
        try:
            number = self._number
            lines = kept_lines(self._cells(), number, self._shell)
            print("\n".join(lines) or "The kernel holds nothing worth a line from earlier cells.")
        except (PeaklineError, OSError) as error:
            print(f"peakline: {self._why or error}", file=sys.stderr)


def _make_page(
    track: Track, cells: Dict[str, int], number: int, peak: int
) -> Tuple[str, Dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="peakline-") as folder:
        path = os.path.join(folder, "cell.html")
        track.report(path)
        with open(path, encoding="utf-8") as file:
            page = file.read()
    data = read_data(page)
    name_cells(data, cells)
    start_at_cells(data)
    data["run"]["command"] = [f"Cell [{number}]"]
    # A block's page says that nobody saw the program's end; a cell's end was seen.
    data["run"]["outcome"] = {"kind": "exit", "code": 0, "signal": 0, "signal_name": ""}
    return put_data(page, data, f"Cell [{number}]: {format_size(peak)} - Peakline"), data


_magics: Dict[int, Magic] = {}  # by id of the shell


def load(shell: Any) -> None:
    """%load_ext peakline. A second time changes nothing."""
    if id(shell) in _magics:
        return
    magic = _magics[id(shell)] = Magic(shell)
    shell.register_magic_function(magic.cell_magic, "cell", "peakline")
    shell.register_magic_function(magic.line_magic, "line", "peakline")
    shell.input_transformers_cleanup.append(magic.take_away)
    shell.events.register("pre_run_cell", magic.before)
    shell.events.register("post_run_cell", magic.after)


def unload(shell: Any) -> None:
    """%unload_ext peakline."""
    magic = _magics.pop(id(shell), None)
    if magic is None:
        return
    shell.events.unregister("pre_run_cell", magic.before)
    shell.events.unregister("post_run_cell", magic.after)
    shell.input_transformers_cleanup.remove(magic.take_away)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("peakline", None)
    magic.close()
