"""The pipeline: routing, gaps, recovery, and states that move only with their journal entry."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import apsw
import pytest
from fakes import PLC, START
from faulty_disk import NAME, faulty_disk

from adapters.clock import ManualClock
from adapters.reading import Batch, ControllerId, GapCause, Quality, Reading, TagId, Value
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, StationSetup, UnitLogSignal
from mes.errors import JournalError
from mes.journal import Journal
from mes.model import (
    ConnectionLost,
    ConnectionRestored,
    CountFlag,
    CountKind,
    CountUnreconciled,
    StationId,
    UnitsCounted,
)
from mes.pipeline import Pipeline

FIRST, SECOND = StationId("kostanay/weld/weld-1/framing"), StationId("kostanay/weld/weld-1/respot")
TAGS = {FIRST: TagId("W030.GoodCount"), SECOND: TagId("W040.GoodCount")}


def setup(station: StationId) -> StationSetup:
    counter = CounterSetup(kind=CountKind.GOOD, modulus=2**32, reset=ResetPolicy.NEVER, max_per_hour=600)
    return StationSetup(
        station=station,
        signals={TAGS[station]: CounterSignal(counter)},
        products={},
        max_source_offset=timedelta(seconds=10),
    )


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def counts(minute: float, *raws: int, baseline: bool = False, heartbeat: bool = False) -> Batch:
    """A batch with the good counts of the first station and, if two are given, of the second."""
    tags = [*list(TAGS.values())[: len(raws)], *([TagId("Heartbeat")] if heartbeat else [])]
    readings = [Reading(tag, raw, Quality.GOOD, None, at(minute)) for tag, raw in zip(tags, [*raws, 1], strict=False)]
    return Batch(PLC, at(minute), tuple(readings), baseline=baseline)


class Bench:
    """A pipeline with its journal and clocks."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.clock = ManualClock(at(60 * 24))
        self.real_s = 0.0
        self.restart()

    def restart(self) -> None:
        """A new pipeline on the same journal, as after a restart of the program."""
        self.pipeline = Pipeline(
            {station: setup(station) for station in TAGS},
            self.journal,
            self.clock,
            controllers=dict.fromkeys(TAGS, PLC),
            monotonic_s=lambda: self.real_s,
        )

    async def units(self, station: StationId) -> list[UnitsCounted]:
        found = [journaled.event for journaled in await self.journal.read(0, 1000)]
        return [count for count in found if isinstance(count, UnitsCounted) and count.station == station]

    async def connection(self, station: StationId) -> list[ConnectionLost | ConnectionRestored]:
        found = [journaled.event for journaled in await self.journal.read(0, 1000)]
        events = [event for event in found if isinstance(event, ConnectionLost | ConnectionRestored)]
        return [event for event in events if event.station == station]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        yield Bench(journal)


async def test_readings_reach_their_station(bench: Bench) -> None:
    """Each reading goes to the station whose tag it is; a tag of no station, like a heartbeat, to none."""
    await bench.pipeline.accept(counts(0, 10, 20, baseline=True, heartbeat=True))
    await bench.pipeline.accept(counts(1, 11, 22))

    assert sum(unit.delta for unit in await bench.units(FIRST)) == 1
    assert sum(unit.delta for unit in await bench.units(SECOND)) == 2


async def test_a_loss_and_its_end_are_told_to_every_station_once(bench: Bench) -> None:
    """From the last batch to the next baseline is a gap of each station, however often the loss is reported."""
    await bench.pipeline.accept(counts(0, 10, 20, baseline=True))
    await bench.pipeline.accept(counts(5))
    for _ in range(3):
        await bench.pipeline.lost(PLC, cause=GapCause.CONNECTION, detail="cut", since=None)
    await bench.pipeline.accept(counts(9, 14, 20, baseline=True))

    for station in TAGS:
        lost, restored = await bench.connection(station)
        assert isinstance(lost, ConnectionLost)
        assert isinstance(restored, ConnectionRestored)
        assert (lost.time, lost.cause, restored.since, restored.time) == (at(5), GapCause.CONNECTION, at(5), at(9))
    caught_up = (await bench.units(FIRST))[-1]
    assert (caught_up.delta, caught_up.flag, caught_up.since) == (4, CountFlag.CATCH_UP, at(5))


async def test_a_stuck_controller_is_blind_since_its_last_heartbeat(bench: Bench) -> None:
    """Where the adapter knows an earlier last proof of life than the last batch, the gap begins there."""
    await bench.pipeline.accept(counts(0, 10, 20, baseline=True))
    await bench.pipeline.accept(counts(5))
    await bench.pipeline.lost(PLC, cause=GapCause.STUCK, detail="heartbeat", since=at(3))

    assert [event.time for event in await bench.connection(FIRST)] == [at(3)]
    assert bench.pipeline.last_observed(PLC) == at(3)


