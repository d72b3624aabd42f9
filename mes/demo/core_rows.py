"""What InfluxDB ought to hold, row by row: put together from the core's own answers, from nothing that was published.

Figures come from `mes.results.plant`, as reports ask for them, and events from the journal; a panel's query over these
rows gives the answer that the same query must get from the server.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zlib import crc32

from mes.calendar import Window, WindowKind
from mes.demo.influxql.where import Row, Value
from mes.intervals import Interval, intersect, total
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    Journaled,
    ReasonAssigned,
    State,
    StateChanged,
    StationId,
    UnitCompleted,
    UnitEntered,
    UnitLeft,
    UnitsCounted,
)
from mes.oee.components import LOSSES, Bucket, Kpi
from mes.oee.definitions import TAKTLINE
from mes.oee.segments import STOPS
from mes.results.hourly import cell_cuts
from mes.results.plant import PlantResults

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEVELS = ("site", "area", "line", "station")
NOTHING = timedelta()
KPI_TIMES = {
    "window_s": "length",
    "pbt_s": "pbt",
    "apt_s": "apt",
    "ot_s": "ot",
    "minor_stops_s": "minor_stops",
    "down_s": "down",
    "setup_s": "setup",
    "idle_s": "idle",
    "starved_s": "starved",
    "blocked_s": "blocked",
    "no_data_s": "no_data",
    "planned_stop_s": "planned_stops",
    "inferred_s": "inferred",
    "ideal_good_s": "sum_pri_good",
    "unread_s": "unread",
    "ideal_produced_s": "sum_pri_produced",
}
KPI_NUMBERS = ("good", "rework", "scrap", "produced", "failures", "unreconciled")
CAUSES = ("down", "setup", "idle", "minor_stops", "slow", "pace")


def rows(query: PlantResults) -> Iterator[Row]:
    """All that the journal tells, up to the query's present."""
    known = query.known
    if known is None:
        return
    calendar, until = query.config.calendar, query.until
    days = [each.interval for each in calendar.days(Interval(known.start, until + timedelta(microseconds=1)))]
    cuts = cell_cuts(calendar, Interval(days[0].start, days[-1].end))
    hours = [
        Window(WindowKind.HOUR, "", calendar.day_of(start), Interval(start, end))
        for start, end in pairwise(cuts)
        if start <= until
    ]
    longer = [
        each
        for kind in (WindowKind.SHIFT, WindowKind.DAY)
        for each in calendar.windows(kind, Interval(known.start, until + timedelta(microseconds=1)))
    ]
    for station in query.config.standards:
        first = query.reader.span_of(station)
        if first is not None:
            seen = [each for each in hours if each.interval.end > first.start]
            yield from _of_station(query, station, seen, longer)
        yield from _events(query, station, known.start - timedelta(days=1), until + timedelta(days=1))
    told = [each for each in hours if each.interval.end > known.start]
    yield from _of_lines(query, told, longer)
    for each in told:
        yield from _stores(query, each.interval)
        yield from _limits(query, each.interval, until)
        if calendar.planned(each.interval):
            yield from _culprits(query, each)
    yield from _built(query, told)
    yield from _periods(query)


def _ns(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1) * 1000


def _ms(instant: datetime) -> int:
    return _ns(instant) // 1_000_000


def _place(path: str) -> dict[str, str]:
    return dict(zip(LEVELS, path.split("/"), strict=False))


def _of_station(query: PlantResults, station: StationId, hours: list[Window], longer: list[Window]) -> Iterator[Row]:
    for each in (*hours, *longer):
        kpi = query.results.kpi(station, each.interval, until=query.until)
        tags = {**_place(station), "window": str(each.kind)}
        yield Row("kpi", _ns(each.interval.start), tags, _kpi_fields(kpi))
    for each in hours:
        yield from _stretches(query, station, each.interval)
        yield from _losses(query, station, each.interval)
        yield from _exposures(query, station, each.interval)


