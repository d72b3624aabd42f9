"""Stored hourly components give every window the figures that the journal's events give it."""

from datetime import date, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from events import STATION, at, counted, shift_closed, shift_reopened, state
from hypothesis import given, settings
from hypothesis import strategies as st
from list_reader import ListReader
from random_histories import histories, standards

from mes.calendar import Calendar, Maintenance, Shift
from mes.intervals import Interval
from mes.journal.hourly import HourlyFile
from mes.model import (
    CountKind,
    Journaled,
    State,
    StationEvent,
    StationStandard,
)
from mes.oee.closed import ClosedKpi, encode_closed
from mes.results.hourly import Hourly, cell_cuts
from mes.results.stations import Results, WindowKind

CALENDAR = Calendar(
    ZoneInfo("Asia/Qostanay"),
    (Shift("day", time(8), time(9, 10), ((time(8, 30), time(8, 40)),)), Shift("night", time(9, 30), time(8))),
    day_start=time(8, 20),
    maintenance_plan=(),
)
windows = st.tuples(st.integers(-900, 400), st.integers(1, 900)).map(lambda pair: Interval(at(pair[0]), at(sum(pair))))


def both(reader: ListReader, standard: StationStandard, file: HourlyFile) -> tuple[Results, Results]:
    """Straight from the events, and by stored components."""
    direct = Results(reader, {STATION: standard}, CALENDAR)
    hourly = Hourly(reader, file, CALENDAR)
    return direct, Results(reader, {STATION: standard}, CALENDAR, hourly=hourly, at_once=None)


