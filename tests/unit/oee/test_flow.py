"""Cycle times, waits between stations and first-time quality: each rule by itself."""

from datetime import timedelta

import pytest
from events import S3, STATION, at
from oee_histories import between

from mes.model import StationId, UnitId, UnitResult
from mes.oee.biography import Biography, Outcome, Visit, all_biographies
from mes.oee.flow import (
    Cycle,
    Dwell,
    DwellFigures,
    FirstTime,
    cycle_times,
    dwell_figures,
    dwells,
    first_time_quality,
    rolled,
    route_first_time,
    wip,
)

GOOD, REWORK, SCRAP = UnitResult.GOOD, UnitResult.REWORK, UnitResult.SCRAP
A, B, C = UnitId("A"), UnitId("B"), UnitId("C")
EOL = StationId("eol")


def visit(
    unit: UnitId,
    start: float,
    *results: tuple[float, UnitResult],
    seen: bool = True,
    passage: int = 1,
    station: StationId = STATION,
) -> Visit:
    """At a station from `start` on, with results at these minutes; entered unseen if nobody has `seen` it."""
    times = [at(start), *(at(minute) for minute, _ in results)]
    return Visit(
        station=station,
        unit=unit,
        product=S3,
        entered=at(start) if seen else None,
        left=None,
        first_seen=at(start),
        last_seen=max(times),
        results=tuple(Outcome(result, at(minute), None, None) for minute, result in results),
        passage=passage,
    )


def minutes(value: float) -> timedelta:
    return timedelta(minutes=value)


def test_a_cycle_ends_with_its_result() -> None:
    """The first cycle of a visit counts from the entry, the next one from the result before, in the result's window."""
    stays = [visit(A, 0, (9, REWORK), (17, GOOD)), visit(B, 17, (99, GOOD))]

    assert cycle_times(stays, between(0, 60)) == (Cycle(A, S3, at(9), minutes(9)), Cycle(A, S3, at(17), minutes(8)))


def test_a_cycle_needs_its_beginning() -> None:
    """A cycle whose beginning nobody saw has no length; the rework after it has."""
    stays = [visit(A, 9, (9, REWORK), (17, GOOD), seen=False)]

    assert cycle_times(stays, between(0, 60)) == (Cycle(A, S3, at(17), minutes(8)),)


def test_what_waits_between_two_stations() -> None:
    """A unit waits from its good result upstream to its entry downstream, the oldest first; scrap never waits."""
    upstream = [visit(B, 0, (9, GOOD)), visit(C, 9, (18, SCRAP)), visit(A, 18, (27, GOOD)), visit(C, 30)]
    downstream = [visit(B, 40)]

    assert wip(upstream, downstream, at(8)) == ()
    assert wip(upstream, downstream, at(9)) == (B,)
    assert wip(upstream, downstream, at(30)) == (B, A)
    assert wip(upstream, downstream, at(40)) == (A,)
    assert dwells(upstream, downstream) == (Dwell(B, at(9), at(40)), Dwell(A, at(27), None))


def test_rework_waits_upstream() -> None:
    """A body that an inspection sends back waits before the booth, not behind the inspection, until it is good."""
    topcoat = [visit(A, 0, (9, GOOD)), visit(A, 40, (49, GOOD))]
    inspection = [visit(A, 20, (29, REWORK)), visit(A, 60, (69, GOOD))]
    trim: list[Visit] = []

    assert [wip(inspection, trim, at(minute)) for minute in (30, 50, 70)] == [(), (), (A,)]
    assert [wip(inspection, topcoat, at(minute), sent=REWORK) for minute in (30, 50)] == [(A,), ()]
    assert dwells(inspection, topcoat, sent=REWORK) == (Dwell(A, at(29), at(40)),)
    assert dwells(topcoat, inspection) == (Dwell(A, at(9), at(20)), Dwell(A, at(49), at(60)))


def test_rework_in_place_waits_when_good() -> None:
    """A unit that is worked again where it stands waits from its last result on."""
    upstream = [visit(A, 0, (9, REWORK), (18, GOOD))]

    assert [wip(upstream, [], at(minute)) for minute in (10, 18)] == [(), (A,)]