def _kpi_fields(kpi: Kpi) -> dict[str, Value]:
    found: dict[str, Value] = {name: int(getattr(kpi, name)) for name in KPI_NUMBERS if name not in kpi.unknown}
    for name, attribute in KPI_TIMES.items():
        length: timedelta | None = getattr(kpi, attribute)
        if length is not None:
            found[name] = length.total_seconds()
    found["not_planned_s"] = (kpi.length - kpi.pbt - kpi.planned_stops).total_seconds()
    return found


def _stretches(query: PlantResults, station: StationId, hour: Interval) -> Iterator[Row]:
    until = query.until
    window = Interval(hour.start, min(hour.end, until))
    if window.start >= window.end:
        return
    planned = query.config.calendar.planned(hour)
    at = {window.start, window.end, *(each for part in planned for each in (part.start, part.end))}
    for journaled in query.events(station, hour):
        at.update(_borders(journaled))
    laid = query.results.pieces(station, window, until=until)
    at.update(each.interval.start for each in laid if each.state is not State.NO_DATA)
    for start, end in pairwise(sorted(each for each in at if window.start <= each <= window.end)):
        part = Interval(start, end)
        there = [each for each in laid if each.interval.clip(part)]
        main = next((each for each in there if not each.is_inferred), there[0])
        in_plan = total(intersect([part], planned)) > NOTHING
        since = part.start if main.stop.start.year < EPOCH.year else main.stop.start
        ended = min(main.stop.end, until)
        lost = total(query.config.calendar.planned(Interval(since, ended)))
        waits = in_plan and main.state in STOPS and main.reason is None and main.bucket in {Bucket.DOWN, Bucket.IDLE}
        yield Row(
            "state",
            _ns(start),
            _place(station),
            {
                "state": str(main.state),
                "loss": str(main.bucket) if in_plan else "not_planned",
                "reason": main.reason or "none",
                "fault": main.fault or "none",
                "start_ms": _ms(start),
                "end_ms": _ms(end),
                "seconds": part.length.total_seconds(),
                "stop_s": (ended - since).total_seconds(),
                "begins": int(main.stop.start == start),
                "open": int(end == until and main.stop.end > until),
                "unexplained": int(waits and lost >= query.config.standards[station].minor_stop),
                "inferred_s": total(
                    clipped for each in there if each.is_inferred and (clipped := each.interval.clip(part))
                ).total_seconds(),
            },
        )


def _borders(journaled: Journaled) -> Iterable[datetime]:
    match journaled.event:
        case StateChanged(time=time) | ConnectionLost(time=time):
            return (time,)
        case ConnectionRestored(time=time, since=since):
            return (since, time)
        case ReasonAssigned(start=start, end=end):
            return (start,) if end is None else (start, end)
        case _:
            return ()


def _losses(query: PlantResults, station: StationId, hour: Interval) -> Iterator[Row]:
    if not query.config.calendar.planned(hour):
        return
    kpi = query.results.kpi(station, hour, until=query.until)
    unnamed = {"unexplained", *(str(each) for each in LOSSES if each not in {Bucket.DOWN, Bucket.IDLE})}
    said = {
        each.event.reason
        for each in query.reader.events(station)
        if isinstance(each.event, ReasonAssigned) and each.event.reason
    }
    for reason in {*query.config.standards[station].reasons.reasons, *unnamed, *said}:
        spent: dict[str, timedelta] = defaultdict(timedelta)
        stops = 0
        for loss in kpi.losses:
            default = "unexplained" if loss.bucket in {Bucket.DOWN, Bucket.IDLE} else str(loss.bucket)
            if loss.bucket in LOSSES and (loss.reason or default) == reason:
                spent[str(loss.bucket)] += loss.time
                stops += loss.stops
        fields: dict[str, Value] = {f"{bucket}_s": spent[str(bucket)].total_seconds() for bucket in LOSSES}
        fields |= {"seconds": sum(spent.values(), NOTHING).total_seconds(), "stops": stops}
        yield Row("loss", _ns(hour.start), {**_place(station), "reason": str(reason)}, fields)


