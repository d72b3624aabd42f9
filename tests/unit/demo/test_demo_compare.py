"""The comparison of measured and true figures: it says ok when they agree, and it can say differs."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from mes.config.load import default_config, load
from mes.demo.compare import compare
from mes.demo.result import Finished, as_json
from mes.demo.truth import (
    Broken,
    Causes,
    Counts,
    Defined,
    Life,
    Lives,
    Measured,
    Ratios,
    Station,
    Stay,
    Times,
    Truth,
    broken,
    lives,
    perfect,
    station_truth,
    until_seen,
)
from mes.intervals import Interval
from mes.model import State, StationId
from mes.oee.causes import Cause, Charge, Link, charges
from mes.oee.definitions import BUILT_IN, apply
from mes.oee.kpi import kpi
from simulators.plant import STATIONS, Breakdown, Plant

T0 = datetime(2026, 3, 2, 3, tzinfo=UTC)
NAME = StationId("kostanay/weld/weld-1/framing")
WINDOW = Interval(T0, T0 + timedelta(minutes=60))
OBSERVATIONS = [T0 + timedelta(seconds=5 * n) for n in range(721)]


def at(minutes: float) -> datetime:
    """An instant of the window."""
    return T0 + timedelta(minutes=minutes)


def states(*turns: tuple[float, State]) -> tuple[tuple[Interval, State], ...]:
    """Contiguous spans from the minutes at which each state begins."""
    ends = [minute for minute, _ in turns[1:]] + [60]
    return tuple((Interval(at(start), at(end)), state) for (start, state), end in zip(turns, ends, strict=True))


TRUE = states((0, State.PRODUCING), (20, State.DOWN), (30, State.PRODUCING))
GOOD = Station(
    truth=Truth(counts=Counts(5, 1, 0), states=TRUE, units=("A good #1", "B good #2"), oee=0.75),
    measured=Measured(
        figures={"good": 5, "rework": 1, "scrap": 0, "oee": 0.75, "no_data_s": 0.0},
        states=TRUE,
        units=("A good #1", "B good #2"),
        unreconciled=0,
    ),
    observations=OBSERVATIONS,
    excused=(),
)


def verdict(station: Station) -> str:
    """The verdict over a plant of one station."""
    return compare({NAME: station}, WINDOW).verdict


def measured(**changes: object) -> Station:
    """The good station with something measured otherwise."""
    return replace(GOOD, measured=replace(GOOD.measured, **changes))  # type: ignore[arg-type]


def figures(**changes: float | None) -> Station:
    """The good station with other figures measured."""
    return measured(figures={**GOOD.measured.figures, **changes})


def test_agreement_is_ok() -> None:
    """Equal figures give the verdict ok and an empty ledger."""
    outcome = compare({NAME: GOOD}, WINDOW)

    assert (outcome.verdict, outcome.lost, outcome.doubled, outcome.missing, outcome.extra) == ("ok", 0, 0, (), ())


def test_no_oee_on_both_sides_is_ok() -> None:
    """Off shift neither side has a figure, and that agrees."""
    assert verdict(replace(figures(oee=None), truth=replace(GOOD.truth, oee=None))) == "ok"


@pytest.mark.parametrize(
    ("changed", "lost", "doubled"),
    [
        (figures(good=4), 1, 0),
        (figures(rework=2), 0, 1),
        (figures(scrap=2), 0, 2),
        (figures(good=None), 5, 0),
        (measured(units=("A good #1",)), 0, 0),
        (measured(units=("A good #1", "B good #2", "B good #2")), 0, 0),
        (measured(units=("A good #1", "B scrap #2")), 0, 0),
        (figures(oee=0.7500001), 0, 0),
        (figures(oee=None), 0, 0),
        (replace(GOOD, truth=replace(GOOD.truth, oee=None)), 0, 0),
    ],
)
def test_any_difference_differs(changed: Station, lost: int, doubled: int) -> None:
    """One unit too few, too many or other, or another OEE: the verdict is differs, and the ledger says which way."""
    outcome = compare({NAME: changed}, WINDOW)

    assert (outcome.verdict, outcome.lost, outcome.doubled) == ("differs", lost, doubled)


@pytest.mark.parametrize(("late_s", "expected"), [(0, "ok"), (19, "ok"), (21, "differs")])
def test_states_may_be_late_by_two_looks_each(late_s: float, expected: str) -> None:
    """`down` has two transitions, looked at every 5 s: 20 s of difference are allowed, more are not.

    A look may have read this part of the controller just before it changed; the next one sees it.
    """
    late = states((0, State.PRODUCING), (20, State.DOWN), (30 + late_s / 60, State.PRODUCING))

    assert verdict(measured(states=late)) == expected


HOLE = states((0, State.PRODUCING), (20, State.DOWN), (25, State.NO_DATA), (40, State.PRODUCING))


@pytest.mark.parametrize(
    ("excused", "expected"),
    [
        ((Interval(at(24), at(41)),), "ok"),
        ((), "differs"),
        ((Interval(at(26), at(41)),), "differs"),
    ],
)
def test_blindness_needs_an_excuse(excused: tuple[Interval, ...], expected: str) -> None:
    """Time without data is compared with nothing, and is forgiven only where a fault was injected."""
    assert verdict(replace(measured(states=HOLE), excused=excused)) == expected


def test_what_is_shown_is_seen_by_the_second_look_that_ends() -> None:
    """The look that is under way may have passed the place; outside the observations nothing is allowed."""
    assert until_seen(OBSERVATIONS, at(1)) == timedelta(seconds=10)
    assert until_seen(OBSERVATIONS, at(1) + timedelta(seconds=1)) == timedelta(seconds=9)
    assert until_seen(OBSERVATIONS, T0 + timedelta(seconds=3597)) == timedelta(seconds=3)  # no second look follows
    assert until_seen(OBSERVATIONS, T0 - timedelta(seconds=1)) == timedelta()
    assert until_seen(OBSERVATIONS, at(61)) == timedelta()


@pytest.mark.parametrize(("shown_s", "expected"), [(0, "differs"), (6, "ok")])
def test_a_late_scan_of_the_controller_is_allowed_for(shown_s: float, expected: str) -> None:
    """A change can be seen no earlier than the controllers' scan showed it: what a busy computer does is no fault."""
    seen = states((0, State.PRODUCING), (20, State.DOWN), (30 + 22 / 60, State.PRODUCING))
    shown = at(30) + timedelta(seconds=shown_s)
    late = replace(measured(states=seen), scans=[(at(20), at(20)), (at(30), shown), (at(60), at(60))])

    assert verdict(late) == expected


