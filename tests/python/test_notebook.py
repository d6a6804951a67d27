# SPDX-License-Identifier: Apache-2.0
"""The notebook magic in a real kernel: notebooks are executed, and what their cells put out is read."""

import os
import re
import shutil
import signal
import subprocess

import pytest
from chromium import find_chromium
from conftest import MIB, REPOSITORY, find_program

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

LOAD = "%load_ext peakline"


@pytest.fixture
def notebook(surroundings, tmp_path, monkeypatch):
    """notebook(cell, ...) runs the cells in a new kernel and returns the notebook."""
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")

    def run(*sources):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        book = nbformat.v4.new_notebook(cells=cells)
        client = nbclient.NotebookClient(
            book, timeout=100, kernel_name="python3", allow_errors=True,
            resources={"metadata": {"path": str(tmp_path)}},
        )
        client.execute()
        return book

    return run


def outputs(cell, kind):
    return [each for each in cell.outputs if each.output_type == kind]


def report(cell):
    """(text, html) of the one report of the cell."""
    found = [each.data for each in outputs(cell, "display_data")]
    assert len(found) == 1, [each.output_type for each in cell.outputs]
    return found[0]["text/plain"], found[0]["text/html"]


def printed(cell):
    return "".join(each.text for each in outputs(cell, "stream"))


def data_of(html):
    """The data in the page that is in the frame that is in the output."""
    import html as html_module
    import sys

    sys.path.insert(0, str(REPOSITORY / "python"))
    from peakline._notebook.page import read_data

    return read_data(html_module.unescape(re.search('srcdoc="(.*?)"', html, re.DOTALL).group(1)))


def test_a_cell_is_reported_by_its_lines(notebook):
    book = notebook(
        LOAD, "def make(n):\n    return bytearray(n << 20)", "%%peakline\nx = make(5)\ny = bytearray(3 << 20)"
    )
    text, html = report(book.cells[2])
    lines = text.splitlines()
    assert re.match(r"Cell \[3\]: 8\.0 MiB at its peak, .*; 8\.0 MiB still held at its end\.", lines[0])
    assert re.match(r" +5\.0 MiB  Cell \[2\]:2  return bytearray\(n << 20\)", lines[1])
    assert re.match(r" +3\.0 MiB  Cell \[3\]:3  y = bytearray\(3 << 20\)", lines[2])
    assert html.startswith("<pre") and "8.0 MiB at its peak" in html and "sandbox=" in html


def test_stacks_start_at_the_cell(notebook):
    book = notebook(LOAD, "%%peakline\ndef f():\n    return bytearray(9 << 20)\nx = f()")
    data = data_of(report(book.cells[1])[1])
    files, functions, frames, nodes = (data[k] for k in ("files", "functions", "frames", "stacks"))
    largest = max(range(len(nodes["bytes"])), key=lambda at: nodes["bytes"][at])
    path = []
    while largest > 0:
        frame = nodes["frame"][largest]
        function = frames["function"][frame]
        path.append((files["path"][functions["file"][function]], functions["name"][function], frames["line"][frame]))
        largest -= nodes["up"][largest]
    assert path == [("Cell [2]", "f", 3), ("Cell [2]", "<module>", 4)]
    assert 9 * MIB <= sum(nodes["bytes"]) == data["peak"]["bytes"]
    assert frames["source"][nodes["frame"][nodes["bytes"].index(max(nodes["bytes"]))]] == (
        "    return bytearray(9 << 20)"
    )


