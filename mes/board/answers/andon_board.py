"""The plant as it stands now: every station, the cars between them, and who stops a line; kept up to date cheaply."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mes.board.answers.figures import number, seconds, unread_answers, window_answer
from mes.board.answers.models import AliveAnswer, ControllerAnswer, LineAnswer, TileAnswer, WallAnswer, WayAnswer
from mes.calendar import Window, WindowKind
from mes.health.status import Status, ready
from mes.intervals import Interval
from mes.model import State, StationId
from mes.oee.biography import Visit, VisitFlag
from mes.oee.causes import Culprit
from mes.oee.components import Bucket, Kpi, combine
from mes.oee.flow import wip
from mes.oee.segments import Piece
from mes.results.plant import Inquiry, Node

SEEN = timedelta(days=4)  # how far back a car that is still there may have come
LATELY = timedelta(minutes=1)  # a line that lost time in it stands now
STALE = timedelta(seconds=5)  # real time after which figures that grow with time are made anew
MOMENT = timedelta(microseconds=1)


@dataclass(slots=True)
class _Known:
    """What is kept of one station until something happens there."""

    visits: tuple[Visit, ...]
    tile: TileAnswer
    made: float  # by the monotonic clock, in seconds


class WallMaker:
    """Makes the present; only what changed, or grew old, is computed anew."""

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self._known: dict[StationId, _Known] = {}
        self._seq = -1
        self._shift: Window | None = None
        self._lines = [*inquiry.nodes("line", [])]

    def wall(self, now: datetime, monotonic_s: float) -> WallAnswer:
        """The plant at `now`; `monotonic_s`: real seconds that only grow. Raises JournalError."""
        inquiry = self._inquiry
        inquiry.reach(now)
        seq = inquiry.reader.last_seq()
        changed: Collection[StationId] = inquiry.reader.changed_stations(self._seq) if seq != self._seq else ()
        self._seq = seq
        shift = current_shift(inquiry, now)
        if shift != self._shift:
            self._known.clear()
            self._shift = shift
        for station in inquiry.config.standards:
            known = self._known.get(station)
            if known is None or station in changed:
                visits = inquiry.visits(station, Interval(now - SEEN, now + MOMENT))
                self._known[station] = _Known(visits, self._tile(station, visits, shift, now), monotonic_s)
            elif monotonic_s - known.made > STALE.total_seconds():
                known.tile, known.made = self._tile(station, known.visits, shift, now), monotonic_s
        charged = inquiry.culprits_of_lines(Interval(now - LATELY, now))
        return WallAnswer(
            now=now,
            seq=seq,
            shift=window_answer(shift),
            lines=[self._line(each, charged[each], shift, now) for each in self._lines],
            ways=[self._way(each.upstream, each.downstream, each.places, now) for each in inquiry.config.buffers],
        )

    def _tile(self, station: StationId, visits: Sequence[Visit], shift: Window, now: datetime) -> TileAnswer:
        inquiry = self._inquiry
        seen = Interval(min(shift.interval.start, now), now)
        around = seen if seen.length else Interval(now - LATELY, now)
        laid = inquiry.results.pieces(station, around, until=now)
        piece = laid[-1] if laid else None
        stops = inquiry.stops(station, seen)
        kpi = inquiry.kpi(station, seen)
        inside = [each for each in visits if each.left is None and VisitFlag.LEFT_UNSEEN not in each.flags]
        unit = inside[-1] if inside else None
        cycle_s, product = _last_cycle(visits)
        product = unit.product if unit is not None and unit.product else product
        node = Node(station, (station,))
        return TileAnswer(
            station=station,
            state=State.NO_DATA if piece is None else piece.state,
            bucket=Bucket.NO_DATA if piece is None else piece.bucket,
            since=None if piece is None else self._since(piece),
            reason=None if piece is None else piece.reason,
            fault=None if piece is None else piece.fault,
            needs_reason=any(each.needs_reason and each.interval.end >= now for each in stops),
            planned=bool(inquiry.config.calendar.planned(Interval(now, now + MOMENT))),
            unit=None if unit is None else unit.unit,
            product=product,
            last_cycle_s=cycle_s,
            ideal_cycle_s=seconds(inquiry.config.standards[station].ideal(product)),  # type: ignore[arg-type]
            good=kpi.count("good"),
            unread=unread_answers(inquiry, [station]),
            at_least=kpi.units_missing,
            target=number(inquiry.target(node, seen)),
            target_whole=number(inquiry.target(node, shift.interval)),
            oee=kpi.oee,
            unexplained=sum(each.needs_reason for each in stops),
        )

    def _since(self, piece: Piece) -> datetime | None:
        known = self._inquiry.known
        start = piece.stop.start
        return None if known is None or start < known.start else start

    def _line(self, line: Node, charged: Sequence[Culprit], shift: Window, now: datetime) -> LineAnswer:
        inquiry = self._inquiry
        seen = Interval(min(shift.interval.start, now), now)
        tiles = [self._known[each].tile for each in line.stations]
        found = [each for each in charged if each.lost]
        kpis: list[Kpi] = [inquiry.kpi(each, seen) for each in line.stations]
        return LineAnswer(
            line=line.path,
            tiles=tiles,
            stopped=bool(found),
            stopped_by=found[0].station if found else None,
            cause=found[0].cause if found else None,
            good=kpis[-1].count("good"),
            target=number(inquiry.target(line, seen)),
            target_whole=number(inquiry.target(line, shift.interval)),
            oee=combine(kpis).oee,
        )

    def _way(self, upstream: StationId, downstream: StationId, places: int | None, now: datetime) -> WayAnswer:
        waiting = wip(self._known[upstream].visits, self._known[downstream].visits, now)
        return WayAnswer(upstream=upstream, downstream=downstream, waiting=len(waiting), places=places)


def current_shift(inquiry: Inquiry, now: datetime) -> Window:
    """The shift that is on, else the stretch between shifts."""
    return inquiry.config.calendar.shift_of(now)


def last_shift(inquiry: Inquiry, now: datetime) -> Window:
    """The shift that is on, else the last one; the stretch between shifts where there was none in two weeks."""
    on = current_shift(inquiry, now)
    found = inquiry.config.calendar.windows(WindowKind.SHIFT, Interval(now - timedelta(days=14), now + MOMENT))
    return found[-1] if found else on


def _last_cycle(visits: Sequence[Visit]) -> tuple[float | None, str | None]:
    ended = [(each.time, each.cycle_time, visit.product) for visit in visits for each in visit.results]
    if not ended:
        return None, None
    _, cycle, product = max(ended, key=lambda each: each[0])
    return seconds(cycle), product


def alive_answer(status: Status) -> AliveAnswer:
    """How the collector stands, in words for people."""
    verdict = ready(status)
    ages = [each.last_reading_age_s for each in status.controllers]
    known = [each for each in ages if each is not None]
    return AliveAnswer(
        ready=verdict.holds,
        reasons=list(verdict.reasons),
        controllers=[
            ControllerAnswer(controller=each.controller, standing=str(each.standing), age_s=each.last_reading_age_s)
            for each in status.controllers
        ],
        oldest_age_s=max(known) if known else None,
    )
