# SPDX-License-Identifier: Apache-2.0
"""Text made from pieces: split, format, join, replace, and a string that grows by +=."""

import meter  # first: it starts the watch

import zlib


def render(rows):
    lines = []
    for number, row in enumerate(rows):
        cells = [f"<td class='c{index}'>{value:>8}</td>" for index, value in enumerate(row)]
        lines.append(f"<tr id='r{number}'>" + "".join(cells) + "</tr>")
    return "\n".join(lines)


def rewrite(text):
    out = ""
    for line in text.split("\n"):
        line = line.replace("<td class='", "[").replace("'>", "|").replace("</td>", "]")
        out += line.strip().title() + "\n"
    return out


def main():
    check = 0
    for turn in range(max(1, meter.size() * 36 // 100)):
        rows = [[(i * j + turn) % 10_007 for j in range(1, 9)] for i in range(5_000)]
        text = rewrite(render(rows))
        words = {
            word for word in text.replace("|", " ").replace("]", " ").split() if word.isdigit()
        }
        check = zlib.crc32(text.encode(), check) + len(words)
    meter.finish(check)


main()
