"""Counts and records where the controller's clock is off, and where counting goes on from a value not counted up to."""

from dataclasses import replace
from datetime import timedelta

import pytest
from collect_scenes import S2, S3, at, counts_of, entry, live, lost, only, ring, seen, station

from mes.collect.station import Observation, StationState
from mes.collect.units import LogState
from mes.model import CountUnreconciled, UnitsCounted

NEAR = replace(station(max_per_hour=3600), max_source_offset=timedelta(seconds=2))


def made(first: int, raws: list[int], *, every: float, ahead: float, products: str = "") -> list[Observation]:
    """A unit each `every` seconds; count and record in one scan, the record's time by a clock that is `ahead`."""
    scenes, entries = [], [entry(9, -60 + ahead)]
    for number, raw in enumerate(raws, start=1):
        product = f"S{products[number - 1]}" if products else "S3"
        entries.append(entry(9 + number, first + every * (number - 1) + ahead, product=product))
        scenes.append(seen(first + every * (number - 1), good=raw, log=ring(*entries[-16:])))
    return scenes


@pytest.mark.parametrize("ahead", [0, -10, 10, -3600, 5 * 3600])
def test_a_clock_that_is_off_makes_no_reset_of_a_rollover(ahead: float) -> None:
    """The times in the records are the controller's; where they cannot be ours, a record counts when it was read."""
    begin = seen(0, baseline=True, good=65533, product="S3", log=ring(entry(9, -60 + ahead)))
    done = live(NEAR, begin, *made(5, [65534, 65535, 0, 1, 2, 3], every=5, ahead=ahead))

    assert [(units, flag) for units, flag, _ in counts_of(done)] == [
        (1, "normal"),
        (1, "normal"),
        (1, "rollover"),
        *[(1, "normal")] * 3,
    ]
    assert done.state.log is not None
    assert (done.state.log.waiting, done.state.log.owed) == ((), ())


LATE_BASELINE = [
    seen(0, baseline=True, good=None, product="S3", log=ring(entry(9, -60))),
    *made(60, [101, 102, 103, 104], every=60, ahead=0, products="3322"),
]
PRESET = [
    seen(0, baseline=True, good=100, product="S3", log=ring(entry(9, -60))),
    *made(60, [5000, 5001, 5002, 5003], every=60, ahead=0, products="3322"),
]
TAKEN_BACK = [
    seen(0, baseline=True, good=100, product="S3", log=ring(entry(9, -60))),
    seen(30, good=99),
    *made(60, [100, 101, 102, 103], every=60, ahead=0, products="3322"),
]


@pytest.mark.parametrize(
    ("story", "first"),
    [(LATE_BASELINE, [1]), (PRESET, [2]), (TAKEN_BACK, [1, 1])],
    ids=["late baseline", "preset", "taken back"],
)
def test_a_unit_that_no_count_claims_is_taken_for_no_later_one(story: list[Observation], first: list[int]) -> None:
    """Where a totaliser's value was taken as it is, the unit in it names no later count and is no tail of a reset.

    What the unit log shows of a value that was set, or of one that followed an older value, is counted.
    """
    slow = station(max_per_hour=60)
    done = live(slow, *story, seen(300, good=0), seen(330))

    assert counts_of(done)[:-1] == [*((units, "normal", S3) for units in first), (1, "normal", S2), (1, "normal", S2)]
    assert counts_of(done)[-1][:2] == (0, "reset")


def test_a_value_that_was_held_proves_nothing_of_the_time_after_it() -> None:
    """A fall that waits for its records, then hours of bad quality: after them it may be a whole turn on."""
    small = station(max_per_hour=60, modulus=256)
    begin = seen(0, baseline=True, good=250, log=ring(entry(9, -60)))
    unread = live(small, begin, seen(1000, good=3), seen(1010, good=None), seen(1061), seen(19070, good=5))
    blind = live(
        small,
        begin,
        seen(1000, good=3),
        lost(1000),
        lost(1000, 19000),
        seen(19000, baseline=True, good=None),
        seen(19010, good=5),
    )

    for done in (unread, blind):
        assert counts_of(done) == []
        assert "full turn" in only(CountUnreconciled, done)[-1].explanation


def test_overrun_units_of_an_older_state_are_awaited_no_longer() -> None:
    """A state that does not say since when: whatever counts were to come of them have come."""
    log = LogState(500, last_time=at(-60), overrun=50)
    begin = live(station(modulus=1000), seen(0, baseline=True, good=990, log=ring(entry(500, -60))))
    state: StationState = replace(begin.state, log=log)

    done = live(station(modulus=1000), seen(86400, good=991), seen(87600, good=2), seen(87700), state=state)

    assert [count.delta for count in only(UnitsCounted, done)] == [1]
    # the unit that was counted as 991 is none of the 50, and has no record either
    assert [(doubt.previous_raw, doubt.raw) for doubt in only(CountUnreconciled, done)] == [(991, 991), (991, 2)]