def test_kinds_of_memory_stay_with_their_stacks(notebook):
    """Stacks that start at the cell have other numbers; what is C heap names them by number."""
    # strdup: the C heap, without any of Python's own allocators
    book = notebook(LOAD, "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.strdup.restype = ctypes.c_void_p\n"
                    "text = b'x' * 3_000_000",
                    "%%peakline\nheap = libc.strdup(text)\nobjects = bytearray(5_000_000)")
    data = data_of(report(book.cells[2])[1])
    stacks, kinds, frames = data["stacks"], data["kinds"], data["frames"]
    rows = list(zip(kinds["stack"], kinds["kind"], kinds["bytes"]))
    assert rows == sorted(rows) and all(size <= stacks["bytes"][stack] for stack, _, size in rows)
    heap = [(frames["source"][stacks["frame"][stack]], size) for stack, kind, size in rows if kind == 1 and size > 1_000_000]
    assert heap == [("heap = libc.strdup(text)", 3_000_001)]


def test_only_files_without_lines_are_said_to_have_none(notebook):
    """Cells are no files, but their lines are there."""
    made = "exec(compile('def f():\\n    return bytearray(3_000_000)', '/gone/away.py', 'exec'))"
    book = notebook(LOAD, "%%peakline\nx = bytearray(5 << 20)", made, "%%peakline\ny = f()")
    texts = ["\n".join(data_of(report(book.cells[at])[1])["warnings"]) for at in (1, 3)]
    assert "not readable" not in texts[0] and "lines are not shown: /gone/away.py." in texts[1]
    assert "ipykernel" not in "".join(texts)


def test_the_cell_itself_is_untouched(notebook):
    body = 'text = """a\n    b\n\tc"""\nx = 1\nx = x + 1\nfor i in range(2):\n    y = i\nfrom math import *\nx'
    book = notebook(LOAD, "%%peakline\n" + body, "print(repr(text), x, y, floor(pi))")
    assert printed(book.cells[2]) == r"'a\n    b\n\tc' 2 1 3" + "\n"
    assert outputs(book.cells[1], "execute_result")[0].data["text/plain"] == "2"
    assert outputs(book.cells[1], "execute_result")[0].execution_count == 2


def test_await_at_the_top_of_a_cell(notebook):
    book = notebook(LOAD, "%%peakline\nimport asyncio\nawait asyncio.sleep(0)\nx = bytearray(4 << 20)\nlen(x)")
    assert "4.0 MiB  Cell [2]:4" in report(book.cells[1])[0]
    assert outputs(book.cells[1], "execute_result")[0].data["text/plain"] == str(4 * MIB)


def test_an_error_is_shown_once_and_the_report_all_the_same(notebook):
    book = notebook(LOAD, "%%peakline\nx = bytearray(6 << 20)\n1 / 0", "len(x)")
    errors = outputs(book.cells[1], "error")
    assert [each.ename for each in errors] == ["ZeroDivisionError"]
    trace = re.sub("\x1b\\[[0-9;]*m", "", "\n".join(errors[0].traceback))
    assert "line 3" in trace and "peakline" not in trace.replace("%%peakline", "")
    assert "6.0 MiB  Cell [2]:2" in report(book.cells[1])[0]
    assert outputs(book.cells[2], "execute_result")


def test_a_syntax_error_is_python_s_own(notebook):
    book = notebook(LOAD, "%%peakline\nx = = 1", "x = 1")
    assert [each.ename for each in outputs(book.cells[1], "error")] == ["SyntaxError"]
    assert outputs(book.cells[2], "error") == []


def test_the_second_run_of_a_cell(notebook):
    cell = "%%peakline\nx = bytearray(5 << 20)"
    book = notebook(LOAD, cell, cell)
    assert report(book.cells[1])[0].startswith("Cell [2]: 5.0 MiB")
    text = report(book.cells[2])[0]
    # The new one is made before the old one is let go.
    assert text.startswith("Cell [3]: 5.0 MiB") and "5.0 MiB  Cell [3]:2  x = " in text


def test_the_line_magic(notebook):
    book = notebook(LOAD, "n = 7\n%peakline x = bytearray(n << 20)\nprint(len(x))", "%peakline len(x)")
    assert "7.0 MiB" in report(book.cells[1])[0]
    assert printed(book.cells[1]) == f"{7 * MIB}\n"
    assert outputs(book.cells[2], "execute_result")[0].data["text/plain"] == str(7 * MIB)


