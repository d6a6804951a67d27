# SPDX-License-Identifier: Apache-2.0
"""The report page in headless Chromium: what a person can see and do, and what must never happen.

The pages are stitched from src/report/web by tests/web/build_page.py, as the C program does it."""

import copy
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from chromium import FIRST_PAINT, FLAGS, TIMED, find_chromium

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "web"))
import build_page  # noqa: E402
import profiles  # noqa: E402

playwright_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

ROW = 21
MIB = 1 << 20


@pytest.fixture(scope="module")
def browser():
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def data_of():
    made = {}

    def get(name):
        if name not in made:
            made[name] = profiles.MAKERS[name]()
        return copy.deepcopy(made[name]) if name != "huge" else made[name]
    return get


class Report:
    """One open report: its page, and everything it asked for or complained about."""

    def __init__(self, page):
        self.page = page
        self.errors = []
        self.requests = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text)
                if message.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))

    def boxes(self, everything=False):
        return self.page.evaluate("(all) => peakline.layout(all)", everything)

    def box(self, label):
        found = [box for box in self.boxes() if box["label"] == label]
        assert found, "no box %r among %r" % (label, [box["label"] for box in self.boxes()])
        return found[0]

    def point(self, box):
        area = self.page.locator("#canvas").bounding_box()
        return area["x"] + box["x"] + min(box["w"] / 2, 40), area["y"] + box["y"] + box["h"] / 2

    def click(self, label):
        self.page.mouse.click(*self.point(self.box(label)))

    def hover(self, label):
        self.page.mouse.move(*self.point(self.box(label)))

    def focus_label(self):
        return self.page.locator("#crumbs .here").text_content()

    def status(self):
        return self.page.locator("#status").text_content()

    def go(self, **changes):
        self.page.evaluate("(changes) => peakline.go(changes)", changes)

    def unfold(self):
        self.go(library=False, imports=False, recursion=False)

    def labels(self):
        return [box["label"] for box in self.boxes(True)]

    def text(self, selector):
        return self.page.locator(selector).inner_text().replace("\u00a0", " ")


@pytest.fixture
def show(browser, tmp_path):
    contexts = []
    reports = []

    def open_report(data, encoding=None, html=None, fails=False, **options):
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(FIRST_PAINT)
        report = Report(page)
        path = tmp_path / ("report-%d.html" % len(contexts))
        path.write_text(html or build_page.build_page(data, encoding), "utf-8")
        report.url = path.as_uri()
        page.goto(report.url)
        page.wait_for_function("() => window.paintedAt")
        assert page.evaluate("Boolean(peakline.error)") == fails
        reports.append(report)
        return report
    yield open_report
    for report in reports:
        assert report.errors == [], "the page complained"
        assert report.requests == [report.url], "the page asked for something"
    for context in contexts:
        context.close()


def check_levels(report):
    """Each level: the boxes on it and those that ended above it are the zoomed box, to the byte."""
    boxes = report.boxes(True)
    focus = report.page.evaluate("peakline.now.focus")
    rows = defaultdict(list)
    for box in boxes:
        rows[box["row"]].append(box)
    first = next(box for box in boxes if box["node"] == focus and box["kind"] == "node")
    opened = defaultdict(int)
    for box in boxes:
        if box["row"] > first["row"]:
            opened[box["above"]] += box["bytes"]
    ended = 0
    for row in range(first["row"], max(rows) + 1):
        assert sum(box["bytes"] for box in rows[row]) + ended == first["bytes"], "row %d" % row
        for box in rows[row]:
            if box["kind"] == "node" and box["node"] in opened:
                assert opened[box["node"]] == box["bytes"]
            else:
                ended += box["bytes"]
    return first["bytes"]


# ---- what it says ----

