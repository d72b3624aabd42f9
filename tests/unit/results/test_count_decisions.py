"""Counts that a person decides: which are open, how many parts can be, the command, the count audit."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner, Result
from events import S3, STATION, at, counted, decided, state, unreconciled
from faulty_disk import NAME, faulty_disk
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import journal_of

from adapters.clock import ManualClock
from mes.cli import mes
from mes.collect.counters import Counted, CounterSetup, CounterState, ResetPolicy, Unreconciled, count
from mes.collect.signals import CounterSignal, StationState
from mes.collect.station import encode_state
from mes.config.load import default_config, load
from mes.errors import ConfigError, JournalError
from mes.health.count_audit import Account, CountAudit
from mes.health.status import CountAuditLine
from mes.influx.encode import window_ns
from mes.influx.points.windows import PublishedFigures
from mes.journal import JournalReader
from mes.journal.schema import EVENT, UNRECONCILED
from mes.journal.store import Store
from mes.model import (
    CountFlag,
    CountKind,
    CountReconciled,
    CountUnreconciled,
    ProductId,
    State,
    StationEvent,
    StationId,
    StationStandard,
    UnitsCounted,
    totaliser_id,
)
from mes.oee.count_decisions import count_key, leading
from mes.oee.count_decisions import decided as in_force
from mes.oee.stops import NotAllowed
from mes.oee.unreconciled_counts import Around, Assessment, Case, case, decide
from mes.results.unreconciled import cases

GOOD = CountKind.GOOD
SETUP = CounterSetup(GOOD, 65536, ResetPolicy.ALLOWED, max_per_hour=60)
STANDARD = StationStandard(ideal_cycle={S3: timedelta(minutes=9)}, minor_stop=timedelta(minutes=2))
S2 = ProductId("S2")


def read(minutes: float, raw: int, previous: int | None, *, product: ProductId | None = S3) -> UnitsCounted:
    """A totaliser that moved from one value to another."""
    flag = CountFlag.BASELINE if previous is None else CountFlag.NORMAL
    delta = 0 if previous is None else raw - previous
    return counted(minutes, delta, product=product, flag=flag, raw=raw, previous_raw=previous)


JUMP = unreconciled(20, raw=9000, previous_raw=101)
GLITCH = unreconciled(40, raw=500, previous_raw=9001)
LATEST = unreconciled(60, raw=70_000, previous_raw=9002)
SHOWN = CounterState(9002, at(50), 70_000, at(60))
HISTORY: list[StationEvent] = [
    *(state(0, State.PRODUCING), read(0, 100, None), read(10, 101, 100), JUMP, read(30, 9001, 9000), GLITCH),
    *(read(50, 9002, 9001), LATEST, state(480, State.PRODUCING)),
]
NUMBER = {id(event): str(HISTORY.index(event) + 1) for event in (JUMP, GLITCH, LATEST)}
FIRST, SECOND, THIRD = (NUMBER[id(event)] for event in (JUMP, GLITCH, LATEST))


def journal(path: Path, events: Sequence[StationEvent], shown: CounterState | None = SHOWN) -> Path:
    """A journal of these events, with what the collector knew last."""
    states = [] if shown is None else [(STATION, encode_state(StationState(counters={totaliser_id(GOOD): shown})))]
    return journal_of(path, events, states=states)


def found(path: Path) -> list[Case]:
    """The cases of a journal under the example plant's file."""
    with JournalReader(path) as reader:
        return cases(reader, load(default_config()).config.setups)


# What can be


def around(
    *doubted: CountUnreconciled,
    before: UnitsCounted | None = None,
    after: UnitsCounted | None = None,
    shown: CounterState | None = None,
    setup: CounterSetup | None = SETUP,
) -> Around:
    return Around(unreconciled=doubted, before=before, after=after, shown=shown, setup=setup)


BEFORE = read(10, 100, 99)
UP = unreconciled(20, raw=9000, previous_raw=100)
FALL = unreconciled(20, raw=60, previous_raw=100)
TURN = unreconciled(20, raw=40, previous_raw=65_500)
SAME = unreconciled(20, raw=100, previous_raw=100)


