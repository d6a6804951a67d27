# SPDX-License-Identifier: Apache-2.0
"""Point an ELF program at another loader and library folder, changing nothing else in it.

Tools that rewrite programs move whole sections and get some non-PIE programs wrong. Here nothing moves:

    the loader's path   is appended to the file, and PT_INTERP says where (the kernel reads it from the file);
    the library folder  must be short: it takes the place of the old loader path, which is mapped, and the first
                        spare entry of the dynamic section becomes a DT_RPATH that names it.

64-bit little-endian only. Standard library only, Python 3.8+.
"""

import struct

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_STRTAB, DT_RPATH, DT_RUNPATH = 0, 5, 15, 29
SEGMENT = struct.Struct("<IIQQQQQQ")  # type, flags, offset, vaddr, paddr, filesz, memsz, align
ENTRY = struct.Struct("<QQ")


class ElfError(ValueError):
    """The file is not a program of the kind this can change."""


def point_program(path, loader, folder):
    """Make `path` start under `loader` and look for its libraries in `folder` first ($ORIGIN is allowed in it)."""
    with open(path, "rb") as file:
        image = bytearray(file.read())
    if image[:6] != b"\x7fELF\x02\x01":
        raise ElfError("%s is not a 64-bit little-endian ELF program" % path)
    (table,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    places = [table + index * size for index in range(count)]
    kinds = {SEGMENT.unpack_from(image, place)[0]: place for place in places}
    if PT_INTERP not in kinds or PT_DYNAMIC not in kinds:
        raise ElfError("%s is a static program" % path)

    interp = list(SEGMENT.unpack_from(image, kinds[PT_INTERP]))
    offset, address, room = interp[2], interp[3], interp[5]
    text = folder.encode() + b"\0"
    name = b"ld.so\0"  # what the loader calls itself in its list of libraries
    if len(text + name) > room:
        raise ElfError("%r does not fit into %d bytes" % (folder, room))
    image[offset : offset + room] = (text + name).ljust(room, b"\0")
    add_dynamic_entry(image, SEGMENT.unpack_from(image, kinds[PT_DYNAMIC]), address, path)

    interp[2], interp[5] = len(image), len(loader.encode()) + 1
    interp[3] = interp[4] = address + len(text)
    interp[6] = len(name)
    image += loader.encode() + b"\0"
    SEGMENT.pack_into(image, kinds[PT_INTERP], *interp)
    with open(path, "wb") as file:
        file.write(image)


def add_dynamic_entry(image, dynamic, text_address, path):
    """Turn the first spare entry of the dynamic section into a DT_RPATH for the text at `text_address`."""
    offset, size = dynamic[2], dynamic[5]
    strings = None
    for place in range(offset, offset + size - 2 * ENTRY.size + 1, ENTRY.size):
        tag, value = ENTRY.unpack_from(image, place)
        if tag == DT_STRTAB:
            strings = value
        elif tag in (DT_RPATH, DT_RUNPATH):
            raise ElfError("%s has a library path already" % path)
        elif tag == DT_NULL and strings is not None:
            # relative to the string table, which comes later in memory: wraps around on purpose
            ENTRY.pack_into(image, place, DT_RPATH, (text_address - strings) % 2**64)
            return
    raise ElfError("%s has no spare dynamic entry" % path)