def test_the_first_screen_answers(show, data_of):
    report = show(data_of("realistic"))
    assert report.text("#answer") == ("Memory peaked at 1.4 GiB, 12.4 s into a run of 31.0 s. "
                                      "Three lines hold 71.5 % of it.")
    assert "1,519,913,262 bytes in 3,385,954 blocks" in report.text("#facts")
    assert report.text("#run").startswith("pipeline.py --year 2024")
    # All of it without scrolling: the sentence, the warning, the table, the top of the graph.
    for selector in ("#answer", "#alerts .alert", "#blame tr.rest", "#search"):
        area = report.page.locator(selector).first.bounding_box()
        assert area["y"] >= 0 and area["y"] + area["height"] < 900 - 10 * ROW
    assert report.page.locator("#blame tr.row").count() == 7


def test_the_table_holds_every_byte_of_the_peak(show, data_of):
    data = data_of("realistic")
    report = show(data)
    report.page.get_by_role("button", name="Show them").click()
    rows = report.page.locator("#blame tr.row")
    assert rows.count() == len(data["blame"]["frame"])
    assert sum(data["blame"]["bytes"]) == data["peak"]["bytes"]
    cells = rows.first.locator("td").all_inner_texts()
    assert [cell.replace("\u00a0", " ").replace("\n", "") for cell in cells] == [
        "630.0MiB", "43.5 %", "1,915", "", "load.py:23",
        'orders = pd.read_csv(path, dtype_backend="numpy_nullable")']


def test_the_table_can_be_sorted_and_says_how(show, data_of):
    report = show(data_of("realistic"))
    heads = report.page.locator("#blame th")
    assert heads.nth(0).get_attribute("aria-sort") == "descending"
    report.page.get_by_role("button", name="Line", exact=True).click()
    assert heads.nth(4).get_attribute("aria-sort") == "ascending"
    assert heads.nth(0).get_attribute("aria-sort") is None
    places = report.page.locator("#blame tr.row .place").all_inner_texts()
    assert [place for place in places if place.startswith("pipeline")] == [
        "pipeline.py:5", "pipeline.py:45", "pipeline.py:58"]
    report.page.get_by_role("button", name="Blocks").click()
    assert report.page.locator("#blame tr.row .place").first.inner_text() == "pipeline.py:5"
    blocks = report.page.locator("#blame tr.row .blocks").all_inner_texts()
    assert blocks[:2] == ["2,083,011", "812,348"]


@pytest.mark.parametrize("outcome, sentence", [
    ({"kind": "exit", "code": 3}, "The program ended with exit status 3."),
    ({"kind": "signal", "code": 0, "signal": 9, "signal_name": "SIGKILL"},
     "The program was ended by SIGKILL (signal 9)."),
    ({"kind": "running"}, "The program was still running when this report was written."),
])
def test_an_ending_that_was_not_normal_comes_first(show, data_of, outcome, sentence):
    data = data_of("small")
    data["run"]["outcome"] = outcome
    data["failed"] = {"bytes": 1 << 31, "count": 3, "frame": 4}
    report = show(data)
    assert report.text("#ending .alert >> nth=0") == sentence
    assert report.text("#ending .alert >> nth=1") == (
        "An allocation of 2.0 GiB failed at app.py:15 weights = np.zeros((1000, 1000)) "
        "(3 failed in all).")
    first = report.page.locator("#ending").bounding_box()
    assert first["y"] < report.page.locator("#answer").bounding_box()["y"]


def test_many_warnings_do_not_push_the_answer_away(show, data_of):
    data = data_of("small")
    data["warnings"] = ["Warning number %d." % number for number in range(40)]
    report = show(data)
    assert report.text("#alerts summary") == "38 more warnings"
    assert report.page.locator("#blame tr.row").first.bounding_box()["y"] < 400


def test_unknown_facts_are_left_out_and_nothing_recorded_is_said(show, data_of):
    data = data_of("small")
    data["peak"].update(time_s=None, rss_bytes=0)
    data["run"].update(duration_s=0)
    report = show(data)
    assert report.text("#answer") == "Memory peaked at 976.6 KiB. Three lines hold 95.0 % of it."
    assert "resident" not in report.text("#facts")

    empty = profiles.Profile().data()
    assert show(empty).text("#answer") == "No memory was recorded."


