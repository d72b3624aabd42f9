"""Reports on a terminal: a table for each window, definitions side by side, and what is not explained."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from mes.calendar import Window
from mes.oee.components import LOSSES, Bucket, KpiFlag
from mes.oee.definitions import Definition, Place
from mes.report.rules import rules
from mes.results.plant import Row
from mes.terminal import percent, units
from mes.translations import texts

MINUTE = timedelta(minutes=1)
EMPTY = "The journal holds nothing for this time. Is the collector running, and on this journal?"


def show(console: Console, found: Sequence[Row], zone: ZoneInfo) -> None:
    """A table for each window, times in the site's zone; losses in minutes; then the definitions, if several."""
    if not found:
        console.print(EMPTY)
    for window, members in groupby(found, key=lambda row: row.window):
        rows = list(members)
        console.print(_table(window, rows, zone))
        for note in _notes(rows):
            console.print(note)
        if len(rows[0].figures) > 1:
            console.print(_side_by_side(rows))
            console.print(_where(rows))


def title(window: Window, zone: ZoneInfo) -> str:
    """A window in words, in local time."""
    team = f", team {window.team}" if window.team else ""
    return f"{window.name}{team}: {' to '.join(stretch(window, zone))} {zone.key}"


def stretch(window: Window, zone: ZoneInfo) -> tuple[str, str]:
    """Start and end of a window in local time; the end without its date where that is the start's."""
    start, end = (instant.astimezone(zone) for instant in (window.interval.start, window.interval.end))
    return clock(start), _end(start, end)


def clock(instant: datetime) -> str:
    """Date and minute; seconds only where there are any."""
    return f"{instant:%Y-%m-%d %H:%M:%S}" if instant.second else f"{instant:%Y-%m-%d %H:%M}"


def _end(start: datetime, end: datetime) -> str:
    return f"{end:%H:%M}" if start.date() == end.date() and not end.second else clock(end)


def _table(window: Window, rows: Sequence[Row], zone: ZoneInfo) -> Table:
    shown = rows[0].figures[0].definition
    table = Table(
        title=title(window, zone),
        caption=f"Losses in minutes. OEE, A availability, E performance (effectiveness), Q quality: {shown.title}.",
    )
    table.add_column(rows[0].node.level, no_wrap=True)
    has_target = any(row.target is not None for row in rows)
    # what several stations made is not what left the line
    first = "good" if rows[0].node.level == "station" else "out"
    headings = (first, *(("target",) if has_target else ()), "rework", "scrap", "OEE %", "A %", "E %", "Q %", *LOSSES)
    for heading in headings:
        table.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*_cells(row, has_target=has_target))
    return table


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each thing that a reader of the rows should know, with the rows that it is about."""
    english = texts("en")
    for flag in KpiFlag:
        flagged = [name(row) for row in rows if flag in row.kpi.flags]
        if flagged:
            mark = "≥ " if flag is KpiFlag.COUNTS_NOT_READ else ""
            yield f"{mark}{', '.join(flagged)}: {english[flag]}"


def _cells(row: Row, *, has_target: bool) -> list[str]:
    kpi, first = row.kpi, row.figures[0]
    target = [] if not has_target else ["–" if row.target is None else f"{float(row.target):.1f}"]
    return [
        name(row),
        units(row.out, at_least=row.out_at_least),
        *target,
        *(units(kpi.count(kind), at_least=kpi.units_missing) for kind in ("rework", "scrap")),
        *(percent(ratio) for ratio in (first.oee, first.availability, first.performance, first.quality)),
        *(f"{kpi.spent(loss) / MINUTE:.1f}" for loss in LOSSES),
    ]


def name(row: Row) -> str:
    """A node's path without the site, which is the same in every row; the site by its own name."""
    return row.node.path.partition("/")[2] or row.node.path


def _side_by_side(rows: Sequence[Row]) -> Table:
    table = Table(title="OEE = A × E × Q in per cent, by definition")
    table.add_column(rows[0].node.level, no_wrap=True)
    for figures in rows[0].figures:
        table.add_column(figures.definition.name, justify="right")
    for row in rows:
        factors = [(figure.oee, figure.availability, figure.performance, figure.quality) for figure in row.figures]
        cells = [f"{percent(oee)} = {percent(a)} × {percent(e)} × {percent(q)}" for oee, a, e, q in factors]
        table.add_row(name(row), *cells)
    return table


def _where(rows: Sequence[Row]) -> Table:
    """Where each definition counts the minutes of all rows together."""
    definitions = [figure.definition for figure in rows[0].figures]
    table = Table(title="Where the time counts, all rows together")
    table.add_column("time")
    table.add_column("min", justify="right")
    for definition in definitions:
        table.add_column(definition.name)
    for bucket in Bucket:
        minutes = sum((row.kpi.spent(bucket) for row in rows), timedelta()) / MINUTE
        table.add_row(
            WORDS[bucket], f"{minutes:.1f}", *(PLACES[_place(definition, bucket)] for definition in definitions)
        )
    for number, letter in enumerate("bdefg"):
        heading = "rules" if not number else ""
        table.add_row(heading, "", *(rules(definition)[letter] for definition in definitions))
    return table


def _place(definition: Definition, bucket: Bucket) -> Place:
    return definition.place(bucket)


WORDS = {
    Bucket.APT: "producing (APT)",
    Bucket.MINOR_STOPS: "minor stops",
    Bucket.DOWN: "down",
    Bucket.SETUP: "setup",
    Bucket.IDLE: "idle",
    Bucket.STARVED: "starved",
    Bucket.BLOCKED: "blocked",
    Bucket.NO_DATA: "no data",
    Bucket.PLANNED_STOP: "planned stops",
    Bucket.NOT_PLANNED: "not planned",
}
PLACES = {
    Place.RUN: "run time",
    Place.AVAILABILITY: "loss of A",
    Place.PERFORMANCE: "loss of E",
    Place.NO_LOSS: "no loss",
    Place.EXCLUDED: "not counted",
}
