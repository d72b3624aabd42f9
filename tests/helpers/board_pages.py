"""A page as its reader finds it: each part is taken once, as text with all its figures; what nobody took is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
BLOCKS = frozenset({"p", "div", "li", "ul", "ol", "section", "h1", "h2", "h3", "form", "details", "summary"})
# what an attribute may say in digits without being a figure: names of things, addresses of links, how it is laid out
LAYOUT = frozenset(
    {
        *("id", "class", "for", "href", "data-page", "aria-labelledby", "tabindex", "d", "viewBox", "viewbox"),
        *("preserveAspectRatio", "preserveaspectratio", "y", "height", "maxlength", "pattern", "min"),
    }
)
# the attributes that carry figures, shown in the text of what is taken
TOLD = (
    *("datetime", "data-since", "data-clock", "style", "x", "width"),
    *("data-times", "data-values", "data-ideal", "name", "value", "placeholder", "selected"),
)
DIGIT = re.compile(r"\d")
SPACE = re.compile(r"[ \t\r\n]+")  # a no-break space is none of these


@dataclass(slots=True, eq=False)
class Element:
    """A tag with its attributes and what is inside."""

    tag: str
    attributes: dict[str, str]
    inside: list[Element | str] = field(default_factory=list)
    taken: bool = False

    def each(self, *, untaken: bool = False) -> Iterator[Element]:
        """Itself and all elements inside, in the order of the page; `untaken`: without what was taken."""
        if untaken and self.taken:
            return
        yield self
        for child in self.inside:
            if isinstance(child, Element):
                yield from child.each(untaken=untaken)

    def all(self, *tags: str) -> list[Element]:
        """Those inside of these kinds."""
        return [each for each in self.each() if each.tag in tags]

    def raw(self) -> str:
        """Its text, and the attributes that carry figures in brackets before it."""
        told = [
            self.attributes[name] if name != "selected" else "*"
            for name in TOLD
            if name in self.attributes and self.attributes.get("name") != "csrf"
        ]
        if told and self.tag == "rect":
            told.append(self.attributes.get("class", ""))
        shown = f" [{' '.join(told)}] " if told and self.tag != "svg" else ""
        text = shown + "".join(each if isinstance(each, str) else each.raw() for each in self.inside)
        return f" {text} " if self.tag in BLOCKS else text

    @property
    def text(self) -> str:
        """The same with single spaces."""
        return SPACE.sub(" ", self.raw()).strip(" ")

    def left(self) -> Iterator[str]:
        """Texts and attributes with a digit that nobody has taken."""
        if self.taken:
            return
        for name, value in self.attributes.items():
            if name not in LAYOUT and DIGIT.search(value):
                yield f"{self.tag} {name}={value}"
        for each in self.inside:
            if isinstance(each, Element):
                yield from each.left()
            elif DIGIT.search(each):
                yield f"{self.tag}: {SPACE.sub(' ', each).strip()}"


class _Reader(HTMLParser):
    """Builds the tree."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("root", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(made)
        if tag not in VOID:
            self._open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].inside.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        opened = self._open.pop()
        assert opened.tag == tag, f"<{opened.tag}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(data)


def parsed(text: str) -> Element:
    """The whole document; asserts that every tag is closed in its place."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader._open == [reader.root], "a tag is not closed"
    return reader.root


class Page:
    """The main content of a page, from which parts are taken."""

    def __init__(self, text: str) -> None:
        (self.main,) = parsed(text).all("main")

    def take(self, tag: str, *, within: Element | None = None, **attributes: str) -> Element:
        """The first such element that nobody has taken; fails where there is none."""
        said = {name.rstrip("_"): value for name, value in attributes.items()}
        for each in (within or self.main).each(untaken=True):
            if each.tag == tag and all(each.attributes.get(name) == value for name, value in said.items()):
                each.taken = True
                return each
        raise AssertionError(f"there is no <{tag} {attributes}> left on the page")

    def section(self, heading: str) -> Element:
        """The section under a heading."""
        for each in self.main.all("section"):
            if any(title.text == heading for title in each.all("h2")):
                return each
        raise AssertionError(f"there is no section `{heading}`")

    def table(self, heading: str) -> list[list[str]]:
        """Every row of the one table of a section, its head first."""
        (found,) = self.section(heading).all("table")
        found.taken = True
        return [[cell.text for cell in row.all("th", "td")] for row in found.all("tr")]

    def figures(self) -> list[tuple[str, str]]:
        """The names of the definition list and what they are."""
        found = self.take("dl")
        names, values = found.all("dt"), found.all("dd")
        return [(name.text, value.text) for name, value in zip(names, values, strict=True)]

    def items(self, element: Element) -> list[str]:
        """What a list says, item by item."""
        element.taken = True
        return [each.text for each in element.all("li")]

    def left(self) -> list[str]:
        """Whatever has a digit and was not taken."""
        return list(self.main.left())