def _exposures(query: PlantResults, station: StationId, hour: Interval) -> Iterator[Row]:
    for visit in query.visits(station, Interval(hour.start - timedelta(days=2), hour.end + timedelta(days=1))):
        for end in visit.results:
            if end.time not in hour or visit.entered is None:
                continue
            for each in query.process(visit):
                limit = query.config.limits.get(station, {}).get(each.name)
                outside = None if each.in_limits is None else (each.length - each.in_limits).total_seconds()
                said = {
                    "low": limit.low if limit else None,
                    "high": limit.high if limit else None,
                    "minimum": each.minimum,
                    "mean": each.mean,
                    "maximum": each.maximum,
                    "outside_s": outside,
                }
                fields: dict[str, Value] = {name: float(value) for name, value in said.items() if value is not None}
                fields |= {
                    "unit": str(visit.unit),
                    "known_s": each.length.total_seconds(),
                    "affected": int(bool(outside)),
                }
                stamp = _ns(end.time) + crc32(visit.unit.encode()) % 1000
                yield Row("exposure", stamp, {**_place(station), "name": each.name}, fields)


def _limits(query: PlantResults, hour: Interval, until: datetime) -> Iterator[Row]:
    for station, limits in query.config.limits.items():
        for name, limit in limits.items():
            known = {"low": limit.low, "high": limit.high}
            fields: dict[str, Value] = {key: value for key, value in known.items() if value is not None}
            at = hour.start
            while fields and at < hour.end and (at < until or at == hour.start):
                yield Row("limit", _ns(at), {**_place(station), "name": name}, fields)
                at += timedelta(minutes=10)


def _of_lines(query: PlantResults, hours: list[Window], longer: list[Window]) -> Iterator[Row]:
    for node in query.nodes("line", []):
        for each in (*hours, *longer):
            row = query.row(node, each, [TAKTLINE])
            passed = Interval(each.interval.start, min(each.interval.end, query.until))
            plans = {"plan": query.target(node, passed), "plan_whole": row.target}
            fields: dict[str, Value] = {name: float(value) for name, value in plans.items() if value is not None}
            last = query.results.kpi(node.stations[-1], passed, until=query.until)
            fields["unread_s"] = last.unread.total_seconds()
            tags = {**_place(node.path), "window": str(each.kind)}
            yield Row(
                "output", _ns(each.interval.start), tags, {**({} if row.out is None else {"good": row.out}), **fields}
            )


def _stores(query: PlantResults, hour: Interval) -> Iterator[Row]:
    places = {(each.upstream, each.downstream): each.places for each in query.config.buffers}
    for each in query.flow(hour).stores:
        way = {"upstream": each.upstream.partition("/")[2], "downstream": each.downstream.partition("/")[2]}
        fields: dict[str, Value] = {
            "waiting": len(each.waiting),
            "left": each.dwell.count,
            "waited_s": each.waited.total_seconds(),
        }
        there = places[each.upstream, each.downstream]
        if there is not None:
            fields["places"] = there
        yield Row("buffer", _ns(hour.start), {"site": query.config.site, **way}, fields)


def _culprits(query: PlantResults, hour: Window) -> Iterator[Row]:
    for node in query.nodes("line", []):
        found = query.culprits(node, hour.interval)
        for station in (*query.config.standards, None):
            own = [each for each in found if each.station == station]
            fields: dict[str, Value] = {"lost_s": sum((each.lost for each in own), NOTHING).total_seconds()}
            for cause in CAUSES:
                fields[f"{cause}_s"] = sum((each.lost for each in own if each.cause == cause), NOTHING).total_seconds()
            other = sum((each.lost for each in own if each.cause not in CAUSES), NOTHING)
            fields["other_s"] = other.total_seconds()
            name = "outside" if station is None else station.partition("/")[2]
            yield Row("culprit", _ns(hour.interval.start), {**_place(node.path), "culprit": name}, fields)


