"""A machine's clock that was ahead at one start: found out, said, forgotten, and not one count is lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes import PLC, START
from hypothesis import given, settings
from hypothesis import strategies as st
from modbus_plant import STATION, plant_file

from adapters.clock import SteadyClock
from adapters.reading import Batch, Quality, Reading, TagId
from mes.cli import mes
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, ProcessSignal, SignalSetup, StateSignal, StationSetup
from mes.collect.states import CodeMap
from mes.config.load import load
from mes.intervals import Interval
from mes.journal import Entry, Journal, JournalReader
from mes.model import CountKind, CountUnreconciled, ProcessValue, State, StationEvent, StationId, UnitsCounted
from mes.oee.timeline import Span, timeline
from mes.pipeline import Pipeline
from mes.results.plant import PlantResults

YEAR, HOUR, SECOND = timedelta(days=365), timedelta(hours=1), timedelta(seconds=1)
STATE, GOOD, HEAT = TagId("State"), TagId("Good"), TagId("Heat")
CODES = {"1": State.PRODUCING, "4": State.DOWN}


def setups(max_per_hour: float = 3600, modulus: int = 2**32) -> dict[StationId, StationSetup]:
    counter = CounterSetup(CountKind.GOOD, modulus, ResetPolicy.ALLOWED, max_per_hour=max_per_hour)
    signals: dict[TagId, SignalSetup] = {
        STATE: StateSignal(CodeMap(CODES)),
        GOOD: CounterSignal(counter),
        HEAT: ProcessSignal("heat"),
    }
    return {STATION: StationSetup(station=STATION, signals=signals, products={}, max_source_offset=10 * SECOND)}


class Plant:
    """A station that produces, seen by one start of the collector after the other; the machine's clock may be off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = START
        self.good = 5
        self.modulus = 2**32

    async def run(
        self, *, ahead: timedelta = timedelta(), state: int = 1, for_s: int = 10, max_per_hour: float = 3600
    ) -> None:
        """One start of the collector, for some seconds; every second a part is made."""
        clock = SteadyClock(lambda: self.now + ahead, self._real_s)
        async with Journal.open(self.path) as journal:
            pipeline = Pipeline(
                setups(max_per_hour, self.modulus),
                journal,
                clock,
                controllers={STATION: PLC},
                monotonic_s=self._real_s,
            )
            await pipeline.recover()
            self.now += SECOND  # connecting takes its time
            for second in range(for_s):
                values = {STATE: state, GOOD: self.good, HEAT: 20.0 + self.good}
                readings = tuple(Reading(tag, value, Quality.GOOD, None, clock.now()) for tag, value in values.items())
                await pipeline.accept(Batch(PLC, clock.now(), readings, baseline=not second, polled_every=SECOND))
                self.now += SECOND
                self.good += 1

    def _real_s(self) -> float:
        return self.now.timestamp()

    def events(self) -> list[StationEvent]:
        with JournalReader(self.path) as reader:
            return [event.event for event in reader.events(STATION)]

    def spans(self, until: datetime) -> list[Span]:
        """What is known of the station up to an instant."""
        with JournalReader(self.path) as reader:
            return list(timeline(reader.events(STATION)).states(until))

    def counted(self) -> int:
        return sum(event.delta for event in self.events() if isinstance(event, UnitsCounted))


@pytest.mark.parametrize("ahead", [HOUR, YEAR, 12 * YEAR])
async def test_what_comes_after_the_start_under_a_wrong_clock_is_known(tmp_path: Path, ahead: timedelta) -> None:
    """Once the clock is right states have their own times again: ten seconds down are ten seconds down."""
    plant = Plant(tmp_path / "journal.sqlite")
    await plant.run(ahead=ahead)
    began = plant.now
    await plant.run(state=4)
    with JournalReader(plant.path) as reader:
        spans = timeline(reader.events(STATION)).states(plant.now)

    assert [(span.state, span.interval) for span in spans if span.interval.end > began + SECOND] == [
        (State.DOWN, Interval(began + SECOND, plant.now))
    ]
    assert all(event.time <= plant.now for event in plant.events())


