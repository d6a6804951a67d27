# SPDX-License-Identifier: Apache-2.0
"""The plugin's options, from the command line first, then from the configuration file."""

import os
from dataclasses import dataclass
from typing import Optional

import pytest

from .sizes import parse_size

DEFAULT_MOST = 5
DEFAULT_BASELINE = ".peakline-baseline.json"
DEFAULT_NOISE = 64 << 10  # caches of the interpreter and of pytest, filled by whichever test comes first


@dataclass(frozen=True)
class Increase:
    """How far above the baseline a peak may be: a part of it, or bytes."""

    text: str
    part: float
    size: int

    def allowed(self, base: int, noise: int) -> int:
        return base + max(int(base * self.part), self.size, noise)


@dataclass(frozen=True)
class Options:
    every: bool  # all tests are measured, not just those with a marker
    summary: bool
    most: int
    limit: Optional[int]
    limit_text: str
    increase: Optional[Increase]
    baseline: str
    save: bool
    noise: int


def _value(config: pytest.Config, name: str) -> str:
    given = getattr(config.option, name)
    return given if given is not None else str(config.getini(name))


def _read_most(text: str) -> int:
    if not text:
        return DEFAULT_MOST
    if not text.isdecimal():
        raise pytest.UsageError(
            f"--peakline-most {text}: it is the number of tests to show, 0 for all"
        )
    return int(text)


def _read_size(name: str, text: str) -> Optional[int]:
    if not text:
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise pytest.UsageError(f"{name}: {error}") from None


def _read_increase(text: str) -> Optional[Increase]:
    if not text:
        return None
    try:
        if text.rstrip().endswith("%"):
            part = float(text.rstrip()[:-1]) / 100
            if not 0 <= part < 1e6:
                raise ValueError
            return Increase(text, part, 0)
        return Increase(text, 0.0, parse_size(text))
    except ValueError:
        raise pytest.UsageError(
            f'--peakline-fail-on-increase {text}: write it as "10%" or "5 MB"'
        ) from None


def read_options(config: pytest.Config, every: bool) -> Options:
    """UsageError for what cannot be read."""
    baseline = config.option.peakline_baseline
    if baseline is not None:
        baseline = os.path.join(str(config.invocation_params.dir), baseline)
    else:
        baseline = os.path.join(
            str(config.rootpath), str(config.getini("peakline_baseline")) or DEFAULT_BASELINE
        )
    # Workers of pytest-xdist are given the options, and may run in another directory.
    config.option.peakline_baseline = baseline
    limit_text = _value(config, "peakline_limit")
    noise = _read_size("peakline_noise", str(config.getini("peakline_noise")))
    return Options(
        every=every,
        summary=bool(config.option.peakline or config.getini("peakline")),
        most=_read_most(_value(config, "peakline_most")),
        limit=_read_size("--peakline-limit", limit_text),
        limit_text=limit_text,
        increase=_read_increase(_value(config, "peakline_fail_on_increase")),
        baseline=baseline,
        save=bool(config.option.peakline_save_baseline),
        noise=DEFAULT_NOISE if noise is None else noise,
    )
