"""The parts of a page as text with all their figures: a test takes each part once, and lists what is left."""

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag

BLOCKS = frozenset({"p", "div", "li", "ul", "ol", "section", "h1", "h2", "h3", "form", "details", "summary"})
# attributes whose digits are no figures: names, addresses of links, layout
LAYOUT = frozenset(
    {
        *("id", "class", "for", "href", "data-page", "aria-labelledby", "tabindex", "d", "viewBox", "viewbox"),
        *("preserveAspectRatio", "preserveaspectratio", "y", "height", "maxlength", "pattern", "min"),
    }
)
# attributes that carry figures: the text of a part has them in brackets
SHOWN = (
    *("datetime", "data-since", "data-clock", "style", "x", "width"),
    *("data-times", "data-values", "data-ideal", "name", "value", "placeholder", "selected"),
)
DIGIT = re.compile(r"\d")
SPACE = re.compile(r"[ \t\r\n]+")  # a no-break space is none of these
TAG = re.compile(r"</?[a-z][a-z0-9]*")
SELF_CLOSED = re.compile(r"<(path|rect)([^<>]*)/>")  # of SVG; HTML's own void elements need no end


def parsed(text: str) -> BeautifulSoup:
    """The whole document; asserts that every tag is closed in its place."""
    text = SELF_CLOSED.sub(r"<\1\2></\1>", text)
    document = BeautifulSoup(text, "html.parser", multi_valued_attributes=None)
    # the parser mends what is not closed, so a mended page has other tags when it is written again
    assert TAG.findall(document.decode().lower()) == TAG.findall(text.lower()), "a tag is not closed in its place"
    return document


def text_of(element: Tag) -> str:
    """The text of an element with single spaces, and in brackets the attributes that carry figures."""
    return SPACE.sub(" ", _text(element)).strip(" ")


def _text(element: Tag) -> str:
    shown = [
        str(element[name]) if name != "selected" else "*"
        for name in SHOWN
        if name in element.attrs and element.get("name") != "csrf"
    ]
    if shown and element.name == "rect":
        shown.append(str(element.get("class", "")))
    figures = f" [{' '.join(shown)}] " if shown and element.name != "svg" else ""
    inside = (_text(child) if isinstance(child, Tag) else str(child) for child in element.children)
    text = figures + "".join(inside)
    return f" {text} " if element.name in BLOCKS else text


class Page:
    """The main content of a page, from which parts are taken."""

    def __init__(self, text: str) -> None:
        (self.main,) = parsed(text).select("main")
        self._taken: set[int] = set()  # by identity: elements of the same content are equal

    def take(self, tag: str, *, within: Tag | None = None, **attributes: str) -> Tag:
        """The first such element that is not taken yet; fails where there is none."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        for element in (within or self.main).select(tag):
            if not self._is_taken(element) and all(element.get(name) == value for name, value in wanted.items()):
                self._taken.add(id(element))
                return element
        raise AssertionError(f"there is no <{tag} {attributes}> left on the page")

    def take_text(self, tag: str, *, within: Tag | None = None, **attributes: str) -> str:
        """The text of the element that `take` gives."""
        return text_of(self.take(tag, within=within, **attributes))

    def section(self, heading: str) -> Tag:
        """The section under a heading."""
        for section in self.main.select("section"):
            if any(text_of(title) == heading for title in section.select("h2")):
                return section
        raise AssertionError(f"there is no section `{heading}`")

    def table(self, heading: str) -> list[list[str]]:
        """Every row of the one table of a section, its head first."""
        (table,) = self.section(heading).select("table")
        self._taken.add(id(table))
        return [[text_of(cell) for cell in row.select("th, td")] for row in table.select("tr")]

    def figures(self) -> list[tuple[str, str]]:
        """The names of the definition list and what they are."""
        listed = self.take("dl")
        names, values = listed.select("dt"), listed.select("dd")
        return [(text_of(name), text_of(value)) for name, value in zip(names, values, strict=True)]

    def items(self, element: Tag) -> list[str]:
        """What a list says, item by item."""
        self._taken.add(id(element))
        return [text_of(item) for item in element.select("li")]

    def left(self) -> list[str]:
        """Texts and attributes with a digit that no test has taken."""
        elements = [self.main, *self.main.select("*")]
        return [text for element in elements if not self._is_taken(element) for text in _own_figures(element)]

    def _is_taken(self, element: Tag) -> bool:
        return any(id(tag) in self._taken for tag in (element, *element.parents))


def _own_figures(element: Tag) -> Iterator[str]:
    """Attributes and texts with a digit of an element, without those of the elements inside."""
    for name, value in element.attrs.items():
        if name not in LAYOUT and DIGIT.search(str(value)):
            yield f"{element.name} {name}={value}"
    for child in element.children:
        if not isinstance(child, Tag) and DIGIT.search(str(child)):
            yield f"{element.name}: {SPACE.sub(' ', str(child)).strip()}"
