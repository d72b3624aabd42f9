"""The subscriptions of one OPC UA connection: which tag is monitored in which, which is read instead, or refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.uaerrors import UaStatusCodeError

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.opcua.connection import Connection, real_s
from adapters.opcua.items import refusal
from adapters.opcua.session import NO_ROOM, translated
from adapters.opcua.values import InSequence
from adapters.reading import TagId

_MOST_SUBSCRIPTIONS = 10  # of one session; what they have no room for is read
_SILENCE_KEEPALIVES = 3  # so many keep-alives may be missing before the connection counts as dead
_DOUBTS = 2  # a tag whose notifications were lost so often is read instead
_DISTRUSTED = "its notifications were lost before"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A publish response that waits to be journaled; when it came and was asked for."""

    result: ua.PublishResult
    received_time: datetime
    received_s: float
    asked_s: float

    @property
    def subscription(self) -> int:
        """The subscription that it is of."""
        return int(self.result.SubscriptionId)

    @property
    def complete(self) -> bool:
        """Whether the server had nothing more to say when it made it."""
        return not self.result.MoreNotifications


@dataclass(slots=True)
class Stream:
    """One subscription: its notifications in order, and when it was last heard (event loop's time)."""

    number: int
    interval_s: float
    silence_s: float
    heard_s: float
    sequence: InSequence[Arrival] = field(default_factory=InSequence)
    overtaken_s: float | None = None  # since when one notification is behind others


