"""What is reported: nodes of the plant in windows, with everything that is said of each, by stable names."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from mes.calendar import Window, WindowKind
from mes.errors import ConfigError
from mes.intervals import MICROSECOND, Interval
from mes.oee.components import Bucket
from mes.oee.definitions import Definition
from mes.results.fields import Value, definition_values, kpi_values, reason_of, secondary_values, seconds
from mes.results.plant import Node, PlantResults, Row
from mes.results.shift_closing import WHOLE as WHOLE

CLOSING = "closing"  # the closed shifts, each in the window that it was closed for


@dataclass(frozen=True, slots=True)
class Request:
    """What to report; times are aware UTC, None: as far as the journal knows.

    `by` is a kind of window, `interval` or `closing`. Windows that reach beyond the times are whole; `interval` is not.
    """

    by: str
    start: datetime | None
    end: datetime | None
    parts: tuple[str, ...] = ()
    level: str = "station"
    definitions: tuple[str, ...] = ()


def rows(query: PlantResults, request: Request) -> Iterator[Row]:
    """All rows, window by window; none for an empty journal. Raises ConfigError for names that are not there."""
    chosen = definitions(query, request.definitions)
    for node, window in nodes_and_windows(query, request):
        yield query.row(node, window, chosen)


def nodes_and_windows(query: PlantResults, request: Request) -> Iterator[tuple[Node, Window]]:
    """What the rows are about, window by window. Raises ConfigError for names that are not there."""
    nodes = query.nodes(request.level, request.parts)
    if request.by != CLOSING:
        yield from ((node, window) for window in windows(query, request) for node in nodes)
        return
    if request.level != "station":
        raise ConfigError("shifts are closed station by station: take `--level station`")
    if query.known is None:
        return
    span = _span(query.known, request)
    closed = [(node, closing.window) for node in nodes for closing in query.closings(node.stations[0], span)]
    yield from sorted(closed, key=lambda found: found[1].interval)


def definitions(query: PlantResults, names: Sequence[str]) -> tuple[Definition, ...]:
    """The definitions by name, each once; none: the plant's own choice. Raises ConfigError for an unknown one."""
    return tuple(query.definition(name) for name in dict.fromkeys(names or [""]))


def windows(query: PlantResults, request: Request) -> tuple[Window, ...]:
    """The windows that the request is about. Raises ConfigError where the end comes before the start."""
    if query.known is None:
        return ()
    span = _span(query.known, request)
    if request.by == WHOLE:
        return (Window(WindowKind.DAY, WHOLE, query.config.calendar.day_of(span.start), span),)
    return query.windows(WindowKind(request.by), span)


def _span(known: Interval, request: Request) -> Interval:
    # what happened at the last known instant is reported, too
    start, end = request.start or known.start, request.end or known.end + MICROSECOND
    if request.start and request.end and end <= start:
        raise ConfigError(f"the end, {end.isoformat()}, is not after the start, {start.isoformat()}")
    return Interval(start, max(start, end))


def place(row: Row) -> dict[str, Value]:
    """Which node and which window a row is about."""
    window = row.window
    return {
        row.node.level: row.node.path,
        "window": window.name,
        "team": window.team,
        "start": window.interval.start.isoformat(),
        "end": window.interval.end.isoformat(),
        "out": row.out,
        "target": None if row.target is None else float(row.target),
    }


def as_json(found: Sequence[Row]) -> str:
    """A list of objects; times are UTC, seconds floats, ratios 0..1 (performance may be above) or null."""
    return json.dumps([_nested(row) for row in found], indent=2, ensure_ascii=False)


def _nested(row: Row) -> dict[str, object]:
    return {
        **place(row),
        **kpi_values(row.kpi),
        **secondary_values(row.secondary),
        "flags": sorted(row.kpi.flags),
        "losses": [
            {"bucket": str(loss.bucket), "reason": reason_of(loss.bucket, loss.reason), "s": seconds(loss.time)}
            | {"stops": loss.stops}
            for loss in row.kpi.losses
        ],
        "definitions": {
            figure.definition.name: {
                **definition_values(figure),
                "where": {str(bucket): str(figure.definition.place(bucket)) for bucket in Bucket},
            }
            for figure in row.figures
        },
    }


def as_csv(found: Sequence[Row]) -> str:
    """One line a row under a heading; times are UTC; an undefined ratio is empty; definitions as `oee.iso22400`."""
    text = io.StringIO()
    flat = [_flat(row) for row in found]
    if flat:
        writer = csv.DictWriter(text, fieldnames=list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)
    return text.getvalue()


def _flat(row: Row) -> dict[str, Value]:
    named = {
        f"{key}.{figure.definition.name}": value
        for figure in row.figures
        for key, value in definition_values(figure).items()
    }
    return {**place(row), **kpi_values(row.kpi), **secondary_values(row.secondary), **named}