def test_time_that_nobody_told_of_is_time_without_data() -> None:
    """States that begin late or end early leave a hole like any other, which needs an excuse."""
    late = ((Interval(at(10), at(60)), State.PRODUCING),)

    problems = compare({NAME: measured(states=late)}, WINDOW).problems

    assert any("600.000 s without data and without a fault" in problem for problem in problems)


def test_a_state_at_another_time_differs() -> None:
    """Equal sums of seconds are not enough: a stop of the right length an hour's third too late is another stop."""
    elsewhere = states((0, State.PRODUCING), (40, State.DOWN), (50, State.PRODUCING))

    (problem,) = compare({NAME: measured(states=elsewhere)}, WINDOW).problems
    assert "1200.000 s in another state" in problem


def shown(*minutes: float, code: str = "E7") -> dict[str, list[Interval]]:
    """A fault from the first minute to the second, and so on."""
    return {code: [Interval(at(start), at(end)) for start, end in zip(minutes[::2], minutes[1::2], strict=True)]}


@pytest.mark.parametrize(
    ("true", "seen", "problem"),
    [
        (shown(20, 30), shown(20.1, 30.1), None),
        (shown(20, 30), shown(20.5, 30), "fault E7 was not seen for 20.000 s"),
        (shown(20, 30), shown(20, 31), "fault E7 was seen for 50.000 s, in which no controller showed it"),
        (shown(20, 30), {}, "fault E7 was not seen for 590.000 s"),
        (shown(20, 30), shown(20, 30, code="E8"), "fault E8 was seen for 600.000 s, in which no controller showed it"),
        (shown(20, 20.1), {}, None),
        (shown(20, 25, 25.1, 30), shown(20, 30), None),
        (shown(20, 24, 26, 30), shown(20, 30), "fault E7 was seen for 110.000 s, in which no controller showed it"),
    ],
)
def test_faults_are_those_that_the_controllers_showed(
    true: dict[str, list[Interval]], seen: dict[str, list[Interval]], problem: str | None
) -> None:
    """Each is seen up to two looks of 5 s late; a code that nobody showed, or one that nobody saw, differs."""
    both = replace(measured(faults=seen), truth=replace(GOOD.truth, faults=true))
    problems = compare({NAME: both}, WINDOW).problems
    assert any(problem in found for found in problems) if problem else problems == ()


