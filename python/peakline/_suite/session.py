# SPDX-License-Identifier: Apache-2.0
"""Measures the tests that run in this process: one block around the test's call, one around the set-up of its fixtures.

The blocks are the innermost wrappers there are, around the test itself and not around other plugins. What was measured
travels on the report of the test, so that it reaches the process that prints, whichever that is."""

import heapq
from typing import Any, Dict, Generator, List, Optional, Tuple

import pytest

from .._errors import PeaklineError
from .baseline import read_baseline
from .checks import Problem, check_increase, check_leaks, check_memory
from .engine import Block, Engine
from .limits import LimitError, Limits, Memory, read_limits
from .lines import find_lines
from .options import Options

_PROPERTIES = ("peakline_peak_bytes", "peakline_peak_blocks", "peakline_setup_bytes")


class Record:
    """One attempt at one test."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.setup_bytes: Optional[int] = None
        self.block: Optional[Block] = None
        self.peak = 0  # of the test and its children, bytes
        self.ended = False
        self.problem: Optional[Problem] = None


_key = pytest.StashKey[Record]()


class Session:
    def __init__(self, config: pytest.Config, options: Options) -> None:
        self._config = config
        self._options = options
        self._root = str(config.rootpath)
        self._engine = Engine()
        self._largest: List[Tuple[int, int, str, str, Block]] = []  # a heap
        self._count = 0
        self._unchecked = 0  # tests whose limits could not be checked
        self._bad: Dict[str, str] = {}  # tests with a marker that cannot be understood
        self._baseline: Dict[str, List[int]] = {}
        self._notes: List[str] = []
        if options.increase is not None:
            self._baseline, note = read_baseline(options.baseline)
            if note is not None:
                self._notes.append(note)

    def check_markers(self, items: List[pytest.Item]) -> None:
        """UsageError for the first that cannot be understood. In a worker that is the test's own error."""
        for item in items:
            try:
                read_limits(item)
            except LimitError as error:
                if not hasattr(self._config, "workerinput"):
                    raise pytest.UsageError(str(error)) from None
                self._bad[item.nodeid] = str(error)

    # -- a test ------------------------------------------------------------------------------

    def _limits_of(self, item: pytest.Item) -> Limits:
        limits = read_limits(item)
        if limits.memory is None and self._options.limit is not None:
            memory = Memory(self._options.limit, self._options.limit_text)
            limits = Limits(memory, limits.leaks)
        return limits

    def _record_for(self, item: pytest.Item) -> Optional[Record]:
        try:
            limits = self._limits_of(item)
        except LimitError as error:  # a marker that another plugin added since
            pytest.fail(str(error), pytrace=False)
        limited = limits.memory is not None or limits.leaks is not None
        if not limited and not self._options.every:
            return None
        if not self._engine.begin():
            self._unchecked += limited
            return None
        return Record(limits)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        if item.nodeid in self._bad:
            pytest.fail(self._bad[item.nodeid], pytrace=False)
        record = self._record_for(item)
        item.stash[_key] = record  # type: ignore[assignment]
        if record is None:
            yield
            return
        block = Block()
        block.start()
        yield
        block.stop()
        try:
            record.setup_bytes = max(block.track.peak_bytes, 0)
        except PeaklineError:
            pass

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        record: Optional[Record] = item.stash.get(_key, None)  # type: ignore[arg-type]
        if record is None or not self._engine.begin():
            yield
            return
        memory = record.limits.memory
        record.block = Block(memory is not None and memory.this_thread, with_children=True)
        record.block.start()
        yield
        record.block.stop()
        record.ended = True
        self._tell(item, record)

    def _tell(self, item: pytest.Item, record: Record) -> None:
        """The properties, before the report is made of them. A rerun replaces them."""
        try:
            assert record.block is not None
            track = record.block.track
            record.peak = max(track.peak_bytes, record.block.tree_peak or 0, 0)
            values = (record.peak, max(track.peak_blocks, 0), record.setup_bytes)
        except PeaklineError as error:
            self._notes.append(f"{item.nodeid} was not measured: {error}")
            record.ended = False
            return
        item.user_properties[:] = [pair for pair in item.user_properties if pair[0] not in _PROPERTIES]
        item.user_properties += [
            (name, value) for name, value in zip(_PROPERTIES, values) if value is not None
        ]

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, None]:
        outcome = yield
        record: Optional[Record] = item.stash.get(_key, None)  # type: ignore[arg-type]
        if call.when != "call" or record is None or not record.ended:
            return  # or the report of a subtest: the test still runs
        report = outcome.get_result()
        try:
            self._finish(item, record, report)
        except PeaklineError as error:
            self._notes.append(f"{item.nodeid}: its limits were not checked: {error}")
        # Items live to the end of the session. Without this line all their blocks would, and be written then: 1.5 ms each.
        record.block = None

    # -- after a test ------------------------------------------------------------------------

    def _finish(self, item: pytest.Item, record: Record, report: pytest.TestReport) -> None:
        assert record.block is not None
        track = record.block.track
        peak = record.peak
        report.peakline = {  # type: ignore[attr-defined]
            "peak": peak,
            "blocks": max(track.peak_blocks, 0),
            "setup": record.setup_bytes,
            "children": peak - max(track.peak_bytes, 0),
        }
        strict_pass = report.failed and str(report.longrepr).startswith("[XPASS(strict)]")
        if report.passed or strict_pass:
            problem = self._check(item, record, peak)
            if problem is not None:
                _fail(report, problem, strict_pass)
        self._keep(item, peak, record.block)

    def _check(self, item: pytest.Item, record: Record, peak: int) -> Optional[Problem]:
        assert record.block is not None
        limits, options = record.limits, self._options
        common = (record.block, str(item.path), self._root)
        problem = None
        if limits.memory is not None:
            own = item.get_closest_marker("limit_memory") is not None
            name = "limit_memory" if own else "peakline_limit"
            problem = check_memory(limits.memory, name, peak, *common)
        if problem is None and limits.leaks is not None:
            problem = check_leaks(limits.leaks, *common)
        if problem is None and options.increase is not None:
            peaks = self._baseline.get(item.nodeid)
            problem = check_increase(options.increase, options.noise, peaks, peak, *common)
        return problem

    def _keep(self, item: pytest.Item, peak: int, block: Block) -> None:
        """The blocks with the highest peaks are kept; their lines are found out at the end, not now."""
        if not self._options.summary:
            return
        self._largest = [entry for entry in self._largest if entry[2] != item.nodeid]  # a rerun
        heapq.heapify(self._largest)
        self._count += 1
        heapq.heappush(self._largest, (peak, -self._count, item.nodeid, str(item.path), block))
        if self._options.most and len(self._largest) > self._options.most:
            heapq.heappop(self._largest)

    # -- the end -----------------------------------------------------------------------------

    def _find_all_lines(self) -> Dict[str, Any]:
        lines: Dict[str, Any] = {}
        for _, _, name, path, block in self._largest:
            try:
                lines[name] = find_lines(block.track.profile(), path)
            except PeaklineError as error:
                self._notes.append(f"the lines of {name} are not known: {error}")
        return lines

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        lines = self._find_all_lines()
        self._largest.clear()
        if self._engine.why is not None:
            self._notes.append(f"nothing was measured: {self._engine.why}")
        if self._unchecked:
            count = "1 test" if self._unchecked == 1 else f"{self._unchecked} tests"
            self._notes.append(f"the limits of {count} were not checked")
        self._engine.end()
        result = {"lines": lines, "notes": self._notes}
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput["peakline"] = result
        else:
            summary = self._config.pluginmanager.get_plugin("peakline-summary")
            if summary is not None:
                summary.add_result(result)


def _fail(report: pytest.TestReport, problem: Problem, strict_pass: bool) -> None:
    if hasattr(report, "wasxfail") or strict_pass:  # it was expected to fail, and did
        if strict_pass:
            report.wasxfail = str(report.longrepr)[len("[XPASS(strict)]") :].strip()  # type: ignore[attr-defined]
        report.outcome = "skipped"
        report.longrepr = problem.sentence
        return
    report.outcome = "failed"
    report.longrepr = problem.text()
    report.peakline["problem"] = problem.sentence  # type: ignore[attr-defined]
