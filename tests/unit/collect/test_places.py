"""A changed place in the plant's file: a new baseline with a flag, never the continuation of another totaliser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from changing_plant import MODBUS, NORMAL, OPC_UA, STATION, Plant, Shown, counts, good

from mes.collect.signals import StationState
from mes.collect.station import decode_state, encode_state
from mes.journal import Entry, Journal
from mes.model import (
    CountUnreconciled,
    FaultCleared,
    ProductChanged,
    UnitCompleted,
    UnitLeft,
    UnitsCounted,
)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


OTHER_PLACES: dict[str, tuple[str, Callable[[str], str]]] = {
    "address": (MODBUS, lambda text: text.replace("address: 1, type", "address: 501, type")),
    "table": (MODBUS, lambda text: text.replace("address: 1, type", "table: input, address: 1, type")),
    "type": (MODBUS, lambda text: text.replace("type: uint32, order: ABCD", "type: uint16")),
    "word order": (MODBUS, lambda text: text.replace("ABCD", "CDAB")),
    "modulus": (MODBUS, lambda text: text.replace("modulus: 65536", "modulus: 10000")),
    "controller": (MODBUS, lambda text: text.replace("controller: plc", "controller: other")),
    "host": (MODBUS, lambda text: text.replace("10.0.0.1", "10.0.0.9")),
    "port": (MODBUS, lambda text: text.replace("10.0.0.1, port: 502", "10.0.0.1, port: 503")),
    "unit": (MODBUS, lambda text: text.replace("port: 502, unit: 1}\n  other", "port: 502, unit: 7}\n  other")),
    "node": (OPC_UA, lambda text: text.replace("s=Good", "s=Good2")),
    "namespace": (OPC_UA, lambda text: text.replace("nsu=urn:a;s=Good", "nsu=urn:b;s=Good")),
    "url": (OPC_UA, lambda text: text.replace("PLC-1:4840", "PLC-2:4840")),
    "protocol": (MODBUS, lambda _: OPC_UA),
}
SAME_PLACES: dict[str, tuple[str, Callable[[str], str]]] = {
    "controller renamed": (MODBUS, lambda text: text.replace("plc:", "plc-new:").replace(": plc", ": plc-new")),
    "polled more often": (MODBUS, lambda text: text.replace("unit: 1}", "unit: 1, poll_interval_ms: 50}")),
    "limit corrected": (MODBUS, lambda text: text.replace("max_per_hour: 3600", "max_per_hour: 4000, reset: never")),
    "default written out": (MODBUS, lambda text: text.replace("address: 1,", "address: 1, table: holding,")),
    "host in capitals": (OPC_UA, lambda text: text.replace("PLC-1", "plc-1")),
    "url's path": (OPC_UA, lambda text: text.replace("4840/weld", "4840")),
    "another signal added": (
        MODBUS,
        lambda text: text.replace(
            "              fault_code",
            "              reject_count: {address: 40, type: uint16, max_per_hour: 60}\n              fault_code",
        ),
    ),
}


@pytest.mark.parametrize("change", OTHER_PLACES)
async def test_another_place_is_a_new_baseline_that_a_person_decides(plant: Plant, change: str) -> None:
    """Of another place nothing of the difference is counted: it is flagged, logged once and listed, then counted on."""
    before, change_of = OTHER_PLACES[change]
    after = change_of(before)
    assert after != before
    first = await plant.run(before, *good(20, 21))
    assert counts(first) == [(0, "baseline"), (1, "normal")]

    second = await plant.run(after, *good(78, 80))

    assert counts(second)[2:] == [(0, "remapped"), (2, "normal")]
    assert plant.logged == ["counter_remapped"]
    (listed,) = plant.cases(after)
    assert (listed.event.previous_raw, listed.event.raw, listed.shown) == (21, 78, ())
    assert [listed.allows(parts) for parts in (0, 57, 10**6)] == [True, True, False]
    third = await plant.run(after, *good(81))
    assert counts(third)[4:] == [(1, "catch_up")]
    assert plant.logged == ["counter_remapped"]
    (line,) = await plant.count_audit(after)
    assert (line.counted, line.totaliser_raw, line.difference) == (4, 81, 0)


@pytest.mark.parametrize("change", OTHER_PLACES)
async def test_a_lower_value_of_another_place_is_no_reset(plant: Plant, change: str) -> None:
    """A totaliser at another place that shows less than the former one did was not reset: nothing is counted."""
    before, change_of = OTHER_PLACES[change]
    await plant.run(before, *good(40, 41))

    events = await plant.run(change_of(before), *good(9))

    assert counts(events)[2:] == [(0, "remapped")]


@pytest.mark.parametrize("change", SAME_PLACES)
async def test_the_same_place_continues_the_count(plant: Plant, change: str) -> None:
    """What does not change where a totaliser is read, and a controller's new name is such, loses and flags nothing."""
    before, change_of = SAME_PLACES[change]
    after = change_of(before)
    assert after != before
    await plant.run(before, *good(20, 21))

    events = await plant.run(after, *good(24))

    assert counts(events)[2:] == [(3, "catch_up")]
    assert not [event for event in events if isinstance(event, CountUnreconciled)]
    assert plant.logged == []


