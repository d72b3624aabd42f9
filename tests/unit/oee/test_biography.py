"""Visits, lives and process values: each fact by itself, and a simulated shift as a whole."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from events import S3, STATION, at, completed, entered, left, lost, restored, state, unidentified

from mes.intervals import Interval
from mes.model import (
    Journaled,
    ProcessValue,
    ProductId,
    State,
    StationEvent,
    StationId,
    UnitId,
    UnitResult,
)
from mes.oee.biography import (
    Biography,
    Outcome,
    ProcessLimit,
    ProcessSummary,
    Visit,
    VisitFlag,
    all_biographies,
    biographies,
    process_summary,
    visits,
)
from mes.oee.flow import dwells, first_time_quality, wip
from simulators.line import Change, SimState, UnitRecord
from simulators.plant import STATIONS, Plant

GOOD, REWORK, SCRAP = UnitResult.GOOD, UnitResult.REWORK, UnitResult.SCRAP
SECOND = 1 / 60


def read(*events: StationEvent) -> tuple[Visit, ...]:
    return visits(STATION, [Journaled(seq, event) for seq, event in enumerate(events, 1)])


Brief = tuple[str, datetime | None, datetime | None, list[UnitResult], int, set[str]]


def brief(visit: Visit) -> Brief:
    results = [result.result for result in visit.results]
    return visit.unit, visit.entered, visit.left, results, visit.passage, {str(flag) for flag in visit.flags}


def briefs(*events: StationEvent) -> list[Brief]:
    return [brief(visit) for visit in read(*events)]


def test_a_stay_is_from_entry_to_leaving() -> None:
    """A unit that enters, is finished and leaves has one visit with all its times, results and product."""
    found = read(entered(0, "A"), completed(9, "A"), left(10, "A"))

    assert found == (
        Visit(
            station=STATION,
            unit=UnitId("A"),
            product=S3,
            entered=at(0),
            left=at(10),
            first_seen=at(0),
            last_seen=at(10),
            results=(Outcome(GOOD, at(9), None, None),),
        ),
    )


def test_rework_in_place_is_one_visit() -> None:
    """A unit that is worked again where it stands has two results in one visit."""
    assert briefs(entered(0, "A"), completed(9, "A", REWORK), completed(18, "A"), left(18, "A")) == [
        ("A", at(0), at(18), [REWORK, GOOD], 1, set())
    ]


def test_the_same_unit_comes_twice() -> None:
    """A unit that comes back to a station is there in its second passage."""
    found = briefs(
        entered(0, "A"),
        completed(9, "A"),
        left(9, "A"),
        entered(9, "B"),
        left(18, "B"),
        entered(18, "A"),
        left(27, "A"),
    )

    assert [(unit, passage) for unit, _, _, _, passage, _ in found] == [("A", 1), ("B", 1), ("A", 2)]


def test_records_without_entry_are_visits_in_a_gap() -> None:
    """What was made while nobody looked is known by its result: its entry and its leaving are not."""
    found = briefs(
        entered(0, "A"),
        lost(5),
        restored(40, 5),
        left(40, "A", baseline=True),
        entered(40, "D", baseline=True),
        completed(9, "A", received=40),
        completed(18, "B", received=40),
        completed(27, "C", REWORK, received=40),
        completed(36, "C", received=40),
        completed(45, "D"),
        left(46, "D"),
    )

    assert found == [
        ("A", at(0), None, [GOOD], 1, {"left_unseen"}),
        ("B", None, None, [GOOD], 1, {"in_gap", "left_unseen"}),
        ("C", None, None, [REWORK, GOOD], 1, {"in_gap", "left_unseen"}),
        ("D", None, at(46), [GOOD], 1, {"baseline"}),
    ]


def test_gone_while_we_looked() -> None:
    """A unit that was there at our first look, and gone a moment before by its controller's clock, was there once."""
    in_gap = (lost(5), restored(40, 5), entered(40, "A", baseline=True), completed(40 - SECOND, "A", received=41))
    gone = left(40 - SECOND, "A", received=41)

    assert briefs(*in_gap, gone) == [("A", None, at(40 - SECOND), [GOOD], 1, {"in_gap"})]
    assert [passage for _, _, _, _, passage, _ in briefs(*in_gap, left(40 - SECOND, "A"))] == [1, 2]