@pytest.mark.parametrize("first", ["right", "ahead"])
async def test_no_count_is_lost_or_unreconciled(tmp_path: Path, first: str) -> None:
    """What was counted under the wrong clock, and made between the starts, is counted once, up to the present."""
    plant = Plant(tmp_path / "journal.sqlite")
    if first == "right":
        await plant.run()
        plant.now += HOUR
        plant.good += 30
    await plant.run(ahead=YEAR)
    plant.now += HOUR
    plant.good += 30
    await plant.run(max_per_hour=60)
    config = load(plant_file(tmp_path, 1502)).config
    with PlantResults(config, plant.path, now=plant.now) as query:
        station, days = query.nodes("station", [])[0], [query.window(day) for day in ("2026-03-01", "2026-03-02")]
        good = sum(query.row(station, day, (config.definition,)).kpi.good for day in days)

    assert plant.counted() == plant.good - 1 - 5
    assert good == plant.counted()
    assert not [event for event in plant.events() if isinstance(event, CountUnreconciled)]


@pytest.mark.parametrize("ahead", [HOUR, YEAR, -56 * YEAR, -26 * YEAR])
async def test_an_unknown_time_leaves_no_count_unreconciled(tmp_path: Path, ahead: timedelta) -> None:
    """A totaliser that turns within a day: what was made between the wrong start and the right one is counted."""
    plant = Plant(tmp_path / "journal.sqlite")
    plant.modulus = 2**16  # a turn in 18 hours at the most that it may make
    await plant.run(ahead=ahead)
    plant.good += 2
    await plant.run()

    assert plant.counted() == plant.good - 1 - 5
    assert not [event for event in plant.events() if isinstance(event, CountUnreconciled)]


@pytest.mark.parametrize("ahead", [5, 30, 59])
async def test_a_clock_that_is_set_back_by_less_than_a_minute_hides_no_state(tmp_path: Path, ahead: int) -> None:
    """What the station does after the restart is shown at the latest when its former state was stamped to begin."""
    plant = Plant(tmp_path / "journal.sqlite")
    await plant.run(ahead=ahead * SECOND, state=4, for_s=3)
    await plant.run(state=1, for_s=120)
    known = plant.spans(plant.now)

    assert known[-1].state is State.PRODUCING
    assert known[-1].interval.length >= (120 - ahead) * SECOND


async def test_the_time_under_a_wrong_clock_is_no_data(tmp_path: Path) -> None:
    """Nobody knows when it was: from the last right proof of life to the first reading under the right clock."""
    plant = Plant(tmp_path / "journal.sqlite")
    await plant.run()
    right_until = plant.now - SECOND
    plant.now += HOUR
    await plant.run(ahead=YEAR)
    plant.now += HOUR
    back = plant.now + SECOND
    await plant.run()
    with JournalReader(plant.path) as reader:
        spans = timeline(reader.events(STATION)).states(plant.now)

    dark = [span.interval for span in spans if span.state is State.NO_DATA]
    assert dark == [Interval(right_until, back)]


async def test_before_the_controller_answers_again_nothing_is_known(tmp_path: Path) -> None:
    """A state that was stamped under the wrong clock is not in force after the start that finds it out."""
    plant = Plant(tmp_path / "journal.sqlite")
    await plant.run(ahead=YEAR)
    await plant.run(for_s=0)
    with JournalReader(plant.path) as reader:
        spans = timeline(reader.events(STATION)).states(plant.now + HOUR)

    assert {span.state for span in spans} <= {State.NO_DATA}


