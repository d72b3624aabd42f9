"""The counting rule on the cases that were reported: falls by one, jumps, torn words, resets in gaps, late bunches."""

from dataclasses import replace
from datetime import timedelta

import pytest
from collect_scenes import S3, at, counts_of, entry, live, lost, only, ring, said, seen, station, watched

from adapters.reading import Gap
from mes.collect.counters import Counted, CounterSetup, CounterState, ResetPolicy, Unreconciled, count
from mes.collect.looks import Looks
from mes.collect.station import Observation, Step
from mes.model import CountFlag, CountKind, CountUnreconciled, UnitsCounted, totaliser_id

HOUR_S = 3600
FAST = station(log=False, max_per_hour=3600)
WIDE = station(log=False, max_per_hour=3600, modulus=2**32)


def polled(*values: int, begin_s: float = 0, every_s: float = 0.2) -> list[Observation]:
    """A value at each poll; one that is not new comes as a sign of life."""
    scenes, last = [], None
    for number, value in enumerate(values):
        now_s = begin_s + number * every_s
        scenes.append(seen(now_s, baseline=number == 0 and begin_s == 0, **({"good": value} if value != last else {})))
        last = value
    return scenes


def made(parts: int) -> list[Observation]:
    """So many parts from 0 on, half a second each, read five times a second."""
    return polled(*(value for value in range(parts + 1) for _ in range(3)))


def alive(begin_s: float, end_s: float) -> list[Observation]:
    """Signs of life from then until then."""
    return [seen(begin_s), *(seen(end_s - back_s) for back_s in (3, 2, 1, 0.5, 0))]


def doubts(done: Step) -> list[tuple[int, int]]:
    return [(doubt.previous_raw, doubt.raw) for doubt in only(CountUnreconciled, done)]


def units(done: Step) -> int:
    return sum(event.delta for event in only(UnitsCounted, done) if event.kind is CountKind.GOOD)


def test_a_fall_by_one_is_no_reset() -> None:
    """20 made, still for 16 s, 19 once, then 20: 20 are counted, and the fall is flagged once."""
    done = watched(FAST, *made(20), *alive(13, 29), seen(29.2, good=19), seen(29.4, good=20), seen(40), seen(100))

    assert (units(done), doubts(done)) == (20, [(20, 19)])


def test_a_fall_by_one_with_a_unit_log_is_no_reset() -> None:
    """The unit log shows 20 units and no more: the fall makes none."""
    entries = [entry(number, number) for number in range(1, 21)]
    scenes = [
        seen(number, baseline=number == 0, good=number, log=ring(*entries[max(number - 16, 0) : number])[:16])
        for number in range(21)
    ]
    done = watched(
        station(max_per_hour=3600), *scenes, *alive(21, 36), seen(36.2, good=19), seen(36.4, good=20), seen(200)
    )

    assert (units(done), doubts(done)) == (20, [(20, 19)])


@pytest.mark.parametrize("gap", [False, True])
def test_a_night_does_not_make_a_fall_by_one_a_reset(gap: bool) -> None:
    """500 to 499 after a night, watched or not: the parts of a day are not counted for it, though there was time."""
    night_s = 15 * HOUR_S
    scenes: list[Observation | Gap] = [seen(0, baseline=True, good=500)]
    scenes += [lost(1), lost(1, night_s)] if gap else alive(1, night_s - 0.2)
    done = watched(station(log=False), *scenes, seen(night_s, baseline=gap, good=499), seen(night_s + 60, good=500))

    assert (units(done), doubts(done)) == (0, [(500, 499)])


def test_49_for_75_s_then_47_is_no_reset() -> None:
    """The new base is flagged once and counted from."""
    done = watched(
        FAST, seen(0, baseline=True, good=49), *alive(1, 75), seen(75.2, good=47), *alive(76, 90), seen(90.2, good=48)
    )

    assert (units(done), doubts(done)) == (1, [(49, 47)])


def test_a_jump_that_goes_back_made_nothing() -> None:
    """49 to 89 for 0.7 s after a long standstill: not possible in the time since the last look, and taken back."""
    done = watched(
        FAST,
        seen(0, baseline=True, good=49),
        *alive(1, 8 * HOUR_S),
        seen(8 * HOUR_S + 0.2, good=89),
        seen(8 * HOUR_S + 0.9, good=49),
        seen(8 * HOUR_S + 5, good=50),
    )

    assert (units(done), doubts(done)) == (1, [(49, 89)])


