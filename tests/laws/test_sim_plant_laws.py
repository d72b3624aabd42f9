"""Laws of the simulated plant: the same seed gives the same day, however it is watched."""

from datetime import UTC, datetime, timedelta

from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.plant import STATIONS, Plant

MONDAY = datetime(2026, 3, 2, 3, tzinfo=UTC)
SPAN = timedelta(hours=8, minutes=45)


@settings(max_examples=examples(15), deadline=None)
@given(
    seed=st.integers(0, 1000),
    lead=st.timedeltas(timedelta(), timedelta(days=3)),
    cuts=st.lists(st.timedeltas(timedelta(), SPAN), max_size=25),
)
def test_the_cut_into_steps_changes_nothing(seed: int, lead: timedelta, cuts: list[timedelta]) -> None:
    """The same seed and start give the same changes in one step and in many, each within its own step."""
    start = MONDAY - lead
    whole, stepped = Plant(seed=seed, start=start), Plant(seed=seed, start=start)
    at_once = whole.advance(start + SPAN)
    in_steps = []
    for cut in sorted([*cuts, SPAN]):
        before = stepped.now
        part = stepped.advance(start + cut)
        assert all(before < change.time <= start + cut for change in part)
        in_steps += part

    assert in_steps == at_once
    assert sorted(at_once, key=lambda change: change.time) == at_once
    for spec in STATIONS:
        assert stepped.truth.states(spec.path) == whole.truth.states(spec.path)
        assert stepped.truth.visits(spec.path) == whole.truth.visits(spec.path)


@settings(max_examples=examples(10), deadline=None)
@given(seed=st.integers(), start=st.timedeltas(timedelta(), timedelta(days=1)), length=st.timedeltas(timedelta(), SPAN))
def test_seconds_add_up_over_any_cut(seed: int, start: timedelta, length: timedelta) -> None:
    """Seconds and counts of a whole are those of its parts, and the seconds fill the whole."""
    plant = Plant(seed=seed, start=MONDAY)
    plant.advance(MONDAY + timedelta(days=2))
    begin, middle, end = MONDAY + start, MONDAY + start + length / 2, MONDAY + start + length
    for spec in STATIONS:
        parts = plant.truth.seconds(spec.path, [(begin, middle), (middle, end)])
        assert parts == plant.truth.seconds(spec.path, [(begin, end)])
        assert sum(parts.values(), timedelta()) == end - begin
        left, right = (plant.truth.counts(spec.path, *cut) for cut in ((begin, middle), (middle, end)))
        both = plant.truth.counts(spec.path, begin, end)
        assert {result: left[result] + right[result] for result in both} == both


@settings(max_examples=examples(10), deadline=None)
@given(seed=st.integers(), length=st.timedeltas(timedelta(), SPAN), limit=st.timedeltas(timedelta(), SPAN))
def test_the_order_of_definitions(seed: int, length: timedelta, limit: timedelta) -> None:
    """Run time never exceeds planned time; a higher limit of minor stops moves loss from availability to performance
    and leaves OEE as it is; what is taken out of planned time never lowers OEE.
    """
    plant = Plant(seed=seed, start=MONDAY)
    plant.advance(MONDAY + length)
    for spec in STATIONS:
        strict = plant.truth.figures(spec.path, MONDAY, plant.now, minor_stop=timedelta())
        lax = plant.truth.figures(spec.path, MONDAY, plant.now, minor_stop=limit)
        alone = plant.truth.figures(spec.path, MONDAY, plant.now, minor_stop=limit, waits_are_planned=False)
        assert strict.run <= lax.run <= alone.planned <= lax.planned
        assert strict.oee == lax.oee
        if lax.oee is not None and alone.oee is not None:
            assert lax.oee <= alone.oee
