"""Past windows in which a counter was not read: marked by the journal's events, never 0, wherever they are asked."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from collect_scenes import live, seen, station
from events import START, STATION, counted, lost, quality, restored, state
from journals import journal_of
from list_reader import ListReader

from adapters.reading import Quality
from mes.calendar import Calendar, Shift
from mes.collect.station import rebuilt
from mes.influx.points.windows import station_points
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.journal.hourly import HourlyFile
from mes.model import (
    CountFlag,
    CountKind,
    QualityChanged,
    State,
    StationEvent,
    StationStandard,
)
from mes.oee.components import Kpi, KpiFlag
from mes.results.hourly import Hourly
from mes.results.stations import Results

GOOD, SCRAP = CountKind.GOOD, CountKind.SCRAP
HOUR = timedelta(hours=1)
STANDARD = StationStandard(
    ideal_cycle={None: timedelta(seconds=60)}, minor_stop=timedelta(), counted=frozenset({GOOD, SCRAP})
)
CALENDAR = Calendar(ZoneInfo("UTC"), (Shift("day", time(3), time(13)),))


def at(seconds: float) -> datetime:
    """So many seconds after the start."""
    return START + timedelta(seconds=seconds)


def hours(events: Sequence[StationEvent], *windows: tuple[float, float], until: float = 4 * 3600) -> list[Kpi]:
    """A station's figures in windows, each asked of the journal by itself; seconds after the start."""
    results = Results(ListReader(*events), {STATION: STANDARD}, CALENDAR)
    return [results.kpi(STATION, Interval(at(start), at(end)), until=at(until)) for start, end in windows]


def read_until(last: float) -> list[StationEvent]:
    """A station that is seen from 0 on, whose counters begin then; one part of each kind at `last`."""
    began = [counted(0, 0, kind, flag=CountFlag.BASELINE) for kind in (GOOD, SCRAP)]
    return [state(0, State.PRODUCING), *began, *made_at(last)]


def made_at(seconds: float, kind: CountKind = GOOD, parts: int = 1) -> list[StationEvent]:
    """Parts that were counted then."""
    return [counted(at(seconds), parts, kind)]


HOUR_1, HOUR_2, HOUR_3, HOUR_4 = [(3600.0 * n, 3600.0 * (n + 1)) for n in range(4)]


def test_a_past_stretch_stays_marked_after_the_counter_is_read_again() -> None:
    """An hour in which it was never read has no count, those in which it failed and came back are at least so much."""
    events = [
        *read_until(600),
        quality(at(700), Quality.GOOD),
        quality(at(1800), Quality.BAD),
        quality(at(2 * 3600 + 900), Quality.GOOD),
        *made_at(2 * 3600 + 900, parts=30),
    ]
    found = hours(events, HOUR_1, HOUR_2, HOUR_3, HOUR_4, (0, 4 * 3600))
    assert [kpi.count("good") for kpi in found] == [1, None, 30, 0, 31]
    assert [kpi.count("scrap") for kpi in found] == [0, 0, 0, 0, 0]
    assert [kpi.oee is None for kpi in found] == [False, True, False, False, False]
    assert [KpiFlag.COUNTS_NOT_READ in kpi.flags for kpi in found] == [True, True, True, False, True]
    assert [kpi.unread.total_seconds() for kpi in found] == [1800, 3600, 900, 0, 1800 + 3600 + 900]


def test_what_was_bad_before_the_day_is_bad_in_it() -> None:
    """A window is read by itself: the last change of quality before it counts, however long ago that was."""
    day = 24 * 60 - 3 * 60  # minutes until the next production day
    states = [state(day - 30, State.DOWN), state(day - 20, State.PRODUCING), state(day + 90, State.DOWN)]
    events = [*read_until(600), quality(at(1800), Quality.BAD), *states]
    [found] = hours(events, (60.0 * day, 60.0 * day + 3600), until=60.0 * day + 7200)
    assert (found.count("good"), found.count("scrap"), found.unread) == (None, 0, HOUR)


