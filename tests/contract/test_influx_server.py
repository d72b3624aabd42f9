"""The sink against a real influxd 1.6.7 and against stand-ins for 2.x and 3."""

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from influx_stand_in import StandIn, stand_in
from influxd import Influxd, free_port, private_influxd

from mes.demo import influxd as private
from mes.errors import MesError, SinkRejected, SinkUnavailable
from mes.influx.encode import line
from mes.influx.server import InfluxServer, ServerKind, Target, retry_after_s

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[Influxd]:
    """A private influxd with nothing in it."""
    async with private_influxd(tmp_path) as server:
        yield server


@pytest.fixture(params=["v2.7.11", "3.2.1"])
async def modern(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    """A stand-in for 2.x, then one for 3."""
    async with stand_in(request.param) as server:
        yield server


def target_of(server: StandIn) -> Target:
    """Where the stand-in is written to."""
    return Target(server.url, server.bucket, org="plant", secret=server.token)


def points(first: int, count: int) -> bytes:
    """Lines of one series with distinct times."""
    return "\n".join(line("count", {"station": "a b"}, {"delta": n}, n) for n in range(first, first + count)).encode()


@pytest.mark.influxd
async def test_a_1x_server_is_known_and_its_database_made(influxd: Influxd) -> None:
    """influxd 1.6.7 is recognised, the database is created, and what is written can be counted."""
    async with InfluxServer(Target(influxd.url, "plant")) as server:
        assert await server.kind() is ServerKind.V1
        assert await server.ensure()
        await server.write(points(1, 500))

        assert await server.query('SELECT count("delta") FROM "count"') == [{"time": 0, "count": 500}]


@pytest.mark.influxd
async def test_a_private_server_tries_another_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another program took the port that was free, it listens elsewhere; started again it keeps its port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        free = iter((taken, taken))
        monkeypatch.setattr(private, "free_port", lambda: next(free, 0) or free_port())
        async with private_influxd(tmp_path) as server:
            port = server.port
            assert port != taken
            await server.stop()
            await server.start()
            assert server.port == port
            await server.stop()
            with socket.create_server(("127.0.0.1", port)), pytest.raises(MesError, match="address already in use"):
                await server.start()


@pytest.mark.influxd
async def test_a_resend_to_1x_changes_nothing(influxd: Influxd) -> None:
    """The same bytes twice are the same points once."""
    async with InfluxServer(Target(influxd.url, "plant")) as server:
        await server.ensure()
        await server.write(points(1, 100))
        await server.write(points(51, 100))

        assert await server.query('SELECT sum("delta"), count("delta") FROM "count"') == [
            {"time": 0, "sum": sum(range(1, 151)), "count": 150}
        ]


@pytest.mark.influxd
async def test_1x_refusals_hold(influxd: Influxd) -> None:
    """A missing database and a type conflict are refusals with the server's words, not outages."""
    async with InfluxServer(Target(influxd.url, "nowhere")) as server:
        with pytest.raises(SinkRejected, match="database not found") as missing:
            await server.write(points(1, 1))
        assert missing.value.status == 404
    async with InfluxServer(Target(influxd.url, "plant")) as server:
        await server.ensure()
        await server.write(points(1, 1))
        with pytest.raises(SinkRejected, match="field type conflict"):
            await server.write(line("count", {"station": "a b"}, {"delta": 1.5}, 9).encode())


@pytest.mark.influxd
async def test_a_dead_1x_server_is_an_outage(influxd: Influxd) -> None:
    """A server that is gone is tried again, and takes the data when it is back."""
    async with InfluxServer(Target(influxd.url, "plant")) as server:
        await server.ensure()
        await influxd.stop()
        with pytest.raises(SinkUnavailable):
            await server.write(points(1, 10))
        await influxd.start()
        await server.write(points(1, 10))

        assert await server.query('SELECT count("delta") FROM "count"') == [{"time": 0, "count": 10}]


async def test_modern_servers_are_written_by_their_own_path(modern: StandIn) -> None:
    """2.x and 3 are recognised and take gzip bodies with a token; a resend changes nothing."""
    async with InfluxServer(target_of(modern)) as server:
        assert await server.kind() is (ServerKind.V2 if modern.version.startswith("v2") else ServerKind.V3)
        assert not await server.ensure()
        await server.write(points(1, 100))
        await server.write(points(51, 100))

    assert len(modern.points) == 150


async def test_every_generation_answers_queries(modern: StandIn) -> None:
    """What was written is read back; the statement, which may hold a new user's password, stands in no address."""
    async with InfluxServer(target_of(modern)) as server:
        await server.write(points(1, 2))
        assert await server.query('SELECT "delta" FROM "count"') == [{"time": 1, "delta": 1}, {"time": 2, "delta": 2}]

    assert set(modern.addresses) == {"/query"}


@pytest.mark.parametrize("secret", ["x", "plant", "max", "statement"])
async def test_a_secret_that_is_a_word_damages_no_data(modern: StandIn, secret: str) -> None:
    """A password may be part of any name: what is read is what was written, and an error stays readable."""
    modern.token = secret
    async with InfluxServer(target_of(modern)) as server:
        await server.write(b'kpi,line=plant max=1i,text="x max plant" 1')
        assert await server.query('SELECT "max", "text" FROM "kpi"') == [{"time": 1, "max": 1, "text": "x max plant"}]
        with pytest.raises(SinkRejected, match=r"expected SELECT|error in InfluxQL"):
            await server.query('SELEC "max" FROM "kpi"')


async def test_an_answer_that_never_came_is_an_outage_and_a_resend_is_harmless(modern: StandIn) -> None:
    """The server stores and hangs up: we send again, and there is each point once."""
    modern.next_answers = [("hang-up-after-storing", {})]
    async with InfluxServer(target_of(modern)) as server:
        with pytest.raises(SinkUnavailable):
            await server.write(points(1, 100))
        await server.write(points(1, 100))

    assert len(modern.points) == 100


@pytest.mark.parametrize("status", [301, 302, 307, 308, 200, 400, 401, 403, 404, 413, 422])
async def test_refusals_are_held(modern: StandIn, status: int) -> None:
    """Redirects, a wrong server's 200 and every 4xx but 429 are refusals: the queue waits for a person."""
    modern.next_answers = [(status, {"Location": "/elsewhere"} if status < 400 else {})]
    async with InfluxServer(target_of(modern)) as server:
        with pytest.raises(SinkRejected) as refused:
            await server.write(points(1, 1))

    assert refused.value.status == status
    assert modern.requests == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_overload_is_an_outage(modern: StandIn, status: int) -> None:
    """429 and 5xx are tried again, after as long as the server asks."""
    modern.next_answers = [(status, {"Retry-After": "7"})]
    async with InfluxServer(target_of(modern)) as server:
        with pytest.raises(SinkUnavailable) as outage:
            await server.write(points(1, 1))

    assert outage.value.retry_after_s == 7


async def test_a_bad_line_is_refused_by_both_and_partial_writes_differ(modern: StandIn) -> None:
    """2.x stores the rest (422), 3 stores nothing (400); to us both are refusals."""
    body = points(1, 3) + b"\n" + line("count", {"station": "a b"}, {"delta": 1.5}, 9).encode()
    async with InfluxServer(target_of(modern)) as server:
        with pytest.raises(SinkRejected):
            await server.write(body)

    assert len(modern.points) == (3 if modern.version.startswith("v2") else 0)


async def test_secrets_are_not_in_texts(modern: StandIn) -> None:
    """Neither the target's text nor an error shows the token."""
    target = target_of(modern)
    modern.next_answers = [(401, {})]
    async with InfluxServer(target) as server:
        with pytest.raises(SinkRejected) as refused:
            await server.write(points(1, 1))

    assert modern.token not in repr(target) + repr(refused.value) + str(refused.value)


async def test_something_else_is_not_taken_for_influxdb(modern: StandIn) -> None:
    """A server without the version header is refused before anything is sent to it."""
    modern.version = ""
    async with InfluxServer(target_of(modern)) as server:
        with pytest.raises(SinkRejected, match="does not say that it is InfluxDB"):
            await server.write(points(1, 1))

    assert modern.requests == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0", 1.0),
        ("9999", 300.0),
        ("nonsense", None),
        ("nan", None),
        ((NOW + timedelta(seconds=20)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 20.0),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds or an HTTP date, between 1 and 300; garbage says nothing."""
    assert retry_after_s(header, NOW) == seconds