@pytest.mark.parametrize(
    ("event", "known", "assessment", "possible"),
    [
        (UP, around(UP, before=BEFORE, after=read(30, 9001, 9000)), Assessment.REAL, "0 to 15 or 8900"),
        (UP, around(UP, before=BEFORE, after=read(30, 101, 100)), Assessment.PASSED, "0: it did not go on from there"),
        (UP, around(UP, before=BEFORE, after=read(30, 9000, None)), Assessment.REAL, "0 to 15 or 8900"),
        (UP, around(UP, before=BEFORE), Assessment.OPEN, "nothing yet: the totaliser has counted nothing since"),
        (UP, around(UP, before=BEFORE, shown=CounterState(9000, at(20))), Assessment.REAL, "0 to 15 or 8900"),
        (UP, around(UP, before=BEFORE, shown=CounterState(100, at(10), 9000, at(20))), Assessment.OPEN, "nothing yet"),
        (UP, around(UP, before=BEFORE, shown=CounterState(100, at(10))), Assessment.PASSED, "0: it did"),
        (UP, around(UP, before=BEFORE, after=read(30, 9001, 9000), setup=None), Assessment.REAL, "any"),
        (UP, around(UP, after=read(30, 9001, 9000)), Assessment.REAL, "any"),
        (FALL, around(FALL, before=BEFORE, after=read(30, 61, 60)), Assessment.REAL, "0 to 15 or 60"),
        (FALL, around(FALL, before=BEFORE, after=read(30, 61, 60), setup=None), Assessment.REAL, "any"),
        (
            TURN,
            around(TURN, before=read(10, 65_500, 65_499), after=read(30, 41, 40)),
            Assessment.REAL,
            "15 or 76 or 40",
        ),
        (SAME, around(SAME, before=BEFORE), Assessment.REAL, "0 to 15"),
        (LATEST, around(LATEST, before=BEFORE, shown=SHOWN), Assessment.PASSED, "0: it did not go on from there"),
    ],
)
def test_what_the_totaliser_said_next_decides_what_can_be(
    event: CountUnreconciled, known: Around, assessment: Assessment, possible: str
) -> None:
    """A reading that it went on from may hold parts; one that it did not, or not yet, holds none of its own."""
    about = case(7, event, known, ())

    assert (about.assessment, about.seq) == (assessment, 7)
    assert possible in about.possible
    assert about.allows(0) is (assessment is not Assessment.OPEN)
    assert about.allows(1) is (assessment is Assessment.REAL)
    assert not about.allows(-1)


def test_readings_that_follow_each_other_are_all_real() -> None:
    """After a long blindness a reading is taken as it is; a jump from there that proves true is real beside it."""
    blind = unreconciled(300, raw=50, previous_raw=100)
    stale = unreconciled(305, raw=90, previous_raw=50)
    jump = unreconciled(310, raw=9000, previous_raw=50)
    again = unreconciled(315, raw=9000, previous_raw=50)
    after = read(320, 9001, 9000)

    assert leading([blind, stale, jump, again], 100, 9000) == [again, blind]
    assert leading([blind, stale, jump], None, 7) == []
    known = around(blind, stale, jump, again, before=BEFORE, after=after)
    assessments = [case(1, event, known, ()).assessment for event in known.unreconciled]
    assert assessments == [Assessment.REAL, Assessment.PASSED, Assessment.PASSED, Assessment.REAL]


def real(*said: CountReconciled, products: Sequence[ProductId | None] = (S3, S3)) -> Case:
    """A jump that was true."""
    before, after = replace(BEFORE, product=products[0]), replace(read(30, 9001, 9000), product=products[1])
    return case(7, UP, around(UP, before=before, after=after), said)


def take(about: Case, parts: int, product: ProductId | None = None, **more: Any) -> CountReconciled:
    standard = more.pop("standard", STANDARD)
    return decide(about, parts, product, standard, **{"by": "aigul", "why": "seen", "now": at(500), **more})


def test_a_decision_says_who_when_and_why() -> None:
    """It is counted at the time of the reading; it holds what it is about, who said it and when that was recorded."""
    event = take(real(), 12)

    assert event == decided(UP, 12, when=500, why="seen")
    assert count_key(event) == count_key(UP)
    assert take(real(), 8900).parts == 8900
    assert take(real(), 0).product is None


