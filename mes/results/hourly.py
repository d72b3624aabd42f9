"""Stored hourly components: a year's figures are sums of what was computed once, brought up to date by what is new.

Time is cut into cells at each hour, each start and end of a shift, and each beginning of a production day. So all of
the calendar's windows consist of whole cells. What an event bears on is computed again from the journal.
"""

import hashlib
import zlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import msgspec

from mes.calendar import Calendar, WindowKind
from mes.errors import DerivedError
from mes.intervals import END_OF_TIME, MICROSECOND, Interval
from mes.journal.hourly import HourlyFile, Row
from mes.model import CountKind, ReasonId, State, StationId, StationStandard, totaliser_id
from mes.oee.components import IDEAL_TIMES, NUMBERS, TIMES, Bucket, Kpi, Loss
from mes.oee.kpi import kpis
from mes.oee.segments import STOPS
from mes.oee.timeline import Timeline, timeline
from mes.oee.unread import unknown_figures
from mes.results.history import SILENT, EventReader, history, in_force, in_force_since, totalisers

SEARCH = timedelta(hours=1)  # there is a cut in any hour
CUTTING = (WindowKind.HOUR, WindowKind.SHIFT, WindowKind.DAY)
CHUNK = timedelta(days=30)  # of history in memory at once
KEPT_EDGES = 1024
FORMAT = 3  # of what is kept in a cell
CHECKED_BYTES = 4  # at its beginning
PRODUCED = NUMBERS.index("produced")
CellBody = tuple[
    list[int], list[int | None], list[int], list[tuple[Bucket, ReasonId, int, int]], frozenset[CountKind], bool
]
Cells = tuple[Interval, list[tuple[datetime, bytes]]]  # a covered stretch; where each of its cells begins, and its body

Progress = Callable[[StationId, float], None]  # a station, and the share of its history that is done, 0..1

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CellBody)