def test_made_in_a_gap_and_there_still() -> None:
    """A unit that got its result in a gap and is there after it has been there all along; if it comes, it is back."""
    in_gap = (lost(5), restored(40, 5), completed(30, "A", received=40))

    assert briefs(*in_gap, entered(40, "A", baseline=True), left(44, "A")) == [
        ("A", None, at(44), [GOOD], 1, {"in_gap"})
    ]
    assert briefs(*in_gap, entered(43, "A"), left(44, "A")) == [
        ("A", None, None, [GOOD], 1, {"in_gap", "left_unseen"}),
        ("A", at(43), at(44), [], 2, set()),
    ]


def test_gone_and_back_in_one_gap() -> None:
    """A finished unit is gone when another one gets its result; its next result is of another visit."""
    found = briefs(
        entered(0, "A"),
        completed(4, "A"),
        lost(5),
        restored(40, 5),
        completed(20, "B", received=40),
        completed(41, "A"),
    )

    assert found == [
        ("A", at(0), None, [GOOD], 1, {"left_unseen"}),
        ("B", None, None, [GOOD], 1, {"in_gap", "left_unseen"}),
        ("A", None, None, [GOOD], 2, {"in_gap"}),
    ]


def test_a_foreign_record_ends_no_unfinished_visit() -> None:
    """While a unit has no result, a result of a unit that nobody saw come does not say that the first one is gone."""
    found = briefs(entered(0, "A"), completed(5, "B"), completed(9, "A"), left(10, "A"))

    assert found == [("A", at(0), at(10), [GOOD], 1, set()), ("B", None, None, [GOOD], 1, {"in_gap"})]


def test_there_when_we_looked() -> None:
    """The entry of a unit that was there at the first look, or is first heard of when it leaves, is not known."""
    assert briefs(entered(0, "A", baseline=True), completed(3, "A"), left(4, "A")) == [
        ("A", None, at(4), [GOOD], 1, {"baseline"})
    ]
    assert briefs(left(4, "A")) == [("A", None, at(4), [], 1, {"baseline"})]
    assert briefs(left(4, "A", baseline=True)) == [("A", None, None, [], 1, {"baseline", "left_unseen"})]


def test_named_once_more() -> None:
    """A unit that is named again after a restart has not come again, and one that left leaves once."""
    assert briefs(entered(0, "A"), entered(5, "A", baseline=True), left(9, "A"), left(9.5, "A")) == [
        ("A", at(0), at(9), [], 1, set())
    ]


def test_replaced_without_leaving() -> None:
    """Where nobody said that a unit left, it is gone when the next one enters."""
    assert briefs(entered(0, "A"), entered(9, "B")) == [
        ("A", at(0), None, [], 1, {"left_unseen"}),
        ("B", at(9), None, [], 1, set()),
    ]


@pytest.mark.parametrize("working", [State.PRODUCING, State.SETUP])
@pytest.mark.parametrize("waiting", [State.STARVED, State.IDLE, State.BLOCKED])
def test_the_id_comes_late(waiting: State, working: State) -> None:
    """A unit whose id comes within a minute after the station turned to work entered at the turn."""
    assert briefs(state(0, waiting), state(5, working), entered(6, "A"), completed(14, "A")) == [
        ("A", at(5), None, [GOOD], 1, {"id_came_late"})
    ]


@pytest.mark.parametrize(
    "events",
    [
        [state(0, State.STARVED), state(4, State.PRODUCING)],
        [state(0, State.DOWN), state(4.5, State.PRODUCING)],
        [state(4.5, State.PRODUCING)],
        [state(0, State.STARVED), lost(4.4), restored(4.5, 4.4), state(4.6, State.PRODUCING)],
        [state(0, State.SETUP), state(2, State.IDLE), state(4.5, State.SETUP)],
    ],
    ids=["too long ago", "a repair", "first state", "seen after a gap", "set-up after a break"],
)
def test_no_turn_no_late_id(events: list[StationEvent]) -> None:
    """Without a turn from waiting to work in the minute before, a unit enters when its id comes."""
    assert briefs(*events, entered(5.1, "A")) == [("A", at(5.1), None, [], 1, set())]