def test_an_error_in_the_line_magic_stops_the_cell_and_is_shown_once(notebook):
    book = notebook(LOAD, "%peakline 1 / 0\nprint('not reached')")
    assert [each.ename for each in outputs(book.cells[1], "error")] == ["ZeroDivisionError"]
    assert printed(book.cells[1]) == ""


def test_below_another_magic(notebook):
    book = notebook(LOAD, "%%capture out\n%%peakline\nx = bytearray(2 << 20)", "print(len(x))\nout.show()")
    assert printed(book.cells[2]) == f"{2 * MIB}\n"
    assert "2.0 MiB  Cell [2]:2  x = " in report(book.cells[2])[0]


def test_below_a_magic_that_runs_its_cell_itself(notebook):
    """%%time has its cell transformed, and runs what comes out."""
    book = notebook(LOAD, "%%time\n%%peakline\nx = bytearray(2 << 20)\nlen(x)", "%peakline x")
    text, _ = report(book.cells[1])
    assert text.startswith("Cell [2]: 2.0 MiB") and "2.0 MiB  Cell [2]:2  x = " in text
    assert "Wall time" in printed(book.cells[1])


def test_a_measurement_that_a_cell_ends_begins_again_with_the_next(notebook):
    book = notebook(LOAD, "import peakline\npeakline.start()\npeakline.stop()", "%%peakline\nx = bytearray(2 << 20)")
    assert report(book.cells[2])[0].startswith("Cell [3]: 2.0 MiB")


def test_unloaded_in_the_middle_of_a_measured_cell(notebook):
    book = notebook(LOAD, "%%peakline\n%unload_ext peakline", "import peakline\npeakline.is_measuring()")
    assert outputs(book.cells[2], "execute_result")[0].data["text/plain"] == "False"


def test_above_another_magic(notebook):
    book = notebook(LOAD, "%%peakline\n%%capture out\nx = bytearray(2 << 20)", "print(len(x))")
    assert printed(book.cells[2]) == f"{2 * MIB}\n"
    assert "2.0 MiB  Cell [2]:" in report(book.cells[1])[0]


def test_what_earlier_cells_still_hold(notebook):
    book = notebook(LOAD, "x = bytearray(20 << 20)", "y = bytearray(10 << 20)\nz = bytearray(5 << 20)\ndel z",
                    "%%peakline\npass", "del x", "%peakline")
    text = report(book.cells[3])[0]
    assert "still holds 30." in text and "Cell [2] 20.0 MiB, Cell [3] 10.0 MiB" in text
    assert "Held" not in text
    assert "from earlier cells: Cell [3] 10.0 MiB" in printed(book.cells[5])


def test_objects_that_will_not_be_asked_are_not_asked(notebook):
    """As a proxy of a web framework outside of a request."""
    proxy = (
        "class Proxy:\n    __module__ = None\n    @property\n    def __class__(self): raise RuntimeError('no request')\n"
        "proxy = Proxy()\nbig = bytearray(20 << 20)"
    )
    book = notebook(LOAD, proxy, "%%peakline\nx = bytearray(2 << 20)", "%peakline")
    assert "from earlier cells: Cell [2] 20.0 MiB" in report(book.cells[2])[0]
    assert "from earlier cells: Cell [2] 20.0 MiB" in printed(book.cells[3])


