"""How figures of the interface have to read on an English page.

Numbers go by the board's own formats, which tests/unit/board/test_rendering.py compares with known values.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ruamel.yaml import YAML

from mes.board.pages.rendering import Localizer
from mes.config.load import default_config, load

Answer = Mapping[str, Any]
Column = tuple[str, Callable[[Any], str]]
KOSTANAY = timezone(timedelta(hours=5))
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec")
NONE = "–"
PLANT: Any = YAML(typ="safe", pure=True).load(default_config())
ENGLISH = Localizer("en", load(default_config()).config)
percent, units, number = ENGLISH.percent, ENGLISH.units, ENGLISH.number
minutes, lasting = ENGLISH.minutes, ENGLISH.lasting
STATES = {
    "producing": "producing",
    "starved": "starved",
    "blocked": "blocked",
    "down": "down",
    "setup": "setup",
    "idle": "idle",
    "planned_stop": "planned stops",
    "no_data": "no data",
}
BUCKETS = {**STATES, "apt": "producing", "minor_stops": "minor stops", "not_planned": "not planned"}
WORDS = {**BUCKETS, "unexplained": "unexplained", "slow": "slow cycle", "pace": "longer ideal cycle"}
WORDS |= {"unknown": "not known", "good": "good", "rework": "rework", "scrap": "scrap", "total": "all"}
WORDS |= {"speed": "speed", "quality": "Quality"}


def instant(text: str) -> datetime:
    """A time of the interface."""
    return datetime.fromisoformat(text).astimezone(KOSTANAY)


def length_s(answer: Answer, start: str = "start", end: str = "end") -> float:
    """From one of its times to another."""
    return (instant(answer[end]) - instant(answer[start])).total_seconds()


def clock(text: str | None) -> str:
    """08:00:00 in Kostanay."""
    return NONE if text is None else instant(text).strftime("%H:%M:%S")


def short_clock(text: str) -> str:
    """08:00 in Kostanay."""
    return instant(text).strftime("%H:%M")


def day(text: str) -> str:
    """2 Mar 2026, in Kostanay."""
    found = instant(text)
    return f"{found.day} {MONTHS[found.month - 1]} {found.year}"


def moment(text: str | None) -> str:
    """2 Mar 08:00:00, in Kostanay."""
    if text is None:
        return NONE
    found = instant(text)
    return f"{found.day} {MONTHS[found.month - 1]} {clock(text)}"


def heading(window: Answer) -> str:
    """A window in words."""
    if window["kind"] != "shift":
        return str(window["name"])
    name = {"day": "day shift", "off shift": "off shift"}[window["name"].partition("/")[2]]
    return f"{day(window['start'])}, {name}" + (f", team {window['team']}" if window["team"] else "")


def own(path: str | None) -> str:
    """The own name of a station, a line or an area, as the plant's file has it."""
    if path is None:
        return "outside the plant"
    held, inside = PLANT, zip(("areas", "lines", "stations"), path.split("/")[1:], strict=False)
    for level, name in inside:
        held = held[level][name]
    return str(held["names"]["en"])


def place(path: str) -> str:
    """A part of the plant."""
    parts = path.split("/")
    names = [own("/".join(parts[:depth])) for depth in range(2, len(parts) + 1)]
    return " / ".join(names) or "whole plant"


def product(product: str) -> str:
    """A product's name."""
    return str(PLANT["products"][product]["names"]["en"])


def market(label: str) -> str:
    """A market's name."""
    return str(PLANT["markets"][label]["names"]["en"]) if label in PLANT["markets"] else word(label)


def process_value(name: str) -> str:
    """A process value's name."""
    return str(PLANT["process_values"][name]["names"]["en"])


def bar(left: float, width: float, kind: str) -> str:
    """A bar as `board_pages` shows it."""
    return f"[{left} {max(width, 0.2)} {kind}]"


def since(start: str, now: str) -> str:
    """How long something lasts, as a time that ticks."""
    begun = instant(start)
    iso = begun.astimezone(timezone.utc).isoformat()  # noqa: UP017 - spelled apart from the board
    return f"[{iso} {int(begun.timestamp() * 1000)}] {lasting((instant(now) - begun).total_seconds())}"


def word(key: str) -> str:
    """What the page calls it."""
    return WORDS.get(key, key.replace("_", " "))


def known(value: object) -> bool:
    """Whether there is anything to say."""
    return value not in (None, "", [])


def fact(value: object) -> str:
    """A fact of an event, with what is inside of it."""
    match value:
        case list():
            return "; ".join(map(fact, value))
        case dict():
            return " ".join(f"{name} {fact(item)}" for name, item in value.items() if known(item))
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def expected(rows: Sequence[Any], columns: Sequence[Column]) -> list[list[str]]:
    """A whole table: its head, then all its rows."""
    return [[title for title, _ in columns], *([shown(row) for _, shown in columns] for row in rows)]
