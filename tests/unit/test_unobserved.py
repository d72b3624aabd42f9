"""A stretch without an observation is a gap, whoever caused it; what a subscription queued meanwhile is known."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import apsw
import pytest
from fakes import PLC, START
from faulty_disk import NAME, faulty_disk
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.clock import ManualClock, ScaledClock
from adapters.reading import Batch, GapCause, PolledPart, Quality, Reading, TagId
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, SignalSetup, StateSignal, StationSetup
from mes.collect.states import CodeMap
from mes.intervals import Interval
from mes.journal import Journal
from mes.model import ConnectionLost, CountFlag, CountKind, State, StationEvent, StationId, UnitsCounted
from mes.oee.timeline import Span, timeline
from mes.pipeline import Pipeline

STATION, OTHER = StationId("kostanay/weld/weld-1/framing"), StationId("kostanay/weld/weld-1/respot")
STATE, GOOD, GOOD_OF_OTHER = TagId("State"), TagId("Good"), TagId("GoodOfOther")
SECOND = timedelta(seconds=1)
CODES = {"1": State.PRODUCING, "4": State.DOWN}


def setups() -> dict[StationId, StationSetup]:
    counter = CounterSignal(CounterSetup(CountKind.GOOD, 2**16, ResetPolicy.NEVER, max_per_hour=3600))
    signals: dict[StationId, dict[TagId, SignalSetup]] = {
        STATION: {STATE: StateSignal(CodeMap(CODES)), GOOD: counter},
        OTHER: {GOOD_OF_OTHER: counter},
    }
    return {
        station: StationSetup(station=station, signals=tags, products={}, max_source_offset=10 * SECOND)
        for station, tags in signals.items()
    }


@dataclass
class Bench:
    """A pipeline over a journal, polled every second by the test; `at_s` is the time since the start by both clocks."""

    journal: Journal
    at_s: float = 0.0
    monotonic_runs: bool = True
    wall_runs: bool = True

    def __post_init__(self) -> None:
        self.monotonic_s = 0.0
        self.clock = ManualClock(START)
        self.pipeline = Pipeline(
            setups(),
            self.journal,
            self.clock,
            controllers={STATION: PLC, OTHER: PLC},
            monotonic_s=lambda: self.monotonic_s,
        )

    def wait(self, real_s: float) -> None:
        self.at_s += real_s
        if self.monotonic_runs:
            self.monotonic_s += real_s
        if self.wall_runs:
            self.clock.advance(real_s * SECOND)

    async def poll(
        self,
        *,
        baseline: bool = False,
        every: timedelta | None = SECOND,
        source: datetime | None = None,
        part: PolledPart | None = None,
        answered_in: timedelta | None = None,
        **values: int,
    ) -> None:
        now = self.clock.now()
        tags = {"state": STATE, "good": GOOD, "other": GOOD_OF_OTHER}
        readings = tuple(Reading(tags[name], value, Quality.GOOD, source, now) for name, value in values.items())
        batch = Batch(PLC, now, readings, baseline=baseline, polled_every=every)
        await self.pipeline.accept(replace(batch, polled_part=part, answered_in=answered_in))

    async def events(self, station: StationId = STATION) -> list[StationEvent]:
        return [
            journaled.event for journaled in await self.journal.read(0, 10_000) if journaled.event.station == station
        ]

    async def spans(self) -> tuple[Span, ...]:
        return timeline(await self.events()).states(self.clock.now())

    async def seconds(self) -> dict[State, float]:
        found: dict[State, float] = {}
        for span in await self.spans():
            found[span.state] = found.get(span.state, 0.0) + span.interval.length.total_seconds()
        return found


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        yield Bench(journal)


async def test_a_pause_of_the_program_is_a_gap(bench: Bench) -> None:
    """40 s without a poll, whatever the station did in them, are 40 s without data, caused by the collector."""
    await bench.poll(baseline=True, state=1, good=5, other=7)
    bench.wait(1)
    await bench.poll()
    bench.wait(40)
    await bench.poll(good=6)
    bench.wait(1)
    await bench.poll()

    assert await bench.seconds() == {State.PRODUCING: 2.0, State.NO_DATA: 40.0}
    lost = next(event for event in await bench.events() if isinstance(event, ConnectionLost))
    assert (lost.cause, lost.time) == (GapCause.COLLECTOR, START + SECOND)
    assert "no observation for 40.0 s" in lost.detail


async def test_what_was_made_meanwhile_is_caught_up_and_what_comes_later_is_not(bench: Bench) -> None:
    """The part of the pause is counted over the gap; a count of a tag that said nothing new then is an ordinary one."""
    await bench.poll(baseline=True, state=1, good=5, other=7)
    bench.wait(40)
    await bench.poll(good=6)
    bench.wait(1)
    await bench.poll(other=8)

    caught_up = [event for event in await bench.events() if isinstance(event, UnitsCounted)][-1]
    later = [event for event in await bench.events(OTHER) if isinstance(event, UnitsCounted)][-1]
    assert (caught_up.delta, caught_up.flag, caught_up.since) == (1, CountFlag.CATCH_UP, START)
    assert (later.delta, later.flag, later.since) == (1, CountFlag.NORMAL, None)


async def test_a_state_that_did_not_change_is_stated_again(bench: Bench) -> None:
    """After the pause the state of the last poll is known again, though the poll says nothing new."""
    await bench.poll(baseline=True, state=4, good=5, other=7)
    bench.wait(40)
    await bench.poll()
    bench.wait(1)

    assert [(span.state, span.interval.length) for span in await bench.spans()] == [
        (State.NO_DATA, 40 * SECOND),
        (State.DOWN, SECOND),
    ]


@pytest.mark.parametrize("clock", ["wall", "monotonic"])
async def test_either_clock_shows_a_pause(bench: Bench, clock: str) -> None:
    """A machine that was paused may have missed the time by one of its clocks: the other one tells."""
    await bench.poll(baseline=True, state=1, good=5, other=7)
    bench.monotonic_runs, bench.wall_runs = clock == "monotonic", clock == "wall"
    bench.wait(40)
    await bench.poll()

    assert any(isinstance(event, ConnectionLost) for event in await bench.events())


async def test_what_a_subscription_queued_is_known(bench: Bench) -> None:
    """Changes that a server queued while this program stood still, with their times, leave no gap."""
    await bench.poll(baseline=True, every=None, state=1, good=5, other=7)
    bench.wait(9)
    await bench.poll(every=None, source=START + 2 * SECOND, state=4)

    assert await bench.seconds() == {State.PRODUCING: 2.0, State.DOWN: 7.0}


@pytest.mark.parametrize(
    ("answered_s", "cause"), [(0.1, GapCause.COLLECTOR), (19.0, GapCause.COLLECTOR), (39.0, GapCause.CONNECTION)]
)
async def test_who_was_late_is_named(bench: Bench, answered_s: float, cause: GapCause) -> None:
    """A poll that was answered late is the link's or the controller's lateness, one that was asked late is ours."""
    await bench.poll(baseline=True, state=1, good=5, other=7)
    bench.wait(40)
    await bench.poll(answered_in=answered_s * SECOND)

    [lost] = [event for event in await bench.events() if isinstance(event, ConnectionLost)]
    assert lost.cause is cause
    assert ("answered late" in lost.detail) == (cause is GapCause.CONNECTION)


def part(bench: Bench, *tags: TagId, answered_s: float = 0.0) -> PolledPart:
    """Tags that are read now, beside others that the server monitors."""
    return PolledPart(frozenset(tags), bench.clock.now(), SECOND, answered_s * SECOND)


@pytest.mark.parametrize(("answered_s", "cause"), [(0.0, GapCause.COLLECTOR), (39.0, GapCause.CONNECTION)])
async def test_a_tag_that_is_read_in_place_of_a_subscription_is_watched_by_its_polls_alone(
    bench: Bench, answered_s: float, cause: GapCause
) -> None:
    """40 s without a poll of the state are no data of its station, and of no other, whatever was notified meanwhile."""
    await bench.poll(baseline=True, every=None, state=1, good=5, other=7)
    for _ in range(2):
        bench.wait(1)
        await bench.poll(every=None, part=part(bench, STATE))
    bench.wait(40)
    await bench.poll(every=None, good=8, other=9)
    await bench.poll(every=None, part=part(bench, STATE, answered_s=answered_s))
    bench.wait(1)
    await bench.poll(every=None, part=part(bench, STATE), good=9)

    assert await bench.seconds() == {State.PRODUCING: 3.0, State.NO_DATA: 40.0}
    [lost] = [event for event in await bench.events() if isinstance(event, ConnectionLost)]
    assert (lost.time, lost.cause) == (START + 2 * SECOND, cause)
    assert not any(isinstance(event, ConnectionLost) for event in await bench.events(OTHER))
    assert [event.raw for event in await bench.events() if isinstance(event, UnitsCounted)][-1] == 9


async def test_a_tag_that_was_monitored_before_was_watched(bench: Bench) -> None:
    """A tag that is read only from now on was observed until now by its subscription: no gap is made of that."""
    await bench.poll(baseline=True, every=None, state=1, good=5, other=7)
    await bench.poll(every=None, part=part(bench, GOOD_OF_OTHER))
    bench.wait(40)
    await bench.poll(every=None, part=part(bench, STATE))
    bench.wait(1)
    await bench.poll(every=None, part=part(bench, STATE), baseline=True)

    assert await bench.seconds() == {State.PRODUCING: 41.0}
    assert not any(isinstance(event, ConnectionLost) for event in await bench.events(OTHER))


async def test_a_disk_that_held_up_the_polls_of_a_part_is_named(tmp_path: Path) -> None:
    """The commit of a notification that waits for the disk keeps the next poll waiting: the disk's lateness."""
    with faulty_disk() as disk:
        async with Journal.open(tmp_path / "journal.sqlite", vfs=NAME, retry_s=0.01) as journal:
            bench = Bench(journal)
            await bench.poll(baseline=True, every=None, state=1, good=5, other=7)
            await bench.poll(every=None, part=part(bench, STATE))
            disk.refuse = apsw.FullError
            waiting = asyncio.create_task(bench.poll(every=None, good=6))
            while disk.refusals < 3:
                await asyncio.sleep(0.001)
            bench.wait(40)
            disk.refuse = None
            await waiting
            await bench.poll(every=None)
            await bench.poll(every=None, part=part(bench, STATE))
            [lost] = [event for event in await bench.events() if isinstance(event, ConnectionLost)]
            assert lost.cause is GapCause.DISK


