"""The simulated plant: its ledger, its working time, its buffers and its capacity."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest

from simulators.line import BREAKDOWN_FAULTS, FAULTS, MINOR_FAULTS, Change, SimState, UnitRecord
from simulators.mapping import Image, base_register, float_words, register_values
from simulators.plant import STATIONS, Plant
from simulators.shift import planned, working
from simulators.vin import ALPHABET, check_digit

MONDAY = datetime(2026, 3, 2, 3, tzinfo=UTC)  # 08:00 in Kostanay
TICK = timedelta(microseconds=1)
WEEKS_4 = timedelta(days=28)


@pytest.fixture(scope="module")
def month() -> tuple[Plant, list[Change]]:
    plant = Plant(seed=1, start=MONDAY)
    return plant, plant.advance(MONDAY + WEEKS_4)


def test_forty_cars_a_day_leave(month: tuple[Plant, list[Change]]) -> None:
    """10,000 cars a year in 250 days: on average at least 40 a day, about a quarter of them S2."""
    plant, _ = month
    good = [unit for unit in plant.truth.units(STATIONS[-1].path) if unit.result == "good"]

    assert len(good) >= 40 * 20
    assert len(good) == plant.finished
    assert 0.2 < sum(unit.product == "S2" for unit in good) / len(good) < 0.3


def test_units_are_conserved(month: tuple[Plant, list[Change]]) -> None:
    """Every car that came in was finished, was scrapped or is still there."""
    plant, _ = month
    scrapped = sum(plant.truth.counts(spec.path, plant.start, plant.now)["scrap"] for spec in STATIONS)

    assert plant.entered == plant.finished + scrapped + plant.in_process


def test_states_are_contiguous_and_exclusive(month: tuple[Plant, list[Change]]) -> None:
    """A station's states cover the time from start to now, without gap, overlap, empty span or equal neighbours."""
    plant, _ = month
    for spec in STATIONS:
        spans = plant.truth.states(spec.path)
        assert (spans[0].start, spans[-1].end) == (plant.start, plant.now)
        assert all(span.start < span.end for span in spans)
        assert all(one.end == two.start and one.state is not two.state for one, two in pairwise(spans))
        assert sum(plant.truth.seconds(spec.path, [(plant.start, plant.now)]).values(), timedelta()) == WEEKS_4


def test_idle_exactly_outside_work(month: tuple[Plant, list[Change]]) -> None:
    """Every station is idle at breaks and off shift and never within work."""
    plant, _ = month
    work = planned(plant.start, plant.now)
    for spec in STATIONS:
        idle = [(span.start, span.end) for span in plant.truth.states(spec.path) if span.state is SimState.IDLE]
        ends = [*(span.start for span in work[1:]), plant.now]
        assert idle == list(zip((span.end for span in work), ends, strict=True))


def test_only_climate_changes_outside_work(month: tuple[Plant, list[Change]]) -> None:
    """Between the end of a stretch of work and the begin of the next nothing changes but the booths' air."""
    plant, changes = month
    work = planned(plant.start, plant.now)
    pauses = [(one.end, two.start) for one, two in pairwise(work)]
    inside = iter(pauses)
    start, end = next(inside)
    found: set[str] = set()
    for change in changes:
        while change.time >= end and end != pauses[-1][1]:
            start, end = next(inside)
        if start < change.time < end:
            found.add(change.field)

    assert found == {f"process.{value.name}" for spec in STATIONS for value in spec.climate}


