# SPDX-License-Identifier: Apache-2.0
"""Reading what Peakline reports, for tests of accuracy: who holds how many bytes at the peak.

A target (targets/*.py) allocates known sizes at known lines and keeps them until the peak. A mark at
the end of a line says which frames must hold them:

    KEEP[3] = X * 10_007  #= <module>/outer/inner

`X * N` with X = b"x" is one request for exactly sys.getsizeof(b"") + N bytes and nothing else on that
line, so that no tolerance is needed. `.../` stands for any frames, `xN` at the end for N times.
"""

import json
import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

from running import run_command

TARGETS = Path(__file__).resolve().parent / "targets"


def read_run(result):
    """What run.json of a result directory says."""
    return json.loads((result / "run.json").read_text())


class Frame(NamedTuple):
    function: str
    path: str
    line: int

    @property
    def name(self) -> str:
        """The plain name: Python 3.8 to 3.10 know no qualified one."""
        return self.function.rpartition(".")[2]


class Held(NamedTuple):
    frames: Tuple[Frame, ...]  # outermost first
    size: int
    blocks: int

    @property
    def names(self) -> List[str]:
        return [frame.name for frame in self.frames]


class Report:
    """The JSON report of one result directory."""

    def __init__(self, document: dict):
        self.document = document
        functions, files, frames = (document[key] for key in ("functions", "files", "frames"))
        self.frames = [
            Frame(functions["name"][function], files["path"][functions["file"][function]], line)
            for function, line in zip(frames["function"], frames["line"])
        ]
        self.rows: Dict[Tuple[str, int], List[int]] = {}
        for row, frame in enumerate(document["stacks"]["frame"]):
            if frame >= 0:
                where = self.frames[frame]
                self.rows.setdefault((where.path, where.line), []).append(row)

    def __getitem__(self, key):
        return self.document[key]

    def _held(self, row: int) -> Held:
        stacks = self.document["stacks"]
        frames = []
        above = row
        while stacks["frame"][above] >= 0:
            frames.append(self.frames[stacks["frame"][above]])
            above = stacks["parent"][above]
        return Held(tuple(reversed(frames)), stacks["bytes"][row], stacks["blocks"][row])

    def at(self, path, line: int) -> List[Held]:
        """What each stack that ends in this line holds itself; stacks that hold nothing left out."""
        held = (self._held(row) for row in self.rows.get((str(path), line), ()))
        return [each for each in held if each.blocks or each.size]

    def sum_at(self, path, line: int) -> Tuple[int, int]:
        """Bytes and blocks of all stacks that end in this line."""
        stacks = self.document["stacks"]
        rows = self.rows.get((str(path), line), ())
        return sum(stacks["bytes"][row] for row in rows), sum(stacks["blocks"][row] for row in rows)

    def kinds_at(self, path, line: int) -> Dict[int, Tuple[int, int]]:
        """The parts of sum_at() by kind: 1 the C heap, 2 maps; 0, what is left, Python's allocators."""
        kinds = self.document["kinds"]
        found = {0: self.sum_at(path, line), 1: (0, 0), 2: (0, 0)}
        rows = self.rows.get((str(path), line), ())
        for row, kind, size, blocks in zip(*map(kinds.get, ("stack", "kind", "bytes", "blocks"))):
            if row in rows:
                found[kind] = (found[kind][0] + size, found[kind][1] + blocks)
                found[0] = (found[0][0] - size, found[0][1] - blocks)
        return found

    def below(self, path, line: int, name: str) -> List[Held]:
        """The same for stacks whose innermost frame is `name` (a pseudo frame) below this line."""
        found = []
        for row, frame in enumerate(self.document["stacks"]["frame"]):
            if frame >= 0 and self.frames[frame].function == name:
                held = self._held(row)
                if any((each.path, each.line) == (str(path), line) for each in held.frames):
                    found.append(held)
        return [each for each in found if each.blocks or each.size]

    def total_of(self, name: str) -> int:
        """Bytes of all stacks whose innermost frame is `name`."""
        stacks = self.document["stacks"]
        return sum(
            size
            for size, frame in zip(stacks["bytes"], stacks["frame"])
            if frame >= 0 and self.frames[frame].function == name
        )

    def assert_adds_up(self):
        assert sum(self["stacks"]["bytes"]) == self["peak"]["bytes"] == self["peak_bytes"]
        assert sum(self["stacks"]["blocks"]) == self["peak"]["blocks"]


def read_report(peakline: str, result) -> Report:
    done = run_command([peakline, "report", result, "--format", "json"])
    assert (done.returncode, done.stderr) == (0, "")
    report = Report(json.loads(done.stdout))
    report.assert_adds_up()
    return report


class Mark(NamedTuple):
    line: int
    size: int  # N in the source
    times: int
    chain: str


_MARK = re.compile(r"(?P<code>.*?)#= (?P<chain>\S+)(?: x(?P<times>\d+))?$")
_SIZE = re.compile(r"X \* ([\d_]+)|\(([\d_]+)(?:, \w+)?\)")


def read_marks(path: Path) -> Iterator[Mark]:
    for line, text in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        mark = _MARK.match(text)
        if mark:
            size = _SIZE.search(mark["code"])
            assert size, f"{path.name}:{line}: a mark without a size"
            yield Mark(
                line, int(size[1] or size[2]), int(mark["times"] or 1), mark["chain"]
            )


def chain_matches(chain: str, names: List[str]) -> bool:
    """`chain` is a mark's, `names` are those of the frames."""
    wanted = chain.split("/")
    if wanted[0] == "...":
        return names[-len(wanted) + 1 :] == wanted[1:]
    return names == wanted
