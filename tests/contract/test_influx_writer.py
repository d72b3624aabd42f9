"""The writer follows the journal: a cursor moves only when the server has what came before it."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from events import START, STATION, at, counted, restored, state
from figures_files import figures_files as figures_files
from figures_files import file_beside
from influx_stand_in import StandIn, stand_in
from patience import patiently
from structlog.typing import EventDict

from adapters.clock import ManualClock
from mes.calendar import Calendar, Shift
from mes.errors import SinkRejected, SinkUnavailable
from mes.influx.encode import Point
from mes.influx.points.windows import PublishedFigures
from mes.influx.ports import Published
from mes.influx.server import InfluxServer, Target
from mes.influx.writer import InfluxWriter, Pace
from mes.intervals import Interval
from mes.journal import Entry, Journal
from mes.journal.consumers import EVENTS, FIGURES, LIVE
from mes.model import (
    ProcessValue,
    State,
    StationEvent,
    StationId,
    StationStandard,
    UnitsCounted,
)

QUICK = Pace(idle_s=0.01, restate_s=3600, first_s=0.01, cap_s=0.02, hold_s=0.02)


def part(minute: float, raw: int) -> UnitsCounted:
    """One good unit."""
    return counted(minute, raw=raw, previous_raw=raw - 1)


async def append(journal: Journal, *events: StationEvent) -> None:
    """Journals events."""
    await journal.append(Entry(events=events, states={}, telemetry=(), observed={}))


class NoFigures:
    """Publishes nothing."""

    async def affected_windows(self, spans: Mapping[StationId, Interval]) -> Sequence[Point]:
        """No window is touched."""
        return ()

    async def open(self) -> tuple[Sequence[Point], datetime]:
        """No window is open."""
        return (), START

    def stated(self, until: datetime) -> None:
        """Nothing was stated."""

    def resume(self, until: datetime) -> None:
        """Nothing is kept back."""
        return


class AskedFigures(NoFigures):
    """Publishes nothing, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Mapping[StationId, Interval]] = []

    async def affected_windows(self, spans: Mapping[StationId, Interval]) -> Sequence[Point]:
        """Keeps the stretches."""
        self.asked.append(spans)
        return ()


def figures_of(path: Path, clock: ManualClock | None = None) -> PublishedFigures:
    """The real figures of one station with one shift."""
    standard = StationStandard(ideal_cycle={None: timedelta(minutes=9)}, minor_stop=timedelta(minutes=2))
    calendar = Calendar(ZoneInfo("Asia/Qostanay"), (Shift("day", time(8), time(16, 30)),))
    return PublishedFigures(path, {STATION: standard}, calendar, clock or ManualClock(at(60)))


@pytest.fixture
async def influx() -> AsyncIterator[StandIn]:
    """A stand-in for 2.x."""
    async with stand_in("v2.7.11") as server:
        yield server


@pytest.fixture
async def server(influx: StandIn) -> AsyncIterator[InfluxServer]:
    """A client of the stand-in."""
    async with InfluxServer(Target(influx.url, influx.bucket, org="plant", secret=influx.token)) as client:
        yield client


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    """A journal with one state and ten counted units."""
    async with Journal.open(tmp_path / "journal.sqlite") as opened:
        await append(opened, state(0, State.PRODUCING), *(part(n, 100 + n) for n in range(1, 11)))
        yield opened


def writer(server: InfluxServer, journal: Journal, figures: PublishedFigures | None = None) -> InfluxWriter:
    """A writer with short pauses."""
    return InfluxWriter(
        server,
        journal,
        Published(file_beside(journal.path), figures) if figures else None,
        rng=random.Random(1),
        pace=QUICK,
    )


def names(influx: StandIn) -> list[str]:
    """The measurement of every stored point."""
    return [series.split(",")[0] for series, _ in influx.points]


