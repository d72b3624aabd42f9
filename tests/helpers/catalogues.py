"""The gettext catalogues as files: every message by its key, in the English source and in a language."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

import mes.translations
from mes.translations import DOMAIN, placeholders

Strings = str | tuple[str, ...] | list[str] | None
FOLDER = Path(mes.translations.__file__).parent / "locale"


@cache
def catalogue(language: str | None = None) -> Catalog:
    """The catalogue of a language; None: the English source."""
    path = FOLDER / f"{DOMAIN}.pot" if language is None else FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    with path.open("rb") as file:
        return read_po(file, locale=language)


@cache
def messages(language: str | None = None) -> Mapping[str, Message]:
    """Every message by its key. Raises AssertionError for a key that is there twice."""
    listed = [(str(message.context), message) for message in catalogue(language) if message.id]
    by_key = dict(listed)
    assert len(by_key) == len(listed), "a key is there twice"
    return by_key


def forms(strings: Strings) -> tuple[str, ...]:
    """A text as one form, a text with plural forms as all of them."""
    return (strings,) if isinstance(strings, str) else tuple(strings or ())


def facts(strings: Strings) -> list[frozenset[str]]:
    """The facts that each form of a text asks for."""
    return [frozenset(placeholders(form)) for form in forms(strings)]
