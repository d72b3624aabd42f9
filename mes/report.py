"""Figures of stations for hours, shifts or days, as a table, JSON or CSV; every one comes through mes.results."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from mes.config.build import PlantConfig
from mes.errors import ConfigError
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.model import StationId
from mes.oee.kpi import Kpi
from mes.results import Results, Window, WindowKind
from mes.terminal import label, percent

LOSSES = ("minor_stops", "down", "setup", "idle", "starved", "blocked", "no_data")


@dataclass(frozen=True, slots=True)
class Request:
    """What to report; times are aware UTC, None: as far as the journal knows; stations by the end of their path."""

    kind: WindowKind
    start: datetime | None
    end: datetime | None
    stations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One station in one window, with the shift's or hour's name."""

    station: StationId
    window: Window
    kpi: Kpi


def rows(config: PlantConfig, journal: Path, request: Request) -> list[Row]:
    """All rows, window by window; raises ConfigError for an unknown station or a journal that is not there."""
    if not journal.exists():
        raise ConfigError(f"there is no journal at {journal}: run `mes run` or `mes demo --journal FOLDER` first")
    reader = JournalReader(journal)
    results = Results(reader, config.standards, config.calendar)
    known = reader.span()
    if known is None:
        return []
    span = Interval(request.start or known.start, max(request.end or known.end, request.start or known.start))
    return [
        Row(station, window, results.kpi(station, window.interval, until=known.end))
        for window in results.windows(request.kind, span)
        for station in _chosen(config, request.stations)
    ]


def _chosen(config: PlantConfig, wanted: Sequence[str]) -> list[StationId]:
    chosen = [each for each in config.setups if not wanted or any(each.endswith(end) for end in wanted)]
    unknown = [end for end in wanted if not any(each.endswith(end) for each in config.setups)]
    if unknown:
        raise ConfigError(f"unknown station {', '.join(unknown)}; there are: {', '.join(config.setups)}")
    return chosen


def figures(kpi: Kpi) -> dict[str, int | float | None]:
    """The figures of a row by name: counts, seconds, ratios (None where undefined)."""
    seconds = {f"{each}_s": _seconds(getattr(kpi, each)) for each in ("pbt", "apt", "ot", *LOSSES, "not_planned")}
    return {
        "good": kpi.good,
        "rework": kpi.rework,
        "scrap": kpi.scrap,
        "produced": kpi.produced,
        **seconds,
        "availability": kpi.availability,
        "performance": kpi.performance,
        "quality": kpi.quality,
        "oee": kpi.oee,
        "coverage": kpi.coverage,
        "unreconciled": kpi.unreconciled,
    }


def _seconds(span: timedelta) -> float:
    return span.total_seconds()


def _flat(row: Row) -> dict[str, str | int | float | None]:
    return {
        "station": row.station,
        "window": row.window.name,
        "start": row.window.interval.start.isoformat(),
        "end": row.window.interval.end.isoformat(),
        **figures(row.kpi),
    }


def as_json(found: Sequence[Row]) -> str:
    """A list of objects; times are UTC, seconds floats, ratios 0..1 (performance may be above) or null."""
    return json.dumps([_flat(each) for each in found], indent=2, ensure_ascii=False)


def as_csv(found: Sequence[Row]) -> str:
    """One line a row under a heading; times are UTC; an undefined ratio is empty."""
    text = io.StringIO()
    flat = [_flat(each) for each in found]
    if flat:
        writer = csv.DictWriter(text, fieldnames=list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)
    return text.getvalue()


def show(console: Console, found: Sequence[Row], zone: ZoneInfo) -> None:
    """A table for each window, times in the site's zone; losses in minutes."""
    if not found:
        console.print("The journal holds nothing for this time. Is the collector running, and on this journal?")
    for window in dict.fromkeys(each.window for each in found):
        start, end = (each.astimezone(zone) for each in (window.interval.start, window.interval.end))
        table = Table(
            title=f"{window.name}: {start:%Y-%m-%d %H:%M} to {end:%H:%M} {zone.key}",
            caption="Losses in minutes. A availability, E performance (effectiveness), Q quality: ISO 22400.",
        )
        table.add_column("station", no_wrap=True)
        headings = ("good", "rework", "scrap", "OEE %", "A %", "E %", "Q %", *LOSSES)
        for heading in headings:
            table.add_column(heading.replace("_", " "), justify="right")
        for each in found:
            if each.window == window:
                table.add_row(*_cells(each))
        console.print(table)


def _cells(row: Row) -> list[str]:
    kpi = row.kpi
    ratios = (kpi.oee, kpi.availability, kpi.performance, kpi.quality)
    return [
        label(row.station),
        *(str(each) for each in (kpi.good, kpi.rework, kpi.scrap)),
        *(percent(each) for each in ratios),
        *(f"{_seconds(getattr(kpi, each)) / 60:.1f}" for each in LOSSES),
    ]
