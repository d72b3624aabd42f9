"""The record of units where it begins anew, comes late, or is full."""

from collect_scenes import entry, live, lost, only, ring, seen, station

from mes.model import UnitCompleted, UnitsUnidentified


def test_a_full_record_far_ahead_was_overrun() -> None:
    """A ring without an empty place, all of it ahead, has overwritten what lay between."""
    done = live(
        station(),
        seen(0, baseline=True, log=ring(entry(3, -9))),
        lost(1),
        lost(1, 9000),
        seen(9000, baseline=True, log=ring(*(entry(number, 60 * number) for number in range(100, 116)))),
    )

    assert [(each.missing, each.first_sequence) for each in only(UnitsUnidentified, done)] == [(96, 4)]
    assert len(only(UnitCompleted, done)) == 16
