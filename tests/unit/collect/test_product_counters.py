"""A totaliser of each product: its unit log, its place in the plant's file, its pulses, and what comes of it."""

from dataclasses import replace

import pytest
from collect_scenes import S2, S3, at, entry, lost, only, ring, said, seen, station, watched
from fakes import PLC

from adapters.reading import Batch, TagId
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.places import adopt
from mes.collect.present import PresentTags
from mes.collect.signals import CounterSignal, Observation, StationState, ToldByCounts, signal_of, totaliser_of_signal
from mes.collect.station import StationSetup, Step, decode_state, encode_state, rebuilt
from mes.model import (
    CountFlag,
    CountKind,
    CountUnreconciled,
    ProductId,
    State,
    StateChanged,
    UnitCompleted,
    UnitsCounted,
    kind_and_product,
    totaliser_id,
)

GOOD = CountKind.GOOD
GOOD_S2, GOOD_S3 = totaliser_id(GOOD, S2), totaliser_id(GOOD, S3)
PLACE = {"good_count.S2": "plc 12", "good_count.S3": "plc 10"}


def counter(product: ProductId | None, *, pulse: bool = False) -> CounterSignal:
    """A totaliser of good units."""
    return CounterSignal(CounterSetup(GOOD, 65536, ResetPolicy.ALLOWED, 3600, product=product), pulse=pulse)


def by_product(*, log: bool = False, pulse: bool = False) -> StationSetup:
    """A station with a good totaliser for S2 and one for S3; their tags are `s2` and `s3`."""
    setup = station(log=log, max_per_hour=3600)
    others = {tag: signal for tag, signal in setup.signals.items() if tag not in ("good", "total")}
    signals = {**others, TagId("s2"): counter(S2, pulse=pulse), TagId("s3"): counter(S3, pulse=pulse)}
    return replace(setup, signals=signals, places=PLACE)


def plain(place: str) -> StationSetup:
    """The same station with one totaliser of all good units at a place."""
    setup = station(log=False, max_per_hour=3600)
    return replace(setup, signals={TagId("good"): counter(None)}, places={"good_count": place})


def told(done: Step) -> list[tuple[str, int, str, ProductId | None]]:
    """What was counted after the baselines: totaliser, units, flag, product."""
    return [
        (signal_of(totaliser_id(event.kind, event.totaliser_product)), event.delta, str(event.flag), event.product)
        for event in only(UnitsCounted, done)
        if event.flag is not CountFlag.BASELINE
    ]


def test_a_totaliser_is_named_by_its_kind_and_its_product() -> None:
    """A plain totaliser keeps the key that states had before; a name leads back to what it names."""
    assert str(totaliser_id(GOOD)) == "good"
    assert (signal_of(totaliser_id(CountKind.SCRAP)), signal_of(GOOD_S3)) == ("reject_count", "good_count.S3")
    for product in (None, S3, ProductId("S.3-b")):
        for kind in CountKind:
            totaliser = totaliser_id(kind, product)
            assert kind_and_product(totaliser) == (kind, product)
            assert totaliser_of_signal(signal_of(totaliser)) == totaliser
    assert totaliser_of_signal("unit_id.1") is None


def test_the_product_is_the_totalisers_whatever_the_station_shows() -> None:
    """A unit counts for the product of its totaliser, and so does the unit that is in the station."""
    begin = seen(0, baseline=True, product="S3", unit="LJ1", s2=5, s3=900)
    done = watched(by_product(), begin, seen(10, s2=6), seen(20, s3=902))

    assert told(done) == [("good_count.S2", 1, "normal", S2), ("good_count.S3", 2, "normal", S3)]
    assert [(event.unit, event.product) for event in only(UnitCompleted, done)] == [("LJ1", S2)]
    assert {event.totaliser_product for event in only(UnitsCounted, done)} == {S2, S3}


def test_states_of_plain_totalisers_read_as_before() -> None:
    """A state that an older program wrote is the state of the plain totaliser; those of products are beside it."""
    done = watched(plain("plc 10"), seen(0, baseline=True, good=7))
    assert b'"counters":{"good":{"raw":7,' in encode_state(done.state)
    both = watched(by_product(), seen(0, baseline=True, s2=5, s3=900)).state
    assert decode_state(encode_state(both)) == both
    assert {totaliser: known.raw for totaliser, known in both.counters.items()} == {GOOD_S2: 5, GOOD_S3: 900}


def test_states_are_rebuilt_for_each_totaliser() -> None:
    """A damaged state is made again from the last count of each totaliser."""
    done = watched(by_product(), seen(0, baseline=True, s2=5, s3=900), seen(10, s2=6), seen(20, s3=902))
    state = rebuilt(by_product().station, done.events)
    assert {totaliser: known.raw for totaliser, known in state.counters.items()} == {GOOD_S2: 6, GOOD_S3: 902}
    assert {"good_count", "good_count.S2", "good_count.S3"} <= state.qualities.keys()


# --- the unit log -----------------------------------------------------------------------------------------------------