@pytest.mark.parametrize(
    ("between_turn_and_id", "before"),
    [
        ([completed(5.2, "Z")], []),
        ([left(5.2, "Z")], [entered(0, "Z"), completed(3, "Z")]),
        ([left(5.2, "Z")], []),
        ([left(5.2, "Z")], [entered(0, "Z"), left(3, "Z")]),
        ([left(5.2, "Z", baseline=True)], [entered(0, "Z"), completed(3, "Z")]),
        ([left(5.5, "Z")], [entered(0, "Z")]),
        ([entered(5.2, "Y"), left(5.4, "Y")], []),
    ],
)
def test_a_unit_between_turn_and_id(between_turn_and_id: list[StationEvent], before: list[StationEvent]) -> None:
    """Where a unit was completed, left or came between the turn and the id, the turn is not the entry of the next."""
    turn = [state(1, State.STARVED), state(5, State.PRODUCING)]
    found = briefs(*before, *turn, *between_turn_and_id, entered(5.5, "A"))

    assert found[-1] == ("A", at(5.5), None, [], 1, set())


def test_the_id_takes_the_place_of_a_finished_units_id() -> None:
    """Where the id of a finished unit stays until the next one is read, one left and the other entered at the turn."""
    found = briefs(
        entered(0, "A"),
        completed(4, "A"),
        state(4, State.BLOCKED),
        state(5, State.PRODUCING),
        left(5.5, "A"),
        entered(5.5, "B"),
    )

    assert found == [("A", at(0), at(5), [GOOD], 1, set()), ("B", at(5), None, [], 1, {"id_came_late"})]


def test_an_id_in_time_is_not_late() -> None:
    """An id that comes with the turn is not late."""
    assert briefs(state(0, State.STARVED), state(5, State.PRODUCING), entered(5, "A")) == [
        ("A", at(5), None, [], 1, set())
    ]


def test_a_result_shortly_after_leaving() -> None:
    """A result up to 2 s after its unit left, and the next one entered, is of the visit that ended; a later one not."""
    left_and_next = (entered(0, "A"), completed(8, "A", REWORK), left(9, "A"), entered(9, "B"))

    assert [brief[3] for brief in briefs(*left_and_next, completed(9 + 2 * SECOND, "A"))] == [[REWORK, GOOD], []]
    assert [brief[3] for brief in briefs(*left_and_next, completed(9 + 3 * SECOND, "A"))] == [[REWORK], [], [GOOD]]


def test_a_record_names_the_unit_that_just_left() -> None:
    """A visit without result takes the record of its unit for a minute after it ended."""
    without = (entered(0, "A"), left(9, "A"), entered(9, "B"))

    assert [brief[3] for brief in briefs(*without, completed(10, "A"))] == [[GOOD], []]
    assert [brief[3] for brief in briefs(*without, completed(10.1, "A"))] == [[], [], [GOOD]]


def test_order_and_repeats_change_nothing() -> None:
    """Events that come late, in another order or twice make the same visits; other stations' events make none."""
    said: list[StationEvent] = [entered(0, "A"), completed(9, "A"), left(9, "A"), entered(9, "B")]
    events = [Journaled(seq, event) for seq, event in enumerate(said, 1)]
    foreign = Journaled(9, entered(1, "C", station=StationId("elsewhere")))

    assert visits(STATION, [*reversed(events), foreign, *events]) == visits(STATION, events)


def test_units_without_a_name_are_no_visits() -> None:
    """Units whose ids are not known make no visit."""
    assert read(unidentified(3, missing=2, first_sequence=7)) == ()


