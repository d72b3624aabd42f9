"""What of a page is in Latin letters though its reader chose another language."""

import re
from collections.abc import Collection, Iterator

from board_pages import Element, parsed

from mes.config.build import PlantConfig

SPOKEN = ("title", "aria-label", "placeholder", "alt", "data-stale", "data-hour", "data-minute", "data-names")
LATIN = re.compile(r"\b[A-Za-z]{2,}\b")  # the number of a car has digits
COMMAND = re.compile(r"`[^`]*`")
# abbreviations, standards, units and names of products, the same in every language
TERMS = frozenset(
    {
        *("OEE", "TEEP", "NEE", "ISO", "PBT", "APT", "AUPT", "PRI", "PQ", "GQ", "MTBF", "MTTR", "VIN", "CKD", "DKD"),
        *("API", "CSV", "HTTP", "InfluxDB", "Taktline", "Vorne", "oee", "com", "effectiveness", "cookie"),
        *("EN", "RU", "KK", "Asia", "Qostanay", "Modbus", "OPC", "UA"),
    }
)


def shown(element: Element, language: str) -> Iterator[str]:
    """The texts of an element and of its attributes, without what is marked as another language or as no language."""
    marked = element.attributes.get("lang", language)
    if marked != language or element.attributes.get("translate") == "no" or element.tag in ("script", "style"):
        return
    for name in SPOKEN:
        if name in element.attributes:
            yield element.attributes[name]
    for child in element.inside:
        if isinstance(child, str):
            yield child
        else:
            yield from shown(child, language)


def latin_words(page: str, language: str, names: Collection[str]) -> list[str]:
    """Every text of a page with Latin words that are neither names nor terms, each with those words."""
    named = re.compile("|".join(rf"(?<!\w){re.escape(each)}(?!\w)" for each in sorted(names, key=len, reverse=True)))
    left = []
    for text in shown(parsed(page), language):
        words = [each for each in LATIN.findall(named.sub("", COMMAND.sub("", text))) if each not in TERMS]
        if words:
            left.append(f"{' '.join(words)} | {' '.join(text.split())}")
    return left


def plant_names(config: PlantConfig) -> set[str]:
    """The names that the plant's file gives to its parts."""
    paths = {str(each) for each in config.standards}
    names = {config.site, config.site.capitalize(), *paths, *(each.split("/", 1)[1] for each in paths)}
    names |= {part for path in paths for part in path.split("/")}
    names |= {path.rpartition("/")[0].split("/", 1)[1] for path in paths}
    names |= {str(each) for each in config.controllers}
    names |= {str(tag) for tags in config.tags.values() for tag in tags}
    names |= {str(name) for limits in config.limits.values() for name in limits}
    for product, facts in config.products.items():
        names |= {str(product), facts.name, str(facts.assembly_method), facts.market or str(product)}
    return names
