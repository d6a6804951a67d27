# SPDX-License-Identifier: Apache-2.0
"""The baseline: the peaks of earlier runs, test by test, in a JSON file that is kept with the code.

    {"format": 1, "python": "3.11", "tests": {"tests/test_a.py::test_b": [1048576, 1049000]}}

The last RUNS peaks of each test are kept, so the file knows how much they vary."""

import json
import os
import sys
from typing import Any, Dict, List, Optional, Tuple

from .sizes import MOST

FORMAT = 1
RUNS = 5

Tests = Dict[str, List[int]]


def this_python() -> str:
    return "%d.%d" % sys.version_info[:2]


def _check(data: Any, path: str) -> Optional[str]:
    """Why this is no baseline that can be used."""
    if not isinstance(data, dict) or "format" not in data:
        return f"{path} is no baseline of Peakline"
    if data["format"] != FORMAT:
        return (
            f"the baseline {path} has format {data['format']!r} and this version of Peakline reads format "
            f"{FORMAT}; make it again with --peakline-save-baseline"
        )
    tests = data.get("tests")
    good = isinstance(tests, dict) and all(
        isinstance(peaks, list) and peaks and all(type(peak) is int and 0 <= peak < MOST for peak in peaks)
        for peaks in tests.values()
    )
    return None if good else f"the baseline {path} is damaged"


def read_baseline(path: str) -> Tuple[Tests, Optional[str]]:
    """The tests, and a sentence if there is something to say."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except FileNotFoundError:
        return {}, f"there is no baseline {path}; make one with --peakline-save-baseline"
    except OSError as error:
        return {}, f"the baseline {path} cannot be read: {error.strerror}"
    except (ValueError, RecursionError):  # the second: nested without end
        return {}, f"{path} is no baseline of Peakline"
    why = _check(data, path)
    if why is not None:
        return {}, why
    if data.get("python") != this_python():
        return data["tests"], (
            f"the baseline {path} was made with Python {data.get('python')} and this is {this_python()}, "
            "whose objects may be of other sizes"
        )
    return data["tests"], None


def save_baseline(path: str, peaks: Dict[str, int]) -> Optional[str]:
    """Adds one run. Tests that did not run stay. A sentence if it could not be written."""
    tests: Tests = {}
    if os.path.exists(path):
        tests, why = read_baseline(path)
        if why is not None:
            tests = {}  # of another version: a new one begins
    for name, peak in peaks.items():
        tests[name] = [*tests.get(name, []), peak][-RUNS:]
    data = {"format": FORMAT, "python": this_python(), "tests": tests}
    new = f"{path}.new"
    try:
        with open(new, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1, sort_keys=True)
            file.write("\n")
        os.replace(new, path)
    except OSError as error:
        return f"the baseline {path} cannot be written: {error.strerror}"
    return None
