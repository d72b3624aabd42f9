"""The record of units where it begins again, comes late, or is full."""

from collect_scenes import at, entry, live, lost, only, ring, seen, station

from mes.model import TimeSource, UnitCompleted, UnitsUnidentified


def test_a_record_that_begins_again_far_behind_misses_nothing() -> None:
    """Number 1 after 40000 is nearer ahead than behind; the empty places tell that it is a new record."""
    done = live(
        station(),
        seen(0, baseline=True, log=ring(entry(40000, -9))),
        seen(60, log=ring(entry(1, 58))),
        seen(90, log=ring(entry(1, 58), entry(2, 88))),
    )

    assert [completed.unit for completed in only(UnitCompleted, done)] == ["V1", "V2"]
    assert only(UnitsUnidentified, done) == []


def test_a_full_record_far_ahead_was_overrun() -> None:
    """A ring without an empty place, all of it ahead, has overwritten what lay between."""
    done = live(
        station(),
        seen(0, baseline=True, log=ring(entry(3, -9))),
        lost(1),
        lost(1, 9000),
        seen(9000, baseline=True, log=ring(*(entry(number, 60 * number) for number in range(100, 116)))),
    )

    assert [(event.missing, event.first_sequence) for event in only(UnitsUnidentified, done)] == [(96, 4)]
    assert len(only(UnitCompleted, done)) == 16


def test_a_record_that_is_read_after_its_totalisers_keeps_its_time() -> None:
    """A record that was bad at the baseline after a gap still says when in the gap its units were finished."""
    old = entry(1, -9)
    done = live(
        station(),
        seen(0, baseline=True, good=10, scrap=0, total=10, log=ring(old)),
        lost(10),
        lost(10, 3600),
        seen(3600, baseline=True, good=11, scrap=0, total=11, log=None),
        seen(3605, log=ring(old, entry(2, 600))),
    )

    assert [(completed.time, completed.time_source) for completed in only(UnitCompleted, done)] == [
        (at(600), TimeSource.CONTROLLER)
    ]
