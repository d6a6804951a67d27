# SPDX-License-Identifier: Apache-2.0
"""Peakline: which lines of a Python program hold its memory when it is highest.

See `peakline --help`."""

__version__ = "0.1.0"
