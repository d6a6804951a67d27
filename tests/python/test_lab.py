# SPDX-License-Identifier: Apache-2.0
"""The notebook magic in JupyterLab, in Chromium: what a person sees. Skipped where either is missing."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from chromium import find_chromium

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("jupyterlab")
playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = find_chromium()
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def lab(surroundings, tmp_path, monkeypatch):
    """The address of a JupyterLab whose directory is tmp_path."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    port = _free_port()
    words = ["--no-browser", "--allow-root", f"--ServerApp.port={port}", "--IdentityProvider.token=", "--ServerApp.port_retries=0"]
    with open(tmp_path / "lab.log", "wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *words], cwd=tmp_path, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 90
    while True:  # a server tells nobody that it is ready
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2).close()
            break
        except OSError:
            if time.monotonic() > end or server.poll() is not None:
                server.kill()
                pytest.fail((tmp_path / "lab.log").read_text()[-2000:])
            time.sleep(0.2)
    yield address
    server.terminate()
    server.wait(30)


def test_the_report_is_in_the_notebook(lab, tmp_path):
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        cells=[
            nbformat.v4.new_code_cell("%load_ext peakline"),
            nbformat.v4.new_code_cell("%%peakline\ntable = bytearray(12 << 20)"),
        ],
    )
    nbformat.write(book, tmp_path / "book.ipynb")
    problems = []
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{lab}/lab/tree/book.ipynb?reset", timeout=90_000)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        page.wait_for_selector("text=/Python 3.*Idle/", timeout=90_000)
        page.click(".jp-Notebook .jp-Cell >> nth=0")
        page.keyboard.press("Shift+Enter")
        page.keyboard.press("Shift+Enter")
        output = page.wait_for_selector(".jp-OutputArea-output pre:has-text('12.0 MiB at its peak')", timeout=40_000)
        assert "Cell [2]:2" in output.inner_text()
        frame = page.frame_locator("iframe[title=Peakline]")
        frame.locator("text=table = bytearray(12 << 20)").first.wait_for(timeout=30_000)
        body = frame.locator("body").inner_text().replace("\xa0", " ")
        assert "12.0 MiB" in body and "How the program ended" not in body
        if os.environ.get("PEAKLINE_SHOTS"):
            page.screenshot(path=os.path.join(os.environ["PEAKLINE_SHOTS"], "lab.png"))
        browser.close()
    assert [each for each in problems if "eakline" in each or "history" in each] == []