def test_faults_are_compared_while_the_station_is_watched() -> None:
    """Time without data and faults on purpose excuse a difference; the time around them does not."""
    both = replace(measured(faults={}), truth=replace(GOOD.truth, faults=shown(20, 30)))
    assert compare({NAME: replace(both, excused=(Interval(at(19), at(31)),))}, WINDOW).verdict == "ok"
    assert compare({NAME: replace(both, excused=(Interval(at(19), at(29)),))}, WINDOW).verdict == "differs"
    assert compare({NAME: replace(both, others=((),))}, WINDOW).verdict == "ok"


def test_what_nobody_could_decide_needs_a_fault() -> None:
    """An unreconciled count is a problem where no fault was injected, even if all counts agree."""
    assert verdict(measured(unreconciled=1)) == "differs"
    assert verdict(replace(measured(unreconciled=1), excused=(Interval(at(1), at(2)),))) == "ok"


TIMES = Times(
    planned=timedelta(minutes=60),
    run=timedelta(minutes=50),
    setup=timedelta(),
    made=timedelta(minutes=50),
    good=timedelta(minutes=45),
)
DEFINED = Defined(ratios=TIMES.ratios(), times=TIMES, minor_stop=timedelta(minutes=2))


def defined(*, true: Defined = DEFINED, **changes: float | None) -> Station:
    """The good station with one definition, and something measured otherwise under it."""
    seen = asdict(DEFINED.ratios) | changes
    return replace(
        GOOD,
        truth=replace(GOOD.truth, definitions={"taktline": true}),
        measured=replace(GOOD.measured, definitions={"taktline": seen}),
    )


# two turns of 5 s each: run time may be measured as 50 min less or more 10 s
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (defined(), "ok"),
        (defined(oee=0.7500001), "differs"),
        (defined(quality=0.91), "differs"),
        (defined(availability=(3000 + 19) / 3600), "ok"),
        (defined(availability=(3000 + 21) / 3600), "differs"),
        (defined(performance=3000 / (3000 - 19)), "ok"),
        (defined(performance=3000 / (3000 - 21)), "differs"),
        (defined(performance=None), "differs"),
        (replace(GOOD, truth=defined().truth), "differs"),
    ],
)
def test_figures_under_a_definition(changed: Station, expected: str) -> None:
    """OEE and quality are exact, availability and performance as near as the states may be; none may be missing."""
    assert verdict(changed) == expected


def test_what_a_definition_leaves_out_has_the_slack_of_its_states() -> None:
    """Set-up and waits without a turn have none: then NEE and a stand-alone OEE are exact as well."""
    other = replace(DEFINED, setup_is_lost=False, waits_are_planned=False, minor_stop=timedelta())

    assert verdict(defined(true=other)) == "ok"
    assert verdict(defined(true=other, oee=0.751)) == "differs"


@pytest.mark.parametrize(("limit_min", "expected"), [(2, "differs"), (10, "ok")])
def test_a_stop_at_the_limit_may_be_minor_or_not(limit_min: float, expected: str) -> None:
    """A stop of ten minutes may be run time or not if the limit is ten minutes; if it is two, it is none."""
    true = replace(DEFINED, minor_stop=timedelta(minutes=limit_min))

    assert verdict(defined(true=true, availability=1.0)) == expected


@pytest.mark.parametrize(("apart_s", "expected"), [(5, "ok"), (60, "differs")])
def test_two_stops_may_be_seen_as_one(apart_s: float, expected: str) -> None:
    """Two minor stops with less between them than an observation may be measured as one that is none."""
    again = 30 + apart_s / 60
    stops = ((0, State.PRODUCING), (20, State.DOWN), (30, State.PRODUCING), (again, State.DOWN), (40, State.PRODUCING))
    true = defined(true=replace(DEFINED, minor_stop=timedelta(minutes=12)), availability=0.6)
    both = replace(
        true, truth=replace(true.truth, states=states(*stops)), measured=replace(true.measured, states=states(*stops))
    )

    assert verdict(both) == expected


