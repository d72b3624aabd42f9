"""Questions to a journal under the example plant's file: its present, its closed shifts, its lines, its programme."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from collect_scenes import live, seen, station
from events import STATION, at, completed, counted, entered, left, shift_closed, shift_reopened, state
from journals import journal_of
from oee_histories import between

from adapters.reading import ControllerId
from mes.collect.station import encode_state
from mes.config.load import default_config, load
from mes.errors import ConfigError
from mes.journal.codec import to_us
from mes.model import CountKind, State, StationEvent, StationId, UnitId, UnitResult
from mes.results.plant import Node, PlantResults

CONFIG = load(default_config()).config
MINUTE = timedelta(minutes=1)
RESPOT = StationId("kostanay/weld/weld-1/respot")
SHIFT = between(0, 510)
P, D = State.PRODUCING, State.DOWN


def journal(folder: Path, events: Sequence[StationEvent], *, observed: float | None = None) -> Path:
    """A journal of these events; `observed`: the minute of the weld controller's last proof of life."""
    path = folder / "journal.sqlite"
    seen_at = [] if observed is None else [(ControllerId("weld-plc"), to_us(at(observed)))]
    return journal_of(path, events, observed=seen_at)


def test_a_state_lasts_up_to_the_present_that_is_set(tmp_path: Path) -> None:
    """The station produces from minute 0 on: at minute 30 it has produced 30 minutes, at minute 45, 45."""
    with PlantResults(CONFIG, journal(tmp_path, [state(0, P)]), now=at(30)) as query:
        assert query.kpi(STATION, SHIFT).apt == 30 * MINUTE
        query.set_now(at(45))
        assert (query.until, query.known) == (at(45), between(0, 45))
        assert query.kpi(STATION, SHIFT).apt == 45 * MINUTE


def test_a_part_of_the_plant_is_found_by_its_path(tmp_path: Path) -> None:
    """A line has its stations in the order of the flow, a station itself; a beginning of a name is no part."""
    with PlantResults(CONFIG, journal(tmp_path, [])) as query:
        line = query.node("kostanay/weld/weld-1")
        assert [path.rpartition("/")[2] for path in line.stations] == [
            *("underbody", "body-sides", "framing", "respot", "closures", "finish"),
        ]
        assert query.node(RESPOT) == Node(RESPOT, (RESPOT,))
        assert query.stations_below("kostanay/weld/weld") == ()
        with pytest.raises(ConfigError, match="no part of the plant `kostanay/weld/weld`"):
            query.node("kostanay/weld/weld")


def test_closed_shifts_are_listed_in_the_window_that_they_were_closed_for(tmp_path: Path) -> None:
    """A shift of the calendar has its name; one that the calendar does not have any more is the whole day's."""
    closings = [shift_closed(595, 0, 510), shift_closed(596, -1440, -900)]
    with PlantResults(CONFIG, journal(tmp_path, [state(-1500, P), *closings])) as query:
        found = query.closings(STATION, between(-1440, 600))
        assert [(closing.window.interval, closing.in_calendar) for closing in found] == [
            (between(-1440, -900), False),
            (SHIFT, True),
        ]
        assert [closing.event for closing in found] == [closings[1], closings[0]]
        assert query.closings(STATION, between(510, 600)) == ()


def test_a_definition_is_found_by_its_name(tmp_path: Path) -> None:
    """No name is the plant's own choice; an unknown one is refused with the nearest."""
    with PlantResults(CONFIG, journal(tmp_path, [])) as query:
        assert query.definition("") == CONFIG.definition
        assert query.definition("vorne").name == "vorne"
        with pytest.raises(ConfigError, match="no definition `vorn`: did you mean `vorne`"):
            query.definition("vorn")


def test_an_empty_journal_has_no_present(tmp_path: Path) -> None:
    """Where nothing was journaled there is nothing to ask for, whatever the clock says."""
    with PlantResults(CONFIG, journal(tmp_path, [])) as query:
        query.set_now(at(45))
        assert query.known is None
        with pytest.raises(ConfigError, match="the journal is empty"):
            query.until  # noqa: B018 - asked for its refusal