def test_mapped_files_and_help_are_there_when_asked_for(show, data_of):
    report = show(data_of("realistic"))
    assert not report.page.get_by_text("The wider and the redder").is_visible()
    report.page.get_by_text("How to read this").click()
    assert report.page.get_by_text("The wider and the redder").is_visible()
    report.page.get_by_text("What is counted").click()
    assert "212.0 MiB /home/ada/sales/customers.parquet file, not counted" in " ".join(
        report.text("#maps").split())


# ---- the graph ----

@pytest.mark.parametrize("name", ["small", "realistic", "huge", "deep", "hostile"])
def test_every_level_adds_up_to_the_peak(show, data_of, name):
    data = data_of(name)
    report = show(data)
    assert check_levels(report) == data["peak"]["bytes"]


def test_every_level_adds_up_to_the_zoomed_box(show, data_of):
    report = show(data_of("realistic"))
    report.click("orders = load_orders(options.orders)")
    assert 0 < check_levels(report) < report.page.evaluate("peakline.tree.bytes[0]")


def test_folded_stacks_are_a_box_of_their_own(show, data_of):
    data = data_of("small")
    leaf = data["stacks"]["frame"].index(4)  # np.zeros: pretend smaller stacks ended up there
    data["stacks"]["frame"][leaf] = -2
    report = show(data)
    assert report.box("smaller stacks, folded together")["bytes"] == 200_000
    check_levels(report)


def test_hover_shows_a_card_with_bytes_blocks_share_self_and_place(show, data_of):
    report = show(data_of("small"))
    card = report.page.locator("#card")
    assert card.is_hidden()
    report.hover("return json.load(file)")
    assert card.is_visible()
    lines = report.text("#card").split("\n")
    assert lines == ["683.6 KiB \u00b7 70.0 % of the peak \u00b7 410 blocks",
                     "6return json.load(file)", "app.py:6 in load",
                     "your code \u00b7 97.7 KiB held by this line itself"]
    report.page.mouse.move(5, 5)
    assert card.is_hidden()


def test_the_card_stays_in_the_window(show, data_of):
    report = show(data_of("realistic"), viewport={"width": 600, "height": 700})
    report.page.evaluate("document.getElementById('flame').scrollIntoView()")
    card = report.page.locator("#card")
    seen = 0
    for box in report.boxes():
        x, y = report.point(box)
        if box["w"] > 20 and box["y"] >= 0 and y < 700 - 2 * ROW:  # neither below bar nor status
            report.page.mouse.move(x, y)
            seen += 1
            area = card.bounding_box()
            assert area["x"] >= 0 and area["x"] + area["width"] <= 600
            assert area["y"] >= 0 and area["y"] + area["height"] <= 700
    assert seen > 10


def test_a_click_zooms_and_the_breadcrumb_leads_back(show, data_of):
    report = show(data_of("small"))
    before = report.box("return json.load(file)")
    report.click("return json.load(file)")
    after = report.box("return json.load(file)")
    assert before["w"] < after["w"] and after["x"] == 0
    assert after["y"] == before["y"], "the box stays under the mouse"
    assert report.focus_label() == "return json.load(file)"
    crumbs = report.page.locator("#crumbs .link")
    assert crumbs.all_inner_texts() == [
        "Everything", "main()", "rows = load(path)", "Source"]
    crumbs.nth(1).click()
    assert report.focus_label() == "main()"
    report.page.locator("#crumbs .link").first.click()
    assert report.focus_label() == "Everything"
    assert report.box("return json.load(file)")["w"] == pytest.approx(before["w"])


@pytest.mark.parametrize("way", ["button", "Escape", "0"])
def test_reset_shows_everything_again(show, data_of, way):
    report = show(data_of("small"))
    button = report.page.get_by_role("button", name="Reset")
    assert button.is_disabled()
    before = report.boxes()
    report.click("rows = load(path)")
    report.page.locator("#search").fill("numpy")
    report.page.locator("#blame tr.row").first.click()
    report.page.locator("#canvas").focus()
    if way == "button":
        button.click()
    else:
        report.page.keyboard.press(way)
    assert report.boxes() == before
    assert report.page.locator("#search").input_value() == ""
    assert report.page.locator("#chosen").is_hidden()
    assert report.page.locator("#blame tr.chosen").count() == 0
    assert button.is_disabled()