def test_a_counter_that_was_first_read_late_has_no_count_before() -> None:
    """Its first reading is a baseline: what was made before is not known, whichever program ran then."""
    events: list[StationEvent] = [
        *read_until(600)[:2],
        counted(at(5400), 0, SCRAP, flag=CountFlag.BASELINE),
    ]
    assert [hour.count("scrap") for hour in hours(events, HOUR_1, HOUR_2, HOUR_3)] == [None, 0, 0]


@pytest.mark.parametrize("events", [[], read_until(3 * 3600 + 10)])
def test_a_station_that_was_never_seen_has_no_count(events: list[StationEvent]) -> None:
    """Not before its first event, and in no window where there is none: never 0."""
    shifted = [replace(event, time=event.time + timedelta(hours=3)) for event in events[:3]]
    [found] = hours(shifted, HOUR_1)
    assert [found.count(name) for name in ("good", "scrap", "produced")] == [None, None, None]
    assert (found.oee, found.no_data, found.flags) == (None, HOUR, frozenset({KpiFlag.COUNTS_NOT_READ}))


def test_time_since_a_connection_was_lost_has_no_count_until_it_is_back() -> None:
    """An hour of a gap that is not over is not known; once it is over, the totaliser says what was made in it."""
    away = [*read_until(600), lost(at(3000))]
    assert [hour.count("good") for hour in hours(away, HOUR_1, HOUR_2)] == [1, None]
    again = [*away, restored(at(9000), since=at(3000)), state(at(9000), State.PRODUCING)]
    assert [hour.count("good") for hour in hours(again, HOUR_1, HOUR_2)] == [1, 0]


def test_stored_hours_know_what_was_not_read(tmp_path: Path) -> None:
    """A long window that is summed of stored hours says the same as one that is computed of its events."""
    events = [
        *read_until(600),
        quality(at(3000), Quality.BAD),
        quality(at(8000), Quality.GOOD),
        *made_at(3 * 3600 + 10),
    ]
    path = tmp_path / "journal.sqlite"
    journal_of(path, events)
    stations, until = {STATION: STANDARD}, at(5 * 3600)
    with JournalReader(path) as reader, HourlyFile(None) as file:
        stored = Results(reader, stations, CALENDAR, hourly=Hourly(reader, file, CALENDAR), at_once=None)
        direct = Results(reader, stations, CALENDAR)
        for start, end in ((0, 4), (1, 2), (2, 3), (1, 3)):
            window = Interval(at(3600 * start), at(3600 * end))
            assert stored.kpi(STATION, window, until=until) == direct.kpi(STATION, window, until=until)
        whole = stored.kpi(STATION, Interval(at(3600), at(2 * 3600 + 3600)), until=until)
        hidden = stored.kpi(STATION, Interval(at(3600), at(2 * 3600)), until=until)
    assert (whole.count("good"), whole.unread, whole.units_missing) == (0, timedelta(seconds=4400), True)
    assert (hidden.count("good"), hidden.oee) == (None, None)


def test_influxdb_gets_no_number_for_what_is_not_known() -> None:
    """The field is left out, never 0, and the seconds for which a counter was not read stand beside."""
    events = [*read_until(600), quality(at(1800), Quality.BAD)]
    points = station_points(
        Results(ListReader(*events), {STATION: STANDARD}, CALENDAR), STATION, Interval(at(0), at(7200)), at(7200)
    )
    kpis = [point.fields for point in points if (point.measurement, point.tags.get("window")) == ("kpi", "hour")]
    assert [(kpi.get("good"), kpi.get("produced"), kpi.get("scrap"), kpi["unread_s"]) for kpi in kpis[:2]] == [
        (1, 1, 0, 1800.0),
        (None, None, 0, 3600.0),
    ]
    assert "ideal_good_s" not in kpis[1]


def test_a_state_that_was_rebuilt_says_whether_its_counters_are_read() -> None:
    """A counter that was bad before the states were damaged is read again as soon as it is good, and that is said."""
    setup = station(log=False)
    state_then = rebuilt(setup.station, [replace(event, station=setup.station) for event in made_at(10)])
    done = live(setup, seen(20, baseline=True, state=6, good=9, scrap=0), state=state_then)
    said = {event.signal: event.quality for event in done.events if isinstance(event, QualityChanged)}
    assert said["good_count"] is Quality.GOOD