def test_directories_of_others_in_the_temporary_directory_do_no_harm(notebook, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("ledger-abc", "ledger-" + "9" * 30):
        (tmp_path / f"peakline-{len(name)}").mkdir()
        (tmp_path / f"peakline-{len(name)}" / name).touch()
    book = notebook(LOAD, "%%peakline\nx = bytearray(2 << 20)")
    assert outputs(book.cells[0], "error") == []
    assert "2.0 MiB" in report(book.cells[1])[0]


def test_results_and_tracebacks_that_hold_are_named(notebook):
    quiet = "class Big:\n    def __init__(self, n): self.data = bytearray(n << 20)"
    book = notebook(
        LOAD, quiet, "Big(20)", "kept = Big(3)\nkept",
        "def fail():\n    local = bytearray(10 << 20)\n    1 / 0\nfail()", "%peakline",
        "%reset -f out", "%peakline",
    )
    text = printed(book.cells[5])
    assert re.search(r"only as a result: Out\[3\] 20\.0 MiB; `%reset -f out` lets go", text)
    assert "Out[4]" not in text  # a variable holds that one, too
    assert "Held only by the last traceback: 10.0 MiB" in text
    assert "Out[3]" not in printed(book.cells[7])


def test_the_page_as_a_file(notebook, tmp_path):
    book = notebook(LOAD, "%%peakline -o cell.html\nx = bytearray(5 << 20)")
    page = (tmp_path / "cell.html").read_text(encoding="utf-8")
    assert "<title>Cell [2]: 5.0 MiB - Peakline</title>" in page
    assert f"The page: {tmp_path}/cell.html" in report(book.cells[1])[0]


def test_a_page_that_cannot_be_written_is_shown_all_the_same(notebook):
    book = notebook(LOAD, "%%peakline -o /nowhere/at/all.html\nx = bytearray(5 << 20)")
    text, html = report(book.cells[1])
    assert "5.0 MiB" in text and "srcdoc" in html
    assert "The page was not written to /nowhere/at/all.html: No such file or directory." in text


def test_lines_of_libraries_are_named_from_the_package_on(notebook):
    """Of a cell that does nothing, IPython's own lines are all there is."""
    text, _ = report(notebook(LOAD, "%%peakline\npass").cells[1])
    assert " IPython/core/" in text and "site-packages" not in text


def test_words_that_are_not_understood_are_said_and_the_cell_runs(notebook):
    book = notebook(LOAD, "%%peakline --fast\nx = 1", "x")
    assert "%%peakline takes nothing, or -o FILE" in printed(book.cells[1])
    assert outputs(book.cells[2], "execute_result")


def test_loading_twice_and_unloading(notebook):
    book = notebook(LOAD, LOAD, "%reload_ext peakline", "%%peakline\nx = 1", "%unload_ext peakline", "y = 2", "%peakline y")
    report(book.cells[3])
    assert outputs(book.cells[5], "error") == []
    assert "not found" in printed(book.cells[6])


def test_a_kernel_that_cannot_be_measured_runs_its_cells(notebook, monkeypatch):
    monkeypatch.setenv("PEAKLINE_RUNTIME", "/nowhere/libpeakline.so")
    book = notebook(LOAD, "%%peakline\nx = 1\nx + 1")
    assert "nothing will be measured" in printed(book.cells[0])
    assert outputs(book.cells[1], "execute_result")[0].data["text/plain"] == "2"
    assert outputs(book.cells[1], "error") == []


def test_exported_html_has_the_frame_and_the_text(notebook, tmp_path):
    nbconvert = pytest.importorskip("nbconvert")
    book = notebook(LOAD, "%%peakline\nx = bytearray(5 << 20)")
    page, _ = nbconvert.HTMLExporter().from_notebook_node(book)
    assert 'title="Peakline"' in page and "srcdoc=" in page and "5.0 MiB at its peak" in page


# What Visual Studio Code's notebook view allows the outputs in it, and how it puts them there: into the page itself
# (innerHTML), which is in a sandbox of its own and asks the network for nothing that is not https.
CODE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src https: http: data:; "
    "font-src https:; connect-src https:; child-src https: data: blob:;"
)
CODE_SANDBOX = "allow-scripts allow-same-origin allow-forms allow-pointer-lock allow-downloads"