def test_the_record_knows_the_product_best() -> None:
    """A visit's product is that of its last result that names one, else that of its entry."""
    s2 = ProductId("S2")
    first, second = read(
        entered(0, "A", product=s2), completed(9, "A"), completed(9, "A", product=None), entered(10, "B", product=s2)
    )

    assert (first.product, second.product) == (S3, s2)


ROUTE = [StationId(place) for place in ("weld", "topcoat", "inspection", "eol")]


def stay(place: int, start: float, result: UnitResult | None = GOOD, *, unit: str = "A") -> Visit:
    """Nine minutes at a station."""
    return Visit(
        station=ROUTE[place],
        unit=UnitId(unit),
        product=S3 if result else None,
        entered=at(start),
        left=at(start + 9),
        first_seen=at(start),
        last_seen=at(start + 9),
        results=(Outcome(result, at(start + 9), None, None),) if result else (),
    )


def lives(*stays: Visit, route: Sequence[StationId] = ROUTE) -> tuple[Biography, ...]:
    by_station: dict[StationId, list[Visit]] = defaultdict(list)
    for visit in stays:
        by_station[visit.station].append(visit)
    found = biographies(by_station, UnitId("A"), route)
    assert found == tuple(biography for biography in all_biographies(by_station, route) if biography.unit == "A")
    return found


def test_a_life_along_the_route() -> None:
    """A life goes from the first instant to the last; good at the last station it is finished."""
    (life,) = lives(*(stay(place, 10 * place) for place in range(4)), stay(0, 9, unit="B"))

    assert (life.unit, life.life, life.product, life.loops) == ("A", 1, S3, 0)
    assert (life.first_seen, life.last_seen, life.finished_at, life.finished) == (at(0), at(39), at(39), True)
    assert [visit.station for visit in life.visits] == ROUTE


def test_a_repaint_is_a_loop() -> None:
    """Each visit of a station where the unit has been is a loop, in the same life."""
    (life,) = lives(stay(0, 0), stay(1, 10), stay(2, 20, REWORK), stay(1, 30), stay(2, 40))

    assert [(visit.station, visit.passage) for visit in life.visits[-2:]] == [(ROUTE[1], 2), (ROUTE[2], 2)]
    assert (life.loops, life.finished) == (2, False)


@pytest.mark.parametrize("end", [GOOD, SCRAP, None])
def test_an_id_lives_again(end: UnitResult | None) -> None:
    """An id that comes to the first station after it has passed the last one is another car's, passages again."""
    one, two = lives(stay(0, 0), stay(3, 10, end), stay(0, 90), stay(1, 100))

    assert (one.life, one.finished, two.life, two.finished) == (1, end is GOOD, 2, False)
    assert [visit.passage for visit in two.visits] == [1, 1]


def test_the_first_station_again_is_a_loop() -> None:
    """An id that has not passed the last station, or was sent back from there, lives on at the first one."""
    assert [live.loops for live in lives(stay(0, 0), stay(1, 10), stay(0, 20))] == [1]
    assert [live.loops for live in lives(stay(0, 0), stay(3, 10, REWORK), stay(0, 20), stay(3, 30))] == [2]


def test_a_route_of_one_station() -> None:
    """On a route of one station rework is a loop and what comes after a good result another life."""
    found = lives(stay(0, 0, REWORK), stay(0, 10), stay(0, 20, None), route=ROUTE[:1])

    assert [(biography.loops, biography.finished, biography.product) for biography in found] == [
        (1, True, S3),
        (0, False, None),
    ]


def test_nobody_saw_it() -> None:
    """A unit without visits has no life."""
    assert lives() == ()


def measured(minutes: float, value: float, name: str = "temperature") -> ProcessValue:
    return ProcessValue(station=STATION, name=name, time=at(minutes), value=value)


def summary(*values: ProcessValue, start: float = 10) -> ProcessSummary:
    limits = {"temperature": ProcessLimit(130, 150)}
    (found,) = process_summary(values, at(start), at(20), limits)
    return found


def minutes(value: float) -> timedelta:
    return timedelta(minutes=value)


