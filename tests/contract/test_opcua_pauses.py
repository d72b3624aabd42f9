"""This process stands still: nobody else is blamed for it."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from opcua_servers import NAMESPACE, SERVER_URI, Certificates, Journal, adapter, running, settings

from adapters.errors import ControllerUnavailable
from adapters.reading import GapCause, TagId
from adapters.settings import Heartbeat, OpcUaController
from simulators.link import Link
from simulators.opcua_server import Limits, Node, OpcUaServer

pytestmark = pytest.mark.timeout(60)

NAMES = ("state", "beat")
NOWHERE = Certificates(server=(), client=(), other=())  # type: ignore[arg-type]  # no connection here is protected
PAUSE_S = 4.0


@pytest.fixture
async def server() -> AsyncIterator[OpcUaServer]:
    nodes = (Node("state", "int32", 1), Node("beat", "uint32", 1))
    made = OpcUaServer(namespace=NAMESPACE, nodes=nodes, limits=Limits(), application_uri=SERVER_URI)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def chosen(server: OpcUaServer) -> OpcUaController:
    return settings(server.url, NOWHERE, heartbeat=Heartbeat(tag=TagId("beat"), max_age_s=2.0))


@pytest.fixture
async def beating(server: OpcUaServer) -> AsyncIterator[asyncio.Task[None]]:
    """The controller's program, which runs."""

    async def beat() -> None:
        for number in range(2, 100_000):
            await server.write("beat", number, source_time=datetime.now(UTC))
            await asyncio.sleep(0.1)

    task = asyncio.create_task(beat())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def stand_still() -> None:
    """The whole process, as a stopped one does: the loop's own time goes on."""
    time.sleep(PAUSE_S)


async def test_a_pause_of_this_process_makes_no_controller_stuck(
    chosen: OpcUaController, server: OpcUaServer, beating: asyncio.Task[None]
) -> None:
    """After a pause longer than a heartbeat may be old, a controller that runs is not lost, and is followed on."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal) as task:
        stand_still()
        await server.write("state", 4, source_time=datetime.now(UTC))
        await journal.until(lambda: 4 in journal.values("state"))
        count = len(journal.batches)
        await journal.until(lambda: len(journal.batches) > count + 20)
        assert not task.done()


async def test_a_heartbeat_that_stands_still_after_a_pause_is_found_out(
    chosen: OpcUaController, server: OpcUaServer, beating: asyncio.Task[None]
) -> None:
    """A controller that no longer runs is called stuck in its time, though a pause of ours was long before."""
    async with running(adapter(chosen, NAMES), Journal()) as task:
        stand_still()
        await asyncio.sleep(11)
        beating.cancel()
        with pytest.raises(ControllerUnavailable) as raised:
            await task
    assert raised.value.cause is GapCause.STUCK


async def test_a_connection_that_a_pause_ends_is_lost_by_this_program(
    chosen: OpcUaController, server: OpcUaServer, beating: asyncio.Task[None]
) -> None:
    """Where the connection is gone after a pause, the gap begins with the pause and its cause is this program."""
    link = Link(server.port)
    await link.start()
    through = chosen.at(f"opc.tcp://127.0.0.1:{link.port}/")
    async with running(adapter(through, NAMES), Journal()) as task:
        began = datetime.now(UTC)
        stand_still()
        await link.cut()
        with pytest.raises(ControllerUnavailable, match="stood still") as raised:
            await task
    await link.stop()
    assert raised.value.cause is GapCause.COLLECTOR
    assert raised.value.blind_since is not None
    assert abs((raised.value.blind_since - began).total_seconds()) < PAUSE_S / 2
