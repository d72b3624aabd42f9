"""Starved, blocked and charged time of the two-machine Bernoulli line, against its analytic figures."""

from collections import defaultdict
from datetime import timedelta

import pytest
from bernoulli import FIRST, SECOND, SLOT, START, analytic, histories

from mes.intervals import Interval
from mes.model import State, StationId, StationStandard
from mes.oee.causes import Cause, Link, charges
from mes.oee.kpi import kpi
from mes.oee.timeline import timeline

SLOTS = 20_000
STANDARD = StationStandard(ideal_cycle={None: SLOT}, minor_stop=timedelta())
TABLE = [  # p1, p2, N, PR, BL1, ST2 as published
    (0.9, 0.9, 1, 0.818182, 0.081818, 0.081818),
    (0.9, 0.9, 3, 0.870968, 0.029032, 0.029032),
    (0.9, 0.8, 2, 0.778702, 0.121298, 0.021298),
]


@pytest.mark.parametrize(("first", "second", "places", "production", "blocked", "starved"), TABLE)
def test_the_formulas_are_the_published_ones(
    first: float, second: float, places: int, production: float, blocked: float, starved: float
) -> None:
    """The analytic figures agree with the table to the six places that it has."""
    found = analytic(first, second, places)

    assert (found.production, found.blocked, found.starved) == pytest.approx((production, blocked, starved), abs=6e-7)


@pytest.mark.parametrize(("first", "second", "places"), [row[:3] for row in TABLE])
def test_detected_waits_match_the_line_within_one_per_cent(first: float, second: float, places: int) -> None:
    """Production, blocked and starved time come out as the model has them, each wait is charged to the other one."""
    window = Interval(START, START + SLOTS * SLOT)
    events = histories(first, second, places, slots=SLOTS, seed=1)
    lines = {FIRST: timeline(events[0]), SECOND: timeline(events[1])}
    figures = {station: kpi(line, window, [window], STANDARD, until=window.end) for station, line in lines.items()}
    expected = analytic(first, second, places)

    assert figures[SECOND].good / SLOTS == pytest.approx(expected.production, rel=0.01)
    assert figures[FIRST].blocked / window.length == pytest.approx(expected.blocked, rel=0.01)
    assert figures[SECOND].starved / window.length == pytest.approx(expected.starved, rel=0.01)

    charged = charges(lines, [Link(FIRST, SECOND)], dict.fromkeys(lines, STANDARD), [window], window, until=window.end)
    sums: dict[tuple[StationId, State, StationId | None, Cause], timedelta] = defaultdict(timedelta)
    for charge in charged:
        sums[charge.victim, charge.loss, charge.culprit, charge.cause] += charge.length
    assert sums[FIRST, State.BLOCKED, SECOND, Cause.DOWN] == figures[FIRST].blocked
    # the buffer is empty at the beginning, through nobody's fault
    assert figures[SECOND].starved - sums[SECOND, State.STARVED, FIRST, Cause.DOWN] <= 2 * SLOT
