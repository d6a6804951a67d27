# SPDX-License-Identifier: Apache-2.0
"""Stitches a report page from src/report/web and a data dictionary, as the C program does."""

import base64
import gzip
import html
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "src" / "report" / "web"
sys.path.insert(0, str(ROOT / "tools"))
import strip  # noqa: E402

PACK_ABOVE = 200_000


def find_sources(page):
    """The files of a page, itself first, in the order of src/report/meson.build."""
    names = re.findall(r"'web/([^']+)'", (WEB.parent / "meson.build").read_text("utf-8"))
    starts = [index for index, name in enumerate(names) if name.endswith(".html")] + [len(names)]
    start = names.index(page)
    return [WEB / name for name in names[start:min(each for each in starts if each > start)]]


SOURCES = find_sources("page.html")


def encode_json(data):
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<\u2028\u2029\ud800-\udfff]", lambda found: "\\u%04x" % ord(found[0]), text)


def data_element(data, encoding=None):
    text = encode_json(data)
    if encoding is None:
        encoding = "gzip+base64" if len(text) > PACK_ABOVE else "json"
    if encoding == "gzip+base64":
        packed = gzip.compress(text.encode("utf-8"), mtime=0)
        text = base64.b64encode(packed).decode("ascii")
    return ('<script type="application/json" id="peakline-data" data-encoding="%s">%s</script>'
            % (encoding, text))


def title(data):
    text = "Peak memory of " + " ".join(data["run"]["command"])
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))


def build_page(data, encoding=None):
    texts = {end: [path.read_text("utf-8") for path in SOURCES if path.suffix == end] for end in (".html", ".css", ".js")}
    slots = {
        "<!--TITLE-->": title(data),
        "<!--STYLE-->": strip.strip_style(texts[".css"][0]),
        "<!--SCRIPTS-->": strip.join_scripts(texts[".js"]),
        "<!--DATA-->": data_element(data, encoding),
    }
    page = strip.strip_page(texts[".html"][0])
    pieces = []
    while True:
        found = [(page.find(slot), slot) for slot in slots if slot in page]
        if not found:
            return "".join(pieces) + page
        at, slot = min(found)
        pieces += [page[:at], slots[slot]]
        page = page[at + len(slot):]


if __name__ == "__main__":
    import profiles
    name, target = sys.argv[1:3]
    Path(target).write_text(build_page(profiles.MAKERS[name]()), "utf-8")
