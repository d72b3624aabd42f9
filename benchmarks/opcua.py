"""Readings from an OPC UA subscription to the committed journal, against an asyncua handler that does nothing."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from common import Figure, Stopwatch, seconds, show, source

from adapters.clock import SystemClock
from adapters.opcua.adapter import OpcUaAdapter
from adapters.reading import Batch, ControllerId, TagId
from adapters.settings import OpcUaController, OpcUaSecurity, OpcUaTag
from mes.collect.counters import CounterSetup, ResetPolicy
from mes.collect.signals import CounterSignal, SignalSetup, StationSetup
from mes.journal import Journal
from mes.model import CountKind, StationId
from mes.pipeline import Pipeline

ITEMS, PER_SECOND = 500, 4
CONTROLLER = ControllerId("bench")


async def floor(port: int, length_s: float) -> Figure:
    """The same items on a bare low-level subscription."""
    seen = 0

    async def nothing(result: Any) -> None:  # asyncua's PublishResult
        nonlocal seen
        for notification in result.NotificationMessage.NotificationData or []:
            seen += len(notification.MonitoredItems)

    async with Client(f"opc.tcp://127.0.0.1:{port}", timeout=10) as client:
        index = await client.get_namespace_index("urn:bench")
        wanted = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=100, RequestedLifetimeCount=600, RequestedMaxKeepAliveCount=20
        )
        wanted.PublishingEnabled = True
        subscription = await client.uaclient.create_subscription(wanted, nothing)
        items = ua.CreateMonitoredItemsParameters()
        items.SubscriptionId = subscription.SubscriptionId
        items.TimestampsToReturn = ua.TimestampsToReturn.Both
        for number in range(ITEMS):
            item = ua.MonitoredItemCreateRequest()
            item.ItemToMonitor.NodeId = ua.NodeId.from_string(f"ns={index};s=v{number}")
            item.ItemToMonitor.AttributeId = AttributeIds.Value
            item.MonitoringMode = ua.MonitoringMode.Reporting
            item.RequestedParameters.ClientHandle = ua.IntegerId(number)
            item.RequestedParameters.QueueSize = ua.Counter(50)
            items.ItemsToCreate.append(item)
        await client.uaclient.create_monitored_items(items)
        await asyncio.sleep(1)
        watch, before = Stopwatch(), seen
        await asyncio.sleep(length_s)
        return watch.stop("asyncua, a handler that does nothing", seen - before)


async def product(port: int, length_s: float, folder: Path) -> Figure:
    """Adapter, collect and journal: every reading a counted unit, every batch committed before it is acknowledged."""
    setup = CounterSetup(CountKind.GOOD, 2**32, ResetPolicy.NEVER, max_per_hour=1e6)
    tags = {TagId(f"t{number}"): OpcUaTag(node=f"nsu=urn:bench;s=v{number}") for number in range(ITEMS)}
    setups = {}
    for number, tag in enumerate(tags):
        station, signals = StationId(f"bench/area/line/s{number}"), dict[TagId, SignalSetup]()
        signals[tag] = CounterSignal(setup)
        setups[station] = StationSetup(station, signals, {}, timedelta(minutes=1))
    settings = OpcUaController(
        kind="opcua",
        url=(f"opc.tcp://127.0.0.1:{port}",),
        publish_interval_ms=100,
        security=OpcUaSecurity(insecure=True),
    )
    clock = SystemClock()
    seen = 0
    async with Journal.open(folder / "journal.sqlite") as journal:
        pipeline = Pipeline(setups, journal, clock, controllers=dict.fromkeys(setups, CONTROLLER))

        async def emit(batch: Batch, /) -> None:
            nonlocal seen
            await pipeline.accept(batch)
            seen += len(batch.readings)

        adapter = OpcUaAdapter(CONTROLLER, settings, tags, clock=clock, secret=lambda _: "")
        running = asyncio.create_task(adapter.run(emit))
        async with asyncio.timeout(30):
            while not seen:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        watch, before, first = Stopwatch(), seen, journal.last_seq
        await asyncio.sleep(length_s)
        figure = watch.stop("taktline, committed to the journal", seen - before)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        print(f"  {journal.last_seq - first:,} events were journaled")
    return figure


async def main() -> None:
    """Measures both, one after the other, on one source."""
    length_s = seconds(__doc__ or "")
    with source("source_opcua.py", str(ITEMS), str(PER_SECOND)) as port, tempfile.TemporaryDirectory() as folder:
        lowest = await floor(port, length_s)
        ours = await product(port, length_s, Path(folder))
    show(f"{ITEMS} counters, {PER_SECOND} changes a second each", "readings", lowest, ours)


if __name__ == "__main__":
    asyncio.run(main())
