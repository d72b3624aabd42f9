"""Proves that what is written can be read: a canary goes there and back, to the nanosecond."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mes.errors import SinkRejected
from mes.influx.encode import line
from mes.influx.server import InfluxServer

MEASUREMENT = "canary"
READ_WITHIN_S = 10.0
PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of it; the times are real seconds."""

    server: str
    wrote_s: float
    read_s: float


async def probe(server: InfluxServer) -> Probe:
    """Writes a canary, reads it back and compares value, type and time.

    Raises SinkError: what the server said, or that it gave back something else, or nothing within ten seconds.
    """
    about = await server.about()
    now = datetime.now(UTC)
    stamp = int(now.timestamp()) * 10**9 + now.microsecond * 1000 + 7  # a server that cuts nanoseconds is found
    value = now.isoformat()
    began = time.monotonic()
    await server.write(line(MEASUREMENT, {"of": "check"}, {"said": value, "number": stamp}, stamp).encode())
    written = time.monotonic()
    found: list[dict[str, Any]] = []
    while not found and time.monotonic() - written < READ_WITHIN_S:
        query = f'SELECT "said", "number" FROM "{MEASUREMENT}" WHERE time = {stamp}'  # noqa: S608 - a number of ours
        found = await server.query(query)
        if not found:
            await asyncio.sleep(PAUSE_S)
    read = time.monotonic()
    if not found:
        raise SinkRejected(
            f"what was written is not found within {READ_WITHIN_S:g} s: does InfluxQL reach the same database? On 2.x "
            "`mes influx setup` makes the mapping that it needs",
            status=0,
            body="",
        )
    if (found[0]["time"], found[0]["said"], found[0]["number"]) != (stamp, value, stamp):
        raise SinkRejected(f"what was written came back as {found[0]}", status=0, body="")
    return Probe(about, written - began, read - written)


async def may_write(server: InfluxServer) -> bool:
    """Whether the server takes a line from whoever this is."""
    try:
        await server.write(line(MEASUREMENT, {"of": "reader"}, {"said": "not allowed"}, time.time_ns()).encode())
    except SinkRejected as refused:
        if refused.status in {401, 403}:
            return False
        raise
    return True
