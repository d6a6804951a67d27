# SPDX-License-Identifier: Apache-2.0
"""Tests of the Python package's places: suites of tests that are run in a pytest of their own, and kernels. The package
is taken from the source tree, the program and its library from the build ($PEAKLINE, else build/)."""

import configparser
import os
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MIB = 1 << 20
# What pytest itself allocates around a test function: hooks' arguments, a report. Measured: 2 to 20 KB.
SLACK = 64 << 10


def find_program() -> str:
    path = os.environ.get("PEAKLINE") or str(REPOSITORY / "build" / "src" / "cli" / "peakline")
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is missing: build first", pytrace=False)
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """A directory for PYTHONPATH in which Peakline is as good as installed: the package and its entry points."""
    if sys.version_info >= (3, 11):
        import tomllib

        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
        points = project["entry-points"]["pytest11"]
    else:
        points = {"peakline": "peakline.pytest_plugin"}
    folder = tmp_path_factory.mktemp("installed")
    (folder / "peakline").symlink_to(REPOSITORY / "python" / "peakline")
    facts = folder / "peakline-0.1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: peakline\nVersion: 0.1.0\n")
    entries = configparser.ConfigParser()
    entries["pytest11"] = points
    with open(facts / "entry_points.txt", "w", encoding="utf-8") as file:
        entries.write(file)
    return folder


@pytest.fixture
def surroundings(installed, monkeypatch):
    workers = [name for name in os.environ if name.startswith("PYTEST_XDIST_")]
    for name in ("PYTHONWARNINGS", "PYTEST_ADDOPTS", "PEAKLINE_RUNTIME", "FORCE_COLOR", *workers):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(installed))
    monkeypatch.setenv("PEAKLINE_PROGRAM", find_program())
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")


def read_properties(path):
    """{test name: {property: number}} of a JUnit file."""
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        found[case.get("name")] = {
            each.get("name"): int(each.get("value")) for each in case.iter("property")
        }
    return found
