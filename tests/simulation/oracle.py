"""Holds the journal and the simulated InfluxDB against what the plant really did; called when all is quiet."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
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
from simulation.ledger import Ledger
from simulators.truth import Truth

KINDS = (CountKind.GOOD, CountKind.REWORK, CountKind.SCRAP)
SHOWN = 5  # problems of one sort that are told in full


def judge(
    path: Path,
    setups: Mapping[StationId, StationSetup],
    truth: Truth,
    at_risk: Mapping[tuple[str, str], int],
    ledger: Ledger,
) -> dict[str, str]:
    """Counts, ids and order; returns the lines that InfluxDB must have, by point."""
    with Store(path) as store:
        events = list(_all_events(store))
        values = list(_all_values(store))
    if [each.seq for each in events] != list(range(1, len(events) + 1)):
        ledger.problem("the journal's numbers have holes")
    digest = hashlib.sha256()
    for each in events:
        digest.update(encode_event(each.event)[-1].encode())
    ledger.digest = digest.hexdigest()[:16]
    ledger.events, ledger.process_values = len(events), len(values)
    by_station: dict[StationId, list[Journaled]] = defaultdict(list)
    for each in events:
        by_station[each.event.station].append(each)
    for station, setup in setups.items():
        moduli = {each.setup.kind: each.setup.modulus for each in setup.signals.values()
                  if isinstance(each, CounterSignal)}  # fmt: skip
        _judge_counts(station, by_station[station], truth, moduli, at_risk, ledger)
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


def _judge_counts(
    station: StationId,
    events: list[Journaled],
    truth: Truth,
    moduli: Mapping[CountKind, int],
    at_risk: Mapping[tuple[str, str], int],
    ledger: Ledger,
) -> None:
    """Booked is made, but for what the journal itself says it could not decide, and what a reset took unseen."""
    made = Counter(each.result for each in truth.units(str(station)))
    for kind in KINDS:
        booked, last, flagged = 0, None, 0
        for each in events:
            event = each.event
            if isinstance(event, CountUnreconciled) and event.kind is kind:
                ahead = (event.raw - event.previous_raw) % moduli[kind]
                flagged += min(ahead, moduli[kind] - ahead)
                last = None
            if isinstance(event, UnitsCounted) and event.kind is kind:
                if last is not None and event.previous_raw != last:
                    ledger.problem(f"{station}: {kind} goes on from {event.previous_raw}, after {last} ({each.seq})")
                if event.delta < 0 or (event.flag is CountFlag.BASELINE and event.delta):
                    ledger.problem(f"{station}: {kind} moved by {event.delta} as {event.flag} ({each.seq})")
                booked, last = booked + event.delta, event.raw
        off = made[str(kind)] - booked  # type: ignore[index]  # the plant's words are ours
        ledger.parts += made[str(kind)]  # type: ignore[index]
        if off < 0:
            ledger.problem(f"{station}: {kind} {booked} booked, {made[str(kind)]} made", doubled=-off)  # type: ignore[index]
        excused = min(max(off, 0), flagged + at_risk.get((str(station), str(kind)), 0))
        ledger.unreconciled += excused
        if off > excused:
            ledger.problem(
                f"{station}: {kind} {booked} booked, {made[str(kind)]} made, {flagged} flagged",  # type: ignore[index]
                lost=off - excused,
            )


def _judge_units(station: StationId, events: list[Journaled], truth: Truth, ledger: Ledger) -> None:
    """Every unit's id once, in the order in which they were made; what the controller forgot is told as missing."""
    real = [(each.sequence, each.unit, str(each.result)) for each in truth.units(str(station))]
    seen = [
        (each.event.sequence, str(each.event.unit), str(each.event.result))
        for each in events
        if isinstance(each.event, UnitCompleted)
    ]
    missing = sum(each.event.missing for each in events if isinstance(each.event, UnitsUnidentified))
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
    if seen != sorted(seen, key=lambda each: each[0] or 0):
        ledger.problem(f"{station}: ids out of order")
    ledger.overrun += missing


def _lines(events: list[Journaled], values: list[tuple[int, ProcessValue]], ledger: Ledger) -> dict[str, str]:
    lines: dict[str, str] = {}
    for line in (*(event_line(each) for each in events), *(process_line(value, row) for row, value in values)):
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
