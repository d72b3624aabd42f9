"""A station that two controllers show: its own, without which nothing is known, and another with some of its values."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from collect_scenes import station
from fakes import START
from hypothesis import given
from hypothesis import strategies as st

from adapters.clock import ManualClock
from adapters.reading import Batch, ControllerId, GapCause, PolledPart, Quality, Reading, TagId, Value
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, StateSignal
from mes.collect.states import CodeMap
from mes.journal import Journal
from mes.model import CountFlag, CountKind, CountUnreconciled, QualityChanged, State, StationEvent, UnitsCounted
from mes.oee.timeline import timeline
from mes.pipeline import Pipeline

OWN, OTHER = ControllerId("plc"), ControllerId("weld-timer")
ONES: dict[ControllerId, dict[str, Value]] = {OWN: {"state": 1}, OTHER: {"good": 10, "current": 7.5}}


@dataclass
class Bench:
    """A pipeline on a journal; the state is shown by the station's own controller, counts and current by another."""

    journal: Journal
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    shortest_pulse: timedelta | None = None  # good units are pulses, if it is given

    def __post_init__(self) -> None:
        made = station(max_per_hour=3600)
        signals = {tag: made.signals[tag] for tag in (TagId("good"), TagId("current"))}
        if self.shortest_pulse is not None:
            counter = CounterSetup(CountKind.GOOD, 2**50, ResetPolicy.NEVER, 3600)
            signals[TagId("good")] = CounterSignal(counter, pulse=True, shortest_pulse=self.shortest_pulse)
        states = StateSignal(CodeMap({"1": State.PRODUCING, "4": State.DOWN}))
        self.setup = replace(
            made,
            signals={TagId("state"): states, **signals},
            elsewhere={TagId("good"): OTHER, TagId("current"): OTHER},
        )
        self.shown = {controller: dict(values) for controller, values in ONES.items()}
        self.pipeline = Pipeline(
            {made.station: self.setup},
            self.journal,
            self.clock,
            controllers={made.station: OWN},
            monotonic_s=(self.clock.now() - START).total_seconds,
        )

    async def connect(self, controller: ControllerId) -> None:
        """All that the controller shows."""
        await self._batch(controller, self.shown[controller], baseline=True)

    async def tell(self, controller: ControllerId, *, after_s: float = 1.0, **values: Value) -> None:
        """What changes there, so much later."""
        self.clock.advance(timedelta(seconds=after_s))
        self.shown[controller] |= values
        await self._batch(controller, values)

    async def lose(self, controller: ControllerId) -> None:
        """Its connection is lost."""
        await self.pipeline.lost(controller, cause=GapCause.CONNECTION, detail="cut", since=None)

    async def _batch(self, controller: ControllerId, values: dict[str, Value], *, baseline: bool = False) -> None:
        now = self.clock.now()
        readings = tuple(Reading(TagId(tag), value, Quality.GOOD, None, now) for tag, value in values.items())
        await self.pipeline.accept(Batch(controller, now, readings, baseline=baseline))

    async def events(self) -> list[StationEvent]:
        """All that was journaled."""
        return [journaled.event for journaled in await self.journal.read(0, 10_000)]

    async def counted(self) -> list[tuple[int, CountFlag]]:
        """What was counted, and how."""
        return [(event.delta, event.flag) for event in await self.events() if isinstance(event, UnitsCounted)]

    async def known(self) -> list[State]:
        """The states that follow one another, up to a second from now."""
        self.clock.advance(timedelta(seconds=1))
        return [span.state for span in timeline(await self.events()).states(self.clock.now())]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        made = Bench(journal)
        await made.pipeline.recover()
        yield made


async def test_time_is_known_while_the_state_is(bench: Bench) -> None:
    """The other controller's cable is out: states go on, its values are bad, and what it counted is caught up."""
    await bench.connect(OWN)
    await bench.connect(OTHER)
    await bench.tell(OTHER, good=11)
    await bench.lose(OTHER)
    await bench.tell(OWN, state=4)
    bench.shown[OTHER]["good"] = 15
    bench.clock.advance(timedelta(minutes=5))
    await bench.connect(OTHER)
    qualities = [(event.signal, event.quality) for event in await bench.events() if isinstance(event, QualityChanged)]

    assert await bench.known() == [State.PRODUCING, State.DOWN]
    assert await bench.counted() == [(0, CountFlag.BASELINE), (1, CountFlag.NORMAL), (4, CountFlag.NORMAL)]
    assert qualities.count(("good_count", Quality.BAD)) == 2  # before it was first connected, and while it was lost
    assert qualities[-2:] == [("good_count", Quality.GOOD), ("process.current", Quality.GOOD)]


async def test_without_its_own_controller_nothing_is_known_of_a_station(bench: Bench) -> None:
    """What the other one shows meanwhile is taken in when the station's own controller is there again."""
    await bench.connect(OTHER)
    await bench.connect(OWN)
    await bench.tell(OWN, state=1)
    await bench.lose(OWN)
    await bench.tell(OTHER, good=12)
    assert await bench.counted() == [(0, CountFlag.BASELINE)]
    bench.clock.advance(timedelta(minutes=5))
    await bench.connect(OWN)
    await bench.tell(OTHER, good=13)

    assert await bench.known() == [State.PRODUCING, State.NO_DATA, State.PRODUCING]
    assert await bench.counted() == [(0, CountFlag.BASELINE), (2, CountFlag.CATCH_UP), (1, CountFlag.NORMAL)]