@pytest.mark.parametrize(("availability", "expected"), [(48 / 60, "ok"), (46.4 / 60, "differs")])
def test_a_minor_stop_whose_end_was_seen_late_may_be_none(availability: float, expected: str) -> None:
    """A controller that answers slowly makes a stop longer: beyond the limit all of it is lost, not its true length.

    A minute of stop in six without an answer: either end may be seen six late, so that up to thirteen may be lost.
    """
    stop = states((0, State.PRODUCING), (20, State.DOWN), (21, State.PRODUCING))
    seen = states((0, State.PRODUCING), (20, State.DOWN), (30, State.PRODUCING))
    times = replace(TIMES, run=timedelta(minutes=60))
    true = Defined(ratios=times.ratios(), times=times, minor_stop=timedelta(minutes=5))
    looks = [observation for observation in OBSERVATIONS if not at(20) < observation < at(26)]
    performance = 50 / 60 / availability
    both = defined(true=true, availability=availability, performance=performance, oee=times.ratios().oee)
    both = replace(
        both,
        truth=replace(both.truth, states=stop),
        measured=replace(both.measured, states=seen),
        observations=looks,
    )

    assert verdict(both) == expected


def test_a_figure_that_may_not_be_defined_may_be_missing() -> None:
    """A shift that may have been waiting all through, as far as one could see, may have no stand-alone OEE."""
    times = replace(TIMES, planned=timedelta(seconds=5), made=timedelta(), good=timedelta(), run=timedelta())
    waiting = states((0, State.STARVED), (59, State.PRODUCING))
    true = Defined(ratios=times.ratios(), times=times, minor_stop=timedelta(), waits_are_planned=False)
    both = defined(true=true, availability=None, performance=None, quality=None, oee=None)
    truth, seen = replace(both.truth, states=waiting), replace(both.measured, states=waiting)

    assert verdict(replace(both, truth=truth, measured=seen)) == "ok"


def test_without_a_time_to_divide_by_there_is_no_figure() -> None:
    """Nothing planned: neither availability nor OEE; set-up that is no loss is not lost in OEE."""
    nothing = replace(TIMES, planned=timedelta(), run=timedelta(), made=timedelta(), good=timedelta())

    assert nothing.ratios() == Ratios(None, None, None, None)
    assert replace(nothing, planned=timedelta(minutes=1)).ratios() == Ratios(0.0, None, None, 0.0)
    assert replace(TIMES, setup=timedelta(minutes=10)).ratios().oee == pytest.approx(1.0 * 1.0 * 0.9)


STAYS = (Stay(NAME, 1, ("rework",), T0), Stay(NAME, 2, ("good",), at(20)))


def ways(*seen: Stay, loops: int = 1) -> tuple[str, int]:
    """The verdict, and how many lives differ, if one car's two visits were measured as `seen`."""
    both = Lives({"A": Life(STAYS, 1)}, {"A": Life(seen, loops)} if seen else {})
    outcome = compare({NAME: GOOD}, WINDOW, both)
    return outcome.verdict, outcome.lives_that_differ


def test_a_way_is_its_visits_their_passages_and_results() -> None:
    """One visit or one loop less, another result or order, or no life at all: the biography differs."""
    first, second = STAYS

    assert ways(first, second) == ("ok", 0)
    assert ways(first, second, loops=0) == ("differs", 1)
    assert ways(first, loops=0) == ("differs", 1)
    assert ways(first, replace(second, results=("scrap",))) == ("differs", 1)
    assert ways(first, replace(second, results=())) == ("differs", 1)
    assert ways(second, first) == ("differs", 1)
    assert ways() == ("differs", 1)


@pytest.mark.parametrize(
    ("late_s", "expected"), [(0, "ok"), (10, "ok"), (-10, "ok"), (11, "differs"), (None, "differs")]
)
def test_a_coming_is_seen_within_two_observations(late_s: float | None, expected: str) -> None:
    """A car that came while somebody looked, every 5 s, must have been seen to come, and at that time."""
    entered = None if late_s is None else at(20) + timedelta(seconds=late_s)

    assert ways(STAYS[0], replace(STAYS[1], entered=entered))[0] == expected


def test_a_coming_that_nobody_could_see_is_forgiven() -> None:
    """A car that was there at the start, or came in a gap, need not have been seen to come."""
    unseen = tuple(replace(stay, entered=None) for stay in STAYS)
    hole = states((0, State.PRODUCING), (19, State.NO_DATA), (30, State.PRODUCING))
    blind = replace(measured(states=hole), excused=(Interval(at(18), at(31)),))
    both = Lives({"A": Life(STAYS, 1)}, {"A": Life(unseen, 1)})

    assert ways(unseen[0], STAYS[1]) == ("ok", 0)
    assert compare({NAME: blind}, WINDOW, both).verdict == "ok"


