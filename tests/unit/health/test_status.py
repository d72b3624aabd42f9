"""The status of the program: what makes it alive and ready, and the count audit of its totalisers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import apsw
import pytest
from collect_scenes import at, entry, live, lost, ring, said, seen, station
from events import counted, unreconciled
from fakes import PLC, START, FakeAdapter, batch
from faulty_disk import NAME, faulty_disk
from hypothesis import given
from hypothesis import strategies as st
from status_scenes import CONTROLLER, JOURNAL, STATUS, WELD

from adapters.clock import ManualClock
from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.ports import AdapterStatus
from mes.collect.counters import Counted, CounterSetup, CounterState, ResetPolicy, Unreconciled, count
from mes.collect.station import Observation, StationState, encode_state
from mes.health.controllers import ConnectionState, Health
from mes.health.count_audit import Account, CountAudit, moduli
from mes.health.status import (
    CountAuditLine,
    JournalStatus,
    Limits,
    Sink,
    Status,
    alive,
    controller_status,
    ready,
)
from mes.journal import Entry, Journal
from mes.journal.consumers import backlog, stretches
from mes.model import CountFlag, CountKind, CountUnreconciled, StationId, UnitsCounted, totaliser_id

Count = UnitsCounted | CountUnreconciled


# Alive and ready


def test_all_is_well_without_reasons() -> None:
    """A program that collects is alive and ready, and gives no reasons."""
    assert [alive(STATUS).reasons, ready(STATUS).reasons] == [(), ()]
    assert alive(STATUS).holds
    assert ready(STATUS).holds


@given(
    held=st.none() | st.text(),
    unavailable=st.none() | st.text(),
    lag_s=st.none() | st.floats(0, 1e9),
    rows=st.integers(0, 10**12),
    quarantined=st.integers(0, 10**9),
)
def test_an_outage_of_the_sink_changes_nothing(
    held: str | None, unavailable: str | None, lag_s: float | None, rows: int, quarantined: int
) -> None:
    """However InfluxDB stands, the program is as alive and as ready as without it."""
    sink = Sink(
        name="influx",
        backlogs={"influx-events": rows},
        lag_s=lag_s,
        held=held,
        unavailable=unavailable,
        quarantined_lines=quarantined,
    )
    assert alive(replace(STATUS, sinks=[sink])) == alive(STATUS)
    assert ready(replace(STATUS, sinks=[sink])) == ready(STATUS)


@given(st.lists(st.tuples(st.sampled_from(list(ConnectionState)), st.floats(0, 299)), max_size=5))
def test_an_outage_of_controllers_leaves_it_alive(controllers: Sequence[tuple[ConnectionState, float]]) -> None:
    """Whatever controllers do or do not do, the program is alive while it tries; it is ready while one of them runs."""
    status = replace(
        STATUS,
        controllers=[
            replace(CONTROLLER, state=state, quiet_s=quiet_s, last_reading_age_s=None, items_active=0)
            for state, quiet_s in controllers
        ],
    )
    assert alive(status).holds
    assert ready(status).holds == any(state is ConnectionState.RUNNING for state, _ in controllers)


def test_a_frozen_journal_is_no_progress() -> None:
    """A journal that owes an answer for long makes it neither alive nor ready; one that is only busy does not."""
    busy = replace(STATUS, journal=replace(JOURNAL, waiting_s=5.0))
    frozen = replace(STATUS, journal=replace(JOURNAL, waiting_s=31.0))

    assert alive(busy).holds
    assert ready(busy).holds
    assert alive(frozen).reasons == ("the journal has committed nothing for 31 s though it was asked to",)
    assert ready(frozen).reasons == ("the journal has not answered for 31 s",)


def test_a_quiet_journal_is_no_standstill() -> None:
    """Where there is nothing to commit, no commit is missing."""
    assert alive(replace(STATUS, journal=JournalStatus(recovered=True, last_seq=0))).holds


def test_a_disk_that_takes_nothing_is_named() -> None:
    """A full disk makes it not ready, with the reason; it is alive however long that lasts, for it waits for room."""
    full = replace(JOURNAL, blocked="FullError: database or disk is full", waiting_s=2.0)

    assert alive(replace(STATUS, journal=full)).holds
    assert ready(replace(STATUS, journal=full)).reasons == (
        "the disk takes nothing: FullError: database or disk is full",
    )
    assert alive(replace(STATUS, journal=replace(full, waiting_s=600.0))).holds


@pytest.mark.parametrize(
    ("state", "quiet_s", "holds"),
    [
        (ConnectionState.RUNNING, 299, True),
        (ConnectionState.RUNNING, 301, False),
        (ConnectionState.PARKED, 301, True),
        (ConnectionState.PARKED, 901, False),
        (ConnectionState.CONNECTING, 901, False),
    ],
)
def test_a_task_that_stands_still_is_no_progress(state: ConnectionState, quiet_s: float, holds: bool) -> None:
    """A controller's task has its time, a waiting one more than a running one; after that it is named."""
    verdict = alive(replace(STATUS, controllers=[replace(CONTROLLER, state=state, quiet_s=quiet_s)]))

    assert verdict.holds is holds
    assert all("controller weld-plc" in reason for reason in verdict.reasons)