def test_a_value_holds_until_the_next() -> None:
    """Mean and time in limits are weighted by how long each value held, the one in force at the start too."""
    found = summary(measured(0, 99), measured(5, 140), measured(16, 120), measured(25, 10))

    assert found == ProcessSummary(
        name="temperature",
        minimum=120,
        mean=132,
        maximum=140,
        samples=1,
        in_limits=minutes(6),
        length=minutes(10),
    )


def test_a_stretch_without_length() -> None:
    """In a stretch that ends where it begins nothing is known, and one that ends before is refused."""
    found = summary(measured(0, 140), start=20)

    assert (found.mean, found.length) == (None, minutes(0))
    with pytest.raises(ValueError, match="ends before it starts"):
        summary(measured(0, 140), start=21)


def test_values_known_from_then_on() -> None:
    """Where there is no value at the start, only the time from the first value on is known."""
    found = summary(measured(15, 140))

    assert (found.mean, found.samples, found.in_limits, found.length) == (140, 1, minutes(5), minutes(5))


@pytest.mark.parametrize("values", [[], [measured(20, 140)]])
def test_no_value_known(values: list[ProcessValue]) -> None:
    """Without a value before the end there is none, and nothing is said of limits."""
    found = summary(*values)

    assert (found.minimum, found.mean, found.maximum, found.in_limits) == (None, None, None, None)
    assert (found.samples, found.length) == (0, minutes(0))


def test_values_without_limits() -> None:
    """Names come in order; one without limits has no time within them; a side without a limit holds anything."""
    values = [measured(15, 62.0, "humidity"), measured(10, 1e9)]
    found = process_summary(values, at(10), at(20), {"temperature": ProcessLimit(None, None)})

    assert [(value.name, value.in_limits) for value in found] == [("humidity", None), ("temperature", minutes(10))]


