"""The door to the figures, over a list of events in place of a journal."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from oee_histories import EDGE, S3, STATION, at, between, counted, standard, state

from mes.calendar import Calendar, Shift
from mes.model import Journaled, State, StationEvent, StationId, UnitCompleted, UnitId, UnitResult
from mes.results import Results, WindowKind


class ListReader:
    """Events in memory; `reads` says how often they were asked for."""

    def __init__(self, *events: StationEvent) -> None:
        self.journal = [Journaled(seq, each) for seq, each in enumerate(events, start=1)]
        self.reads = 0

    def events(self, station: StationId, *, until: datetime | None = None) -> Iterator[Journaled]:
        self.reads += 1
        found = [each for each in self.journal if each.event.station == station]
        return iter([each for each in found if until is None or each.event.time < until])

    def last_seq(self, station: StationId | None = None) -> int:
        return max((each.seq for each in self.journal if station in (None, each.event.station)), default=0)


def results(reader: ListReader) -> Results:
    shift = Shift("day", time(8), time(17), ((time(8, 30), time(8, 45)),))
    return Results(reader, {STATION: standard()}, Calendar(ZoneInfo("Asia/Qostanay"), (shift,)))


def test_figures_use_the_calendar() -> None:
    """Planned time is the calendar's: START is 08:00 in Kostanay, and the break is no loss."""
    found = results(ListReader(state(0, State.PRODUCING), counted(5, 3)))

    hour = found.kpi(STATION, between(0, 60), until=at(60))

    assert (hour.pbt, hour.apt, hour.good) == (timedelta(minutes=45), timedelta(minutes=45), 3)
    assert list(found.stations) == [STATION]
    assert [each.name for each in found.windows(WindowKind.SHIFT, between(0, 60))] == ["day"]


def test_the_time_line_is_kept_until_the_journal_grows() -> None:
    """Events are read once for many figures, and again when there are new ones."""
    reader = ListReader(state(0, State.PRODUCING))
    found = results(reader)

    before = found.timeline(STATION)
    assert found.timeline(STATION) is before
    assert reader.reads == 1
    reader.journal.append(Journaled(2, state(10, State.DOWN)))
    assert len(found.timeline(STATION).spans) == 2


def test_units_come_in_the_order_of_time() -> None:
    """Units are the finished ones, ordered by when they were finished; events keep the order of the journal."""

    def unit(minutes: float, name: str) -> UnitCompleted:
        time = at(minutes)
        return UnitCompleted(
            station=STATION,
            time=time,
            received_time=time,
            time_source=EDGE,
            unit=UnitId(name),
            product=S3,
            result=UnitResult.GOOD,
            cycle_time=None,
        )

    found = results(ListReader(unit(5, "B"), state(1, State.PRODUCING), unit(2, "A")))

    assert [each.unit for each in found.units(STATION)] == ["A", "B"]
    assert [each.seq for each in found.events(STATION)] == [1, 2, 3]