def test_a_box_of_smaller_ones_zooms_to_the_line_above(show, data_of):
    report = show(data_of("realistic"))
    report.unfold()
    smaller = max((box for box in report.boxes() if box["kind"] == "smaller" and box["y"] < 300),
                  key=lambda box: box["w"])
    parent = report.page.evaluate("(node) => peakline.tree.parent[node]", smaller["node"])
    area = report.page.locator("#canvas").bounding_box()
    report.page.mouse.click(area["x"] + smaller["x"] + smaller["w"] / 2,
                            area["y"] + smaller["y"] + 5)
    assert report.page.evaluate("peakline.now.focus") == parent


# ---- the keyboard ----

def test_the_graph_can_be_walked_with_the_keyboard_alone(show, data_of):
    report = show(data_of("small"))
    keyboard = report.page.keyboard
    report.page.locator("#canvas").focus()
    said = []
    for key in ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowDown",
                "ArrowUp"]:
        keyboard.press(key)
        said.append(report.status())
        assert report.page.locator("#card").is_visible()
    expected = ["All memory at the peak", "main()", "rows = load(path)",
                "weights = np.zeros((1000, 1000))", "rows = load(path)", "return json.load(file)",
                "rows = load(path)"]
    assert [label in text for label, text in zip(expected, said)] == [True] * len(expected)
    assert said[1].startswith("957.0\u00a0KiB \u00b7 98.0\u00a0% of the peak")
    keyboard.press("Enter")
    assert report.focus_label() == "rows = load(path)"
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    assert report.focus_label() == "return json.load(file)"
    keyboard.press("Backspace")
    assert report.focus_label() == "rows = load(path)"
    keyboard.press("Backspace")
    assert report.focus_label() == "Everything"
    keyboard.press("Backspace")
    assert report.focus_label() == "Everything"


def test_every_control_can_be_reached_with_tab(show, data_of):
    report = show(data_of("small"))
    reached = set()
    for _ in range(40):
        report.page.keyboard.press("Tab")
        reached.add(report.page.evaluate(
            "document.activeElement.id || document.activeElement.textContent"))
    assert {"Bytes", "Blocks", "Line", "app.py:6", "How to read this", "search",
            "canvas"} <= reached


# ---- search ----

def test_search_tells_how_much_the_matches_hold(show, data_of):
    report = show(data_of("small"))
    report.page.keyboard.press("/")
    report.page.keyboard.type("LOAD(")
    # Three boxes, one below the other: counted once, as the outermost.
    assert report.text("#matched") == "732.4 KiB \u00b7 75.0 % in 2 boxes"
    assert "Search: 732.4" in report.status()
    report.page.locator("#search").fill("app.py:15")
    assert report.text("#matched") == "195.3 KiB \u00b7 20.0 % in 1 box"
    report.page.locator("#search").fill("/np[.]z/")
    assert report.text("#matched") == "195.3 KiB \u00b7 20.0 % in 1 box"
    report.page.locator("#search").fill("/(/")
    assert report.text("#matched") == "not a regular expression"
    report.page.locator("#search").fill("nowhere")
    assert report.text("#matched") == "no match"


def test_matches_are_stepped_through_and_painted(show, data_of):
    report = show(data_of("small"))
    pixel = """([x, y]) => Array.from(document.getElementById('canvas').getContext('2d')
        .getImageData(x * devicePixelRatio, y * devicePixelRatio, 1, 1).data.slice(0, 3))"""
    zeros = report.box("weights = np.zeros((1000, 1000))")
    spot = [zeros["x"] + zeros["w"] - 4, zeros["y"] + 3]
    red = report.page.evaluate(pixel, spot)
    report.page.locator("#search").fill("np.zeros")
    report.page.wait_for_function("([spot, red]) => String((%s)(spot)) !== String(red)" % pixel,
                                  arg=[spot, red])
    blue = report.page.evaluate(pixel, spot)
    assert blue[2] > blue[0]
    report.page.locator("#search").fill("load(")
    report.page.keyboard.press("Enter")
    assert "Match 1 of 2" in report.status() and "rows = load(path)" in report.status()
    report.page.keyboard.press("Enter")
    assert "Match 2 of 2" in report.status() and "json.load" in report.status()
    report.page.locator("#canvas").focus()
    report.page.keyboard.press("n")
    assert "Match 1 of 2" in report.status()
    report.page.keyboard.press("N")
    assert "Match 2 of 2" in report.status()


