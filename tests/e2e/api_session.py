# SPDX-License-Identifier: Apache-2.0
"""Running a program that uses the Python API: this tree's package and library, any interpreter."""

import os
import textwrap

from running import REPOSITORY, Run, run_command


def api_environment(peakline: str) -> dict:
    """The environment in which `import peakline` finds this tree's package, library and program."""
    environment = {key: value for key, value in os.environ.items() if key != "PEAKLINE_RUNTIME"}
    environment["PYTHONPATH"] = str(REPOSITORY / "python")
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    environment["PEAKLINE_PROGRAM"] = peakline
    return environment


def write_script(folder, code: str):
    """The code as a file of its own: each test is one program."""
    script = folder / "program.py"
    script.write_text(textwrap.dedent(code))
    return script


def run_script(python: str, peakline: str, folder, code: str, *words, **options) -> Run:
    script = write_script(folder, code)
    options.setdefault("cwd", folder)
    options.setdefault("env", api_environment(peakline))
    return run_command([python, "-X", "faulthandler", script, *words], **options)
