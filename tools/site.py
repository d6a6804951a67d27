#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The documentation as a site: site.py PEAKLINE FOLDER. Needs what tools/requirements-docs.txt lists.

The pages are the Markdown of docs/, with the reference of options made from the program itself. Pages that are not in
NAVIGATION are built too and come last.
"""

import os
import shutil
import subprocess
import sys

import words

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

NAVIGATION = [
    ("Start", ["index.md", "reading.md"]),
    ("Places", ["script.md", "service.md", "notebook.md", "pytest.md", "ci.md"]),
    ("Tutorials", ["tutorials/index.md"] + ["tutorials/%s.md" % name for name in
                                            "batches dtypes rows variable chains pools caches".split()]),
    ("Reference", ["options.md", "api.md", "json.md", "diff.md", "exports.md", "ledger-format.md"]),
    ("Background", ["accuracy.md", "performance.md", "privacy.md", "architecture.md"]),
]

CONFIGURATION = """\
site_name: Peakline
site_description: Which lines of a Python program hold its memory when it is highest
docs_dir: %s
site_dir: %s
use_directory_urls: false
strict: true
theme:
  name: material
  font: false
plugins: [search]
markdown_extensions: [tables, toc]
validation:
  links: {anchors: warn, not_found: warn, absolute_links: warn}
  nav: {omitted_files: ignore}
nav:
"""


def find_pages(folder):
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".md"):
                yield os.path.relpath(os.path.join(place, name), folder)


def main(peakline, folder):
    source, site = (os.path.join(os.path.abspath(folder), name) for name in ("source", "site"))
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(REPOSITORY, "docs"), source)
    words.main(peakline, "markdown", os.path.join(source, "options.md"))
    pages = set(find_pages(source))
    listed = {page for _, names in NAVIGATION for page in names}
    text = CONFIGURATION % (source, site)
    for title, names in NAVIGATION + [("More", sorted(pages - listed))]:
        here = [name for name in names if name in pages]
        text += "  - %s: [%s]\n" % (title, ", ".join(here)) if here else ""
    configuration = os.path.join(folder, "mkdocs.yml")
    with open(configuration, "w") as file:
        file.write(text)
    environment = dict(os.environ, NO_MKDOCS_2_WARNING="1")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "-q", "-f", configuration], env=environment)
    if done.returncode == 0:
        print(os.path.join(site, "index.html"))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
