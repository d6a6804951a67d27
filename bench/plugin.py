# SPDX-License-Identifier: Apache-2.0
"""What the pytest plugin costs: a suite of TESTS empty tests, without the plugin, with it off, and measuring.

    .venv/bin/python bench/plugin.py [--tests 1000] [--runs 5]

Prints the medians of processor time, and what they are a test."""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PLUGIN = ["-p", "peakline.pytest_plugin"]
WAYS = {
    "without the plugin": [],
    "off": PLUGIN,
    "--peakline": [*PLUGIN, "--peakline"],
    "--peakline-limit": [*PLUGIN, "--peakline-limit", "1 GB"],
}


def run(folder: str, words: list) -> float:
    environment = dict(
        os.environ,
        PYTHONPATH=str(REPOSITORY / "python"),
        PEAKLINE_PROGRAM=os.environ.get("PEAKLINE", str(REPOSITORY / "build/src/cli/peakline")),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="1",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words, folder]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = "\n".join(f"def test_{n}():\n    assert sum([{n}, 1]) > 0\n" for n in range(options.tests))
        (Path(folder) / "test_empty.py").write_text(source)
        times = {name: [] for name in WAYS}
        for _ in range(options.runs):
            for name, words in WAYS.items():  # in turn, so that a busy machine is unfair to none
                times[name].append(run(folder, words))
    plain = statistics.median(times["without the plugin"])
    print(f"{options.tests} tests, {options.runs} runs, CPython {sys.version.split()[0]}")
    for name in WAYS:
        median = statistics.median(times[name])
        each = (median - plain) / options.tests * 1000
        print(f"{name:20} {median:7.2f} s  {median / plain:5.2f}  {each:+7.3f} ms a test")


if __name__ == "__main__":
    main()