@pytest.mark.parametrize("behind", [30 * 24 * HOUR, 20 * YEAR])
async def test_a_clock_that_is_behind_rewrites_no_history(tmp_path: Path, behind: timedelta) -> None:
    """A start under a clock of a month ago, or of a dead battery, leaves what is known of the days before as it is."""
    plant = Plant(tmp_path / "journal.sqlite")
    for _ in range(70):
        await plant.run(for_s=2)
        plant.now += 12 * HOUR
    right_until = plant.now - 12 * HOUR - SECOND
    before, spans = plant.events(), plant.spans(right_until)
    await plant.run(ahead=-behind)
    plant.now += HOUR
    back = plant.now + SECOND
    await plant.run(state=4)

    after = [(span.state, span.interval) for span in plant.spans(plant.now) if span.interval.end > right_until]
    assert plant.events()[: len(before)] == before
    assert plant.spans(right_until) == spans
    assert after[-1] == (State.DOWN, Interval(back, plant.now))
    known = [(state, interval) for state, interval in after[:-1] if state is not State.NO_DATA]
    assert [(state, interval.length) for state, interval in known] == [(State.PRODUCING, 9 * SECOND)]
    assert all(right_until < interval.start < right_until + 3 * SECOND for _, interval in known)
    assert plant.counted() == plant.good - 1 - 5


async def test_dying_while_it_is_brought_back_loses_nothing(tmp_path: Path) -> None:
    """The rows are right and the states are not yet: the next start goes on from there, and counts every part."""
    plant = Plant(tmp_path / "journal.sqlite")
    await plant.run()
    await plant.run(ahead=YEAR)
    async with Journal.open(plant.path) as journal:
        found = await journal.forget_future(plant.now)
        assert await journal.forget_future(plant.now) is None
    await plant.run(state=4)

    assert found is not None
    assert found.events > 0
    assert plant.spans(plant.now)[-1].state is State.DOWN
    assert plant.counted() == plant.good - 1 - 5


async def test_what_was_stamped_is_kept(tmp_path: Path) -> None:
    """Events keep their numbers and, for the sinks that have them already, the times by which they were sent."""
    plant = Plant(tmp_path / "journal.sqlite")
    await plant.run(ahead=YEAR)
    async with Journal.open(plant.path) as journal:
        before = await journal.read(0, 1000)
    await plant.run()
    async with Journal.open(plant.path) as journal:
        after = await journal.read(0, 1000)
    with JournalReader(plant.path) as reader:
        stamped = reader.as_stamped(STATION, START, plant.now + SECOND)

    assert after[: len(before)] == before
    assert stamped == after


async def test_process_values_of_the_future_stop_no_thinning(tmp_path: Path) -> None:
    """They go with the first old ones that came after them."""
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        for at in (START + YEAR, START + YEAR + SECOND, START, START + HOUR):
            value = ProcessValue(station=STATION, name="heat", time=at, value=1.0)
            await journal.append(Entry(telemetry=[value]))
        await journal.thin_telemetry(START + SECOND, 2, now=START + 2 * HOUR)
        left = await journal.read_telemetry(0, 100)

    assert [stored.time for _, stored in left] == [START + HOUR]


@settings(max_examples=15, deadline=None)
@given(starts=st.lists(st.sampled_from([timedelta(), HOUR, YEAR, -HOUR, 12 * YEAR]), min_size=1, max_size=5))
def test_whatever_the_clock_was_at_each_start_every_part_is_counted_once(
    tmp_path_factory: pytest.TempPathFactory, starts: list[timedelta]
) -> None:
    """Any starts under any clocks, then one under the right one: all parts once, and no event is in the future."""

    async def live() -> Plant:
        plant = Plant(tmp_path_factory.mktemp("starts") / "journal.sqlite")
        for ahead in starts:
            await plant.run(ahead=ahead, for_s=3)
            plant.now += 5 * SECOND
        await plant.run(for_s=3)
        return plant

    plant = asyncio.run(live())
    assert plant.counted() == plant.good - 1 - 5
    assert all(event.time <= plant.now for event in plant.events())


async def test_the_check_of_a_journal_says_what_is_in_the_future(tmp_path: Path) -> None:
    """Before the next start finds it out, `mes journal check` counts it and says what to do."""
    plant = Plant(tmp_path / "journal.sqlite")
    await plant.run(for_s=3)
    sound = CliRunner().invoke(mes, ["journal", "check", "--journal", str(plant.path)])
    plant.now = datetime.now(UTC) + YEAR
    await plant.run(for_s=3)
    asked = CliRunner().invoke(mes, ["journal", "check", "--journal", str(plant.path)])

    assert "later than now" not in sound.output
    assert "events are stamped later than now" in asked.output
    assert asked.exit_code == 0