@pytest.mark.parametrize(
    ("present", "until"),
    [
        (30, 30),  # the collector's clock was half an hour ahead
        (57, 57),
        (58, 60),  # two minutes: the clocks of two computers
        (60, 60),
        (62, 60),
        (63, 63),  # the collector has been silent for longer
    ],
)
def test_the_present_is_that_of_the_last_proof_of_life(tmp_path: Path, present: float, until: float) -> None:
    """A controller was seen at minute 60; who asks at another time gets the figures up to `until`."""
    path = journal(tmp_path, [state(0, P)], observed=60)
    with PlantResults(CONFIG, path, present=at(present)) as query:
        assert query.until == at(until)
        assert query.known == between(0, min(until, 60))


def test_a_closed_shift_has_other_live_figures(tmp_path: Path) -> None:
    """Closed with 1 unit; 2 more come later: the shift keeps 1 and says that it would be 3 now."""
    path = journal(tmp_path, [state(0, P), counted(10, 1)])
    with PlantResults(CONFIG, path, now=at(600)) as query:
        figures = query.closing_figures(STATION, SHIFT)
    journal_of(path, [shift_closed(601, 0, 510, figures=figures), counted(20, 2, received=602)])
    with PlantResults(CONFIG, path, now=at(603)) as query:
        shown, current = query.kpi(STATION, SHIFT), query.live_kpi(STATION, SHIFT)
    assert (shown.good, shown.after_closing) == (1, 1)
    assert (current.good, current.after_closing) == (3, 0)


def test_totalisers_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """The totaliser of good units is bad since second 90, as the collector wrote it last."""
    setup = replace(station(), station=STATION)
    scenes = seen(0, baseline=True, good=1, scrap=0), seen(90, good=None)
    path = journal(tmp_path, [state(0, P)])
    journal_of(path, [], states=[(STATION, encode_state(live(setup, *scenes).state))])
    with PlantResults(CONFIG, path, now=at(10)) as query:
        unread = {count.kind: (count.since, count.ever) for count in query.unread(STATION)}
        assert unread[CountKind.GOOD] == (at(1.5), True)
        assert CountKind.SCRAP not in unread
        assert query.unread(RESPOT) == ()


def test_process_values_belong_to_the_unit_that_was_there(tmp_path: Path) -> None:
    """10 A for 4 minutes and 12 A for 1 minute of a stay of 5; a stay without a begin or without a length has none."""
    cars = [UnitId(f"LJ12EKR24T182363{number}") for number in range(3)]
    stay: list[StationEvent] = [entered(0, cars[0]), completed(5, cars[0]), left(5, cars[0])]
    path = journal(tmp_path, [*stay, completed(20, cars[1]), entered(25, cars[2]), left(25, cars[2])])
    values = ((-1, 10.0), (4, 12.0), (6, 99.0))
    journal_of(path, [], telemetry=[(STATION, "weld_current", to_us(at(time)), value) for time, value in values])
    with PlantResults(CONFIG, path, now=at(30)) as query:
        known, *others = query.visits(STATION, between(0, 30))
        (current,) = query.process(known)
        assert (current.name, current.minimum, current.mean, current.maximum) == ("weld_current", 10.0, 10.4, 12.0)
        assert [(visit.unit, query.process(visit)) for visit in others] == [(cars[1], ()), (cars[2], ())]


def test_every_line_has_its_line_stops(tmp_path: Path) -> None:
    """The end of the weld line waits 30 minutes for the station before it; nothing is known of the other lines."""
    lines = {"/".join(name.split("/")[:3]): name for name in CONFIG.standards}  # the last station of each line
    names = list(CONFIG.standards)
    last = lines["kostanay/weld/weld-1"]
    before = names[names.index(last) - 1]
    events = [state(0, P, station=before), state(15, D, station=before), state(45, P, station=before)]
    events += [state(0, P, station=last), state(20, State.STARVED, station=last), state(50, P, station=last)]
    with PlantResults(CONFIG, journal(tmp_path, events), now=at(60)) as query:
        found = query.culprits_of_lines(between(0, 60))
        assert all(culprits == query.culprits(node, between(0, 60)) for node, culprits in found.items())

    expected = {line: [(end, "no_data", 60 * MINUTE)] for line, end in lines.items()}
    expected["kostanay/weld/weld-1"] = [(before, "down", 30 * MINUTE)]
    assert {
        node.path: [(culprit.station, str(culprit.cause), culprit.lost) for culprit in culprits]
        for node, culprits in found.items()
    } == expected