async def test_what_was_never_seen_cannot_be_lost(bench: Bench) -> None:
    """A controller that does not answer from the start journals nothing."""
    await bench.pipeline.lost(PLC, cause=GapCause.CONNECTION, detail="refused", since=None)

    assert bench.pipeline.last_observed(PLC) is None
    assert bench.journal.last_seq == 0


async def test_a_restart_is_a_gap_and_the_totaliser_heals_it(bench: Bench) -> None:
    """After a restart the count goes on from the journal's last raw value, over a gap with cause COLLECTOR."""
    await bench.pipeline.accept(counts(0, 10, 20, baseline=True))
    await bench.pipeline.accept(counts(2, 12))
    bench.restart()
    await bench.pipeline.recover()
    await bench.pipeline.accept(counts(8, 15, 20, baseline=True))

    assert sum(unit.delta for unit in await bench.units(FIRST)) == 5
    lost, restored = await bench.connection(SECOND)
    assert isinstance(lost, ConnectionLost)
    assert (lost.cause, lost.time, restored.time) == (GapCause.COLLECTOR, at(2), at(8))


async def test_a_restart_while_blind_tells_of_one_gap(bench: Bench) -> None:
    """A controller that was lost before the restart has one gap, from its loss to the next baseline."""
    await bench.pipeline.accept(counts(0, 10, 20, baseline=True))
    await bench.pipeline.accept(counts(5))
    await bench.pipeline.lost(PLC, cause=GapCause.STUCK, detail="heartbeat", since=at(3))
    bench.restart()
    await bench.pipeline.recover()
    await bench.pipeline.accept(counts(9, 10, 20, baseline=True))

    lost, restored = await bench.connection(FIRST)
    assert isinstance(restored, ConnectionRestored)
    assert (lost.time, restored.since, restored.time) == (at(3), at(3), at(9))


async def test_nothing_new_costs_no_commit_and_is_remembered(bench: Bench) -> None:
    """Empty batches are proofs of life: in memory at once, on disk when the last one there is 2 s old."""
    await bench.pipeline.accept(counts(0, 10, 20, baseline=True))
    await bench.pipeline.accept(counts(1))

    assert bench.pipeline.last_observed(PLC) == at(1)
    assert await bench.journal.observed() == {PLC: at(0)}
    bench.real_s += 2
    await bench.pipeline.accept(counts(2))
    assert await bench.journal.observed() == {PLC: at(2)}


async def test_a_keep_alive_is_a_look_at_what_is_held(bench: Bench) -> None:
    """After an idle night of empty batches, a day's parts within a second are flagged; a possible rise is counted."""
    await bench.pipeline.accept(counts(0, 1000, 1000, baseline=True))
    for minute in range(600):
        await bench.pipeline.accept(counts(minute))
    await bench.pipeline.accept(counts(600, 1300, 1010))

    assert sum(unit.delta for unit in await bench.units(FIRST)) == 0
    assert sum(unit.delta for unit in await bench.units(SECOND)) == 10
    doubts = [
        journaled.event
        for journaled in await bench.journal.read(0, 1000)
        if isinstance(journaled.event, CountUnreconciled)
    ]
    assert [(doubt.station, doubt.raw) for doubt in doubts] == [(FIRST, 1300)]


@pytest.mark.parametrize(("hours_away", "believed"), [(0.01, 0), (1, 300)])
async def test_the_last_look_is_known_after_a_restart(bench: Bench, hours_away: float, believed: int) -> None:
    """What is believed after a restart was made since the last proof of life on disk, not since the last count."""
    await bench.pipeline.accept(counts(0, 1000, 1000, baseline=True))
    for minute in range(600):
        bench.real_s += 60
        await bench.pipeline.accept(counts(minute))
    bench.restart()
    await bench.pipeline.recover()
    await bench.pipeline.accept(counts(599 + 60 * hours_away, 1300, 1000, baseline=True))

    assert sum(unit.delta for unit in await bench.units(FIRST)) == believed


async def test_a_clock_set_back_makes_no_negative_gap(bench: Bench) -> None:
    """A gap ends where it began when our clock shows an earlier time at the baseline than at the loss."""
    await bench.pipeline.accept(counts(0, 10, 20, baseline=True))
    await bench.pipeline.accept(counts(5))
    await bench.pipeline.lost(PLC, cause=GapCause.CONNECTION, detail="cut", since=None)
    await bench.pipeline.accept(counts(4, 10, 20, baseline=True))

    assert [event.time for event in await bench.connection(FIRST)] == [at(5), at(5)]


