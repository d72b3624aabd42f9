"""What of a page is in Latin letters though its reader chose another language."""

import re
from collections.abc import Collection, Iterator

from board_pages import parsed
from bs4 import Doctype, Tag

from mes.config.build import PlantConfig

SPOKEN = ("title", "aria-label", "placeholder", "alt", "data-stale", "data-hour", "data-minute", "data-names")
LATIN = re.compile(r"\b[A-Za-z]{2,}\b")  # the number of a car has digits
COMMAND = re.compile(r"`[^`]*`")
# abbreviations, standards, units and names of products, the same in every language
TERMS = frozenset(
    {
        *("OEE", "TEEP", "NEE", "ISO", "PBT", "APT", "AUPT", "PRI", "PQ", "GQ", "MTBF", "MTTR", "VIN", "CKD", "DKD"),
        *("API", "CSV", "HTTP", "InfluxDB", "Taktline", "Vorne", "oee", "com", "effectiveness", "cookie"),
        *("EN", "RU", "KK", "Asia", "Qostanay", "Modbus", "OPC", "UA", "JAC", "pH"),
        *("ABCD", "CDAB", "BADC", "DCBA"),  # orders of bytes, as the plant's file writes them
    }
)


def shown(element: Tag, language: str, ids: Collection[str]) -> Iterator[str]:
    """The texts of an element and of its attributes, without what is marked as another language or as no language.

    A `title` that is one of `ids` is left out: there an engineer finds the id of what is shown by its name.
    """
    marked = element.get("lang", language)
    if marked != language or element.get("translate") == "no" or element.name in ("script", "style"):
        return
    for name in SPOKEN:
        if name in element.attrs and not (name == "title" and element[name] in ids):
            yield str(element[name])
    for child in element.children:
        if isinstance(child, Tag):
            yield from shown(child, language, ids)
        elif not isinstance(child, Doctype):
            yield str(child)


def latin_words(page: str, language: str, names: Collection[str], ids: Collection[str]) -> list[str]:
    """Every text of a page with Latin words that are neither names nor terms, each with those words."""
    named = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in sorted(names, key=len, reverse=True)))
    left = []
    for text in shown(parsed(page), language, ids):
        words = [word for word in LATIN.findall(named.sub("", COMMAND.sub("", text))) if word not in TERMS]
        if words:
            left.append(f"{' '.join(words)} | {' '.join(text.split())}")
    return left


def plant_ids(config: PlantConfig) -> set[str]:
    """The ids of the plant's lines and stations, products and process values."""
    paths = {str(station) for station in config.standards}
    lines = {path.rpartition("/")[0] for path in paths}
    return paths | lines | {*map(str, config.products), *config.names.process_values}