def test_records_prove_the_units_of_the_product_that_they_name() -> None:
    """A reset in a gap is seen by the records of this product; those of the other one prove nothing for it."""
    before = ring(entry(9, -60, product="S2"))
    after = ring(*(entry(10 + n, 20 + n, product="S3" if n < 4 else "S2") for n in range(6)))
    begin = seen(0, baseline=True, product="S3", s2=50, s3=100, log=before)
    again = Observation((said("log", after, 60), said("s2", 52, 60), said("s3", 103, 60)), at(60), baseline=True)
    done = watched(by_product(log=True), begin, lost(5), lost(5, 60), again, seen(130))

    assert told(done) == [("good_count.S2", 2, "catch_up", S2), ("good_count.S3", 4, "reset", S3)]
    assert not only(CountUnreconciled, done)


def test_a_record_of_another_product_than_the_count_is_flagged_at_both() -> None:
    """Where the log names S2 and the totaliser of S3 moves, one unit may be too many and one may be missing."""
    first, second = ring(entry(9, -60), entry(10, 1)), ring(entry(9, -60), entry(10, 1), entry(11, 10, product="S2"))
    done = watched(by_product(log=True), *followed_by_one(first), seen(10, log=second, s3=102), seen(900))

    assert told(done)[1:] == [("good_count.S3", 1, "normal", S3)]
    assert {(event.totaliser_product, event.raw) for event in only(CountUnreconciled, done)} == {(S2, 50), (S3, 102)}


@pytest.mark.parametrize("late", [False, True])
def test_records_without_a_product_may_be_of_any(late: bool) -> None:
    """A log that names no products goes with the counts of all totalisers of the result, before them or after."""
    rings = [ring(*(entry(9 + n, 10 * n - 10, product="") for n in range(many))) for many in (1, 2, 3)]
    begin = seen(0, baseline=True, s2=50, s3=100, log=rings[0])
    first, second = seen(10, log=rings[1]), seen(21, log=rings[2])
    counts = [seen(9, s3=101), seen(20, s2=51)] if late else [seen(11, s3=101), seen(22, s2=51)]
    scenes = [counts[0], first, counts[1], second] if late else [first, counts[0], second, counts[1]]
    done = watched(by_product(log=True), begin, *scenes, seen(800), seen(900), seen(1000, s3=102))

    assert told(done)[:2] == [("good_count.S3", 1, "normal", S3), ("good_count.S2", 1, "normal", S2)]
    assert not [event for event in only(CountUnreconciled, done) if event.received_time < at(1000)]


def test_a_unit_of_an_unknown_product_that_no_count_followed_is_flagged_once() -> None:
    """It may be missing in any totaliser of its result: a person is asked at that of the station's product."""
    first, second = ring(entry(9, -60), entry(10, 1)), ring(entry(9, -60), entry(10, 1), entry(11, 10, product="0"))
    begin = followed_by_one(first)
    done = watched(by_product(log=True), *begin, seen(10, log=second), seen(500), seen(700), seen(800))
    [event] = only(CountUnreconciled, done)
    assert (event.totaliser_product, event.raw, event.previous_raw) == (S3, 101, 101)
    assert done.state.log is not None
    assert not done.state.log.waiting

    elsewhere = watched(by_product(log=True), *begin, seen(5, product="S9"), seen(10, log=second), seen(700))
    assert [event.totaliser_product for event in only(CountUnreconciled, elsewhere)] == [S2]


def followed_by_one(log: tuple[str, ...]) -> list[Observation]:
    """A first look, and one unit of S3 with its record, the last one of the log."""
    begin = seen(0, baseline=True, product="S3", s2=50, s3=100, log=ring(log[0]))
    return [begin, seen(1, log=log, s3=101)]


def test_unknown_records_of_a_gap_do_not_stand_for_later_units() -> None:
    """What a gap left over proves nothing ten minutes later, and no one is asked about it."""
    first, second = ring(entry(9, -60)), ring(entry(9, -60), *(entry(10 + n, 20 + n, product="") for n in range(3)))
    begin = seen(0, baseline=True, s2=50, s3=100, log=first)
    again = Observation((said("log", second, 60), said("s2", 51, 60), said("s3", 101, 60)), at(60), baseline=True)
    done = watched(by_product(log=True), begin, lost(5), lost(5, 60), again, seen(130), seen(700))

    assert told(done) == [("good_count.S2", 1, "catch_up", S2), ("good_count.S3", 1, "catch_up", S3)]
    assert not only(CountUnreconciled, done)
    assert done.state.log is not None
    assert not done.state.log.waiting


# --- places in the plant's file ---------------------------------------------------------------------------------------


def restarted(setup: StationSetup, state: StationState, *scenes: Observation) -> Step:
    """The program starts again with this file."""
    return watched(setup, lost(30), lost(30, 60), *scenes, state=adopt(setup, state, at(30)).state)