@pytest.mark.timeout(60)  # each example is a history of its own
@settings(deadline=None, max_examples=12)
@given(histories(), standards, st.lists(windows, min_size=1, max_size=3))
def test_components_and_events_give_the_same_figures(
    events: list[Journaled], standard: StationStandard, some: list[Interval]
) -> None:
    """After each part of the history has arrived, in whatever order, all windows have the figures of the events."""
    with HourlyFile(None) as file:
        reader = ListReader()
        cuts = [0, len(events) // 3, len(events) * 2 // 3, len(events)]
        for first, last in pairwise(cuts):
            reader.journal.extend(events[first:last])
            direct, stored = both(reader, standard, file)
            for window in some:
                assert stored.kpi(STATION, window, until=window.end) == direct.kpi(STATION, window, until=window.end)


def calendar_windows(span: Interval) -> list[Interval]:
    """Shifts and the stretches between them, which tile all of time."""
    return sorted(window.interval for window in (*CALENDAR.shifts(span), *CALENDAR.off_shift(span)))


@pytest.mark.timeout(60)  # each example is a history of its own
@settings(deadline=None, max_examples=12)
@given(histories(), standards, windows, st.integers(-900, 1300))
def test_stored_components_say_what_was_made_in_each_window(
    events: list[Journaled], standard: StationStandard, span: Interval, now: int
) -> None:
    """For every shift and every stretch between shifts, over or not: the units that the events give it.

    With all of the history, and when a part of it comes later.
    """
    some, until = calendar_windows(span), at(now)
    with HourlyFile(None) as file:
        reader = ListReader()
        for first, last in ((0, len(events) // 2), (len(events) // 2, len(events))):
            reader.journal.extend(events[first:last])
            direct, stored = both(reader, standard, file)
            expected = {part: direct.kpi(STATION, part, until=until).produced for part in some}
            assert stored.produced(STATION, some, until=until) == expected
            assert direct.produced(STATION, some, until=until) == expected


def test_a_closed_window_keeps_what_was_made_in_it() -> None:
    """A closed window has the units of its closing, by stored components as by events; opened again those of now."""
    standard = StationStandard(ideal_cycle={None: timedelta(minutes=1)}, minor_stop=timedelta(minutes=2))
    made: list[StationEvent] = [
        state(-60, State.PRODUCING),
        *(counted(minute, 2) for minute in range(0, 300, 50)),
        state(400, State.DOWN),
    ]
    reader = ListReader(*made, state(410, State.PRODUCING))
    some, until = calendar_windows(Interval(at(-60), at(400))), at(405)
    chosen = next(span for span in some if at(50) in span)
    with HourlyFile(None) as file:
        direct, stored = both(reader, standard, file)
        assert stored.produced(STATION, [], until=until) == {}
        before = stored.produced(STATION, some, until=until)
        figures = encode_closed(
            [ClosedKpi(standard.minor_stop, own=True, kpi=stored.live_kpi(STATION, chosen, until=until))]
        )
        reader.journal.append(Journaled(90, shift_closed(403, chosen.start, chosen.end, figures=figures)))
        reader.journal.append(Journaled(91, counted(50, 5)))
        assert stored.produced(STATION, some, until=until) == direct.produced(STATION, some, until=until) == before
        reader.journal.append(Journaled(92, shift_reopened(404, chosen.start, chosen.end, why="so")))
        assert stored.produced(STATION, some, until=until) == {**before, chosen: before[chosen] + 5}


def test_cells_are_kept_and_only_what_is_new_is_computed() -> None:
    """A second look reads the cells alone; news makes its own time again; another standard has cells of its own."""
    standard = StationStandard(ideal_cycle={None: timedelta(minutes=1)}, minor_stop=timedelta(minutes=2))
    turns = [state(minute, State.DOWN if minute % 10 else State.PRODUCING) for minute in range(0, 9000, 5)]
    reader = ListReader(*turns)
    told: list[float] = []
    with HourlyFile(None) as file:
        hourly = Hourly(reader, file, CALENDAR, changed=lambda _, share: told.append(share))
        whole = Interval(at(0), at(9000))
        [first] = hourly.kpis(STATION, standard, whole)
        reads = reader.reads
        assert told[-1] > 0.9
        assert hourly.kpis(STATION, standard, whole) == [first]
        assert reader.reads == reads
        reader.journal.append(Journaled(len(turns) + 1, counted(8999, 7)))
        reader.journal.append(Journaled(len(turns) + 2, state(9010, State.PRODUCING)))
        [again] = hourly.kpis(STATION, standard, Interval(at(0), at(9100)))
        assert again.good == 7
        other = StationStandard(ideal_cycle={None: timedelta(minutes=1)}, minor_stop=timedelta(minutes=20))
        [changed] = hourly.kpis(STATION, other, whole)
        assert changed.down < first.down


def test_a_totaliser_that_appears_later_changes_what_was_made_before() -> None:
    """Without a total, made is what was good; with one, it is what that counted, in the hours before it too."""
    standard = StationStandard(ideal_cycle={None: timedelta(minutes=1)}, minor_stop=timedelta(minutes=2))
    reader = ListReader(state(0, State.PRODUCING), counted(10, 7), state(130, State.DOWN), state(200, State.PRODUCING))
    window = Interval(at(0), at(120))
    with HourlyFile(None) as file:
        _, stored = both(reader, standard, file)
        assert stored.kpi(STATION, window, until=window.end).produced == 7
        reader.journal.append(Journaled(4, counted(210, 1, CountKind.TOTAL)))
        direct, stored = both(reader, standard, file)

        assert stored.kpi(STATION, window, until=window.end) == direct.kpi(STATION, window, until=window.end)
        assert direct.kpi(STATION, window, until=window.end).produced == 0


def test_old_variants_are_forgotten() -> None:
    """The file does not grow with every change of the configuration."""
    reader = ListReader(state(0, State.PRODUCING), state(500, State.DOWN), state(600, State.PRODUCING))
    with HourlyFile(None) as file:
        hourly = Hourly(reader, file, CALENDAR)
        variants = set()
        for minutes in range(1, 9):
            standard = StationStandard(
                ideal_cycle={None: timedelta(minutes=minutes)}, minor_stop=timedelta(minutes=minutes)
            )
            hourly.kpis(STATION, standard, Interval(at(0), at(500)))
            variants.add(file.variants(STATION))
        assert max(len(variant) for variant in variants) == 4


def test_cells_are_cut_where_any_window_begins() -> None:
    """Hours, shifts and production days are whole cells."""
    window = Interval(at(-600), at(2000))
    cuts = set(cell_cuts(CALENDAR, window))

    for kind in WindowKind:
        for hour in CALENDAR.windows(kind, window):
            if window.start <= hour.interval.start <= window.end:
                assert hour.interval.start in cuts


def test_a_calendar_has_a_name_of_its_own() -> None:
    """Another calendar is another variant, whatever part of it changed."""
    reader = ListReader(state(0, State.PRODUCING), state(500, State.DOWN), state(600, State.PRODUCING))
    standard = StationStandard(ideal_cycle={None: timedelta(minutes=1)}, minor_stop=timedelta(minutes=2))
    service = Maintenance("oven", at(60).replace(tzinfo=None), at(120).replace(tzinfo=None))
    calendars = [
        CALENDAR,
        Calendar(CALENDAR.zone, CALENDAR.shifts_by_rule, CALENDAR.day_start, holidays={date(2026, 3, 2): "Nauryz"}),
        Calendar(CALENDAR.zone, CALENDAR.shifts_by_rule, CALENDAR.day_start, maintenance_plan=(service,)),
        Calendar(ZoneInfo("Europe/Berlin"), CALENDAR.shifts_by_rule, CALENDAR.day_start),
    ]
    with HourlyFile(None) as file:
        for calendar in calendars:
            Hourly(reader, file, calendar).kpis(STATION, standard, Interval(at(0), at(500)))
        assert len(file.variants(STATION)) == 4
