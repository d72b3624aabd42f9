"""Holds the journal and the simulated InfluxDB against what the plant really did; called when all is quiet."""

import hashlib
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from mes.collect.signals import CounterSignal, StationSetup
from mes.influx.delivery import point_of
from mes.influx.encode import event_line, process_line
from mes.journal.codec import encode_event
from mes.journal.store import Store
from mes.model import (
    CountFlag,
    CountKind,
    CountUnreconciled,
    Journaled,
    ProcessValue,
    StationId,
    UnitCompleted,
    UnitsCounted,
    UnitsUnidentified,
)
from simulation.faults import START
from simulation.ledger import Ledger
from simulation.observations import Observations
from simulators.truth import Truth

KINDS = (CountKind.GOOD, CountKind.REWORK, CountKind.SCRAP)
COUNTED_WITHIN_S = 180.0  # a reading waits a minute for the unit log, and another for a disk that is slow
SHOWN = 5  # problems of one sort that are told in full


def judge(
    path: Path,
    setups: Mapping[StationId, StationSetup],
    truth: Truth,
    at_risk: Mapping[tuple[str, str], int],
    seen: Mapping[StationId, tuple[Observations, str]],
    ledger: Ledger,
) -> dict[str, str]:
    """Counts, ids and order; returns the lines that InfluxDB must have, by point.

    `seen`: what the world noted of each station's controller, and the station's code there.
    """
    with Store(path) as store:
        events = list(_all_events(store))
        values = list(_all_values(store))
    if [event.seq for event in events] != list(range(1, len(events) + 1)):
        ledger.problem("the journal's numbers have holes")
    digest = hashlib.sha256()
    for event in events:
        digest.update(encode_event(event.event)[-1].encode())
    ledger.digest = digest.hexdigest()[:16]
    ledger.events, ledger.process_values = len(events), len(values)
    by_station: dict[StationId, list[Journaled]] = defaultdict(list)
    for journaled in events:
        by_station[journaled.event.station].append(journaled)
    for station, setup in setups.items():
        moduli = {signal.setup.kind: signal.setup.modulus for signal in setup.signals.values()
                  if isinstance(signal, CounterSignal)}  # fmt: skip
        made = Made(truth, station, *seen[station])
        _judge_counts(station, by_station[station], made, moduli, at_risk, ledger)
        _judge_units(station, by_station[station], truth, ledger)
    return _lines(events, values, ledger)


def _all_events(store: Store) -> Iterator[Journaled]:
    after = 0
    while found := store.read(after, 5000):
        yield from found
        after = found[-1].seq


def _all_values(store: Store) -> Iterator[tuple[int, ProcessValue]]:
    after = 0
    while found := store.read_telemetry(after, 5000):
        yield from found
        after = found[-1][0]


