"""How figures of the interface have to read on an English page, written down apart from the board's own formats."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from ruamel.yaml import YAML

from mes.config.load import default_config

Answer = Mapping[str, Any]
Column = tuple[str, Callable[[Any], str]]
KOSTANAY = timezone(timedelta(hours=5))
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec")
NONE = "–"
PLANT: Any = YAML(typ="safe", pure=True).load(default_config())
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


def percent(ratio: float | None) -> str:
    """78.9 %, with a no-break space."""
    if ratio is None:
        return NONE
    found = (Decimal(repr(ratio)) * 100).quantize(Decimal("0.1"), ROUND_HALF_EVEN)
    return f"{found:,}\u00a0%"


def units(count: int | None) -> str:
    """A count; a dash where it is not known."""
    return NONE if count is None else str(count)


def number(value: float | None, digits: int = 0) -> str:
    """With so many decimals at most."""
    if value is None:
        return NONE
    found = f"{value:,.{digits}f}"
    found = found.rstrip("0").rstrip(".") if "." in found else found
    return "0" if found == "-0" else found


def minutes(time_s: float | None, *, signed: bool = False) -> str:
    """Seconds as minutes with one decimal."""
    if time_s is None:
        return NONE
    found = f"{time_s / 60:,.1f}"
    found = "0.0" if found == "-0.0" else found
    return f"+{found}" if signed and time_s > 0 and found != "0.0" else found


def lasting(time_s: float) -> str:
    """1:02:03 h, or 2:03 min."""
    whole = int(time_s)
    text = str(timedelta(seconds=whole % 86400))
    hours, minute, second = text.split(":")
    hours = str(int(hours) + whole // 86400 * 24)
    return f"{hours}:{minute}:{second}\u00a0h" if hours != "0" else f"{int(minute)}:{second}\u00a0min"


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


def share(part: float, whole: float) -> float:
    """Per cent of a whole bar."""
    return round(min(max(part / whole * 100, 0.0), 100.0), 3) if whole else 0.0


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
            return " ".join(f"{name} {fact(each)}" for name, each in value.items() if known(each))
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def expected(rows: Sequence[Any], columns: Sequence[Column]) -> list[list[str]]:
    """A whole table: its head, then all its rows."""
    return [[title for title, _ in columns], *([shown(each) for _, shown in columns] for each in rows)]
