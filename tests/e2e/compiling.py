# SPDX-License-Identifier: Apache-2.0
"""Compiling the C programs of tests/runtime, for tests that run them."""

from pathlib import Path

from running import REPOSITORY, run_command

SOURCES = REPOSITORY / "tests" / "runtime"


class Compiler:
    """Compiles the sources of tests/runtime into one folder, each product once."""

    def __init__(self, cc: str, folder: Path):
        self.cc = cc
        self.folder = folder

    def _compile(self, target: str, source: str, *options) -> Path:
        path = self.folder / target
        if not path.exists():
            words = [self.cc, "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-w", "-pthread"]
            words += ["-I", REPOSITORY / "src"]
            done = run_command([*words, "-o", path, SOURCES / source, *options])
            assert done.returncode == 0, done.stderr
        return path

    def library(self, name: str, *options, target=None) -> Path:
        # -fno-builtin: a compiler may leave out a malloc that is freed at once
        return self._compile(
            target or f"lib{name}.so", f"{name}.c", "-fPIC", "-shared", "-fno-builtin", *options
        )

    def program(self, name: str, *options, target=None) -> Path:
        return self._compile(target or name, f"{name}.c", "-rdynamic", "-fno-builtin", "-ldl", *options)

    def storms(self) -> Path:
        self.library("early")
        return self.program("storms", f"-L{self.folder}", f"-Wl,-rpath,{self.folder}", "-learly")
