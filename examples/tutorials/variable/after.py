# SPDX-License-Identifier: Apache-2.0
"""The same: one name, bound anew, lets go of each step as soon as the next one is there."""


def load():
    return bytearray(16 << 20)


def clean(raw):
    return bytes(raw)


def encode(clean):
    return clean.replace(b"\x00", b"\x01")


data = load()
data = clean(data)
data = encode(data)
print(len(data), data[0])