def test_readiness_gives_every_reason() -> None:
    """Before recovery and before the first try both are said, and a long reason is cut."""
    starting = Status(controllers=[], journal=JournalStatus(recovered=False, last_seq=0, blocked="x" * 1000))

    assert [reason[:24] for reason in ready(starting).reasons] == [
        "the journal is still bei",
        "the disk takes nothing: ",
        "no controller runs: none",
    ]
    assert max(len(reason) for reason in ready(starting).reasons) == 301


# Where it comes from


@dataclass(slots=True)
class Seconds:
    """A monotonic clock that moves when it is told to."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_health_knows_how_long_a_task_is_quiet() -> None:
    """Every try, batch and loss is a sign of the task; only a journaled batch is one of the controller."""
    seconds = Seconds()
    health = Health(ManualClock(START), monotonic_s=seconds)
    health.connecting(PLC, FakeAdapter())
    seconds.now_s += 2
    tried = controller_status(health.snapshot()[0])
    health.seen(PLC, batch().received_time)
    seconds.now_s += 3
    health.lost(PLC, "cable")
    seconds.now_s += 4
    gone = controller_status(health.snapshot()[0], {PLC: 0.5})

    assert (tried.quiet_s, tried.last_reading_age_s, tried.clock_offset_s, tried.reconnects) == (2, None, None, 0)
    assert (gone.quiet_s, gone.last_reading_age_s, gone.clock_offset_s, gone.error) == (4, 7, 0.5, "cable")
    assert (gone.items_configured, gone.items_active, gone.attempts, gone.connections) == (5, 0, 1, 1)


def test_an_unprotected_connection_is_known_by_its_code() -> None:
    """The code that the adapter publishes decides; the words of its sentence may change."""
    health = Health(ManualClock(START))
    adapter = FakeAdapter()
    health.connecting(PLC, adapter)
    protected = controller_status(health.snapshot()[0])
    adapter.present = AdapterStatus(5, 4, (Diagnostic(DiagnosticCode.INSECURE_CONNECTION, "other words", "r"),))
    health.seen(PLC, START)

    assert controller_status(health.snapshot()[0]).insecure
    assert not protected.insecure


async def test_a_disk_that_takes_nothing_is_waited_for(tmp_path: Path) -> None:
    """While the disk is full the program is alive and not ready; with room it is ready again by itself."""
    limits = Limits(journal_s=0.05)
    with faulty_disk() as disk:
        async with Journal.open(tmp_path / "journal.sqlite", vfs=NAME, retry_s=0.001) as journal:

            def judged() -> tuple[bool, bool]:
                known = replace(JOURNAL, waiting_s=journal.waiting_s, blocked=journal.blocked)
                status = replace(STATUS, journal=known)
                return alive(status, limits).holds, ready(status, limits).holds

            await journal.append(Entry(events=[part(0, None, delta=0, flag=CountFlag.BASELINE)]))
            disk.refuse = apsw.FullError
            queued = journal.append(Entry(events=[part(1, 0, delta=1)]))
            while judged() != (True, False):
                await asyncio.sleep(0.001)
            disk.refuse = None
            await queued
            while judged() != (True, True):
                await asyncio.sleep(0.001)


# The count audit


def kept(events: Sequence[Count], state: CounterState | None, *, modulus: int | None = None) -> CountAuditLine:
    """The count audit after these events, held against a state."""
    account = Account(modulus)
    for seq, event in enumerate(events, start=1):
        account.take(seq, event)
    if state is not None:
        account.compare(state.raw, state.suspect_raw)
    return account.line((WELD, totaliser_id(CountKind.GOOD)), None)


def part(raw: int, previous: int | None, *, delta: int, flag: CountFlag = CountFlag.NORMAL) -> UnitsCounted:
    return counted(START, delta, raw=raw, previous_raw=previous, flag=flag, station=WELD)


def doubted(raw: int, previous: int) -> CountUnreconciled:
    return unreconciled(START, raw=raw, previous_raw=previous, station=WELD)


def read(setup: CounterSetup, raws: Sequence[int]) -> tuple[list[Count], CounterState | None]:
    """What the rule of counting makes of a totaliser that is read once a minute."""
    events: list[Count] = []
    state = None
    for minute, raw in enumerate(raws):
        state, outcome = count(setup, state, raw, START + timedelta(minutes=minute))
        if isinstance(outcome, Counted):
            events.append(part(raw, outcome.previous_raw, delta=outcome.delta, flag=outcome.flag))
        elif isinstance(outcome, Unreconciled):
            events.append(doubted(raw, outcome.previous_raw))
    return events, state


raw_values = st.lists(st.integers(0, 3) | st.integers(0, 1010) | st.integers(990, 1005), max_size=30)
steps = st.lists(st.integers(0, 4), min_size=2, max_size=30)


@given(raw_values, st.sampled_from(ResetPolicy))
def test_whatever_is_read_the_count_audit_balances(raws: Sequence[int], reset: ResetPolicy) -> None:
    """Resets, rollovers, glitches and jumps in any order leave no difference: each is counted or said to be open."""
    setup = CounterSetup(CountKind.GOOD, 1000, reset, max_per_hour=120)
    events, state = read(setup, raws)
    line = kept(events, state, modulus=1000)

    assert line.difference == (0 if events else None)
    assert line.counted == sum(event.delta for event in events if isinstance(event, UnitsCounted))
    if state is not None and events and not line.resets and not line.rollovers:
        last = state.suspect_raw if state.suspect_raw is not None else state.raw
        assert line.baseline_raw is not None
        assert last - line.baseline_raw == line.counted + line.unreconciled


@given(steps, st.integers(0, 999), st.data())
def test_a_lost_or_doubled_event_is_a_difference(made: Sequence[int], first: int, data: st.DataObject) -> None:
    """An event that is missing shows as its units above 0, one that is there twice as its units below 0."""
    setup = CounterSetup(CountKind.GOOD, 1000, ResetPolicy.NEVER, max_per_hour=240)
    raws = [(first + sum(made[:n])) % 1000 for n in range(len(made) + 1)]
    events, state = read(setup, raws)
    units = [n for n, event in enumerate(events) if isinstance(event, UnitsCounted) and event.flag is CountFlag.NORMAL]
    if not units:
        return
    at_event = data.draw(st.sampled_from(units))
    event = events[at_event]
    assert isinstance(event, UnitsCounted)

    assert kept(events, state).difference == 0
    assert kept([*events[:at_event], *events[at_event + 1 :]], state).difference == event.delta
    assert kept([*events[: at_event + 1], *events[at_event:]], state).difference == -event.delta


def test_a_state_that_is_ahead_in_silence_is_a_difference() -> None:
    """Units that the collector knows and the journal never counted show, until they are counted."""
    events = [part(100, None, delta=0, flag=CountFlag.BASELINE), part(103, 100, delta=3)]

    assert kept(events, CounterState(103, START)).difference == 0
    assert kept(events, CounterState(105, START)).difference == 2
    assert kept([*events, part(105, 103, delta=2)], None).difference == 0


def test_what_was_said_to_be_undecided_is_no_difference() -> None:
    """A jump that a person has to decide stands under `unreconciled`, open or accepted; a glitch leaves nothing."""
    start = part(100, None, delta=0, flag=CountFlag.BASELINE)
    jumped: list[Count] = [start, doubted(600, 100)]

    still_open = kept(jumped, CounterState(100, START, 600, START))
    accepted = kept([*jumped, part(602, 600, delta=2)], CounterState(602, START))
    glitch = kept([*jumped, part(101, 100, delta=1)], CounterState(101, START))
    turned = kept(jumped, CounterState(600, START))

    assert (still_open.unreconciled, still_open.difference) == (500, 0)
    assert (accepted.unreconciled, accepted.difference, accepted.counted) == (500, 0, 2)
    assert (glitch.unreconciled, glitch.difference) == (0, 0)
    assert (turned.unreconciled, turned.difference) == (500, 0)


def test_a_rollover_of_another_length_is_a_difference() -> None:
    """Where the totaliser's modulus is known a turn takes out that much and nothing else."""
    events = [
        part(65530, None, delta=0, flag=CountFlag.BASELINE),
        part(4, 65530, delta=10, flag=CountFlag.ROLLOVER),
    ]

    assert (kept(events, None, modulus=65536).difference, kept(events, None, modulus=65536).rollovers) == (0, 1)
    assert kept(events, None, modulus=10000).difference != 0


