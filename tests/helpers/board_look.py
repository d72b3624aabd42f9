"""Looks at one board in both ways: at its pages as a browser does, and at the same answers as a program does."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from board_figures import clock, day, heading, instant, place, word
from board_pages import Page, text_of
from board_plant import PlantBoard, Visitor, config_of, plant_board
from board_scene import scene, telemetry, until
from influx_example import END

from mes.model import StationEvent
from mes.results.charts import share

OFFERED = timedelta(days=14)
STATES = ("producing", "starved", "blocked", "down", "setup", "idle", "planned_stop", "no_data")


@dataclass(slots=True)
class Look:
    """A board with a visitor, and the answers that pages share."""

    plant: PlantBoard
    visitor: Visitor
    site: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    async def answer(self, path: str, **parameters: str) -> Any:
        """What the interface says."""
        status, found = await self.visitor.get(path, **parameters)
        assert status == 200, found
        return found

    async def page(self, path: str, **parameters: str) -> Page:
        """A page's main content."""
        status, text = await self.visitor.page(path, **parameters)
        assert status == 200, text
        return Page(text)

    @property
    def now(self) -> str:
        """The present, as the interface has it."""
        return str(self.site["now"])

    def reason(self, code: str | None) -> str:
        """A reason in English."""
        texts = {reason["reason"]: reason["texts"]["en"] for found in self.reasons.values() for reason in found}
        return "no reason yet" if code is None else texts.get(code) or word(code)

    async def windows(self, chosen: dict[str, Any], *, shifts_only: bool) -> list[str]:
        """The windows that a page offers: the newest first, the chosen one marked."""
        start = max(instant(self.site["known_from"]), instant(self.now) - OFFERED).isoformat()
        end = (instant(self.now) + timedelta(microseconds=1)).isoformat()
        shifts = await self.answer("/windows", kind="shift", start=start, end=end)
        days = await self.answer("/windows", kind="day", start=start, end=end)
        found = [shift for shift in shifts if not shift["name"].endswith("off shift")][::-1] + days[::-1]
        if chosen["name"] not in {window["name"] for window in found}:
            found.insert(0, chosen)
        if shifts_only:
            found = [window for window in found if "/" in window["name"]]
        return [f"[{marked(window['name'], chosen['name'])}] {heading(window)}" for window in found]

    def parts(self, of: str, *, stations: bool, whole: bool) -> list[str]:
        """The parts of the plant that a page offers, the chosen one marked."""
        paths = [station["station"] for station in self.site["stations"]]
        areas, lines = (list(dict.fromkeys("/".join(path.split("/")[:depth]) for path in paths)) for depth in (2, 3))
        found = [
            *([self.site["site"], *areas] if whole else []),
            *(lines if whole else []),
            *(paths if stations else []),
        ]
        return [f"[{marked(path, of)}] {place(path)}" for path in found]

    async def chosen(
        self,
        page: Page,
        of: str,
        window: dict[str, Any],
        *,
        stations: bool = True,
        whole: bool = True,
        shifts_only: bool,
    ) -> None:
        """The form that chooses offers just what the interface has."""
        form = page.take("form", class_="choice")
        part, time = form.select("select")[:2]
        assert [text_of(tag) for tag in part.select("option")] == self.parts(of, stations=stations, whole=whole)
        offered = await self.windows(window, shifts_only=shifts_only)
        assert [text_of(tag) for tag in time.select("option")] == offered

    def strip(self, timeline: dict[str, Any]) -> str:
        """The drawing of a time line: each stretch with its place, its colour and its words."""
        begin, end = instant(timeline["window"]["start"]), instant(timeline["window"]["end"])
        whole = (end - begin).total_seconds()

        def at(stretch: dict[str, Any], least: float) -> tuple[float, float]:
            start, stop = instant(stretch["start"]), instant(stretch["end"])
            width = share((stop - start).total_seconds(), whole)
            return share((start - begin).total_seconds(), whole), max(width, least)

        shown = ["[0 100 ground]"]
        for span in timeline["spans"]:
            left, width = at(span, 0.04)
            kind = f"s-{span['state']}" + (" inferred" if span["inferred"] else "")
            why = f": {self.reason(span['reason'])}" if span["reason"] else ""
            shown.append(
                f"[{left} {width} {kind}] {clock(span['start'])}–{clock(span['end'])} {word(span['state'])}{why}"
            )
        for stretch in timeline["planned"]:
            left, width = at(stretch, 0.0)
            shown.append(f"[{left} {width} planned]")
        return " ".join(shown)


def marked(name: str, chosen: str) -> str:
    """An option's value, with a star where it is the chosen one."""
    return f"{name} *" if name == chosen else name


def utc(text: str) -> str:
    """As a form sends it."""
    return instant(text).astimezone(UTC).isoformat()


@asynccontextmanager
async def looking(
    folder: Path, *, name: str | None = None, now: datetime = END, more: Sequence[StationEvent] = ()
) -> AsyncIterator[Look]:
    """A board over the scene of `board_scene` and `more`, at whom `name` looks."""
    told = until([*scene(config_of(folder)), *more], now)
    async with plant_board(folder, events=told, telemetry=telemetry(), now=now) as plant:
        look = Look(plant, await plant.enter(name))
        look.site = await look.answer("/site")
        for station in look.site["stations"]:
            look.reasons[station["station"]] = await look.answer(f"/stations/{station['station']}/reasons")
        yield look


def nothing_left(page: Page) -> None:
    """Every digit of the page has been compared with something."""
    left = page.left()
    assert not left, left


__all__ = ["STATES", "Look", "day", "looking", "marked", "nothing_left", "utc"]