async def test_both_are_lost_and_come_back_in_either_order(tmp_path: Path) -> None:
    """Every unit is counted once, whichever connection is there first."""
    for number, order in enumerate([(OWN, OTHER), (OTHER, OWN)]):
        async with Journal.open(tmp_path / f"{number}.sqlite") as journal:
            bench = Bench(journal)
            await bench.pipeline.recover()
            for controller in order:
                await bench.connect(controller)
            for controller in order:
                await bench.lose(controller)
            bench.shown[OTHER]["good"] = 17
            bench.clock.advance(timedelta(minutes=5))
            for controller in order:
                await bench.connect(controller)

            assert sum(delta for delta, _ in await bench.counted()) == 7
            assert (await bench.known())[-1] is State.PRODUCING


STEPS = st.lists(
    st.tuples(st.sampled_from(["make", "lose", "connect", "wait"]), st.sampled_from([OWN, OTHER])), max_size=25
)


@given(STEPS)
def test_whatever_is_lost_each_unit_is_counted_once(steps: list[tuple[str, ControllerId]]) -> None:
    """Any order of cuts of either cable; in the end both are there, and nothing is missing or double."""

    async def live(folder: Path) -> int:
        async with Journal.open(folder / "journal.sqlite") as journal:
            bench, there = Bench(journal), {OWN: False, OTHER: False}
            await bench.pipeline.recover()
            for controller in there:
                await bench.connect(controller)
                there[controller] = True
            for step, controller in steps:
                bench.clock.advance(timedelta(seconds=40))
                match step:
                    case "make":
                        bench.shown[OTHER]["good"] = int(str(bench.shown[OTHER]["good"])) + 1
                        if there[OTHER]:
                            await bench.tell(OTHER, good=bench.shown[OTHER]["good"])
                    case "lose" if there[controller]:
                        await bench.lose(controller)
                        there[controller] = False
                    case "connect" if not there[controller]:
                        await bench.connect(controller)
                        there[controller] = True
            for controller in there:
                bench.clock.advance(timedelta(seconds=40))
                if not there[controller]:
                    await bench.connect(controller)
            await bench.tell(OTHER, good=bench.shown[OTHER]["good"])
            return sum(delta for delta, _ in await bench.counted())

    with tempfile.TemporaryDirectory() as folder:
        counted = asyncio.run(live(Path(folder)))

    assert counted == sum(step == "make" for step, _ in steps)


async def test_tags_that_are_polled_too_late_are_unread_and_no_gap(bench: Bench) -> None:
    """Tags of the other controller that are polled beside notified ones, and were not polled for a minute."""

    async def polled(current: float) -> None:
        now, every = bench.clock.now(), timedelta(seconds=1)
        reading = Reading(TagId("current"), current, Quality.GOOD, None, now)
        part = PolledPart(frozenset({TagId("current")}), now, every)
        await bench.pipeline.accept(Batch(OTHER, now, (reading,), polled_part=part))

    await bench.connect(OWN)
    await bench.connect(OTHER)
    await polled(7.6)
    bench.clock.advance(timedelta(minutes=1))
    await polled(9.9)
    bad = [
        event.time for event in await bench.events() if isinstance(event, QualityChanged) and event.quality != "good"
    ]

    assert await bench.known() == [State.PRODUCING]
    assert bad[-1] - START < timedelta(seconds=1)


async def test_pulses_are_missed_by_slow_polls_of_their_own_controller_alone(tmp_path: Path) -> None:
    """Nine seconds between two polls of the PLC hide no pulse of the other controller; its own do."""
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        bench = Bench(journal, shortest_pulse=timedelta(seconds=2))
        await bench.pipeline.recover()
        bench.shown[OTHER]["good"] = False
        await bench.connect(OWN)
        await bench.connect(OTHER)
        for second in range(10):
            await bench.tell(OTHER, good=second % 2 == 1)
        await bench.tell(OWN, state=4)
        doubts = [event for event in await bench.events() if isinstance(event, CountUnreconciled)]
        assert doubts == []

        bench.clock.advance(timedelta(seconds=9))
        await bench.tell(OTHER)
        await bench.tell(OTHER, good=False)
        doubts = [event for event in await bench.events() if isinstance(event, CountUnreconciled)]
        assert len(doubts) == 1


async def test_polls_ten_times_a_second_miss_no_pulse(tmp_path: Path) -> None:
    """Each of them is on time for pulses of 250 ms; one late poll that shows nothing new is flagged, and no other."""
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        bench = Bench(journal, shortest_pulse=timedelta(milliseconds=250))
        await bench.pipeline.recover()
        bench.shown[OTHER]["good"] = False
        await bench.connect(OWN)
        await bench.connect(OTHER)
        for tenth in range(100):
            await bench.tell(OTHER, after_s=0.1, **({"good": tenth % 10 == 5} if tenth % 10 in {5, 8} else {}))
        events = await bench.events()
        assert sum(event.delta for event in events if isinstance(event, UnitsCounted)) == 10
        assert [event for event in events if isinstance(event, CountUnreconciled)] == []

        await bench.tell(OTHER, after_s=0.4)
        await bench.tell(OTHER, after_s=0.1)
        assert len([event for event in await bench.events() if isinstance(event, CountUnreconciled)]) == 1
