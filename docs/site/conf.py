"""Settings of the documentation site: which pages it has, its navigation and its theme.

Sphinx reads the Markdown files where they are, so that a relative link means the same here and on a forge.
"""

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
PAGES_OF_AN_INDEX = re.compile(r"^- \[[^]]*\]\(([^)#]+)\.md\)", re.MULTILINE)

project = "Taktline"
release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
language = "en"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
include_patterns = ["*.md", "docs/**.md", "benchmarks/*.md", "config/*.md", "config/profiles/*.md", "tests/*.md"]
exclude_patterns = [".*", "build", "dist", "var", "**/node_modules"]  # folders that take long to walk
root_doc = "docs/README"
myst_heading_anchors = 4
smartquotes = False  # an option is written --so

html_theme = "furo"
html_title = f"Taktline {release}"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_extra_path = ["index.html"]
html_show_sphinx = False
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_use_index = False
html_show_search_summary = False  # a browser fetches no text from the disk


def add_navigation(_: Sphinx, docname: str, source: list[str]) -> None:
    """Appends a hidden table of contents for each list of pages in an index, under the heading of the list."""
    if not re.fullmatch("docs/(.+/)?README", docname):
        return
    before, *sections = re.split(r"^## (.+)\n", source[0], flags=re.MULTILINE)
    captions = ["", *(f":caption: {title}" for title in sections[::2])]
    for caption, text in zip(captions, [before, *sections[1::2]], strict=True):
        if pages := PAGES_OF_AN_INDEX.findall(text):
            source[0] += "\n".join(["\n```{toctree}", ":hidden:", caption, "", *pages, "```\n"])


def setup(app: Sphinx) -> None:
    """Connects the hook; Sphinx calls it."""
    app.connect("source-read", add_navigation)
