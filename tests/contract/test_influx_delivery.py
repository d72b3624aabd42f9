"""The whole matrix of answers: nothing is lost, exactly the bad lines are put aside, and the queue goes on."""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog
from events import START, counted, raised
from figures_files import figures_files as figures_files
from influx_stand_in import Answer, StandIn, stand_in
from influxd import private_influxd
from patience import patiently, promised_s

from adapters.clock import SystemClock
from mes.errors import SinkRejected, SinkUnavailable
from mes.influx.delivery import SINK, Delivery, point_of
from mes.influx.encode import Point, line
from mes.influx.server import InfluxServer, Target
from mes.influx.writer import InfluxWriter, Pace
from mes.intervals import Interval
from mes.journal import Entry, Journal
from mes.journal.consumers import EVENTS
from mes.model import ProductId, StationEvent, StationId, UnitsCounted

QUICK = Pace(idle_s=0.01, restate_s=3600, first_s=0.01, cap_s=0.02, hold_s=0.02)
MADE = 40


def part(raw: int, *, product: str = "S3") -> UnitsCounted:
    """One good unit."""
    when = START + timedelta(seconds=raw)
    return counted(when, raw=raw, previous_raw=raw - 1, product=ProductId(product))


class NoFigures:
    """Publishes nothing."""

    async def affected_windows(self, spans: Mapping[StationId, Interval]) -> Sequence[Point]:
        return ()

    async def open(self) -> tuple[Sequence[Point], datetime]:
        return (), START

    def stated(self, until: datetime) -> None:
        return

    def resume(self, until: datetime) -> None:
        return


