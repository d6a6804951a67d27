# SPDX-License-Identifier: Apache-2.0
"""At a terminal: links, progress, and what is done with the report where there is no browser."""

import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import termios

import pytest
from running import TIMEOUT, run_command

LINK = re.compile(r"\033\]8;;([^\033]*)\033\\(.*?)\033\]8;;\033\\")
PROGRAM = "keep = [bytes(3_000_000)]\n"


class Terminal:
    """A command at a terminal of its own, 100 columns wide; `environment` is all of it."""

    def __init__(self, words, cwd, **environment):
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        home = {"HOME": str(cwd), "PATH": "/usr/bin:/bin", "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen([str(word) for word in words], cwd=cwd, stdin=slave, stdout=slave, stderr=slave,
                                        env={**home, **environment}, start_new_session=True)
        os.close(slave)
        self.text = ""

    def read_until(self, wanted):
        """What was written until a text appears; None: until the end."""
        while wanted is None or wanted not in self.text:
            assert select.select([self.master], [], [], TIMEOUT)[0], self.text
            try:
                piece = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                piece = b""
            if piece == b"":
                assert wanted is None, self.text
                break
            self.text += piece.decode("utf-8", "replace")
        return self.text.replace("\r\n", "\n")

    def end(self):
        text = self.read_until(None)
        assert self.process.wait(TIMEOUT) == 0, text
        os.close(self.master)
        return text


def screen(text):
    """What stands there in the end: lines taken back are gone, links are their text."""
    lines = []
    for line in LINK.sub(lambda link: link[2], text).split("\n"):
        lines.append(re.sub(r"\033\[[0-9;]*m", "", line.split("\r\033[K")[-1]))
    return "\n".join(lines)


@pytest.fixture(scope="module")
def result(peakline, python, tmp_path_factory):
    place = tmp_path_factory.mktemp("terminal")
    (place / "a b.py").write_text(PROGRAM)
    done = run_command([peakline, "run", "-q", "--no-open", "-o", "result", "--python", python, "a b.py"], cwd=place)
    assert done.returncode == 0, done.stderr
    return place / "result"


def test_file_and_report_are_links_where_the_terminal_shows_them(peakline, result):
    words = [peakline, "report", "result", "--format", "text"]
    plain = Terminal(words, result.parent).end()
    assert "\033]" not in plain
    linked = Terminal(words, result.parent, VTE_VERSION="7200").end()
    host, place = socket.gethostname(), str(result.parent)
    links = dict((text, url) for url, text in LINK.findall(linked))
    assert links["a b.py:1"] == f"file://{host}{place}/a%20b.py#1"
    assert links["result/report.html"] == f"file://{host}{place}/result/report.html"
    assert LINK.sub(lambda link: link[2], linked) == plain, "links change nothing that is seen"
    for environment in ({"TERM": "dumb"}, {"CI": "true"}, {"FORCE_HYPERLINK": "0"}):
        assert "\033]" not in Terminal(words, result.parent, VTE_VERSION="7200", **environment).end()
    piped = run_command(words, cwd=result.parent, env={"VTE_VERSION": "7200", "TERM": "xterm", "FORCE_HYPERLINK": "1"})
    assert "\033" not in piped.stdout


def test_the_summary_after_a_run_has_links_too(peakline, python, result):
    words = [peakline, "run", "--no-open", "-o", "again", "--python", python, "a b.py"]
    shown = Terminal(words, result.parent, VTE_VERSION="7200").end()
    links = dict((text, url) for url, text in LINK.findall(shown))
    assert links["again/report.html"].endswith("/again/report.html") and "a b.py:1" in links
    assert all(len(line) <= 100 for line in screen(shown).split("\n"))


def test_progress_is_shown_while_a_report_takes_long_and_then_taken_back(peakline, result):
    """A pipe that nobody reads yet keeps the report from being finished, for as long as it takes to see the line."""
    pipe = result.parent / "pipe"
    os.mkfifo(pipe)
    terminal = Terminal([peakline, "report", "result", "--no-open", "-o", "pipe"], result.parent)
    terminal.read_until("peakline: making the report of result, 2 s")
    with open(pipe, "rb") as reader:
        page = reader.read()
    assert page.startswith(b"<!DOCTYPE html>") and page.rstrip().endswith(b"</html>")
    shown = terminal.end()
    assert screen(shown) == "pipe\n", "the line is gone, the path is there"
    assert re.search(r"report of result, \d+ s\r\033\[K", shown)


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, None], ids=["dumb terminal", "no terminal"])
def test_nothing_is_shown_where_a_line_cannot_be_taken_back(peakline, result, tmp_path, environment):
    """The same long report: no timer is even set, which the kernel tells."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = [peakline, "report", "result", "--no-open", "-o", pipe]
    if environment is None:
        process = subprocess.Popen(words, cwd=result.parent, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    else:
        terminal = Terminal(words, result.parent, **environment)
        process = terminal.process
    # the other end is open as soon as the command has come to its writing, with whatever it has set before
    with open(pipe, "rb") as reader:
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", open(f"/proc/{process.pid}/status").read(), re.M)[1]
        assert not int(caught, 16) & 1 << 13, "SIGALRM is not caught"
        reader.read()
    if environment is None:
        stdout, stderr = process.communicate(timeout=TIMEOUT)
        assert (stdout.decode(), stderr) == (f"{pipe}\n", b"")
    else:
        assert terminal.end() == f"{pipe}\n"


@pytest.mark.parametrize("name, environment, is_opened, said", [
    ("desktop", {"DISPLAY": ":0"}, True, None),
    ("console", {}, False, None),
    ("container", {"container": "podman"}, False, None),
    ("ssh", {"SSH_CONNECTION": "1.2.3.4 1 5.6.7.8 22", "DISPLAY": "localhost:10.0"}, False, "on your machine: scp "),
    ("ssh from an editor", {"SSH_CONNECTION": "1.2.3.4 1 5.6.7.8 22", "BROWSER": "OPENER"}, True, None),
    ("ci", {"CI": "true", "DISPLAY": ":0"}, False, None),
    ("ci over ssh", {"CI": "true", "SSH_CONNECTION": "1.2.3.4 1 5.6.7.8 22"}, False, None),
], ids=lambda value: value if isinstance(value, str) else "")
def test_the_report_is_opened_where_a_person_would_see_it(peakline, result, tmp_path, name, environment, is_opened, said):
    """A desktop's opener that writes down what it is to show."""
    opener = tmp_path / "xdg-open"
    opener.write_text(f"#!/bin/sh\nprintf '%s' \"$1\" > {tmp_path}/seen\n")
    opener.chmod(0o755)
    environment = {key: str(opener) if value == "OPENER" else value for key, value in environment.items()}
    seen = tmp_path / "seen"
    if is_opened:  # a pipe can be awaited
        os.mkfifo(seen)
    path = f"{tmp_path}:/usr/bin:/bin"
    terminal = Terminal([peakline, "report", "result", "-o", tmp_path / "page.html"], result.parent, PATH=path, **environment)
    if is_opened:
        asked = seen.read_text()
        assert asked in (f"{tmp_path}/page.html", f"file://{tmp_path}/page.html")
    lines = screen(terminal.end()).split("\n")
    assert lines[0] == f"{tmp_path}/page.html", "the path is printed in any case"
    if said is None:
        assert lines[1:] == [""]
    else:
        assert said in lines[1] and f"{tmp_path}/page.html" in lines[1] and lines[2:] == [""]
    assert is_opened or not seen.exists()
