# SPDX-License-Identifier: Apache-2.0
"""Memory by every route there is, one a line: LIBRARY is made of tests/runtime/routes.*, which says
what each leaves. The mark is what the line must hold at the peak. Arguments: C library, a file to
map, then the libraries of other languages."""

import ctypes
import sys

X = b"x"
PAGE = 4096

c = ctypes.CDLL(sys.argv[1])
path = sys.argv[2].encode()
others = [ctypes.CDLL(name) for name in sys.argv[3:]]


class Nothing:
    def __getattr__(self, name):
        return lambda size: None


def find(name):
    return next((each for each in others if hasattr(each, name)), Nothing())


cxx = find("by_new")
fortran = find("by_fortran")
rust = find("by_rust")


def prepare():
    """Looks every function up, so that the lines below make nothing of Python's."""
    for library in (c, *others):
        with open(__file__) as source:
            words = source.read().replace("(", " ").replace(".", " ").split()
        for word in words:
            if word.startswith("by_") and hasattr(library, word):
                getattr(library, word).argtypes = [ctypes.c_size_t]
                getattr(library, word).restype = None
    c.by_file.argtypes = [ctypes.c_size_t, ctypes.c_char_p]
    c.room_of_getline.restype = ctypes.c_size_t


prepare()


def blocks():
    c.by_malloc(100_003)  #: 100003 bytes, 1 block
    c.by_malloc(24)  #: 24 bytes, 1 block
    c.by_malloc(3_000_017)  #: 3000017 bytes, 1 block
    c.by_calloc(700_007)  #: 700007 bytes, 1 block
    c.by_realloc_of_null(100_019)  #: 100019 bytes, 1 block
    c.by_reallocarray(300_003)  #: 300003 bytes, 1 block
    c.by_posix_memalign(100_043)  #: 100043 bytes, 1 block
    c.by_aligned_alloc(100_096)  #: 100096 bytes, 1 block
    c.by_memalign(100_049)  #: 100049 bytes, 1 block
    c.by_valloc(100_057)  #: 100057 bytes, 1 block
    c.by_pvalloc(100_069)  #: 100069 bytes, 1 block
    c.by_strdup(100_103)  #: 100103 bytes, 1 block
    c.by_getline(1_009)  #: 0 bytes, 1 block, and what getline says
    c.by_free(100_109)  #: 0 bytes, 0 blocks
    c.by_nothing(0)  #: 0 bytes, 3 blocks
    c.by_growing(200_003)  #: 200003 bytes, 1 block
    c.by_growing(600)  #: 600 bytes, 1 block
    c.by_shrinking(200_009)  #: 200009 bytes, 1 block
    c.by_failing_resize(100_129)  #: 100129 bytes, 1 block


def maps():
    c.by_mmap(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_mmap64(32 * PAGE)  #: 131072 bytes, 1 block
    c.by_odd_mmap(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_memfd(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_shm_open(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_dev_zero(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_shared_anonymous(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_fixed_over(16 * PAGE)  #: 65536 bytes, 2 blocks
    c.by_partial_unmap(16 * PAGE)  #: 65536 bytes, 0 blocks
    c.by_hole(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_unmap_of_two(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_mremap_grow(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_mremap_shrink(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_mremap_move(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_mremap_failing(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_mprotect(16 * PAGE)  #: 65536 bytes, 0 blocks
    c.by_mprotect_back(16 * PAGE)  #: 65536 bytes, 0 blocks
    c.by_read_only(16 * PAGE)  #: 65536 bytes, 1 block
    c.by_reserving(4096 * PAGE)  #: 0 bytes, 0 blocks
    c.by_noreserve(8192 * PAGE)  #: 0 bytes, 0 blocks
    c.by_file(8192 * PAGE, path)  #: 0 bytes, 0 blocks
    c.by_bad_calls(16 * PAGE)  #: 65536 bytes, 1 block


def other_languages():
    cxx.by_new(100_151)  #: 100151 bytes, 1 block
    cxx.by_new_array(100_153)  #: 100153 bytes, 1 block
    cxx.by_new_aligned(100_224)  #: 100224 bytes, 1 block
    cxx.by_new_nothrow(100_169)  #: 100169 bytes, 1 block
    cxx.by_vector(100_183)  #: 100183 bytes, 1 block
    cxx.by_string(100_189)  #: 100189 bytes, 1 block
    cxx.by_deleting(100_193)  #: 0 bytes, 0 blocks
    fortran.by_fortran(800_008)  #: 800008 bytes, 1 block
    rust.by_rust(100_207)  #: 100207 bytes, 1 block
    rust.by_rust_boxed(100_213)  #: 100213 bytes, 1 block


blocks()
maps()
other_languages()
kept = X * 30_000_001
print(c.room_of_getline())
