"""Laws of the figures, over random histories of a station."""

import itertools
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from random import Random

from events import at, counted, lost, restored
from hypothesis import given, settings
from hypothesis import strategies as st
from random_histories import WINDOW, histories, plans, standards

from mes.intervals import Interval
from mes.model import CountKind, CountReconciled, Journaled, StationEvent, StationStandard, UnitsCounted
from mes.oee.components import LOSSES
from mes.oee.kpi import Bucket, Kpi, combine, kpi, kpis
from mes.oee.timeline import timeline
from mes.oee.unread import in_sequence

US = timedelta(microseconds=1)


def figures(events: list[Journaled], window: Interval, planned: list[Interval], standard: StationStandard) -> Kpi:
    return kpi(timeline(events), window, planned, standard, until=WINDOW.end)


@settings(deadline=None)
@given(histories(), plans, standards)
def test_every_second_is_accounted_for(
    events: list[Journaled], planned: list[Interval], standard: StationStandard
) -> None:
    """Production, every loss and what is not planned add up to the window, to the microsecond."""
    found = figures(events, WINDOW, planned, standard)
    losses = sum((found.spent(loss) for loss in LOSSES), timedelta())
    buckets = (found.apt, found.minor_stops, found.down, found.setup, found.idle, found.starved, found.blocked)

    assert found.not_planned + found.pbt == WINDOW.length == found.length
    assert found.apt + losses == found.pbt
    assert sum((found.spent(bucket) for bucket in Bucket), timedelta()) == found.length
    assert sum((loss.time for loss in found.losses), timedelta()) == losses + found.planned_stops
    assert all(length >= timedelta() for length in (*buckets, found.no_data, found.not_planned, found.observed))
    assert timedelta() <= found.inferred <= found.apt


@settings(deadline=None)
@given(histories(), plans, standards, st.lists(st.floats(0, 1), max_size=5))
def test_cutting_a_window_changes_no_sum(
    events: list[Journaled], planned: list[Interval], standard: StationStandard, shares: list[float]
) -> None:
    """Wherever a window is cut, seconds, counts and ideal times of the parts add up to those of the whole."""
    cuts = [WINDOW.start, *(WINDOW.start + WINDOW.length * share for share in sorted(shares)), WINDOW.end]
    parts = [figures(events, Interval(start, end), planned, standard) for start, end in itertools.pairwise(cuts)]

    kinds = timeline(events).kinds | standard.counted
    assert in_sequence(combine(parts), parts, kinds) == figures(events, WINDOW, planned, standard)
    windows = [Interval(start, end) for start, end in itertools.pairwise(cuts)]
    assert kpis(timeline(events), windows, planned, standard, until=WINDOW.end) == parts


@settings(deadline=None)
@given(histories(), plans, standards, st.randoms(use_true_random=False))
def test_arrival_order_and_repeats_change_nothing(
    events: list[Journaled], planned: list[Interval], standard: StationStandard, random: Random
) -> None:
    """Events may be journaled in any order and more than once: when they were and when they were seen decides.

    Only what was and was seen at the same two instants keeps its order, as readings of one batch do.
    """
    arrived = [*events, *events[::2]]
    random.shuffle(arrived)

    def times(place: int) -> tuple[datetime, datetime]:
        return arrived[place].event.time, arrived[place].event.received_time

    slots = sorted(range(len(arrived)), key=lambda place: (times(place), place))
    in_order = sorted(range(len(arrived)), key=lambda place: (times(place), arrived[place].seq))
    event_of = {slot: arrived[place].event for slot, place in zip(slots, in_order, strict=True)}
    shuffled = [Journaled(place + 1, event_of[place]) for place in range(len(arrived))]

    assert timeline(shuffled) == timeline(events)
    assert figures(shuffled, WINDOW, planned, standard) == figures(events, WINDOW, planned, standard)


@settings(deadline=None)
@given(histories(), plans, standards)
def test_the_product_of_the_factors_is_oee(
    events: list[Journaled], planned: list[Interval], standard: StationStandard
) -> None:
    """Availability, performance and quality, where all are defined, multiply to the ideal time of good units / PBT."""
    found = figures(events, WINDOW, planned, standard)
    if found.sum_pri_good is None or not found.sum_pri_produced or not found.ot:
        return
    good, made, ot, pbt = (length // US for length in (found.sum_pri_good, found.sum_pri_produced, found.ot, found.pbt))
    factors = (found.availability, found.performance, found.quality)

    assert Fraction(ot, pbt) * Fraction(made, ot) * Fraction(good, made) == Fraction(good, pbt)
    assert factors == (ot / pbt, made / ot, good / made)
    assert found.oee == good / pbt


@settings(deadline=None)
@given(histories(), plans, standards, st.integers(-12, 12))
def test_the_label_of_the_zone_changes_nothing(
    events: list[Journaled], planned: list[Interval], standard: StationStandard, offset_h: int
) -> None:
    """The same window and plan, written in another zone, have the same figures."""
    zone = timezone(timedelta(hours=offset_h))

    def there(interval: Interval) -> Interval:
        return Interval(interval.start.astimezone(zone), interval.end.astimezone(zone))

    moved = figures(events, there(WINDOW), [there(span) for span in planned], standard)

    assert moved == figures(events, WINDOW, planned, standard)


@settings(deadline=None)
@given(histories())
def test_a_time_line_is_gapless_and_each_unit_has_one_instant(events: list[Journaled]) -> None:
    """States touch and differ from their neighbours; every unit is there once: counted, caught up or decided last."""
    line = timeline(events)
    spans = line.states(WINDOW.end)

    assert all(left.interval.end == right.interval.start for left, right in itertools.pairwise(spans))
    assert all(left.state is not right.state for left, right in itertools.pairwise(spans))
    for kind in CountKind:
        said = sum(count.delta for count in _counted(events) if count.kind is kind)
        said += sum(_decided_last(events, kind).values())
        assert sum(count.units for count in line.counts if count.kind is kind) == said


def _decided_last(events: list[Journaled], kind: CountKind) -> dict[datetime, int]:
    """The last word on each instant's undecided reading; a history has but one of a kind at an instant."""
    words = [event.event for event in events if isinstance(event.event, CountReconciled)]
    in_order = sorted(words, key=lambda event: event.recorded_time)
    return {decision.time: decision.parts for decision in in_order if decision.kind is kind}


def _counted(events: list[Journaled]) -> list[UnitsCounted]:
    return [event.event for event in events if isinstance(event.event, UnitsCounted)]


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 10**9), st.integers(1, 400))
def test_caught_up_units_stay_inside_their_gap(n: int, length_us: int, ideal_s: int) -> None:
    """Units spread over a gap lie in it, in order; inferred time is at most units · PRI and at most the gap."""
    since, length = at(0), timedelta(microseconds=length_us)
    minutes = length / timedelta(minutes=1)
    events: list[StationEvent] = [lost(0), counted(minutes, n, since=0), restored(minutes, 0)]
    line = timeline(events)
    end: datetime = events[1].time
    standard = StationStandard(ideal_cycle={None: timedelta(seconds=ideal_s)}, minor_stop=timedelta())
    window = Interval(since, end)
    found = kpi(line, window, [window], standard, until=end)
    times = [count.time for count in line.counts]

    assert times == sorted(times)
    assert all(time in window for time in times)
    assert found.good == n
    assert found.inferred <= min(n * timedelta(seconds=ideal_s), window.length)
    assert found.inferred + found.no_data == window.length