def test_the_air_changes_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Baths, booths and ovens draw from streams of their own: without them each car, state and fault is the same."""

    def shift() -> tuple[list[Change], list[Change]]:
        plant = Plant(seed=7, start=MONDAY)
        changes = plant.advance(MONDAY + timedelta(hours=4))
        in_air = {(spec.code, f"process.{value.name}") for spec in STATIONS for value in spec.climate}
        air = [change for change in changes if (change.station, change.field) in in_air]
        return air, [change for change in changes if (change.station, change.field) not in in_air]

    air, rest = shift()
    monkeypatch.setattr("simulators.plant.Climate.step", lambda _self, _emit: None)
    none, same = shift()

    assert air
    assert none == []
    assert rest == same


def test_each_value_of_the_air_lies_at_its_own_register() -> None:
    """Registers are filled in the order in which a station has its values, however they are told."""
    plant = Plant(seed=7, start=MONDAY)
    changes = plant.advance(MONDAY + timedelta(minutes=3))
    for spec in (station for station in STATIONS if station.code in {"P010", "P040"}):
        image = Image()
        for change in changes:
            if change.station == spec.code:
                image = image.after(change)
        told = {change.field: change.value for change in changes if change.station == spec.code}
        base = base_register(spec.code) + 30
        shown = register_values(spec.code, image)
        for place, value in enumerate(spec.climate):
            assert shown[base + 2 * place] == float_words(float(str(told[f"process.{value.name}"])))


def test_counts_are_the_records(month: tuple[Plant, list[Change]]) -> None:
    """Totals told to the controllers, records and counts of the ledger agree; sequences count from 1 without a hole."""
    plant, changes = month
    told = {(change.station, change.field): change.value for change in changes}
    for spec in STATIONS:
        units = plant.truth.units(spec.path)
        results = Counter(unit.result for unit in units)
        counts = plant.truth.counts(spec.path, plant.start, plant.now + timedelta(seconds=1))
        assert [unit.sequence for unit in units] == list(range(1, len(units) + 1))
        for result, count in counts.items():
            assert count == results[result] == told.get((spec.code, result), 0)


def test_every_completion_is_told_at_its_time(month: tuple[Plant, list[Change]]) -> None:
    """The change `completed` carries the record at the record's own time, within work."""
    plant, changes = month
    completed = [(change.time, change.value) for change in changes if change.field == "completed"]

    assert all(isinstance(unit, UnitRecord) and unit.time == time for time, unit in completed)
    assert len(completed) == sum(len(plant.truth.units(spec.path)) for spec in STATIONS)


def test_cycles_are_not_faster_than_the_ideal(month: tuple[Plant, list[Change]]) -> None:
    """Performance stays plausible: producing time is never below 0.95 of the ideal time of what was made."""
    plant, _ = month
    for spec in STATIONS:
        producing = plant.truth.seconds(spec.path, [(plant.start, plant.now)])[SimState.PRODUCING]
        ideal = sum((spec.ideal[unit.product] for unit in plant.truth.units(spec.path)), timedelta())
        assert producing >= 0.95 * ideal


def test_availability_is_that_of_a_real_plant(month: tuple[Plant, list[Change]]) -> None:
    """Every station is up 86 to 97 % of its busy time, and each is starved or blocked at times."""
    plant, _ = month
    for spec in STATIONS:
        lengths = plant.truth.seconds(spec.path, [(plant.start, plant.now)])
        up, down = lengths[SimState.PRODUCING], lengths[SimState.DOWN]
        assert 0.86 < up / (up + down) < 0.97
        assert lengths[SimState.STARVED] + lengths[SimState.BLOCKED] > timedelta()


def test_faults_change_and_come_together(month: tuple[Plant, list[Change]]) -> None:
    """In some stops one fault takes another's place, in some two are there at once; none is left when a stop ends."""
    plant, changes = month
    of_faults = [change for change in changes if change.field in FAULTS]
    for spec in STATIONS:
        first, second = ([(end, start) for start, end, _ in plant.truth.faults(spec.path, name)] for name in FAULTS)
        down = {(start, end) for start, end, state in plant.truth.states(spec.path) if state is SimState.DOWN}
        ends, starts = {end for _, end in down}, {start for start, _ in down}
        assert sum(end == start for (end, _), (_, start) in pairwise(first)) > 0
        assert {end for end, _ in second} <= ends
        assert second
        assert not {start for _, start in second} & starts
        assert all(any(start <= begun < end for start, end in down) for _, begun in first)
    numbers = {change.value for change in of_faults}
    assert numbers == {0, *BREAKDOWN_FAULTS, *MINOR_FAULTS}


def test_all_states_of_the_floor_occur_in_one_shift() -> None:
    """One shift shows several breakdowns, minor stops, set-ups, blocked and starved stations."""
    plant = Plant(seed=2, start=MONDAY)
    changes = plant.advance(MONDAY + timedelta(hours=8, minutes=30))
    faults = [change.value for change in changes if change.field == "fault" and change.value]
    states = Counter(change.value for change in changes if change.field == "state")

    assert sum(isinstance(fault, int) and fault < 900 for fault in faults) >= 3
    assert sum(isinstance(fault, int) and fault >= 900 for fault in faults) >= 10
    assert all(states[state] for state in SimState)


