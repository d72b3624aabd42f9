"""What InfluxDB should hold, row by row, from the core's figures and the journal; nothing of `mes.influx` is used.

Figures come from `mes.results.plant`, as reports ask for them, and events from the journal. A panel's query over these
rows must have the answer that it has over the published points.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias
from zlib import crc32

from influxdb_client.client.write.point import Point

from mes.calendar import Window, WindowKind
from mes.intervals import EPOCH, MICROSECOND, Interval, intersect, total
from mes.journal.codec import to_us
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountUnreconciled,
    FaultCleared,
    FaultRaised,
    Journaled,
    ProductId,
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
from mes.results.period_text import no_shift_text, period_text
from mes.results.plant import PlantResults

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


Value: TypeAlias = int | float | str | bool


@dataclass(frozen=True, slots=True)
class Row:
    """A point: its measurement, nanoseconds since 1970, tags and fields."""

    measurement: str
    time_ns: int
    tags: Mapping[str, str]
    fields: Mapping[str, Value]

    @property
    def line(self) -> str:
        """As line protocol, by InfluxData's own encoder and not by ours."""
        point = {"measurement": self.measurement, "time": self.time_ns, "tags": self.tags, "fields": self.fields}
        return str(Point.from_dict(point).to_line_protocol())


def expected_rows(query: PlantResults) -> Iterator[Row]:
    """Every point that the journal gives, up to the query's present."""
    known = query.known
    if known is None:
        return
    calendar, until = query.config.calendar, query.until
    until_inclusive = Interval(known.start, until + MICROSECOND)
    days = [day.interval for day in calendar.days(until_inclusive)]
    cuts = cell_cuts(calendar, Interval(days[0].start, days[-1].end))
    hours = [
        Window(WindowKind.HOUR, "", calendar.day_of(start), Interval(start, end))
        for start, end in pairwise(cuts)
        if start <= until
    ]
    longer = [
        window for kind in (WindowKind.SHIFT, WindowKind.DAY) for window in calendar.windows(kind, until_inclusive)
    ]
    of_stations = [
        *longer,
        *(window for kind in (WindowKind.WEEK, WindowKind.MONTH) for window in calendar.windows(kind, until_inclusive)),
    ]
    for station in query.config.standards:
        first = query.reader.span_of(station)
        if first is not None:
            observed = [hour for hour in hours if hour.interval.end > first.start]
            yield from _of_station(query, station, observed, of_stations)
        yield from _events(query, station, known.start - timedelta(days=1), until + timedelta(days=1))
    hours = [hour for hour in hours if hour.interval.end > known.start]
    yield from _of_lines(query, hours, longer)
    for hour in hours:
        yield from _buffers(query, hour.interval)
        yield from _limits(query, hour.interval, until)
        if calendar.planned(hour.interval):
            yield from _culprits(query, hour)
    yield from _first_times(query, longer)
    yield from _built(query, hours)
    yield from _periods(query)


def _figure(measurement: str, time_ns: int, tags: Mapping[str, str], fields: Mapping[str, Value]) -> Row:
    """A figure that never changed."""
    return Row(measurement, time_ns, tags, {**fields, "revision": 0})


def _ns(instant: datetime) -> int:
    return to_us(instant) * 1000


def _ms(instant: datetime) -> int:
    return to_us(instant) // 1000


def _position(query: PlantResults, station: StationId) -> int:
    """Stations of the plant's file are counted in its order, from upstream to downstream."""
    return next(number for number, name in enumerate(query.config.standards, start=1) if name == station)


def _place(path: str) -> dict[str, str]:
    return dict(zip(LEVELS, path.split("/"), strict=False))


def _of_station(query: PlantResults, station: StationId, hours: list[Window], longer: list[Window]) -> Iterator[Row]:
    for window in (*hours, *longer):
        kpi = query.results.kpi(station, window.interval, until=query.until)
        tags = {**_place(station), "window": str(window.kind)}
        local_hour = window.interval.start.astimezone(query.config.calendar.zone).hour
        fields = {**_kpi_fields(kpi), "position": _position(query, station), "local_hour": local_hour}
        yield _figure("kpi", _ns(window.interval.start), tags, fields)
    for hour in hours:
        yield from _states(query, station, hour.interval)
        yield from _losses(query, station, hour.interval)
        yield from _exposures(query, station, hour.interval)