# ---- table and graph together ----

def test_each_row_marks_paths_that_hold_exactly_its_bytes(show, data_of):
    data = data_of("realistic")
    report = show(data)
    for index, size in enumerate(data["blame"]["bytes"]):
        report.page.evaluate("(index) => peakline.choose(peakline.rows[index])", index)
        assert report.page.evaluate("peakline.now.paths.bytes") == size


def test_a_row_opens_the_paths_to_it(show, data_of):
    report = show(data_of("realistic"))
    row = report.page.locator("#blame tr.row").nth(1)
    row.click()
    assert "chosen" in row.get_attribute("class")
    assert row.locator("button").get_attribute("aria-pressed") == "true"
    assert "Paths to join.py:15: 264.4 MiB \u00b7 18.2 %" in report.text("#chosen")
    assert row.bounding_box()["y"] > 0, "the table stays in sight"
    report.page.get_by_role("button", name="Zoom").click()
    assert report.focus_label().startswith("return orders.merge(")
    report.page.get_by_role("button", name="Clear").click()
    assert report.page.locator("#chosen").is_hidden()
    assert report.page.evaluate("peakline.now.paths") is None


def test_a_row_that_could_hardly_be_seen_is_zoomed_to(show, data_of):
    data = data_of("realistic")
    report = show(data)
    report.page.get_by_role("button", name="Show them").click()
    last = len(data["blame"]["frame"]) - 1
    report.page.locator("#blame tr.row").nth(last).click()
    assert report.page.evaluate("peakline.now.focus === peakline.now.paths.common")
    report.page.locator("#blame tr.row").first.click()
    assert report.focus_label() == "Everything"


# ---- what must hold for any data ----

def test_hostile_text_stays_text(show, data_of):
    for encoding in ("json", "gzip+base64"):
        report = show(data_of("hostile"), encoding)
        report.page.get_by_role("button", name="Show them").click()
        report.page.locator("#counted summary").click()
        for box in report.boxes():
            report.page.mouse.move(*report.point(box))
        report.page.evaluate("""() => {
            peakline.rows.forEach((row) => peakline.choose(row));
            for (let node = 0; node < peakline.tree.count; node++) { peakline.zoom(node); }
            peakline.data.frames.source.forEach((text) => peakline.search(text));
        }""")
        assert report.page.evaluate("window.stolen") is None
        tags = report.page.evaluate("Array.from(document.querySelectorAll('*'), (e) => e.tagName)")
        assert not {"IMG", "IFRAME", "OBJECT", "A"} & set(tags)
        assert tags.count("SCRIPT") == 2
        assert "</script><script>window.stolen=1</script>" in report.text("#blame")
        assert "\\u202eevil" in report.text("#blame") and "\u202e" not in report.text("body")
        assert "\\x1b[31mred\\x00nul" in report.text("#blame")


def test_the_policy_would_stop_a_script_that_asked_for_something(browser, data_of, tmp_path):
    html = build_page.build_page(data_of("small")).replace(
        "</body>", "<img src='https://example.invalid/a.png'><script>"
        "window.refused = fetch('https://example.invalid/').catch(() => 'refused');"
        "</script></body>")
    path = tmp_path / "report.html"
    path.write_text(html, "utf-8")
    page = browser.new_page()
    answered = []
    page.on("response", lambda response: answered.append(response.url))
    violations = []
    page.on("console", lambda message: violations.append(message.text))
    page.goto(path.as_uri())
    assert page.evaluate("window.refused") == "refused"
    assert answered == [path.as_uri()]
    assert sum("Content Security Policy" in text for text in violations) >= 2
    page.close()