@pytest.mark.parametrize(
    ("about", "parts", "more", "said"),
    [
        (real(), -1, {}, "count_not_whole"),
        (real(), 16, {}, "count_too_many parts=16 most=15 shown=8900"),
        (real(), 1, {"by": " "}, "decision_without_why"),
        (real(), 1, {"why": ""}, "decision_without_why"),
        (case(7, UP, around(UP, before=BEFORE), ()), 1, {}, "count_open parts=1"),
        (case(7, UP, around(UP, after=read(30, 101, 100)), ()), 1, {}, "count_passed parts=1 raw=9000"),
        (real(products=(S2, S3)), 1, {}, "product_needed products=S2, S3"),
        (real(products=(None, None)), 1, {}, "product_needed products=–"),
        (real(), 1, {"product": S2}, "no_ideal_cycle .*product=S2"),
    ],
)
def test_what_cannot_be_is_refused(about: Case, parts: int, more: dict[str, Any], said: str) -> None:
    """Too many, fewer than none, of no product, by nobody: each has its code, and the facts for its sentence."""
    with pytest.raises(NotAllowed, match=said):
        take(about, parts, **more)


def test_the_product_may_be_named() -> None:
    """Where the counts around name two, or none, a person says which; a station may have one ideal time for all."""
    assert take(real(products=(S2, S3)), 1, S3).product == S3
    anything = StationStandard(ideal_cycle={None: timedelta(minutes=9)}, minor_stop=timedelta())
    assert take(real(products=(None, None)), 1, standard=anything).product is None
    assert take(real(products=(None, None)), 1, standard=None).product is None


def test_a_clock_that_was_set_back_changes_no_order() -> None:
    """What is decided later holds, though the machine's clock shows an earlier time."""
    first = take(real(), 1)
    second = take(real(first), 2, now=at(400))

    assert second.recorded_time > first.recorded_time
    assert in_force([second, first, state(0, State.DOWN)]) == {count_key(UP): second}
    assert [decision.parts for decision in real(second, first).said] == [1, 2]


# The command


class Desk:
    """Somebody at a terminal, with a journal of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(mes, [*words, "--journal", str(self.path)])

    def say(self, *words: str) -> str:
        done = self.run(*words)
        if done.exception is not None:
            assert isinstance(done.exception, ConfigError | JournalError | SystemExit), done.exception
            return done.output if isinstance(done.exception, SystemExit) else str(done.exception)
        return " ".join(done.output.split())

    def decide(self, number: str, parts: int, *more: str) -> str:
        return self.say("reconcile", number, "--parts", str(parts), "--by", "aigul", "--why", "by hand", *more)

    def listed(self, *more: str) -> list[dict[str, Any]]:
        known: list[dict[str, Any]] = json.loads(self.run("reconcile", "--json", *more).output)
        return known

    def hour(self, start: str) -> dict[str, Any]:
        done = self.run("explain", "framing", f"2026-03-02T{start}", "--json")
        (known,) = json.loads(done.output)
        return dict(known)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(journal(tmp_path / "journal.sqlite", HISTORY))


def test_open_counts_are_listed_with_what_can_be(desk: Desk) -> None:
    """Number, station, time in the plant's zone, both readings, the possible numbers and why it is undecidable."""
    text = desk.say("reconcile")

    assert "Asia/Qostanay" in text
    for word in (FIRST, "weld/weld-1/framing", "2026-03-02 08:20:00", "9000", "0 to 15", "8899", "lower"):
        assert word in text, word
    known = desk.listed()
    assert [(row["number"], row["assessment"]) for row in known] == [
        (int(FIRST), "real"),
        (int(SECOND), "passed"),
        (int(THIRD), "open"),
    ]
    assert (known[0]["at_most"], known[0]["shown"], known[0]["decisions"]) == (15, [8899], [])
    assert desk.listed("--of", "paint") == []
    assert "unknown station" in desk.say("reconcile", "--of", "moon")


def test_a_decision_is_recorded_and_the_last_one_holds(desk: Desk) -> None:
    """The parts stand in the hour of the reading; a second word replaces the first, and both are kept."""
    before = desk.hour("08:00")
    said = desk.decide(FIRST, 12)
    after = desk.hour("08:00")

    assert "12 parts (good) count at 2026-03-02 08:20:00, decided by aigul: by hand." in said
    assert after["figures"]["good"] - before["figures"]["good"] == 12
    assert before["figures"]["unreconciled"] - after["figures"]["unreconciled"] == 1
    assert [row["number"] for row in desk.listed()] == [int(SECOND), int(THIRD)]
    assert "Before: 12 S3, by aigul" in desk.decide(FIRST, 9)
    assert desk.hour("08:00")["figures"]["good"] - before["figures"]["good"] == 9
    (known,) = [row for row in desk.listed("--all") if row["number"] == int(FIRST)]
    assert [(decision["parts"], decision["by"], decision["why"]) for decision in known["decisions"]] == [
        (12, "aigul", "by hand"),
        (9, "aigul", "by hand"),
    ]
    text = desk.say("reconcile", "--all")
    assert "12 S3, by aigul" in text
    assert "9 S3, by aigul" in text