def test_0_to_49_within_a_poll_is_not_believed() -> None:
    """What shows 49 at once was not made at once; what follows is counted from there."""
    done = watched(FAST, *polled(0, 0, 0, 49, 49, 49, 49, 49, 50))

    assert (units(done), doubts(done)) == (1, [(0, 49)])


@pytest.mark.parametrize("wrong", [(0, 0), (0, 131071), (131071, 0), (131071, 131071), (0,)])
def test_a_count_torn_between_its_words_loses_no_part(wrong: tuple[int, ...]) -> None:
    """The carry into the high word is read with one word old, twice: no reset, and no part is missing."""
    done = watched(WIDE, *polled(65534, 65534, 65534, 65534, 65535, *wrong, 65536, 65536, 65537))

    assert units(done) == 3
    assert {event.flag for event in only(UnitsCounted, done)} == {CountFlag.BASELINE, CountFlag.NORMAL}


@pytest.mark.parametrize(("cycle", "total"), [((0, 1, 1, 2), 2), ((1, 2, 3), 3)])
def test_a_watched_reset_is_found(cycle: tuple[int, ...], total: int) -> None:
    """480 and then zero, or near it, and on from there: a reset, and what was made since it counts."""
    done = watched(FAST, *polled(480, 480, 480), *polled(*cycle, begin_s=2, every_s=1))

    assert (units(done), doubts(done)) == (total, [])
    assert [event.flag for event in only(UnitsCounted, done)][1] is CountFlag.RESET


def test_a_reset_to_zero_needs_no_part_to_be_found() -> None:
    """A zero that lasts is a reset; it is counted at the time of the fall, after a restart too."""
    done = watched(FAST, *polled(480, 480, 480), seen(2, good=0), seen(10), seen(40))

    (reset,) = only(UnitsCounted, done)[1:]
    assert (reset.delta, reset.flag, reset.time) == (0, CountFlag.RESET, at(2))
    assert done.state.held == {}


def test_a_zero_that_does_not_last_was_misread() -> None:
    """480, 0, 480 within a second can be nothing but a wrong value: nothing is counted and nothing flagged."""
    done = watched(FAST, *polled(480, 480, 0, 480, 481))

    assert (units(done), doubts(done)) == (1, [])


def test_a_zero_that_may_be_either_is_flagged() -> None:
    """2, 0, 2 can be a wrong value, or a reset and two parts: flagged, and no part is counted."""
    done = watched(FAST, *polled(2, 2, 2, 0, 2, 2))

    assert (units(done), doubts(done)) == (0, [(2, 0)])


def test_a_zero_that_leads_nowhere_is_flagged() -> None:
    """480, 0, 300: neither goes on from the other."""
    done = watched(FAST, *polled(480, 480, 0, 300, 301))

    assert (units(done), doubts(done)) == (1, [(480, 0), (480, 300)])


def test_a_zero_while_the_totaliser_is_bad_waits() -> None:
    """A fall is not confirmed by time in which the totaliser could not be read."""
    waiting = watched(FAST, *polled(480, 480, 480), seen(2, good=0), seen(3, good=None), seen(40))
    assert [event.flag for event in only(UnitsCounted, waiting)] == [CountFlag.BASELINE]

    done = watched(FAST, seen(41, good=480), state=waiting.state)
    assert (units(done), doubts(done)) == (0, [])


def test_a_reset_in_a_gap_is_proved_by_the_unit_log() -> None:
    """5 seen, 2 and then 12 after a reset in a gap, all in the unit log. 14 more are counted and flagged as a reset."""
    before = [entry(number, number) for number in range(1, 6)]
    after = [*before, *(entry(number, 10 + number) for number in range(6, 20))][-16:]
    counting = [seen(number, baseline=number == 0, good=number, log=ring(*before[:number])) for number in range(6)]
    for register in (12, 5, 4):  # 2 before the reset; or so many that the totaliser stands where it stood, or lower
        done = watched(
            station(max_per_hour=3600),
            *counting,
            lost(6),
            lost(6, 60),
            seen(60, baseline=True, good=register, log=tuple(after)),
            seen(70, good=register + 1, log=(*after[1:], entry(20, 70))),
        )

        assert units(done) == 5 + 14 + 1
        assert counts_of(done)[5:] == [(14, "reset", S3), (1, "normal", S3)]
        assert doubts(done) == []


