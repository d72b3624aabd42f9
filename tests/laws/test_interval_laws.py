"""Laws of the interval algebra, against a plain picture of the minutes that each set of intervals holds."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mes.intervals import Interval, intersect, subtract, total, union

START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTES = 40


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


intervals = st.lists(
    st.tuples(st.integers(0, MINUTES), st.integers(0, MINUTES)).map(
        lambda pair: Interval(minute(min(pair)), minute(max(pair)))
    ),
    max_size=8,
)


def held(intervals: list[Interval] | tuple[Interval, ...]) -> set[int]:
    return {number for number in range(MINUTES) if any(minute(number) in one for one in intervals)}


@given(intervals)
def test_union_is_sorted_apart_and_holds_the_same(some: list[Interval]) -> None:
    """A union holds each instant that one of its parts holds, in sorted intervals that do not touch."""
    found = union(some)

    assert held(found) == held(some)
    assert all(left.end < right.start for left, right in itertools.pairwise(found))
    assert all(span.start < span.end for span in found)
    assert total(found) == timedelta(minutes=len(held(some)))


@given(intervals, intervals)
def test_intersection_and_difference_part_a_set(some: list[Interval], others: list[Interval]) -> None:
    """What is in both and what is only in the first are disjoint, and together the first."""
    left, right = union(some), union(others)
    both, only = intersect(left, right), subtract(left, right)

    assert held(both) == held(left) & held(right)
    assert held(only) == held(left) - held(right)
    assert total(both) + total(only) == total(left)


@given(intervals)
def test_clipping_is_intersecting(some: list[Interval]) -> None:
    """The part of an interval inside a window is their intersection, and None where that is empty."""
    window = Interval(minute(10), minute(25))

    for span in some:
        part = span.clip(window)
        assert ((part,) if part else ()) == intersect(union([span]), (window,))


def test_an_interval_is_aware_and_does_not_run_backwards() -> None:
    """Times without a zone and ends before starts are refused."""
    with pytest.raises(ValueError, match="aware"):
        Interval(datetime(2026, 3, 2), minute(1))  # noqa: DTZ001 - that is what is refused
    with pytest.raises(ValueError, match="aware"):
        Interval(minute(1), datetime(2026, 3, 2))  # noqa: DTZ001 - that is what is refused
    with pytest.raises(ValueError, match="ends before"):
        Interval(minute(2), minute(1))
