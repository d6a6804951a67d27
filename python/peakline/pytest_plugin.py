# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: options, markers, and the decision whether anything is to be measured.

Loaded by every pytest of an environment that has Peakline, so it imports nothing and hooks into no test until a test
has a limit or an option asks. All else is in _suite/."""

from typing import TYPE_CHECKING, List, Optional

import pytest

if TYPE_CHECKING:
    from ._suite.options import Options

MARKERS = (
    "limit_memory(limit, current_thread_only=False): the test fails if it holds this much memory or more at its peak, "
    'as in limit_memory("24 MB")',
    "limit_leaks(limit, filter_fn=None, current_thread_only=False): the test fails if what one call stack allocated in "
    "it and did not free is more than this",
)
LIMITS = ("limit_memory", "limit_leaks")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("peakline", "peak memory of tests (Peakline)")
    group.addoption(
        "--peakline",
        action="store_true",
        default=False,
        help="measure the peak memory of every test; the highest are shown at the end",
    )
    group.addoption(
        "--peakline-most",
        metavar="N",
        help="show the N tests with the highest peaks (default 5; 0: all)",
    )
    group.addoption(
        "--peakline-limit",
        metavar="SIZE",
        help='limit_memory of every test without that marker, for instance "512 MB"',
    )
    group.addoption(
        "--peakline-fail-on-increase",
        metavar="HOW_MUCH",
        help='fail tests whose peak is above the baseline by more than this, "10%%" or "5 MB"',
    )
    group.addoption(
        "--peakline-baseline",
        metavar="FILE",
        help="the baseline (default .peakline-baseline.json beside the configuration file)",
    )
    group.addoption(
        "--peakline-save-baseline",
        action="store_true",
        default=False,
        help="add the peaks of this run to the baseline; three runs tell how much they vary",
    )
    parser.addini("peakline", "as --peakline", type="bool", default=False)
    parser.addini("peakline_most", "as --peakline-most", default="")
    parser.addini("peakline_limit", "as --peakline-limit", default="")
    parser.addini("peakline_fail_on_increase", "as --peakline-fail-on-increase", default="")
    parser.addini("peakline_baseline", "as --peakline-baseline", default="")
    parser.addini(
        "peakline_noise",
        "an increase up to this size never fails a test (default 64 KiB)",
        default="",
    )


def _asks(config: pytest.Config) -> bool:
    """Does an option or the configuration file ask for every test to be measured?"""
    return bool(
        config.option.peakline
        or config.option.peakline_limit
        or config.option.peakline_fail_on_increase
        or config.option.peakline_save_baseline
        or config.getini("peakline")
        or config.getini("peakline_limit")
        or config.getini("peakline_fail_on_increase")
    )


def _options(config: pytest.Config, every: bool) -> "Options":
    from ._suite.options import read_options

    return read_options(config, every)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _has_workers(config: pytest.Config) -> bool:
    """Is this the process that gives tests to pytest-xdist's workers and runs none?"""
    return not _is_worker(config) and bool(
        getattr(config.option, "tx", None) or getattr(config.option, "numprocesses", None)
    )


def _collect(config: pytest.Config, every: bool) -> None:
    if not config.pluginmanager.hasplugin("peakline-summary"):
        from ._suite.summary import Summary

        config.pluginmanager.register(Summary(config, _options(config, every)), "peakline-summary")


def _measure(config: pytest.Config, every: bool) -> None:
    from ._suite.session import Session

    if not _is_worker(config):
        _collect(config, every)
    config.pluginmanager.register(Session(config, _options(config, every)), "peakline-session")


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    every = _asks(config)
    if _has_workers(config):
        _collect(config, every)  # only the workers know of markers
    elif every:
        _measure(config, True)


def _has_limit(item: pytest.Item) -> bool:
    return any(name in item.keywords for name in LIMITS)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    manager = config.pluginmanager
    session: Optional[object] = manager.get_plugin("peakline-session")
    if session is None and manager.hasplugin("memray_manager"):
        return  # pytest-memray is there and checks the same markers
    limited = [item for item in items if _has_limit(item)]
    if session is None and limited:
        _measure(config, False)
    session = manager.get_plugin("peakline-session")
    if session is not None:
        session.check_markers(limited)  # type: ignore[attr-defined]