@dataclass(slots=True)
class Hourly:
    """Components of stations by the hour; `changed` hears of longer work."""

    reader: EventReader
    file: HourlyFile
    calendar: Calendar
    changed: Progress | None = None
    _cuts_at: Callable[[Interval], Sequence[datetime]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # a report asks for the cuts at the same few edges of every station
        self._cuts_at = lru_cache(KEPT_EDGES)(partial(cell_cuts, self.calendar))

    def kpis(self, station: StationId, standard: StationStandard, window: Interval) -> list[Kpi]:
        """The sums of the whole cells inside `window` that cannot change by time passing, one for each covered stretch.

        Their `window`s say what they cover: each from a cell's start to a cell's end. There is one, unless the station
        was silent for years in between; in a silence there are no cells. While the file cannot be used there are none;
        a damaged one is made again.
        """
        counted = standard.counted | totalisers(self.reader, station)
        return [
            _sum(covered, [_decode(body) for _, body in cells], counted)
            for covered, cells in self._cells(station, standard, window)
        ]

    def produced(
        self, station: StationId, standard: StationStandard, windows: Sequence[Interval]
    ) -> Mapping[Interval, int]:
        """The units made in each of the windows that are wholly made of such cells; the others are left out.

        `windows`: in order, without overlap, each from a cell's start to a cell's end, such as all of the calendar.
        """
        if not windows:
            return {}
        found: dict[Interval, int] = {}
        for covered, cells in self._cells(station, standard, Interval(windows[0].start, windows[-1].end)):
            starts = [start for start, _ in cells]
            for window in windows:
                if covered.start <= window.start and window.end <= covered.end:
                    inside = cells[bisect_left(starts, window.start) : bisect_left(starts, window.end)]
                    found[window] = sum(_decode(body)[2][PRODUCED] for _, body in inside)
        return found

    def _cells(self, station: StationId, standard: StationStandard, window: Interval) -> list[Cells]:
        try:
            return self._read(station, standard, window)
        except DerivedError as error:
            if not error.damaged:
                return []
            self.file.renew(error)
        try:
            return self._read(station, standard, window)
        except DerivedError:
            return []

    def _read(self, station: StationId, standard: StationStandard, window: Interval) -> list[Cells]:
        kinds = totalisers(self.reader, station)
        variant = _variant(standard, self.calendar, kinds, self.reader.names_of(station)[1:])
        until = self._refresh(station, standard, variant)
        if until is None:
            return []
        found: list[Cells] = []
        for made in self._covered(station):
            start, end = max(window.start, made.start), min(window.end, made.end, until)
            if start >= end:
                continue
            starts = self._cuts_at(Interval(start, start + SEARCH))
            ends = self._cuts_at(Interval(end - SEARCH, end))
            if not starts or not ends or starts[0] >= ends[-1]:
                continue
            covered = Interval(starts[0], ends[-1])
            cells = self.file.cells(station, variant, covered.start, covered.end)
            found.append((covered, [(start, _checked(body)) for start, body in cells]))
        return found

    def _covered(self, station: StationId) -> list[Interval]:
        """The stretches of a station's history that have cells, from cut to cut; in order."""
        return [
            Interval(
                self._cuts_at(Interval(stretch.start - SEARCH, stretch.start))[-1],
                self._cuts_at(Interval(stretch.end, stretch.end + SEARCH))[0],
            )
            for stretch in self.reader.stretches(station, SILENT)
        ]

    def _refresh(self, station: StationId, standard: StationStandard, variant: str) -> datetime | None:
        """Brings the station's cells up to date; returns up to when they go, None if it has no events."""
        known = self.reader.span_of(station)
        if known is None:
            return None
        seq = self.reader.last_seq()
        done = self.file.progress(station, variant)
        if done is None:
            return self._compute(station, standard, variant, known.start, known.end, seq)
        affected_windows = self.reader.earliest_affected(station, done[0]) if done[0] != seq else None
        if affected_windows is None:  # the news, if any, was of other stations
            return done[1]
        # the stop in force before the news may be of another class now
        held = in_force(self.reader, station, affected_windows)
        begun = affected_windows if held.state is State.PRODUCING else held.interval.start
        start = min(affected_windows, begun, done[1])
        following = next(cut for cut in self._cuts_at(Interval(done[1], done[1] + SEARCH)) if cut > done[1])
        if start == done[1] and known.end < following:
            return done[1]  # no further cell is over
        # what was a silence before the news has no cells yet
        start = min(start, self.reader.last_before(station, affected_windows) or start)
        return self._compute(station, standard, variant, start, known.end, seq)

    def _compute(
        self, station: StationId, standard: StationStandard, variant: str, start: datetime, end: datetime, seq: int
    ) -> datetime:
        """Cells from the one that holds `start` up to the last one that is final, none in a silence."""
        known = self.reader.span_of(station)
        known_since = None if known is None else known.start
        first = until = cell_cuts(self.calendar, Interval(start - SEARCH, start))[-1]
        stretches = [span for span in self._covered(station) if span.end > until]
        is_final = False
        while not is_final:
            while stretches and stretches[0].end <= until:
                stretches.pop(0)
            if stretches:
                until = max(until, stretches[0].start)
            last = end if len(stretches) <= 1 else stretches[0].end
            cuts = cell_cuts(self.calendar, Interval(until, min(until + CHUNK, last)))
            chunk = Interval(cuts[0], cuts[-1]) if cuts else Interval(until, until)
            line = timeline(history(self.reader, station, chunk), known_since=known_since)
            cells = _final(cuts, line)
            until = cells[-1].end if cells else chunk.start
            is_final = until < chunk.end or (len(stretches) <= 1 and chunk.end + SEARCH > end)
            rows = self._rows(cells, line, standard)
            # whoever stops in between begins again: only the last chunk says that all events are in
            done = seq if is_final else 0
            self.file.replace(station, variant, rows, after=chunk.start, seq=done, until=until)
            if self.changed is not None:
                self.changed(station, (until - first) / max(end - first, MICROSECOND))
        return until

    def _rows(self, cells: Sequence[Interval], line: Timeline, standard: StationStandard) -> list[Row]:
        if not cells:
            return []
        whole = Interval(cells[0].start, cells[-1].end)
        planned = self.calendar.planned(Interval(min(in_force_since(line, whole.start), whole.start), whole.end))
        found = kpis(line, cells, planned, standard, until=whole.end, manned=self.calendar.manned(whole))
        return [(kpi.window.start, kpi.window.end, _encode(kpi)) for kpi in found if _says_something(kpi)]


def _final(cuts: Sequence[datetime], line: Timeline) -> list[Interval]:
    """The cells up to the stop that is still open: its class changes as time passes."""
    last = line.spans[-1] if line.spans else None
    is_open = last is not None and last.interval.end == END_OF_TIME and last.state in STOPS
    end = last.interval.start if last is not None and is_open else END_OF_TIME
    return [Interval(start, until) for start, until in pairwise(cuts) if until <= end]


def cell_cuts(calendar: Calendar, window: Interval) -> Sequence[datetime]:
    """Where cells begin and end, in order, the ends of `window` included if they are such places."""
    touching = Interval(window.start - MICROSECOND, window.end + MICROSECOND)
    windows = [period for kind in CUTTING for period in calendar.windows(kind, touching)]
    found = {instant for period in windows for instant in (period.interval.start, period.interval.end)}
    return sorted(instant for instant in found if window.start <= instant <= window.end)


def _variant(
    standard: StationStandard, calendar: Calendar, kinds: frozenset[CountKind], former: Sequence[StationId]
) -> str:
    """Names what the cells were made with: a standard, a calendar, and the totalisers that the station has.

    Without a total, made is the sum of the others; one that appears later changes the cells of before, and so does the
    first reading of one that there should have been.
    `former`: the former names under which a part of the events is written.
    """
    ideal = sorted((product or "", cycle // MICROSECOND) for product, cycle in standard.ideal_cycle.items())
    reasons = sorted((reason.code, reason.category, reason.planned) for reason in standard.reasons.reasons.values())
    faults = sorted(standard.reasons.by_fault.items())
    counters = (sorted({*standard.totalisers, *map(totaliser_id, kinds)}), sorted(standard.counted & kinds))
    own = (FORMAT, ideal, standard.minor_stop // MICROSECOND, reasons, faults, *counters)
    renamed = (*own, list(former)) if former else own
    said = {attribute.name: getattr(calendar, attribute.name) for attribute in fields(calendar) if attribute.compare}
    when = msgspec.to_builtins(said, enc_hook=str, str_keys=True, order="deterministic")
    return hashlib.sha256(msgspec.json.encode((renamed, when))).hexdigest()


def _says_something(kpi: Kpi) -> bool:
    """Whether more is to be said of a cell than that nothing was planned and nothing happened."""
    return bool(kpi.pbt or kpi.planned_stops or kpi.in_shift or kpi.unreconciled or kpi.resets or kpi.produced) or (
        (kpi.good, kpi.rework, kpi.scrap) != (0, 0, 0) or bool(kpi.unread)
    )


def _encode(kpi: Kpi) -> bytes:
    ideal = [getattr(kpi, name) for name in IDEAL_TIMES]
    body = _encoder.encode(
        (
            [getattr(kpi, name) // MICROSECOND for name in TIMES],
            [None if time is None else time // MICROSECOND for time in ideal],
            [getattr(kpi, name) for name in NUMBERS],
            [(loss.bucket, loss.reason, loss.time // MICROSECOND, loss.stops) for loss in kpi.losses],
            sorted(kpi.unread_kinds),
            kpi.units_missing,
        )
    )
    return zlib.crc32(body).to_bytes(CHECKED_BYTES) + body


def _checked(body: bytes) -> bytes:
    """Raises DerivedError for a cell that is not as it was written."""
    checked, told = body[:CHECKED_BYTES], body[CHECKED_BYTES:]
    if zlib.crc32(told).to_bytes(CHECKED_BYTES) != checked:
        raise DerivedError("a stored hourly component is not as it was written", damaged=True)
    return told


def _decode(body: bytes) -> CellBody:
    cell: CellBody = _decoder.decode(body)
    return cell


def _sum(window: Interval, bodies: Sequence[CellBody], counted: frozenset[CountKind]) -> Kpi:
    """The sums of cells; the time of `window` that no cell tells of was not planned, and nothing happened in it."""
    times = [sum(column) for column in zip(*(body[0] for body in bodies), strict=True)] or [0] * len(TIMES)
    numbers = [sum(column) for column in zip(*(body[2] for body in bodies), strict=True)] or [0] * len(NUMBERS)
    ideal = [_known_sum(column) for column in zip(*(body[1] for body in bodies), strict=True)] or [0] * len(IDEAL_TIMES)
    spent: dict[tuple[Bucket, ReasonId], list[int]] = defaultdict(lambda: [0, 0])
    for _, _, _, losses, _, _ in bodies:
        for bucket, reason, time_us, stops in losses:
            both = spent[bucket, reason]
            both[0] += time_us
            both[1] += stops
    found: dict[str, Any] = {name: sum_us * MICROSECOND for name, sum_us in zip(TIMES, times, strict=True)}
    found |= {
        name: None if sum_us is None else sum_us * MICROSECOND for name, sum_us in zip(IDEAL_TIMES, ideal, strict=True)
    }
    found |= dict(zip(NUMBERS, numbers, strict=True))
    silent = window.length - found["length"]
    found["length"] += silent
    found["not_planned"] += silent
    # what no cell tells of was read
    hidden = frozenset[CountKind]() if silent or not bodies else frozenset.intersection(*(body[4] for body in bodies))
    found |= {"unread_kinds": hidden, "unknown": unknown_figures(hidden, counted)}
    found["units_missing"] = any(body[5] for body in bodies)
    listed = tuple(Loss(*key, spent[key][0] * MICROSECOND, spent[key][1]) for key in sorted(spent))
    return Kpi(window=window, losses=listed, **found)


def _known_sum(parts: Iterable[int | None]) -> int | None:
    """None as soon as one part is not known."""
    whole = 0
    for part in parts:
        if part is None:
            return None
        whole += part
    return whole
