"""Secrets at real servers that refuse them: nothing that the collector says, logs, stores or serves shows one."""

import asyncio
import base64
import json
import logging
import pprint
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from certified_plant import Plant
from click.testing import CliRunner
from events import state
from opcua_servers import CLIENT_URI, NAMESPACE, SERVER_URI

from adapters.clock import SteadyClock
from adapters.opcua.certificate_info import Wanted
from adapters.opcua.certificates import Pair, make
from mes.board.server import app, serve
from mes.cli import mes
from mes.config.load import default_config, load
from mes.daemon import Collector, collector
from mes.errors import SinkRejected
from mes.health.controllers import ConnectionState
from mes.influx.admin import Wanted as Prepared
from mes.influx.admin import set_up
from mes.influx.server import HIDDEN, InfluxServer, Target
from mes.journal import Entry, Journal
from mes.logs import configure_logging
from mes.model import State, StateChanged, StationId
from mes.supervisor import Backoff
from simulators.opcua_server import Node, OpcUaServer, Security

pytestmark = pytest.mark.timeout(30)

MARK = "Zq7NotToBeSeen"
NONE_URI = "http://opcfoundation.org/UA/SecurityPolicy#None"
STATION = {
    "controller": "plc",
    "ideal_cycle_s": {"S3": 60},
    "minor_stop_s": 60,
    "signals": {
        "state": {"node": f"nsu={NAMESPACE};s=state", "map": "packml-tags"},
        "good_count": {"node": f"nsu={NAMESPACE};s=good", "modulus": 65536, "max_per_hour": 60},
    },
}
TALKATIVE = ("asyncua.client.ua_client", "asyncua.client.client", "asyncua.client.ua_session", "asyncua.common")


@asynccontextmanager
async def echoing() -> AsyncIterator[str]:
    """A database that refuses everything, and says in its answer whatever it was shown."""
    told: list[str] = []

    async def ping(_request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": "v2.7.11"})

    async def refuse(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "")
        told.append(shown)
        plain = base64.b64decode(shown.split()[1]).decode() if shown.startswith("Basic") else shown
        return web.json_response({"code": "unauthorized", "message": f"{shown} ({plain}) is not known"}, status=401)

    application = web.Application()
    application.add_routes([web.get("/ping", ping), web.route("*", "/{rest:.*}", refuse)])
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
    assert told, "nobody came"


@pytest.mark.parametrize("ask", ["write", "query", "setup"])
@pytest.mark.parametrize("user", [None, "reader"])
@pytest.mark.parametrize("secret", [MARK, "q7", 'in "quotes\\"'])
async def test_a_database_that_repeats_the_secret_is_not_repeated(user: str | None, secret: str, ask: str) -> None:
    """Token or password, plain or encoded: what a server says of it is blotted out before it goes anywhere."""
    target = Target("", "plant", user=user, secret=secret)
    async with echoing() as url, InfluxServer(replace(target, url=url)) as server:
        wanted = Prepared(target, None, "grafana", "writer", "reader", lambda *_: None)
        asked: Mapping[str, Callable[[], Awaitable[object]]] = {
            "write": lambda: server.write(b"a b=1 1"),
            "query": lambda: server.query("SHOW DATABASES"),
            "setup": lambda: set_up(server, wanted),
        }
        with pytest.raises(SinkRejected, match="401") as refused:
            await asked[ask]()

    text = f"{refused.value} {refused.value!r} {refused.value.body}"
    escaped = json.dumps(secret)[1:-1]
    assert not any(shown in text for shown in (secret, escaped, json.dumps(escaped)[1:-1]))
    assert base64.b64encode(f"{user}:{secret}".encode()).decode() not in text
    assert HIDDEN in text


@pytest.mark.parametrize("words", [["setup", "--admin-credential", "admin"], ["check"], ["backfill"]])
async def test_the_commands_do_not_repeat_a_secret_that_is_refused(words: list[str], tmp_path: Path) -> None:
    """`mes influx …` at a server that says every secret that it is shown: it is blotted out, and the exit is not 0."""
    for name in ("admin", "influx"):
        (tmp_path / name).write_text(MARK)
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        await journal.append(Entry(events=[worked()]))
    given = {"setup": ["--secrets", str(tmp_path)], "backfill": ["--journal", str(tmp_path / "journal.sqlite")]}
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    async with echoing() as database:
        influx = f"\ninflux:\n  url: {database}\n  database: plant\n  credential: influx\n"
        (tmp_path / "plant.yaml").write_text(default_config().read_text() + influx)
        command = ["influx", *words, "--config", str(tmp_path / "plant.yaml"), *given.get(words[0], [])]
        done = await asyncio.to_thread(CliRunner(env=environment).invoke, mes, command)

    assert done.exit_code != 0
    assert HIDDEN in str(done.exception)
    assert MARK not in done.output + repr(done.exception) + str(done.exception)


@asynccontextmanager
async def guarded(folder: Path, *, in_clear: bool) -> AsyncIterator[tuple[str, Pair]]:
    """A server that wants another password; `in_clear`: inside its encrypted channel it takes it without more."""
    theirs = Pair(folder / "server.pem", folder / "server-key.pem")
    make(theirs, Wanted(application_uri=SERVER_URI, hostname="localhost", days=90, bits=2048))
    server = OpcUaServer(
        namespace=NAMESPACE,
        nodes=(Node("state", "int32", 6),),
        security=Security(
            policies=("Basic256Sha256",),
            certificate=theirs.certificate,
            private_key=theirs.key,
            user="reader",
            password="another",
        ),
        application_uri=SERVER_URI,
    )
    await server.start()
    assert server._server is not None
    if in_clear:
        for endpoint in server._server.iserver.endpoints:
            for token in endpoint.UserIdentityTokens:
                token.SecurityPolicyUri = NONE_URI
    try:
        yield server.url, theirs
    finally:
        await server.stop()


async def served(running: Collector) -> str:
    """All pages of health, as anybody on the machine can ask for them."""
    texts: list[str] = []
    started = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(app(running.monitor.status), host="127.0.0.1", port=0, listening=started.set_result)
    )
    port = await started
    async with aiohttp.ClientSession() as session:
        for page in ("healthz", "readyz", "metrics"):
            async with session.get(f"http://127.0.0.1:{port}/{page}") as answer:
                texts.append(await answer.text())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return "".join(texts)


