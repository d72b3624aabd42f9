"""Totalisers of different types at one station: signed with a reset each day, 64 bits wide, kept as a REAL."""

from pathlib import Path

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
