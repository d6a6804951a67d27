# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, each told in one sentence. Nothing here is ever raised into a measured block: a block that could
not be measured runs as ever, and says why when its numbers are asked for."""


class PeaklineError(Exception):
    """The base of all of them."""


class NotMeasuringError(PeaklineError):
    """Something was asked that only a running measurement knows, or stop() came without start()."""


class UnsupportedError(PeaklineError):
    """This interpreter cannot be measured from inside; the sentence says why."""


class ForkedError(PeaklineError):
    """A block began in one process and was asked about in a child forked meanwhile."""


class ProgramError(PeaklineError):
    """The `peakline` program is missing, or refused what it was asked; the sentence is its own."""
