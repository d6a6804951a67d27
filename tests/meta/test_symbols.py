# SPDX-License-Identifier: Apache-2.0
"""What libpeakline.so shows to a stranger's process: these functions and no others, libc alone, little static TLS."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

EXPORTS = set(
    """malloc calloc realloc reallocarray free posix_memalign aligned_alloc memalign valloc pvalloc free_sized
    free_aligned_sized mmap mmap64 munmap mremap mprotect pthread_create dlopen
    execve execv execvp execvpe execl execlp execle fexecve execveat posix_spawn posix_spawnp system popen
    _exit _Exit quick_exit _Fork setuid seteuid setreuid setresuid chroot
    peakline_start peakline_stop peakline_state peakline_ledger_path peakline_numbers peakline_count_threads
    peakline_block_begin peakline_block_read peakline_block_write peakline_block_free
    peakline_block_write_kept peakline_block_gained peakline_thread_restart peakline_tree_mark
    peakline_tree_unmark""".split()
)

# glibc before 2.34 kept these two apart.
LIBRARIES = {"libc.so.6", "libdl.so.2", "libpthread.so.0"}

# What may allocate, take stdio's locks, or read the locale: not inside an allocation.
FORBIDDEN = re.compile(
    r"_*(v?s?n?f?d?printf(_chk)?|v?asprintf(_chk)?|fopen(64)?|fdopen|fclose|fread|fwrite|f?puts|fputc|putchar|"
    r"getline|getdelim|perror|strerror|strsignal|strn?dup|qsort|opendir|readdir|glob|setlocale|getaddrinfo|system|"
    r"popen|exit|atexit|sleep|usleep|nanosleep|std(in|out|err)|backtrace.*|Py.*)"
)
TLS_BYTES = 1024  # initial-exec TLS comes out of a reserve of about 1.6 KiB that all preloaded libraries share


def tool(*words):
    if shutil.which(words[0]) is None:
        pytest.skip(words[0] + " (binutils) is not on this machine")
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, check=True, text=True).stdout


def dynamic_symbols(library, kind):
    lines = tool("nm", "-D", "--" + kind, "--format=posix", library).splitlines()
    return {line.split()[0].split("@")[0] for line in lines}


def undefined_lines(library):
    return tool("nm", "-D", "--undefined-only", "--format=posix", library).splitlines()


def needed_libraries(library):
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", tool("readelf", "-dW", library)))


def tls_bytes(library):
    sizes = re.findall(r"^ +TLS +(?:\S+ +){4}(\S+)", tool("readelf", "-lW", library), re.M)
    return sum(int(size, 16) for size in sizes)


@pytest.fixture(scope="module")
def library():
    program = Path(os.environ.get("PEAKLINE") or REPOSITORY / "build" / "src" / "cli" / "peakline")
    path = program.parent.parent / "runtime" / "libpeakline.so"
    if not path.exists():
        pytest.fail(f"{path} is missing: build first (make build)")
    return path


def test_it_exports_what_it_hooks_and_nothing_else(library):
    assert dynamic_symbols(library, "defined-only") == EXPORTS


def test_it_needs_libc_alone(library):
    assert "libc.so.6" in needed_libraries(library)
    assert needed_libraries(library) <= LIBRARIES


def test_it_uses_nothing_that_allocates_or_prints(library):
    imports = dynamic_symbols(library, "undefined-only")
    assert imports
    # popen() itself (hooks_shell.c) makes and, when it fails, closes a stream; whether there is an interpreter is
    # told by two names of it that may be missing
    allowed = {"fclose", "PyMem_SetAllocator", "Py_GetVersion"}
    assert {name for name in imports if FORBIDDEN.fullmatch(name)} == allowed
    kinds = dict(line.split()[:2] for line in undefined_lines(library))
    assert kinds["PyMem_SetAllocator"] == kinds["Py_GetVersion"] == "w"


def test_its_thread_local_storage_is_small_and_bound_at_start(library):
    assert 0 < tls_bytes(library) <= TLS_BYTES
    assert "BIND_NOW" in tool("readelf", "-dW", library)


# In glibc all along; 2.33 and 2.34 only moved them or gave them a new version.
MOVED = re.compile(r"(__libc_start_main|dl\w+|(__)?pthread_\w+|sem_\w+|l?f?stat(64)?|fstatat(64)?|mknod)@GLIBC_2\.3[34]")


def newer_symbols(path, newest):
    """What is asked of a glibc newer than 2.`newest`, as name@version."""
    found = re.findall(r"\*UND\*.*\(?GLIBC_2\.(\d+)[\d.]*\)? +(\w+)$", tool("objdump", "-T", path), re.M)
    assert found
    return {f"{name}@GLIBC_2.{minor}" for minor, name in found if int(minor) > newest}


def test_no_newer_glibc_is_asked_for_than_wheels_promise(library):
    for path in (library, library.parent.parent / "cli" / "peakline"):
        assert {name for name in newer_symbols(path, 28) if not MOVED.fullmatch(name)} == set()


def test_a_newer_glibc_would_be_noticed(library):
    assert newer_symbols(library, 16) > newer_symbols(library, 28), "it uses some of 2.17 at least"


def test_a_library_that_breaks_these_rules_is_noticed(tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    source = tmp_path / "bad.c"
    source.write_text(
        "#include <stdio.h>\n#include <math.h>\n"
        "__thread char big[4096]; volatile double one = 1;\n"
        'int helper(void) { big[one > 0] = 1; return printf("%f", sin(one)); }\n'
    )
    bad = tmp_path / "bad.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O0", source, "-o", bad, "-Wl,--no-as-needed", "-lm"], check=True)
    assert "helper" in dynamic_symbols(bad, "defined-only") - EXPORTS
    assert "libm.so.6" in needed_libraries(bad) - LIBRARIES
    assert [name for name in dynamic_symbols(bad, "undefined-only") if FORBIDDEN.fullmatch(name)] == ["printf"]
    assert tls_bytes(bad) >= 4096