def _built(query: PlantResults, hours: list[Window]) -> Iterator[Row]:
    config, targets, until = query.config, query.targets, query.until
    if config.programme is None or targets is None or query.known is None:
        return
    first: dict[str, tuple[datetime, str | None]] = {}
    for car in sorted(query.built(config.programme.built_at), key=lambda each: each.time):
        first.setdefault(car.unit, (car.time, car.product))
    stretch = Interval(query.known.start, until + timedelta(microseconds=1))
    kinds = (WindowKind.DAY, WindowKind.MONTH, WindowKind.YEAR)
    for each in (*hours, *(window for kind in kinds for window in config.calendar.windows(kind, stretch))):
        passed = Interval(each.interval.start, min(each.interval.end, until))
        if passed.start >= passed.end:
            continue
        made = Counter(product or "none" for time, product in first.values() if time in passed)
        for name in (*config.products, "none"):
            facts = config.products.get(name) if name != "none" else None  # type: ignore[call-overload]
            content = facts.local_content_pct if facts else None
            known = made[name] if content is not None else 0
            yield Row(
                "built",
                _ns(each.interval.start),
                {
                    "site": config.site,
                    "product": name,
                    "assembly_method": str(facts.assembly_method) if facts else "unknown",
                    "market": (facts.market if facts else None) or "unknown",
                    "window": str(each.kind),
                },
                {
                    "built": made[name],
                    "plan": float(targets.target([name], passed)),  # type: ignore[list-item]
                    "plan_whole": float(targets.target([name], each.interval)),  # type: ignore[list-item]
                    "content_pct": float(Fraction(str(content)) * known) if content is not None else 0.0,
                    "content_cars": known,
                },
            )


def _periods(query: PlantResults) -> Iterator[Row]:
    if query.known is None:
        return
    stretch = Interval(query.known.start, query.until + timedelta(milliseconds=1))
    for kind, newest in (
        (WindowKind.SHIFT, ("this shift", "last shift")),
        (WindowKind.DAY, ("today", "yesterday")),
        (WindowKind.MONTH, ("this month", "last month")),
        (WindowKind.YEAR, ("this year", "last year")),
    ):
        windows = query.config.calendar.windows(kind, stretch)
        for place, each in enumerate(reversed(windows)):
            dated = f"{each.day.isoformat()} {each.name}" if kind is WindowKind.SHIFT else each.name
            label = newest[place] if place < len(newest) else dated
            start, end = _ms(each.interval.start), _ms(each.interval.end)
            fields: dict[str, Value] = {
                "name": each.name,
                "label": label,
                "choice": f"{label}|time >= {start}ms AND time < {end}ms",
                "start_ms": start,
                "end_ms": end,
            }
            yield Row("period", _ns(each.interval.start), {"site": query.config.site, "kind": str(kind)}, fields)


def _events(query: PlantResults, station: StationId, start: datetime, end: datetime) -> Iterator[Row]:
    for each in query.reader.events(station):
        told = _told(each)
        if told is not None:
            name, tags, fields = told
            stamp = _ns(each.event.time) + each.seq % 1000
            yield Row(name, stamp, {**_place(station), **tags}, {**fields, "seq": each.seq})
    for number, value in query.reader.numbered_process_values(station, start, end):
        tags = {**_place(station), "name": value.name}
        yield Row("process", _ns(value.time) + number % 1000, tags, {"value": value.value})


def _told(journaled: Journaled) -> tuple[str, dict[str, str], dict[str, Value]] | None:
    match journaled.event:
        case UnitCompleted() as event:
            cycle = {} if event.cycle_time is None else {"cycle_s": event.cycle_time.total_seconds()}
            return (
                "unit",
                {"product": event.product or "none", "result": str(event.result)},
                {"unit": event.unit, **cycle},
            )
        case UnitEntered() as event:
            return "presence", {}, {"unit": event.unit, "present": True}
        case UnitLeft() as event:
            return "presence", {}, {"unit": event.unit, "present": False}
        case FaultRaised() as event:
            return "fault", {}, {"code": event.code, "active": True}
        case FaultCleared() as event:
            return "fault", {}, {"code": event.code, "active": False}
        case UnitsCounted() as event:
            tags = {"kind": str(event.kind), "product": event.product or "none"}
            return "count", tags, {"delta": event.delta, "raw": event.raw, "flag": str(event.flag)}
        case CountUnreconciled() as event:
            numbers: dict[str, Value] = {"raw": event.raw, "previous_raw": event.previous_raw}
            return "unreconciled", {"kind": str(event.kind)}, {**numbers, "explanation": event.explanation}
        case _:
            return None
