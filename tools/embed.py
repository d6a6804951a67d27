#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turn the report page into a C file: page.html with its style and scripts put in, cut at the title and the data.

    embed.py NAME OUTPUT.c PAGE.html FILE...

The files are styles (.css) and scripts (.js), each kind in the order in which it takes effect.
NAME begins the names of the arrays: pk_page gives pk_page_head, pk_page_middle and pk_page_tail.
The page has four slots, in this order of need: <!--STYLE--> and <!--SCRIPTS-->, filled here, and <!--TITLE--> and
<!--DATA-->, filled by src/report/export_html.c for each report. A slot may stand inside its own <style> or <script>
element; if it does not, the element is added. Comments and what else only the readers of the sources need is left out
(strip.py). Uses the Python standard library only. The output depends on the inputs alone.
"""

import re
import sys
from pathlib import Path

import strip


def fail(sentence):
    sys.exit(f"embed.py: {sentence}")


def check_inlined(path, text, element):
    if re.search(rf"</{element}|<!--", text, re.IGNORECASE):
        fail(f"{path} contains </{element} or <!--, which would end its element inside the page")


def fill(page, slot, element, text):
    if page.count(slot) != 1:
        fail(f"the page must have the slot {slot} exactly once")
    before, after = page.split(slot)
    # the open element, if any, is the last tag before the slot
    tags = re.findall(r"<(/?[a-zA-Z]+)", before)
    if not tags or tags[-1].lower() != element:
        text = f"<{element}>\n{text}</{element}>"
    return before + text + after


def c_array(name, text):
    data = text.encode("utf-8") + b"\0"
    rows = (", ".join(str(byte) for byte in data[i : i + 24]) for i in range(0, len(data), 24))
    return f"const unsigned char {name}[{len(data)}] = {{\n" + ",\n".join(rows) + "};\n"


def main(arguments):
    if len(arguments) < 5:
        fail("usage: embed.py NAME OUTPUT.c PAGE.html FILE...")
    name = arguments[0]
    output, page_path, *paths = map(Path, arguments[1:])
    page = page_path.read_text(encoding="utf-8")
    styles, scripts = ([path.read_text(encoding="utf-8") for path in paths if path.suffix == end] for end in (".css", ".js"))
    if len(styles) + len(scripts) != len(paths):
        fail("a file is neither .css nor .js")
    style = strip.strip_style("\n".join(styles))
    script = strip.join_scripts(scripts)
    check_inlined("a style", style, "style")
    check_inlined("a script", script, "script")
    page = fill(strip.strip_page(page), "<!--STYLE-->", "style", style)
    page = fill(page, "<!--SCRIPTS-->", "script", script)
    if page.count("<!--TITLE-->") != 1 or page.count("<!--DATA-->") != 1:
        fail("the page must have the slots <!--TITLE--> and <!--DATA--> exactly once")
    head, rest = page.split("<!--TITLE-->")
    if "<!--DATA-->" not in rest:
        fail("the title must come before the data")
    middle, tail = rest.split("<!--DATA-->")
    output.write_text(
        "/* Made by tools/embed.py from src/report/web/; do not edit. */\n"
        '#include "report/page.h"\n\n'
        + c_array(f"{name}_head", head)
        + c_array(f"{name}_middle", middle)
        + c_array(f"{name}_tail", tail),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
