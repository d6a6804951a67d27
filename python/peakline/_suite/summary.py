# SPDX-License-Identifier: Apache-2.0
"""What the user reads at the end, and the saved baseline. Runs where pytest prints: with pytest-xdist that is not where
the tests run."""

from typing import Any, Dict, List, Optional, Tuple

import pytest

from .baseline import save_baseline
from .lines import Row, format_rows
from .options import Options
from .sizes import format_size

LINES = 3  # of each test


class Summary:
    def __init__(self, config: pytest.Config, options: Options) -> None:
        self._config = config
        self._options = options
        self._tests: Dict[str, Dict[str, Any]] = {}
        self._passed: Dict[str, int] = {}
        self._lines: Dict[str, List[Row]] = {}
        self._notes: List[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "peakline", None)
        if data is None or report.when != "call":
            return
        self._tests[report.nodeid] = data
        if report.passed:
            self._passed[report.nodeid] = data["peak"]
        else:
            self._passed.pop(report.nodeid, None)

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> Optional[Tuple[str, str, str]]:
        data = getattr(report, "peakline", None)
        if data is not None and "problem" in data and report.failed:
            return "failed", "M", "FAILED (memory)"
        return None

    def add_result(self, result: Dict[str, Any]) -> None:
        """From the process that ran tests."""
        self._lines.update(result["lines"])
        for note in result["notes"]:
            if note not in self._notes:
                self._notes.append(note)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        result = getattr(node, "workeroutput", {}).get("peakline")
        if result is not None:
            self.add_result(result)

    def pytest_sessionfinish(self) -> None:
        if self._options.save and self._passed:
            why = save_baseline(self._options.baseline, self._passed)
            self._notes.append(
                why or f"the peaks of {len(self._passed)} tests were added to {self._options.baseline}"
            )

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self._notes and not (self._options.summary and self._tests):
            return
        terminalreporter.write_sep("=", "peak memory (Peakline)")
        for note in self._notes:
            terminalreporter.write_line(f"peakline: {note}", yellow=True)
        if self._options.summary:
            for line in self._table():
                terminalreporter.write_line(line)

    def _table(self) -> List[str]:
        names = sorted(self._tests, key=lambda name: -self._tests[name]["peak"])
        shown = names[: self._options.most or None]
        lines = []
        for name in shown:
            test = self._tests[name]
            fixtures = f", fixtures {format_size(test['setup'])}" if test["setup"] else ""
            children = f", children {format_size(test['children'])}" if test["children"] > 0 else ""
            lines.append(
                f"{format_size(test['peak']):>9}  {name}  ({test['blocks']:,} blocks{children}{fixtures})"
            )
            rows = self._lines.get(name, [])
            lines += format_rows(rows, str(self._config.rootpath), LINES, " " * 9)
        if len(shown) < len(names):
            lines.append(f"{len(shown)} of {len(names)} tests; --peakline-most 0 shows all")
        return lines
