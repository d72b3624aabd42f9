"""Every text that people read on pages and in printed reports, in English, Russian and Kazakh.

The texts are gettext catalogues in the folder `locale`. A message's context (msgctxt) is its stable key and its msgid
is the English text. `taktline.pot` lists all messages; the `.po` file of a language holds their translations.
"""

import io
import string
from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

from babel.messages.catalog import Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = ("en", "ru", "kk")
DOMAIN = "taktline"
Fact = str | int


@cache
def texts(language: str) -> Mapping[str, str]:
    """The texts without numbers by key. Raises ValueError for a language that does not exist."""
    catalogue = _catalogue(language)
    return {
        key: catalogue.pgettext(key, str(message.id))
        for key, message in _messages().items()
        if not message.pluralizable
    }


def load() -> None:
    """Reads all catalogues, which takes some tenths of a second; else the first page of each language does."""
    for language in LANGUAGES:
        texts(language)


def text(language: str, key: str, facts: Mapping[str, Fact] | None = None) -> str:
    """One text with its facts filled in.

    The first fact of a text with plural forms is a number and chooses the form.
    Raises KeyError for an unknown key or a missing fact, ValueError for an unknown language.
    """
    catalogue, message, known = _catalogue(language), _messages()[key], facts or {}
    if isinstance(message.id, str):
        found = catalogue.pgettext(key, message.id)
    else:
        one, several = message.id
        found = catalogue.npgettext(key, one, several, int(known[placeholders(several)[0]]))
    return found.format(**known)


def shift_name(language: str, name: str) -> str:
    """A shift's name; one of the plant's own is shown as it is."""
    return texts(language).get(f"shift.{name.replace(' ', '_')}", name)


def of_source(language: str, key: str, english: str) -> str:
    """The translation of an English text that is kept elsewhere too; the text itself where the key has another."""
    message = _messages().get(key)
    return texts(language)[key] if message is not None and message.id == english else english


def placeholders(pattern: str) -> list[str]:
    """The names of the facts that a text asks for, in the order of the text."""
    return [name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None]


@cache
def _messages() -> Mapping[str, Message]:
    """The English source by key."""
    with (files(__name__) / "locale" / f"{DOMAIN}.pot").open("rb") as file:
        return {str(message.context): message for message in read_po(file) if message.id}


@cache
def _catalogue(language: str) -> NullTranslations:
    """The translations of a language; for English none are needed."""
    if language not in LANGUAGES:
        raise ValueError(f"there is no language {language!r}: choose one of {', '.join(LANGUAGES)}")
    if language == LANGUAGES[0]:
        return NullTranslations()
    compiled = io.BytesIO()
    with (files(__name__) / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)
