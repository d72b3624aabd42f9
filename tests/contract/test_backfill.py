"""A lost database comes back from the journal, byte for byte, and any number of cars adds no series."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from append_only import append_only
from click.testing import CliRunner
from events import S3, STATION, assigned, at, entered, left, state
from influx_example import CAR, CURRENTS, END, EVENTS, EXIT, example, made
from influxd import Influxd, private_influxd
from oee_histories import between

from adapters.clock import ManualClock
from mes.cli import mes
from mes.config.load import default_config, load
from mes.errors import SinkUnavailable
from mes.influx.backfill import backfill
from mes.influx.encode import body, event_line
from mes.influx.figures_file import FiguresFile, figures_path
from mes.influx.points.windows import PublishedFigures, PublishedPlant
from mes.influx.ports import Published
from mes.influx.revisions import REVISION
from mes.influx.schema import EVENTS as WRITTEN_ONCE
from mes.influx.schema import FIGURES
from mes.influx.select import newest
from mes.influx.server import InfluxServer, Target
from mes.influx.writer import InfluxWriter, Pace
from mes.intervals import Interval
from mes.journal import Entry, Journal
from mes.model import Journaled, ProcessValue, State, StationEvent
from mes.results.plant import PlantResults

CONFIG = load(default_config()).config
JOURNALED = [measurement.name for measurement in (*WRITTEN_ONCE, *FIGURES)]
CARS = 100_000
Content = dict[str, list[dict[str, object]]]

pytestmark = [pytest.mark.influxd, pytest.mark.timeout(60)]


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[Influxd]:
    """A private influxd with nothing in it."""
    async with private_influxd(tmp_path) as server:
        yield server


@pytest.fixture
async def server(influxd: Influxd) -> AsyncIterator[InfluxServer]:
    """A client of it, with an empty database in which no point is ever written over."""
    async with append_only(influxd.url) as watched, InfluxServer(Target(watched.url, "plant")) as client:
        await client.ensure()
        yield client


async def content(server: InfluxServer) -> Content:
    """Everything that holds in the database, with tags, fields and times to the nanosecond: the newest revisions."""
    found: Content = {name: await server.query(f'SELECT * FROM "{name}" GROUP BY *') for name in JOURNALED}
    for measurement in FIGURES:
        rows = await server.query(newest(measurement, "time >= 0 AND time < 4000000000000000000"))
        found[measurement.name] = [{name: value for name, value in row.items() if name != REVISION} for row in rows]
    return found


@contextmanager
def writing(server: InfluxServer, journal: Journal, path: Path, clock: ManualClock) -> Iterator[InfluxWriter]:
    """The collector's writer of a journal; what is open is stated whenever it is asked for."""
    figures = PublishedFigures(path, CONFIG.standards, CONFIG.calendar, clock)
    with (
        PublishedPlant(replace(CONFIG, journal_path=path), clock) as plant,
        FiguresFile(figures_path(path)) as file,
    ):
        yield InfluxWriter(
            server,
            journal,
            Published(file, figures, plant),
            rng=random.Random(1),
            pace=Pace(restate_s=0.0),
            clock=clock,
        )


async def rewritten(server: InfluxServer, journal: Path, stretch: Interval | None = None) -> Content:
    """What a backfill makes of it."""
    with PlantResults(CONFIG, journal, now=END) as query, FiguresFile(figures_path(journal)) as file:
        await backfill(query, server, file, stretch)
    return await content(server)


async def lose(server: InfluxServer) -> None:
    """Somebody drops the database."""
    await server.query('DROP DATABASE "plant"')
    await server.ensure()


async def test_a_point_that_is_written_over_is_found(influxd: Influxd) -> None:
    """The same line again is no second content; another value at the same time is, unless the database was dropped."""
    async with append_only(influxd.url) as watched, InfluxServer(Target(watched.url, "plant")) as client:
        await client.ensure()
        for value in (1, 1):
            await client.write(f"m,a=x v={value}i 1690000000000000000".encode())
        await lose(client)
        await client.write(b"m,a=x v=2i 1690000000000000000")
        assert watched.second == []
        await client.write(b"m,a=x v=3i 1690000000000000000")
        assert len(watched.second) == 1
        assert watched.lines == 4
        watched.second.clear()