def test_a_second_baseline_hides_nothing() -> None:
    """A totaliser that is begun again in the middle shows what it moved by meanwhile."""
    events = [
        part(100, None, delta=0, flag=CountFlag.BASELINE),
        part(150, None, delta=0, flag=CountFlag.BASELINE),
    ]
    assert kept(events, None).difference == 50


def test_imported_counts_without_a_totaliser_balance() -> None:
    """Where nobody read a totaliser its numbers say nothing, and the units count."""
    line = kept([part(0, None, delta=5), part(1, None, delta=5)], None)
    assert (line.counted, line.difference, line.baseline_raw) == (10, 0, None)


def test_what_a_sink_has_may_be_two_stretches() -> None:
    """A consumer that sends the new first has done what lies before its cursor, and what it sent ahead."""
    assert stretches({}, "influx-events") == ((0, 0),)
    ahead = {"influx-events": 100, "influx-events-live-from": 1000, "influx-events-live": 1200}
    assert stretches(ahead, "influx-events") == ((0, 100), (1000, 1200))
    assert backlog(ahead, "influx-events", 1250) == 950
    assert stretches({**ahead, "influx-events": 1200}, "influx-events") == ((0, 1200),)
    assert backlog({"influx-kpi": 7}, "influx-kpi", 7) == 0


