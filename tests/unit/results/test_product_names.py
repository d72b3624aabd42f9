"""A product that is renamed in the plant's file: its parts are neither lost nor doubled, nor taken for another one."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from changing_plant import MODBUS, STATION, Plant, at, counts, good

from mes.intervals import Interval
from mes.model import CountUnreconciled, ProductChanged, StationEvent, UnitsCounted
from mes.oee.components import Kpi
from mes.results.plant import PlantResults

BY_NAME = MODBUS.replace("ideal_cycle_s: {any: 30}", "ideal_cycle_s: {P: 30, Q: 60}")


def renamed(text: str) -> str:
    """The product P under a new name, its code in the controller as before."""
    return text.replace("products: {P:", "products: {R:").replace("{P: 30,", "{R: 30,")


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def by_product(events: list[StationEvent]) -> Counter[str | None]:
    made: Counter[str | None] = Counter()
    for event in events:
        if isinstance(event, UnitsCounted) and event.delta:
            made[event.product] += event.delta
    return made


def kpi(plant: Plant, text: str) -> Kpi:
    until = at(plant.minute) + timedelta(microseconds=1)
    with PlantResults(plant.load(text), plant.journal, now=until) as query:
        return query.results.kpi(STATION, Interval(at(0), until), until=until)


@pytest.mark.parametrize("before", [MODBUS, BY_NAME], ids=["one ideal cycle", "ideal cycles by name"])
async def test_a_renamed_product_loses_and_doubles_no_part(plant: Plant, before: str) -> None:
    """Parts made before keep the name they were journaled with; those after have the new one; the sum is the same."""
    after = renamed(before)
    assert after != before
    await plant.run(before, *good(20, 21, 23))
    old = kpi(plant, before)

    events = await plant.run(after, *good(27, 28, 30))

    assert counts(events) == [
        (0, "baseline"),
        (1, "normal"),
        (2, "normal"),
        (4, "catch_up"),
        (1, "normal"),
        (2, "normal"),
    ]
    assert not [event for event in events if isinstance(event, CountUnreconciled)]
    made = by_product(events)
    assert sum(made.values()) == 10
    assert made == {"P": 7, "R": 3}  # what was made in the gap is the product's that was in the station
    assert [event.product for event in events if isinstance(event, ProductChanged)] == ["P", "R"]
    (line,) = await plant.count_audit(after)
    assert (line.counted, line.totaliser_raw, line.difference, line.unreconciled) == (10, 30, 0, 0)
    assert (old.good, kpi(plant, after).good) == (3, 10)


async def test_what_the_old_name_has_no_ideal_cycle_for_is_unknown_until_it_is_given_again(plant: Plant) -> None:
    """Without the old name's ideal cycle OEE is not known for its parts; beside the new name the old one keeps it."""
    after = renamed(BY_NAME)
    both = after.replace("products: {R:", "products: {P: {name: Part, assembly_method: CKD, raw: [none]}, R:")
    both = both.replace("{R: 30,", "{R: 30, P: 30,")
    await plant.run(BY_NAME, *good(20, 21, 23))
    await plant.run(after, *good(27, 28, 30))

    unknown, known = kpi(plant, after), kpi(plant, both)

    assert (unknown.good, unknown.sum_pri_good) == (10, None)
    assert (known.good, known.sum_pri_good) == (10, timedelta(seconds=300))