@dataclass(slots=True)
class Shift:
    """A simulated shift: the plant at its end, each station's events, and its stays as the plant showed them."""

    plant: Plant
    events: dict[StationId, list[StationEvent]] = field(default_factory=lambda: defaultdict(list))
    stays: dict[StationId, list[tuple[str, datetime | None, datetime | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    shown: dict[StationId, str] = field(default_factory=lambda: defaultdict(str))

    def read(self, changes: Iterable[Change], *, baseline: bool = False) -> None:
        for change in changes:
            path = StationId(next(spec.path for spec in STATIONS if spec.code == change.station))
            if change.field == "state":
                self.state(path, change)
            elif change.field == "unit":
                self.unit(path, change, baseline=baseline)
            elif change.field == "completed":
                self.result(path, change)

    def state(self, path: StationId, change: Change) -> None:
        self.events[path].append(state(change.time, State(str(change.value)), station=path))

    def unit(self, path: StationId, change: Change, *, baseline: bool) -> None:
        if was := self.shown[path]:
            self.events[path].append(left(change.time, was, station=path))
            unit, since, _ = self.stays[path].pop()
            self.stays[path].append((unit, since, change.time))
        self.shown[path] = now = str(change.value)
        if now:
            self.events[path].append(entered(change.time, now, station=path, baseline=baseline))
            self.stays[path].append((now, None if baseline else change.time, None))

    def result(self, path: StationId, change: Change) -> None:
        unit = change.value
        assert isinstance(unit, UnitRecord)
        self.events[path].append(
            completed(
                change.time,
                unit.unit,
                UnitResult(unit.result),
                product=ProductId(unit.product),
                sequence=unit.sequence,
                station=path,
            )
        )

    def visits(self) -> dict[StationId, tuple[Visit, ...]]:
        return {
            path: visits(path, [Journaled(seq, event) for seq, event in enumerate(events, 1)])
            for path, events in self.events.items()
        }


PATHS = [StationId(spec.path) for spec in STATIONS]
INSPECTION, TOPCOAT = (next(path for path in PATHS if path.endswith(name)) for name in ("inspection", "topcoat"))


@pytest.fixture(scope="module")
def shift() -> Shift:
    plant = Plant(seed=3, start=datetime(2026, 3, 2, 3, tzinfo=UTC))
    found = Shift(plant)
    found.read(plant.snapshot(), baseline=True)
    found.read(plant.advance(plant.start + timedelta(hours=8.5)))
    return found


def test_visits_are_what_the_plant_showed(shift: Shift) -> None:
    """At every station the visits are the stays of units, to the millisecond, and no id was thought late."""
    found = shift.visits()

    assert set(found) == set(PATHS)
    for path, seen in found.items():
        assert [(visit.unit, visit.entered, visit.left) for visit in seen] == shift.stays[path]
        assert {flag for visit in seen for flag in visit.flags} <= {VisitFlag.BASELINE}


def test_results_are_the_plants(shift: Shift) -> None:
    """The visits' results are those of the plant's ledger, each with its unit, product, time and number."""
    for path, seen in shift.visits().items():
        results = [
            UnitRecord(result.sequence or 0, visit.unit, visit.product or "", result.result.value, result.time)
            for visit in seen
            for result in visit.results
        ]
        assert results == shift.plant.truth.units(path)


def test_repaint_loops_are_the_plants(shift: Shift) -> None:
    """Loops are the plant's repeated stays, repainted are those sent back, finished those good at the end."""
    lives = all_biographies(shift.visits(), PATHS)
    times = Counter((path, unit) for path, stays in shift.stays.items() for unit, _, _ in stays)
    again: Counter[str] = Counter()
    for (_, unit), count in times.items():
        again[unit] += count - 1
    sent_back = {record.unit for record in shift.plant.truth.units(INSPECTION) if record.result == "rework"}

    assert {live.unit: live.loops for live in lives} == dict(again)
    assert {live.unit for live in lives if live.loops} == {unit for unit in sent_back if again[unit]}
    assert {unit for unit in sent_back if times[TOPCOAT, unit] > 1}
    done = [record.unit for record in shift.plant.truth.units(PATHS[-1]) if record.result == "good"]
    assert {live.unit for live in lives if live.finished} == set(done)


def test_first_time_quality_is_the_plants(shift: Shift) -> None:
    """First-time quality of every station is that of the first records in the plant's ledger."""
    whole = Interval(shift.plant.start, shift.plant.now + timedelta(seconds=1))
    for path, seen in shift.visits().items():
        firsts: dict[str, str] = {}
        for unit in shift.plant.truth.units(path):
            firsts.setdefault(unit.unit, unit.result)
        found = first_time_quality(seen, whole)
        assert (found.inspected, found.first_time_good) == (len(firsts), list(firsts.values()).count("good"))


def waiting(shift: Shift, path: StationId, into: StationId, *, repaint: bool) -> tuple[str, ...]:
    """What the plant holds between two stations: in set-up, in the buffer, and blocked."""
    stations = {station.spec.path: station for station in shift.plant.working}
    behind, ahead = stations[path], stations[into]
    buffer = shift.plant.buffers[ahead.spec.code]
    bodies = [
        *([ahead.body] if ahead.state is SimState.SETUP else []),
        *(buffer.repaints if repaint else buffer.units),
        *([behind.body] if behind.state is SimState.BLOCKED else []),
    ]
    known = {unit.unit for unit in shift.plant.truth.units(path)}
    return tuple(body.unit for body in bodies if body and body.repaint is repaint and body.unit in known)


def test_wip_is_what_stands_in_the_buffers(shift: Shift) -> None:
    """Between any two stations wait the units of the plant's buffer, in its order; repaints wait before topcoat."""
    found, now = shift.visits(), shift.plant.now
    for path, into in pairwise(PATHS):
        assert wip(found[path], found[into], now) == waiting(shift, path, into, repaint=False)
        over = [dwell for dwell in dwells(found[path], found[into]) if dwell.until is not None]
        assert len(over) > 20
    back = wip(found[INSPECTION], found[TOPCOAT], now, sent=REWORK)
    assert back == waiting(shift, INSPECTION, TOPCOAT, repaint=True)