async def test_two_totalisers_that_were_exchanged_count_nothing_of_each_other(plant: Plant) -> None:
    """Two stations whose counters change places: each begins with a baseline of its own, and no part is invented."""
    stations = MODBUS.replace("journal: {path", "UNUSED {path")
    head, _, tail = stations.partition("          st1:\n")
    body, _, end = tail.partition("UNUSED")

    def shifted(text: str, by: int) -> str:
        for address in (30, 20, 10, 1, 0):
            text = text.replace(f"address: {address},", f"address: {address + by},")
        return text

    def both(one: int, two: int) -> str:
        first = shifted(body, 100).replace("address: 101,", f"address: {one},")
        second = shifted(body, 200).replace("address: 201,", f"address: {two},")
        return head + "          st1:\n" + first + "          st2:\n" + second + "journal:" + end

    await plant.run(both(101, 201), *good(20))

    events = await plant.run(both(201, 101), *good(28))

    assert counts(events)[2:] == [(0, "remapped")] * 2


async def test_a_place_that_cannot_be_read_at_first_is_a_baseline_later(plant: Plant) -> None:
    """Where the new place is bad at the first look, its first good value is the baseline, restart or not."""
    before, change_of = OTHER_PLACES["address"]
    after = change_of(before)
    await plant.run(before, *good(20))

    await plant.run(after, {**NORMAL, "good_count": None})
    events = await plant.run(after, *good(500, 501))

    assert counts(events)[1:] == [(0, "remapped"), (1, "normal")]
    assert plant.logged == ["counter_remapped"]


async def test_a_counter_taken_out_for_a_while_catches_up(plant: Plant) -> None:
    """A totaliser that the file did not name for a while and names again at its old place shows what was made."""
    without = "\n".join(line for line in MODBUS.splitlines() if "good_count" not in line)
    await plant.run(MODBUS, *good(20, 21))
    await plant.run(without, NORMAL)

    events = await plant.run(MODBUS, *good(26))

    assert counts(events)[2:] == [(5, "catch_up")]


async def test_a_state_without_places_takes_the_present_ones(plant: Plant) -> None:
    """A journal of a program that knew no places goes on counting: the present file says where it was read."""
    before, change_of = OTHER_PLACES["address"]
    await plant.run(before, *good(20))
    async with Journal.open(plant.journal) as journal:
        state = decode_state((await journal.station_states())[STATION])
        assert state.places
        old = StationState(**{**{f: getattr(state, f) for f in state.__dataclass_fields__}, "places": {}})
        await journal.append(Entry(states={STATION: encode_state(old)}))

    events = await plant.run(change_of(before), *good(23))

    assert counts(events)[1:] == [(3, "catch_up")]


async def test_nothing_of_the_former_place_is_kept_as_present(plant: Plant) -> None:
    """Unit, product and fault of a place that is read no more are over, though the new place is bad at first."""
    await plant.run(MODBUS, {**NORMAL, "fault_code": 7, "good_count": 20})
    after = (
        MODBUS.replace("address: 10,", "address: 110,")
        .replace("address: 20,", "address: 120,")
        .replace("address: 30,", "address: 130,")
    )
    bad: Shown = {"state": 1, "product": None, "unit_id": None, "fault_code": None}

    events = await plant.run(after, {**bad, "good_count": 20}, {"good_count": 21})

    assert [event.unit for event in events if isinstance(event, UnitLeft) and event.baseline] == ["V1"]
    assert [event.code for event in events if isinstance(event, FaultCleared)] == ["7"]
    assert [event.product for event in events if isinstance(event, ProductChanged)] == ["P", None]
    assert [event.product for event in events if isinstance(event, UnitsCounted)][-1] is None
    assert not [event for event in events if isinstance(event, UnitCompleted)]


async def test_a_product_that_is_read_no_more_names_no_part(plant: Plant) -> None:
    """Parts are not counted for a product of which the file says no more where to read it."""
    without = "\n".join(line for line in MODBUS.splitlines() if "product: {address" not in line)
    await plant.run(MODBUS, *good(20, 21))

    events = await plant.run(without, *[{k: v for k, v in values.items() if k != "product"} for values in good(22, 23)])

    assert [event.product for event in events if isinstance(event, UnitsCounted)][1:] == ["P", None, None]