async def test_everything_arrives_once(influx: StandIn, server: InfluxServer, journal: Journal) -> None:
    """All events become points, the cursor stands at the last, and a second look finds nothing to do."""
    await writer(server, journal).drain()

    assert sorted(names(influx)) == ["count"] * 10 + ["state_change"]
    assert await journal.cursor(EVENTS) == journal.last_seq == 11
    assert not await writer(server, journal).forward()


async def test_an_outage_moves_no_cursor(influx: StandIn, server: InfluxServer, journal: Journal) -> None:
    """What the server did not confirm is sent again, byte for byte, and stays one point."""
    influx.next_answers = [("hang-up-after-storing", {})]
    with pytest.raises(SinkUnavailable):
        await writer(server, journal).forward()
    stored = dict(influx.points)

    assert await journal.cursor(EVENTS) == 0
    await writer(server, journal).drain()
    assert influx.points == stored


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_refusal_drops_nothing(influx: StandIn, server: InfluxServer, journal: Journal, status: int) -> None:
    """The queue is held by a refusal, and everything arrives when it is over."""
    influx.next_answers = [(status, {})]
    with pytest.raises(SinkRejected):
        await writer(server, journal).forward()

    assert await journal.cursor(EVENTS) == 0
    await writer(server, journal).drain()
    assert len(influx.points) == 11