def _kpi_fields(kpi: Kpi) -> dict[str, Value]:
    fields: dict[str, Value] = {name: int(getattr(kpi, name)) for name in KPI_NUMBERS if name not in kpi.unknown}
    for name, attribute in KPI_TIMES.items():
        length: timedelta | None = getattr(kpi, attribute)
        if length is not None:
            fields[name] = length.total_seconds()
    fields["not_planned_s"] = (kpi.length - kpi.pbt - kpi.planned_stops).total_seconds()
    return fields


def _states(query: PlantResults, station: StationId, hour: Interval) -> Iterator[Row]:
    until = query.until
    window = hour.before(until)
    if window.start >= window.end:
        return
    planned = query.config.calendar.planned(hour)
    cuts = {window.start, window.end, *(border for part in planned for border in (part.start, part.end))}
    for journaled in query.events(station, hour):
        cuts.update(_borders(journaled))
    segments = query.results.pieces(station, window, until=until)
    cuts.update(segment.interval.start for segment in segments if segment.state is not State.NO_DATA)
    for start, end in pairwise(sorted(cut for cut in cuts if window.start <= cut <= window.end)):
        part = Interval(start, end)
        inside = [segment for segment in segments if segment.interval.clip(part)]
        main = next((segment for segment in inside if not segment.is_inferred), inside[0])
        in_plan = total(intersect([part], planned)) > NOTHING
        since = part.start if main.stop.start.year < EPOCH.year else main.stop.start
        ended = min(main.stop.end, until)
        lost = total(query.config.calendar.planned(Interval(since, ended)))
        waits = in_plan and main.state in STOPS and main.reason is None and main.bucket in {Bucket.DOWN, Bucket.IDLE}
        waits = waits and lost >= query.config.standards[station].minor_stop
        stop_s = (ended - since).total_seconds()
        common: dict[str, Value] = {
            "state": str(main.state),
            "loss": str(main.bucket) if in_plan else "not_planned",
            "reason": main.reason or "none",
            "fault": main.fault or "none",
            "fault_text": query.config.names.fault_texts(station, main.fault).get("en", "none"),
            "position": _position(query, station),
            "stop_s": stop_s,
        }
        if end == until:
            stopped = int(in_plan and main.state is not State.PRODUCING)
            fields: dict[str, Value] = {**common, "stopped": stopped, "unexplained_s": stop_s if waits else 0.0}
            yield Row("now", _ms(until) * 10**6, _place(station), fields)
        yield _figure(
            "state",
            _ns(start),
            _place(station),
            {
                **common,
                "start_ms": _ms(start),
                "end_ms": _ms(end),
                "seconds": part.length.total_seconds(),
                "begins": int(main.stop.start == start),
                "open": int(end == until and main.stop.end > until),
                "unexplained": int(waits),
                "inferred_s": total(
                    clipped for segment in inside if segment.is_inferred and (clipped := segment.interval.clip(part))
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
    unnamed = {"unexplained", *(str(bucket) for bucket in LOSSES if bucket not in {Bucket.DOWN, Bucket.IDLE})}
    assigned = {
        journaled.event.reason
        for journaled in query.reader.events(station)
        if isinstance(journaled.event, ReasonAssigned) and journaled.event.reason
    }
    for reason in {*query.config.standards[station].reasons.reasons, *unnamed, *assigned}:
        spent: dict[str, timedelta] = defaultdict(timedelta)
        stops = 0
        for loss in kpi.losses:
            default = "unexplained" if loss.bucket in {Bucket.DOWN, Bucket.IDLE} else str(loss.bucket)
            if loss.bucket in LOSSES and (loss.reason or default) == reason:
                spent[str(loss.bucket)] += loss.time
                stops += loss.stops
        fields: dict[str, Value] = {f"{bucket}_s": spent[str(bucket)].total_seconds() for bucket in LOSSES}
        fields |= {"seconds": sum(spent.values(), NOTHING).total_seconds(), "stops": stops}
        yield _figure("loss", _ns(hour.start), {**_place(station), "reason": str(reason)}, fields)


def _exposures(query: PlantResults, station: StationId, hour: Interval) -> Iterator[Row]:
    for visit in query.visits(station, Interval(hour.start - timedelta(days=2), hour.end + timedelta(days=1))):
        for end in visit.results:
            if end.time not in hour or visit.entered is None:
                continue
            for exposure in query.process(visit):
                limit = query.config.limits.get(station, {}).get(exposure.name)
                outside = None if exposure.in_limits is None else (exposure.length - exposure.in_limits).total_seconds()
                optional = {
                    "low": limit.low if limit else None,
                    "high": limit.high if limit else None,
                    "minimum": exposure.minimum,
                    "mean": exposure.mean,
                    "maximum": exposure.maximum,
                    "outside_s": outside,
                }
                fields: dict[str, Value] = {name: float(value) for name, value in optional.items() if value is not None}
                fields |= {
                    "unit": str(visit.unit),
                    "known_s": exposure.length.total_seconds(),
                    "affected": int(bool(outside)),
                    "position": _position(query, station),
                }
                stamp = _ms(end.time) * 10**6 + crc32(visit.unit.encode()) % 1000 * 1000
                yield _figure("exposure", stamp, {**_place(station), "name": exposure.name}, fields)


def _limits(query: PlantResults, hour: Interval, until: datetime) -> Iterator[Row]:
    for station, limits in query.config.limits.items():
        for name, limit in limits.items():
            borders = {"low": limit.low, "high": limit.high}
            fields: dict[str, Value] = {key: float(value) for key, value in borders.items() if value is not None}
            at = hour.start
            while fields and at < hour.end and (at < until or at == hour.start):
                yield _figure("limit", _ns(at), {**_place(station), "name": name}, fields)
                at += timedelta(minutes=10)


def _of_lines(query: PlantResults, hours: list[Window], longer: list[Window]) -> Iterator[Row]:
    for node in query.nodes("line", []):
        for window in (*hours, *longer):
            row = query.row(node, window, [TAKTLINE])
            passed = window.interval.before(query.until)
            plans = {
                "planned_units_to_date": query.whole_target(node, passed),
                "planned_units": query.whole_target(node, window.interval),
            }
            fields: dict[str, Value] = {name: value for name, value in plans.items() if value is not None}
            last = query.results.kpi(node.stations[-1], passed, until=query.until)
            fields["out_unread_s"] = last.unread.total_seconds()
            fields["position"] = _position(query, node.stations[-1])
            if row.out is not None:
                fields["out"] = row.out
            tags = {**_place(node.path), "window": str(window.kind)}
            yield _figure("output", _ns(window.interval.start), tags, fields)


def _buffers(query: PlantResults, hour: Interval) -> Iterator[Row]:
    all_places = {(buffer.upstream, buffer.downstream): buffer.places for buffer in query.config.buffers}
    for store in query.flow(hour).stores:
        tags = {"upstream": store.upstream.partition("/")[2], "downstream": store.downstream.partition("/")[2]}
        fields: dict[str, Value] = {
            "waiting": len(store.waiting),
            "left": store.dwell.count,
            "waited_s": store.waited.total_seconds(),
            "position": _position(query, store.upstream),
        }
        places = all_places[store.upstream, store.downstream]
        if places is not None:
            fields["places"] = places
        yield _figure("buffer", _ns(hour.start), {"site": query.config.site, **tags}, fields)


def _culprits(query: PlantResults, hour: Window) -> Iterator[Row]:
    for node in query.nodes("line", []):
        culprits = query.culprits(node, hour.interval)
        for station in (*query.config.standards, None):
            lost = [(culprit.cause, culprit.lost) for culprit in culprits if culprit.station == station]
            fields: dict[str, Value] = {"lost_s": sum((time for _, time in lost), NOTHING).total_seconds()}
            for cause in CAUSES:
                fields[f"{cause}_s"] = sum((time for name, time in lost if name == cause), NOTHING).total_seconds()
            other = sum((time for name, time in lost if name not in CAUSES), NOTHING)
            fields["other_s"] = other.total_seconds()
            name = "outside" if station is None else station.partition("/")[2]
            yield _figure("culprit", _ns(hour.interval.start), {**_place(node.path), "culprit": name}, fields)


def _first_times(query: PlantResults, longer: list[Window]) -> Iterator[Row]:
    for window in longer:
        found, tags = query.flow(window.interval).first_times, {"window": str(window.kind)}
        for station, of_station in found.stations.items():
            fields: dict[str, Value] = {
                "inspected": of_station.inspected,
                "first_time_good": of_station.first_time_good,
            }
            fields["position"] = _position(query, station)
            yield _figure("first_time", _ns(window.interval.start), {**_place(station), **tags}, fields)
        cars: dict[str, Value] = {"inspected": found.cars.inspected, "first_time_good": found.cars.first_time_good}
        if found.rolled is not None:
            cars["rolled"] = found.rolled
        yield _figure("first_time_route", _ns(window.interval.start), {"site": query.config.site, **tags}, cars)


def _built(query: PlantResults, hours: list[Window]) -> Iterator[Row]:
    config, targets, until = query.config, query.targets, query.until
    if config.programme is None or targets is None or query.known is None:
        return
    since = query.results.known_since(config.programme.built_at)
    first: dict[str, tuple[datetime, str | None]] = {}
    for car in sorted(query.built(config.programme.built_at), key=lambda car: car.time):
        first.setdefault(car.unit, (car.time, car.product))
    whole = Interval(query.known.start, until + MICROSECOND)
    kinds = (WindowKind.SHIFT, WindowKind.DAY, WindowKind.MONTH, WindowKind.YEAR)
    for window in (*hours, *(longer for kind in kinds for longer in config.calendar.windows(kind, whole))):
        passed = window.interval.before(until)
        if passed.start >= passed.end:
            continue
        to_date, whole_window = (targets.whole_by_product(interval) for interval in (passed, window.interval))
        made = Counter(product or "none" for time, product in first.values() if time in passed)
        for name in (*config.products, "none"):
            facts = config.products.get(name) if name != "none" else None  # type: ignore[call-overload]
            content = facts.local_content_pct if facts else None
            fields: dict[str, Value] = {
                "planned_units_to_date": to_date.get(ProductId(name), 0),
                "planned_units": whole_window.get(ProductId(name), 0),
            }
            if since is not None and since < passed.end:
                with_content = made[name] if content is not None else 0
                fields["built"] = made[name]
                fields["content_pct"] = float(Fraction(str(content)) * with_content) if content is not None else 0.0
                fields["content_cars"] = with_content
            yield _figure(
                "built",
                _ns(window.interval.start),
                {
                    "site": config.site,
                    "product": name,
                    "assembly_method": str(facts.assembly_method) if facts else "unknown",
                    "market": (facts.market if facts else None) or "unknown",
                    "window": str(window.kind),
                },
                fields,
            )


def _periods(query: PlantResults) -> Iterator[Row]:
    if query.known is None:
        return
    whole = Interval(query.known.start, query.until + timedelta(milliseconds=1))
    for kind, newest in (
        (WindowKind.SHIFT, ("this shift", "last shift")),
        (WindowKind.DAY, ("today", "yesterday")),
        (WindowKind.WEEK, ("this week", "last week")),
        (WindowKind.MONTH, ("this month", "last month")),
        (WindowKind.YEAR, ("this year", "last year")),
    ):
        windows = query.config.calendar.windows(kind, whole)
        for age, window in enumerate(reversed(windows)):
            dated = f"{window.day.isoformat()} {window.name}" if kind is WindowKind.SHIFT else window.name
            label = newest[age] if age < len(newest) else dated
            texts = [period_text(window, query.until, query.config.calendar, query.config.names)]
            if label == "this shift":
                texts.append(no_shift_text(query.until, query.config.calendar))
            start, end = _ms(window.interval.start), _ms(window.interval.end)
            fields: dict[str, Value] = {
                "name": window.name,
                "label": label,
                "choice": f"{'; '.join(filter(None, texts))}|time >= {start}ms AND time < {end}ms",
                "start_ms": start,
                "end_ms": end,
            }
            yield _figure("period", _ns(window.interval.start), {"site": query.config.site, "kind": str(kind)}, fields)


def _events(query: PlantResults, station: StationId, start: datetime, end: datetime) -> Iterator[Row]:
    for journaled in query.reader.events(station):
        content = _event_content(journaled)
        if content is not None:
            name, tags, fields = content
            stamp = _ns(journaled.event.time) + journaled.seq % 1000
            yield Row(name, stamp, {**_place(station), **tags}, {**fields, "seq": journaled.seq})
    for number, value in query.reader.numbered_process_values(station, start, end):
        tags = {**_place(station), "name": value.name}
        yield Row("process", _ns(value.time) + number % 1000, tags, {"value": value.value})


def _event_content(journaled: Journaled) -> tuple[str, dict[str, str], dict[str, Value]] | None:
    """Measurement, tags and fields; None for an event that no panel shows."""
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
            alone: dict[str, Value] = {"product": event.totaliser_product} if event.totaliser_product else {}
            return "unreconciled", {"kind": str(event.kind)}, {**numbers, **alone, "explanation": event.explanation}
        case _:
            return None
