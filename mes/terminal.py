"""How tables meet a person: as wide as the terminal, wide enough for every column where there is none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from mes.model import StationId

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 140


def console() -> "Console":
    """Standard output; colours only on a terminal."""
    from rich.console import Console

    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)


def errors() -> "Console":
    """Standard error, for what is no part of the answer: progress, warnings."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Within it, what is called with a text shows that as being done now: on standard error, only on a terminal."""
    shown = errors()
    if not shown.is_terminal:
        yield lambda _: None
        return
    from rich.markup import escape

    with shown.status("") as status:
        yield lambda text: status.update(escape(text))


def percent(ratio: float | None) -> str:
    """A ratio as a percentage with one decimal; a dash where it is undefined."""
    return "–" if ratio is None else f"{ratio * 100:.1f}"


def label(station: StationId) -> str:
    """A station's path without the site, which is the same in every row."""
    return station.partition("/")[2]


def local_time(instant: datetime, zone: ZoneInfo) -> str:
    """An instant by the site's clock, to the second."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def units(count: int | None, *, at_least: bool = False) -> str:
    """A count; a dash where it is not known, never 0; `at_least`: not all of them are known."""
    return "–" if count is None else f"≥ {count}" if at_least else str(count)