def kpis(influx: StandIn) -> dict[tuple[str, int], dict[str, str]]:
    """The newest revision of each window's figures, by its window and start."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for (series, stamp), fields in sorted(influx.points.items(), key=lambda point: int(point[0][1])):
        if series.startswith("kpi"):
            found[series.partition("window=")[2], int(stamp) // 1000] = fields
    return found


async def test_figures_have_a_cursor_of_their_own(
    influx: StandIn, server: InfluxServer, journal: Journal, tmp_path: Path
) -> None:
    """A crash between events and figures loses no figure: those that are on their way go out again."""
    figures = figures_of(tmp_path / "journal.sqlite")
    influx.next_answers = [(204, {}), (503, {})]
    with pytest.raises(SinkUnavailable):
        await writer(server, journal, figures).forward()

    assert await journal.cursor(EVENTS) == 11
    assert kpis(influx) == {}
    await writer(server, journal, figures).drain()
    assert sorted(window for window, _ in kpis(influx)) == ["day", "hour", "shift"]
    assert {fields["good"] for fields in kpis(influx).values()} == {"10i"}
    assert {fields["ideal_good_s"] for fields in kpis(influx).values()} == {"5400.0"}
    assert {fields["revision"] for fields in kpis(influx).values()} == {"0i"}


async def test_later_events_make_a_revision(
    influx: StandIn, server: InfluxServer, journal: Journal, tmp_path: Path
) -> None:
    """A window that is touched again gets a further point, a nanosecond later; what differs in nothing gets none."""
    figures = figures_of(tmp_path / "journal.sqlite")
    await writer(server, journal, figures).drain()
    await append(journal, part(30, 111))
    await writer(server, journal, figures).drain()

    assert {(fields["good"], fields["revision"]) for fields in kpis(influx).values()} == {("11i", "1i")}
    again = {series.split(",")[0] for (series, stamp) in influx.points if stamp.endswith("000001")}
    assert again <= {"kpi", "state_change"}


async def test_published_figures_of_closed_windows_are_final(
    influx: StandIn, server: InfluxServer, journal: Journal, tmp_path: Path
) -> None:
    """A stop that ends in the next hour, and hours in which nothing happens: InfluxDB has what a report says."""
    clock = ManualClock(at(59.5))
    figures = figures_of(tmp_path / "journal.sqlite", clock)
    following = InfluxWriter(
        server,
        journal,
        Published(file_beside(journal.path), figures),
        rng=random.Random(1),
        pace=replace(QUICK, restate_s=0.0),
    )
    await append(journal, state(59.2, State.DOWN))
    await following.drain()
    await following.restate()
    clock.advance(timedelta(minutes=5))
    await append(journal, state(64, State.PRODUCING))
    await following.drain()
    await following.restate()
    clock.advance(timedelta(hours=3))
    await following.restate()
    await following.flush()

    hours = {
        (start_us // 10**6 - int(START.timestamp())) // 3600: (fields["down_s"], fields["minor_stops_s"])
        for (window, start_us), fields in kpis(influx).items()
        if window == "hour"
    }
    assert hours == {0: ("48.0", "0.0"), 1: ("240.0", "0.0"), 2: ("0.0", "0.0"), 3: ("0.0", "0.0"), 4: ("0.0", "0.0")}


async def test_telemetry_is_forwarded(influx: StandIn, server: InfluxServer, journal: Journal) -> None:
    """Process values become points of their own measurement."""
    value = ProcessValue(station=STATION, name="weld_current", time=START, value=9.5)
    await journal.append(Entry(events=(), states={}, telemetry=(value,), observed={}))
    await writer(server, journal).drain()

    assert names(influx).count("process") == 1


async def test_it_runs_through_outage_and_refusal(
    influx: StandIn, server: InfluxServer, journal: Journal, logged: list[EventDict]
) -> None:
    """It holds, recovers, tells each change of standing once, and ends only by cancellation."""
    influx.next_answers = [(503, {}), (503, {}), (401, {}), (401, {})]
    following = writer(server, journal)
    task = asyncio.create_task(following.run())
    async with patiently(8):
        while following.status.sent_seq < 11 or following.status.held or following.status.unavailable:
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert len(influx.points) == 11
    assert [line["event"] for line in logged] == ["influx_known", "influx_lost", "influx_refused", "influx_restored"]


async def test_affected_windows_reach_back_to_the_start_of_a_gap(tmp_path: Path) -> None:
    """An event that bears on the past touches all of it; the next events go as far as is asked."""
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        await append(journal, part(40, 5), restored(50, since=10), part(60, 6))

        assert await journal.affected_windows(0, 2) == (2, {STATION: Interval(at(10), at(50))})
        assert await journal.affected_windows(2, 2) == (3, {STATION: Interval(at(60), at(60))})
        assert await journal.affected_windows(3, 2) == (3, {})


async def test_what_only_counts_waits(server: InfluxServer, journal: Journal) -> None:
    """A station that only made units is computed now and then, and one whose state changed at once.

    The cursor waits with it: after a crash nothing is left out.
    """
    other, figures = StationId("kostanay/weld/weld-1/respot"), AskedFigures()
    file = file_beside(journal.path)

    def following(units_s: float) -> InfluxWriter:
        pace = replace(QUICK, units_s=units_s)
        return InfluxWriter(server, journal, Published(file, figures), rng=random.Random(1), pace=pace)

    async with patiently(10), asyncio.TaskGroup() as group:
        task = group.create_task(following(3600).run())
        while await journal.cursor(FIGURES) < 11:
            await asyncio.sleep(0.01)
        await append(journal, part(20, 111))
        await append(journal, state(21, State.DOWN, station=other))
        while len(figures.asked) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
    assert figures.asked[1] == {other: Interval(at(21), at(21))}
    assert await journal.cursor(FIGURES) == 11

    async with patiently(10), asyncio.TaskGroup() as group:
        task = group.create_task(following(0.05).run())
        while await journal.cursor(FIGURES) < 13:
            await asyncio.sleep(0.01)
        await append(journal, part(30, 112), part(31, 113))
        while await journal.cursor(FIGURES) < 15:
            await asyncio.sleep(0.01)
        task.cancel()
    assert figures.asked[2] == {STATION: Interval(at(20), at(20)), other: Interval(at(21), at(21))}
    assert figures.asked[3:] == [{STATION: Interval(at(30), at(31))}]


async def test_what_is_new_goes_first_after_a_long_outage(
    influx: StandIn, server: InfluxServer, journal: Journal
) -> None:
    """With much waiting, the newest event is stored in the next round; in the end all are, once, under one cursor."""
    await append(journal, *(part(n / 60, 1000 + n) for n in range(200)))
    pace = replace(QUICK, batch_lines=10, behind_lines=50)
    following = InfluxWriter(server, journal, rng=random.Random(1), pace=pace)
    await following.forward()
    await append(journal, part(59, 5000))
    await following.forward()
    assert any(stamp == str(59 * 60 * 10**9 + int(START.timestamp()) * 10**9 + 212) for _, stamp in influx.points)
    assert len(influx.points) == 41
    for _ in range(3):  # as after a restart of the program in the middle of it
        again = InfluxWriter(server, journal, rng=random.Random(1), pace=pace)
        await append(journal, part(59.5, 5001 + _))
        await again.forward()
    await InfluxWriter(server, journal, rng=random.Random(1), pace=pace).drain()

    assert len(influx.points) == journal.last_seq == 215
    assert await journal.cursor(EVENTS) == journal.last_seq
    assert await journal.cursor(EVENTS + LIVE) <= journal.last_seq


async def test_what_the_server_is_is_known_after_a_restart(
    influx: StandIn, server: InfluxServer, journal: Journal
) -> None:
    """The journal remembers what the server said that it is, so that health tells it while the server is away."""
    async with patiently(5), asyncio.TaskGroup() as group:
        first = writer(server, journal)
        running = group.create_task(first.run())
        while first.status.server is None:
            await asyncio.sleep(0.01)
        running.cancel()
    assert first.status.server == "2.x (2.7.11)"

    gone = InfluxServer(Target("http://127.0.0.1:9", "plant"))
    async with patiently(5), gone, asyncio.TaskGroup() as group:
        second = writer(gone, journal)
        running = group.create_task(second.run())
        while second.status.unavailable is None:
            await asyncio.sleep(0.01)
        running.cancel()
    assert second.status.server == "2.x (2.7.11)"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("v2.8.0", "3.9.6", ("2.x (2.8.0)", "3.x (3.9.6)")),
        ("1.6.7", "v2.8.0", ("1.x (1.6.7)", "2.x (2.8.0)")),
        ("3.9.6", "1.6.7", ("3.x (3.9.6)", "1.x (1.6.7)")),
    ],
)
async def test_a_server_of_another_generation_is_noticed(
    journal: Journal, before: str, after: str, said: tuple[str, str], logged: list[EventDict]
) -> None:
    """Replaced while nothing was sent, so that no connection is seen to end: health knows it, and one line says so."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(stand_in(before))
        port = int(first.url.rpartition(":")[2])
        client = await stack.enter_async_context(
            InfluxServer(Target(first.url, first.bucket, org="plant", secret=first.token))
        )
        following = writer(client, journal)
        async with patiently(8), asyncio.TaskGroup() as group:
            running = group.create_task(following.run())
            while following.status.sent_seq < journal.last_seq:
                await asyncio.sleep(0.01)
            assert following.status.server == said[0]
            await first.close()
            second = await stack.enter_async_context(stand_in(after, port))
            await append(journal, part(30, 111))
            while following.status.server != said[1]:
                await asyncio.sleep(0.01)
            await append(journal, part(31, 112))
            while following.status.sent_seq < journal.last_seq:
                await asyncio.sleep(0.01)
            running.cancel()
        assert len(second.points) == 2

    told = [line for line in logged if line["event"] in ("influx_known", "influx_replaced")]
    assert [line["event"] for line in told] == ["influx_known", "influx_replaced"]
    assert told[1]["server"] == await journal.remembered("influx-server") == said[1]


async def test_what_is_no_influxdb_is_called_unknown(influx: StandIn, server: InfluxServer, journal: Journal) -> None:
    """Health says so, and the journal remembers it as it remembers a kind."""
    influx.version = ""
    async with patiently(5), asyncio.TaskGroup() as group:
        one = writer(server, journal)
        running = group.create_task(one.run())
        while one.status.server is None:
            await asyncio.sleep(0.01)
        running.cancel()
    assert one.status.server == "unknown"
    assert await journal.remembered("influx-server") == "unknown"
