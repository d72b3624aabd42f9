"""Totalisers of different types at one station: signed with a reset each day, 64 bits wide, kept as a REAL."""

from pathlib import Path

import pytest
from changing_plant import MODBUS, NORMAL, Plant, Shown

from mes.model import CountKind, CountUnreconciled, UnitsCounted

THREE = MODBUS.replace(
    "good_count: {address: 1, type: uint32, order: ABCD, modulus: 65536, max_per_hour: 3600}",
    """good_count: {address: 101, type: int32, order: CDAB, max_per_hour: 100000}
              reject_count: {address: 103, type: uint64, order: CDAB, max_per_hour: 100000}
              rework_count: {address: 110, type: float32, order: CDAB, modulus: 1000000, max_per_hour: 100000}""",
)


def shows(number: int) -> Shown:
    """The station after so many cycles: all three count each of them, the first one starts again at sixteen."""
    return {
        **NORMAL,
        "good_count": number % 16,
        "reject_count": 2**40 + number,
        "rework_count": float(number),
    }


async def test_each_kind_of_totaliser_is_counted_and_its_reset_flagged(tmp_path: Path) -> None:
    """40 cycles, read one by one: 40 units by each totaliser; the two resets are marked, and no person is needed."""
    events = await Plant(tmp_path).run(THREE, *map(shows, range(41)))

    counted = [event for event in events if isinstance(event, UnitsCounted)]
    for kind, resets in ((CountKind.GOOD, 2), (CountKind.SCRAP, 0), (CountKind.REWORK, 0)):
        its = [count for count in counted if count.kind is kind]
        # what was made before a reset within the same minute is shown by no totaliser
        assert sum(count.delta for count in its) == 40 - resets
        assert [str(count.flag) for count in its].count("reset") == resets
    assert not [event for event in events if isinstance(event, CountUnreconciled)]


GOOD = "good_count: {address: 1, type: uint32, order: ABCD, modulus: 65536, max_per_hour: 3600}"


@pytest.mark.parametrize(
    ("counter", "first", "step", "units"),
    [
        pytest.param("type: uint16, units_per_count: 2", 65_520, 1, 80, id="two parts a stroke, over the turn"),
        pytest.param("type: uint16, counts: down", 20, -1, 40, id="down, over zero"),
        pytest.param("type: int16, modulus: 65536", 32_750, 1, 40, id="signed, over the largest number"),
        pytest.param("type: int16, modulus: 65536, counts: down", -32_750, -1, 40, id="signed and down"),
        pytest.param("type: uint16, modulus: 1000", 980, 1, 40, id="a turn at a thousand"),
        pytest.param("type: bcd16", 9_980, 1, 40, id="BCD, over its four digits"),
        pytest.param("type: int32, modulus: 1000, signed: true", 480, 1, 40, id="a signed turn at a thousand"),
    ],
)
async def test_what_a_totaliser_shows_becomes_units(
    tmp_path: Path, counter: str, first: int, step: int, units: int
) -> None:
    """40 counts, read one by one, are so many units, whichever way the totaliser goes and whatever its turn is."""
    turn = 1000 if "1000" in counter else 10_000 if "bcd" in counter else 65536
    signed = "int16, m" in counter or "signed" in counter
    least = -turn // 2 if signed and "uint" not in counter else 0
    shown = [(first + step * number - least) % turn + least for number in range(41)]
    assert min(shown) < max(shown) - 40 or turn > 1000  # it goes over its turn
    file = MODBUS.replace(GOOD, f"good_count: {{address: 1, {counter}, max_per_hour: 7200}}")
    events = await Plant(tmp_path).run(file, *({**NORMAL, "good_count": number} for number in shown))
    counted = [event for event in events if isinstance(event, UnitsCounted)]

    assert sum(count.delta for count in counted) == units
    assert {str(count.flag) for count in counted} <= {"baseline", "normal", "rollover"}
    assert not [event for event in events if isinstance(event, CountUnreconciled)]


async def test_another_number_of_units_a_count_is_another_place(tmp_path: Path) -> None:
    """Where the file says two parts a stroke from now on, the totaliser begins again, flagged."""
    plant = Plant(tmp_path)
    await plant.run(MODBUS, {**NORMAL, "good_count": 10}, {**NORMAL, "good_count": 11})
    two = MODBUS.replace("modulus: 65536, max_per_hour: 3600", "modulus: 65536, max_per_hour: 3600, units_per_count: 2")
    events = await plant.run(two, {**NORMAL, "good_count": 12}, {**NORMAL, "good_count": 13})
    counted = [(event.delta, str(event.flag)) for event in events if isinstance(event, UnitsCounted)]

    assert counted[-2:] == [(0, "remapped"), (2, "normal")]
