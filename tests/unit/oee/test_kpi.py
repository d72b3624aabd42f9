"""Key figures: published worked examples, the design's own, and the rules at their edges."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import cast

import pytest
from events import S3, at, counted, lost, restored, state, unreconciled
from oee_histories import between, standard

from mes.model import CountFlag, CountKind, ProductId, State, StationEvent, StationStandard
from mes.oee.kpi import Kpi, KpiFlag, combine, kpi
from mes.oee.timeline import timeline

MINUTE = timedelta(minutes=1)


def figures(
    *events: StationEvent, minutes: float = 60, ideal: StationStandard | None = None, until: float | None = None
) -> Kpi:
    window = between(0, minutes)
    return kpi(timeline(events), window, [window], ideal or standard(), until=at(minutes if until is None else until))


def test_the_designs_hour() -> None:
    """The hour that the design works out comes out to the last digit."""
    events: list[StationEvent] = [
        state(0, State.PRODUCING),
        *(counted(2 * i + 1, 1) for i in range(13)),
        counted(27, 1, CountKind.SCRAP),
        state(30, State.DOWN),
        state(35, State.STARVED),
        state(40, State.DOWN),
        state(50, State.BLOCKED),
        lost(50),
        counted(60, 4, since=50),
        restored(60, 50),
        state(60, State.PRODUCING),
    ]
    found = figures(*events)

    assert (found.pbt, found.apt, found.ot) == (60 * MINUTE, 38 * MINUTE, 43 * MINUTE)
    assert (found.minor_stops, found.down, found.starved) == (5 * MINUTE, 10 * MINUTE, 5 * MINUTE)
    assert (found.no_data, found.inferred, found.blocked) == (2 * MINUTE, 8 * MINUTE, timedelta())
    assert (found.produced, found.good, found.scrap) == (18, 17, 1)
    assert found.availability == float(Fraction(43, 60))
    assert found.performance == float(Fraction(36, 43))
    assert found.quality == found.quality_count == float(Fraction(34, 36))
    assert found.oee == float(Fraction(34, 60))
    assert found.coverage == float(Fraction(50, 60))
    assert (found.sum_pri_rejected, found.speed_loss) == (2 * MINUTE, 2 * MINUTE)
    assert found.technical_availability == float(Fraction(43, 55))
    assert found.oee_standalone == float(Fraction(34, 55))
    assert found.flags == frozenset()


def test_the_class_of_a_stop_is_that_of_its_whole_length() -> None:
    """A stop that reaches out of the window is not minor because the window shows little of it."""
    line = timeline([state(0, State.PRODUCING), state(58, State.DOWN), state(70, State.IDLE), state(72, State.SETUP)])
    ideal = standard(minor_stop_s=300)

    first = kpi(line, between(0, 60), [between(0, 90)], ideal, until=at(60))
    second = kpi(line, between(60, 90), [between(0, 90)], ideal, until=at(90))

    assert (first.down, first.minor_stops) == (2 * MINUTE, timedelta())
    assert (second.down, second.minor_stops, second.setup) == (10 * MINUTE, 2 * MINUTE, 18 * MINUTE)


@pytest.mark.parametrize(("until", "minor", "down"), [(14, 4, 0), (15, 0, 5), (20, 0, 10)])
def test_an_open_stop_is_minor_until_it_passes_the_threshold(until: float, minor: int, down: int) -> None:
    """A stop that lasts is minor at first, and down from the instant at which it reaches the threshold."""
    found = figures(state(0, State.PRODUCING), state(10, State.DOWN), ideal=standard(minor_stop_s=300), until=until)

    assert (found.minor_stops, found.down) == (minor * MINUTE, down * MINUTE)
    assert found.length == until * MINUTE


def test_a_threshold_of_zero_is_the_strict_reading() -> None:
    """With no minor stops, operating time is production time; OEE stays the same."""
    events = (state(0, State.PRODUCING), counted(5, 3), state(10, State.IDLE), state(11, State.PRODUCING))
    strict, usual = figures(*events, ideal=standard(minor_stop_s=0)), figures(*events)

    assert (strict.ot, strict.idle, usual.idle) == (strict.apt, MINUTE, timedelta())
    assert strict.oee == usual.oee


def test_planned_stops_and_breaks_are_not_planned_time() -> None:
    """Planned busy time holds neither what the calendar leaves out nor a planned stop."""
    line = timeline([state(0, State.PRODUCING), state(20, State.IDLE), state(30, State.PLANNED_STOP)])
    found = kpi(line, between(0, 60), [between(0, 25), between(28, 40)], standard(), until=at(60))

    assert (found.pbt, found.not_planned) == (27 * MINUTE, 33 * MINUTE)
    assert (found.apt, found.idle) == (20 * MINUTE, 7 * MINUTE)


def test_what_lies_ahead_is_no_loss() -> None:
    """A window that has not ended, or not begun, is judged by what has passed of it."""
    line = timeline([state(0, State.PRODUCING)])
    ahead = kpi(line, between(40, 60), [between(0, 60)], standard(), until=at(30))

    assert figures(state(0, State.PRODUCING), until=30).apt == 30 * MINUTE
    assert (ahead.length, ahead.oee, ahead.availability, ahead.quality_count) == (timedelta(), None, None, None)


def test_before_the_first_event_there_is_no_data() -> None:
    """Planned time of which nothing is known is no data and not covered."""
    found, nothing = figures(state(45, State.PRODUCING)), figures()

    assert (found.no_data, found.apt, found.coverage) == (45 * MINUTE, 15 * MINUTE, 0.25)
    assert (nothing.no_data, nothing.oee, nothing.performance, nothing.quality) == (60 * MINUTE, 0, None, None)


def test_inferred_time_is_never_more_than_the_gap() -> None:
    """More caught-up units than fit into the gap fill it with producing; performance shows them, uncapped."""
    found = figures(state(0, State.PRODUCING), lost(50), counted(60, 8, since=50), restored(60, 50))

    assert (found.no_data, found.inferred, found.apt) == (timedelta(), 10 * MINUTE, 60 * MINUTE)
    over = figures(state(0, State.PRODUCING), counted(5, 31))
    assert over.performance is not None
    assert over.performance > 1
    assert over.flags == {KpiFlag.PERFORMANCE_ABOVE_ONE}


def test_a_gap_cut_in_two_adds_up() -> None:
    """Two windows over one gap share its units and its inferred time."""
    events: list[StationEvent] = [state(0, State.PRODUCING), lost(50), counted(60, 4, since=50), restored(60, 50)]
    line = timeline(events)
    halves = [
        kpi(line, window, [between(0, 60)], standard(), until=at(60)) for window in (between(0, 53), between(53, 60))
    ]

    assert [halve.good for halve in halves] == [1, 3]
    assert combine(halves) == kpi(line, between(0, 60), [between(0, 60)], standard(), until=at(60))


def test_a_product_without_ideal_cycle_has_no_performance() -> None:
    """Where the ideal time of a product is not known, what needs it is undefined and flagged; counts stand."""
    ideal = StationStandard(ideal_cycle={S3: MINUTE}, minor_stop=timedelta())
    other = ProductId("S2")
    events = (state(0, State.PRODUCING), lost(50), counted(60, 4, product=other, since=50), restored(60, 50))
    found = figures(*events, ideal=ideal)

    assert (found.performance, found.quality, found.oee, found.speed_loss, found.sum_pri_rejected) == (None,) * 5
    assert (found.good, found.quality_count, found.availability) == (4, 1, 50 / 60)
    assert found.flags == {KpiFlag.NO_IDEAL_CYCLE}
    assert combine([found, figures(counted(1, 1), ideal=ideal)]).oee is None


def test_made_is_the_total_where_there_is_one() -> None:
    """With a total and rejects, good is the rest; with a total and good, all three stand and must agree."""
    total, good, scrap = CountKind.TOTAL, CountKind.GOOD, CountKind.SCRAP
    rest = figures(state(0, State.PRODUCING), counted(9, 10, total), counted(9, 2, scrap))
    both = figures(state(0, State.PRODUCING), counted(9, 10, total), counted(9, 7, good), counted(9, 2, scrap))

    assert (rest.produced, rest.good, rest.sum_pri_good, rest.flags) == (10, 8, 16 * MINUTE, frozenset())
    assert (both.produced, both.good, both.sum_pri_good) == (10, 7, 14 * MINUTE)
    assert both.flags == {KpiFlag.COUNTS_DISAGREE}
    unknown = figures(
        counted(9, 9, total),
        counted(9, 1, scrap, product=None),
        ideal=StationStandard(ideal_cycle={S3: MINUTE}, minor_stop=MINUTE),
    )
    assert (unknown.sum_pri_produced, unknown.sum_pri_good) == (9 * MINUTE, None)


def test_what_is_doubtful_is_flagged() -> None:
    """Unreconciled counts and resets inside the window are counted and flagged, outside of it not."""
    found = figures(unreconciled(5), unreconciled(60), counted(7, 2, flag=CountFlag.RESET))

    assert (found.unreconciled, found.resets, found.good) == (1, 1, 2)
    assert {KpiFlag.UNRECONCILED, KpiFlag.RESET} <= found.flags


def test_combining_divides_sums() -> None:
    """The figure of two stations is Σ/Σ and not the mean of their ratios."""
    busy = figures(state(0, State.PRODUCING), counted(5, 30), minutes=60)
    short = figures(state(0, State.PRODUCING), counted(5, 1), minutes=6)
    line = combine([busy, short])

    assert line.oee == 62 / 66
    assert line.window == between(0, 60)
    assert line.length == 66 * MINUTE
    with pytest.raises(ValueError, match="nothing"):
        combine([])


def test_starved_and_blocked_are_not_the_equipments() -> None:
    """Stand-alone figures leave out starved and blocked time, and are undefined where nothing else is left."""
    found = figures(state(0, State.BLOCKED), state(30, State.PRODUCING))

    assert (found.availability, found.technical_availability) == (0.5, 1)
    assert figures(state(0, State.STARVED)).oee_standalone is None
    assert replace(found, sum_pri_good=30 * MINUTE).oee_standalone == 1


def test_every_state_has_its_bucket_and_no_other_is_taken() -> None:
    """A state that is none of the closed set is a defect of the caller and is put nowhere."""
    for kind in State:
        assert figures(state(0, kind)).length == 60 * MINUTE
    with pytest.raises(KeyError):
        figures(state(0, cast("State", "dreaming")))
