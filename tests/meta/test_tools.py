# SPDX-License-Identifier: Apache-2.0
"""The tools behind `make pythons`: a program pointed at another loader still runs, and finds its libraries there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import debian
import elf
import emulate
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

ANSWER = "int answer(void) { return %d; }\n"
ASK = '#include <stdio.h>\nint answer(void);\nint main(void) { printf("%d\\n", answer()); return 0; }\n'


def compile_c(folder, output, text, *words):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    source = folder / (output + ".c")
    source.write_text(text)
    subprocess.run([compiler, source, "-o", folder / output, *words], check=True)
    return folder / output


def output_of(program):
    return subprocess.run([program], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


@pytest.fixture
def loader():
    """The loader that programs of this machine name."""
    command = ["readelf", "-lW", os.path.realpath(sys.executable)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return re.search(r"interpreter: (\S+)\]", done.stdout).group(1)


@pytest.mark.parametrize("kind", ["-pie", "-no-pie"])
def test_a_program_follows_its_new_loader_and_libraries(tmp_path, loader, kind):
    (tmp_path / "bin").mkdir()
    for folder, number in (("old", 1), ("lib", 2)):
        (tmp_path / folder).mkdir()
        compile_c(tmp_path / folder, "libanswer.so", ANSWER % number, "-shared", "-fPIC")
    program = compile_c(tmp_path / "bin", "ask", ASK, kind, "-L" + str(tmp_path / "old"), "-lanswer")
    own_loader = tmp_path / "lib" / "a-loader-with-a-long-name.so"
    shutil.copy(loader, own_loader)

    elf.point_program(str(program), str(own_loader), "$ORIGIN/../lib")

    assert output_of(program) == "2"
    own_loader.unlink()
    with pytest.raises(FileNotFoundError):  # the kernel looks for the loader that we named, and for no other
        output_of(program)


def test_what_cannot_be_pointed_is_left_alone(tmp_path, loader):
    program = compile_c(tmp_path, "plain", "int main(void) { return 0; }\n", "-Wl,-rpath,/somewhere")
    before = program.read_bytes()
    with pytest.raises(elf.ElfError, match="library path already"):
        elf.point_program(str(program), loader, "$ORIGIN")
    with pytest.raises(elf.ElfError, match="does not fit"):
        elf.point_program(str(program), loader, "$ORIGIN/" + 50 * "x")
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(elf.ElfError, match="not a 64-bit"):
        elf.point_program(str(script), loader, "$ORIGIN")
    assert program.read_bytes() == before


def test_a_build_for_musl_stops_with_one_sentence(tmp_path):
    meson = shutil.which("meson", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
    if shutil.which("musl-gcc") is None or meson is None:
        pytest.skip("musl-gcc (Debian's package musl-tools) or meson is not on this machine")
    done = subprocess.run([meson, "setup", tmp_path / "build"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "CC": "musl-gcc"})
    assert done.returncode == 1
    (sentence,) = [line for line in done.stdout.splitlines() if "ERROR" in line]
    assert re.search(r"Peakline runs on glibc only .*musl.*: on Alpine .* container of a distribution with glibc\.$", sentence)


def test_programs_of_another_machine_are_known_by_their_head():
    """As the kernel reads the rule: the bytes of the head, where the mask has ones, are those of the rule."""
    parts = emulate.rule("aarch64", "/usr/bin/qemu").split(":")
    head, mask = (bytes.fromhex(part.replace("\\x", "")) for part in parts[4:6])

    def is_taken(kind, machine):
        program = b"\x7fELF\x02\x01\x01\x00" + bytes(8) + bytes([kind, 0, machine, 0])
        return bytes(one & two for one, two in zip(program, mask)) == bytes(one & two for one, two in zip(head, mask))

    assert len(head) == len(mask) == 20
    assert [is_taken(kind, 0xB7) for kind in (1, 2, 3)] == [False, True, True]  # an object, a fixed and a movable program
    assert not is_taken(3, 0x3E)  # x86-64


def test_versions_are_ordered_by_number():
    versions = ["3.14.10-1", "3.14.9-1", "3.14.9-2"]
    assert sorted(versions, key=debian.natural_key) == ["3.14.9-1", "3.14.9-2", "3.14.10-1"]


def test_a_name_that_is_not_wanted_is_refused():
    command = [sys.executable, REPOSITORY / "tools" / "pythons.py", "2.7"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert "unknown name 2.7; known: 3.8 " in done.stderr
