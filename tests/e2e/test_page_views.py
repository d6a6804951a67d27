# SPDX-License-Identifier: Apache-2.0
"""The views of the report page: measures, folding, inverted, source, whose code, links, what can be taken along.

Same pages and fixtures as test_page.py; both themes and a narrow window for all that can be done."""

import json
import re

import pytest

from test_page import CONTRASTS, MIB, browser, check_levels, data_of, profiles, show  # noqa: F401


@pytest.fixture(params=[(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")],
                ids=lambda param: "%d-%s" % param)
def looks(request):
    width, scheme = request.param
    return {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}


def measured():
    """1 MiB at the peak; a leak that grows to 3 MiB at the end; a loop that allocates 90 MiB bit by bit."""
    profile = profiles.Profile(command=["app.py"], directory="/home/ada/app")
    app = "/home/ada/app/app.py"
    main = (app, "<module>", 20, "main()")
    profile.add([main, (app, "main", 3, "    held = load()")], MIB, 1)
    profile.add([main, (app, "main", 5, "    cache.append(row)")], 1000, 2, end=(3 * MIB, 30), churn=(3 * MIB, 30))
    profile.add([main, (app, "main", 7, "    text = text.strip()")], 0, 0, churn=(90 * MIB, 4000))
    return profile.data()


def threaded():
    """Two processes; in the first a thread that main() started."""
    profile = profiles.Profile(command=["app.py"], directory="/home/ada/app")
    app = "/home/ada/app/app.py"
    main, work = (app, "main", 4, "start(work)"), (app, "work", 8, "work()")
    thread, first, second = ("[thread]", "[thread]", 0, ""), ("[p]", "[process 7]", 0, ""), ("[q]", "[process 8]", 0, "")
    profile.add([first, main], 1000)
    profile.add([first, thread, work], 20_000)
    profile.add([second, work], 300_000)
    data = profile.data(processes=[
        {"pid": 7, "parent_pid": 1, "peak_bytes": 30_000, "bytes_at_tree_peak": 21_000, "end_bytes": 10,
         "label": "app.py"},
        {"pid": 8, "parent_pid": 7, "peak_bytes": 300_000, "bytes_at_tree_peak": 300_000, "end_bytes": None,
         "label": "<b>app.py</b>, forked"}])
    data["functions"]["kind"] = [{"[thread]": 6, "[process 7]": 32, "[process 8]": 32}.get(name, 0)
                                 for name in data["functions"]["name"]]
    data["peak"]["holder"] = {"pid": 8, "bytes": 300_000, "thread": None, "thread_bytes": None,
                              "text": "Process 8 (<b>app.py</b>, forked) holds the most, 300.0 KiB."}
    return data


def of_kinds():
    """One line with 4 MiB of objects, 3 of the C heap and 2 of maps; one with 1 MiB of objects."""
    profile = profiles.Profile(command=["app.py"], directory="/home/ada/app")
    app = "/home/ada/app/app.py"
    main = (app, "<module>", 20, "main()")
    profile.add([main, (app, "main", 3, "    frame = load()")], 9 * MIB, 9)
    profile.add([main, (app, "main", 5, "    names = list(frame)")], MIB, 1)
    data = profile.data()
    row = data["stacks"]["bytes"].index(9 * MIB)
    data["kinds"] = {"stack": [row, row], "kind": [1, 2], "bytes": [3 * MIB, 2 * MIB], "blocks": [3, 1],
                     "end_bytes": [0, 0], "end_blocks": [0, 0], "alloc_bytes": [3 * MIB, 2 * MIB],
                     "alloc_blocks": [3, 1]}
    return data


# ---- kinds of memory ----

def test_one_kind_of_memory_alone_says_what_it_leaves_out(show, looks):
    report = show(of_kinds(), **looks)
    button = lambda name: report.page.get_by_role("button", name=name, exact=True)  # noqa: E731
    assert button("All memory").get_attribute("aria-pressed") == "true"
    report.page.locator("#canvas").focus()
    for _ in range(3):
        report.page.keyboard.press("ArrowDown")
    assert report.text("#card").replace("\u00a0", " ").count("Python objects 4.0 MiB \u00b7 C heap 3.0 MiB \u00b7 Maps 2.0 MiB") == 1
    button("C heap").click()
    rows = [row.inner_text().replace("\u00a0", " ") for row in report.page.locator("#blame tr.row").all()]
    assert len(rows) == 2 and "3.0" in rows[0] and "frame = load()" in rows[0]
    assert "7.0" in rows[1] and "other kinds, left out" in rows[1]
    labels = {box["label"]: box["bytes"] for box in report.page.evaluate("peakline.layout(true)")}
    assert labels["All memory at the peak"] == 10 * MIB
    assert labels["frame = load()"] == 3 * MIB and labels["other kinds, left out"] == 7 * MIB
    assert "names = list(frame)" not in labels
    check_levels(report)
    assert "k=1" in report.page.url
    report.page.go_back()
    assert button("All memory").get_attribute("aria-pressed") == "true"


def test_the_part_of_the_line_that_allocated_is_underlined(show, looks):
    data = of_kinds()
    places = [data["frames"]["source"].index(text) for text in ("    frame = load()", "    names = list(frame)")]
    data["frames"]["column"] = [-1] * len(data["frames"]["line"])
    data["frames"]["end_column"] = [-1] * len(data["frames"]["line"])
    for place, (start, end) in zip(places, ((12, 18), (4, 23))):
        data["frames"]["column"][place], data["frames"]["end_column"][place] = start, end
    report = show(data, **looks)
    report.page.locator("#canvas").focus()
    marked = []
    for _ in range(3):
        report.page.keyboard.press("ArrowDown")
        marked.append(report.page.locator("#card u").all_inner_texts())
    assert marked == [[], [], ["load()"]]
    assert "frame = load()" in report.text("#card .here")
    report.page.keyboard.press("s")
    assert report.page.locator("#panel u").all_inner_texts() == ["load()"]  # all of a line is not marked
    assert "names = list(frame)" in report.text("#panel")


def test_the_largest_block_of_each_line_is_a_column(show, looks):
    data = of_kinds()
    data["blame"]["largest_bytes"] = [6 * MIB, MIB]
    data["blame"]["largest_least_bytes"] = [5 * MIB, MIB]
    report = show(data, **looks)
    cells = [cell.text_content().replace("\u00a0", " ") for cell in report.page.locator("#blame tr.row .largest").all()]
    assert cells == ["\u2264 6.0 MiB", "1.0 MiB"]
    assert report.page.locator("#blame th.largest").is_visible() == (looks["viewport"]["width"] > 760)
    report.page.locator("#canvas").focus()
    for _ in range(3):
        report.page.keyboard.press("ArrowDown")
    assert "largest block \u2264 6.0 MiB" in report.text("#card").replace("\u00a0", " ")
    report.page.get_by_role("button", name="Live at the end").click()
    assert not report.page.locator("#blame th.largest").is_visible()  # known of the peak alone


def test_documents_without_kinds_offer_none(show):
    report = show(measured())
    assert report.page.get_by_role("button", name="C heap", exact=True).count() == 0


# ---- measures ----

def test_the_same_views_weigh_the_peak_the_end_and_the_whole_run(show, looks):
    report = show(measured(), **looks)
    button = lambda name: report.page.get_by_role("button", name=name, exact=True)  # noqa: E731
    assert button("At the peak").get_attribute("aria-pressed") == "true"
    assert report.text("#blame tr.row >> nth=0").startswith("1.0MiB")
    button("Live at the end").click()
    assert report.text("#lines-title") == "Lines that still held memory at the end"
    assert report.text("#blame tr.row >> nth=0").startswith("3.0MiB")
    assert "app.py:5" in report.text("#blame tr.row >> nth=0")
    assert check_levels(report) == 3 * MIB
    assert "All memory live at the end" in report.labels()
    button("Allocated over the run").click()
    assert check_levels(report) == 94 * MIB + 1000
    assert "app.py:7" in report.text("#blame tr.row >> nth=0")
    assert report.text("#measure-note") == ("94.0 MiB were allocated in all; 91.0 MiB of it were temporary: "
                                            "freed again before the end.")
    assert report.page.evaluate("document.documentElement.scrollWidth") <= looks["viewport"]["width"]
    report.page.locator("#canvas").focus()
    report.page.keyboard.press("1")
    assert check_levels(report) == MIB + 1000


# ---- folding ----

def test_library_calls_imports_and_recursion_are_folded_and_can_be_unfolded(show, data_of, looks):
    report = show(data_of("realistic"), **looks)
    peak = check_levels(report)
    assert "\u25b8 pandas: read_csv" in report.labels() and "\u25b8 import pandas" in report.labels()
    assert "return _read(filepath_or_buffer, kwds)" not in report.labels()
    folded = len(report.labels())
    for name in ("library calls", "imports", "recursion"):
        button = report.page.get_by_role("button", name=name, exact=True)
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        assert check_levels(report) == peak
    assert len(report.labels()) > 2 * folded or looks["viewport"]["width"] == 400
    assert not any(label.startswith("\u25b8") for label in report.labels())
    report.page.keyboard.press("l")
    assert "\u25b8 pandas: read_csv" in report.labels()


def test_one_folded_call_opens_by_mouse_and_by_key(show, data_of):
    report = show(data_of("realistic"))
    box = report.box("\u25b8 pandas: read_csv")
    area = report.page.locator("#canvas").bounding_box()
    report.page.mouse.click(area["x"] + box["x"] + 10, area["y"] + box["y"] + 10)
    assert "\u25be pandas: read_csv" in report.labels(), "open, and still there to be closed"
    inside = [one for one in report.boxes(True) if one["row"] == box["row"] + 1 and one["above"] == box["node"]]
    assert inside and inside[0]["label"].startswith("return _read(")
    assert "\u25b8 pandas: DataFrame.merge" in report.labels(), "the others stay folded"
    check_levels(report)
    report.page.locator("#canvas").focus()
    report.page.evaluate("peakline.now.selected = null")
    for _ in range(5):
        report.page.keyboard.press("ArrowDown")
    report.page.keyboard.press("ArrowDown")
    assert "pandas: read_csv" in report.status()
    report.page.keyboard.press("e")
    assert "\u25b8 pandas: read_csv" in report.labels()


def test_what_a_search_finds_inside_a_folded_call_marks_the_call(show, data_of):
    report = show(data_of("realistic"))
    report.page.locator("#search").fill("_taskstep")
    assert report.text("#matched") == "no match"
    report.page.locator("#search").fill("np.empty(out_shape")
    folded = report.text("#matched")
    report.unfold()
    assert report.text("#matched").split(" in ")[0] == folded.split(" in ")[0]
    assert "no match" not in folded


def test_threads_and_processes_are_apart_or_together(show, looks):
    report = show(threaded(), **looks)
    assert "Memory of 2 processes peaked at" in report.text("#answer")
    assert "Process 8 (<b>app.py</b>, forked) holds the most, 300.0 KiB." in report.text("#answer"), "as text, not as a tag"
    assert {"[process 7]", "[process 8]", "[thread]"} <= set(report.labels())
    report.page.get_by_role("button", name="processes", exact=True).click()
    report.page.get_by_role("button", name="threads", exact=True).click()
    assert set(report.labels()) == {"All memory at the peak", "work()", "start(work)"} | (
        {"start(work)"} if "start(work)" in report.labels() else set())
    assert check_levels(report) == 321_000
    report.page.get_by_role("button", name="Processes", exact=True).click()
    cells = report.page.locator("#panel tbody tr").nth(1).locator("td").all_inner_texts()
    assert [cell.replace("\u00a0", " ") for cell in cells] == [
        "8", "7", "293.0 KiB", "293.0 KiB", "not known", "<b>app.py</b>, forked"]


# ---- inverted ----

def test_upside_down_the_lines_that_allocated_come_first(show, data_of, looks):
    report = show(data_of("realistic"), **looks)
    peak = check_levels(report)
    report.page.locator("#canvas").focus()
    report.page.keyboard.press("i")
    assert report.page.get_by_role("button", name="Inverted").get_attribute("aria-pressed") == "true"
    assert check_levels(report) == peak
    first = [box for box in report.boxes(True) if box["row"] == 1]
    assert first[0]["label"] == "pandas: read_csv"
    below = [box for box in report.boxes(True) if box["row"] == 2 and box["above"] == first[0]["node"]]
    assert below[0]["label"].startswith("orders = pd.read_csv(")
    report.page.locator("#blame tr.row").nth(1).click()
    assert report.page.evaluate("peakline.now.paths.bytes") == data_of("realistic")["blame"]["bytes"][1]
    report.unfold()
    assert check_levels(report) == report.page.evaluate("peakline.tree.bytes[peakline.now.focus]")


# ---- source ----

def test_files_are_annotated_listings_with_links_both_ways(show, looks):
    data = measured()
    data["page"] = {"context": {"file": [0, 0, 0], "line": [1, 3, 2],
                                "text": ["def main():", "    # <script>keep</script>", "    for row in rows:"]}}
    report = show(data, **looks)
    report.page.locator("#blame tr.row").first.click()
    report.page.locator("#chosen").get_by_role("button", name="Source").click()
    rows = [row.split("\t") for row in report.text("#panel tbody").split("\n")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["", "1", "def main():"], ["", "", "\u22ee"], ["1.0 MiB", "3", "held = load()"],
        ["", "4", "# <script>keep</script>"], ["1,000 B", "5", "cache.append(row)"], ["", "6", "for row in rows:"],
        ["", "7", "text = text.strip()"], ["", "", "\u22ee"], ["1.0 MiB", "20", "main()"]]
    assert report.page.locator("#panel tr.here").inner_text().split("\t")[1] == "3"
    report.page.locator("#panel").get_by_role("button", name="5", exact=True).click()
    assert "app.py:5" in report.text("#blame tr.chosen")
    assert report.page.locator("#canvas").is_visible()
    report.page.locator("#chosen").get_by_role("button", name="Source").click()
    report.page.locator("#panel").get_by_role("button", name="20", exact=True).click()
    assert "in 1 box" in report.text("#matched"), "a line without bytes of its own is found in the graph"
    assert report.page.evaluate("document.documentElement.scrollWidth") <= looks["viewport"]["width"]


def test_the_card_shows_the_lines_around(show):
    data = measured()
    data["page"] = {"context": {"file": [0, 0, 0], "line": [1, 1, 2], "text": ["def main():", "", "    more()"]}}
    report = show(data)
    report.hover("held = load()")
    assert report.text("#card .source").split("\n") == ["1def main():", "2 ", "3    held = load()", "4    more()",
                                                       "5    cache.append(row)"]
    assert report.text("#card .source .here") == "3    held = load()"


# ---- whose code ----

def test_whose_code_is_whose_can_be_said_in_the_page(show, data_of, looks):
    report = show(data_of("realistic"), **looks)
    peak = check_levels(report)
    report.page.get_by_role("button", name="Whose code").click()
    assert report.page.get_by_label("sales/").is_checked() and not report.page.get_by_label("pandas").is_checked()
    report.page.get_by_label("sales/").uncheck()
    report.page.get_by_role("button", name="Flame graph").click()
    assert report.page.evaluate("peakline.rows.reduce((sum, row) => sum + row.bytes, 0)") == peak
    assert not any("load.py" in row or "join.py" in row
                   for row in report.page.locator("#blame tr.row .place").all_inner_texts())
    assert "orders = load_orders(options.orders)" in report.labels()
    assert check_levels(report) == peak
    report.page.get_by_role("button", name="Whose code").click()
    report.page.get_by_label("sales/").check()
    assert report.page.evaluate("peakline.state.mine") == ""


# ---- links and history ----

def test_a_link_opens_the_same_view_and_the_back_button_goes_back(show, data_of):
    report = show(data_of("realistic"))
    report.click("sales = add_customers(orders, customers)")
    report.page.get_by_role("button", name="Inverted").click()
    report.page.keyboard.press("3")
    report.page.locator("#search").fill("merge")
    link = report.page.evaluate("location.href")
    shown = (report.boxes(), report.text("#matched"), report.text("#crumbs"), report.text("#lines-title"))
    assert "#" in link

    again = show(data_of("realistic"))
    again.page.goto(again.url + "#" + link.split("#")[1])
    again.page.reload()
    again.requests[:] = [again.url]
    again.page.wait_for_function("() => window.paintedAt && peakline.state.query === 'merge'")
    assert (again.boxes(), again.text("#matched"), again.text("#crumbs"), again.text("#lines-title")) == shown

    report.page.go_back()
    report.page.wait_for_function("() => peakline.state.measure === 'peak'")
    report.page.go_back()
    report.page.wait_for_function("() => !peakline.state.inverted")
    assert report.focus_label() == "sales = add_customers(orders, customers)"
    report.page.go_back()
    report.page.wait_for_function("() => peakline.now.focus === 0")
    report.page.go_forward()
    report.page.wait_for_function("() => peakline.now.focus !== 0")
    assert report.focus_label() == "sales = add_customers(orders, customers)"


def test_a_row_keeps_the_keyboards_place_when_it_is_chosen(show, data_of):
    report = show(data_of("realistic"))
    report.page.locator("#blame tr.row button").nth(2).focus()
    report.page.keyboard.press("Enter")
    assert "text.py:8" in report.text("#blame tr.chosen")
    assert report.page.evaluate("document.activeElement.closest('.row').dataset.index") == "2"


# ---- to take along ----

def test_the_table_is_copied_as_text_and_as_markdown(show, data_of):
    report = show(data_of("small"), permissions=["clipboard-read", "clipboard-write"])
    read = lambda: report.page.evaluate("navigator.clipboard.readText()")  # noqa: E731
    report.page.get_by_role("button", name="text", exact=True).click()
    report.page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('Memory peaked')")
    assert re.split("  +", read().split("\n")[1]) == ["683.6 KiB", "70.0 %", "410", "app.py:6",
                                                      "return json.load(file)"]
    report.page.get_by_role("button", name="Markdown").click()
    report.page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('**')")
    assert "| 683.6 KiB | 70.0 % | 410 | `app.py:6` | `return json.load(file)` |" in read()
    assert report.text("#status") == "Copied 5 lines."


def test_the_document_can_be_downloaded(show, data_of):
    data = data_of("small")
    report = show(data)
    with report.page.expect_download() as download:
        report.page.get_by_role("button", name="Download JSON").click()
    found = json.loads(download.value.path().read_text("utf-8"))
    report.requests[:] = [report.url]  # the file itself is a blob of the page's
    assert found["stacks"]["parent"][:3] == [-1, 0, 1] and found["stacks"]["bytes"] == data["stacks"]["bytes"]
    assert found["blame"][0]["path"] == "/home/ada/app/app.py" and "page" not in found


# ---- memory over time ----

def test_memory_over_time_is_drawn_with_the_peak_marked(show, looks):
    data = measured()
    report = show(data, **looks)
    assert report.text("#time") == "Memory over time was not sampled."
    data["timeline"] = {"time_s": [0, 6, 12, 30], "tracked_bytes": [0, 2 ** 19, 2 ** 20, 0],
                        "rss_bytes": [2 ** 20, 2 ** 21, 2 ** 21, 2 ** 20], "swap_bytes": [0] * 4}
    report = show(data, **looks)
    assert report.page.locator("#strip").is_visible()
    assert "highest 2.0 MiB" in report.text("#time") and "the peak, at 12.4 s" in report.text("#time")
    assert report.page.get_by_role("img", name="Memory over time, 0 to 31.0").count() == 1
    width = report.page.evaluate("document.getElementById('strip').clientWidth")
    painted = report.page.evaluate("""([x, y]) => document.getElementById('strip').getContext('2d')
        .getImageData(x * devicePixelRatio, y, 1, 1).data[3]""", [int(width * 12.4 / 31), 2])
    assert painted > 0, "the mark goes from top to bottom"
    assert report.page.evaluate("document.documentElement.scrollWidth") <= looks["viewport"]["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_views_have_enough_contrast(show, data_of, scheme):
    report = show(data_of("realistic"), color_scheme=scheme)
    for tab in ("source", "code"):
        report.go(tab=tab)
        assert report.page.evaluate(CONTRASTS) == []
    report.go(tab="graph", measure="run", inverted=True)
    report.page.mouse.move(5, 5)
    assert report.page.evaluate(CONTRASTS) == []


def test_nothing_moves_by_itself(show, data_of):
    report = show(data_of("small"), reduced_motion="reduce")
    moving = report.page.evaluate("""() => Array.from(document.querySelectorAll('*')).filter((element) => {
        const style = getComputedStyle(element);
        return style.animationName !== 'none' || style.transitionDuration !== '0s';
    }).length""")
    assert moving == 0