def test_the_page_works_under_the_rules_of_code_s_notebook_view(notebook, tmp_path):
    api = pytest.importorskip("playwright.sync_api")
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium here")
    _, output = report(notebook(LOAD, "%%peakline\nx = bytearray(5 << 20)").cells[1])
    (tmp_path / "view.html").write_text(
        f'<meta http-equiv="Content-Security-Policy" content="{CODE_POLICY}"><div id="output"></div>'
    )
    (tmp_path / "code.html").write_text(f'<iframe id="view" sandbox="{CODE_SANDBOX}" src="view.html" width="900" height="700">')
    problems, requests = [], []
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: requests.append(request.url))
        page.goto((tmp_path / "code.html").as_uri())
        view = page.frame_locator("#view")
        view.locator("#output").evaluate("(element, output) => { element.innerHTML = output; }", output)
        view.frame_locator("iframe[title=Peakline]").locator("text=x = bytearray(5 << 20)").first.wait_for(timeout=30_000)
        assert "5.0 MiB at its peak" in view.locator("#output pre").inner_text()
        browser.close()
    assert problems == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "about"}


def test_a_whole_kernel_under_peakline_run(surroundings, tmp_path):
    import subprocess
    import sys

    from conftest import find_program

    book = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(source)
            for source in (LOAD, "x = bytearray(150 << 20)\ny = len(x)\ndel x", "%%peakline\nz = bytearray(5 << 20)")
        ]
    )
    nbformat.write(book, tmp_path / "book.ipynb")
    done = subprocess.run(
        [find_program(), "run", "--no-open", "-o", "result", "--", sys.executable, "-m", "jupyter", "nbconvert"]
        + ["--to", "notebook", "--execute", "--inplace", "book.ipynb"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cells = nbformat.read(tmp_path / "book.ipynb", 4).cells
    assert report(cells[2])[0].startswith("Cell [3]: 5.0 MiB")  # joined that measurement
    folded = subprocess.run(
        [find_program(), "report", "result", "--format", "folded"],
        cwd=tmp_path, stdout=subprocess.PIPE, universal_newlines=True, check=True,
    ).stdout
    kernel = [line for line in folded.splitlines() if "ipykernel_" in line and line.split()[-1].isdigit()]
    assert any(int(line.split()[-1]) >= 150 * MIB for line in kernel)


def test_records_of_others_are_passed_over(monkeypatch, tmp_path):
    """Of a process that was replaced by another program (exec), and of `peakline run` with its records in memory."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "python"))
    from peakline._notebook import died

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("peakline-live-a1b2c3", "peakline-a1b2c3"):
        (tmp_path / name).mkdir()
        for ledger in ("ledger-4194305", "ledger-4194305.2"):  # no process has that number
            (tmp_path / name / ledger).touch()
    assert died.say_died() is None


def test_a_kernel_that_died_is_told_of_by_the_next(surroundings, tmp_path):
    """Jupyter's own restart: the same words, a new process."""
    from jupyter_client.manager import KernelManager

    def run(client, source):
        said = []
        client.execute_interactive(source, timeout=60, output_hook=lambda message: said.append(message["content"]))
        return "".join(each.get("text", "") for each in said)

    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    try:
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        assert "died" not in run(client, LOAD)
        run(client, "kept = bytearray(77 << 20)")
        pid = int(run(client, "import os; print(os.getpid())"))
        os.kill(pid, signal.SIGKILL)
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=60)
        said = run(client, LOAD)
        assert f"The kernel before this one (process {pid}) died while it was measured" in said
        directory = re.search(r"peakline report (\S+)", said).group(1)
        done = subprocess.run([find_program(), "report", directory, "--format", "text"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert re.search(r"77\.0 MiB .*:1 ", done.stdout), done.stdout
        assert "died" not in run(client, "%reload_ext peakline")
        shutil.rmtree(directory)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
