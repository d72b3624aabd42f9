"""Links in the Markdown files: each leads to a file and a heading of the repository, and so do the paths in code."""

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[3]
NOT_OURS = {"build", "dist", "node_modules", "var"}
HISTORY = "CHANGELOG.md"  # names files as they were called then
PARSER = MarkdownIt("commonmark").enable("table")
PAGE = re.compile(r"[\w./-]+\.md\b")
PATH = re.compile(r"(\w+)/[\w./-]*")


@dataclass(frozen=True, slots=True)
class Inline:
    """A token within a block of text, its line in the file, and whether it is the text of a link."""

    token: Token
    line: int
    is_linked: bool


def markdown_files(root: Path) -> list[Path]:
    """Every Markdown file below a folder that is ours."""
    files: list[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.startswith(".")]
        files += [Path(folder, name) for name in names if name.endswith(".md")]
    return sorted(files)


def inlines(text: str) -> Iterator[Inline]:
    """The inline tokens of a file in their order."""
    line = 1
    for block in PARSER.parse(text):
        line = block.map[0] + 1 if block.map else line
        depth = 0
        for token in block.children or ():
            yield Inline(token, line, depth > 0)
            depth += token.nesting if token.type.startswith("link_") else 0
            line += token.type == "softbreak"


def anchors(text: str) -> set[str]:
    """The names by which a link reaches the headings of a file, as forges and the site make them."""
    found: set[str] = set()
    blocks = PARSER.parse(text)
    for opening, title in itertools.pairwise(blocks):
        if opening.type == "heading_open":
            words = "".join(token.content for token in title.children or ())
            slug = re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-")
            number = sum(bool(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", name)) for name in found)
            found.add(f"{slug}-{number}" if number else slug)
    return found


def broken_link(target: str, file: Path, root: Path) -> str | None:
    """What is wrong with the target of a link in a file; None for a good one and for one to another site."""
    url = urlsplit(target)
    if url.scheme or url.netloc:
        return None
    aim = (file.parent / unquote(url.path)).resolve() if url.path else file
    if not aim.is_file() or not aim.is_relative_to(root.resolve()):
        return f"{target} leads to no file"
    if url.fragment and unquote(url.fragment) not in anchors(aim.read_text(encoding="utf-8")):
        return f"{target} leads to no heading"
    return None


def broken_mention(words: str, file: Path, root: Path) -> Iterator[str]:
    """Pages that are named without a link in a text, and a path in code that leads to nothing."""
    for page in PAGE.findall(words):
        if (root / page).is_file() or (file.parent / page).is_file():
            yield f"{page} is a page: make it a link"
    path = PATH.fullmatch(words)
    is_ours = path and path[1] not in NOT_OURS and (root / path[1]).is_dir()
    if is_ours and file.name != HISTORY and not (root / words).exists():
        yield f"{words} is no file"


def faults(file: Path, root: Path) -> Iterator[str]:
    """Everything wrong in one file, each with its path and line."""
    for inline in inlines(file.read_text(encoding="utf-8")):
        token, wrong = inline.token, list[str | None]()
        if token.type in ("link_open", "image"):
            wrong.append(broken_link(str(token.attrs.get("href") or token.attrs["src"]), file, root))
        elif token.type in ("text", "code_inline") and not inline.is_linked:
            wrong += broken_mention(token.content, file, root)
        yield from (f"{file.relative_to(root)}:{inline.line}: {fault}" for fault in wrong if fault)


def test_every_link_leads_somewhere() -> None:
    """No relative link, anchor or path is broken, and pages are named by links; the search finds many links."""
    files = markdown_files(ROOT)
    assert [fault for file in files for fault in faults(file, ROOT)] == []
    links = [
        inline for file in files for inline in inlines(file.read_text("utf-8")) if inline.token.type == "link_open"
    ]
    assert len(links) > 70


def test_each_kind_of_broken_link_is_found(tmp_path: Path) -> None:
    """The message has file and line: in a paragraph, in a list and in a table; what is good is passed over."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "build").mkdir()
    (tmp_path / "docs" / "page.md").write_text(
        "# Page\n\n"
        "[good](other.md#a-b-c), [too](https://plant.example/none.md),\n[gone](gone.md) and [self](#page)\n\n"
        "- [no heading](other.md#none)\n- ![no image](none.svg)\n\n"
        "| a | b |\n|---|---|\n| c | [out](../../etc.md) |\n| `docs/gone.py` | `docs/page.md` |\n\n"
        "See docs/other.md. [`docs/page.md`](page.md) `else/where` `build/made/`"
        " [folder](../docs) [twice](other.md#twice-1)\n"
    )
    (tmp_path / "docs" / "other.md").write_text("# A `b`, c!\n\n## Twice\n\n## Twice\n\n```\n[in code](gone.md)\n```\n")
    (tmp_path / HISTORY).write_text("`docs/gone.py` [gone](docs/gone.md)\n")

    assert [fault for file in markdown_files(tmp_path) for fault in faults(file, tmp_path)] == [
        "CHANGELOG.md:1: docs/gone.md leads to no file",
        "docs/page.md:4: gone.md leads to no file",
        "docs/page.md:6: other.md#none leads to no heading",
        "docs/page.md:7: none.svg leads to no file",
        "docs/page.md:11: ../../etc.md leads to no file",
        "docs/page.md:12: docs/gone.py is no file",
        "docs/page.md:12: docs/page.md is a page: make it a link",
        "docs/page.md:14: docs/other.md is a page: make it a link",
        "docs/page.md:14: ../docs leads to no file",
    ]
