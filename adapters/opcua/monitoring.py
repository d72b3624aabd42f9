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
    wanted_ms: int  # the publishing interval that was asked for
    interval_s: float
    silence_s: float
    heard_s: float
    sequence: InSequence[Arrival] = field(default_factory=InSequence)
    overtaken_s: float | None = None  # since when one notification is behind others


@dataclass(frozen=True, slots=True)
class _Granted:
    """A monitored item, and the sampling interval that was asked for."""

    sampling_ms: int
    result: ua.MonitoredItemCreateResult


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
        self.interval_s = 0.0  # of the subscription that is published least often
        self.poll_s = connection.settings.publish_interval_ms / 1000  # between reads of what is not monitored
        self.sampling_s = 0.0  # of the item that is sampled least often

    async def begin(self) -> None:
        """Creates a subscription for each publishing interval, and further ones for what they have no room for.

        Raises ControllerUnavailable without a first subscription, or if the server knows none of the tags.
        """
        self._items.refuse_absent()
        for conditions in self._items.conditions.values():
            conditions.forget()
        absent = self._items.absent()
        wanted = [tag for tag in self._items.tags if tag not in absent and tag not in self._distrusted]
        base_ms = self._connection.settings.publish_interval_ms
        groups: dict[int, list[TagId]] = {base_ms: []}
        for tag in wanted:
            groups.setdefault(self._items.publish_ms(tag), []).append(tag)
        if not groups[base_ms] and len(groups) > 1:
            del groups[base_ms]
        with translated("creating the subscription"):
            first = await self._subscribe(next(iter(groups)))
        if first.wanted_ms == base_ms:
            self.poll_s = first.interval_s
        granted: list[_Granted] = []
        unmonitored: dict[TagId, ua.StatusCode] = {}
        for interval_ms, tags in groups.items():
            stream = first if interval_ms == first.wanted_ms else await self._subscribe_further(interval_ms)
            if stream is None:
                self._note_limit(f"the server has no further subscription for {len(tags)} tags of {interval_ms} ms")
            unmonitored |= await self._monitor(stream or first, tags, granted)
        names = {tag: why.name for tag, why in unmonitored.items()}
        names |= dict.fromkeys(self._distrusted & set(self._items.tags) - absent, _DISTRUSTED)
        await self._read_instead(names)
        self._connection.require_items()
        self._tell_of_revisions(granted)

    async def _monitor(
        self, stream: Stream, tags: Sequence[TagId], granted: list[_Granted]
    ) -> dict[TagId, ua.StatusCode]:
        """Has tags monitored in this subscription, or in further ones like it; returns those that are in none."""
        unmonitored = await self._create(stream, tags, granted)
        while (crowded := _crowded(unmonitored)) and len(self.streams) < _MOST_SUBSCRIPTIONS:
            further = await self._subscribe_further(stream.wanted_ms)
            if further is None:
                break
            left = await self._create(further, crowded, granted)
            if len(left) == len(crowded):
                await self._give_back(further)
                break
            unmonitored = {tag: why for tag, why in unmonitored.items() if tag not in crowded} | left
        return unmonitored

    async def try_again(self) -> None:
        """Asks again for what is refused or read instead: a program may have been loaded, a client gone."""
        await self._items.resolve(self._session)
        absent = self._items.absent()
        behind = [tag for tag in (*self._items.refused, *self._items.polled) if tag not in absent]
        wanted = [tag for tag in behind if tag not in self._distrusted]
        unmonitored: dict[TagId, ua.StatusCode] = {}
        await self._forget(wanted)
        for interval_ms in {self._items.publish_ms(tag) for tag in wanted}:
            tags = [tag for tag in wanted if self._items.publish_ms(tag) == interval_ms]
            for stream in sorted(self.streams.values(), key=lambda other: other.wanted_ms != interval_ms):
                left = await self._create(stream, tags, [])
                unmonitored |= left
                unmonitored = {tag: why for tag, why in unmonitored.items() if tag in left or tag not in tags}
                tags = _crowded(left)
                if not tags:
                    break
        names = {tag: why.name for tag, why in unmonitored.items()}
        await self._read_instead(names | {tag: _DISTRUSTED for tag in behind if tag in self._distrusted})

    async def _subscribe(self, wanted_ms: int) -> Stream:
        """May raise what asyncua raises."""
        settings = self._connection.settings
        created = await self._session.subscribe(wanted_ms)
        interval_ms = float(created.RevisedPublishingInterval)
        keepalive_s = interval_ms / 1000 * int(created.RevisedMaxKeepAliveCount)
        stream = Stream(
            number=int(created.SubscriptionId),
            wanted_ms=wanted_ms,
            interval_s=interval_ms / 1000,
            silence_s=_SILENCE_KEEPALIVES * max(keepalive_s, settings.keepalive_s),
            heard_s=real_s(),
        )
        self.streams[stream.number] = stream
        self.interval_s = max(self.interval_s, stream.interval_s)
        return stream

    async def _subscribe_further(self, wanted_ms: int) -> Stream | None:
        """None if the server has no room for one more, or we have as many as we want."""
        if len(self.streams) >= _MOST_SUBSCRIPTIONS:
            return None
        with translated("creating a further subscription"):
            try:
                return await self._subscribe(wanted_ms)
            except (UaStatusCodeError, ServiceError) as error:
                if int(error.code) not in NO_ROOM:
                    raise
        return None

    async def _give_back(self, stream: Stream) -> None:
        del self.streams[stream.number]
        with translated("ending a subscription"):
            await self._session.unsubscribe(stream.number)

    async def _create(
        self, stream: Stream, tags: Sequence[TagId], granted: list[_Granted]
    ) -> dict[TagId, ua.StatusCode]:
        """Creates monitored items; adds what was granted to `granted`, and returns what was not, with its status."""
        refused: dict[TagId, ua.StatusCode] = {}
        wanted = [(tag, node) for tag in tags if (node := self._items.wanted(tag)) is not None]
        with translated("creating monitored items"):
            results = await self._session.create_items(
                stream.number,
                [(self._items.new_handle(tag), node, self._items.sampling_ms(tag)) for tag, node in wanted],
            )
        for (tag, _), result in zip(wanted, results, strict=True):
            if result.StatusCode.is_good():
                self._items.accept(tag)
                self._placed[tag] = (stream.number, int(result.MonitoredItemId))
                if tag in self._items.conditions:
                    continue  # events are not sampled
                self.sampling_s = max(self.sampling_s, result.RevisedSamplingInterval / 1000)
                granted.append(_Granted(self._items.sampling_ms(tag), result))
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
        for tag in unmonitored.keys() & self._items.conditions.keys():
            self._items.refuse(tag, unmonitored[tag])

    def _tell_of_revisions(self, granted: Sequence[_Granted]) -> None:
        settings = self._connection.settings
        for wanted_ms, given_ms in sorted(
            {(stream.wanted_ms, stream.interval_s * 1000) for stream in self.streams.values()}
        ):
            if given_ms > wanted_ms:
                self._note_limit(f"the server publishes every {given_ms:g} ms, not {wanted_ms} ms")
        queues = [int(item.result.RevisedQueueSize) for item in granted]
        short = [size for size in queues if size < settings.queue_size]
        if short:
            self._note_limit(
                f"the server keeps only {min(short)} values of {len(short)} tags, not {settings.queue_size}"
            )
        slow: dict[int, list[float]] = {}
        for item in granted:
            if item.result.RevisedSamplingInterval > item.sampling_ms:
                slow.setdefault(item.sampling_ms, []).append(float(item.result.RevisedSamplingInterval))
        for wanted_ms, given in sorted(slow.items()):
            self._note_limit(f"the server samples {len(given)} tags only every {max(given):g} ms, not {wanted_ms} ms")

    def _note_limit(self, text: str) -> None:
        remedy = "raise the server's limit, or configure for this controller what the server grants"
        self._session.diagnostics.append(Diagnostic(DiagnosticCode.SERVER_LIMITS, text, remedy))


def _crowded(refused: Mapping[TagId, ua.StatusCode]) -> list[TagId]:
    """Those of the refused tags for which there was no room."""
    return [tag for tag, why in refused.items() if why.value in NO_ROOM]