def test_a_plant_without_a_programme_says_what_to_write(tmp_path: Path) -> None:
    """The report of the programme asks for the section `programme` of the plant's file; stations have no target."""
    bare = replace(CONFIG, programme=None)
    with PlantResults(bare, journal(tmp_path, [state(0, P)]), now=at(60)) as query:
        with pytest.raises(ConfigError, match="the plant's file has no `programme`"):
            query.programme(between(0, 60))
        assert query.target(Node(STATION, (STATION,)), between(0, 60)) is None
        assert query.whole_target(Node(STATION, (STATION,)), between(0, 60)) is None


def test_planned_units_of_a_line_are_whole_and_add_up(tmp_path: Path) -> None:
    """Quarters of an hour add up to the shift, near its exact share; the weld line is planned without S2."""
    with PlantResults(CONFIG, journal(tmp_path, [state(0, P)]), now=at(60)) as query:
        weld, final = query.node("kostanay/weld/weld-1"), query.node("kostanay/final/final-1")
        quarters = [query.whole_target(weld, between(minute, minute + 15)) for minute in range(0, 510, 15)]
        shift, exact = query.whole_target(weld, SHIFT), query.target(weld, SHIFT)
        assert shift is not None
        assert exact is not None
        assert sum(quarter or 0 for quarter in quarters) == shift
        assert abs(shift - exact) < 1
        assert shift < (query.whole_target(final, SHIFT) or 0)


def test_stations_have_their_place_in_the_flow(tmp_path: Path) -> None:
    """The first station of the plant's file is 1, the fourth is 4."""
    with PlantResults(CONFIG, journal(tmp_path, [])) as query:
        assert query.results.position(StationId("kostanay/weld/weld-1/underbody")) == 1
        assert query.results.position(RESPOT) == 4


def test_stores_are_those_of_the_flow(tmp_path: Path) -> None:
    """A left framing and came to respot, B still waits: the stores of a running hour are what `flow` finds there."""
    events: list[StationEvent] = [
        *(entered(5, "A"), completed(10, "A"), entered(20, "A", station=RESPOT)),
        *(entered(15, "B"), completed(20, "B")),
    ]
    with PlantResults(CONFIG, journal(tmp_path, events), now=at(45)) as query:
        stores = query.stores(between(0, 60))
        assert stores == query.flow(between(0, 60)).stores
        (store,) = (store for store in stores if store.downstream == RESPOT)
        assert (store.waiting, store.dwell.count, store.dwell.mean) == (("B",), 1, 10 * MINUTE)
        assert all(not store.waiting for store in query.stores(between(-60, 0)))


def test_a_car_is_built_once(tmp_path: Path) -> None:
    """A unit that is good at a station twice was built when it first was; what is not good was not built."""
    again = [completed(30, "A"), completed(10, "A"), completed(5, "B", UnitResult.REWORK), completed(20, "C")]
    with PlantResults(CONFIG, journal(tmp_path, again), now=at(45)) as query:
        assert [(car.unit, car.time) for car in query.built(STATION)] == [("A", at(10)), ("C", at(20))]


def test_the_last_word_on_a_shift_holds(tmp_path: Path) -> None:
    """A shift that was closed, opened and closed again is closed by the last one; one that was opened last is open."""
    words: list[StationEvent] = [
        *(shift_closed(511, 0, 510), shift_reopened(512, 0, 510), shift_closed(513, 0, 510, by="bolat")),
        *(shift_closed(511, 0, 510, station=RESPOT), shift_reopened(512, 0, 510, station=RESPOT)),
    ]
    with PlantResults(CONFIG, journal(tmp_path, words), now=at(600)) as query:
        closing = query.results.closing(STATION, SHIFT)
        assert closing is not None
        assert (closing.by, closing.time) == ("bolat", at(513))
        assert query.results.closing(STATION, between(0, 60)) is None
        assert query.results.closing(RESPOT, SHIFT) is None
