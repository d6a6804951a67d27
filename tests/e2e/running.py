# SPDX-License-Identifier: Apache-2.0
"""Running a command to its end, for tests."""

import subprocess
from pathlib import Path
from typing import NamedTuple, Optional

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT = 120  # seconds; nothing here takes more than a few


class Run(NamedTuple):
    """A finished process. `result` is the result directory (missing, if Peakline refused)."""

    returncode: int
    stdout: str
    stderr: str
    result: Optional[Path]


def run_command(words, **options) -> Run:
    """Run any command to its end."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=False,
        **options,
    )
    return Run(done.returncode, done.stdout, done.stderr, None)


def wait_for_end(pid: int) -> None:
    """Until a process that may not be ours is gone, or a zombie that nobody collects: its memory has been given back."""
    while True:
        try:
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return
        except (FileNotFoundError, ProcessLookupError):
            return


def find_witness(pid: int) -> int:
    """The process of ours beside the program that the supervisor `pid` started: waits until it has its name."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    while True:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == "signal-witness\n":
                return int(child)