async def test_the_database_is_dropped_in_mid_run(server: InfluxServer, tmp_path: Path) -> None:
    """The database is lost while events come, late ones and a person's word among them.

    What the collector and then a backfill leave there is, byte for byte, what a backfill alone makes.
    """
    path = tmp_path / "journal.sqlite"
    clock = ManualClock(at(0))
    ordered = sorted(EVENTS, key=lambda event: event.received_time)
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=ordered[:3], telemetry=CURRENTS[:1]))
        with writing(server, journal, path, clock) as writer:
            for number in range(3, len(ordered)):
                await journal.append(Entry(events=[ordered[number]]))
                clock.advance(max(ordered[number].received_time - clock.now(), timedelta()))
                await writer.drain()
                await writer.restate()
                if number == len(ordered) // 2:
                    await lose(server)
            # what was seen late, and a word that is taken back: states and reasons of before change
            await journal.append(
                Entry(events=[state(60, State.SETUP), state(65, State.PRODUCING)], telemetry=CURRENTS[1:])
            )
            await journal.append(Entry(events=[assigned(118, 47, 52, "no-parts"), assigned(119, 47, 52, None)]))
            clock.advance(END - clock.now())
            await writer.drain()
            await writer.restate()

    lost = await content(server)
    healed = await rewritten(server, path)
    await lose(server)
    backfilled = await rewritten(server, path)

    assert healed == backfilled
    assert lost != backfilled
    assert [name for name, rows in backfilled.items() if not rows] == []


async def test_what_the_collector_wrote_is_what_a_backfill_writes(server: InfluxServer, tmp_path: Path) -> None:
    """Nothing is lost on the way: then the collector's content alone is, byte for byte, that of a backfill."""
    path = tmp_path / "journal.sqlite"
    clock = ManualClock(at(0))
    async with Journal.open(path) as journal:
        with writing(server, journal, path, clock) as writer:
            for event in sorted(EVENTS, key=lambda known: known.received_time):
                await journal.append(Entry(events=[event]))
                clock.advance(max(event.received_time - clock.now(), timedelta()))
                await writer.drain()
                await writer.restate()
            await journal.append(Entry(events=[], telemetry=CURRENTS))
            clock.advance(END - clock.now())
            await writer.drain()
            await writer.restate()

    live = await content(server)
    await lose(server)
    assert live == await rewritten(server, path)


def at_all(minutes: float, now: State) -> list[StationEvent]:
    """Every station goes into a state."""
    return [state(minutes, now, station=station) for station in CONFIG.standards]


async def test_a_weekend_away_leaves_nothing_half(server: InfluxServer, tmp_path: Path) -> None:
    """InfluxDB is away for two days in which nothing happens, and the collector is started again. No hour is missing,
    none is cut short, and the stop that lasted so long is told in its whole length.
    """
    path = tmp_path / "journal.sqlite"
    clock = ManualClock(at(0))
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=at_all(0, State.PRODUCING)))
        happening: dict[float, list[StationEvent]] = {
            60: [state(60, State.DOWN)],
            100: [],
            3100: at_all(3100, State.IDLE),
            3130: [],
        }
        for minutes, events in happening.items():
            clock.advance(at(minutes) - clock.now())
            await journal.append(Entry(events=events))
            with writing(server, journal, path, clock) as writer:  # a program that has just begun
                await writer.drain()
                await writer.restate()
                await writer.flush()
    live = await content(server)
    await lose(server)
    with PlantResults(CONFIG, path, now=clock.now()) as query, FiguresFile(figures_path(path)) as file:
        await backfill(query, server, file, None)
    assert live == await content(server)


@pytest.mark.parametrize("begun", [50, 950])
async def test_a_car_is_affected_by_all_of_its_stay(server: InfluxServer, tmp_path: Path, begun: float) -> None:
    """A value leaves its window after the car got its result and before it left, over an hour's or a day's end."""
    path, clock = tmp_path / "journal.sqlite", ManualClock(at(begun))
    happening: list[tuple[float, list[StationEvent], list[ProcessValue]]] = [
        (0, [state(begun, State.PRODUCING), entered(begun, CAR, product=S3)], [current(begun, 190.0)]),
        (8, [made(begun + 8, CAR), state(begun + 8, State.BLOCKED)], []),
        (13, at_all(begun + 13, State.IDLE), [current(begun + 13, 900.0)]),
        (14, [], []),
        (20, [left(begun + 20, CAR), state(begun + 20, State.STARVED)], []),
        (30, [], []),
    ]
    async with Journal.open(path) as journal:
        with writing(server, journal, path, clock) as writer:
            for minutes, events, telemetry in happening:
                await journal.append(Entry(events=events, telemetry=telemetry))
                clock.advance(at(begun + minutes) - clock.now())
                await writer.drain()
                await writer.restate()
            await writer.flush()
    live = await content(server)
    assert [exposure["affected"] for exposure in live["exposure"]] == [1]
    await lose(server)
    with PlantResults(CONFIG, path, now=clock.now()) as query, FiguresFile(figures_path(path)) as file:
        await backfill(query, server, file, None)
    assert live == await content(server)


def current(minutes: float, value: float) -> ProcessValue:
    """A weld current."""
    return ProcessValue(station=STATION, name="weld_current", time=at(minutes), value=value)


