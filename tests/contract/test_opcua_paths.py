import asyncio
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest
from opcua_servers import (
    NAMESPACE,
    Certificates,
    Journal,
    NodeOpcUa,
    ServerUnderTest,
    certificates_in,
    running,
    settings,
    simulated,
)
from patience import eventually

from adapters.clock import SystemClock
from adapters.diagnostics import DiagnosticCode
from adapters.errors import ControllerUnavailable
from adapters.opcua.adapter import OpcUaAdapter
from adapters.reading import ControllerId, TagId
from adapters.settings import Heartbeat, OpcUaController, OpcUaTag
from mes.config.models.plant import OpcUaHeartbeat
from simulators.opcua_server import Node, OpcUaServer

pytestmark = pytest.mark.timeout(60)

NODES = (Node("state", "int32", 6), Node("good", "uint32", 100), Node("beat", "datetime", "2026-03-02T08:00:00+00:00"))
BY_PATH = {name: OpcUaTag(path=f"nsu={NAMESPACE};{name}") for name in ("state", "good")}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


def subject(controller: OpcUaController, tags: Mapping[str, OpcUaTag]) -> OpcUaAdapter:
    named = {TagId(name): how for name, how in tags.items()}
    return OpcUaAdapter(ControllerId("plc"), controller, named, clock=SystemClock(), secret=str)


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
@pytest.mark.parametrize("stack", ["simulated", pytest.param("node", marks=pytest.mark.nodeopcua)])
async def test_nodes_are_found_by_their_names(
    certificates: Certificates, tmp_path: Path, stack: str, mode: str
) -> None:
    """Paths lead to nodes below Objects, also through the standard's own; one that leads nowhere is named."""
    server: ServerUnderTest
    server = simulated(NODES, certificates) if stack == "simulated" else NodeOpcUa(NODES, certificates, tmp_path)
    await server.start()
    tags = {
        **BY_PATH,
        "started": OpcUaTag(path="ns=0;Server/ServerStatus/StartTime"),
        "wrong": OpcUaTag(path=f"nsu={NAMESPACE};stat"),
        "foreign": OpcUaTag(path="nsu=urn:nobody;state"),
    }
    adapter, journal = subject(settings(server.url, certificates, mode=mode), tags), Journal()
    try:
        async with running(adapter, journal):
            await server.write("good", 101, source_time=SystemClock().now())
            await journal.until(lambda: 101 in journal.values("good"))
            refused = {
                diagnostic.tags[0]: diagnostic.text
                for diagnostic in adapter.status().diagnostics
                if diagnostic.code is DiagnosticCode.TAG_REFUSED
            }
    finally:
        await server.stop()
    assert journal.values("state") == [6]
    assert str(journal.values("started")[0]).startswith("20")
    assert refused.keys() == {"wrong", "foreign"}
    assert "BadNoMatch" in refused[TagId("wrong")]
    assert "namespace is missing" in refused[TagId("foreign")]


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_ids_that_change_at_every_start(certificates: Certificates, mode: str) -> None:
    """After a restart with other ids and another index the values are found again at the next connection."""
    server = OpcUaServer(namespace=NAMESPACE, nodes=NODES, changing_ids=True)
    await server.start()
    chosen, journal = settings(server.url, certificates, mode=mode), Journal()
    try:
        async with running(subject(chosen, BY_PATH), journal) as task:
            await server.restart(down_s=0.1)
            with pytest.raises(ControllerUnavailable):
                await task
        await server.write("state", 9, source_time=SystemClock().now())
        later = Journal()
        async with running(subject(chosen, BY_PATH), later):
            pass
    finally:
        await server.stop()
    assert later.values("state") == [9]
    assert journal.values("state") == [6]


@pytest.mark.parametrize(
    ("stack", "mode"),
    [
        ("simulated", "poll"),  # it does not notify its clock
        pytest.param("node", "subscribe", marks=pytest.mark.nodeopcua),
    ],
)
async def test_the_servers_clock_is_a_heartbeat(
    certificates: Certificates, tmp_path: Path, stack: str, mode: str
) -> None:
    """`server_time` is a tag like any other that changes while the server lives."""
    server: ServerUnderTest
    server = simulated(NODES, certificates) if stack == "simulated" else NodeOpcUa(NODES, certificates, tmp_path)
    await server.start()
    heart = Heartbeat(tag=TagId("heart"), max_age_s=20)
    tags = BY_PATH | {"heart": OpcUaHeartbeat(node="server_time").tag}
    journal = Journal()
    try:
        async with running(
            subject(settings(server.url, certificates, mode=mode, heartbeat=heart), tags), journal
        ) as task:
            await journal.until(lambda: len(journal.values("heart")) > 2)
            assert not task.done()
    finally:
        await server.stop()
    assert journal.values("state") == [6]


async def test_a_date_is_a_heartbeat(certificates: Certificates) -> None:
    """A DateTime that the program writes is a sign of life once it changes, and not before."""
    server = simulated(NODES, certificates)
    await server.start()
    heart = Heartbeat(tag=TagId("beat"), max_age_s=60)
    tags = {**BY_PATH, "beat": OpcUaTag(node=f"nsu={NAMESPACE};s=beat")}
    adapter, journal = subject(settings(server.url, certificates, heartbeat=heart), tags), Journal()
    task = asyncio.create_task(adapter.run(journal))
    beats = count(1)

    async def lives() -> bool:  # whatever was written before the item was made is no change
        await server.write("beat", f"2026-03-02T08:00:{next(beats) % 60:02}+00:00", source_time=SystemClock().now())
        return bool(journal.batches)

    try:
        await eventually(lambda: server.subscriptions() == 1)
        assert journal.batches == []
        await eventually(lives, within_s=20.0, every_s=0.2)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.stop()
    assert str(journal.values("beat")[0]).startswith("2026-03-02T08:00:")