def test_explain_names_who_decided_and_why(desk: Desk) -> None:
    """A decided count stands among the counts with its person; an open one says how to decide it."""
    assert f"mes reconcile {FIRST} --parts N" in desk.say("explain", "framing", "2026-03-02T08:00")
    desk.decide(FIRST, 12)
    desk.decide(FIRST, 9)
    text = desk.say("explain", "framing", "2026-03-02T08:00")
    known = desk.hour("08:00")

    assert "decided by aigul" in text
    assert "decided before, and replaced: 12 parts (good) from 101 to 9000" in text
    assert "decided: 9 parts (good)" in text
    assert ": by hand" in text
    assert f"mes reconcile {FIRST}" not in text
    assert [(decision["parts"], decision["holds"]) for decision in known["decisions"]] == [(12, False), (9, True)]
    assert [row["delta"] for row in known["counts"] if row["flag"] == "decided"] == [9]
    assert sum(row["units"] for row in known["ideal"]) == known["figures"]["good"]
    assert known["unreconciled"] == [int(SECOND)]


def test_all_can_be_decided(tmp_path: Path) -> None:
    """Nothing made is a decision too; when all are decided the list says so."""
    desk = Desk(journal(tmp_path / "journal.sqlite", [event for event in HISTORY if event is not LATEST]))
    desk.decide(FIRST, 8899)
    desk.decide(SECOND, 0)

    assert desk.say("reconcile") == "Every count is decided."
    assert desk.listed() == []
    assert len(desk.listed("--all")) == 2
    assert "--parts" in desk.run("reconcile", "--help").output


def test_mistakes_are_explained(desk: Desk) -> None:
    """A wrong number, numbers that cannot be, half a decision, an unknown product, no journal."""
    assert f"Undecided counts: {FIRST}, {SECOND}, {THIRD}." in desk.decide("1", 2)
    assert "a whole number, 0 or more" in desk.decide(FIRST, -3)
    assert "at most 15 are possible in this time, and the counter shows 8899" in desk.decide(FIRST, 16)
    assert "did not go on from 500" in desk.decide(SECOND, 1)
    for parts in (0, 1):  # were it real after all, a 0 of now would hide what it counts
        assert "Wait for its next count" in desk.decide(THIRD, parts)
    assert "has no product S4. Choose one of `S3, S2`" in desk.decide(FIRST, 1, "--product", "S4")
    assert "framing has no ideal cycle time for S2" in desk.decide(FIRST, 1, "--product", "S2")
    assert "a number of parts, a person and a reason" in desk.say("reconcile", FIRST, "--parts", "2")
    assert "say which count is decided" in desk.say("reconcile", "--parts", "2")
    assert len(desk.listed()) == 3
    assert "there is no journal" in Desk(desk.path.with_name("none")).say("reconcile")
    for number in (FIRST, SECOND, THIRD):
        desk.decide(number, 0)
    assert f"Undecided counts: {THIRD}." in desk.decide("1", 2)


def test_while_a_collector_holds_the_journal_nothing_is_decided(desk: Desk) -> None:
    """It can be read, and a decision is refused in the words of every other command that writes."""
    with Store(desk.path):
        assert len(desk.listed()) == 3
        said = desk.decide(FIRST, 1)
        reason = desk.say("shift", "reopen", "framing", "2026-03-02/day", "--by", "serik", "--why", "late")
    assert "in use by another collector" in said
    assert "not closed" in reason
    assert len(desk.listed()) == 3


def test_a_station_that_left_the_plant_can_still_be_decided(tmp_path: Path) -> None:
    """Its totaliser is not in the plant's file, so no limit is known; what was imported needs no collector's state."""
    gone = StationId("kostanay/weld/weld-9/gone")
    moved = [replace(event, station=gone) for event in HISTORY]
    path = journal(tmp_path / "journal.sqlite", [*moved, replace(JUMP, station=gone, kind=CountKind.SCRAP)], None)

    assert [(listed.assessment, listed.most) for listed in found(path)] == [
        (Assessment.REAL, None),
        (Assessment.OPEN, None),
        (Assessment.PASSED, None),
        (Assessment.OPEN, None),
    ]
    assert "500 parts" in Desk(path).decide(FIRST, 500)


