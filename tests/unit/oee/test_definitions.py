"""Definitions side by side: the same hour counted by each of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from events import at, counted, lost, restored, state
from oee_histories import CATALOGUE, between, standard

from mes.model import CountKind, State, StationEvent
from mes.oee.components import Bucket, Kpi
from mes.oee.definitions import BUILT_IN, ISO22400, NEE, STANDALONE, TAKTLINE, VORNE, Definition, Place, RollUp, apply
from mes.oee.kpi import kpi
from mes.oee.secondary_kpis import FailureCount, secondary_kpis
from mes.oee.timeline import timeline
from mes.report.rules import rules

MINUTE = timedelta(minutes=1)
# 60 min: 30 producing, 2 minor, 8 down, 5 setup, 5 starved, 4 blocked, 6 planned stop; 12 made, 9 good, 2 reworked
HISTORY: tuple[StationEvent, ...] = (
    state(0, State.PRODUCING),
    state(30, State.DOWN),
    state(32, State.SETUP),
    state(37, State.DOWN),
    state(45, State.STARVED),
    state(50, State.BLOCKED),
    state(54, State.PLANNED_STOP),
    counted(10, 9),
    counted(20, 2, CountKind.REWORK),
    counted(25, 1, CountKind.SCRAP),
)


def figures(*events: StationEvent, start: float = 0, end: float = 60) -> Kpi:
    """In that window, planned all through, manned all through."""
    window = between(start, end)
    return kpi(timeline(events), window, [window], standard(), until=at(end), manned=[window])


@pytest.mark.parametrize(
    ("definition", "planned", "run", "factors"),
    [
        (TAKTLINE, 54, 32, (32 / 54, 24 / 32, 9 / 12, 18 / 54)),
        (ISO22400, 54, 30, (30 / 54, 24 / 30, 9 / 12, 18 / 54)),
        (NEE, 54, 30, (35 / 54, 24 / 30, 9 / 12, 35 / 54 * 0.8 * 0.75)),
        (VORNE, 54, 32, (32 / 54, 24 / 32, 9 / 12, 18 / 54)),
        (STANDALONE, 45, 32, (32 / 45, 24 / 32, 9 / 12, 18 / 45)),
        (replace(TAKTLINE, planned_stops=Place.AVAILABILITY), 60, 32, (32 / 60, 24 / 32, 9 / 12, 18 / 60)),
        (replace(TAKTLINE, rework_is_good=True), 54, 32, (32 / 54, 24 / 32, 11 / 12, 22 / 54)),
        (replace(TAKTLINE, starved=Place.PERFORMANCE), 54, 37, (37 / 54, 24 / 37, 9 / 12, 18 / 54)),
    ],
)
def test_each_definition_counts_the_same_hour_its_own_way(
    definition: Definition, planned: int, run: int, factors: tuple[float, ...]
) -> None:
    """Planned time, run time and the factors follow from where the definition counts each bucket."""
    found = apply(definition, [figures(*HISTORY)])

    assert (found.planned, found.run) == (planned * MINUTE, run * MINUTE)
    assert (found.availability, found.performance, found.quality, found.oee) == pytest.approx(factors, rel=1e-15)


def test_our_own_definition_is_the_kpi_to_the_last_bit() -> None:
    """The default definition and the figures of the KPI core are one number."""
    own = figures(*HISTORY)
    found = apply(TAKTLINE, [own])

    assert (found.availability, found.performance, found.quality, found.oee) == (
        own.availability,
        own.performance,
        own.quality,
        own.oee,
    )
    assert apply(STANDALONE, [own]).oee == own.oee_standalone


def test_every_second_has_one_place_in_every_definition() -> None:
    """All buckets together are the window, wherever a definition counts them."""
    own = figures(*HISTORY)
    for definition in BUILT_IN.values():
        assert {definition.place(bucket) for bucket in Bucket} <= set(Place)
        assert sorted(rules(definition)) == list("abcdefgh")
        assert definition.source
    assert sum((own.spent(bucket) for bucket in Bucket), timedelta()) == own.length
    assert "2 min" not in rules(VORNE)["d"]
    assert "120 s" in rules(VORNE)["d"]


def test_a_performance_above_one_is_capped_only_where_a_definition_says_so() -> None:
    """Forty units of two minutes in an hour are 133 %: shown, unless a plant wants it capped."""
    fast = figures(state(0, State.PRODUCING), counted(10, 40))

    assert apply(TAKTLINE, [fast]).performance == pytest.approx(80 / 60)
    assert apply(replace(TAKTLINE, capped=True), [fast]).performance == 1


def test_the_mean_of_ratios_is_not_the_ratio_of_sums() -> None:
    """A short perfect window pulls a mean up; sums weigh every minute the same."""
    good = figures(state(0, State.PRODUCING), counted(5, 5), end=10)
    bad = figures(state(0, State.PRODUCING), counted(5, 5), start=10, end=60)
    averaging = replace(TAKTLINE, roll_up=RollUp.MEAN)

    assert apply(TAKTLINE, [good, bad]).oee == 10 / 60
    assert apply(averaging, [good, bad]).oee == 0.5
    assert apply(averaging, [good, bad]).quality == 1


def test_what_is_not_defined_is_none() -> None:
    """Nothing planned: no OEE. Nothing made in planned time: OEE is nought, though two of its factors are undefined."""
    nothing = kpi(timeline([state(0, State.DOWN)]), between(0, 60), [], standard(), until=at(60))
    stood = figures(state(0, State.DOWN))
    unknown = replace(stood, sum_pri_good=None, sum_pri_produced=None)

    assert apply(TAKTLINE, [nothing]).oee is None
    assert apply(TAKTLINE, [stood]).oee == 0
    assert apply(TAKTLINE, [stood]).performance is None
    assert apply(TAKTLINE, [unknown]).oee is None
    assert apply(TAKTLINE, [replace(stood, sum_pri_good=2 * MINUTE)]).oee is None


def test_time_without_data_goes_where_the_plant_says() -> None:
    """Ten dark minutes are a loss, no part of the plan, or taken for run time: three honest names for one choice."""
    dark = figures(state(0, State.PRODUCING), lost(50), restored(60, 50), counted(10, 20))

    assert apply(TAKTLINE, [dark]).availability == 50 / 60
    assert apply(replace(TAKTLINE, no_data=Place.EXCLUDED), [dark]).availability == 1
    assert apply(replace(TAKTLINE, no_data=Place.PERFORMANCE), [dark]).performance == 40 / 60


def test_the_secondary_kpis_of_iso() -> None:
    """TEEP, OOE, efficiencies, setup rate, ratios and mean times come from the same sums."""
    found = secondary_kpis(figures(*HISTORY))

    assert found.teep == found.ooe == 18 / 60
    assert found.utilisation == 54 / 60
    assert found.utilisation_efficiency == 30 / 45
    assert found.allocation_efficiency == 45 / 54
    assert found.technical_efficiency == 30 / 40
    assert found.setup_rate == 5 / 35
    assert (found.scrap_ratio, found.rework_ratio) == (1 / 12, 2 / 12)
    assert (found.failures, found.mtbf, found.mttr) == (1, 30 * MINUTE, 8 * MINUTE)
    other = secondary_kpis(figures(*HISTORY), FailureCount.FAILURES_AND_ONE)
    assert (other.mtbf, other.denominator) == (15 * MINUTE, FailureCount.FAILURES_AND_ONE)
    empty = secondary_kpis(figures(state(0, State.STARVED)))
    assert (empty.scrap_ratio, empty.rework_ratio, empty.mtbf, empty.mttr, empty.setup_rate) == (None,) * 5


def test_the_catalogue_of_the_tests_names_each_category() -> None:
    """The histories of the laws try every category of reason."""
    assert len({reason.category for reason in CATALOGUE.reasons.values()}) == 6