def test_a_unit_that_was_finished_between_two_reads_is_no_reset() -> None:
    """After a gap the unit log is one ahead of the totaliser, which shows it in the next poll: an ordinary count."""
    done = watched(
        station(max_per_hour=3600),
        seen(0, baseline=True, good=1, log=ring(entry(1, -5))),
        lost(1),
        lost(1, 60),
        seen(60, baseline=True, good=1, log=ring(entry(1, -5), entry(2, 60))),
        seen(60.2, good=2),
    )

    assert [event.flag for event in only(UnitsCounted, done)] == [CountFlag.BASELINE, CountFlag.CATCH_UP]
    assert (units(done), doubts(done)) == (1, [])


def test_a_unit_that_the_totaliser_never_shows_is_counted_by_its_record() -> None:
    """What the unit log proves is counted though the totaliser does not move, and flagged."""
    done = watched(
        station(max_per_hour=3600),
        seen(0, baseline=True, good=1, log=ring(entry(1, -5))),
        lost(1),
        lost(1, 60),
        seen(60, baseline=True, good=1, log=ring(entry(1, -5), entry(2, 50))),
        seen(121),
    )

    assert counts_of(done) == [(1, "reset", S3)]


def test_more_than_can_be_believed_is_believed_where_the_unit_log_proves_it() -> None:
    """Ten units at one look, each in the unit log: they are counted."""
    log = ring(*(entry(number, number / 10) for number in range(1, 11)))
    done = watched(station(), seen(0, baseline=True, good=0, log=ring()), seen(1), seen(2, good=10, log=log))

    assert (units(done), doubts(done)) == (10, [])


def logged(units_: int, *, begin_s: float = 0) -> tuple[str, ...]:
    """A unit log with so many units, one each second."""
    entries = [entry(number, begin_s + number) for number in range(1, units_ + 1)]
    return ring(*entries[-16:])[:16]


@pytest.mark.parametrize("policy", list(ResetPolicy))
@pytest.mark.parametrize(("shown", "proved"), [(25, 3), (9, 3), (7, 0), (65535, 3)])
def test_a_rise_in_a_gap_that_the_unit_log_does_not_show_is_flagged(
    policy: ResetPolicy, shown: int, proved: int
) -> None:
    """The totaliser rises by more in a gap than the unit log shows: the units of the log are counted, the rest not."""
    first = 65533 if shown == 65535 else 5
    shown = 20 if shown == 65535 else shown
    setup = station(max_per_hour=3600, reset=policy)
    done = watched(
        setup,
        seen(0, baseline=True, good=first, log=logged(5, begin_s=-10)),
        lost(1),
        lost(1, 600),
        seen(600, baseline=True, good=shown, log=logged(5 + proved, begin_s=-10)),
        *(seen(600 + wait_s) for wait_s in (20, 40, 59, 61)),
        seen(662, good=shown + 1, log=logged(5 + proved + 1, begin_s=-10)),
    )

    assert (units(done), doubts(done)) == (proved + 1, [((first + proved) % 65536, shown)])
    assert [event.since for event in only(UnitsCounted, done) if event.delta == proved > 1] == [at(1)] * (proved > 1)


def test_a_value_that_waits_and_that_the_unit_log_shows_was_true() -> None:
    """26 seen, 25 retained in a gap, on to 30 with five units in the log, then 29: five, the fall flagged."""
    begin: list[Observation | Gap] = [seen(0, baseline=True, good=26, log=logged(3, begin_s=-10)), lost(1), lost(1, 20)]
    begin.append(seen(20, baseline=True, good=26, log=logged(4, begin_s=-10)))
    going_on = [seen(20 + 2 * number, good=26 + number, log=logged(4 + number, begin_s=-10)) for number in range(1, 5)]
    done = watched(
        station(max_per_hour=3600), *begin, *going_on, seen(35), seen(40, good=29), seen(60), seen(640, good=30)
    )

    assert (units(done), doubts(done)) == (5, [(30, 29)])


def test_a_turn_that_shows_less_than_the_unit_log_is_a_reset() -> None:
    """A retained value in a gap, one part, and then the turn: two units in the log, so two are counted and flagged."""
    done = watched(
        station(max_per_hour=3600),
        seen(0, baseline=True, good=65535, log=logged(3, begin_s=-10)),
        lost(1),
        lost(1, 20),
        seen(20, baseline=True, good=65535, log=logged(4, begin_s=-10)),
        seen(22, good=0, log=logged(5, begin_s=-10)),
        seen(40),
        seen(90),
    )

    assert counts_of(done) == [(2, "reset", S3)]