def test_what_a_person_writes_is_shown_as_it_is(desk: Desk) -> None:
    """Brackets in a name or a reason are no commands to the terminal."""
    desk.say("reconcile", FIRST, "--parts", "2", "--by", "[aigul]", "--why", "see [/sheet 7]")

    for words in (("reconcile", "--all"), ("explain", "framing", "2026-03-02T08:00")):
        text = desk.say(*words)
        assert "[aigul]" in text
        assert "[/sheet" in text


def test_a_journal_of_before_is_found_through_the_same_index(tmp_path: Path) -> None:
    """A file that an earlier program made is read as it is, and gets the index once its disk has room for it."""
    path = journal(tmp_path / "journal.sqlite", HISTORY)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("DROP INDEX event_doubt")
    assert len(found(path)) == 3
    with faulty_disk() as disk:
        disk.refuse = apsw.FullError
        with Store(path, vfs=NAME) as store:
            assert store.last_seq == len(HISTORY)
            disk.refuse = None
    with Store(path), closing(apsw.Connection(str(path))) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {EVENT} WHERE {UNRECONCILED} ORDER BY seq").fetchall()
    assert "event_doubt" in str(plan)


# The count audit and what is published


async def test_published_figures_are_rebuilt(tmp_path: Path) -> None:
    """However late a decision comes, the hour, the shift and the day of its reading are published again."""
    config = load(default_config()).config
    path = journal(tmp_path / "journal.sqlite", [*HISTORY, decided(JUMP, 12, when=5000)])
    with Store(path) as store:
        _, spans = store.affected_windows(len(HISTORY), 1)
    figures = PublishedFigures(path, {STATION: config.standards[STATION]}, config.calendar, ManualClock(at(5001)))
    points = await figures.affected_windows(spans)

    assert (spans[STATION].start, spans[STATION].end) == (at(20), at(20))
    kpis = [point for point in points if point.measurement == "kpi"]
    hours = {kpi.stamp_ns: kpi.fields["good"] for kpi in kpis if kpi.tags["window"] == "hour"}
    assert hours[window_ns(at(0))] == 3 + 12
    assert {kpi.tags["window"] for kpi in kpis} == {"hour", "shift", "day"}


def audit(events: Sequence[StationEvent], shown: CounterState | None = SHOWN) -> CountAuditLine:
    account = Account(65536)
    for seq, event in enumerate(events, start=1):
        if isinstance(event, UnitsCounted | CountUnreconciled | CountReconciled):
            account.take(seq, event)
    if shown is not None:
        account.compare(shown.raw, shown.suspect_raw)
    return account.line((STATION, totaliser_id(GOOD)), None)


def test_a_decision_closes_the_count_audit() -> None:
    """The move is no more undecided, its parts are counted, the last word's alone; there is never a difference."""
    words = [decided(JUMP, 12), decided(LATEST, 0), decided(JUMP, 9, when=501)]
    lines = [audit([*HISTORY, *words[:n]]) for n in range(4)]

    assert [line.unreconciled for line in lines] == [8899 + 60_998, 60_998, 0, 0]
    assert [line.counted for line in lines] == [3, 15, 15, 12]
    assert [line.difference for line in lines] == [0, 0, 0, 0]
    early = audit([read(0, 101, None), JUMP, decided(JUMP, 12), read(30, 9001, 9000)], None)
    assert (early.unreconciled, early.counted, early.difference) == (0, 13, 0)
    open_one = audit([read(0, 101, None), JUMP], CounterState(9000, at(20)))
    closed = audit([read(0, 101, None), JUMP, decided(JUMP, 12)], CounterState(9000, at(20)))
    assert (open_one.unreconciled, closed.unreconciled, closed.difference) == (8899, 0, 0)


