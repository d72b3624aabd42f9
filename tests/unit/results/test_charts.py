"""What pages and reports draw, with values computed by hand: a window of 100 minutes, so that minutes are per cent."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from events import STATION, at, counted, state
from journals import journal_of
from oee_histories import between

from mes.config.load import default_config, load
from mes.model import ReasonId, State, StationEvent
from mes.oee.components import Bucket, Kpi, Loss
from mes.results.charts import ReasonLoss, hours, pareto, share, waterfall
from mes.results.plant import Node, PlantResults

MINUTE = timedelta(minutes=1)
# 100 = 15 not planned + 5 planned stops + 10 + 4 + 3 + 8 + 7 + 6 + 2 of losses + 40 of production
KPI = Kpi(
    window=between(0, 100),
    length=100 * MINUTE,
    not_planned=20 * MINUTE,
    planned_stops=5 * MINUTE,
    in_shift=90 * MINUTE,
    down=10 * MINUTE,
    setup=4 * MINUTE,
    idle=3 * MINUTE,
    starved=8 * MINUTE,
    blocked=7 * MINUTE,
    no_data=6 * MINUTE,
    minor_stops=2 * MINUTE,
    apt=40 * MINUTE,
    inferred=timedelta(),
    good=15,
    rework=2,
    scrap=1,
    produced=18,
    sum_pri_good=30 * MINUTE,
    sum_pri_produced=36 * MINUTE,
    sum_pri_rework=4 * MINUTE,
    unreconciled=0,
    resets=0,
    failures=1,
    losses=(),
)
DOWN_TO_PRODUCING = [
    ("calendar", "total", 100, 0.0, 100.0),
    ("not_planned", "loss", 15, 85.0, 15.0),
    ("planned_stop", "loss", 5, 80.0, 5.0),
    ("pbt", "total", 80, 0.0, 80.0),
    ("down", "loss", 10, 70.0, 10.0),
    ("setup", "loss", 4, 66.0, 4.0),
    ("idle", "loss", 3, 63.0, 3.0),
    ("starved", "loss", 8, 55.0, 8.0),
    ("blocked", "loss", 7, 48.0, 7.0),
    ("no_data", "loss", 6, 42.0, 6.0),
    ("minor_stops", "loss", 2, 40.0, 2.0),
    ("apt", "total", 40, 0.0, 40.0),
]


def drawn(kpi: Kpi) -> list[tuple[str, str, float, float, float]]:
    """The bars of the waterfall: name, kind, minutes, and where they stand."""
    return [(step.name, str(step.kind), step.time / MINUTE, step.left, step.width) for step in waterfall(kpi)]


def test_the_waterfall_falls_from_the_window_to_valuable_time() -> None:
    """Each loss ends where the bar before it begins; totals begin at the left."""
    assert drawn(KPI) == [
        *DOWN_TO_PRODUCING,
        ("speed_loss", "loss", 4, 36.0, 4.0),
        ("quality_loss", "loss", 6, 30.0, 6.0),
        ("valuable", "total", 30, 0.0, 30.0),
    ]


def test_a_machine_that_beats_its_ideal_cycle_time_gains_time() -> None:
    """44 minutes of ideal time in 40 of production: the gain goes up from the bar before, and the next loss from it."""
    assert drawn(replace(KPI, sum_pri_produced=44 * MINUTE)) == [
        *DOWN_TO_PRODUCING,
        ("speed_loss", "gain", -4, 40.0, 4.0),
        ("quality_loss", "loss", 14, 30.0, 14.0),
        ("valuable", "total", 30, 0.0, 30.0),
    ]


@pytest.mark.parametrize("kpi", [replace(KPI, sum_pri_produced=None), replace(KPI, sum_pri_good=None)])
def test_without_an_ideal_cycle_time_the_waterfall_ends_at_production(kpi: Kpi) -> None:
    """Where a product without ideal cycle time was made, speed and quality losses are not known."""
    assert drawn(kpi) == DOWN_TO_PRODUCING


@pytest.mark.parametrize(
    ("part", "whole", "per_cent"),
    [(1, 4, 25.0), (1, 3, 33.333), (2, 3, 66.667), (5, 4, 100.0), (-1, 4, 0.0), (0, 4, 0.0), (1, 0, 0.0)],
)
def test_a_share_is_a_bar_inside_its_frame(part: float, whole: float, per_cent: float) -> None:
    """Three decimals, never outside 0 to 100, and no bar in an empty frame; of numbers as of times."""
    assert share(part, whole) == per_cent
    assert share(part * MINUTE, whole * MINUTE) == per_cent


def losses(*parts: tuple[Bucket, str, float, int]) -> Sequence[Loss]:
    return [Loss(bucket, ReasonId(reason), minutes * MINUTE, stops) for bucket, reason, minutes, stops in parts]


def test_losses_are_listed_by_bucket_and_reason_the_largest_first() -> None:
    """A bucket is the sum of its reasons; equal ones are in the order of their names; no reason has a name too."""
    found = pareto(
        losses(
            (Bucket.SETUP, "", 3, 1),
            (Bucket.IDLE, "", 3, 2),
            (Bucket.DOWN, "", 2, 5),
            (Bucket.DOWN, "robot", 6, 2),
            (Bucket.DOWN, "jam", 2, 1),
            (Bucket.STARVED, "", 8, 3),
        )
    )
    assert [(group.bucket, group.time / MINUTE, group.stops) for group in found] == [
        (Bucket.DOWN, 10, 8),
        (Bucket.STARVED, 8, 3),
        (Bucket.IDLE, 3, 2),
        (Bucket.SETUP, 3, 1),
    ]
    assert found[0].reasons == (
        ReasonLoss("robot", 6 * MINUTE, 2),
        ReasonLoss("jam", 2 * MINUTE, 1),
        ReasonLoss("unexplained", 2 * MINUTE, 5),
    )
    assert [[reason.reason for reason in group.reasons] for group in found[1:]] == [
        ["starved"],
        ["unexplained"],
        ["setup"],
    ]
    assert pareto([]) == ()


def test_a_line_hour_by_hour_ends_with_the_present(tmp_path: Path) -> None:
    """One unit before the shift at 8:00, then 3 and 5; at 10:20 five minutes of the third hour have been planned.

    Hours in which nothing was planned and nothing made are left out.
    """
    config = replace(load(default_config()).config, programme=None)
    events: list[StationEvent] = [state(-120, State.PRODUCING), counted(-30, 1), counted(30, 3), counted(90, 5)]
    path = tmp_path / "journal.sqlite"
    journal_of(path, events)
    with PlantResults(config, path, now=at(140)) as query:
        found = hours(query, Node(STATION, (STATION,)), between(-180, 510))

    assert [(row.window.interval, row.planned / MINUTE, row.actual, row.cumulative_actual) for row in found.rows] == [
        (between(-60, 0), 0, 1, 1),
        (between(0, 60), 60, 3, 4),
        (between(60, 120), 60, 5, 9),
        (between(120, 140), 5, 0, 9),
    ]
    assert not found.has_target
    assert {row.target for row in found.rows} == {Fraction(0)}
