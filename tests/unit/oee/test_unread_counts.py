"""A counter that cannot be read: its counts are not known, or at least so many, and never 0."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from collect_scenes import at, live, seen, station

from mes.calendar import Window, WindowKind
from mes.collect.signals import StationState
from mes.intervals import Interval
from mes.model import CountKind, ProductId, StationStandard, TotaliserId, totaliser_id
from mes.oee.components import Kpi, KpiFlag, combine
from mes.oee.kpi import kpi
from mes.oee.programme import hour_by_hour
from mes.oee.secondary_kpis import secondary_kpis
from mes.oee.timeline import timeline
from mes.oee.unread import UnreadCount, unknown_figures, unread_counts, without_unread

GOOD, REWORK, SCRAP, TOTAL = CountKind.GOOD, CountKind.REWORK, CountKind.SCRAP, CountKind.TOTAL
WINDOW = Interval(at(0), at(3600))
IDEAL: dict[ProductId | None, timedelta] = {None: timedelta(seconds=60)}
STANDARD = StationStandard(ideal_cycle=IDEAL, minor_stop=timedelta(), counted=frozenset({GOOD, SCRAP}))


def ids(*kinds: CountKind) -> frozenset[TotaliserId]:
    """The totalisers of these kinds."""
    return frozenset(map(totaliser_id, kinds))


def station_after(*values: dict[str, object], every_s: float = 600) -> StationState:
    """The state of a station whose tags showed these in turn, every ten minutes."""
    scenes = [seen(every_s * place, baseline=not place, **value) for place, value in enumerate(values)]  # type: ignore[arg-type]
    return live(station(log=False), *scenes).state


def made() -> Kpi:
    """Sixty good parts and one of scrap in an hour of producing."""
    scenes = [seen(0, baseline=True, state=6, good=0, scrap=0), *(seen(60 * n, good=n) for n in range(1, 60))]
    done = live(station(log=False), *scenes, seen(3590, scrap=1))
    return kpi(timeline(done.events), WINDOW, [WINDOW], STANDARD, until=WINDOW.end)


@pytest.mark.parametrize("wrong", [None, (17, 18), "17"])
def test_a_counter_that_was_never_readable_is_unread_from_the_first_look(wrong: object) -> None:
    """Refused, an array or a text: it was never read, and every window says so."""
    state = station_after({"state": 6, "good": wrong, "scrap": 0})
    assert unread_counts(state, ids(GOOD, SCRAP)) == (UnreadCount(GOOD, at(0), ever=False),)


def test_a_counter_that_turned_bad_is_unread_since_then_and_read_again_after() -> None:
    """From the first value that could not be read to the next one that can."""
    values: list[dict[str, object]] = [{"good": 5}, {"good": None}, {"good": None}]
    assert unread_counts(station_after(*values), ids(GOOD)) == (UnreadCount(GOOD, at(600), ever=True),)
    assert unread_counts(station_after(*values, {"good": 7}), ids(GOOD)) == ()


def test_a_counter_that_no_reading_ever_named_was_never_read() -> None:
    """A tag of the plant's file that is not delivered is not known; a counter that is not in the file is none."""
    assert unread_counts(station_after({"state": 6}), ids(TOTAL)) == (UnreadCount(TOTAL, None, ever=False),)
    assert unread_counts(station_after({"good": None}), []) == ()


@pytest.mark.parametrize(
    ("since", "ever", "affects", "hides"),
    [
        (at(-60), True, True, True),
        (at(0), True, True, True),
        (at(1800), True, True, False),
        (at(3600), True, False, False),
        (at(1800), False, True, True),
        (None, True, True, True),
    ],
)
def test_which_windows_an_unread_counter_takes_units_from(
    since: datetime | None, ever: bool, affects: bool, hides: bool
) -> None:
    """All of a window that begins later; a part of the one in which it was still read; nothing of one before."""
    unread = UnreadCount(GOOD, since, ever=ever)
    assert (unread.affects(WINDOW), unread.hides(WINDOW)) == (affects, hides)