@pytest.mark.parametrize("in_clear", [False, True])
async def test_a_collector_whose_secrets_are_refused_shows_none(
    tmp_path: Path,
    in_clear: bool,  # what pytest hands in
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Login and token refused, everything logged at debug level, asyncua's own lines too: the secret is nowhere."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("plc", "influx"):
        (secrets / name).write_text(MARK)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secrets))
    configure_logging(level=logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    for logger in TALKATIVE:
        caplog.set_level(logging.DEBUG, logger=logger)
    async with guarded(tmp_path, in_clear=in_clear) as (url, theirs), echoing() as database:
        plant = Plant(tmp_path, url, fields={"user": "reader", "password_credential": "plc"})
        plant.security = {"server_certificate": str(theirs.certificate)}
        make(
            Pair(plant.certificate, plant.key), Wanted(application_uri=CLIENT_URI, hostname="edge", days=90, bits=2048)
        )
        text = json.loads(plant.file.read_text())
        text["influx"] = {"url": database, "database": "plant", "credential": "influx"}
        text["areas"]["weld"]["lines"]["weld-1"]["stations"]["framing"] = STATION
        text["journal"] = {"path": str(tmp_path / "journal.sqlite")}
        (tmp_path / "whole.yaml").write_text(json.dumps(text))
        config = load(tmp_path / "whole.yaml").config

        async with collector(config, SteadyClock(), backoff=Backoff(refused_s=0)) as running:
            await running.journal.append(Entry(events=[worked()]))  # so that the database has something to refuse
            while not refused(running):
                await asyncio.sleep(0.05)
            shown = [await served(running), pprint.pformat(running.monitor.status()), repr(running.health.snapshot())]

    checked = await plant.certs("check")
    assert checked.exit_code == 1
    lines = [logging.Formatter().format(record) for record in caplog.records]
    assert any(record.name.startswith("asyncua.client") for record in caplog.records)
    assert "BadUserAccessDenied" in shown[1]
    printed = capsys.readouterr().err
    assert "controller_parked" in printed
    kept = b"".join(file.read_bytes() for file in journals(tmp_path))
    for text in (*shown, *lines, printed, checked.output, kept.decode(errors="replace")):
        assert MARK not in text


def worked() -> StateChanged:
    """Something that happened at the station."""
    return state(datetime.now(UTC), State.PRODUCING, station=StationId("plant/weld/weld-1/framing"))


def journals(folder: Path) -> list[Path]:
    """The journal's file and its log."""
    return sorted(folder.glob("journal.sqlite*"))


def refused(running: Collector) -> bool:
    """Both have said no."""
    status = running.monitor.status()
    parked = [controller for controller in status.controllers if controller.state is ConnectionState.PARKED]
    return bool(parked) and any(sink.held for sink in status.sinks)