class Monitoring:
    """Has every tag monitored, or read where the server does not monitor it, or refused where it cannot be read."""

    def __init__(self, connection: Connection, doubts: Mapping[TagId, int]) -> None:
        """`doubts`: how often notifications of a tag were lost on earlier connections."""
        self._connection = connection
        self._items = connection.items
        self._session = connection.session
        self._distrusted = frozenset(tag for tag, count in doubts.items() if count >= _DOUBTS)
        self._placed: dict[TagId, tuple[int, int]] = {}  # subscription and id of the monitored item
        self.streams: dict[int, Stream] = {}
        self.interval_s = 0.0
        self.sampling_s = 0.0  # of the item that is sampled least often

    async def begin(self) -> None:
        """Creates the first subscription, and further ones for what it has no room for.

        Raises ControllerUnavailable without a first subscription, or if the server knows none of the tags.
        """
        with translated("creating the subscription"):
            stream = await self._subscribe()
        for tag in self._items.absent():
            self._items.refuse(tag, "its namespace is missing")
        absent = set(self._items.absent())
        wanted = [tag for tag in self._items.tags if tag not in absent and tag not in self._distrusted]
        granted: list[ua.MonitoredItemCreateResult] = []
        unmonitored = await self._create(stream, wanted, granted)
        while (crowded := _crowded(unmonitored)) and len(self.streams) < _MOST_SUBSCRIPTIONS:
            further = await self._subscribe_further()
            if further is None:
                break
            left = await self._create(further, crowded, granted)
            if len(left) == len(crowded):
                await self._give_back(further)
                break
            unmonitored = {tag: why for tag, why in unmonitored.items() if tag not in crowded} | left
        names = {tag: why.name for tag, why in unmonitored.items()}
        names |= dict.fromkeys(self._distrusted & set(self._items.tags) - absent, _DISTRUSTED)
        await self._read_instead(names)
        self._connection.require_items()
        self._tell_of_revisions(granted)

    async def try_again(self) -> None:
        """Asks again for what is refused or read instead: a program may have been loaded, a client gone."""
        with translated("reading the namespaces"):
            self._items.resolve(await self._session.namespaces())
        absent = set(self._items.absent())
        behind = [tag for tag in (*self._items.refused, *self._items.polled) if tag not in absent]
        wanted = [tag for tag in behind if tag not in self._distrusted]
        unmonitored: dict[TagId, ua.StatusCode] = {}
        await self._forget(wanted)
        for stream in self.streams.values():
            left = await self._create(stream, wanted, [])
            unmonitored |= left
            unmonitored = {tag: why for tag, why in unmonitored.items() if tag in left or tag not in wanted}
            wanted = _crowded(left)
        names = {tag: why.name for tag, why in unmonitored.items()}
        await self._read_instead(names | {tag: _DISTRUSTED for tag in behind if tag in self._distrusted})

    async def _subscribe(self) -> Stream:
        """May raise what asyncua raises."""
        settings = self._connection.settings
        created = await self._session.subscribe()
        interval_ms = float(created.RevisedPublishingInterval)
        keepalive_s = interval_ms / 1000 * int(created.RevisedMaxKeepAliveCount)
        stream = Stream(
            number=int(created.SubscriptionId),
            interval_s=interval_ms / 1000,
            silence_s=_SILENCE_KEEPALIVES * max(keepalive_s, settings.keepalive_s),
            heard_s=real_s(),
        )
        self.streams[stream.number] = stream
        self.interval_s = max(self.interval_s, stream.interval_s)
        return stream

    async def _subscribe_further(self) -> Stream | None:
        """None if the server has no room for one more."""
        with translated("creating a further subscription"):
            try:
                return await self._subscribe()
            except (UaStatusCodeError, ServiceError) as error:
                if int(error.code) not in NO_ROOM:
                    raise
        return None

    async def _give_back(self, stream: Stream) -> None:
        del self.streams[stream.number]
        with translated("ending a subscription"):
            await self._session.unsubscribe(stream.number)

    async def _create(
        self, stream: Stream, tags: Sequence[TagId], granted: list[ua.MonitoredItemCreateResult]
    ) -> dict[TagId, ua.StatusCode]:
        """Creates monitored items; adds what was granted to `granted`, and returns what was not, with its status."""
        refused: dict[TagId, ua.StatusCode] = {}
        wanted = [(tag, node) for tag in tags if (node := self._items.node(tag)) is not None]
        with translated("creating monitored items"):
            results = await self._session.create_items(
                stream.number, [(self._items.new_handle(tag), node) for tag, node in wanted]
            )
        for (tag, _), result in zip(wanted, results, strict=True):
            if result.StatusCode.is_good():
                self._items.accept(tag)
                self._placed[tag] = (stream.number, int(result.MonitoredItemId))
                self.sampling_s = max(self.sampling_s, result.RevisedSamplingInterval / 1000)
                granted.append(result)
            else:
                refused[tag] = result.StatusCode
        return refused

    async def _forget(self, tags: Sequence[TagId]) -> None:
        """Deletes the items of tags that are to be monitored again."""
        placed = [self._placed.pop(tag) for tag in tags if tag in self._placed]
        for subscription in self.streams:
            ids = [item for home, item in placed if home == subscription]
            if ids:
                with translated("deleting monitored items"):
                    await self._session.delete_items(subscription, ids)

    async def _read_instead(self, unmonitored: Mapping[TagId, str]) -> None:
        """What the server does not monitor is read at each interval, if it can be read at all."""
        for tag, data in await self._items.values(self._session, list(unmonitored)):
            if refusal(data) is None:
                self._items.poll(tag, unmonitored[tag])
            else:
                self._items.refuse(tag, unmonitored[tag])

    def _tell_of_revisions(self, granted: Sequence[ua.MonitoredItemCreateResult]) -> None:
        settings = self._connection.settings
        interval_ms = self.interval_s * 1000
        if interval_ms > settings.publish_interval_ms:
            self._note_limit(f"the server publishes every {interval_ms:g} ms, not {settings.publish_interval_ms} ms")
        queues = [int(result.RevisedQueueSize) for result in granted if result.RevisedQueueSize < settings.queue_size]
        if queues:
            self._note_limit(
                f"the server keeps only {min(queues)} values of {len(queues)} tags, not {settings.queue_size}"
            )
        slow = [result.RevisedSamplingInterval for result in granted]
        slow = [sampling_ms for sampling_ms in slow if sampling_ms > settings.sampling_interval_ms]
        if slow:
            wanted_ms = settings.sampling_interval_ms
            self._note_limit(f"the server samples {len(slow)} tags only every {max(slow):g} ms, not {wanted_ms} ms")

    def _note_limit(self, text: str) -> None:
        remedy = "raise the server's limit, or configure for this controller what the server grants"
        self._session.diagnostics.append(Diagnostic(DiagnosticCode.SERVER_LIMITS, text, remedy))


def _crowded(refused: Mapping[TagId, ua.StatusCode]) -> list[TagId]:
    """Those of the refused tags for which there was no room."""
    return [tag for tag, why in refused.items() if why.value in NO_ROOM]