def test_repaint_goes_round_the_loop(month: tuple[Plant, list[Change]]) -> None:
    """A body sent back at inspection is seen again at topcoat, oven and inspection."""
    plant, _ = month
    paths = {spec.code: spec.path for spec in STATIONS}
    sent_back = [unit for unit in plant.truth.units(paths["P060"]) if unit.result == "rework"][:20]

    assert sent_back
    for body in sent_back:
        for code in ("P040", "P050", "P060"):
            later = [
                unit for unit in plant.truth.units(paths[code]) if unit.unit == body.unit and unit.time > body.time
            ]
            assert later, (body, code)


def test_rework_in_place_is_counted_again_as_good(month: tuple[Plant, list[Change]]) -> None:
    """At weld finish the record after a rework is the same body's, good or scrap."""
    plant, _ = month
    units = plant.truth.units("kostanay/weld/weld-1/finish")
    after = [two for one, two in pairwise(units) if one.result == "rework" and two.unit == one.unit]
    reworked = [unit for unit in units[:-1] if unit.result == "rework"]

    assert len(after) == len(reworked) > 0
    assert all(unit.result != "rework" for unit in after)


def test_blocked_only_when_the_next_buffer_is_full() -> None:
    """Whenever a station is blocked, the buffer that it must fill has no place for its unit."""
    plant, blocked = Plant(seed=3, start=MONDAY), 0
    for minute in range(1, 60 * 30):
        plant.advance(MONDAY + timedelta(minutes=minute))
        for station, following in zip(plant.working, STATIONS[1:], strict=False):
            if station.state is not SimState.BLOCKED:
                continue
            assert station.body is not None
            target = "P040" if station.body.repaint else following.code
            assert not plant.buffers[target].fits(repaint=station.body.repaint)
            blocked += 1

    assert blocked > 10


def test_vins_are_unique_and_checked(month: tuple[Plant, list[Change]]) -> None:
    """Each VIN has 17 legal characters and its check digit; no two cars share one."""
    plant, _ = month
    ended = [unit for spec in STATIONS for unit in plant.truth.units(spec.path)]
    left = [unit.unit for unit in plant.truth.units(STATIONS[-1].path) if unit.result == "good"]

    assert len(left) == len(set(left))
    for vin in {unit.unit for unit in ended}:
        assert len(vin) == 17
        assert set(vin) <= set(ALPHABET)
        assert vin[8] == check_digit(vin)


def test_check_digit_of_a_known_number() -> None:
    """The standard's example of seventeen ones checks to 1, and a well-known number checks to X."""
    assert check_digit("1" * 17) == "1"
    assert check_digit("1M8GDM9AXKP042788") == "X"


def test_the_snapshot_holds_every_field_once() -> None:
    """At the start each field of each station has one value, and every station that works shows its car."""
    plant = Plant(seed=4, start=MONDAY)
    snapshot = plant.snapshot()
    values = {(change.station, change.field): change.value for change in snapshot}

    assert len(values) == len(snapshot)
    assert all(change.time == MONDAY for change in snapshot)
    for spec in STATIONS:
        assert values[spec.code, "state"] is SimState.PRODUCING
        assert values[spec.code, "unit"]
        assert plant.truth.states(spec.path) == []


def test_a_start_off_shift_is_idle_until_work() -> None:
    """A plant that starts on Saturday stands idle until Monday 08:00 local, and then every station works."""
    saturday = MONDAY - timedelta(days=2)
    plant = Plant(seed=4, start=saturday)
    snapshot = plant.snapshot()
    changes = [change for change in plant.advance(MONDAY) if not change.field.startswith("process.")]

    assert {change.value for change in snapshot if change.field == "state"} == {SimState.IDLE}
    assert {(change.time, change.field, change.value) for change in changes} == {(MONDAY, "state", SimState.PRODUCING)}


def test_a_naive_start_is_refused() -> None:
    """Without a zone nobody knows when the shift begins."""
    with pytest.raises(ValueError, match="aware"):
        Plant(seed=1, start=datetime(2026, 3, 2))  # noqa: DTZ001  # the naive time is what the test is about


