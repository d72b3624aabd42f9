"""The subscribed form of an OPC UA connection: its items, its inbox and the order of its messages."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds

from adapters.errors import ControllerUnavailable
from adapters.opcua_connection import MAX_NODES_PER_CALL, TOO_MUCH_AT_ONCE, Connection, differs
from adapters.opcua_values import in_time_order, to_reading
from adapters.reading import GapCause, Reading, TagId

SILENCE_KEEPALIVES = 3
RETRY_FIRST_S, RETRY_CAP_S = 1.0, 30.0


@dataclass(slots=True)
class Lost:
    """Put into the inbox when asyncua reports that the connection is gone."""

    reason: str


@dataclass(slots=True)
class Published:
    """One publish response; `taken` is set when it is journaled, and only then does asyncua acknowledge it."""

    result: Any
    taken: asyncio.Event = field(default_factory=asyncio.Event)


class Subscription:
    """The subscribed form of a connection: its items, its inbox and the order of its messages."""

    def __init__(
        self,
        connection: Connection,
        nodes: Mapping[TagId, ua.NodeId],
        inbox: "asyncio.Queue[Published | Lost]",
    ) -> None:
        """`inbox` also gets word when the connection is lost."""
        self._open = connection
        self._nodes = nodes
        self._inbox = inbox
        self._tag_of = dict(enumerate(nodes, start=1))
        self._handles = {tag: handle for handle, tag in self._tag_of.items()}
        self._baseline: dict[TagId, Reading] = {}
        self._next_sequence: int | None = None
        self._last_batch_at = connection.clock.now()
        self._id = 0

    async def run(self) -> None:
        """Subscribes, reads the baseline, then listens; ends only by an exception."""
        await self._subscribe()
        refused = await self._create(list(self._nodes))
        baseline = await self._open.read(self._nodes)
        self._baseline = {each.tag: each for each in baseline}
        await self._open.hand_on(baseline, baseline=True)
        listening = asyncio.create_task(self._listen())
        retrying = asyncio.create_task(self._retry(refused))
        try:
            done, _ = await asyncio.wait({listening, retrying}, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            for task in (listening, retrying):
                task.cancel()
            await asyncio.gather(listening, retrying, return_exceptions=True)

    async def _subscribe(self) -> None:
        settings = self._open.settings
        wanted = ua.CreateSubscriptionParameters()
        wanted.RequestedPublishingInterval = settings.publish_interval_ms
        wanted.RequestedMaxKeepAliveCount = max(1, round(settings.keepalive_s * 1000 / settings.publish_interval_ms))
        # the controller keeps its queues for as long as the session; OPC 10000-4 asks for at least 3 keep-alives
        lifetime = round(settings.session_timeout_s * 1000 / settings.publish_interval_ms)
        wanted.RequestedLifetimeCount = max(3 * wanted.RequestedMaxKeepAliveCount, lifetime)
        wanted.MaxNotificationsPerPublish = 0
        wanted.PublishingEnabled = True
        # the low-level call: asyncua acknowledges a message only after this callback has returned
        revised = await self._open.client.uaclient.create_subscription(wanted, self._on_publish)
        self._id = revised.SubscriptionId
        if revised.RevisedPublishingInterval != settings.publish_interval_ms:
            self._open.status.note(
                f"publishing interval revised from {settings.publish_interval_ms} ms "
                f"to {revised.RevisedPublishingInterval:g} ms"
            )
        self._silence_s = SILENCE_KEEPALIVES * max(
            settings.keepalive_s, revised.RevisedMaxKeepAliveCount * revised.RevisedPublishingInterval / 1000
        )

    async def _on_publish(self, result: Any) -> None:  # asyncua's PublishResult
        """Waits until the message is journaled. A failure there leaves it waiting, so that it is never acknowledged."""
        message = Published(result)
        self._inbox.put_nowait(message)
        await message.taken.wait()

    async def _create(self, tags: Sequence[TagId]) -> list[TagId]:
        """Creates monitored items, in pieces that the server takes; returns the tags that it refused."""
        refused: list[TagId] = []
        at, size = 0, MAX_NODES_PER_CALL
        while at < len(tags):
            some = tags[at : at + size]
            try:
                results = await self._create_some(some)
            except TOO_MUCH_AT_ONCE:
                if size == 1:
                    raise
                size = max(1, size // 2)
                continue
            refused += [tag for tag, result in zip(some, results, strict=True) if not self._accepted(tag, result)]
            at += len(some)
        self._open.status.items_active += len(tags) - len(refused)
        return refused

    async def _create_some(self, tags: Sequence[TagId]) -> list[Any]:
        settings = self._open.settings
        wanted = ua.CreateMonitoredItemsParameters()
        wanted.SubscriptionId = self._id
        wanted.TimestampsToReturn = ua.TimestampsToReturn.Both
        for tag in tags:
            item = ua.MonitoredItemCreateRequest()
            item.ItemToMonitor.NodeId = self._nodes[tag]
            item.ItemToMonitor.AttributeId = AttributeIds.Value
            item.MonitoringMode = ua.MonitoringMode.Reporting
            item.RequestedParameters.ClientHandle = self._handles[tag]
            item.RequestedParameters.SamplingInterval = settings.sampling_interval_ms
            item.RequestedParameters.QueueSize = settings.queue_size
            item.RequestedParameters.DiscardOldest = True
            wanted.ItemsToCreate.append(item)
        return list(await self._open.client.uaclient.create_monitored_items(wanted))

    def _accepted(self, tag: TagId, result: Any) -> bool:  # asyncua's MonitoredItemCreateResult
        status = self._open.status
        if not result.StatusCode.is_good():
            status.note(f"{tag}: refused with {result.StatusCode.name}, tried again")
            return False
        settings = self._open.settings
        if result.RevisedQueueSize < settings.queue_size:
            status.note(f"queue revised from {settings.queue_size} to {result.RevisedQueueSize}")
        if result.RevisedSamplingInterval > settings.sampling_interval_ms:
            status.note(
                f"sampling interval revised from {settings.sampling_interval_ms} ms "
                f"to {result.RevisedSamplingInterval:g} ms"
            )
        return True

    async def _retry(self, refused: list[TagId]) -> None:
        """Tries refused items again, one by one, for ever; the others run meanwhile."""
        pause_s = RETRY_FIRST_S
        while refused:
            await asyncio.sleep(pause_s)
            still = [tag for tag in refused if await self._create([tag])]
            pause_s = RETRY_FIRST_S if len(still) < len(refused) else min(pause_s * 2, RETRY_CAP_S)
            refused = still

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        heard_s = loop.time()
        while True:
            wait_s = heard_s + self._silence_s - loop.time()
            if self._open.watch is not None:
                wait_s = min(wait_s, self._open.watch.remaining_s(real_s=self._open.listened_s()))
            try:
                async with asyncio.timeout(max(wait_s, 0.001)):
                    message = await self._inbox.get()
            except TimeoutError:
                self._open.check_heartbeat()
                if loop.time() - heard_s >= self._silence_s:
                    raise ControllerUnavailable(f"neither data nor keep-alive for {self._silence_s:g} s") from None
                continue
            if isinstance(message, Lost):
                raise ControllerUnavailable(f"the connection was lost: {message.reason}")
            await self._take(message.result)
            message.taken.set()
            heard_s = loop.time()
            self._open.check_heartbeat()

    async def _take(self, result: Any) -> None:  # asyncua's PublishResult
        """One message: its order checked, its values emitted; returns when they are journaled."""
        message = result.NotificationMessage
        now = self._open.clock.now()
        readings: list[Reading] = []
        for each in message.NotificationData or []:
            if isinstance(each, ua.DataChangeNotification):
                readings += [
                    self._reading(self._tag_of[item.ClientHandle], item.Value, now)
                    for item in each.MonitoredItems
                    if item.ClientHandle in self._tag_of
                ]
            elif isinstance(each, ua.StatusChangeNotification):
                raise ControllerUnavailable(f"the server ended the subscription: {each.Status.name}")
        if message.NotificationData:
            self._check_order(int(message.SequenceNumber))
        self._open.hear(readings)
        fresh = [each for each in readings if self._is_new(each)]
        await self._open.hand_on(in_time_order(fresh))
        self._last_batch_at = now

    def _check_order(self, sequence: int) -> None:
        """Numbers go up by one and start again at 1 after 2**32 - 1 (OPC 10000-4, 7.43)."""
        if self._next_sequence is not None and sequence != self._next_sequence:
            raise ControllerUnavailable(
                f"message {self._next_sequence} was lost, {sequence} came",
                cause=GapCause.OVERFLOW,
                blind_since=self._last_batch_at,
            )
        self._next_sequence = sequence + 1 if sequence < 2**32 - 1 else 1

    def _is_new(self, reading: Reading) -> bool:
        """False for what the baseline already said: an item's first notification repeats or precedes it."""
        known = self._baseline.get(reading.tag)
        if known is None:
            return True
        if reading.source_time is not None and known.source_time is not None:
            if reading.source_time < known.source_time:
                return False
            if reading.source_time == known.source_time:
                return differs(reading, known)
        del self._baseline[reading.tag]
        return differs(reading, known)

    def _reading(self, tag: TagId, data: Any, now: datetime) -> Reading:  # asyncua's DataValue
        return to_reading(tag, self._open.tags[tag], data, now)
