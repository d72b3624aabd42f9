"""The demo's InfluxDB: a private one or a given one, filled by the collector while the plant runs."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from mes.config.build import PlantConfig
from mes.config.models.plant import InfluxShape
from mes.daemon import Collector, credential, target_of
from mes.demo.influxd import private_influxd
from mes.errors import ConfigError, MesError, SinkError, SinkRejected, SinkUnavailable
from mes.influx.admin import make_database
from mes.influx.probe import probe
from mes.influx.server import InfluxServer
from mes.influx.writer import Pace
from mes.journal.consumers import EVENTS, FIGURES, PLANT, TELEMETRY

DATABASE = "taktline_demo"
PACE = Pace(idle_s=0.2, restate_s=1.0, units_s=1.0)  # real seconds: the demo's hours pass in seconds
SETTLED_WITHIN_S = 60.0


def given_server() -> InfluxShape | None:
    """The server that the environment names: $TAKTLINE_INFLUX_URL, and its database, organisation and user where given.

    Its token or password is the credential `influx-secret` in $CREDENTIALS_DIRECTORY. Raises ConfigError for an
    address that is none.
    """
    url = os.environ.get("TAKTLINE_INFLUX_URL")
    if not url:
        return None
    if "@" in url:
        raise ConfigError(
            "$TAKTLINE_INFLUX_URL holds a user or a password: name the user in $TAKTLINE_INFLUX_USER, and put the "
            "secret into the file influx-secret in $CREDENTIALS_DIRECTORY"
        )
    try:
        return InfluxShape(
            url=url,
            database=os.environ.get("TAKTLINE_INFLUX_DATABASE", DATABASE),
            org=os.environ.get("TAKTLINE_INFLUX_ORG"),
            user=os.environ.get("TAKTLINE_INFLUX_USER"),
            credential="influx-secret" if os.environ.get("CREDENTIALS_DIRECTORY") else None,
        )
    except ValidationError as error:
        raise ConfigError(f"$TAKTLINE_INFLUX_URL is {url!r}; write it as http://host:8086") from error


async def check_given(given: InfluxShape) -> None:
    """Makes the database that is missing, where the secret may, and writes a canary and reads it back.

    Raises ConfigError with what is wrong and what to do.
    """
    target = target_of(given, credential)
    not_made = ""
    try:
        async with InfluxServer(target) as server:
            try:
                await make_database(server, target)
            except SinkRejected as refused:  # it may be there, made by somebody else
                not_made = f"; to make {target.database} was refused too: {refused}"
            await probe(server)
    except SinkError as error:
        raise ConfigError(
            f"$TAKTLINE_INFLUX_URL: the demo cannot forward to {target.database} at {target.url}: {error}{not_made}. "
            "Look at $TAKTLINE_INFLUX_DATABASE, _ORG and _USER and at the file influx-secret; make the database with "
            "`mes influx setup`, or give the demo an administrator's secret"
        ) from error


@asynccontextmanager
async def with_influx(config: PlantConfig, given: InfluxShape | None) -> AsyncIterator[PlantConfig]:
    """The same plant forwarding to a server: the `given` one, or a private influxd for the time of the block."""
    if given is not None:
        yield replace(config, influx=given)
        return
    with tempfile.TemporaryDirectory(prefix="taktline-influx-") as folder:
        async with private_influxd(Path(folder)) as server:
            yield replace(config, influx=InfluxShape(url=server.url, database=DATABASE))


async def settled(running: Collector) -> None:
    """Returns when the server has all that is journaled, and every figure as of the clock's present, which stands.

    Raises MesError where the server refuses it.
    """
    now = running.monitor.clock.now()
    while not (_is_stated(running, now) and await _has_all(running) and await _is_flushed(running)):
        writer = running.monitor.writer
        if writer is not None and writer.status.held is not None:
            raise MesError(f"InfluxDB refuses what the demo sends: {writer.status.held}")
        await asyncio.sleep(0.1)


def _is_stated(running: Collector, now: datetime) -> bool:
    stated = running.monitor.writer.status.stated_until if running.monitor.writer is not None else {}
    return all(name in stated and stated[name] >= now for name in (FIGURES, PLANT))


async def _is_flushed(running: Collector) -> bool:
    """Sends what was written too short a time ago to be due, by the plant's clock, which stands."""
    writer = running.monitor.writer
    if writer is None:
        return False
    try:
        await writer.flush()
    except SinkUnavailable:
        return False
    return True


async def _has_all(running: Collector) -> bool:
    journal = running.journal
    cursors = await journal.cursors()
    last = dict.fromkeys((EVENTS, FIGURES, PLANT), journal.last_seq) | {TELEMETRY: await journal.last_telemetry()}
    return all(cursors.get(name, 0) >= number for name, number in last.items())