FIRST, OTHER = StationId("kostanay/weld/weld-1/respot"), StationId("kostanay/paint/paint-1/primer")
LINE = {FIRST: replace(GOOD, controller="weld"), NAME: replace(GOOD, controller="weld"), OTHER: GOOD}


def charge(culprit: StationId | None, minutes: float, *, victim: StationId = NAME) -> Charge:
    """A wait from minute 10 on that one station is charged with."""
    part = Interval(at(10), at(10 + minutes))
    return Charge(victim, State.STARVED, culprit, Cause.DOWN, part, part.length)


@pytest.mark.parametrize(
    ("true", "seen", "expected"),
    [
        (charge(FIRST, 10), charge(FIRST, 10), "ok"),
        (charge(FIRST, 10), charge(FIRST, 10.3), "ok"),
        (charge(FIRST, 10), charge(FIRST, 10.5), "ok"),  # a tenth of it may go elsewhere
        (charge(FIRST, 10), charge(FIRST, 12), "differs"),
        (charge(FIRST, 10), replace(charge(FIRST, 10), cause=Cause.MINOR_STOPS), "ok"),
        (charge(FIRST, 10), replace(charge(FIRST, 10), cause=Cause.SETUP), "differs"),
        (charge(FIRST, 10), charge(NAME, 10), "differs"),
        (charge(FIRST, 10, victim=OTHER), charge(NAME, 10, victim=OTHER), "ok"),
        (charge(None, 10), charge(None, 10), "ok"),
    ],
)
def test_charges_are_those_of_a_perfect_observer(true: Charge, seen: Charge, expected: str) -> None:
    """Two ends of 5 s on both sides are 20 s; a stop may be minor; between two controllers a charge may be moved."""
    assert compare(LINE, WINDOW, causes=Causes(truth=(true,), measured=(seen,))).verdict == expected


def test_charges_across_a_fault_are_passed_over() -> None:
    """Where a station between victim and culprit had a fault, nobody knows what it would have been charged with."""
    dark = LINE | {NAME: replace(LINE[NAME], excused=(Interval(at(1), at(2)),))}
    causes = Causes(truth=(charge(FIRST, 10, victim=OTHER),))

    assert compare(dark, WINDOW, causes=causes).verdict == "ok"


def test_every_wait_is_charged() -> None:
    """The charges of a station are as long as it waited, to the microsecond."""
    one = charge(FIRST, 10)
    waits = {(NAME, State.STARVED): 600.0, (NAME, State.BLOCKED): 0.0}
    more = waits | {(NAME, State.BLOCKED): 1e-6}

    assert compare(LINE, WINDOW, causes=Causes(truth=(one,), measured=(one,), waits=waits)).verdict == "ok"
    assert compare(LINE, WINDOW, causes=Causes(truth=(one,), measured=(one,), waits=more)).verdict == "differs"


def test_who_broke_is_blamed() -> None:
    """A long breakdown is what its neighbours waited for, and nobody else, even if a perfect observer said so."""
    one = charge(FIRST, 10)
    blamed = Broken(FIRST, frozenset({(NAME, State.STARVED)}), WINDOW)
    causes = Causes(truth=(one,), measured=(one,), broken=(blamed,))

    assert compare(LINE, WINDOW, causes=causes).verdict == "ok"
    assert compare(LINE, WINDOW, causes=replace(causes, broken=(replace(blamed, station=OTHER),))).verdict == "differs"
    assert compare(LINE, WINDOW, causes=Causes(broken=(blamed,))).verdict == "differs"


CONFIG = load(default_config()).config
LINKS = [Link(buffer.upstream, buffer.downstream) for buffer in CONFIG.buffers]