def test_the_unit_log_proves_units_of_a_gap_that_was_long_enough_for_a_turn() -> None:
    """A gap in which the totaliser can have turned: flagged, but the units in the log are counted, once."""
    done = watched(
        station(max_per_hour=3600, modulus=256),
        seen(0, baseline=True, good=100, log=logged(3, begin_s=-10)),
        lost(1),
        lost(1, 600),
        seen(600, baseline=True, good=102, log=logged(5, begin_s=-10)),
        seen(602, good=103, log=(*logged(5, begin_s=-10)[:5], entry(6, 601), *ring()[6:])),
    )

    assert (units(done), doubts(done)) == (3, [(102, 102)])
    assert done.state.log is not None
    assert (done.state.log.waiting, done.state.log.owed) == ((), ())


def test_a_fall_to_two_is_no_reset_where_only_one_can_have_been_made() -> None:
    """A cycle of two minutes, 28 and then 2 a second later: no two units were made since a reset."""
    done = watched(station(log=False, max_per_hour=30), *polled(28, 28, 28, 28, 2, 2), *alive(2, 60), seen(200, good=3))

    assert (units(done), doubts(done)) == (1, [(28, 2)])


def test_a_rise_while_the_totaliser_was_bad_waits_for_the_unit_log() -> None:
    """Twenty more after a minute of bad quality: counted when the unit log shows them, the unproved ones flagged."""
    begin = [seen(0, baseline=True, good=5, log=logged(5, begin_s=-10)), seen(5, good=None), *alive(6, 65)]
    begin += [seen(66, good=25), seen(67)]
    waiting = watched(station(max_per_hour=3600), *begin)
    assert (units(waiting), doubts(waiting)) == (0, [])

    proved = watched(station(max_per_hour=3600), *begin, seen(68, log=logged(25, begin_s=-10)))
    assert (units(proved), doubts(proved)) == (20, [])
    less = watched(station(max_per_hour=3600), *begin, seen(68, log=logged(8, begin_s=-10)), *alive(70, 128))
    assert (units(less), doubts(less)) == (3, [(8, 25)])


def test_a_unit_log_that_was_never_written_or_is_bad_proves_nothing() -> None:
    """A rise in a gap is counted as without a unit log, if the log was always empty or is of bad quality."""
    for before, after in ((ring(), ring()), (logged(5, begin_s=-10), None)):
        done = watched(
            station(max_per_hour=3600),
            seen(0, baseline=True, good=5, log=before),
            lost(1),
            lost(1, 600),
            seen(600, baseline=True, good=25, log=after),
        )

        assert (units(done), doubts(done)) == (20, [])


def test_what_comes_in_a_bunch_after_a_pause_is_counted() -> None:
    """90 s of a controller's changes come at once, its clock ten years off: all 24 parts are counted, none flagged."""
    insane = -10 * 365 * 86400
    late = [
        Observation((said("good", 10 + made_, 90 + wait_s, stamped=insane + made_),), at(90 + wait_s), baseline=False)
        for made_, wait_s in ((1, 0), (12, 0.02), (24, 0.1))
    ]
    together = Observation(tuple(reading for batch in late for reading in batch.readings), at(90), baseline=False)
    begin = (seen(0, baseline=True, good=10), seen(1))
    for scenes in (late, [together]):
        done = watched(station(log=False, max_per_hour=960), *begin, *scenes)

        assert (units(done), doubts(done)) == (24, [])


def test_the_last_look_survives_a_restart() -> None:
    """What is believed after a restart is what can be made since the last proof of life, not since the last count."""
    night_s = 8 * HOUR_S
    for raw, units_, doubted in ((102, 2, []), (160, 0, [(100, 160)])):
        idle = [seen(0, baseline=True, good=100), *alive(1, night_s)]
        back: tuple[Observation | Gap, ...] = (
            lost(night_s),
            lost(night_s, night_s + 60),
            seen(night_s + 60, baseline=True, good=raw),
        )
        done = watched(station(log=False), *idle, *back)

        assert (units(done), doubts(done)) == (units_, doubted)


