"""From a figure down to the raw readings: the ideal times, spans, events and counter values that made it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mes.calendar import Window
from mes.intervals import Interval, intersect, total
from mes.model import (
    CountFlag,
    CountKind,
    CountReconciled,
    CountUnreconciled,
    Journaled,
    ProductId,
    StateChanged,
    StationId,
    UnitsCounted,
)
from mes.oee.components import Bucket
from mes.oee.count_decisions import CountKey, count_key, decided
from mes.oee.segments import Piece
from mes.oee.timeline import Timeline
from mes.results.plant import Node, PlantResults, Row


@dataclass(frozen=True, slots=True)
class Ideal:
    """Units of a product with their ideal time: what they add to Σ(PRI·units)."""

    product: ProductId | None
    kind: CountKind
    units: int
    ideal_cycle: timedelta | None

    @property
    def time(self) -> timedelta | None:
        """Their ideal time; None where no ideal cycle time is set."""
        return None if self.ideal_cycle is None else self.ideal_cycle * self.units


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the time line in the window, how much of it was planned, and the events that began and ended it."""

    piece: Piece
    planned: timedelta
    begun_by: Journaled | None
    ended_by: Journaled | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that made the figures of one station in one window.

    `counts`: the events whose units lie in the window, with the raw totaliser readings before and after; of a catch-up
    only those units count here that are spread into the window, `counted` says how many. What persons decided counts
    as well. `unreconciled`: readings that a person has to decide. `decisions`: all that were taken, the last one last,
    and whether it holds or another took its place.
    """

    row: Row
    ideal: tuple[Ideal, ...]
    stretches: tuple[Stretch, ...]
    counts: tuple[tuple[Journaled, int], ...]
    unreconciled: tuple[Journaled, ...]
    decisions: tuple[tuple[CountReconciled, bool], ...]


def explain(query: PlantResults, station: StationId, window: Window) -> Explanation:
    """What the station's figures in `window` are made of; everything adds up to them exactly."""
    node = Node(station, (station,))
    row = query.row(node, window, [query.config.definition])
    until = min(window.interval.end, query.until)
    seen = Interval(min(window.interval.start, until), until)
    events = query.events(station, seen)
    held = decided(event.event for event in events)
    counts = _counts(query, station, seen, events, held)
    said = [event.event for event in events if isinstance(event.event, CountReconciled) and event.event.time in seen]
    said.sort(key=lambda event: event.recorded_time)
    return Explanation(
        row=row,
        ideal=_ideal(query, station, counts),
        stretches=tuple(_stretches(query, station, seen, events)),
        counts=counts,
        unreconciled=tuple(
            event
            for event in events
            if isinstance(event.event, CountUnreconciled)
            and event.event.time in seen
            and count_key(event.event) not in held
        ),
        decisions=tuple((decision, held[count_key(decision)] is decision) for decision in said),
    )


def _counts(
    query: PlantResults,
    station: StationId,
    window: Interval,
    events: Sequence[Journaled],
    held: Mapping[CountKey, CountReconciled],
) -> tuple[tuple[Journaled, int], ...]:
    """Each counting event, and each decision that holds, with how many of its units fall into the window."""
    found = []
    left: dict[tuple[Interval, CountKind, ProductId | None, CountFlag], int] = {}  # of the units of a gap, to be told
    for journaled in events:
        event = journaled.event
        if (
            isinstance(event, CountReconciled)
            and event.parts
            and event.time in window
            and held[count_key(event)] is event
        ):
            found.append((journaled, event.parts))
        if not isinstance(event, UnitsCounted):
            continue
        if event.since is None or event.since >= event.time:
            inside = event.delta if event.time in window else 0
        else:
            key = Interval(event.since, event.time), event.kind, event.product, event.flag
            if key not in left:
                left[key] = _units_in_gap(query.results.timeline(station, window), window, *key)
            inside = min(event.delta, left[key])
            left[key] -= inside
        if inside:
            found.append((journaled, inside))
    return tuple(found)


def _units_in_gap(
    line: Timeline, window: Interval, gap: Interval, kind: CountKind, product: ProductId | None, flag: CountFlag
) -> int:
    """The units that were caught up over a gap and that count in the window."""
    return sum(
        count.units
        for count in line.counts
        if count.time in window
        and count.time in gap
        and (count.kind, count.product, count.flag) == (kind, product, flag)
    )


def _ideal(query: PlantResults, station: StationId, counts: Iterable[tuple[Journaled, int]]) -> tuple[Ideal, ...]:
    units: dict[tuple[ProductId | None, CountKind], int] = defaultdict(int)
    for journaled, inside in counts:
        assert isinstance(journaled.event, UnitsCounted | CountReconciled)
        units[journaled.event.product, journaled.event.kind] += inside
    standard = query.config.standards[station]
    ordered = sorted(units, key=lambda key: (key[0] or "", key[1]))
    return tuple(Ideal(product, kind, units[product, kind], standard.ideal(product)) for product, kind in ordered)


def _stretches(
    query: PlantResults, station: StationId, window: Interval, events: Sequence[Journaled]
) -> Iterable[Stretch]:
    planned = query.config.calendar.planned(window)
    said: dict[datetime, Journaled] = {
        event.event.time: event for event in events if isinstance(event.event, StateChanged)
    }
    for piece in query.results.pieces(station, window, until=window.end):
        counted = timedelta() if piece.bucket is Bucket.NOT_PLANNED else total(intersect((piece.interval,), planned))
        yield Stretch(piece, counted, said.get(piece.stop.start), said.get(piece.stop.end))
