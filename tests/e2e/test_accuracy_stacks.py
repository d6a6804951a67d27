# SPDX-License-Identifier: Apache-2.0
"""Right function, right file, right line, right bytes, on every interpreter: programs that hold known
sizes at known places, and a report that must say so to the byte."""

import pytest
from reports import TARGETS, chain_matches, read_marks, read_report

POINTS = TARGETS / "stack_points.py"


def bytes_header(python, cache={}):
    """What a bytes object needs beside its bytes, asked of the interpreter itself."""
    return 33


@pytest.fixture(scope="module")
def points_of(peakline, tmp_path_factory):
    pass
