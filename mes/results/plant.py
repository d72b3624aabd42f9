"""Answers every question about a journal under a plant's configuration; figures come from `mes.results.stations`."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

from mes.calendar import Window, WindowKind
from mes.config.build import PlantConfig
from mes.config.problems import did_you_mean
from mes.errors import ConfigError
from mes.intervals import END_OF_TIME, MICROSECOND, Interval
from mes.journal import JournalReader
from mes.journal.hourly import hourly_file
from mes.journal.names import Names
from mes.model import Journaled, ProductId, StationId, UnitCompleted, UnitId, UnitResult
from mes.oee.biography import Biography, ProcessSummary, Visit, biographies, process_summary, visits
from mes.oee.causes import Charge, Culprit, Link, Tracks, bottleneck, charges
from mes.oee.closed import ClosedKpi, encode_closed
from mes.oee.components import Kpi, combine
from mes.oee.definitions import Definition, Figures, apply
from mes.oee.flow import Flow, Store, stores_between
from mes.oee.programme import Car, ProgrammeReport, Targets, first_time_built, programme_report
from mes.oee.secondary_kpis import SecondaryKpis, secondary_kpis
from mes.oee.stops import Stop, stops
from mes.oee.timeline import Timeline
from mes.oee.unread import UnreadCount
from mes.results.history import history, occupied
from mes.results.hourly import Hourly, Progress
from mes.results.shift_closing import Closing, closings_in
from mes.results.stations import Results

LOOK_BACK = timedelta(days=4)  # a day of planned time lies in it, weekends and all
SILENT = timedelta(minutes=2)  # a collector that runs has seen its controllers since
AROUND = timedelta(hours=12)  # what a stay at a station may reach beyond the events that name its unit


@dataclass(frozen=True, slots=True)
class Node:
    """A station, or all stations of a line, of an area or of the site; `path` ends at that level."""

    path: str
    stations: tuple[StationId, ...]

    @property
    def level(self) -> str:
        """site, area, line or station."""
        return ("site", "area", "line", "station")[self.path.count("/")]


@dataclass(frozen=True, slots=True)
class Row:
    """One node in one window: its sums, what they are under each definition asked for, and the further figures.

    The counts of `kpi` are sums over all stations of the node, `out` is what its last station made good; `target` is
    what the build programme plans for that one, None without a programme. `out` None: not known, its counter was not
    read; `out_at_least`: it was not read in a part of the window, so that at least so many came out.
    """

    node: Node
    window: Window
    kpi: Kpi
    figures: tuple[Figures, ...]
    secondary: SecondaryKpis
    out: int | None
    out_at_least: bool
    target: Fraction | None


class PlantResults:
    """A journal opened for questions; use as a context. Raises ConfigError where there is no journal."""

    def __init__(
        self,
        config: PlantConfig,
        journal: Path,
        *,
        changed: Progress | None = None,
        now: datetime | None = None,
        present: datetime | None = None,
        asked_until: datetime | None = None,
    ) -> None:
        """`changed` hears of longer work: a station, and the share of its history that is done.

        `now`: open states last until then; by default as far as the journal knows. That is the last proof of life of
        a controller; from there to `present`, the clock of whoever asks, there is no data, once the collector has
        been silent for long. Events that were only imported have no proof of life: their last states hold for as long
        as is asked.
        """
        if not journal.exists():
            raise ConfigError(f"there is no journal at {journal}: run `mes run` or `mes demo --journal FOLDER` first")
        self.config = config
        self._opened = ExitStack()
        self.reader = self._opened.enter_context(JournalReader(journal, Names(config.former)))
        file = self._opened.enter_context(hourly_file(journal))
        hourly = Hourly(self.reader, file, config.calendar, changed)
        known, blind_from = self.reader.span(), None
        until = now
        if now is None and known is not None:
            until = known.end
            if not self.reader.was_collected():
                until = max(asked_until or until, until)
            elif present is not None and present - until > SILENT:
                until, blind_from = present, known.end
            elif present is not None and until - present > SILENT:  # a clock was ahead: the next start finds it out
                until = present
        self.results = Results(
            self.reader,
            config.standards,
            config.calendar,
            hourly=hourly,
            blind_from=blind_from,
            display_names=config.names,
        )
        self._until = until
        end = until if blind_from is None else blind_from
        self.known = known if known is None or end is None else Interval(min(known.start, end), end)
        self.targets = Targets(config.programme.plan, config.calendar) if config.programme else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def set_now(self, now: datetime) -> None:
        """Lets the present be `now`; for who keeps asking while the collector runs."""
        known = self.reader.span()
        self._until = now
        self.known = None if known is None else Interval(min(known.start, now), now)

    @property
    def until(self) -> datetime:
        """The present: figures go up to there. Raises ConfigError for an empty journal."""
        if self.known is None or self._until is None:
            raise ConfigError("the journal is empty: is the collector running, and on this journal?")
        return self._until

    def nodes(self, level: str, parts: Sequence[str]) -> list[Node]:
        """Nodes of a level (site, area, line, station) that lie in one of `parts`; no parts: all of them.

        A part is one or several neighbouring names of a path, or a station by the end of its path.
        Raises ConfigError for a part that is not there.
        """
        stations = list(self.config.standards)
        for part in parts:
            if not any(_lies_in(station, part) for station in stations):
                known = [station.partition("/")[2] for station in stations]
                raise ConfigError(f"unknown station or part of the plant `{part}`: {did_you_mean(part, known)}")
        chosen = [station for station in stations if not parts or any(_lies_in(station, part) for part in parts)]
        depth = ("site", "area", "line", "station").index(level) + 1
        grouped: dict[str, list[StationId]] = {}
        for station in chosen:
            grouped.setdefault("/".join(station.split("/")[:depth]), []).append(station)
        return [Node(path, tuple(members)) for path, members in grouped.items()]

    def stations_below(self, path: str) -> tuple[StationId, ...]:
        """The stations of a part by its path from the site on, in the order of the flow; none where it is not there."""
        return tuple(station for station in self.config.standards if f"{station}/".startswith(f"{path}/"))

    def node(self, path: str) -> Node:
        """A node by its path from the site on. Raises ConfigError for one that is not there."""
        members = self.stations_below(path)
        if not members:
            raise ConfigError(f"there is no part of the plant `{path}`")
        return Node(path, members)

    def definition(self, name: str) -> Definition:
        """A definition of OEE by its name; empty: the plant's own choice. Raises ConfigError for an unknown one."""
        if not name:
            return self.config.definition
        known = self.config.definitions
        if name not in known:
            raise ConfigError(f"there is no definition `{name}`: {did_you_mean(name, list(known))}")
        return known[name]

    def row(self, node: Node, window: Window, definitions: Sequence[Definition]) -> Row:
        """The figures of one node in one window, up to what is known."""
        kpis = self.kpis(node, window.interval)
        found = []
        for definition in definitions:
            own = kpis if definition.minor_stop is None else self.kpis(node, window.interval, definition)
            found.append(apply(definition, own))
        whole = combine(kpis)
        more = secondary_kpis(whole, self.config.mean_times_per)
        out, target = kpis[-1], self.target(node, window.interval)
        return Row(node, window, whole, tuple(found), more, out.count("good"), out.units_missing, target)

    def kpis(self, node: Node, window: Interval, definition: Definition | None = None) -> list[Kpi]:
        """The sums of each station of a node."""
        return [self.kpi(station, window, definition) for station in node.stations]

    def kpi(self, station: StationId, window: Interval, definition: Definition | None = None) -> Kpi:
        """The sums of a station, without what is not known because a totaliser is not read.

        Of a closed shift that is what was not known when it was closed.
        """
        return self.results.kpi(station, window, until=self.until, definition=definition)

    def live_kpi(self, station: StationId, window: Interval) -> Kpi:
        """The same as the journal and the plant's file have it now, whether or not the window is a closed shift."""
        return self.results.live_kpi(station, window, until=self.until)

    def unread(self, station: StationId) -> tuple[UnreadCount, ...]:
        """The station's totalisers that cannot be read now, as the collector wrote it last."""
        return self.results.unread(station)

    def windows(self, kind: WindowKind, span: Interval) -> tuple[Window, ...]:
        """The calendar's windows of a kind; beside shifts also the time between them in which units were made.

        Those inside years without one event of any station are left out.
        """
        parts = self.occupied(span)
        found = [window for part in parts for window in self.results.windows(kind, part)]
        if kind is WindowKind.SHIFT:
            off = dict.fromkeys(window for part in parts for window in self.config.calendar.off_shift(part))
            found += self._busy(tuple(off))
        return tuple(sorted(dict.fromkeys(found), key=lambda window: window.interval))

    def occupied(self, span: Interval) -> tuple[Interval, ...]:
        """The parts of a stretch that are not inside a silence of all stations that lasts for years."""
        present = [] if self._until is None else [Interval(self._until, self._until)]
        return occupied(self.reader, self.config.standards, span, *present)

    def target(self, node: Node, window: Interval) -> Fraction | None:
        """Cars planned for a node in a window: of the products that come to its last station; None without a plan."""
        if self.targets is None:
            return None
        return self.targets.target(self._products(node.stations[-1]), window)

    def whole_target(self, node: Node, window: Interval) -> int | None:
        """The same in whole cars, rounded so that hours add up to shifts and days to months."""
        if self.targets is None:
            return None
        products = self._products(node.stations[-1])
        return sum(cars for product, cars in self.targets.whole_by_product(window).items() if product in products)

    def events(self, station: StationId, window: Interval) -> list[Journaled]:
        """The events that bear on a stretch of a station's time, once each, in the order of time."""
        by_seq = {journaled.seq: journaled for journaled in history(self.reader, station, window)}
        return sorted(by_seq.values(), key=lambda journaled: (journaled.event.time, journaled.seq))

    def window(self, name: str) -> Window:
        """A window by its name: 2026, 2026-03, 2026-W10, 2026-03-02, 2026-03-02/day for a shift, 2026-03-02T08:00.

        Times are local. Raises ConfigError for a name that is none of these, or no window of the calendar.
        """
        for kind in WindowKind:
            for window in self._around(name, kind):
                names = {window.name, window.name.replace(" ", "T")}
                if kind is WindowKind.SHIFT:
                    names = {f"{window.day.isoformat()}/{window.name}"}
                if name in names:
                    return window
        raise ConfigError(
            f"there is no window `{name}`: write 2026, 2026-03, 2026-W10, 2026-03-02, 2026-03-02/day for a shift, "
            "or 2026-03-02T08:00 for an hour, in local time"
        )

    def _around(self, name: str, kind: WindowKind) -> tuple[Window, ...]:
        """The windows of a kind near the date that a name begins with."""
        text = name[:10]
        try:
            if "W" in text:
                day = date.fromisoformat(f"{text[:8]}-1")
            else:
                day = date.fromisoformat(text + "-01-01"[len(text) - 4 :] if len(text) in {4, 7} else text)
            start = self.config.calendar.to_utc(datetime.combine(day, self.config.calendar.day_start))
        except ValueError:
            return ()
        return self.config.calendar.windows(kind, Interval(start, start + timedelta(days=1)))

    def visits(self, station: StationId, window: Interval) -> tuple[Visit, ...]:
        """The stays of units at a station, from the events of a stretch of time."""
        return visits(station, history(self.reader, station, window))

    def biography(self, unit: UnitId) -> tuple[Biography, ...]:
        """All lives of a unit id, from first to last station."""
        seen = self.reader.of_unit(unit)
        stays: dict[StationId, tuple[Visit, ...]] = {}
        for station in dict.fromkeys(journaled.event.station for journaled in seen):
            times = sorted(journaled.event.time for journaled in seen if journaled.event.station == station)
            found: dict[Visit, None] = {}
            for window in _around(times):
                found.update(dict.fromkeys(visit for visit in self.visits(station, window) if visit.unit == unit))
            stays[station] = tuple(found)
        return biographies(stays, unit, list(self.config.standards))

    def process(self, visit: Visit) -> tuple[ProcessSummary, ...]:
        """The process values of a station while a unit was there; nothing where its coming or going is not known."""
        start, end = visit.entered, visit.left or visit.last_seen
        if start is None or end <= start:
            return ()
        values = self.reader.process_values(visit.station, start - AROUND, end)
        return process_summary(values, start, end, self.config.limits.get(visit.station, {}))

    def stops(self, station: StationId, window: Interval) -> tuple[Stop, ...]:
        """The stops of a station in a window, cut to it, with their reasons."""
        laid = self.results.pieces(station, window, until=self.until)
        return stops(laid, self.config.calendar.planned(window), self.config.standards[station])

    def closings(self, station: StationId, span: Interval) -> tuple[Closing, ...]:
        """The closed shifts of a station that overlap a stretch of time; `kpi` gives their figures by their windows."""
        return closings_in(self.reader, self.config.calendar, station, span)

    def closing_figures(self, station: StationId, shift: Interval) -> str:
        """What a shift is closed with: its figures as they are now, under every threshold of minor stops in use."""
        own = self.config.standards[station].minor_stop
        found = [ClosedKpi(own, own=True, kpi=self._to_close(station, shift, None))]
        found += [
            ClosedKpi(definition.minor_stop, own=False, kpi=self._to_close(station, shift, definition))
            for definition in self.config.definitions.values()
            if definition.minor_stop is not None
        ]
        return encode_closed(found)

    def _to_close(self, station: StationId, shift: Interval, definition: Definition | None) -> Kpi:
        return self.results.kpi_to_close(station, shift, until=self.until, definition=definition)

    def flow(self, window: Interval) -> Flow:
        """What stands in the stores at the end of a window, how long cars waited, and what was good at first.

        Stays are known from some days before the window's first production day on.
        """
        return Flow.of(self._stays(window), self._ways(), window, self.until)

    def stores(self, window: Interval) -> tuple[Store, ...]:
        """What stands in the stores at the end of a window, or now, and which waits ended in it until then."""
        end = min(window.end, self.until)
        passed = Interval(min(window.start, end), end)
        return stores_between(self._stays(passed), self._ways(), passed, end)

    def _stays(self, window: Interval) -> dict[StationId, tuple[Visit, ...]]:
        first = self.config.calendar.days(Interval(window.start, window.start + MICROSECOND))[0].interval
        seen = Interval(first.start - LOOK_BACK, window.end)
        return {station: self.visits(station, seen) for station in self.config.standards}

    def _ways(self) -> list[tuple[StationId, StationId]]:
        return [(buffer.upstream, buffer.downstream) for buffer in self.config.buffers]

    def charges(self, window: Interval) -> tuple[Charge, ...]:
        """All starved and blocked time of the plant in a window, charged to those who caused it."""
        lines, planned = self._seen(window)
        return charges(lines, self._links(), self.config.standards, planned, window, until=self.until)

    def culprits(self, node: Node, window: Interval) -> tuple[Culprit, ...]:
        """Who cost the last station of a node how much time and how many cars; the largest first."""
        return self._culprits([node], [window])[0][node]

    def culprits_of_lines(self, window: Interval) -> dict[Node, tuple[Culprit, ...]]:
        """The same for every line of the plant."""
        return self.culprits_by_window([window])[0]

    def culprits_by_window(self, windows: Sequence[Interval]) -> list[dict[Node, tuple[Culprit, ...]]]:
        """The same for each of several windows, which are in order."""
        return self._culprits(self.nodes("line", []), windows)

    def _culprits(self, nodes: Sequence[Node], windows: Sequence[Interval]) -> list[dict[Node, tuple[Culprit, ...]]]:
        """Windows that look back on the same days are charged from one time line of each station."""
        found, links = [], self._links()
        for _, some in groupby(windows, key=lambda window: self.results.days_around(self._looked_at(window)[0])):
            together = list(some)
            lines, planned = self._seen(Interval(together[0].start, together[-1].end))
            tracks = Tracks.of(lines, self.config.standards, planned, until=self.until)
            for window in together:
                part = tracks.part(Interval(window.start - LOOK_BACK, window.end))
                charged = part.charges(links, window)
                found.append({node: part.lost_cars(charged, node.stations[-1], window) for node in nodes})
        return found

    def bottleneck(self, node: Node, at: datetime) -> StationId | None:
        """The station of a node that keeps the others waiting at an instant; None outside work or if nobody works."""
        lines, planned = self._seen(Interval(at, at))
        return bottleneck({station: lines[station] for station in node.stations}, at, planned)

    def _seen(self, window: Interval) -> tuple[Mapping[StationId, Timeline], tuple[Interval, ...]]:
        """The time lines of all stations and the planned time, as far back as causes are looked for."""
        seen, shifts = self._looked_at(window)
        return {station: self.results.timeline(station, seen) for station in self.config.standards}, shifts

    def _looked_at(self, window: Interval) -> tuple[Interval, tuple[Interval, ...]]:
        shifts = self.config.calendar.planned(Interval(window.start - LOOK_BACK, window.end))
        start = shifts[0].start if shifts else window.start
        return Interval(min(start, window.start), max(window.end, window.start)), shifts

    def _links(self) -> list[Link]:
        return [Link(buffer.upstream, buffer.downstream) for buffer in self.config.buffers]

    def programme(self, window: Interval) -> ProgrammeReport:
        """What was built against what was planned, in whole months of one year. Raises ConfigError without a plan."""
        if self.targets is None or self.config.programme is None:
            raise ConfigError(
                "the plant's file has no `programme`: say there what is to be built, and at which station"
            )
        cars = self.built(self.config.programme.built_at)
        since = self.results.known_since(self.config.programme.built_at)
        return programme_report(
            cars,
            self.config.products,
            self.targets,
            self.config.calendar,
            window,
            self.until,
            known_since=END_OF_TIME if since is None else since,
        )

    def built(self, station: StationId) -> tuple[Car, ...]:
        """All units that were ever good at a station, each once, when it first was; in the order of time."""
        return first_time_built(
            Car(unit.event.unit, unit.event.product, unit.event.time)
            for unit in self.reader.units_of(station)
            if isinstance(unit.event, UnitCompleted) and unit.event.result is UnitResult.GOOD
        )

    def _products(self, station: StationId) -> frozenset[ProductId]:
        standard = self.config.standards[station]
        return frozenset(product for product in self.config.products if standard.ideal(product) is not None)

    def _busy(self, windows: Sequence[Window]) -> list[Window]:
        """Those in which a station made units; the windows are in order and do not overlap."""
        idle = {window.interval: window for window in windows}
        for station in self.config.standards:
            made = self.results.produced(station, tuple(idle), until=self.until)
            idle = {interval: window for interval, window in idle.items() if not made[interval]}
        return [window for window in windows if window.interval not in idle]


def _lies_in(station: StationId, part: str) -> bool:
    return f"/{part}/" in f"/{station}/" or station.endswith(part)


def _around(times: Sequence[datetime]) -> list[Interval]:
    """Stretches that hold all times, with some time around them; those that touch are one."""
    found: list[Interval] = []
    for time in times:
        start, end = time - AROUND, time + AROUND
        if found and start <= found[-1].end:
            found[-1] = Interval(found[-1].start, end)
        else:
            found.append(Interval(start, end))
    return found