@pytest.fixture(params=["1.6.7", "v2.7.11", "3.2.1"])
async def influx(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    async with stand_in(request.param) as server:
        yield server


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal.open(tmp_path / "journal.sqlite") as opened:
        await append(opened, *(part(n) for n in range(1, MADE + 1)))
        yield opened


async def append(journal: Journal, *events: StationEvent) -> None:
    await journal.append(Entry(events=events))


def client_of(influx: StandIn, *, timeout_s: float = 10) -> InfluxServer:
    """A client with the right token."""
    return InfluxServer(
        Target(influx.url, influx.bucket, org="plant", secret=influx.token), timeout=timedelta(seconds=timeout_s)
    )


def writer(server: InfluxServer, journal: Journal, pace: Pace = QUICK) -> InfluxWriter:
    return InfluxWriter(server, journal, rng=random.Random(1), pace=pace)


def clash(influx: StandIn, product: str) -> None:
    """Makes the server refuse the counts of one product by themselves, as where a field has another type already."""
    influx.refused_text = f"product={product}"


async def run_until_stored(
    influx: StandIn, server: InfluxServer, journal: Journal, points: int, *, quarantined: int = 0
) -> InfluxWriter:
    """Runs the writer until the server has so many points, the cursor is at the end and so many are in quarantine."""
    following = writer(server, journal)
    task = asyncio.create_task(following.run())
    async with patiently(8):
        while (
            len(influx.points) < points
            or await journal.cursor(EVENTS) < journal.last_seq
            or following.quarantined != quarantined
        ):
            await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return following


TIMES: list[Answer] = [200, 301, 307, 400, 401, 403, 404, 413, 422, 500, 503, "hang-up", "hang-up-after-storing"]


@pytest.mark.parametrize("answer", [*TIMES, 429])
async def test_nothing_is_lost_by_any_answer(influx: StandIn, journal: Journal, answer: Answer) -> None:
    """Whatever the server answers for a while, in the end each point is there once and none in quarantine."""
    headers = {"Location": "http://127.0.0.1:9/"} if answer in (301, 307) else {}
    influx.next_answers = [(answer, headers)] * 3
    async with client_of(influx) as server:
        await run_until_stored(influx, server, journal, MADE)

    assert len(influx.points) == MADE
    assert await journal.refused(SINK) == []


async def test_a_server_that_hangs_costs_its_time_limit_only(influx: StandIn, journal: Journal) -> None:
    """An answer that never comes is an outage; what was sent is sent again."""
    influx.next_answers = [("hang", {})]
    async with client_of(influx, timeout_s=0.2) as server:
        with pytest.raises(SinkUnavailable):
            await writer(server, journal).forward()
        await writer(server, journal).drain()

    assert len(influx.points) == MADE


async def test_exactly_the_bad_lines_are_put_aside(influx: StandIn, journal: Journal) -> None:
    """Among good lines, those that the server refuses by themselves are kept with its words; the queue goes on."""
    await append(journal, *(part(100 + n, product="bad" if n % 7 == 3 else "S2") for n in range(50)), part(900))
    clash(influx, "bad")
    async with client_of(influx) as server:
        await run_until_stored(influx, server, journal, MADE + 50 - 7 + 1, quarantined=7)

        kept = await journal.refused(SINK)
        assert [rejected.line.count("product=bad") for rejected in kept] == [1] * 7
        assert {rejected.status for rejected in kept} <= {400, 422}
        assert all("bad" in rejected.answer for rejected in kept)
        assert await journal.cursor(EVENTS) == journal.last_seq

        influx.refused_text = None  # somebody mended the server: the next start offers them again
        await run_until_stored(influx, server, journal, MADE + 51)
        assert await journal.refused(SINK) == []


async def test_what_was_refused_never_overwrites_what_was_stored_after_it(influx: StandIn, journal: Journal) -> None:
    """A figure that was put aside, and then stated again and taken, is out of quarantine: nobody offers the old one."""
    async with client_of(influx) as server:
        delivery = Delivery(server, journal, SystemClock())
        influx.refused_text = "good=5i"
        await delivery.send(["kpi,station=trim good=5i 1000"])
        assert [rejected.point for rejected in await journal.refused(SINK)] == ["kpi,station=trim 1000"]
        await delivery.send(["kpi,station=trim good=9i 1000"])

        assert await journal.refused(SINK) == []
        influx.refused_text = None
        later = Delivery(server, journal, SystemClock())
        await later.look()
        await later.retry()
    assert influx.points[("kpi,station=trim", "1000")] == {"good": "9i"}


async def test_a_server_at_fault_holds_the_queue(influx: StandIn, journal: Journal) -> None:
    """While even a known-good line is refused no line is blamed: the queue is held and says why, and recovers."""
    influx.broken = True
    async with client_of(influx) as server:
        following = writer(server, journal)
        with pytest.raises(SinkRejected, match="known-good line too"):
            await following.forward()
        assert await journal.refused(SINK) == []
        influx.broken = False
        await following.drain()

    assert len(influx.points) == MADE


async def test_many_bad_lines_are_no_bad_lines(influx: StandIn, journal: Journal) -> None:
    """Where line after line is refused the fault is in the set-up: the queue is held, the quarantine stays small."""
    await append(journal, *(part(100 + n, product="bad") for n in range(400)))
    clash(influx, "bad")
    async with client_of(influx) as server:
        with pytest.raises(SinkRejected, match="one after the other"):
            await writer(server, journal).drain()

    assert len(await journal.refused(SINK)) == 100


async def test_what_is_too_large_is_split(influx: StandIn, journal: Journal) -> None:
    """413 is met by smaller bodies, down to what the server takes."""
    influx.most_bytes = 1000
    async with client_of(influx) as server:
        await writer(server, journal).drain()

    assert len(influx.points) == MADE
    assert await journal.refused(SINK) == []


async def test_what_cannot_be_said_is_put_aside(influx: StandIn, journal: Journal) -> None:
    """A totaliser's reading beyond 64 bits fits no field: it is kept with the reason, everything else arrives."""
    await append(journal, replace(part(500), raw=2**63), part(501))
    async with client_of(influx) as server:
        await writer(server, journal).drain()
        kept = await journal.refused(SINK)
        await run_until_stored(influx, server, journal, MADE + 1)

    assert len(influx.points) == MADE + 1
    assert [(rejected.point, rejected.status) for rejected in kept] == [(f"event {MADE + 1}", 0)]
    assert "64 bits" in kept[0].answer
    assert await journal.refused(SINK) == kept


async def test_an_answer_lost_a_hundred_times_changes_nothing(influx: StandIn, journal: Journal) -> None:
    """Stored and not confirmed, again and again: the points are those of the journal, byte for byte."""
    async with client_of(influx) as server:
        await writer(server, journal).drain()
        first = {point: dict(fields) for point, fields in influx.points.items()}
        influx.points.clear()
        for n in range(100):
            await append(journal, part(1000 + n))
        influx.next_answers = [("hang-up-after-storing", {})] * 100
        pace = replace(QUICK, first_s=0.0005, cap_s=0.001, batch_lines=7)
        following = writer(server, journal, pace)
        task = asyncio.create_task(following.run())
        async with patiently(8):
            while await journal.cursor(EVENTS) < journal.last_seq:
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert len(influx.points) == 100
    assert len(first) == MADE


@pytest.mark.parametrize(("header", "at_least_s"), [("1", 1.0), ("garbage", 0.0)])
async def test_patience_is_as_long_as_asked(influx: StandIn, journal: Journal, header: str, at_least_s: float) -> None:
    """Retry-After in seconds is kept; what cannot be read falls back to our own pace."""
    influx.next_answers = [(429, {"Retry-After": header})]
    began = asyncio.get_running_loop().time()
    async with client_of(influx) as server:
        await run_until_stored(influx, server, journal, MADE)

    took = asyncio.get_running_loop().time() - began
    assert took >= at_least_s
    if not at_least_s:
        assert took < promised_s(1.0)


@pytest.mark.influxd
async def test_a_real_server_keeps_its_good_lines(tmp_path: Path) -> None:
    """influxd 1.6.7 refuses a type that differs from the first one: that line alone is put aside."""
    async with (
        private_influxd(tmp_path) as influxd,
        Journal.open(tmp_path / "journal.sqlite") as journal,
        InfluxServer(Target(influxd.url, "plant")) as server,
    ):
        await server.ensure()
        stamp = int(START.timestamp()) * 10**9  # types belong to a shard, which is a week long
        await server.write(line("fault", {"station": "x"}, {"code": 7}, stamp).encode())
        await append(journal, part(1), raised(0, "101"), part(2))
        await writer(server, journal).drain()

        kept = await journal.refused(SINK)
        assert [(rejected.line.split(",")[0], rejected.status) for rejected in kept] == [("fault", 400)]
        assert "field type conflict" in kept[0].answer
        assert await server.query('SELECT sum("delta") FROM "count"') == [{"time": 0, "sum": 2}]


def test_a_point_is_known_by_its_head_and_time() -> None:
    """Fields do not belong to a point's identity, escaped spaces do."""
    one = line("count", {"station": "a b"}, {"text": 'x y="z"'}, 5)
    other = line("count", {"station": "a b"}, {"text": "other"}, 5)

    assert point_of(one) == point_of(other) == "count,station=a\\ b 5"


async def test_what_is_older_than_the_database_keeps_holds_nothing_up(journal: Journal) -> None:
    """A real server that keeps 30 days, and a journal that begins before: the rest is stored, nothing is put aside."""
    now = SystemClock().now()
    new = part(1000)
    await append(journal, *(part(100 + n) for n in range(400)), replace(new, time=now, received_time=now))
    with structlog.testing.capture_logs() as logs, tempfile.TemporaryDirectory() as folder:
        async with private_influxd(Path(folder)) as there, InfluxServer(Target(there.url, "plant")) as server:
            await server.ensure()
            await server.query('ALTER RETENTION POLICY "autogen" ON "plant" DURATION 720h DEFAULT')
            await writer(server, journal).drain()
            stored = await server.query('SELECT count("delta") AS n FROM "count"')
    assert await journal.refused(SINK) == []
    assert await journal.cursor(EVENTS) == journal.last_seq
    assert [row["n"] for row in stored] == [1]
    assert [log["event"] for log in logs].count("influx_keeps_less") == 1
