"""The comparison of measured and true figures: it says ok when they agree, and it can say differs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mes.demo.compare import Counts, Measured, Station, Truth, as_json, compare, observation_interval
from mes.intervals import Interval
from mes.model import State, StationId

T0 = datetime(2026, 3, 2, 3, tzinfo=UTC)
NAME = StationId("kostanay/weld/weld-1/framing")
WINDOW = Interval(T0, T0 + timedelta(minutes=60))
OBSERVATIONS = [T0 + timedelta(seconds=5 * n) for n in range(721)]


def at(minutes: float) -> datetime:
    """An instant of the window."""
    return T0 + timedelta(minutes=minutes)


def states(*turns: tuple[float, State]) -> tuple[tuple[Interval, State], ...]:
    """Contiguous spans from the minutes at which each state begins."""
    ends = [minute for minute, _ in turns[1:]] + [60]
    return tuple((Interval(at(start), at(end)), state) for (start, state), end in zip(turns, ends, strict=True))


TRUE = states((0, State.PRODUCING), (20, State.DOWN), (30, State.PRODUCING))
GOOD = Station(
    truth=Truth(counts=Counts(5, 1, 0), states=TRUE, units=("A good #1", "B good #2"), oee=0.75),
    measured=Measured(
        counts=Counts(5, 1, 0),
        states=TRUE,
        units=("A good #1", "B good #2"),
        oee=0.75,
        availability=0.8,
        performance=1.0,
        quality=0.9,
        unreconciled=0,
    ),
    observations=OBSERVATIONS,
    excused=(),
    scan=timedelta(),
)


def verdict(station: Station) -> str:
    """The verdict over a plant of one station."""
    return compare({NAME: station}, WINDOW).verdict


def measured(**changes: object) -> Station:
    """The good station with something measured otherwise."""
    return replace(GOOD, measured=replace(GOOD.measured, **changes))  # type: ignore[arg-type]


def test_agreement_is_ok() -> None:
    """Equal figures give the verdict ok and an empty ledger."""
    outcome = compare({NAME: GOOD}, WINDOW)

    assert (outcome.verdict, outcome.lost, outcome.doubled, outcome.missing, outcome.extra) == ("ok", 0, 0, (), ())


@pytest.mark.parametrize(
    ("changed", "lost", "doubled"),
    [
        (measured(counts=Counts(4, 1, 0)), 1, 0),
        (measured(counts=Counts(5, 2, 0)), 0, 1),
        (measured(counts=Counts(5, 1, 2)), 0, 2),
        (measured(units=("A good #1",)), 0, 0),
        (measured(units=("A good #1", "B good #2", "B good #2")), 0, 0),
        (measured(units=("A good #1", "B scrap #2")), 0, 0),
        (measured(oee=0.7500001), 0, 0),
        (measured(oee=None), 0, 0),
    ],
)
def test_any_difference_differs(changed: Station, lost: int, doubled: int) -> None:
    """One unit too few, too many or other, or another OEE: the verdict is differs, and the ledger says which way."""
    outcome = compare({NAME: changed}, WINDOW)

    assert (outcome.verdict, outcome.lost, outcome.doubled) == ("differs", lost, doubled)


@pytest.mark.parametrize(("late_s", "expected"), [(0, "ok"), (9, "ok"), (11, "differs")])
def test_states_may_be_late_by_one_observation_each(late_s: float, expected: str) -> None:
    """`down` has two transitions, looked at every 5 s: 10 s of difference are allowed, more are not."""
    late = states((0, State.PRODUCING), (20, State.DOWN), (30 + late_s / 60, State.PRODUCING))

    assert verdict(measured(states=late)) == expected


HOLE = states((0, State.PRODUCING), (20, State.DOWN), (25, State.NO_DATA), (40, State.PRODUCING))


@pytest.mark.parametrize(
    ("excused", "expected"),
    [
        ((Interval(at(24), at(41)),), "ok"),
        ((), "differs"),
        ((Interval(at(26), at(41)),), "differs"),
    ],
)
def test_blindness_needs_an_excuse(excused: tuple[Interval, ...], expected: str) -> None:
    """Time without data is compared with nothing, and is forgiven only where a fault was injected."""
    assert verdict(replace(measured(states=HOLE), excused=excused)) == expected


def test_the_observation_interval_is_the_one_around_the_instant() -> None:
    """Outside the observations it is zero: there nothing is allowed."""
    assert observation_interval(OBSERVATIONS, at(1)) == timedelta(seconds=5)
    assert observation_interval(OBSERVATIONS, T0 - timedelta(seconds=1)) == timedelta()
    assert observation_interval(OBSERVATIONS, at(61)) == timedelta()


@pytest.mark.parametrize("pick", [lambda r: r["verdict"], lambda r: r["ledger"]["lost"], lambda r: r["units"]["extra"]])
def test_the_result_file_has_the_promised_keys(pick: Callable[[dict[str, object]], object]) -> None:
    """The JSON holds seeds, both sides of every station, units, ledger and verdict."""
    result = as_json(compare({NAME: GOOD}, WINDOW), WINDOW, seed=7, wall_s=1.5)

    assert pick(result) in ("ok", 0)
    assert set(result) >= {"seed", "simulated_s", "wall_s", "stations", "units", "ledger", "verdict"}
    both = result["stations"]
    assert isinstance(both, dict)
    assert set(both[NAME]["truth"]) >= {"good", "rework", "scrap", "seconds", "oee"}
    assert set(both[NAME]["measured"]) >= {
        *("good", "rework", "scrap", "seconds", "oee"),
        *("availability", "performance", "quality", "no_data_s"),
    }