async def test_a_refused_entry_moves_no_state(bench: Bench, tmp_path: Path) -> None:
    """When the journal refuses, the batch fails and the states in memory stay those of the last entry."""
    async with Journal.open(tmp_path / "other.sqlite") as journal:
        bench.journal = journal
        bench.restart()
        await bench.pipeline.accept(counts(0, 10, 20, baseline=True))
    for _ in range(2):
        with pytest.raises(JournalError, match="closed"):
            await bench.pipeline.accept(counts(1, 11, 20))


async def test_a_batch_is_acknowledged_when_it_is_on_disk(tmp_path: Path) -> None:
    """While the disk takes nothing, `accept` and `lost` do not return: so no controller is acknowledged too early."""
    with faulty_disk() as disk:
        async with Journal.open(tmp_path / "journal.sqlite", vfs=NAME, retry_s=0.01) as journal:
            bench = Bench(journal)
            await bench.pipeline.accept(counts(0, 5, baseline=True))
            disk.refuse = apsw.FullError
            lost = bench.pipeline.lost(PLC, cause=GapCause.CONNECTION, detail="cut", since=None)
            waiting = [asyncio.create_task(bench.pipeline.accept(counts(1, 7))), asyncio.create_task(lost)]
            while disk.refusals < 3:
                await asyncio.sleep(0.001)
            assert not any(task.done() for task in waiting)
            disk.refuse = None
            await asyncio.gather(*waiting)
            assert [unit.delta for unit in await bench.units(FIRST)] == [0, 2]


async def test_a_count_that_is_held_back_is_decided_though_the_station_says_nothing_more(tmp_path: Path) -> None:
    """A fall that may be a rollover or a reset waits a minute for the record of units, not for the station's next word.

    Without a record in that minute it was neither, and a person decides.
    """
    counter = CounterSetup(CountKind.GOOD, modulus=2**16, reset=ResetPolicy.ALLOWED, max_per_hour=600)
    log = TagId("W030.Units")
    of_first = replace(setup(FIRST), signals={TAGS[FIRST]: CounterSignal(counter), log: UnitLogSignal()})

    def said(minute: float, **tags: Value) -> Batch:
        names = {"good": TAGS[FIRST], "log": log}
        readings = (Reading(names[tag], value, Quality.GOOD, None, at(minute)) for tag, value in tags.items())
        return Batch(PLC, at(minute), tuple(readings), baseline=minute == 0)

    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        pipeline = Pipeline({FIRST: of_first}, journal, ManualClock(at(9)), controllers={FIRST: PLC})
        await pipeline.accept(said(0, good=65535, log=("7;G;1772420000;S3;V7",)))
        await pipeline.accept(said(1, good=1))
        await pipeline.accept(said(1.5))
        waiting = await journal.read(0, 1000)
        await pipeline.accept(said(2.1))
        told = [journaled.event for journaled in await journal.read(0, 1000)]

    assert not any(isinstance(journaled.event, UnitsCounted) and journaled.event.delta for journaled in waiting)
    assert [(event.previous_raw, event.raw) for event in told if isinstance(event, CountUnreconciled)] == [(65535, 1)]


async def test_a_station_that_moves_to_another_controller(bench: Bench) -> None:
    """It has a gap from the former controller's last word to the new one's first; the other station has none."""
    other = ControllerId("other")
    bench.pipeline = Pipeline(
        {station: setup(station) for station in TAGS},
        bench.journal,
        bench.clock,
        controllers={FIRST: PLC, SECOND: other},
        monotonic_s=lambda: bench.real_s,
    )
    second = replace(counts(0, 10, 20), controller=other, baseline=True)
    second = replace(second, readings=second.readings[1:])
    await bench.pipeline.accept(counts(0, 10, baseline=True))
    await bench.pipeline.accept(second)
    await bench.pipeline.accept(counts(5, 12))
    new = ControllerId("new")
    await bench.pipeline.reconfigure(
        {station: setup(station) for station in TAGS}, controllers={FIRST: PLC, SECOND: new}, affected={other, new}
    )
    await bench.pipeline.accept(counts(6, 13))
    reading = replace(second.readings[0], value=24, received_time=at(8))
    moved = replace(second, controller=new, received_time=at(8), readings=(reading,))
    await bench.pipeline.accept(moved)

    assert await bench.connection(FIRST) == []
    lost, restored = await bench.connection(SECOND)
    assert (lost.time, restored.time) == (at(0), at(8))
    assert sum(unit.delta for unit in await bench.units(FIRST)) == 3
    assert sum(unit.delta for unit in await bench.units(SECOND)) == 4
