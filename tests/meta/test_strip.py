# SPDX-License-Identifier: Apache-2.0
"""What the build leaves out of the page: comments, indentation, long names; and what it must not touch."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests/web"))

import strip  # noqa: E402
from build_page import find_sources  # noqa: E402

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


def test_two_scripts_keep_apart_what_they_only_have_inside():
    long = "function first(path) { const { bytes } = path; return bytes; }\nfunction second(bytes) { return bytes + 1; }\n"
    assert strip.join_scripts([long + "exports.all = first({ bytes: 1 }) + second(2);\n"]) == (
        "'use strict';function c(b){let{bytes:a}=b;return a}function b(a){return a+1}exports.all=c({bytes:1})+b(2);\n")


def test_a_name_used_where_it_is_not_declared_is_refused():
    # to the second function it is a name of the browser's
    with pytest.raises(ValueError, match="not declared: status"):
        strip.join_scripts(["function first(status) { return status; }\nfunction second() { return status; }\n"])


def test_statements_are_joined_only_where_they_end():
    text = strip.join_scripts(["const a1 = 1;\nconst b1 = 2;\nlet c1 = a1\nexports.f(b1);\nlet d1 = c1;\nexports.f(d1);\nlet e1;\n"])
    assert text == "'use strict';let a=1,b=2,c=a\nexports.f(b);let d=c;exports.f(d);let e;\n"
    blocks = strip.join_scripts(["function f1(a1) {\n if (a1) {\n  a1 += 1;\n }\n (a1)();\n}\nconst g1 = () => { f1(); }\n[g1].map(f1);\n"])
    assert blocks == "'use strict';function b(a){if(a){a+=1}(a)()}let a=()=>{b()}\n[a].map(b);\n"


def test_only_characters_that_can_be_seen_are_written_out():
    text = strip.join_scripts([r"exports.all = '\u2026\u00a0\u202e\\u2026\u2028' + /\u2026/.source + 0.5 + true;" + "\n"])
    assert text == "'use strict';exports.all='\u2026\u00a0\\u202e\\\\u2026\\u2028'+/\\u2026/.source+.5+!0;\n"


def test_what_cannot_be_renamed_is_refused():
    with pytest.raises(ValueError, match="templates"):
        strip.join_scripts(["const name = 1;\nconst text = `${name}`;\n"])


def test_style_and_page_keep_what_they_mean():
    style = strip.strip_style('/* c */ a > b,\n  c { color : red;  font: 12px/1.4 "A  B", x; }\n@media (min-width: 2px) { a { top: calc(1px + 2px); } }')
    assert style == 'a > b,c{color : red;font:12px/1.4 "A  B",x}@media (min-width:2px){a{top:calc(1px + 2px)}}\n'
    page = strip.strip_page(
        '<!-- gone -->\n<p id="one" title="a b" lang="">\n   a="b" <b>b</b>\n  <!--DATA-->\n</p>\n')
    assert page == '<p id=one title="a b" lang="">\na="b" <b>b</b>\n<!--DATA-->\n</p>\n'


@pytest.mark.parametrize("page", ["page.html", "diff.html"])
def test_the_page_runs_what_the_tests_of_its_modules_run(page, tmp_path):
    """The scripts of a page just as they are embedded, but for what starts them, pass the tests of the files."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    texts = {path.name: path.read_text() for path in find_sources(page) if path.suffix == ".js"}
    last = list(texts)[-1]
    assert texts[last].endswith("\nmain();\n"), "the page starts with its last line"
    texts[last] = texts[last][: -len("main();\n")]
    modules = {name: strip.exported_names(text) for name, text in texts.items()}
    names = sorted({name for exported in modules.values() for name in exported})
    stripped = tmp_path / "stripped.js"
    stripped.write_text(strip.join_scripts(list(texts.values()) + ["Object.assign(exports, { %s });\n" % ", ".join(names)]))
    tests = [path for path in sorted((REPOSITORY / "tests/web").glob("*.test.js"))
             if set(re.findall(r"load\('(\w+\.js)'\)", path.read_text() + _helpers(path))) <= set(modules)]
    assert {path.name for path in tests} >= ({"words.test.js", "flame.test.js", "stacks.test.js", "table.test.js", "link.test.js"}
                                             if page == "page.html" else {"words.test.js", "change.test.js"})
    done = subprocess.run([node, "--test"] + [str(path) for path in tests], env={**os.environ, "PEAKLINE_STRIPPED": str(stripped)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"pass [1-9]\d", done.stdout) and re.search(r"skipped 0\b", done.stdout)


def _helpers(path):
    return (path.parent / "trees.js").read_text() if "./trees.js" in path.read_text() else ""


def _embedded_bytes(page, tmp_path):
    """What the page weighs as it is embedded."""
    output = tmp_path / "page.c"
    subprocess.run([sys.executable, str(REPOSITORY / "tools/embed.py"), "pk_page", str(output)]
                   + [str(path) for path in find_sources(page)], check=True)
    sizes = re.findall(r"const unsigned char \w+\[(\d+)\]", output.read_text())
    return sum(int(size) - 1 for size in sizes)


@pytest.mark.parametrize("page", ["page.html", "diff.html"])
def test_a_page_as_it_is_embedded_is_at_most_60_kib(page, tmp_path):
    assert 20_000 < _embedded_bytes(page, tmp_path) <= 60 * 1024