async def test_the_count_audit_of_a_journal_knows_decisions(tmp_path: Path) -> None:
    """What was stored counts a decision once, also where the first word waits and the second was sent ahead."""

    class Told:
        last_seq = len(HISTORY) + 3

        def __init__(self) -> None:
            self.done: dict[str, int] = {}

        async def station_states(self) -> dict[StationId, bytes]:
            return {STATION: encode_state(StationState(counters={totaliser_id(GOOD): SHOWN}))}

        async def cursors(self) -> dict[str, int]:
            return self.done

    words = [decided(JUMP, 12), decided(GLITCH, 0), decided(JUMP, 9, when=501)]
    path = journal(tmp_path / "journal.sqlite", [*HISTORY, *words])
    told = Told()
    count_audit = CountAudit(path, told, consumer="sink")
    stored = []
    ahead = {"sink-live-from": len(HISTORY) + 2, "sink-live": told.last_seq}
    first_word = len(HISTORY) + 1
    for cursors in ({}, {"sink": 4, **ahead}, {"sink": first_word, **ahead}, {"sink": told.last_seq}):
        told.done = cursors
        await count_audit.catch_up()
        (line,) = count_audit.lines()
        stored.append(line.stored)
    assert stored == [0, 1 + 9, 3 + 9, 3 + 9]
    assert (line.counted, line.difference, line.unreconciled) == (12, 0, 60_998)


raw_values = st.lists(st.integers(0, 3) | st.integers(0, 1010) | st.integers(990, 1005), max_size=25)


@settings(deadline=None, max_examples=60)
@given(raw_values, st.sampled_from(ResetPolicy), st.randoms(use_true_random=False))
def test_whatever_is_read_and_decided_the_count_audit_balances(raws: list[int], reset: ResetPolicy, order: Any) -> None:
    """When every doubt is decided nothing is undecided and nothing differs; real ones are ahead of the counts alone."""
    setup = CounterSetup(GOOD, 1000, reset, max_per_hour=120)
    events: list[UnitsCounted | CountUnreconciled] = []
    state: CounterState | None = None
    for minute, raw in enumerate(raws):
        state, outcome = count(setup, state, raw, at(minute))
        if isinstance(outcome, Counted):
            moved = counted(minute, outcome.delta, flag=outcome.flag)
            events.append(replace(moved, raw=raw, previous_raw=outcome.previous_raw))
        elif isinstance(outcome, Unreconciled):
            events.append(unreconciled(minute, raw=raw, previous_raw=outcome.previous_raw))
    known = decide_all(events, state, setup)
    words = [decided(listed.event, listed.shown[0] if listed.assessment is Assessment.REAL else 0) for listed in known]
    line = audit_of([*events, *order.sample(words, len(words))], state, 1000)

    assert line.unreconciled == 0
    assert line.difference == (0 if events else None)
    moves = sum(
        listed.event.raw - listed.event.previous_raw for listed in known if listed.assessment is Assessment.REAL
    )
    if state is not None and not line.resets and not line.rollovers and line.baseline_raw is not None:
        made = sum(event.delta for event in events if isinstance(event, UnitsCounted))
        assert state.raw - line.baseline_raw == made + moves


def decide_all(
    events: Sequence[UnitsCounted | CountUnreconciled], state: CounterState | None, setup: CounterSetup
) -> list[Case]:
    """The case of every doubtful reading, from the events themselves."""
    known = []
    for place, event in enumerate(events):
        if isinstance(event, CountUnreconciled):
            first, last = place, place
            while first >= 0 and not isinstance(events[first], UnitsCounted):
                first -= 1
            while last < len(events) and not isinstance(events[last], UnitsCounted):
                last += 1
            ends = [events[n] if 0 <= n < len(events) else None for n in (first, last)]
            before, after = (end if isinstance(end, UnitsCounted) else None for end in ends)
            doubted = [one for one in events[first + 1 : last] if isinstance(one, CountUnreconciled)]
            known.append(case(place, event, around(*doubted, before=before, after=after, shown=state, setup=setup), ()))
    return known


def audit_of(events: Sequence[StationEvent], shown: CounterState | None, modulus: int) -> CountAuditLine:
    account = Account(modulus)
    for seq, event in enumerate(events, start=1):
        assert isinstance(event, UnitsCounted | CountUnreconciled | CountReconciled)
        account.take(seq, event)
    if shown is not None:
        account.compare(shown.raw, shown.suspect_raw)
    return account.line((STATION, totaliser_id(GOOD)), None)


def test_the_example_plant_knows_its_totalisers() -> None:
    """The limits of these tests are those of the example plant."""
    setup = load(default_config()).config.setups[STATION]
    totalisers = [signal.setup for signal in setup.signals.values() if isinstance(signal, CounterSignal)]
    assert {totaliser.max_per_hour for totaliser in totalisers if totaliser.kind is GOOD} == {60}