@pytest.mark.parametrize("hours", [0.0, 0.001, 0.4, 2.1, 8.5, 10.0, 26.0])
def test_a_perfect_observer_has_the_true_figures(hours: float) -> None:
    """From no time at all, through breaks and the shift's end, to the next day: both ways of counting agree exactly."""
    plant = Plant(seed=3, start=T0)
    plant.advance(T0 + timedelta(hours=hours))
    window = Interval(T0, plant.now + timedelta(minutes=5 * (hours > 0)))  # it stands still for a while
    plant.truth.reach(window.end)
    planned = CONFIG.calendar.planned(window)
    for station, standard in CONFIG.standards.items():
        line = perfect(plant.truth, station)
        for name, true in station_truth(plant.truth, station, standard, window).definitions.items():
            rule = replace(standard, minor_stop=BUILT_IN[name].minor_stop or standard.minor_stop)
            seen = apply(BUILT_IN[name], [kpi(line, window, planned, rule, until=window.end)])
            for ratio in ("availability", "performance", "quality", "oee"):
                expected = getattr(true.ratios, ratio)
                assert getattr(seen, ratio) == (expected if expected is None else pytest.approx(expected, abs=1e-9))
                assert getattr(true.times.ratios(), ratio) == (
                    expected if expected is None else pytest.approx(expected, abs=1e-12)
                )


def test_true_lives_have_loops() -> None:
    """A day has repaints; every loop is a visit of topcoat, oven or inspection once more."""
    plant = Plant(seed=3, start=T0)
    plant.advance(T0 + timedelta(hours=30))
    found = lives(plant.truth, [StationId(spec.path) for spec in plant.stations])
    again = [stay for life in found.values() for stay in life.stays if stay.passage > 1]

    assert sum(life.loops for life in found.values()) == len(again) > 2
    assert {stay.station.rpartition("/")[2] for stay in again} <= {"topcoat", "oven", "inspection"}


@pytest.mark.parametrize("code", [spec.code for spec in STATIONS])
def test_a_long_breakdown_is_charged_to_who_broke(code: str) -> None:
    """Whichever station breaks for an hour and a half, its neighbours' waits are charged to it."""
    breakdown = Breakdown(code, T0 + timedelta(minutes=40), timedelta(minutes=90))
    plant = Plant(seed=4, start=T0, breakdowns=(breakdown,), calm=True)
    window = Interval(T0, T0 + timedelta(hours=4))
    plant.advance(window.end)
    lines = {station: perfect(plant.truth, station) for station in CONFIG.setups}
    planned = CONFIG.calendar.planned(window)
    charged = charges(lines, LINKS, CONFIG.standards, planned, window, until=window.end)
    blamed = broken(plant, (breakdown,), window, LINKS)
    everybody = dict.fromkeys(CONFIG.setups, GOOD)

    assert [failure.station for failure in blamed] == [spec.path for spec in STATIONS if spec.code == code]
    causes = Causes(truth=charged, measured=charged, broken=blamed)
    assert not [problem for problem in compare(everybody, WINDOW, causes=causes).problems if "broke down" in problem]


def test_a_breakdown_that_hardly_was_blames_nobody() -> None:
    """After the end of the run, or shorter than half an hour, a breakdown proves nothing."""
    late = Breakdown("W030", T0 + timedelta(hours=5), timedelta(hours=1))
    short = Breakdown("W030", T0 + timedelta(minutes=10), timedelta(minutes=10))
    plant = Plant(seed=4, start=T0, breakdowns=(short,), calm=True)
    plant.advance(WINDOW.end)

    assert broken(plant, (late, short), WINDOW, LINKS) == ()


@pytest.mark.parametrize("pick", [lambda r: r["verdict"], lambda r: r["ledger"]["lost"], lambda r: r["units"]["extra"]])
def test_the_result_file_has_the_promised_keys(pick: Callable[[dict[str, object]], object]) -> None:
    """The JSON holds seeds, both sides of every station, units, ledger and verdict."""
    outcome = compare({NAME: defined()}, WINDOW)
    result = as_json(Finished(outcome, WINDOW, {}, wall_s=1.5, stopped_early=False), seed=7)

    assert pick(result) in ("ok", 0)
    assert set(result) >= {"seed", "simulated_s", "wall_s", "stations", "units", "ledger", "verdict"}
    assert result["biographies"] == {"units": 0, "differ": 0}
    assert result["causes"] == {"charged_s": 0.0, "charged_otherwise_s": 0.0}
    both = result["stations"]
    assert isinstance(both, dict)
    assert both[NAME]["definitions"] == {"taktline": {"truth": 0.75, "measured": 0.75}}
    assert set(both[NAME]["truth"]) >= {"good", "rework", "scrap", "seconds", "oee"}
    assert set(both[NAME]["measured"]) >= {
        *("good", "rework", "scrap", "oee", "no_data_s"),
        *("seconds", "unobserved_s"),
    }
