"""A lost database comes back from the journal, byte for byte, and any number of cars adds no series."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from influx_example import CAR, CURRENTS, END, EVENTS, EXIT, example, made
from influxd import Influxd, private_influxd
from oee_histories import STATION, assigned, at, between, state

from adapters.clock import ManualClock
from mes.cli import mes
from mes.config.load import default_config, load
from mes.figures.backfill import backfill
from mes.figures.published import PublishedFigures, PublishedPlant
from mes.influx.encode import body, event_line
from mes.influx.schema import HEALTH, MEASUREMENTS
from mes.influx.server import InfluxServer, Target
from mes.influx.writer import InfluxWriter, Pace
from mes.inquiry import Inquiry
from mes.intervals import Interval
from mes.journal import Entry, Journal
from mes.model import Journaled, State

CONFIG = load(default_config()).config
JOURNALED = [name for name in MEASUREMENTS if name not in {each.name for each in HEALTH}]
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
    """A client of it, with an empty database."""
    async with InfluxServer(Target(influxd.url, "plant")) as client:
        await client.ensure()
        yield client


async def content(server: InfluxServer) -> Content:
    """Everything that stands in the database, with tags, fields and times to the nanosecond."""
    return {name: await server.query(f'SELECT * FROM "{name}" GROUP BY *') for name in JOURNALED}


async def written_anew(server: InfluxServer, journal: Path, stretch: Interval | None = None) -> Content:
    """What a backfill makes of it."""
    with Inquiry(CONFIG, journal, now=END) as inquiry:
        await backfill(inquiry, server, stretch)
    return await content(server)


async def lose(server: InfluxServer) -> None:
    """Somebody drops the database."""
    await server.query('DROP DATABASE "plant"')
    await server.ensure()


async def test_the_database_is_dropped_in_mid_run(server: InfluxServer, tmp_path: Path) -> None:
    """The database is lost while events come, late ones and a person's word among them.

    What the collector and then a backfill leave there is, byte for byte, what a backfill alone makes.
    """
    path = tmp_path / "journal.sqlite"
    clock = ManualClock(at(0))
    ordered = sorted(EVENTS, key=lambda each: each.received_time)
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=ordered[:3], telemetry=CURRENTS[:1]))
        figures = PublishedFigures(path, CONFIG.standards, CONFIG.calendar, clock)
        with PublishedPlant(replace(CONFIG, journal_path=path), clock) as plant:
            writer = InfluxWriter(
                server, journal, figures, plant, rng=random.Random(1), pace=Pace(restate_s=0.0), clock=clock
            )
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
    healed = await written_anew(server, path)
    await lose(server)
    anew = await written_anew(server, path)

    assert healed == anew
    assert lost != anew
    assert [name for name, rows in anew.items() if not rows] == []


async def test_what_the_collector_wrote_is_what_a_backfill_writes(server: InfluxServer, tmp_path: Path) -> None:
    """Nothing is lost on the way: then the collector's content alone is, byte for byte, that of a backfill."""
    path = tmp_path / "journal.sqlite"
    clock = ManualClock(at(0))
    async with Journal.open(path) as journal:
        figures = PublishedFigures(path, CONFIG.standards, CONFIG.calendar, clock)
        with PublishedPlant(replace(CONFIG, journal_path=path), clock) as plant:
            writer = InfluxWriter(
                server, journal, figures, plant, rng=random.Random(1), pace=Pace(restate_s=0.0), clock=clock
            )
            for each in sorted(EVENTS, key=lambda each: each.received_time):
                await journal.append(Entry(events=[each]))
                clock.advance(max(each.received_time - clock.now(), timedelta()))
                await writer.drain()
                await writer.restate()
            await journal.append(Entry(events=[], telemetry=CURRENTS))
            clock.advance(END - clock.now())
            await writer.drain()
            await writer.restate()

    live = await content(server)
    await lose(server)
    assert live == await written_anew(server, path)


async def test_twice_is_once(server: InfluxServer, tmp_path: Path) -> None:
    """Writing a stretch again changes nothing."""
    await example(tmp_path / "journal.sqlite")
    once = await written_anew(server, tmp_path / "journal.sqlite")

    assert await written_anew(server, tmp_path / "journal.sqlite", between(30, 60)) == once


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
    first = [event_line(Journaled(1, made(1, CAR, station=each))) for each in stations]
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
