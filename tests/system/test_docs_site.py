"""The documentation site: every page is reached from the index, and no file is loaded from elsewhere."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from driven_board import chromium
from patience import limit_s

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.relative_to(ROOT).with_suffix("") for path in (ROOT / "docs").rglob("*.md"))
REMOTE = re.compile(r"\s*(https?:)?//", re.IGNORECASE)
LOADED_BY_CSS = re.compile(r"(?:url\(|@import)\s*['\"]?([^'\")\s]+)")

pytestmark = pytest.mark.timeout(60)


def built(repository: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The end of `scripts/docs` in a repository, which writes the site to a folder."""
    return subprocess.run(
        [repository / "scripts" / "docs", folder], capture_output=True, text=True, check=False, timeout=limit_s(60)
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this repository."""
    folder = tmp_path_factory.mktemp("site").resolve()
    ended = built(ROOT, folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"open file://{folder}/index.html\n"
    return folder


class Page(HTMLParser):
    """What a page links to, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = LOADED_BY_CSS.findall(text)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the targets of one tag."""
        values = {name: value for name, value in attrs if value is not None}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "meta" and values.get("http-equiv") == "refresh":
            self.links.append(values["content"].rpartition("url=")[2])
        else:
            self.loaded += [values[name] for name in ("src", "href", "data", "poster") if name in values]
            self.loaded += [source.split()[0] for source in values.get("srcset", "").split(",") if source.strip()]


def page(path: Path) -> Page:
    """A page of the site, read."""
    return Page(path.read_text(encoding="utf-8"))


def reachable(site: Path) -> set[Path]:
    """The pages that links lead to from the index, relative to the folder of the site."""
    found = {site / "index.html"}
    left = list(found)
    while left:
        file = left.pop()
        aims = {(file.parent / urldefrag(link).url).resolve() for link in page(file).links if "//" not in link}
        new = {aim for aim in aims - found if aim.suffix == ".html" and aim.is_relative_to(site)}
        found |= new
        left += new
    return {file.relative_to(site) for file in found}


def test_every_page_is_reached_from_the_index(site: Path) -> None:
    """Each Markdown page of docs/, its decisions too, is an HTML page that links lead to."""
    assert {path.with_suffix(".html") for path in PAGES} <= reachable(site)
    assert len(PAGES) > 25


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """Scripts, styles, fonts and images of each page and style sheet are in the folder, or within the file itself."""
    loaded = [(path, target) for path in site.rglob("*.html") for target in page(path).loaded]
    for path in site.rglob("*.css"):
        loaded += [(path, target) for target in LOADED_BY_CSS.findall(path.read_text(encoding="utf-8"))]

    assert [f"{path.relative_to(site)}: {target}" for path, target in loaded if REMOTE.match(target)] == []
    beside = [(path, target.partition("?")[0]) for path, target in loaded if not target.startswith(("data:", "#"))]
    missing = [f"{path.relative_to(site)}: {target}" for path, target in beside if not (path.parent / target).is_file()]
    assert missing == []
    assert {Path(target).suffix for _, target in beside} >= {".css", ".js"}


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/a.css">',
        '<img srcset="a.png 1x, http://cdn.example/b.png 2x">',
        "<style>@font-face { src: url( 'https://cdn.example/a.woff2') }</style>",
        '<style>@import "https://cdn.example/a.css";</style>',
    ],
)
def test_what_comes_from_elsewhere_is_found(text: str) -> None:
    """Each way to load a file of another server is seen; a link for people is none."""
    assert [target for target in Page(text).loaded if REMOTE.match(target)] != []
    assert Page('<a href="https://plant.example/">a link</a>').loaded == []


def test_the_search_knows_every_page(site: Path) -> None:
    """The index of the search names each page."""
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    names = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))["docnames"]

    assert {path.as_posix() for path in PAGES} <= set(names)


def test_broken_links_and_lost_pages_fail(tmp_path: Path) -> None:
    """A link to no page, one to no heading, and a page in no index: each is named with its file."""
    repository = tmp_path / "repository"
    shutil.copytree(ROOT / "docs" / "site", repository / "docs" / "site")
    for name in ("scripts/docs", "pyproject.toml"):
        (repository / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, repository / name)
    (repository / ".venv").symlink_to(ROOT / ".venv")
    (repository / "docs" / "README.md").write_text("# Docs\n\n## Start\n\n- [page](page.md)\n")
    (repository / "docs" / "page.md").write_text("# Page\n\n[no page](gone.md)\n\n[no heading](README.md#gone)\n")
    (repository / "docs" / "lost.md").write_text("# Lost\n")
    ended = built(repository, tmp_path / "broken")

    assert ended.returncode != 0
    warnings = [line for line in ended.stderr.splitlines() if ": WARNING: " in line]
    assert len(warnings) == 3, ended.stderr
    for place, what in (("page.md:3", "gone.md"), ("page.md:5", "'gone'"), ("lost.md", "any toctree")):
        assert any(f"docs/{place}:" in line and what in line for line in warnings), ended.stderr


@pytest.mark.chromium
async def test_a_browser_shows_it_from_the_disk(site: Path) -> None:
    """No page is wider than a phone, the search finds a word, and only files of the folder are asked for."""
    pages = [site / path.with_suffix(".html") for path in PAGES]
    asked: list[str] = []
    async with chromium() as browser:
        tab = await browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
        tab.set_default_timeout(1000 * limit_s(10))
        tab.on("request", lambda request: asked.append(request.url))
        too_wide = []
        for path in pages:
            await tab.goto(path.as_uri())
            if await tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
                too_wide.append(path.name)
        await tab.goto((site / "search.html").as_uri() + "?q=totaliser")
        await tab.wait_for_selector("#search-results li a[href*='oee.html']")

    assert too_wide == []
    assert [url for url in asked if not url.startswith((site.as_uri(), "data:"))] == []
    assert len(asked) > 50
