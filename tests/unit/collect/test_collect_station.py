"""States, gaps, faults and telemetry of one station, and the state that is kept of it."""

import json
from dataclasses import replace

import pytest
from collect_scenes import at, entry, live, lost, only, said, seen, station

from adapters.reading import GapCause, Quality, Value
from mes.collect.states import PACKML_OPC30060, PACKML_TAGS, BitMap, BitRule, CodeMap
from mes.collect.station import Observation, decode_state, encode_state, initial_state, rebuilt, step
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountKind,
    FaultCleared,
    FaultRaised,
    QualityChanged,
    State,
    StateChanged,
    StationId,
    TimeSource,
    UnitCompleted,
    UnitEntered,
    UnitLeft,
    UnitsCounted,
)


def test_packml_is_complete_in_both_numberings() -> None:
    """All 17 states have a meaning; Execute and Aborted are where each numbering has them."""
    assert sorted(map(int, PACKML_TAGS)) == list(range(1, 18))
    assert sorted(map(int, PACKML_OPC30060)) == list(range(17))
    assert (PACKML_TAGS["6"], PACKML_OPC30060["4"]) == (State.PRODUCING, State.PRODUCING)
    assert (PACKML_TAGS["9"], PACKML_OPC30060["8"]) == (State.DOWN, State.DOWN)


@pytest.mark.parametrize(("raw", "state"), [(6, "producing"), (6.0, "producing"), ("6", "producing"), (99, "no_data")])
def test_codes(raw: Value, state: str) -> None:
    """A code is one, however it is typed; one that nobody explained is no state."""
    assert CodeMap(PACKML_TAGS).state(raw) == state


@pytest.mark.parametrize(("raw", "state"), [(0b1001, "down"), (0b0001, "producing"), (0, "idle"), ("1", "no_data")])
def test_bits_by_priority(raw: Value, state: str) -> None:
    """The first rule that holds wins; what is no word of bits has no state."""
    rules = (BitRule(8, 8, State.DOWN), BitRule(1, 1, State.PRODUCING))

    assert BitMap(rules, otherwise=State.IDLE).state(raw) == state


def test_states_change_once() -> None:
    """Each change is one event at the controller's time; bad quality is no data until it is good again."""
    done = live(
        station(),
        seen(0, baseline=True, state=6),
        Observation((said("state", 6, 10, stamped=9), said("state", 9, 10, stamped=9.5)), at(10), baseline=False),
        seen(20, state=None),
        seen(30, state=6),
    )

    assert [(change.state, change.time, change.time_source) for change in only(StateChanged, done)] == [
        (State.PRODUCING, at(0), TimeSource.EDGE),
        (State.DOWN, at(9.5), TimeSource.CONTROLLER),
        (State.NO_DATA, at(20), TimeSource.EDGE),
        (State.PRODUCING, at(30), TimeSource.EDGE),
    ]


def test_an_insane_or_early_time_stamp_is_not_believed() -> None:
    """A stamp far from our clock, or from before the change before it, gives way to our time."""
    done = live(
        station(),
        seen(0, baseline=True, state=6),
        Observation((said("state", 9, 10, stamped=-9000),), at(10), baseline=False),
        Observation((said("state", 6, 20, stamped=5),), at(20), baseline=False),
    )

    assert [(change.time, change.time_source) for change in only(StateChanged, done)[1:]] == [
        (at(10), TimeSource.EDGE),
        (at(20), TimeSource.EDGE),
    ]


def test_dropped_states_are_not_guessed() -> None:
    """After an overflow nothing is known from the last state on, until the one that came through."""
    done = live(
        station(),
        seen(0, baseline=True, state=6),
        Observation((said("state", 6, 10, stamped=10, overflow=True),), at(10), baseline=False),
    )

    assert [(change.state, change.raw, change.time) for change in only(StateChanged, done)[1:]] == [
        (State.NO_DATA, "overflow", at(0)),
        (State.PRODUCING, "6", at(10)),
    ]


