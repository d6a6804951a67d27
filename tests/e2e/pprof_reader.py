# SPDX-License-Identifier: Apache-2.0
"""Reads a pprof profile as its readers do: gzip, then protocol buffers by the field numbers of
profile.proto. Everything that `go tool pprof` checks on loading is asserted."""

import zlib
from typing import Dict, Iterator, List, NamedTuple, Tuple, Union

Frame = Tuple[str, str, int]  # function, file, line


class Profile(NamedTuple):
    types: List[Tuple[str, str]]  # name, unit
    default_type: str
    samples: List[Tuple[Tuple[Frame, ...], Dict[str, int]]]  # innermost frame first
    comments: List[str]
    program: str
    period: int
    duration_ns: int

    def total(self, name: str) -> int:
        return sum(values[name] for _, values in self.samples)


def _varint(data: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        assert shift <= 70
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[Tuple[int, Union[int, bytes]]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            size, at = _varint(data, at)
            assert at + size <= len(data)
            yield key >> 3, data[at : at + size]
            at += size


def _packed(data: bytes) -> List[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        assert value < 1 << 63
        values.append(value)
    return values


def _inflate(data: bytes) -> bytes:
    """One gzip member without a time stamp, and nothing behind it."""
    assert data[:4] == b"\x1f\x8b\x08\x00" and data[4:8] == b"\0\0\0\0"
    inflater = zlib.decompressobj(31)
    plain = inflater.decompress(data)
    assert inflater.eof and not inflater.unused_data
    return plain


def read(data: bytes) -> Profile:
    message: Dict[int, list] = {}
    for number, value in _fields(_inflate(data)):
        message.setdefault(number, []).append(value)
    strings = [text.decode("utf-8") for text in message[6]]
    assert strings[0] == ""

    def by_id(number: int) -> Dict[int, dict]:
        parsed = [dict(_fields(part)) for part in message[number]]
        assert all(each[1] > 0 for each in parsed), "ids begin at 1"
        assert len({each[1] for each in parsed}) == len(parsed), "ids are unique"
        return {each[1]: each for each in parsed}

    functions, locations, mappings = by_id(5), by_id(4), by_id(3)
    frames: Dict[int, Frame] = {}
    for number, location in locations.items():
        assert location[2] in mappings
        line = dict(_fields(location[4]))
        function = functions[line[1]]
        name = strings[function[2]]
        assert strings[function.get(3, 0)] != name, "go would take <module> for a template"
        frames[number] = (name, strings[function.get(4, 0)], line.get(2, 0))
    types = [dict(_fields(part)) for part in message[1]]
    names = [strings[each[1]] for each in types]
    assert len(set(names)) == len(names)
    samples = []
    for part in message.get(2, []):
        sample = dict(_fields(part))
        stack = tuple(frames[number] for number in _packed(sample[1]))
        values = _packed(sample[2])
        assert stack and len(values) == len(types)
        samples.append((stack, dict(zip(names, values))))
    [default], [period], [mapping] = message[14], message[12], mappings.values()
    assert default in {each[1] for each in types}, "speedscope compares the string's number"
    return Profile(
        types=[(strings[each[1]], strings[each[2]]) for each in types],
        default_type=strings[default],
        samples=samples,
        comments=[strings[number] for number in message[13]],
        program=strings[mapping[5]],
        period=period,
        duration_ns=message.get(10, [0])[0],
    )
