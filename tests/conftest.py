# SPDX-License-Identifier: Apache-2.0
"""For all Python tests: the same signals wherever they are started from."""

import signal


def pytest_configure(config):
    # A shell that starts us in the background has SIGINT ignored, and every program we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
