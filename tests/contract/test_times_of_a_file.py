"""From a plant's file to the journal: stations of one server whose signals are stamped by clocks that are all wrong."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from collected_plant import collected, events, once

from mes.journal import Journal
from mes.model import ConnectionLost, StateChanged, TimeSource
from simulators.opcua_server import Node, OpcUaServer

pytestmark = pytest.mark.timeout(60)

BEGAN = datetime.now(UTC)
STAMPS: dict[str, Callable[[], datetime]] = {
    "local": lambda: datetime.now(UTC) + timedelta(hours=5),
    "unset": lambda: datetime(1601, 1, 1, tzinfo=UTC),
    "frozen": lambda: BEGAN,
    "last": lambda: datetime(9999, 12, 31, tzinfo=UTC),
    "ahead": lambda: datetime(2998, 1, 1, tzinfo=UTC),
    "old": lambda: datetime(1602, 1, 1, tzinfo=UTC),
}
STATION = "{name}: {{controller: plc, ideal_cycle_s: {{any: 30}}, signals: {{state: {{{node}, map: codes}}}}}}"
PLANT = """
site:
  name: plant
  time_zone: Asia/Qostanay
  calendar: {{shifts: [{{name: all, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "00:00"}}]}}
products: {{A: {{name: Model A, assembly_method: CKD, raw: [A, 1]}}}}
state_maps: {{codes: {{numbers: {{1: producing, 4: down}}}}}}
controllers:
  plc: {{kind: opcua, url: "{url}", security: {{policy: None, insecure: true}}, publish_interval_ms: 50}}
areas: {{weld: {{lines: {{l1: {{stations: {{{stations}}}}}}}}}}}
journal: {{path: journal.sqlite}}
web: null
"""


async def states(journal: Journal) -> list[StateChanged]:
    """What the journal says of states."""
    return [event for event in await events(journal) if isinstance(event, StateChanged)]


async def test_every_change_is_kept_whatever_its_clock_says(tmp_path: Path) -> None:
    """Local time, the first and the last time of OPC UA, a frozen one, centuries off: kept in order, by our clock."""
    server = OpcUaServer(namespace="urn:test:plc", nodes=[Node(name, "int32", 1) for name in STAMPS])
    await server.start()
    stations = ", ".join(STATION.format(name=name, node=f'node: "nsu=urn:test:plc;s={name}"') for name in STAMPS)
    async with collected(tmp_path, PLANT.format(url=server.url, stations=stations)) as journal:
        seen = len(await once(journal, states, len(STAMPS)))
        for value in (4, 1, 4):
            for name, stamp in STAMPS.items():
                await server.write(name, value, source_time=stamp())
            seen += len(STAMPS)
            await once(journal, states, seen)
        told, all_events = await states(journal), await events(journal)
    await server.stop()

    assert not [event for event in all_events if isinstance(event, ConnectionLost)]
    for name in STAMPS:
        of_station = [event for event in told if event.station.endswith(f"/{name}")]
        assert [str(event.state) for event in of_station] == ["producing", "down", "producing", "down"]
        assert all(abs(event.time - event.received_time) < timedelta(minutes=5) for event in of_station)
        assert {event.time_source for event in of_station[1:]} == {TimeSource.EDGE} or name == "frozen"