async def test_the_size_of_a_batch_changes_nothing(
    server: InfluxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many lines go in one request, each of them stands there in the end."""
    path = tmp_path / "journal.sqlite"
    await example(path)
    whole = await rewritten(server, path)
    await lose(server)
    monkeypatch.setattr("mes.influx.backfill.BATCH", 7)
    assert await rewritten(server, path) == whole


async def test_twice_is_once(server: InfluxServer, tmp_path: Path) -> None:
    """Writing a stretch again changes nothing."""
    await example(tmp_path / "journal.sqlite")
    once = await rewritten(server, tmp_path / "journal.sqlite")

    assert await rewritten(server, tmp_path / "journal.sqlite", between(30, 60)) == once


class Stopping:
    """A server that is lost after some writes; counts the lines that came."""

    def __init__(self, server: InfluxServer, writes: int) -> None:
        self._server, self._left = server, writes
        self.lines = 0

    async def write(self, body: bytes) -> None:
        if not self._left:
            raise SinkUnavailable("the cable is out")
        self._left -= 1
        self.lines += body.count(b"\n") + 1
        await self._server.write(body)

    async def query(self, influxql: str) -> list[dict[str, Any]]:
        return await self._server.query(influxql)


DAY_MIN = 24 * 60
LONG = [
    state(day * DAY_MIN + minute, State.DOWN if minute else State.PRODUCING) for day in range(6) for minute in (0, 30)
]


async def filled(server: InfluxServer, journal: Path, *, writes: int = -1) -> int:
    """A backfill that is stopped after some writes, by default never; how many lines it wrote."""
    counting = Stopping(server, writes)
    with (
        PlantResults(CONFIG, journal) as query,
        FiguresFile(figures_path(journal)) as file,
        suppress(SinkUnavailable),
    ):
        await backfill(query, counting, file)
    return counting.lines


@pytest.mark.parametrize(
    "meanwhile", ["nothing", "a late event", "a late process value", "a lost database", "another file"]
)
async def test_a_backfill_that_was_stopped_goes_on(
    server: InfluxServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """It leaves out the days that it finished, but for those on which something bears that came since."""
    monkeypatch.setattr("mes.influx.place.RENAMED", timedelta(days=1))
    path = tmp_path / "journal.sqlite"
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=LONG))
        before = await filled(server, path, writes=6)  # two days, and the events of the third
        match meanwhile:
            case "a late event":
                await journal.append(Entry(events=[state(10, State.SETUP)]))
            case "a late process value":
                await journal.append(Entry(events=[], telemetry=[current(10, 900.0)]))
            case "a lost database":
                await lose(server)
            case "another file":
                monkeypatch.setattr(f"{__name__}.CONFIG", replace(CONFIG, team_leader_days=8))
            case _:
                pass
        after = await filled(server, path)
        found = await content(server)
        await lose(server)
        whole = await filled(server, path)
        assert found == await content(server)
    assert 0 < before < whole
    if meanwhile == "nothing":
        assert before + after == whole + 2
    else:  # the events are written again, and of the figures what the server does not have so
        assert after == whole if meanwhile == "a lost database" else before + after > whole


async def test_the_command_says_what_it_wrote(influxd: Influxd, server: InfluxServer, tmp_path: Path) -> None:
    """`mes influx backfill` tells how much it wrote, of which days, and where."""
    await example(tmp_path / "journal.sqlite")
    plant = tmp_path / "plant.yaml"
    plant.write_text(default_config().read_text() + f"\ninflux:\n  url: {influxd.url}\n  database: plant\n")

    words = ["influx", "backfill", "--config", str(plant), "--journal", str(tmp_path / "journal.sqlite")]
    done = await asyncio.to_thread(CliRunner().invoke, mes, words)
    assert done.exit_code == 0, done.output
    assert f"{len(EVENTS)} events, 4 process values and " in done.output
    assert "from 2026-03-02 00:00 to 2026-03-03 00:00 (Asia/Qostanay) stand in database plant" in done.output
    assert (await server.query('SELECT count("unit") AS n FROM "unit"'))[0]["n"] == 4


async def test_any_number_of_cars_adds_no_series(server: InfluxServer) -> None:
    """A hundred thousand VINs at one station are fields: the number of series stays what it was after the first."""
    stations = (STATION, EXIT)
    first = [event_line(Journaled(1, made(1, CAR, station=station))) for station in stations]
    await server.write(body(first))
    before = await server.query('SHOW SERIES EXACT CARDINALITY ON "plant"')
    for start in range(0, CARS, 5000):
        lines = [
            event_line(Journaled(number, made(2 + number / 100, f"VIN{number:014}", station=stations[number % 2])))
            for number in range(start, start + 5000)
        ]
        await server.write(body(lines))

    assert (await server.query('SELECT count("unit") AS n FROM "unit"'))[0]["n"] == CARS + len(stations)
    assert await server.query('SHOW SERIES EXACT CARDINALITY ON "plant"') == before