@dataclass(slots=True)
class Made:
    """What a station really made, as a reader of its totalisers could know it."""

    truth: Truth
    station: StationId
    seen: Observations
    code: str
    by_kind: dict[str, list[datetime]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_kind = {str(kind): [] for kind in KINDS}
        for unit in self.truth.units(str(self.station)):
            self.by_kind[str(unit.result)].append(unit.time)

    def until(self, kind: CountKind, at_s: float) -> int:
        """How many were made until an instant of the plant."""
        return bisect_right(self.by_kind[str(kind)], START + timedelta(seconds=at_s))

    def read_before_s(self, at_s: float) -> float:
        """When the totalisers were certainly read before, and what was read is on disk and counted."""
        place = bisect_left(self.seen.looks, at_s) - 1
        while place >= 0 and self._is_hidden(self.seen.looks[place]):
            place -= 1
        return self.seen.looks[place] - COUNTED_WITHIN_S if place >= 0 else 0.0

    def _is_hidden(self, at_s: float) -> bool:
        hidden = (*self.seen.hung, *self.seen.bad.get(self.code, ()))
        return any(begin_s <= at_s < end_s for begin_s, end_s in hidden)


@dataclass(slots=True)
class _Count:
    """One totaliser's events so far; `open_by_remap`: parts that a change of its register left open, by the journal."""

    counted: int = 0
    last: int | None = None
    flagged: int = 0
    open_by_remap: int = 0
    doubted: CountUnreconciled | None = None


def _judge_counts(
    station: StationId,
    events: list[Journaled],
    made: Made,
    moduli: Mapping[CountKind, int],
    at_risk: Mapping[tuple[str, str], int],
    ledger: Ledger,
) -> None:
    """Counted is made, but for what the journal itself says it could not decide, and what a reset took unseen."""
    for kind in KINDS:
        count = _Count()
        for journaled in events:
            event = journaled.event
            if isinstance(event, CountUnreconciled) and event.kind is kind:
                count.flagged += _ahead(event, moduli[kind])
                count.last, count.doubted = None, event
            if isinstance(event, UnitsCounted) and event.kind is kind:
                wrong = _wrong(event, count)
                if wrong:
                    ledger.problem(f"{station}: {kind} {wrong} ({journaled.seq})")
                if event.flag is CountFlag.REMAPPED:
                    _remapped(station, event, count, made, moduli[kind], ledger)
                count.counted, count.last, count.doubted = count.counted + event.delta, event.raw, None
        total = len(made.by_kind[str(kind)])
        off = total - count.counted
        ledger.parts += total
        if off < 0:
            ledger.problem(f"{station}: {kind} {count.counted} counted, {total} made", doubled=-off)
        excused = count.flagged + count.open_by_remap + at_risk.get((str(station), str(kind)), 0)
        excused = min(max(off, 0), excused)
        ledger.unreconciled += excused
        if off > excused:
            ledger.problem(
                f"{station}: {kind} {count.counted} counted, {total} made, {count.flagged} flagged, "
                f"{count.open_by_remap} open by a remap",
                lost=off - excused,
            )


def _ahead(event: CountUnreconciled, modulus: int) -> int:
    ahead = (event.raw - event.previous_raw) % modulus
    return min(ahead, modulus - ahead)


def _wrong(event: UnitsCounted, count: _Count) -> str:
    if count.last is not None and event.previous_raw != count.last:
        return f"goes on from {event.previous_raw}, after {count.last}"
    if event.delta < 0 or (event.flag in (CountFlag.BASELINE, CountFlag.REMAPPED) and event.delta):
        return f"moved by {event.delta} as {event.flag}"
    return ""


def _remapped(station: StationId, event: UnitsCounted, count: _Count, made: Made, modulus: int, ledger: Ledger) -> None:
    """The first value of another register: just before it the journal says that parts may be missing, and no more are.

    Two values of unrelated registers say nothing of how many: open is what was made since the totaliser was read last.
    """
    if count.doubted is None or count.doubted.raw != event.raw:
        ledger.problem(f"{station}: {event.kind} is read elsewhere from {event.raw} on, and nothing says so")
        return
    count.flagged -= _ahead(count.doubted, modulus)
    read_s = made.seen.arrived_s[event.received_time]
    until_then = made.until(event.kind, read_s)
    if count.counted > until_then:
        ledger.problem(
            f"{station}: {event.kind} {count.counted} counted, {until_then} made when another register was read",
            doubled=count.counted - until_then,
        )
    missing = max(until_then - count.counted - count.flagged - count.open_by_remap, 0)
    count.open_by_remap += min(missing, until_then - made.until(event.kind, made.read_before_s(read_s)))
    ledger.remapped += 1


def _judge_units(station: StationId, events: list[Journaled], truth: Truth, ledger: Ledger) -> None:
    """Every unit's id once, in the order in which they were made; what the controller forgot is told as missing."""
    real = [(unit.sequence, unit.unit, str(unit.result)) for unit in truth.units(str(station))]
    seen = [
        (event.event.sequence, str(event.event.unit), str(event.event.result))
        for event in events
        if isinstance(event.event, UnitCompleted)
    ]
    missing = sum(event.event.missing for event in events if isinstance(event.event, UnitsUnidentified))
    twice = Counter(seen) - Counter(set(seen))
    never = set(seen) - set(real)
    gone = set(real) - set(seen)
    if twice:
        ledger.problem(f"{station}: ids twice: {list(twice)[:SHOWN]}", doubled=twice.total())
    if never:
        ledger.problem(f"{station}: ids that were never made: {sorted(never, key=str)[:SHOWN]}", doubled=len(never))
    if len(gone) > missing:
        ledger.problem(
            f"{station}: {len(gone)} ids are missing, {missing} are told: {sorted(gone)[:SHOWN]}",
            lost=len(gone) - missing,
        )
    if len(gone) < missing:
        ledger.problem(f"{station}: {missing} ids are told to be missing, {len(gone)} are")
    if seen != sorted(seen, key=lambda stamp: stamp[0] or 0):
        ledger.problem(f"{station}: ids out of order")
    ledger.overrun += missing


def _lines(events: list[Journaled], values: list[tuple[int, ProcessValue]], ledger: Ledger) -> dict[str, str]:
    lines: dict[str, str] = {}
    for line in (*(event_line(event) for event in events), *(process_line(value, row) for row, value in values)):
        point = point_of(line)
        if point in lines:
            ledger.problem(f"two rows of the journal are one point: {line} and {lines[point]}", lost=1)
        lines[point] = line
    return lines


def judge_points(lines: Mapping[str, str], points: Mapping[str, str], ledger: Ledger) -> None:
    """InfluxDB has exactly what the journal has, byte for byte."""
    ledger.points = len(points)
    gone = [line for point, line in lines.items() if point not in points]
    extra = [line for point, line in points.items() if point not in lines]
    other = [(line, points[point]) for point, line in lines.items() if points.get(point, line) != line]
    if gone:
        ledger.problem(f"{len(gone)} points are not in InfluxDB: {gone[:SHOWN]}", lost=len(gone))
    if extra:
        ledger.problem(f"{len(extra)} points are only in InfluxDB: {extra[:SHOWN]}", doubled=len(extra))
    if other:
        ledger.problem(f"{len(other)} points differ: {other[:SHOWN]}", lost=len(other))