@pytest.mark.parametrize(
    ("counted", "unread", "unknown"),
    [
        ({GOOD, SCRAP}, {GOOD}, {"good", "produced"}),
        ({GOOD, SCRAP}, {SCRAP}, {"scrap", "produced"}),
        ({GOOD, REWORK}, {REWORK}, {"rework", "produced"}),
        ({TOTAL, SCRAP}, {SCRAP}, {"scrap", "good"}),
        ({TOTAL, SCRAP}, {TOTAL}, {"good", "produced"}),
        ({TOTAL, GOOD, SCRAP}, {SCRAP}, {"scrap"}),
        ({TOTAL, GOOD, SCRAP}, {TOTAL}, {"produced"}),
        ({TOTAL, GOOD}, set(), set()),
    ],
)
def test_what_follows_from_a_counter_that_is_not_read(
    counted: set[CountKind], unread: set[CountKind], unknown: set[str]
) -> None:
    """What is counted by it, and what is the sum or the rest of what is."""
    assert unknown_figures(frozenset(unread), counted) == unknown


def test_oee_with_an_unknown_count_is_not_known() -> None:
    """No ratio is made of it, none is 0, and the figures say why; what does not need it stays."""
    whole = made()
    found = without_unread(whole, [UnreadCount(GOOD, None, ever=False)], STANDARD.totalisers)
    assert whole.oee is not None
    assert (found.count("good"), found.count("produced"), found.count("scrap")) == (None, None, 1)
    assert (found.oee, found.performance, found.quality, found.quality_count) == (None, None, None, None)
    assert secondary_kpis(found).scrap_ratio is None
    assert found.availability == whole.availability
    assert found.flags == {KpiFlag.COUNTS_NOT_READ}
    rework = without_unread(whole, [UnreadCount(REWORK, None, ever=False)], ids(TOTAL, GOOD, REWORK))
    assert (rework.count("good"), rework.sum_pri_rework, rework.oee) == (whole.good, None, whole.oee)


def test_a_counter_that_stopped_in_the_window_leaves_at_least_so_many() -> None:
    """What was counted before stands, with a flag; a window before it is as it was."""
    whole = made()
    found = without_unread(whole, [UnreadCount(GOOD, at(3000), ever=True)], STANDARD.totalisers)
    assert (found.count("good"), found.oee) == (whole.good, whole.oee)
    assert KpiFlag.COUNTS_NOT_READ in found.flags - whole.flags
    assert without_unread(whole, [UnreadCount(GOOD, at(3600), ever=True)], STANDARD.totalisers) is whole


def test_a_line_with_an_unknown_count_is_not_known() -> None:
    """The sum of a known and an unknown count is unknown, and so is the OEE of both."""
    whole = made()
    both = combine([whole, without_unread(whole, [UnreadCount(GOOD, None, ever=False)], STANDARD.totalisers)])
    assert (both.count("good"), both.count("scrap"), both.oee) == (None, 2, None)
    assert KpiFlag.COUNTS_NOT_READ in both.flags
    assert combine([whole, replace(whole, units_missing=True)]).units_missing


def test_hours_with_an_unknown_count_have_no_sum() -> None:
    """The board by the hour: the hour is not known, and neither is the sum from there on, if work was planned in it."""
    whole = made()
    hour = Window(WindowKind.HOUR, "hour", WINDOW.start.date(), WINDOW)
    lost = without_unread(whole, [UnreadCount(GOOD, None, ever=False)], STANDARD.totalisers)
    rows = hour_by_hour([(hour, whole), (hour, lost), (hour, whole)], [Fraction(1)] * 3)
    assert [(row.actual, row.cumulative_actual) for row in rows] == [(59, 59), (None, None), (59, None)]
    unplanned = replace(lost, not_planned=lost.length)
    rows = hour_by_hour([(hour, whole), (hour, unplanned), (hour, whole)], [Fraction(1)] * 3)
    assert [(row.actual, row.cumulative_actual) for row in rows] == [(59, 59), (None, 59), (59, 118)]