@dataclass(slots=True)
class Told:
    """A running journal as the count audit asks it, with states and cursors that are told."""

    last_seq: int
    states: Mapping[StationId, bytes] = field(default_factory=dict)
    done: Mapping[str, int] = field(default_factory=dict)
    asked: int = 0

    async def station_states(self) -> Mapping[StationId, bytes]:
        self.asked += 1
        return self.states

    async def cursors(self) -> Mapping[str, int]:
        return self.done


async def test_the_count_audit_follows_a_journal(tmp_path: Path) -> None:
    """Over gaps, resets and rollovers, with a sink far behind and ahead, the count audit says what the journal says."""
    setup = station(modulus=1000)
    last = (said("log", ring(entry(1, 4050)), 4060), said("good", 4, 4060), said("total", 1, 4060))
    done = live(
        setup,
        seen(0, baseline=True, good=990, scrap=5, total=995),
        seen(60, good=991, total=996),
        seen(120, good=993, product="S2", total=998),
        lost(130, 4000),
        Observation((said("good", 3, 4000), said("scrap", 7, 4000)), at(4000), baseline=True),
        Observation(last, at(4060), baseline=False),
    )
    states = {WELD: encode_state(done.state)}
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        for event in done.events:
            await journal.append(Entry(events=[event]))
        await journal.append(Entry(states=states))
        count_audit = CountAudit(path, journal, moduli=moduli({WELD: setup}), consumer="sink")
        assert count_audit.lines() == ()
        for cursor in (0, 3, journal.last_seq):
            await journal.advance("sink", cursor)
            await count_audit.catch_up()
            of_kind = {line.kind: line for line in count_audit.lines()}
            assert [line.difference for line in count_audit.lines()] == [0, 0, 0]
            assert {kind: line.stored for kind, line in of_kind.items()} == units(done.events[:cursor])
            assert {kind: line.counted for kind, line in of_kind.items()} == units(done.events)
            assert (count_audit.oldest_not_stored is None) == (cursor == journal.last_seq)
        good = of_kind[CountKind.GOOD]
        assert (good.baseline_raw, good.totaliser_raw, good.counted, good.rollovers) == (990, 4, 14, 1)
        assert of_kind[CountKind.TOTAL].resets + of_kind[CountKind.TOTAL].rollovers == 1


