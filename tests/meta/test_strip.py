# SPDX-License-Identifier: Apache-2.0
"""What the build leaves out of the page: comments, indentation, long names; and what it must not touch."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tools"))

import strip  # noqa: E402

HARD = r"""
// a comment with "quotes" and `ticks`
'use strict';
if (typeof require === 'function') {
    Object.assign(globalThis, require('./nothing.js'));
}
/* strings that look like code, patterns that look like comments */
const first = 'it\'s // no /* comment */', second = "a  b";
const pattern = /[/"'\]]+\/\*/g;
const half = 84 / 2 / 1, next = first.length
const table = { first, second: second, half, deep: { pattern } };
const [left, right] = [1 - -1, 2 + +2];
function addAll({ half, deep: { pattern: inner } }, ...others) {
    let total = 0.5;
    for (const other of others) {
        if (other > 1) { total += other }
        else total -= other
    }
    return total + `  ` + half + inner.source
}
const text = [first, second].map((second) => second.replace(/ {2}/, ' ')).join('|');
let counter = 5
counter++
let result = counter
    + 1;
const object = { get half() { return 7; }, method(first) { return first; } };
console.log(first, second, pattern.source, half, next, JSON.stringify(Object.keys(table)), left, right,
            addAll(table, 3, 1), text, counter, result, object.half, object.method(9), typeof first, -left);

if (typeof module !== 'undefined') {
    module.exports = { table };
}
"""


def test_a_stripped_script_does_what_it_did():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    said = []
    for text in (HARD.replace("require('./nothing.js')", "{}"), strip.join_scripts([HARD]), strip.strip_script(HARD).replace(
            "require('./nothing.js')", "{}")):
        done = subprocess.run([node, "-"], input=text, stdout=subprocess.PIPE, text=True, check=True)
        said.append(done.stdout)
    assert "it's // no /* comment */" in said[0]
    assert said[1] == said[0] and said[2] == said[0]


def test_names_become_short_properties_and_strings_stay():
    text = strip.join_scripts([HARD])
    assert "addAll" not in text and "counter" not in text and "comment with" not in text
    assert "require" not in text and "module" not in text
    assert "second:" in text and "half:" in text and "pattern:" in text
    assert r"'it\'s // no /* comment */'" in text and r"/[/\"'\]]+\/\*/g".replace('\\"', '"') in text


def test_a_name_means_the_same_in_all_scripts():
    text = strip.join_scripts(["function shared(long) { return long + 1; }\n", "const other = shared(2);\n"])
    names = [part for part in text.replace("(", " ").replace("=", " ").split() if len(part) == 1]
    assert text.count("shared") == 0 and names[0] in text.split("let ")[1]


def test_what_cannot_be_renamed_is_refused():
    with pytest.raises(ValueError, match="templates"):
        strip.join_scripts(["const name = 1;\nconst text = `${name}`;\n"])


def test_style_and_page_keep_what_they_mean():
    style = strip.strip_style('/* c */ a > b,\n  c { color : red;  font: 12px/1.4 "A  B", x; }\n@media (min-width: 2px) { a { top: calc(1px + 2px); } }')
    assert style == 'a > b,c{color : red;font:12px/1.4 "A  B",x}\n@media (min-width:2px){a{top:calc(1px + 2px)}\n}\n'
    page = strip.strip_page("<!-- gone -->\n<p>\n   a <b>b</b>\n  <!--DATA-->\n</p>\n")
    assert page == "<p>\na <b>b</b>\n<!--DATA-->\n</p>\n"


def _embedded_bytes(page, tmp_path):
    """What the page (its sources in the order of src/report/meson.build) weighs as it is embedded."""
    web = REPOSITORY / "src/report/web"
    build = (REPOSITORY / "src/report/meson.build").read_text()
    names = re.findall(r"'(web/[^']+)'", build)
    starts = [index for index, name in enumerate(names) if name.endswith(".html")]
    start = names.index(f"web/{page}")
    end = min([each for each in starts if each > start], default=len(names))
    output = tmp_path / "page.c"
    subprocess.run(
        [sys.executable, str(REPOSITORY / "tools/embed.py"), "pk_page", str(output)]
        + [str(web.parent / name) for name in names[start:end]],
        check=True,
    )
    sizes = re.findall(r"const unsigned char \w+\[(\d+)\]", output.read_text())
    return sum(int(size) - 1 for size in sizes)


@pytest.mark.parametrize("page", ["page.html", "diff.html"])
def test_a_page_as_it_is_embedded_is_at_most_60_kib(page, tmp_path):
    assert 20_000 < _embedded_bytes(page, tmp_path) <= 60 * 1024