@pytest.mark.parametrize("old", [65530, 65535])
@pytest.mark.parametrize(("policy", "flagged"), [(ResetPolicy.ALLOWED, True), (ResetPolicy.NEVER, False)])
def test_a_turn_in_a_gap_or_a_reset_is_flagged_where_both_can_be(old: int, policy: ResetPolicy, flagged: bool) -> None:
    """Without a unit log nothing tells a turn in a gap from a reset in it: a person decides; counting goes on."""
    done = watched(
        station(log=False, max_per_hour=3600, reset=policy),
        *(seen(0, baseline=True, good=old), lost(1), lost(1, 600), seen(600, baseline=True, good=3), seen(602, good=4)),
    )

    turned = 65536 - old + 3
    assert (units(done), doubts(done)) == ((1, [(old, 3)]) if flagged else (turned + 1, []))


@pytest.mark.parametrize(
    ("max_per_hour", "every_s", "values", "total"),
    [(60, 0.2, (65535, 65535, 0, 0, 1), 2), (3600, 0.2, (65534, 65535, 0), 2), (3600, 5, (65530, 65533, 2, 6), 12)],
)
def test_a_watched_turn_at_an_ordinary_pace_is_counted(
    max_per_hour: float, every_s: float, values: tuple[int, ...], total: int
) -> None:
    """A totaliser that is read all the time goes through its end, as many units at a look as at any other look."""
    done = watched(station(log=False, max_per_hour=max_per_hour), *polled(*values, every_s=every_s))

    assert (units(done), doubts(done)) == (total, [])


@pytest.mark.parametrize(("old", "max_per_hour"), [(65534, 60), (65533, 3600)])
def test_a_watched_fall_before_the_end_faster_than_any_count_is_flagged(old: int, max_per_hour: float) -> None:
    """A zero so short of the end that the station cannot have made the rest at its pace: a turn or a reset."""
    setup, standing = station(log=False, max_per_hour=max_per_hour), polled(*[old] * 20)

    lasts = watched(setup, *standing, seen(4, good=0), seen(20), seen(40), seen(50, good=1))
    assert (units(lasts), doubts(lasts)) == (1, [(old, 0)])
    misread = watched(setup, *standing, seen(4, good=0), seen(4.2, good=old), seen(40))
    assert (units(misread), doubts(misread)) == (0, [])


def test_a_bad_stretch_is_no_look() -> None:
    """A totaliser of bad quality is not seen, though the controller is: what it moved meanwhile is believed."""
    bad = [seen(10, good=None), *alive(11, HOUR_S)]
    done = watched(station(log=False), seen(0, baseline=True, good=100), seen(9), *bad, seen(HOUR_S + 1, good=140))

    assert (units(done), doubts(done)) == (40, [])


@pytest.mark.parametrize(("old", "new"), [(500, 499), (8, 7), (20, 12), (2, 1)])
def test_a_value_close_below_is_never_a_reset_by_itself(old: int, new: int) -> None:
    """However long the time and whatever the gap, two readings alone make no reset of a value close below."""
    setup = CounterSetup(CountKind.GOOD, 2**32, ResetPolicy.ALLOWED, max_per_hour=60)
    for hours in (0.001, 0.1, 13.5, 72):
        for gap in (None, timedelta(hours=hours)):
            state, outcome = count(setup, CounterState(old, at(0)), new, at(HOUR_S * hours), gap=gap)
            assert isinstance(outcome, Unreconciled)
            assert state == CounterState(old, at(0), new, at(HOUR_S * hours))


def test_a_small_value_after_a_gap_is_a_reset() -> None:
    """After a gap in which it can have been made, a value far below the last one is what was made since a reset."""
    setup = CounterSetup(CountKind.GOOD, 2**32, ResetPolicy.ALLOWED, max_per_hour=60)
    gap = timedelta(minutes=20)

    assert count(setup, CounterState(480, at(0)), 3, at(1200), gap=gap)[1] == Counted(3, CountFlag.RESET, 480)


def test_a_value_that_waits_for_its_record_waits_on_as_the_totaliser_goes_on() -> None:
    """A watched fall to 1, then 2, the unit log late: decided when both records are there."""
    done = live(
        station(max_per_hour=3600),
        seen(0, baseline=True, good=500, product="S3", log=ring(entry(7, -5))),
        seen(10, good=1),
        seen(12, good=2),
        seen(13, log=ring(entry(7, -5), entry(8, 10), entry(9, 12))),
        seen(80),
    )

    assert [(delta, flag) for delta, flag, _ in counts_of(done)] == [(2, "reset")]
    assert doubts(done) == []


