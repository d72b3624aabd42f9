"""The plant as it stands now: every station, the cars between them, and who stops a line; kept up to date cheaply."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mes.board.answers.figures import number, unread_answers, window_answer
from mes.board.answers.models import (
    AndonBoardAnswer,
    CollectorAnswer,
    ControllerAnswer,
    LineAnswer,
    TileAnswer,
    WayAnswer,
)
from mes.calendar import Window, WindowKind
from mes.health.status import Status, ready
from mes.intervals import MICROSECOND, Interval
from mes.model import State, StationId
from mes.oee.biography import Visit, VisitFlag
from mes.oee.causes import Culprit
from mes.oee.components import Bucket
from mes.oee.flow import wip
from mes.oee.segments import Piece
from mes.results.fields import seconds
from mes.results.plant import Node, PlantResults

SEEN = timedelta(days=4)  # how far back a car that is still there may have come
LATELY = timedelta(minutes=1)  # a line that lost time in it stands now
STALE = timedelta(seconds=5)  # real time after which figures that grow with time are made again


@dataclass(slots=True)
class _Known:
    """What is kept of one station until something happens there."""

    visits: tuple[Visit, ...]
    tile: TileAnswer
    made: float  # by the monotonic clock, in seconds


class AndonBoardMaker:
    """Makes the present; only what changed, or grew old, is computed again."""

    def __init__(self, query: PlantResults) -> None:
        self._query = query
        self._known: dict[StationId, _Known] = {}
        self._seq = -1
        self._shift: Window | None = None
        self._lines = [*query.nodes("line", [])]

    def wall(self, now: datetime, monotonic_s: float) -> AndonBoardAnswer:
        """The plant at `now`; `monotonic_s`: real seconds that only grow. Raises JournalError."""
        query = self._query
        query.set_now(now)
        seq = query.reader.last_seq()
        changed: Collection[StationId] = query.reader.changed_stations(self._seq) if seq != self._seq else ()
        self._seq = seq
        shift = current_shift(query, now)
        if shift != self._shift:
            self._known.clear()
            self._shift = shift
        for station in query.config.standards:
            known = self._known.get(station)
            if known is None or station in changed:
                visits = query.visits(station, Interval(now - SEEN, now + MICROSECOND))
                self._known[station] = _Known(visits, self._tile(station, visits, shift, now), monotonic_s)
            elif monotonic_s - known.made > STALE.total_seconds():
                known.tile, known.made = self._tile(station, known.visits, shift, now), monotonic_s
        charged = query.culprits_of_lines(Interval(now - LATELY, now))
        return AndonBoardAnswer(
            now=now,
            seq=seq,
            shift=window_answer(shift),
            lines=[self._line(line, charged[line], shift, now) for line in self._lines],
            ways=[self._way(buffer.upstream, buffer.downstream, buffer.places, now) for buffer in query.config.buffers],
        )

    def _tile(self, station: StationId, visits: Sequence[Visit], shift: Window, now: datetime) -> TileAnswer:
        query = self._query
        seen = Interval(min(shift.interval.start, now), now)
        around = seen if seen.length else Interval(now - LATELY, now)
        laid = query.results.pieces(station, around, until=now)
        piece = laid[-1] if laid else None
        stops = query.stops(station, seen)
        kpi = query.kpi(station, seen)
        inside = [visit for visit in visits if visit.left is None and VisitFlag.LEFT_UNSEEN not in visit.flags]
        unit = inside[-1] if inside else None
        cycle_s, product = _last_cycle(visits)
        product = unit.product if unit is not None and unit.product else product
        node = Node(station, (station,))
        fault = None if piece is None else piece.fault
        return TileAnswer(
            station=station,
            state=State.NO_DATA if piece is None else piece.state,
            bucket=Bucket.NO_DATA if piece is None else piece.bucket,
            since=None if piece is None else self._since(piece),
            reason=None if piece is None else piece.reason,
            fault=fault,
            fault_texts=query.config.names.fault_texts(station, fault),
            needs_reason=any(stop.needs_reason and stop.interval.end >= now for stop in stops),
            planned=bool(query.config.calendar.planned(Interval(now, now + MICROSECOND))),
            unit=None if unit is None else unit.unit,
            product=product,
            last_cycle_s=cycle_s,
            ideal_cycle_s=seconds(query.config.standards[station].ideal(product)),  # type: ignore[arg-type]
            good=kpi.count("good"),
            unread=unread_answers(query, [station]),
            at_least=kpi.units_missing,
            target=number(query.target(node, seen)),
            target_whole=number(query.target(node, shift.interval)),
            oee=kpi.oee,
            unexplained=sum(stop.needs_reason for stop in stops),
        )

    def _since(self, piece: Piece) -> datetime | None:
        known = self._query.known
        start = piece.stop.start
        return None if known is None or start < known.start else start

    def _line(self, line: Node, charged: Sequence[Culprit], shift: Window, now: datetime) -> LineAnswer:
        query = self._query
        seen = Interval(min(shift.interval.start, now), now)
        row = query.row(line, replace(shift, interval=seen), ())
        tiles = [self._known[station].tile for station in line.stations]
        found = [culprit for culprit in charged if culprit.lost]
        return LineAnswer(
            line=line.path,
            tiles=tiles,
            stopped=bool(found),
            stopped_by=found[0].station if found else None,
            cause=found[0].cause if found else None,
            good=row.out,
            at_least=row.out_at_least,
            target=number(row.target),
            target_whole=number(query.target(line, shift.interval)),
            oee=row.kpi.oee,
        )

    def _way(self, upstream: StationId, downstream: StationId, places: int | None, now: datetime) -> WayAnswer:
        waiting = wip(self._known[upstream].visits, self._known[downstream].visits, now)
        return WayAnswer(upstream=upstream, downstream=downstream, waiting=len(waiting), places=places)


def current_shift(query: PlantResults, now: datetime) -> Window:
    """The shift that is on, else the stretch between shifts."""
    return query.config.calendar.shift_of(now)


def last_shift(query: PlantResults, now: datetime) -> Window:
    """The shift that is on, else the last one; the stretch between shifts where there was none in two weeks."""
    on = current_shift(query, now)
    found = query.config.calendar.windows(WindowKind.SHIFT, Interval(now - timedelta(days=14), now + MICROSECOND))
    return found[-1] if found else on


def _last_cycle(visits: Sequence[Visit]) -> tuple[float | None, str | None]:
    ended = [(result.time, result.cycle_time, visit.product) for visit in visits for result in visit.results]
    if not ended:
        return None, None
    _, cycle, product = max(ended, key=lambda result: result[0])
    return seconds(cycle), product


def collector_answer(status: Status) -> CollectorAnswer:
    """How the collector stands, in words for people."""
    verdict = ready(status)
    ages = [controller.last_reading_age_s for controller in status.controllers]
    known = [age for age in ages if age is not None]
    return CollectorAnswer(
        ready=verdict.holds,
        reasons=list(verdict.reasons),
        controllers=[
            ControllerAnswer(
                controller=controller.controller, state=str(controller.state), age_s=controller.last_reading_age_s
            )
            for controller in status.controllers
        ],
        oldest_age_s=max(known) if known else None,
    )
