"""What is computed for many windows together is what each of them is by itself."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from events import STATION, at, state
from hypothesis import given, settings
from hypothesis import strategies as st
from list_reader import ListReader
from random_histories import CALENDAR, LENGTH_MIN, WINDOW, histories, plans, standards

from mes.influx.points.stations import cells
from mes.intervals import Interval, intersect, union
from mes.journal.codec import encode_event
from mes.journal.reader import JournalReader
from mes.journal.store import Rows, Store
from mes.model import Journaled, State, StationId, StationStandard, UnitId, UnitResult
from mes.oee.biography import Outcome, Visit
from mes.oee.causes import Link, Tracks, charges, lost_cars
from mes.oee.flow import Stores, dwell_figures, dwells, wip
from mes.oee.timeline import timeline
from mes.results.stations import Results

STATIONS = [StationId(f"site/area/line/s{number}") for number in range(3)]
LINKS = [Link(*pair) for pair in pairwise(STATIONS)]
instants = st.integers(-600, LENGTH_MIN * 60).map(lambda second: at(second / 60))
spans = st.tuples(instants, instants).map(lambda pair: Interval(min(pair), max(pair)))


@given(st.lists(histories(), min_size=3, max_size=3), standards, plans, spans, st.data())
@settings(max_examples=100, deadline=None)
def test_a_part_of_planned_time_is_charged_as_if_no_other_were_planned(
    told: Sequence[list[Journaled]],
    standard: StationStandard,
    plan: list[Interval],
    seen: Interval,
    data: st.DataObject,
) -> None:
    """Hours that share the time lines of their stations have the culprits that they have alone."""
    lines = {station: timeline(events) for station, events in zip(STATIONS, told, strict=True)}
    ideals = dict.fromkeys(STATIONS, standard)
    start = data.draw(st.integers(0, 100)) * seen.length / 100 + seen.start
    window = Interval(start, seen.end)
    planned, until = union(plan), data.draw(instants)
    cut = intersect(planned, [seen])

    part = Tracks.of(lines, ideals, planned, until=until).part(seen)
    charged = charges(lines, LINKS, ideals, cut, window, until=until)

    assert part.charges(LINKS, window) == charged
    for station in STATIONS:
        alone = lost_cars(charged, lines, ideals, station, cut, window, until=until)
        assert part.lost_cars(charged, station, window) == alone


@st.composite
def visits(draw: st.DrawFn, station: StationId) -> list[Visit]:
    """Stays of a few units, each with one result at most."""
    found = []
    for unit in draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)):
        begin = draw(st.integers(0, 200))
        result = draw(st.sampled_from([None, UnitResult.GOOD, UnitResult.REWORK]))
        end = at(begin + draw(st.integers(1, 30)))
        found.append(
            Visit(
                station=station,
                unit=UnitId(unit),
                product=None,
                entered=draw(st.sampled_from([None, at(begin)])),
                left=end,
                first_seen=at(begin),
                last_seen=end,
                results=() if result is None else (Outcome(result, end, None, None),),
            )
        )
    return sorted(found, key=lambda visit: visit.first_seen)


@given(visits(STATIONS[0]), visits(STATIONS[1]), spans)
def test_stores_of_a_window_are_those_of_the_waits(
    upstream: list[Visit], downstream: list[Visit], window: Interval
) -> None:
    """What waits at the end, and the waits that ended in the window."""
    instant = window.end
    [store] = Stores.of(dict(zip(STATIONS, (upstream, downstream), strict=False)), [(STATIONS[0], STATIONS[1])]).during(
        window, instant
    )
    ended = [wait for wait in dwells(upstream, downstream) if wait.until is not None and wait.until in window]

    assert store.waiting == wip(upstream, downstream, instant)
    assert store.dwell == dwell_figures(ended)
    assert store.waited == sum((wait.length for wait in ended if wait.length is not None), timedelta())


@given(histories(), standards, spans)
@settings(max_examples=60, deadline=None)
def test_hours_in_one_walk_are_hours_each(events: list[Journaled], standard: StationStandard, window: Interval) -> None:
    """The figures of the hours of a stretch, made in one walk, are those of each hour."""
    results = Results(ListReader(*(event.event for event in events)), {STATION: standard}, CALENDAR)
    hours = [cell.interval for cell in cells(CALENDAR, window)]
    if hours:
        alone = [results.kpi(STATION, hour, until=WINDOW.end) for hour in hours]
        assert results.hours(STATION, hours, until=WINDOW.end) == alone


@given(histories(), st.lists(spans, min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_a_reader_that_keeps_days_reads_the_same(events: list[Journaled], windows: list[Interval]) -> None:
    """Kept or read again, and with what came meanwhile."""
    told = [encode_event(replace(event.event, station=STATION)) for event in events]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        with Store(path) as store:
            store.write([Rows(events=told)])
            with JournalReader(path) as plain, JournalReader(path) as keeping:
                keeping.keep_days(2)
                for window in windows:
                    assert keeping.between(STATION, window.start, window.end) == plain.between(
                        STATION, window.start, window.end
                    )
                    store.write([Rows(events=[encode_event(state(1, State.DOWN, station=STATION))])])