def test_a_reset_before_the_end_and_another_one_lose_no_part_of_the_unit_log() -> None:
    """65535 to 0, three parts in the unit log, to 0 again within the minute: three are counted, not one turn."""
    setup = station(max_per_hour=3600)
    scenes = [
        seen(0, baseline=True, good=65535, log=logged(3, begin_s=-10)),
        *alive(1, 20),
        *(seen(20 + 4 * made_, good=made_, log=logged(3 + made_, begin_s=-10)) for made_ in range(4)),
        *(seen(36, good=0), seen(44, good=1, log=logged(7, begin_s=-10)), *alive(45, 200)),
    ]

    assert (units(watched(setup, *scenes)), doubts(watched(setup, *scenes))) == (4, [])


@pytest.mark.parametrize(("more", "total"), [((), 0), ((entry(6, 200),), 1)])
def test_a_part_after_a_flagged_fall_is_counted_if_the_unit_log_shows_it(more: tuple[str, ...], total: int) -> None:
    """30, a gap, 29 and then 30: a part after a retained value if the unit log has one more, a stale value if not."""
    before = logged(5, begin_s=-10)[:5]
    done = watched(
        station(max_per_hour=3600),
        *(seen(0, baseline=True, good=30, log=logged(5, begin_s=-10)), lost(1), lost(1, 60)),
        *(seen(60, baseline=True, good=29, log=logged(5, begin_s=-10)), *alive(61, 200)),
        *(seen(201, good=30, log=ring(*before, *more)[:16]), *alive(202, 400)),
    )

    assert (units(done), doubts(done)) == (total, [(30, 29)])


TEN_MIN = 600
REPORTED = {
    "a reset to zero at a shift change": (((0, 479), (30, 480), (31, 0), (631, 1), (1231, 2)), 3, 0),
    "a reset with a part just before it": (((0, 479), (1, 0), (600, 1)), 1, 0),
    "the first value after twenty minutes is 3": (((0, 480), (1200, 3)), 3, 0),
    "a reset from a small value": (((0, 5), (1, 0), (600, 1)), 1, 0),
    "a small value to one close below": (((0, 5), (120, 2)), 0, 1),
    "a zero that goes back": (((0, 480), (1, 0), (2, 480), (600, 481)), 1, 0),
    "a display of four digits that wraps": (((0, 9998), (600, 9999), (1200, 0), (1800, 1)), 3, 0),
    "set by hand to 20 more": (((0, 480), (600, 500), (1200, 501)), 1, 1),
    "set by hand to 10 less": (((0, 480), (600, 470), (1200, 471)), 1, 1),
    "two parts a cycle": (tuple((TEN_MIN * number, 2 * number) for number in range(6)), 10, 0),
    "whole numbers kept as REAL": (tuple((TEN_MIN * number, 12.0 + number) for number in range(3)), 2, 0),
    "a reset each hour": (tuple((TEN_MIN * number, number % 6) for number in range(18)), 15, 0),
}


@pytest.mark.parametrize("name", REPORTED)
def test_sequences_that_were_reported_of_other_collectors(name: str) -> None:
    """Whatever can be decided is counted as it was made, what cannot is flagged: 60 an hour at most, no unit log."""
    sequence, made_, flagged = REPORTED[name]
    setup = station(log=False, modulus=10_000)
    scenes = [seen(now_s, baseline=now_s == 0, good=raw) for now_s, raw in sequence]
    done = watched(setup, *scenes, seen(sequence[-1][0] + 60))

    assert (units(done), len(doubts(done))) == (made_, flagged)


def test_looks_are_the_batches_that_are_old_enough() -> None:
    """The last look is the newest batch older than any delivery may be late, or the oldest of the connection."""
    looks = Looks()
    assert looks.before(at(0)) is None
    for tenth in range(100):
        looks.add(at(tenth / 10))
    assert looks.before(at(10)) == at(8)
    assert len(looks.times) < 12
    looks.add(at(5))  # our clock was set back
    assert looks.before(at(5.1)) == at(5)
    looks.end()
    assert looks.before(at(6)) is None


def test_a_held_value_of_an_older_journal_is_decided() -> None:
    """A state that was journaled before looks were kept still knows when it last counted."""
    begin = watched(FAST, *polled(480, 480, 480), seen(2, good=0))
    (held,) = begin.state.held.values()
    state = replace(begin.state, held={totaliser_id(CountKind.GOOD): replace(held, looked=None)})

    assert (units(watched(FAST, seen(3, good=1), state=state)), doubts(begin)) == (1, [])