@pytest.mark.parametrize("encoding", ["json", "gzip+base64"])
def test_both_encodings_carry_the_same_data(show, data_of, encoding):
    data = data_of("small")
    assert show(data, encoding).page.evaluate("peakline.data") == data


@pytest.mark.parametrize("damage, words", [
    (lambda data: data.update(format=2), "format 1, not 2"),
    (lambda data: data["stacks"]["up"].__setitem__(1, 7), "stack 1 has no parent"),
])
def test_damaged_data_is_one_sentence(show, data_of, damage, words):
    data = data_of("small")
    damage(data)
    report = show(data, fails=True)
    assert report.text("#answer") == "This report cannot be shown."
    assert words in report.text("#ending")
    assert report.page.locator("#main").is_hidden()


def test_a_hundred_thousand_nodes_are_searched_zoomed_and_turned_round(show, data_of):
    """How fast is asked by bench/page.py."""
    data = data_of("huge")
    html = build_page.build_page(data)
    assert "gzip+base64" in html
    report = show(data, html=html)
    assert check_levels(report) == data["peak"]["bytes"]
    for act in (["search", "load_data"], ["zoom", 1], ["zoom", 0], ["reset", None], ["go", {"inverted": True}]):
        report.page.evaluate(TIMED, act)
    assert check_levels(report) == data["peak"]["bytes"]


def test_a_recursion_of_20000_frames_scrolls_zooms_and_searches_to_its_end(show, data_of):
    report = show(data_of("deep"))
    assert report.labels() == ["All memory at the peak", "walk(20000)", "\u00d719,999 return [walk(n - 1), n]",
                               "this line itself"]
    report.unfold()
    report.page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    report.page.wait_for_function("() => peakline.layout().some((box) => box.node === 20000)")
    last = [box for box in report.boxes() if box["node"] == 20_000][0]
    report.page.mouse.click(*report.point(last))
    assert report.page.evaluate("peakline.now.focus") == 20_000
    assert [box["y"] for box in report.boxes() if box["node"] == 20_000] == [
        pytest.approx(last["y"], abs=1)], "the box stays under the mouse"
    assert check_levels(report) == 5_000_000
    report.page.keyboard.press("Escape")
    report.unfold()
    report.page.locator("#search").fill("walk(n - 1)")
    assert "19,999 boxes" in report.text("#matched")
    report.page.locator("#search").press("Shift+Enter")
    assert "of 19999" in report.status()


def test_a_line_of_ten_thousand_characters_stays_in_its_place(show, data_of):
    report = show(data_of("hostile"))
    wide = report.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 1280
    box = next(box for box in report.boxes() if box["label"].startswith("xxxxx"))
    report.page.mouse.move(*report.point(box))
    assert report.page.locator("#card").bounding_box()["height"] < 600


def test_the_page_works_inside_a_sandboxed_frame(browser, data_of):
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content("<iframe sandbox='allow-scripts' width=1000 height=700></iframe>")
    page.evaluate("(html) => { document.querySelector('iframe').srcdoc = html; }",
                  build_page.build_page(data_of("realistic"), "gzip+base64"))
    frame = page.frame_locator("iframe")
    frame.get_by_text("Three lines hold").wait_for()
    frame.locator("#blame tr.row").nth(1).click()
    frame.get_by_role("button", name="Zoom").click()
    assert frame.locator("#crumbs .here").text_content().startswith("return orders.merge(")
    assert errors == []
    page.close()


# ---- looks ----