def test_going_back_does_nothing() -> None:
    """`advance` to the past or the present returns nothing and leaves the plant where it is."""
    plant = Plant(seed=1, start=MONDAY)

    assert plant.advance(MONDAY) == []
    assert plant.advance(MONDAY - timedelta(hours=1)) == []
    assert plant.now == MONDAY


def test_oee_is_good_ideal_time_over_planned_time() -> None:
    """OEE of the first shift equals its definition computed by hand; on a Sunday there is none."""
    plant = Plant(seed=1, start=MONDAY)
    end = MONDAY + timedelta(hours=8, minutes=30)
    plant.advance(end + timedelta(days=7))
    for spec in STATIONS:
        good = [u for u in plant.truth.units(spec.path) if u.result == "good" and u.time < end]
        expected = sum(spec.ideal[unit.product].total_seconds() for unit in good) / 27_000
        assert plant.truth.oee(spec.path, MONDAY, end) == pytest.approx(expected, abs=1e-12)
        assert plant.truth.oee(spec.path, MONDAY + timedelta(days=6), MONDAY + timedelta(days=6, hours=9)) is None


def test_a_shift_is_seven_and_a_half_hours() -> None:
    """A Monday has 7.5 h of work in four stretches, a Saturday none."""
    assert sum((span.end - span.start for span in working(MONDAY.date())), timedelta()) == timedelta(hours=7.5)
    assert working((MONDAY - timedelta(days=2)).date()) == ()


def test_figures_are_what_their_times_make_them() -> None:
    """By hand from states and records: minor stops are run time, set-up no loss, waits not planned, as one asks."""
    plant = Plant(seed=1, start=MONDAY)
    end = MONDAY + timedelta(hours=8, minutes=30)
    plant.advance(end)
    for spec in STATIONS:
        spans = plant.truth.states(spec.path)
        times = plant.truth.seconds(spec.path, [(MONDAY, end)])
        minor = [span for span in spans if span.state is SimState.DOWN and span.end - span.start < timedelta(minutes=2)]
        short = sum((span.end - span.start for span in minor), timedelta())
        lost = plant.truth.figures(spec.path, MONDAY, end, minor_stop=timedelta())
        kept = plant.truth.figures(
            spec.path, MONDAY, end, minor_stop=timedelta(minutes=2), setup_is_lost=False, waits_are_planned=False
        )
        assert (lost.planned, lost.run) == (timedelta(hours=7.5), times[SimState.PRODUCING])
        assert lost.oee is not None
        assert float(lost.oee) == plant.truth.oee(spec.path, MONDAY, end)
        assert kept.planned == lost.planned - times[SimState.STARVED] - times[SimState.BLOCKED]
        assert (kept.run, kept.setup) == (lost.run + short, times[SimState.SETUP])
        assert kept.availability == Fraction((kept.run + kept.setup) // TICK, kept.planned // TICK)


def test_figures_of_no_time_are_not_defined() -> None:
    """Off shift there is no ratio; in the first minute nothing is finished yet, and OEE is 0."""
    plant = Plant(seed=1, start=MONDAY)
    plant.advance(MONDAY + timedelta(days=7))
    path, sunday, minute = STATIONS[0].path, MONDAY + timedelta(days=6), MONDAY + timedelta(minutes=1)

    assert plant.truth.figures(path, sunday, sunday + timedelta(hours=9), minor_stop=timedelta())[5:] == (None,) * 4
    first = plant.truth.figures(path, MONDAY, minute, minor_stop=timedelta())
    assert first[5:] == (Fraction(1), Fraction(0), None, Fraction(0))


def test_visits_hold_every_record_once(month: tuple[Plant, list[Change]]) -> None:
    """A station's visits in order hold its records in order, each its own car's, and passages count from 1."""
    plant, _ = month
    for spec in STATIONS:
        visits = plant.truth.visits(spec.path)
        assert [unit for visit in visits for unit in visit.results] == plant.truth.units(spec.path)
        assert all(unit.unit == visit.unit for visit in visits for unit in visit.results)
        assert all(visit.results for visit in visits[:-1])
        assert [visit.entered for visit in visits] == sorted(visit.entered for visit in visits)
        seen = Counter[str]()
        for visit in visits:
            seen[visit.unit] += 1
            assert visit.passage == seen[visit.unit]