def units(events: Sequence[object]) -> dict[CountKind, int]:
    """Units of each kind that these events count."""
    sums = dict.fromkeys((CountKind.GOOD, CountKind.SCRAP, CountKind.TOTAL), 0)
    for event in events:
        if isinstance(event, UnitsCounted):
            sums[event.kind] += event.delta
    return sums


async def test_the_count_audit_reads_on_where_it_was(tmp_path: Path) -> None:
    """In many small steps, with a sink at any place and stretches that meet, the count audit is that of one reading."""
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        told = Told(0)
        count_audit = CountAudit(path, told, consumer="sink")
        await journal.append(Entry(events=[part(0, None, delta=0, flag=CountFlag.BASELINE)]))
        await asyncio.gather(*(journal.append(Entry(events=[part(n, n - 1, delta=1)])) for n in range(1, 5000)))
        places = [
            (10, {}, 0),
            (3000, {"sink": 5}, 4),
            (4000, {"sink": 100, "sink-live-from": 3000}, 99),
            (4500, {"sink": 200, "sink-live-from": 3000, "sink-live": 4100}, 199 + 1100),
            (5000, {"sink": 4200, "sink-live-from": 3000, "sink-live": 4100}, 4199),
            (5000, {"sink": 5000, "sink-live-from": 3000, "sink-live": 4100}, 4999),
        ]
        for last_seq, told.done, stored in places:
            told.last_seq = last_seq
            state = StationState(counters={totaliser_id(CountKind.GOOD): CounterState(last_seq - 1, START)})
            told.states = {WELD: encode_state(state)}
            await count_audit.catch_up()
            line = count_audit.lines()[0]
            assert (line.counted, line.stored, line.difference) == (last_seq - 1, stored, 0)
            assert line.not_stored == line.counted - stored
            assert count_audit.position == last_seq
        following = asyncio.create_task(CountAudit(path, told).follow(every_s=0))
        while not following.done() and told.asked < 10:
            await asyncio.sleep(0.001)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        assert following.cancelled()