@pytest.mark.parametrize("name", ["realistic", "hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_400_pixels_wide_needs_no_sideways_scrolling(show, data_of, name, scheme):
    report = show(data_of(name), viewport={"width": 400, "height": 800}, color_scheme=scheme)
    assert report.page.evaluate("document.documentElement.scrollWidth") <= 400
    report.page.locator("#blame tr.row").first.click()
    assert report.page.evaluate("document.documentElement.scrollWidth") <= 400
    check_levels(report)


CONTRASTS = """() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) =>
        v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const bad = [];
    for (const element of document.querySelectorAll('body *')) {
        const own = Array.from(element.childNodes).some((n) => n.nodeType === 3 && n.data.trim());
        if (!own || !element.checkVisibility() || element.disabled) { continue; }
        let behind = element;
        while (behind && (parse(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) {
            behind = behind.parentElement;
        }
        const pair = [getComputedStyle(element).color,
                      behind ? getComputedStyle(behind).backgroundColor : 'rgb(255,255,255)']
            .map((color) => light(parse(color))).sort((a, b) => a - b);
        const contrast = (pair[1] + 0.05) / (pair[0] + 0.05);
        if (contrast < 4.5) { bad.push([element.id || element.className, contrast]); }
    }
    return bad;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(show, data_of, scheme):
    data = data_of("realistic")
    data["run"]["outcome"] = {"kind": "signal", "signal": 9, "signal_name": "SIGKILL"}
    report = show(data, color_scheme=scheme)
    background = report.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 23, 26)")
    report.page.locator("#how summary").click()
    report.page.locator("#blame tr.row").nth(1).click()
    report.click("sales = add_customers(orders, customers)")
    report.page.mouse.move(5, 5)
    assert report.page.evaluate(CONTRASTS) == []


def test_a_theme_changed_while_open_is_followed(show, data_of):
    report = show(data_of("small"), color_scheme="light")
    pixel = """() => document.getElementById('canvas').getContext('2d')
        .getImageData(600, 5, 1, 1).data.join()"""
    before = report.page.evaluate(pixel)
    report.page.emulate_media(color_scheme="dark")
    report.page.wait_for_function("(before) => (%s)() !== before" % pixel, arg=before)


def test_the_graph_follows_the_width_of_the_window(show, data_of):
    report = show(data_of("small"))
    for width in (1800, 700):
        report.page.set_viewport_size({"width": width, "height": 900})
        report.page.wait_for_function(
            "() => { const wide = document.getElementById('canvas').clientWidth;"
            " return Math.abs(peakline.layout(true)[0].w - wide) < 1 && wide > %d; }"
            % (width - 60))
    check_levels(report)


def test_the_page_prints_light_and_without_its_controls(show, data_of):
    report = show(data_of("realistic"), color_scheme="dark")
    report.page.emulate_media(media="print", color_scheme="dark")
    report.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert report.page.evaluate("getComputedStyle(document.body).backgroundColor") == \
        "rgb(255, 255, 255)"
    assert not report.page.locator("#search").is_visible()
    red, green, blue = report.page.evaluate(
        "Array.from(document.getElementById('canvas').getContext('2d')"
        ".getImageData(600, 5, 1, 1).data.slice(0, 3))")
    assert red > 200
    assert len(report.page.pdf()) > 10_000
    report.page.evaluate("window.dispatchEvent(new Event('afterprint'))")


def test_a_screen_reader_finds_table_graph_and_status(show, data_of):
    report = show(data_of("small"))
    assert report.page.get_by_role("heading", level=1).count() == 1
    assert report.page.get_by_role("table").count() == 1
    assert report.page.get_by_role("application", name="Flame graph").count() == 1
    assert report.page.locator("#status").get_attribute("aria-live") == "polite"
    assert report.page.locator("html").get_attribute("lang") == "en"


def test_the_page_is_small_and_has_its_slots():
    slots = ["<!--%s-->" % name for name in ("TITLE", "STYLE", "SCRIPTS", "DATA")]
    page = (build_page.WEB / "page.html").read_text("utf-8")
    assert [page.count(slot) for slot in slots] == [1, 1, 1, 1]
    whole = build_page.build_page(profiles.small(), "json")
    data = build_page.data_element(profiles.small(), "json")
    assert len(whole.encode()) - len(data.encode()) <= 60 * 1024, "page code as it is embedded"
    for path in build_page.SOURCES[1:]:
        text = path.read_text("utf-8").lower()
        for trap in ("</script", "</style", "<!--", "innerhtml", "http:", "https:"):
            assert trap not in text, path
