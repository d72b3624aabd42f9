"""What spans stations, as points: output against plan, stores, who stopped a line, cars built, limits, periods."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from zlib import crc32

from mes.calendar import Calendar, Window, WindowKind
from mes.config.build import Product
from mes.influx.encode import NONE, Field, Point, place, timestamp_ms, timestamp_ns, window_ns
from mes.influx.points.stations import cells
from mes.intervals import MILLISECOND, Interval
from mes.model import ProductId, StationId, UnitId
from mes.oee.biography import ProcessLimit, ProcessSummary, Visit
from mes.oee.causes import Cause
from mes.oee.components import NO_TIME
from mes.oee.flow import FirstTimes, Stores
from mes.oee.programme import NO_PRODUCT, UNKNOWN, Car
from mes.results.fields import ROLLED, first_time_values, planned_values
from mes.results.period_text import no_shift_text, period_text
from mes.results.plant import AROUND, LOOK_BACK, Node, PlantResults

OUTSIDE = "outside"
CAUSES: Mapping[Cause, str] = {
    Cause.DOWN: "down_s",
    Cause.SETUP: "setup_s",
    Cause.IDLE: "idle_s",
    Cause.MINOR_STOPS: "minor_stops_s",
    Cause.SLOW: "slow_s",
    Cause.PACE: "pace_s",
}
OTHER = "other_s"
BUILT_IN = (WindowKind.SHIFT, WindowKind.DAY, WindowKind.MONTH, WindowKind.YEAR)
LABELS = {
    WindowKind.SHIFT: ("this shift", "last shift"),
    WindowKind.DAY: ("today", "yesterday"),
    WindowKind.WEEK: ("this week", "last week"),
    WindowKind.MONTH: ("this month", "last month"),
    WindowKind.YEAR: ("this year", "last year"),
}
KEPT_STAYS = 256
KEPT_WINDOWS = 16
LIMIT_EVERY = timedelta(minutes=10)  # so that a curve's limits reach close to its right edge
# how far back periods are stated again, for their names change as time passes: over two periods and a holiday
NAMED = {
    WindowKind.SHIFT: timedelta(days=14),
    WindowKind.DAY: timedelta(days=14),
    WindowKind.WEEK: timedelta(days=28),
    WindowKind.MONTH: timedelta(days=100),
    WindowKind.YEAR: timedelta(days=1100),
}


def _windows(calendar: Calendar, kinds: Sequence[WindowKind], parts: Sequence[Interval]) -> list[Window]:
    """The windows of some kinds that overlap parts of time, once each."""
    return list(dict.fromkeys(window for kind in kinds for part in parts for window in calendar.windows(kind, part)))


@dataclass(frozen=True, slots=True)
class _Stays:
    """Stays at a station, and when results were given, each with the number of its stay; in order."""

    visits: Sequence[Visit]
    results: Sequence[tuple[datetime, int]]


@dataclass(slots=True)
class PlantPoints:
    """Makes the points; it keeps what cars were built, until one more is."""

    query: PlantResults
    _seq: int = field(default=-1, init=False, repr=False)
    _cars: Sequence[Car] | None = field(default=None, init=False, repr=False)
    _stays: dict[tuple[StationId, Interval], _Stays] = field(default_factory=dict, init=False, repr=False)

    _first_times: dict[Interval, FirstTimes] = field(default_factory=dict, init=False, repr=False)
    _stores: dict[Interval, Stores] = field(default_factory=dict, init=False, repr=False)

    def points(self, touched: Interval) -> Iterator[Point]:
        """All points whose windows overlap a stretch of time, as things stood at the query's present."""
        self._forget_what_changed()
        until = self.query.until
        calendar = self.query.config.calendar
        touched = touched.before(until)
        parts = self.query.occupied(touched)
        hours = list(dict.fromkeys(cell for part in parts for cell in cells(calendar, part)))
        longer = _windows(calendar, (WindowKind.SHIFT, WindowKind.DAY), parts)
        for line in self.query.nodes("line", []):
            yield from (self._output(line, window) for window in (*hours, *longer))
        for hour in hours:
            yield from self._buffers(hour)
            yield from self._limits(hour)
            for station in self.query.config.limits:
                yield from self._exposures(station, hour)
        yield from self._culprits(hours)
        yield from self._built([*hours, *_windows(calendar, BUILT_IN, parts)])
        yield from self._periods(touched, until)

    def first_times(self, touched: Interval) -> Iterator[Point]:
        """What was good at the first attempt in the shifts and days that overlap a stretch of time."""
        self._forget_what_changed()
        config = self.query.config
        parts = self.query.occupied(touched.before(self.query.until))
        windows = _windows(config.calendar, (WindowKind.SHIFT, WindowKind.DAY), parts)
        for window in windows:
            found = self._first_times_in(window.interval)
            tags, stamp_ns = {"window": str(window.kind)}, window_ns(window.interval.start)
            for station, first_time in found.stations.items():
                fields = {**first_time_values(first_time), "position": self.query.results.position(station)}
                yield Point("first_time", {**place(station), **tags}, fields, stamp_ns)
            route = {**first_time_values(found.cars), **_known({ROLLED: found.rolled})}
            yield Point("first_time_route", {"site": config.site, **tags}, route, stamp_ns)

    def _first_times_in(self, window: Interval) -> FirstTimes:
        """As `PlantResults.flow` has it: from stays and results up to the window's end."""
        if window not in self._first_times:
            if len(self._first_times) > KEPT_WINDOWS:
                self._first_times.clear()
            stays = {
                station: _before(window.end, self._visits(station, window.start))
                for station in self.query.config.standards
            }
            self._first_times[window] = FirstTimes.of(stays, window)
        return self._first_times[window]

    def _limits(self, hour: Window) -> Iterator[Point]:
        passed = hour.interval.before(self.query.until)
        steps = max(1, -(-passed.length // LIMIT_EVERY))
        for station, limits in self.query.config.limits.items():
            for name, limit in limits.items():
                if fields := _known({"low": limit.low, "high": limit.high}):
                    for step in range(steps):
                        at = passed.start + step * LIMIT_EVERY
                        yield Point("limit", {**place(station), "name": name}, fields, window_ns(at))

    def results_of_gone(self, station: StationId, span: Interval) -> list[datetime]:
        """When the units that left a station in a stretch of time got their results there."""
        self._forget_what_changed()
        gone = [visit for visit in self._visits(station, span.start) if visit.left is not None]
        return [
            end.time for visit in gone if span.start <= (visit.left or span.end) <= span.end for end in visit.results
        ]

    def _visits(self, station: StationId, at: datetime) -> Sequence[Visit]:
        return self._stays_around(station, at).visits

    def _stays_around(self, station: StationId, at: datetime) -> _Stays:
        """The stays of a production day, of some days before it and after it, whichever of its hours asks.

        A stay goes on after the day in which the unit got its result, and what it was exposed to with it.
        """
        day = self._day(at)
        if (station, day) not in self._stays:
            if len(self._stays) > KEPT_STAYS:
                self._stays.clear()
            visits = self.query.visits(station, Interval(day.start - LOOK_BACK, day.end + LOOK_BACK))
            results = [(result.time, number) for number, visit in enumerate(visits) for result in visit.results]
            self._stays[station, day] = _Stays(visits, sorted(results))
        return self._stays[station, day]

    def _ended(self, station: StationId, hour: Interval) -> Iterator[tuple[Visit, Sequence[datetime]]]:
        """The stays in which a unit got results in an hour, with the times of those."""
        stays = self._stays_around(station, hour.start)
        first, last = (bisect_left(stays.results, (at, 0)) for at in (hour.start, hour.end))
        by_stay: dict[int, list[datetime]] = defaultdict(list)
        for time, number in stays.results[first:last]:
            by_stay[number].append(time)
        return ((stays.visits[number], times) for number, times in by_stay.items())

    def _stores_around(self, at: datetime) -> Stores:
        """The stores between the stations, from the stays of the same days."""
        day = self._day(at)
        if day not in self._stores:
            ways = [(buffer.upstream, buffer.downstream) for buffer in self.query.config.buffers]
            stays = {station: self._visits(station, at) for way in ways for station in way}
            self._stores = {day: Stores.of(stays, ways)}
        return self._stores[day]

    def _day(self, at: datetime) -> Interval:
        return self.query.config.calendar.days(Interval(at, at + MILLISECOND))[0].interval

    def _forget_what_changed(self) -> None:
        seq = self.query.reader.last_seq()
        changed = self.query.reader.changed_stations(self._seq)
        for key in [stay for stay in self._stays if stay[0] in changed]:
            del self._stays[key]
        if changed:
            self._stores, self._first_times = {}, {}
        programme = self.query.config.programme
        if programme is not None and programme.built_at in changed:
            self._cars = None
        self._seq = seq

    def _output(self, line: Node, window: Window) -> Point:
        passed = window.interval.before(self.query.until)
        last = line.stations[-1]
        kpi = self.query.results.kpi(last, passed, until=self.query.until)
        whole, so_far = (self.query.whole_target(line, part) for part in (window.interval, passed))
        tags = _path(line.path) | {"window": str(window.kind)}
        position = self.query.results.position(last)
        planned = planned_values(whole, so_far)
        fields: dict[str, Field] = {"out_unread_s": kpi.unread.total_seconds(), "position": position, **planned}
        if (out := kpi.count("good")) is not None:
            fields["out"] = out
        return Point("output", tags, fields, window_ns(window.interval.start))

    def _buffers(self, hour: Window) -> Iterator[Point]:
        places = {(buffer.upstream, buffer.downstream): buffer.places for buffer in self.query.config.buffers}
        stores = self._stores_around(hour.interval.start)
        end = min(hour.interval.end, self.query.until)
        for store in stores.during(hour.interval, end):
            there = places[store.upstream, store.downstream]
            tags = {
                "site": self.query.config.site,
                "upstream": _short(store.upstream),
                "downstream": _short(store.downstream),
            }
            fields: dict[str, Field] = {
                "waiting": len(store.waiting),
                "left": store.dwell.count,
                "waited_s": store.waited.total_seconds(),
                "position": self.query.results.position(store.upstream),
            }
            if there is not None:
                fields["places"] = there
            yield Point("buffer", tags, fields, window_ns(hour.interval.start))

    def _culprits(self, hours: Sequence[Window]) -> Iterator[Point]:
        """Every station and the outside, with zeros where they cost nothing: a correction may clear somebody."""
        planned = [hour.interval for hour in hours if self.query.config.calendar.planned(hour.interval)]
        everybody: list[StationId | None] = [*self.query.config.standards, None]
        for hour, by_line in zip(planned, self.query.culprits_by_window(planned), strict=True):
            for line, found in by_line.items():
                lost: dict[StationId | None, dict[str, timedelta]] = defaultdict(lambda: defaultdict(timedelta))
                for culprit in found:
                    lost[culprit.station][CAUSES.get(culprit.cause, OTHER)] += culprit.lost
                for station in everybody:
                    spent = {name: lost[station][name].total_seconds() for name in (*CAUSES.values(), OTHER)}
                    whole = sum(lost[station].values(), NO_TIME).total_seconds()
                    tags = _path(line.path) | {"culprit": OUTSIDE if station is None else _short(station)}
                    yield Point("culprit", tags, {"lost_s": whole, **spent}, window_ns(hour.start))

    def _exposures(self, station: StationId, hour: Window) -> Iterator[Point]:
        """The process values while a unit was there, once for each result that it got in the hour.

        Values are kept for some days only; of what is older nothing is said.
        """
        limits = self.query.config.limits[station]
        oldest = self.query.until - self.query.config.keep_process_values + AROUND  # what it reads before a stay
        for visit, ends in self._ended(station, hour.interval):
            if visit.entered is None or visit.entered < oldest:
                continue
            for summary in self.query.process(visit):
                tags = {**place(station), "name": summary.name}
                fields = _exposure(visit.unit, summary, limits.get(summary.name))
                fields["position"] = self.query.results.position(station)
                yield from (Point("exposure", tags, fields, _of_unit(visit.unit, end)) for end in ends)

    def _built(self, windows: Iterable[Window]) -> Iterator[Point]:
        """Cars by product in each window that has begun, every product of the plant's file, and the unknown."""
        config, targets, until = self.query.config, self.query.targets, self.query.until
        if config.programme is None or targets is None or config.programme.built_at not in config.standards:
            return
        cars = self._built_cars(config.programme.built_at)
        since = self.query.results.known_since(config.programme.built_at)
        for window in windows:
            passed = window.interval.before(until)
            if not passed.length:
                continue
            is_known = since is not None and since < passed.end
            made = Counter(car.product or NO_PRODUCT for car in cars if car.time in passed)
            whole, so_far = (targets.whole_by_product(interval) for interval in (window.interval, passed))
            for product in dict.fromkeys([*config.products, *made, NO_PRODUCT]):
                facts = config.products.get(product)
                content = None if facts is None else facts.local_content_pct
                exact = Fraction(str(content)) * made[product] if content is not None else Fraction(0)
                fields: dict[str, Field] = {**planned_values(whole.get(product, 0), so_far.get(product, 0))}
                if is_known:
                    content_cars = made[product] if content is not None else 0
                    fields |= {"built": made[product], "content_pct": float(exact), "content_cars": content_cars}
                yield Point(
                    "built",
                    self._of_product(product, facts) | {"window": str(window.kind)},
                    fields,
                    window_ns(window.interval.start),
                )

    def _of_product(self, product: ProductId, facts: Product | None) -> dict[str, str]:
        return {
            "site": self.query.config.site,
            "product": product or NONE,
            "assembly_method": str(facts.assembly_method) if facts else UNKNOWN,
            "market": (facts.market if facts else None) or UNKNOWN,
        }

    def _built_cars(self, station: StationId) -> Sequence[Car]:
        if self._cars is None:
            self._cars = self.query.built(station)
        return self._cars

    def _periods(self, touched: Interval, until: datetime) -> Iterator[Point]:
        """The shifts and days of a stretch, and of the last two weeks: what is this shift now will be the last one."""
        calendar = self.query.config.calendar
        known = self.query.known
        for kind, labels in LABELS.items():
            first = max(until - NAMED[kind], touched.start if known is None else known.start)
            begun = calendar.windows(kind, Interval(min(first, until), until + MILLISECOND))
            names = dict(zip(reversed(begun), labels, strict=False))
            for window in dict.fromkeys((*_windows(calendar, (kind,), self.query.occupied(touched)), *begun)):
                label = names.get(window) or _dated(window)
                text = period_text(window, until, calendar, self.query.config.names)
                if label == LABELS[WindowKind.SHIFT][0] and (none := no_shift_text(until, calendar)):
                    text = f"{text}; {none}"
                start, end = (timestamp_ms(at) for at in (window.interval.start, window.interval.end))
                yield Point(
                    "period",
                    {"site": self.query.config.site, "kind": str(kind)},
                    {
                        "name": window.name,
                        "label": label,
                        "choice": f"{text}|time >= {start}ms AND time < {end}ms",
                        "start_ms": start,
                        "end_ms": end,
                    },
                    window_ns(window.interval.start),
                )


def _before(end: datetime, visits: Iterable[Visit]) -> list[Visit]:
    """What was known of visits at an instant: those that had begun, with their results until then."""
    return [
        visit
        if not visit.results or visit.results[-1].time < end
        else replace(visit, results=tuple(result for result in visit.results if result.time < end))
        for visit in visits
        if visit.first_seen < end
    ]


def _exposure(unit: UnitId, seen: ProcessSummary, limit: ProcessLimit | None) -> dict[str, Field]:
    outside = None if seen.in_limits is None else seen.length - seen.in_limits
    numbers = {
        "low": None if limit is None else limit.low,
        "high": None if limit is None else limit.high,
        "minimum": seen.minimum,
        "mean": seen.mean,
        "maximum": seen.maximum,
        "outside_s": None if outside is None else outside.total_seconds(),
    }
    known_s = seen.length.total_seconds()
    return {"unit": str(unit), "known_s": known_s, "affected": int(bool(outside)), **_known(numbers)}


def _dated(window: Window) -> str:
    return f"{window.day.isoformat()} {window.name}" if window.kind is WindowKind.SHIFT else window.name


def _path(path: str) -> dict[str, str]:
    return dict(zip(("site", "area", "line"), path.split("/"), strict=True))


def _short(station: StationId) -> str:
    """A station's path without the site."""
    return station.partition("/")[2]


def _of_unit(unit: UnitId, end: datetime) -> int:
    """The time stamp of a unit's result: its microseconds keep the results of two units at one instant apart."""
    return timestamp_ns(end, 0) // 10**6 * 10**6 + crc32(unit.encode()) % 1000 * 1000


Number = float | Fraction | None


def _known(numbers: Mapping[str, Number]) -> dict[str, Field]:
    return {name: float(value) for name, value in numbers.items() if value is not None}