def test_a_gap_is_lost_once_restored_once_and_the_state_stated_again() -> None:
    """Two reports of one loss are one event; after it even an unchanged state is said again."""
    done = live(
        station(),
        seen(0, baseline=True, state=6),
        lost(5),
        lost(6),
        lost(5, 60),
        seen(60, baseline=True, state=6),
        lost(60, 61),
    )

    assert [(event.time, event.cause) for event in only(ConnectionLost, done)] == [(at(5), GapCause.CONNECTION)]
    assert [(gap.time, gap.since) for gap in only(ConnectionRestored, done)] == [(at(60), at(5))]
    assert [change.time for change in only(StateChanged, done)] == [at(0), at(60)]


def test_faults_are_raised_and_cleared() -> None:
    """One code after another: each raised and cleared; the same again or an unreadable one changes nothing."""
    done = live(
        station(),
        seen(0, baseline=True, fault=0),
        seen(1, fault=7),
        seen(2, fault=7),
        seen(3, fault=None),
        seen(4, fault=8),
        seen(5, fault=0),
    )

    faults = [(type(event), event.code) for event in done.events if isinstance(event, FaultRaised | FaultCleared)]
    assert faults == [(FaultRaised, "7"), (FaultCleared, "7"), (FaultRaised, "8"), (FaultCleared, "8")]


def test_telemetry_is_thinned_and_holds_numbers_only() -> None:
    """A change below the deadband makes no row; NaN and infinity are of bad quality and never kept."""
    values: list[Value | None] = [9.0, 9.4, 9.5, float("nan"), float("inf"), True, None, 9.0]
    done = live(station(), *(seen(second, current=value) for second, value in enumerate(values)))

    assert [(value.time, value.value) for value in done.telemetry] == [(at(0), 9.0), (at(2), 9.5), (at(7), 9.0)]
    assert [change.quality for change in only(QualityChanged, done)] == [Quality.BAD, Quality.GOOD]


def test_the_state_survives_other_versions() -> None:
    """What is kept comes back as it was; unknown fields are passed over and missing ones take their defaults."""
    state = live(station(), seen(0, baseline=True, state=6, good=1, current=1.5, fault=3), lost(4)).state
    assert decode_state(encode_state(state)) == state

    body = json.loads(encode_state(state))
    body["of_tomorrow"] = 1
    del body["faults"], body["counters"]
    older = decode_state(json.dumps(body).encode())
    assert (older.faults, older.counters, older.state) == ({}, {}, State.PRODUCING)
    assert decode_state(b"{}") == initial_state()


def test_the_totalisers_are_rebuilt_from_the_last_counts() -> None:
    """After a journal lost its station states, counting goes on from the last reading counted: no part twice."""
    before = live(
        station(), seen(0, baseline=True, state=6, good=10, scrap=3), seen(60, good=11, scrap=4), seen(120, good=12)
    )
    elsewhere = replace(only(UnitsCounted, before)[0], station=StationId("elsewhere"), raw=900)

    state = rebuilt(station().station, [*before.events, elsewhere])
    after = step(station(), state, seen(180, baseline=True, good=14, scrap=4))

    assert [(count.kind, count.delta) for count in only(UnitsCounted, after)] == [(CountKind.GOOD, 2)]


def test_scans_that_come_together_keep_their_order() -> None:
    """A unit that came in one scan and was finished in a later one of the same batch: it entered first."""
    baseline = seen(0, baseline=True, good=0, unit="V0", log=(entry(0, -60),))
    batch = Observation(
        (
            said("unit", "V1", 100, stamped=10),
            said("unit", "V2", 100, stamped=70.05),
            said("good", 1, 100, stamped=70),
            said("log", (entry(0, -60), entry(1, 70)), 100, stamped=70.02),
            said("unit", "V3", 130, stamped=None),
        ),
        at(130),
        baseline=False,
    )

    done = live(station(), baseline, batch)

    told = [
        (type(event).__name__, getattr(event, "unit", None))
        for event in done.events
        if isinstance(event, UnitEntered | UnitLeft | UnitCompleted | UnitsCounted)
    ]
    assert told[-8:] == [
        ("UnitLeft", "V0"),
        ("UnitEntered", "V1"),
        ("UnitCompleted", "V1"),
        ("UnitsCounted", None),
        ("UnitLeft", "V1"),
        ("UnitEntered", "V2"),
        ("UnitLeft", "V2"),
        ("UnitEntered", "V3"),
    ]
