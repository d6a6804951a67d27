# SPDX-License-Identifier: Apache-2.0
"""For all Python tests: the same signals wherever they are started from, and the modules of tools/."""

import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))  # last: tests/e2e has a pythons.py too


def pytest_configure(config):
    # A shell that starts us in the background has SIGINT ignored, and every program we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
