"""Who stopped the line, in the simulated plant: what a breakdown costs is charged to the station that was broken."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

import pytest
from events import START, counted, state

from mes.config.load import default_config, load
from mes.intervals import Interval
from mes.model import (
    CountKind,
    ProductId,
    State,
    StationEvent,
    StationId,
)
from mes.oee.causes import Charge, Link, charges, lost_cars
from mes.oee.timeline import Timeline, timeline
from simulators.plant import Breakdown, Plant

BROKEN = START + timedelta(hours=2, minutes=30)
# three hours from the breakdown on: later the stores make up for some of it, and chance drives the two runs apart
WINDOW = Interval(BROKEN, BROKEN + timedelta(hours=3))
SEEDS = range(11, 17)
CONFIG = load(default_config()).config
LINKS = [Link(buffer.upstream, buffer.downstream) for buffer in CONFIG.buffers]


def lines(seed: int, *breakdowns: Breakdown) -> Mapping[StationId, Timeline]:
    """What a perfect collector would have seen of the plant."""
    plant = Plant(seed=seed, start=START, breakdowns=breakdowns, calm=True)
    plant.advance(WINDOW.end)
    found = {}
    for spec in plant.stations:
        station = StationId(spec.path)
        events: list[StationEvent] = [
            state(start, State(str(now)), station=station) for start, _, now in plant.truth.states(spec.path)
        ]
        events += [
            counted(
                unit.time,
                kind=CountKind(unit.result),
                raw=unit.sequence,
                product=ProductId(unit.product),
                station=station,
            )
            for unit in plant.truth.units(spec.path)
        ]
        found[station] = timeline(events)
    return found


def cars_by_culprit(found: Mapping[StationId, Timeline], exit_station: StationId) -> Mapping[StationId | None, float]:
    """Lost cars of the line's exit by the station that is charged."""
    planned = CONFIG.calendar.planned(Interval(START, WINDOW.end))
    charged = charges(found, LINKS, CONFIG.standards, planned, WINDOW, until=WINDOW.end)
    check_sums(found, charged)
    sums: dict[StationId | None, float] = defaultdict(float)
    for car in lost_cars(charged, found, CONFIG.standards, exit_station, planned, WINDOW, until=WINDOW.end):
        sums[car.station] += car.cars
    return sums


def check_sums(found: Mapping[StationId, Timeline], charged: tuple[Charge, ...]) -> None:
    """Every starved and blocked second of every station is charged exactly once."""
    for station, line in found.items():
        for loss in (State.STARVED, State.BLOCKED):
            waited = sum(
                (
                    part.length
                    for span in line.states(WINDOW.end)
                    if span.state is loss
                    for planned in CONFIG.calendar.planned(WINDOW)
                    if (part := span.interval.clip(planned))
                ),
                timedelta(),
            )
            told = [charge.length for charge in charged if (charge.victim, charge.loss) == (station, loss)]
            assert sum(told, timedelta()) == waited, (station, loss)


@pytest.mark.parametrize(
    ("culprit", "code", "exit_station"),
    [
        ("weld/weld-1/framing", "W030", "weld/weld-1/finish"),
        ("weld/weld-1/underbody", "W010", "weld/weld-1/finish"),
        ("paint/paint-1/primer", "P030", "paint/paint-1/inspection"),
        ("final/final-1/chassis", "F020", "final/final-1/end-of-line"),
        ("final/final-1/trim", "F010", "final/final-1/end-of-line"),
    ],
)
def test_the_broken_station_is_charged_with_what_its_breakdown_cost(culprit: str, code: str, exit_station: str) -> None:
    """Of the cars that the line lost more than without the breakdown, at least 95 % are charged to the culprit."""
    station, end = StationId(f"kostanay/{culprit}"), StationId(f"kostanay/{exit_station}")
    more = charged = 0.0
    for seed in SEEDS:
        with_it = cars_by_culprit(lines(seed, Breakdown(code, BROKEN, timedelta(minutes=90))), end)
        without = cars_by_culprit(lines(seed), end)
        more += sum(with_it.values()) - sum(without.values())
        charged += with_it[station] - without[station]

    assert more / len(SEEDS) > 3  # an hour and a half is more than nine cars, stores hold fewer
    assert charged >= 0.95 * more