def test_a_plain_totaliser_that_becomes_one_of_a_product_goes_on() -> None:
    """At the same place it is the same register: nothing is lost, and on the way back nothing is counted again."""
    begin = watched(plain("plc 10"), seen(0, baseline=True, good=100))
    then = restarted(
        by_product(), adopt(plain("plc 10"), begin.state, at(0)).state, seen(60, baseline=True, s2=7, s3=104)
    )
    assert told(then) == [("good_count.S3", 4, "catch_up", S3)]
    assert set(then.state.counters) == {GOOD_S2, GOOD_S3}

    back = restarted(plain("plc 10"), then.state, seen(60, baseline=True, good=106))
    assert told(back) == [("good_count", 2, "catch_up", None)]
    assert set(back.state.counters) == {totaliser_id(GOOD)}
    again = restarted(by_product(), back.state, seen(60, baseline=True, s2=9, s3=106))
    [event] = only(CountUnreconciled, again)
    assert (event.totaliser_product, event.previous_raw, event.raw) == (S2, 7, 9)
    assert told(again) == [("good_count.S2", 0, "remapped", S2)]


def test_totalisers_of_products_at_other_places_begin_again_with_a_flag() -> None:
    """What was made between the last value of the one and the first of the others is for a person to decide."""
    begin = adopt(plain("plc 99"), watched(plain("plc 99"), seen(0, baseline=True, good=100)).state, at(0))
    then = restarted(by_product(), begin.state, seen(60, baseline=True, s2=7, s3=104))

    assert [(event.totaliser_product, event.previous_raw) for event in only(CountUnreconciled, then)] == [
        (S2, 100),
        (S3, 100),
    ]
    assert told(then) == [("good_count.S2", 0, "remapped", S2), ("good_count.S3", 0, "remapped", S3)]


def test_a_product_that_takes_the_place_of_another_goes_on_from_it() -> None:
    """One register is one totaliser, whatever product the file says that it counts."""
    s5 = ProductId("S5")
    begin = adopt(by_product(), watched(by_product(), seen(0, baseline=True, s2=7, s3=104)).state, at(0))
    setup = by_product()
    signals = {**{tag: signal for tag, signal in setup.signals.items() if tag != "s2"}, TagId("s5"): counter(s5)}
    setup = replace(setup, signals=signals, places={"good_count.S5": "plc 12", "good_count.S3": "plc 10"})
    then = restarted(setup, begin.state, seen(60, baseline=True, s5=9, s3=104))
    assert told(then) == [("good_count.S5", 2, "catch_up", s5)]

    elsewhere = replace(setup, places={"good_count.S5": "plc 50", "good_count.S3": "plc 10"})
    then = restarted(elsewhere, begin.state, seen(60, baseline=True, s5=9, s3=104))
    assert told(then) == []
    assert GOOD_S2 in then.state.counters  # it may come back


# --- pulses, states by counts, and what an engineer is shown ----------------------------------------------------------


def test_pulses_of_each_product_are_counted_and_flagged_by_themselves() -> None:
    """A bit for each product: an edge counts for its own, and a gap is flagged for each."""
    setup = by_product(pulse=True)
    begin = seen(0, baseline=True, s2=False, s3=False)
    pulses = [seen(1, s2=True), seen(2, s2=False, s3=True), seen(3, s3=False), seen(4, s2=True)]
    done = watched(setup, begin, *pulses)
    assert told(done) == [
        ("good_count.S2", 1, "normal", S2),
        ("good_count.S3", 1, "normal", S3),
        ("good_count.S2", 1, "normal", S2),
    ]
    after = watched(setup, lost(5), lost(5, 9), seen(9, baseline=True, s2=False, s3=False), state=done.state)
    assert {event.totaliser_product for event in only(CountUnreconciled, after)} == {S2, S3}


def test_a_part_of_any_product_tells_that_the_station_produces() -> None:
    """Without a state signal the station produces while parts come from any of its totalisers."""
    setup = by_product()
    signals = {tag: signal for tag, signal in setup.signals.items() if tag in ("s2", "s3")}
    setup = replace(setup, signals=signals, told_by_counts=ToldByCounts(at(30) - at(0)))
    scenes = [seen(20 * n, s2=100 + n) if n % 2 else seen(20 * n, s3=100 + n) for n in range(1, 6)]
    done = watched(setup, seen(0, baseline=True, s2=100, s3=100), *scenes, seen(140))
    assert [(event.state, event.time) for event in only(StateChanged, done)] == [
        (State.PRODUCING, at(0)),
        (State.DOWN, at(100)),
    ]


def test_a_totaliser_whose_product_is_not_made_stands_rightly() -> None:
    """No count although producing goes by all totalisers of a kind: only if none of them moves, something is wrong."""
    setup = by_product()
    tags = PresentTags(setup.signals, [setup], {setup.station: at(1800) - at(0)})

    def show(seconds: float, **values: int | None) -> None:
        readings = tuple(said(tag, value, seconds) for tag, value in values.items())
        tags.take(Batch(PLC, at(seconds), readings, baseline=not seconds))

    show(0, state=6, s2=5, s3=900)
    for n in range(1, 5):
        show(1000 * n, s3=900 + n)
    assert tags.findings() == ()
    show(6000)
    [finding] = tags.findings()
    assert finding.tags == ("s2", "s3")
