# SPDX-License-Identifier: Apache-2.0
"""`peakline diff` and what a page gives back, with real runs whose difference is known: the second program holds
3,000,000 bytes more at one line, has another line gone, and all its lines moved."""

import copy
import json
import os
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
from chromium import FLAGS, find_chromium
from running import REPOSITORY, run_command
from test_page_archive import page_data

OLD = """\
def load():
    rows = b"x" * 2_000_000
    copy = b"y" * 1_000_000
    return rows, copy
KEPT = load()
"""
NEW = """\
# a comment

def read():
    rows = b"x" * 5_000_000
    return rows,
KEPT = read()
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, python):
    """Directories old and new; the one program was edited in between, as people do."""
    place = tmp_path_factory.mktemp("runs")
    peakline = os.environ.get("PEAKLINE") or str(
        Path(__file__).resolve().parents[2] / "build" / "src" / "cli" / "peakline")
    app = place / "app.py"
    for name, text in (("old", OLD), ("new", NEW)):
        app.write_text(text, "utf-8")
        done = run_command([peakline, "run", "-q", "--no-open", "-o", place / name, "--python", python, app],
                           cwd=place)
        assert (done.returncode, done.stderr) == (0, "")
    return place


@pytest.fixture
def diff(peakline, runs):
    return lambda *words, **options: run_command([peakline, "diff", *words], cwd=runs, **options)


def test_a_workflow_gets_notes_beside_the_lines_that_grew(diff, runs):
    done = diff("old", "new", "--format", "github")
    assert (done.returncode, done.stderr) == (0, "")
    # 2,000,000 bytes before; the line that is gone, and the module's own lines, are not worth a note
    text = "title=Peak memory grew::+2.9 MiB at the peak: 1.9 MiB before, 4.8 MiB now"
    assert done.stdout == f"::warning file=app.py,line=4,{text}\n"
    below = diff("old", "new", "--format", "github", env={**os.environ, "GITHUB_WORKSPACE": str(runs.parent)})
    assert below.stdout == f"::warning file={runs.name}/app.py,line=4,{text}\n"
    assert diff("new", "old", "--format", "github").stdout.count("line=2,") == 0, "what shrank is no warning"


def test_names_in_notes_of_a_diff_cannot_give_commands(run_peakline, peakline, tmp_path):
    name = "a,b:c%d\n::error::x.py"
    for mib in (2, 9):
        (tmp_path / name).write_text(f"kept = bytearray({mib} << 20)\n")
        run_peakline([name], options=["--force"])
    results = sorted(tmp_path.glob("result-*"))
    done = run_command([peakline, "diff", *results, "--format", "github"])
    assert done.stdout.startswith("::warning file=a%2Cb%3Ac%25d%0A%3A%3Aerror%3A%3Ax.py,line=1,")
    assert done.stdout.count("\n") == 1


def test_a_diff_gives_no_note_to_code_out_of_no_file(run_peakline, peakline, tmp_path):
    for mib in (2, 9):
        run_peakline(["-c", f"kept = bytearray({mib} << 20)"])
    results = sorted(tmp_path.glob("result-*"))
    done = run_command([peakline, "diff", *results, "--format", "github"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_lines_follow_the_edit_and_add_up(diff):
    done = diff("old", "new", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["diff_format"] == 1
    assert found["notes"] == [], "the page of the run before has the lines as they were"
    change = found["after"]["peak_bytes"] - found["before"]["peak_bytes"]
    assert sum(line["change"] for line in found["lines"]) == found["change_bytes"] == change
    for side in ("before", "after"):
        assert sum(found["stacks"][side]) == found[side]["peak_bytes"]
        assert sum(line[side] for line in found["lines"]) == found[side]["peak_bytes"]
    by_source = {found["frames"][line["frame"]]["source"].strip(): line
                 for line in found["lines"] if line["frame"] >= 0 and found["frames"][line["frame"]]["kind"] == 0}
    rows = by_source['rows = b"x" * 5_000_000']
    # the function is called read now, and its text is much the same
    assert rows["status"] == "more" and rows["change"] == 3_000_000
    frame = found["frames"][rows["frame"]]
    assert frame["match"] == "similar" and frame["line"] == 4
    assert (frame["was"]["line"], frame["was"]["function"]) == (2, "load")
    assert by_source['copy = b"y" * 1_000_000']["status"] == "gone"


def test_pages_and_documents_say_the_same_as_directories(diff, runs, peakline):
    wanted = json.loads(diff("old", "new", "--format", "json").stdout)
    for name in ("old", "new"):
        done = run_command([peakline, "report", runs / name / "report.html", "--format", "json"])
        assert (done.returncode, done.stderr) == (0, "")
        (runs / f"{name}.json").write_text(done.stdout, "utf-8")
    for before, after in (("old/report.html", "new/report.html"), ("old.json", "new.json")):
        found = json.loads(diff(before, after, "--format", "json").stdout)
        assert [line["change"] for line in found["lines"]] == [line["change"] for line in wanted["lines"]]
        assert found["stacks"] == wanted["stacks"]


def test_the_page_gives_the_document_back_byte_for_byte(peakline, runs):
    document = run_command([peakline, "report", runs / "new", "--format", "json"]).stdout
    again = run_command([peakline, "report", runs / "new" / "report.html", "--format", "json"])
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == document


def test_a_page_is_not_made_from_a_page(peakline, runs):
    done = run_command([peakline, "report", runs / "new" / "report.html"])
    assert done.returncode == 2 and "another format with --format" in done.stderr and done.stderr.count("\n") == 1


def test_json_and_the_data_of_the_page_keep_to_their_schema(diff, runs, tmp_path):
    schema = json.loads((REPOSITORY / "docs" / "diff-schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    strict = copy.deepcopy(schema)
    for part in [strict, *strict["$defs"].values()]:
        part["additionalProperties"] = False
    documents = [json.loads(diff(*words, "--format", "json").stdout) for words in (
        ("old", "new"), ("new", "old"), ("old", "old"), ("old", "old", "--after", "old", "new"))]
    assert diff("old", "new", "--no-open", "-o", tmp_path / "diff.html", "--format", "html").returncode == 0
    documents.append(page_data((tmp_path / "diff.html").read_text("utf-8")))
    matches = set()
    for document in documents:
        jsonschema.validate(document, schema)
        jsonschema.validate(document, strict)
        jsonschema.validate({**document, "later": 1}, schema)
        matches |= {frame["match"] for frame in document["frames"] if frame}
    assert matches >= {"same", "similar", "none"}, "the kinds of frames that a schema must know"
    for key, wrong in (("diff_format", 2), ("change_bytes", "much"), ("before", None), ("stacks", {"parent": []})):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**documents[0], key: wrong}, schema)


def test_a_page_alone_in_its_directory_will_do(diff, runs):
    (runs / "kept").mkdir()
    shutil.copy(runs / "old" / "report.html", runs / "kept")
    done = diff("kept", "new")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Peak memory" in done.stdout


def test_the_terminal_keeps_to_80_columns(diff):
    done = diff("old", "new", "--color", "never")
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "\033" not in done.stdout
    assert "\033[" in diff("old", "new", "--color", "always").stdout
    assert re.search(r"^ +\+2\.9 MiB +1\.9 MiB +4\.8 MiB  ~ app\.py:4 ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("limit, status", [("1%", 3), ("1MiB", 3), ("2GiB", 0), ("1000%", 0)])
def test_an_increase_can_fail(diff, limit, status):
    done = diff("old", "new", "--fail-on-increase", limit)
    assert done.returncode == status
    assert "Peak memory" in done.stdout
    assert done.stderr.count("\n") == (status != 0)
    assert status == 0 or "--fail-on-increase" in done.stderr


def test_the_other_way_round_nothing_grew(diff):
    done = diff("new", "old", "--fail-on-increase", "0")
    assert (done.returncode, done.stderr) == (0, "")


def test_runs_that_seem_swapped_are_named(diff, runs, peakline):
    document = json.loads(run_command([peakline, "report", runs / "old", "--format", "json"]).stdout)
    document["run"]["started"] = "2020-01-01T00:00:00Z"
    (runs / "early.json").write_text(json.dumps(document), "utf-8")
    assert "are they swapped?" in diff("new", "early.json").stdout
    assert "are they swapped?" not in diff("early.json", "new").stdout


def test_several_runs_a_side(diff):
    done = diff("old", "old", "--after", "old", "new", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [len(found[side]["runs"]) for side in ("before", "after")] == [2, 2]
    assert found["noise"] is True  # old is among both


@pytest.mark.parametrize("words, status, say", [
    ([], 2, "BEFORE and AFTER"),
    (["old"], 2, "BEFORE and AFTER"),
    (["old", "new", "old"], 2, "--after"),
    (["old", "--after"], 2, "BEFORE and AFTER"),
    (["old", "new", "--fail-on-increase", "lots"], 2, "10% or 50MiB"),
    (["old", "new", "--format", "htm"], 2, "did you mean html"),
    (["old", "nowhere"], 1, "name a result directory"),
    (["old", "app.py"], 1, "app.py"),
    (["old", "foreign.html"], 1, "did not write"),
    (["old", "cut.html"], 1, "cut off"),
    (["old", "torn.html"], 1, "damaged"),
    (["old", "newer.json"], 1, "update Peakline"),
    (["old", "diff.html"], 1, "itself a diff"),
])
def test_bad_input_gets_one_sentence(diff, runs, words, status, say):
    page = (runs / "new" / "report.html").read_text("utf-8")
    at = page.index('id="peakline-data"')
    (runs / "foreign.html").write_text("<!DOCTYPE html><p>hello", "utf-8")
    (runs / "cut.html").write_text(page[:at + 5000], "utf-8")
    (runs / "torn.html").write_text(page[:at + 500] + page[at + 600:], "utf-8")
    (runs / "newer.json").write_text('{"format": 99, "shape": "unknown"}', "utf-8")
    if not (runs / "diff.html").exists():
        assert diff("old", "new", "--format", "html", "--no-open").stdout == "diff.html\n"
    done = diff(*words)
    assert done.returncode == status
    assert done.stderr.count("\n") == 1 and say in done.stderr, done.stderr
    assert done.stdout == ""


# ---- the page of the diff, in a browser ----

CHROMIUM = find_chromium()


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[("light", 1280), ("dark", 1280), ("light", 400)], ids=["light", "dark", "narrow"])
def page(request, browser, diff, runs):
    """The diff, open; it may neither complain nor ask for anything."""
    scheme, width = request.param
    done = diff("old", "new", "--format", "html", "--no-open", "-o", "page.html")
    assert (done.returncode, done.stdout) == (0, "page.html\n")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda asked: requests.append(asked.url))
    page.goto((runs / "page.html").as_uri())
    page.wait_for_function("() => window.peakline")
    yield page
    assert errors == []
    assert requests == [(runs / "page.html").as_uri()]
    context.close()


def test_page_says_what_changed_and_fits(page):
    answer = page.locator("#answer").inner_text().replace("\u00a0", " ")
    assert re.match(r"The peak grew by \d\.\d MiB \(\+\d+\.\d %\), from \d+\.\d MiB to \d+\.\d MiB\.$", answer)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    first = page.locator("#blame .row").first.inner_text().replace("\u00a0", " ")
    assert "+2.9 MiB" in first and "similar" in first
    assert page.locator("#blame .total").count() == 1


def test_short_words_are_never_broken(page):
    """At 400 px "before" stood as "bef" above "ore"."""
    lines = page.evaluate("""() => [...document.querySelectorAll('#sides td, #sides th')].map((cell) => {
        const range = document.createRange();
        range.selectNodeContents(cell);
        return [cell.textContent, new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size];
    })""")
    assert ["before", 1] in lines and all(count == 1 for text, count in lines if len(text) <= 10), lines


def test_new_and_gone_are_both_boxes_and_levels_add_up(page):
    boxes = page.evaluate("peakline.layout()")
    gone = [box for box in boxes if box["label"].startswith("copy =")]
    assert gone and gone[0]["status"] == "gone" and gone[0]["w"] > 20
    root = boxes[0]
    assert root["change"] == page.evaluate("peakline.data.change_bytes")
    level = [box for box in boxes if box["row"] == 1]
    assert abs(sum(box["w"] for box in level) - root["w"]) < 1e-6 * root["w"]
    assert sum(box["change"] for box in level) == root["change"]


def test_page_zooms_searches_and_goes_back(page):
    node = next(box["node"] for box in page.evaluate("peakline.layout()") if box["label"].startswith("rows ="))
    page.evaluate("(node) => peakline.zoom(node)", node)
    assert "rows =" in page.locator("#crumbs .here").inner_text()
    page.keyboard.press("Backspace")
    assert page.locator("#crumbs .here").inner_text() == "Everything"
    page.fill("#search", "5_000_000")
    matched = page.locator("#matched").inner_text().replace("\u00a0", " ")
    assert matched.startswith("+2.9 MiB") and matched.endswith("in 1 box")
    page.keyboard.press("Escape")
    assert page.locator("#matched").inner_text() == ""
    page.locator("#blame .row button").first.click()
    assert "rows =" in page.locator("#status").inner_text()


def test_hostile_texts_stay_texts(browser, diff, runs):
    found = json.loads((runs / "new.json").read_text("utf-8")) if (runs / "new.json").exists() else None
    if found is None:
        pytest.skip("made by another test")
    evil = "</script><script>window.pwned = 1</script><img src=x onerror=alert(1)>\u202e"
    found["frames"]["source"] = [evil for _ in found["frames"]["source"]]
    found["functions"]["name"] = [evil for _ in found["functions"]["name"]]
    for line in found["blame"]:
        if line["path"] or line["function"] != "[no stack]":
            line["function"] = evil
    found["run"]["command"] = [evil]
    (runs / "evil.json").write_text(json.dumps(found), "utf-8")
    done = diff("old", "evil.json", "--format", "html", "--no-open", "-o", "evil.html")
    assert done.returncode == 0, done.stderr
    page = browser.new_page()
    page.goto((runs / "evil.html").as_uri())
    page.wait_for_function("() => window.peakline")
    assert page.evaluate("[window.pwned, document.images.length, String(peakline.error)]") == [None, 0, "undefined"]
    page.close()
    assert "\u202e" not in diff("old", "evil.json").stdout


READS = """\
import json
KEPT = json.loads("[" + ",".join(["%s"] * 40_000) + "]")
"""


def test_a_library_call_is_one_box_that_opens(browser, peakline, python, tmp_path):
    """Both ways in: the mark of the box and the key; the switch opens all of them."""
    for name, text in (("old", READS % "[1.5]"), ("new", READS % "[1.5, 2.5]")):
        (tmp_path / "app.py").write_text(text, "utf-8")
        done = run_command([peakline, "run", "-q", "--no-open", "-o", name, "--python", python, "app.py"], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert run_command([peakline, "diff", "old", "new", "-f", "html", "--no-open"], cwd=tmp_path).returncode == 0
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto((tmp_path / "diff.html").as_uri())
    page.wait_for_function("() => window.peakline")

    def boxes():
        found = page.evaluate("peakline.layout()")
        change = page.evaluate("peakline.data.change_bytes")
        assert sum(box["change"] for box in found if box["row"] == 1) == found[0]["change"] == change
        return {box["label"]: box for box in found}

    folded = boxes()
    call = folded["\u25b8 json: loads"]
    assert call["change"] >= 40_000 * 24 and not any("decode" in label for label in folded)
    area = page.locator("#canvas").bounding_box()
    page.mouse.click(area["x"] + call["x"] + 8, area["y"] + call["y"] + 10)
    opened = boxes()
    assert opened["\u25be json: loads"]["change"] == call["change"]
    assert any("decode" in label for label in opened)
    page.keyboard.press("e")
    assert set(boxes()) == set(folded), "the box is still selected, and closes"
    page.evaluate("peakline.search('decode')")
    assert page.locator("#matched").inner_text().startswith("+")
    page.get_by_role("button", name="library calls", exact=True).click()
    unfolded = boxes()
    assert not any("json: loads" in label for label in unfolded) and any("decode" in label for label in unfolded)
    page.close()
