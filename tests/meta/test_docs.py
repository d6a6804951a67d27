# SPDX-License-Identifier: Apache-2.0
"""Every link in the documentation leads somewhere, and every program that it names is there."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*(REPOSITORY / "docs").rglob("*.md"), *REPOSITORY.glob("*.md"), *(REPOSITORY / "examples").rglob("*.md")])
MADE = {"options.md"}  # by the build of the site


def heading_ids(text):
    """As GitHub and mkdocs name them."""
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    for heading in re.findall(r"(?m)^#{1,6} +(.+?) *$", text):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        yield re.sub(r"[ ]", "-", plain.strip())


def problems_of(page, text, exists):
    for target in re.findall(r"\]\(([^()\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if path.name in MADE and path.parent == REPOSITORY / "docs":
            continue
        if not exists(path):
            yield f"{page.name}: {target} is not there"
        elif anchor and path.suffix == ".md" and anchor not in heading_ids(text if not name else path.read_text()):
            yield f"{page.name}: {target} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    assert list(problems_of(page, page.read_text(), Path.exists)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_examples_that_are_named_are_there(page):
    for name in re.findall(r"\bexamples/[\w./-]+\w", page.read_text()):
        assert (REPOSITORY / name).exists() or name.startswith("examples/data"), name


def test_a_bad_link_is_noticed():
    page = REPOSITORY / "docs" / "index.md"
    text = "# One\n[a](nowhere.md) [b](#one) [c](#two) [d](index.md) `[e](code)`"
    assert [line.split(": ")[1] for line in problems_of(page, text, Path.exists)] == [
        "nowhere.md is not there", "#two has no such heading"]