def test_back_without_an_entry_downstream() -> None:
    """A unit that is seen upstream again waits no more; that was no wait for the next station."""
    upstream = [visit(A, 0, (9, GOOD)), visit(A, 20, (29, GOOD))]
    downstream = [visit(A, 35)]

    assert [wip(upstream, downstream, at(minute)) for minute in (10, 25, 30, 36)] == [(A,), (), (A,), ()]
    assert dwells(upstream, downstream) == (Dwell(A, at(29), at(35)),)


def test_an_unseen_entry_ends_a_wait_of_unknown_length() -> None:
    """A unit that came downstream unseen does not wait any more, but how long it did is not known."""
    upstream, downstream = [visit(A, 0, (9, GOOD))], [visit(A, 30, (30, GOOD), seen=False)]

    assert [wip(upstream, downstream, at(minute)) for minute in (10, 30)] == [(A,), ()]
    assert dwells(upstream, downstream) == ()


def test_clocks_of_two_controllers_differ() -> None:
    """An entry that seems to lie up to a minute before the result upstream ends a wait of no length."""
    upstream, downstream = [visit(A, 0, (9, GOOD))], [visit(A, 8.2)]

    assert wip(upstream, downstream, at(9)) == ()
    assert [dwell.length for dwell in dwells(upstream, downstream)] == [minutes(0)]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], DwellFigures(0, None, None, None)),
        ([3], DwellFigures(1, minutes(3), minutes(3), minutes(3))),
        ([9, 1, 2], DwellFigures(3, minutes(4), minutes(2), minutes(9))),
        ([9, 1, 2, 4], DwellFigures(4, minutes(4), minutes(3), minutes(9))),
    ],
)
def test_figures_of_waits(lengths: list[float], expected: DwellFigures) -> None:
    """Mean, median and longest are of the waits that are over."""
    waits = [Dwell(A, at(0), at(length)) for length in lengths]

    assert dwell_figures([*waits, Dwell(B, at(0), None)]) == expected


def test_first_results_count() -> None:
    """A unit counts with its first result, in the window where that lies; later results and passages never count."""
    stays = [
        visit(A, 0, (9, REWORK), (18, GOOD)),
        visit(B, 18, (27, GOOD)),
        visit(A, 30, (39, GOOD), passage=2),
        visit(C, 40),
    ]

    assert first_time_quality(stays, between(0, 60)) == FirstTime(2, 1)
    assert first_time_quality(stays, between(20, 60)) == FirstTime(1, 1)
    assert first_time_quality(stays, between(0, 60)).ratio == 0.5


def test_nothing_inspected() -> None:
    """Where no unit was inspected there is no ratio."""
    assert first_time_quality([], between(0, 60)).ratio is None


def test_rolled_ratio() -> None:
    """Along a route the ratios multiply; if one is not known, neither is the product."""
    assert rolled([0.5, 0.5, 1.0]) == 0.25
    assert rolled([0.5, None]) is None
    assert rolled([]) is None


def lives(*stays: Visit) -> tuple[Biography, ...]:
    by_station = {station: [stay for stay in stays if stay.station == station] for station in (STATION, EOL)}
    return all_biographies(by_station, [STATION, EOL])


def test_good_at_once_along_the_route() -> None:
    """A finished unit is good at once if its first result was so at every station where it had one."""
    found = lives(
        visit(A, 0),
        visit(A, 1, (9, GOOD), passage=2),
        visit(A, 10, (19, GOOD), station=EOL),
        visit(B, 9, (18, REWORK), (27, GOOD)),
        visit(B, 30, (39, GOOD), station=EOL),
        visit(C, 30, (39, GOOD)),
    )

    assert route_first_time(found, between(0, 60)) == FirstTime(2, 1)
    assert route_first_time(found, between(0, 30)) == FirstTime(1, 1)
    assert route_first_time(found, between(60, 90)) == FirstTime(0, 0)
