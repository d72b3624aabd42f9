"""A link or a disk that stalls between a real server and the journal: the controller's own times hold."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opcua_servers import NAMESPACE, SERVER_URI, Certificates, adapter, settings

from adapters.clock import SystemClock
from adapters.errors import ControllerUnavailable
from adapters.reading import Batch, ControllerId, TagId
from mes.collect.signals import StateSignal, StationSetup
from mes.collect.states import CodeMap
from mes.health.clock_offsets import ControllerClocks
from mes.journal import Journal
from mes.model import State, StateChanged, StationId, TimeSource
from mes.pipeline import Pipeline
from simulators.link import Link
from simulators.opcua_server import Limits, Node, OpcUaServer

pytestmark = pytest.mark.timeout(90)

NOWHERE = Certificates(server=(), client=(), other=())  # type: ignore[arg-type]  # no connection here is protected
STATION = StationId("plant/weld/l1/st")
PLC = ControllerId("plc")


@pytest.mark.parametrize("others", [pytest.param(0, id="alone"), pytest.param(1, id="it waits for a polled tag")])
async def test_a_stalled_link_moves_no_state(tmp_path: Path, others: int) -> None:
    """Nine seconds without a byte, no disconnect: five seconds of down are five seconds of down, where they were.

    Beside tags that are polled, notifications wait for what was polled; signs of life meanwhile are journaled first.
    """
    nodes = [Node("state", "int32", 1), *(Node(f"n{number}", "int32", 1) for number in range(others))]
    server = OpcUaServer(namespace=NAMESPACE, nodes=nodes, limits=Limits(), application_uri=SERVER_URI)
    if others:
        server.faults.max_items_per_subscription, server.faults.max_subscriptions = 1, 1
    await server.start()
    link = Link(server.port)
    await link.start()
    chosen = settings(
        f"opc.tcp://127.0.0.1:{link.port}/",
        NOWHERE,
        keepalive_s=20.0,
        request_timeout_s=30.0,
        publish_interval_ms=1000 if others else 50,
        sampling_interval_ms=1000 if others else 0,
    )
    signal = StateSignal(CodeMap({"1": State.PRODUCING, "4": State.DOWN}))
    setup = StationSetup(STATION, {TagId("state"): signal}, {}, timedelta(seconds=2))
    clocks = ControllerClocks()
    async with Journal.open(tmp_path / "journal.sqlite") as journal:
        pipeline = Pipeline({STATION: setup}, journal, SystemClock(), controllers={STATION: PLC}, offset=clocks.take)
        await pipeline.recover()
        came = asyncio.Condition()

        async def emit(batch: Batch, /) -> None:
            await pipeline.accept(batch)
            async with came:
                came.notify_all()

        async def changes() -> list[StateChanged]:
            return [
                journaled.event
                for journaled in await journal.read(0, 1000)
                if isinstance(journaled.event, StateChanged)
            ]

        task = asyncio.create_task(adapter(chosen, [node.name for node in nodes]).run(emit))
        async with came:
            while len(await changes()) < 1:
                await came.wait()
        await asyncio.sleep(2.5)
        link.black_hole()
        await asyncio.sleep(2)
        told = []
        for value, pause_s in ((4, 5.0), (1, 2.0)):
            told.append(datetime.now(UTC))
            await server.write("state", value, source_time=told[-1])
            await asyncio.sleep(pause_s)
        await link.heal()
        async with came:
            while len(await changes()) < 3:
                await came.wait()
        found = (await changes())[1:]
        task.cancel()
        with pytest.raises((asyncio.CancelledError, ControllerUnavailable)):
            await task
    await link.stop()
    await server.stop()
    assert [(change.state, change.time, change.time_source) for change in found] == [
        (State.DOWN, told[0], TimeSource.CONTROLLER),
        (State.PRODUCING, told[1], TimeSource.CONTROLLER),
    ]
    assert all(change.received_time - change.time > timedelta(seconds=1.5) for change in found)