async def test_a_simulated_clock_is_judged_in_real_time(bench: Bench) -> None:
    """At 60 times the speed a poll every real second is no gap, and 40 real seconds without one are."""
    clock = ScaledClock(START, speed=60.0, held=True)
    pipeline = Pipeline(
        setups(), bench.journal, clock, controllers={STATION: PLC, OTHER: PLC}, monotonic_s=lambda: bench.monotonic_s
    )
    for real_s, gaps in ((0, 0), (1, 0), (40, 1)):
        bench.wait(real_s)
        now = START + bench.at_s * 60 * SECOND
        await pipeline.accept(Batch(PLC, now, (), baseline=not real_s, polled_every=SECOND))
        assert sum(isinstance(event, ConnectionLost) for event in await bench.events()) == gaps


async def test_a_disk_that_takes_nothing_is_a_gap(tmp_path: Path) -> None:
    """While a commit waits for the disk nobody looks at the controller: that time is no data, caused by the disk."""
    with faulty_disk() as disk:
        async with Journal.open(tmp_path / "journal.sqlite", vfs=NAME, retry_s=0.01) as journal:
            bench = Bench(journal)
            await bench.poll(baseline=True, state=1, good=5, other=7)
            bench.wait(1)
            disk.refuse = apsw.FullError
            waiting = asyncio.create_task(bench.poll(good=6))
            while disk.refusals < 3:
                await asyncio.sleep(0.001)
            bench.wait(40)
            disk.refuse = None
            await waiting
            await bench.poll(good=9)

            assert await bench.seconds() == {State.PRODUCING: 1.0, State.NO_DATA: 40.0}
            lost = next(event for event in await bench.events() if isinstance(event, ConnectionLost))
            counted = [event for event in await bench.events() if isinstance(event, UnitsCounted)]
            assert (lost.cause, lost.time) == (GapCause.DISK, START + SECOND)
            assert [count.delta for count in counted] == [0, 1, 3]


@settings(max_examples=25)
@given(pauses=st.lists(st.floats(min_value=0.1, max_value=100), min_size=1, max_size=12))
def test_no_second_that_nobody_observed_is_shown_as_known(
    tmp_path_factory: pytest.TempPathFactory, pauses: list[float]
) -> None:
    """Whatever the pauses between polls: those longer than 5 s are no data to the last microsecond, others are not."""

    async def collect() -> None:
        async with Journal.open(tmp_path_factory.mktemp("pauses") / "journal.sqlite") as journal:
            bench = Bench(journal)
            await bench.poll(baseline=True, state=1, good=5, other=7)
            dark = []
            for pause in pauses:
                began = bench.clock.now()
                bench.wait(pause)
                await bench.poll()
                if bench.clock.now() - began > 5 * SECOND:
                    dark.append(Interval(began, bench.clock.now()))
            shown = [span for span in await bench.spans() if span.state is State.NO_DATA]
            assert sum((span.interval.length for span in shown), timedelta()) == sum(
                (span.length for span in dark), timedelta()
            )

    asyncio.run(collect())
