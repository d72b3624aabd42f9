"""Mode "subscribe": notifications are journaled, then acknowledged; what is not monitored is read; reads verify."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncua import ua

from adapters.cancelling import end_tasks
from adapters.errors import AdapterError, ControllerUnavailable
from adapters.opcua.connection import Connection, real_s
from adapters.opcua.items import refusal
from adapters.opcua.monitoring import Arrival, Monitoring, Stream
from adapters.opcua.publishing import Publishing
from adapters.opcua.session import translated
from adapters.opcua.values import Delayed, Overlap, differs
from adapters.pauses import Answer
from adapters.reading import GapCause, PolledPart, Reading, TagId

_RETRY_FIRST_S, _RETRY_MOST_S = 1.0, 30.0
_SETTLING_LEAST_S = 2.0  # how long after the baseline older notifications may still come in
_OVERTAKEN_MOST_S = 1.0  # how long a notification may stay behind later ones before it counts as lost
_LONGEST_HOLD_S = 2.0
_LATE_S = 1.0  # by how much a server may publish late before a value that was not published counts as lost


@dataclass(frozen=True, slots=True)
class Polled:
    """Present values of the tags that are not monitored."""

    values: Sequence[tuple[TagId, ua.DataValue]]
    received_time: datetime
    received_s: float
    answered_in: timedelta


@dataclass(frozen=True, slots=True)
class Look:
    """Present values of all tags, read to be compared; those of `doubtful` were read twice and stayed the same."""

    values: Sequence[tuple[TagId, ua.DataValue]]
    doubtful: frozenset[TagId]
    began_s: float
    received_time: datetime
    received_s: float
    settling: bool


Came = Arrival | Polled | Look


class Subscribed:
    """What came while the last batch was being journaled is the next batch.

    So a slow commit makes batches longer and holds up nothing, and each notification is acknowledged after its commit.
    """

    def __init__(
        self, connection: Connection, inbox: asyncio.Queue[Came | AdapterError], doubts: dict[TagId, int]
    ) -> None:
        """`doubts`: how often notifications of a tag were found to have been lost; is added to."""
        self._connection = connection
        self._items = connection.items
        self._session = connection.session
        self._inbox = inbox
        self._doubts = doubts
        self._monitoring = Monitoring(connection, doubts)
        self._streams = self._monitoring.streams
        self._delayed = Delayed()
        self._unhandled: deque[Arrival] = deque()
        self._polls: deque[Polled] = deque()  # whose readings wait
        self._last: dict[TagId, Reading] = {}  # what was emitted of each tag
        self._taken_s: dict[TagId, float] = {}  # when its last notification came that was taken for news
        self._withheld: dict[TagId, Reading] = {}  # the last that was taken for older than the baseline
        self._settled = asyncio.Event()  # nothing older than the baseline can come any more
        self._room = asyncio.Event()  # what was read last has been taken in
        self._agreed: datetime | None = None  # when reads and notifications last said the same
        self._failure: AdapterError | None = None  # to be raised after what came before it is journaled

    async def run(self) -> None:
        """Subscribes, waits for a sign of life, emits the baseline, then what comes."""
        await self._monitoring.begin()
        publishing = Publishing(self._session, len(self._streams), self._arrived)
        tasks = [asyncio.create_task(self._retry_refused()), asyncio.create_task(self._read_unmonitored())]
        try:
            while not self._connection.alive():
                came = await self._next(publishing)
                self._connection.watch([reading for one in came for reading in self._readings(one)])
                self._room.set()
                for arrival in came:
                    if isinstance(arrival, Arrival):
                        publishing.handled(arrival.result)  # what it said is in the baseline, which is read later
            began_s = real_s()
            baseline = await self._connection.present()
            read_s = real_s()
            await self._emit(baseline, baseline=True)
            self._agreed = self._connection.last_batch
            settled_s = read_s + max(_SETTLING_LEAST_S, 3 * self._monitoring.interval_s)
            tasks.append(asyncio.create_task(self._look_regularly(settled_s)))
            await self._follow(publishing, Overlap(baseline), began_s, read_s, settled_s)
        finally:
            await asyncio.gather(end_tasks(tasks), publishing.stop())

    async def _follow(
        self, publishing: Publishing, overlap: Overlap, began_s: float, read_s: float, settled_s: float
    ) -> None:
        """Emits what comes. What was sampled before the baseline was read, from `began_s` to `read_s`, is no news.

        A server puts all that it has into one answer. So after the first answer requested later than `read_s`, every
        sample is younger than the baseline.
        """
        unflushed = set(self._streams)
        while True:
            came = await self._next(publishing)
            watched: list[Reading] = []
            for arrival in came:
                news = self._readings(arrival)
                if isinstance(arrival, Arrival):
                    if arrival.subscription in unflushed or arrival.received_s < settled_s:
                        news = self._younger(news, overlap, earlier=arrival.received_s < began_s)
                    self._taken_s.update((reading.tag, arrival.received_s) for reading in news)
                    self._unhandled.append(arrival)
                    if arrival.asked_s >= read_s and arrival.complete:
                        unflushed.discard(arrival.subscription)
                if isinstance(arrival, Polled):
                    self._polls.append(arrival)
                self._delayed.put(news, arrival.received_s)
                watched += news
            self._connection.watch(watched)
            if not unflushed and real_s() >= settled_s:
                self._settled.set()
            await self._emit_due(publishing, came[-1].received_time if came else self._connection.now())

    def _younger(self, readings: Sequence[Reading], overlap: Overlap, *, earlier: bool) -> list[Reading]:
        news = []
        for reading in readings:
            if reading.tag in self._items.conditions:
                news.append(reading)  # no read has told what an event tells
            elif overlap.admits(reading, earlier=earlier):
                news.append(reading)
            else:
                self._withheld[reading.tag] = reading
        return news

    async def _emit_due(self, publishing: Publishing, received_time: datetime) -> None:
        now_s, hold_s = real_s(), self._hold_s()
        readings = self._delayed.take(now_s, hold_s)
        if readings or not self._delayed:  # while any wait, nobody may say that until now nothing has happened
            part = None
            while self._polls and self._polls[0].received_s + hold_s <= now_s:
                part = self._polled_part(self._polls.popleft())
            await self._emit(readings, received_time=received_time, part=part)
        self._room.set()
        while self._unhandled and (not self._delayed or self._unhandled[0].received_s + hold_s <= now_s):
            publishing.handled(self._unhandled.popleft().result)

    def _polled_part(self, polled: Polled) -> PolledPart:
        tags = frozenset(tag for tag, _ in polled.values)
        every = timedelta(seconds=self._monitoring.poll_s)
        return PolledPart(tags, polled.received_time, every, polled.answered_in)

    async def _emit(
        self,
        readings: tuple[Reading, ...],
        *,
        received_time: datetime | None = None,
        baseline: bool = False,
        part: PolledPart | None = None,
    ) -> None:
        held_up = await self._connection.emit(
            readings, received_time=received_time, baseline=baseline, polled_part=part
        )
        self._last.update((reading.tag, reading) for reading in readings)
        if held_up:
            for stream in self._streams.values():
                stream.heard_s = real_s()

    def _hold_s(self) -> float:
        """For how long readings wait for those of other subscriptions and of reads; there may be none."""
        if len(self._streams) == 1 and not self._items.polled:
            return 0.0
        return min(self._monitoring.interval_s + self._monitoring.sampling_s, _LONGEST_HOLD_S)

    def _arrived(self, result: ua.PublishResult | AdapterError, asked_s: float) -> None:
        if isinstance(result, AdapterError):
            self._inbox.put_nowait(result)
            return
        if (stream := self._streams.get(int(result.SubscriptionId))) is not None:
            stream.heard_s = real_s()
        self._inbox.put_nowait(Arrival(result, self._connection.now(), real_s(), asked_s))

    async def _next(self, publishing: Publishing) -> list[Came]:
        """All that waits, in order; nothing if readings are due. Raises the error that stands behind what came."""
        came: list[Came] = []
        while not came:
            if self._failure is not None:
                raise self._failure
            first = await self._first()
            if first is None:
                break
            self._take(first, came, publishing)
            while not self._inbox.empty():
                self._take(self._inbox.get_nowait(), came, publishing)
        return came

    async def _first(self) -> Came | AdapterError | None:
        """What comes next; watches silence, heartbeat and what was overtaken meanwhile. None: readings are due."""
        while True:
            due_s = self._delayed.due_s(self._hold_s())
            patience_s = self._connection.patience_s()
            waits_s = [self._silent_s() - real_s()]
            waits_s += [] if due_s is None else [due_s - real_s()]
            waits_s += [] if patience_s is None else [patience_s]
            waits_s += [self._late_s(stream) - real_s() for stream in self._overtaken()]
            try:
                async with asyncio.timeout(min(waits_s)):
                    return await self._inbox.get()
            except TimeoutError:
                self._connection.watch(())
                self._connection.notice_pause()
                await self._recover()
                if real_s() >= self._silent_s():
                    silence_s = min(stream.silence_s for stream in self._streams.values())
                    raise ControllerUnavailable(f"no sign of life for {silence_s:.0f} s") from None
                if due_s is not None and real_s() >= due_s:
                    return None

    def _silent_s(self) -> float:
        """When a subscription counts as dead; a pause of this process is no silence of the server's."""
        resumed_s = self._connection.resumed_s or 0.0
        return min(max(stream.heard_s, resumed_s) + stream.silence_s for stream in self._streams.values())

    def _overtaken(self) -> list[Stream]:
        return [stream for stream in self._streams.values() if stream.overtaken_s is not None]

    @staticmethod
    def _late_s(stream: Stream) -> float:
        assert stream.overtaken_s is not None
        return stream.overtaken_s + _OVERTAKEN_MOST_S

    async def _recover(self) -> None:
        """Asks for each notification that later ones have overtaken once more (OPC 10000-4 5.14.6).

        A server keeps what is not acknowledged. Raises ControllerUnavailable where it has it no more.
        """
        for stream in self._overtaken():
            number = stream.sequence.missing
            if number is None or real_s() < self._late_s(stream):
                continue
            asked_s = real_s()
            with translated("asking for a lost notification"):
                found = await self._session.republish(stream.number, number)
            if found is None:
                raise ControllerUnavailable(
                    f"notification {number} was lost, later ones came",
                    cause=GapCause.OVERFLOW,
                    blind_since=self._connection.last_batch,
                )
            self._inbox.put_nowait(Arrival(found, self._connection.now(), real_s(), asked_s))

    def _take(self, arrived: Came | AdapterError, came: list[Came], publishing: Publishing) -> None:
        """Puts an arrival, and those that waited for it, behind what came; or finds out that the connection is over.

        Only numbers of notifications count: a keep-alive carries the next one's (OPC 10000-4 7.26), and while a
        notification is missing it proves nothing.
        """
        if self._failure is not None:
            return
        if isinstance(arrived, AdapterError):
            self._failure = arrived
            return
        if not isinstance(arrived, Arrival):
            came.append(arrived)
            return
        stream = self._streams.get(arrived.subscription)
        if stream is None:
            self._failure = ControllerUnavailable(
                f"an answer for subscription {arrived.subscription}, which is none of ours"
            )
            return
        message = arrived.result.NotificationMessage
        for notification in message.NotificationData or []:
            if isinstance(notification, ua.StatusChangeNotification):
                self._failure = ControllerUnavailable(f"the server ended the subscription: {notification.Status.name}")
                return
        if message.NotificationData:
            came += stream.sequence.put(int(message.SequenceNumber), arrived)
        elif stream.sequence.missing is None:
            came.append(arrived)
        else:
            publishing.handled(arrived.result)
        if stream.sequence.missing is None:
            stream.overtaken_s = None
        elif stream.overtaken_s is None:
            stream.overtaken_s = real_s()

    def _readings(self, came: Came) -> list[Reading]:
        match came:
            case Arrival():
                return self._notified(came)
            case Polled():
                return self._read(came)
            case Look():
                return self._compared(came)

    def _notified(self, arrival: Arrival) -> list[Reading]:
        readings = []
        for notification in arrival.result.NotificationMessage.NotificationData or []:
            for event in notification.Events if isinstance(notification, ua.EventNotificationList) else ():
                readings += self._alarms(event, arrival.received_time)
            for item in notification.MonitoredItems if isinstance(notification, ua.DataChangeNotification) else ():
                tag = self._items.tag(int(item.ClientHandle))
                if tag is None:
                    continue
                self._items.judge(tag, item.Value)
                readings.append(self._items.read(tag, item.Value, arrival.received_time))
        return readings

    def _alarms(self, event: ua.EventFieldList, now: datetime) -> list[Reading]:
        """What an event changes of the active alarms of its notifier."""
        tag = self._items.tag(int(event.ClientHandle))
        conditions = None if tag is None else self._items.conditions.get(tag)
        new = None if conditions is None else conditions.take(event.EventFields or [], now)
        return [] if new is None else [new]

    def _read(self, polled: Polled) -> list[Reading]:
        """What changed of the tags that are not monitored."""
        readings = []
        for tag, data in polled.values:
            if tag not in self._items.polled:
                continue
            if (why := refusal(data)) is not None:
                self._items.refuse(tag, why)
            new = self._items.read(tag, data, polled.received_time)
            if differs(self._last.get(tag), new):
                self._last[tag] = new
                readings.append(new)
        return readings

    def _compared(self, look: Look) -> list[Reading]:
        """What the server holds and did not tell. A tag that it no longer has is refused from now on.

        While the connection settles, notifications may have been taken for older than the baseline, by stamps of two
        clocks: what is true now is taken. Later a difference means that notifications were lost.
        """
        readings = []
        for tag, data in look.values:
            if tag in self._items.refused or tag in self._items.polled:
                continue
            new = self._items.read(tag, data, look.received_time)
            if (why := refusal(data)) is not None:
                self._items.refuse(tag, why)
                readings.append(new)
            elif tag in look.doubtful and self._untold(tag, new, look.began_s):
                if not look.settling:
                    self._doubt(tag, new)
                withheld = self._withheld.get(tag)
                readings.append(new if withheld is None or differs(withheld, new) else withheld)
        readings += self._items.alarms_again(look.received_time)
        self._withheld.clear()
        self._agreed = look.received_time
        return readings

    def _doubt(self, tag: TagId, new: Reading) -> None:
        self._doubts[tag] = self._doubts.get(tag, 0) + 1
        raise ControllerUnavailable(
            f"tag {tag} reads {new.value!r}, and its last notification said {self._last[tag].value!r}: "
            "notifications were lost",
            cause=GapCause.OVERFLOW,
            blind_since=self._agreed,
        )

    def _untold(self, tag: TagId, new: Reading, began_s: float) -> bool:
        """Whether a value that was read after `began_s` differs from what came, and nothing came since."""
        return self._taken_s.get(tag, 0.0) < began_s and differs(self._last.get(tag), new)

    async def _look_regularly(self, settled_s: float) -> None:
        """Reads all tags once the connection has settled, and now and then, for what no notification tells."""
        settling = True
        await asyncio.sleep(max(settled_s - real_s(), 0.0))
        try:
            while True:
                settled = self._settled.is_set()
                looked = await self._look(settling=settling)
                if settling and looked:
                    settling = not settled
                    await self._settled.wait()
                    continue
                await asyncio.sleep(_RETRY_FIRST_S if settling else self._connection.settings.audit_interval_s)
        except AdapterError as error:
            self._inbox.put_nowait(error)

    async def _look(self, *, settling: bool) -> bool:
        """Reads, waits until notifications must have come, and reads again what they did not tell."""
        began_s = real_s()
        values = await self._items.values(self._session)
        received_time = self._connection.now()
        await asyncio.sleep(self._hold_s() + self._monitoring.interval_s + self._monitoring.sampling_s + _LATE_S)
        first = {tag: self._items.read(tag, data, received_time) for tag, data in values}
        suspects = [tag for tag, new in first.items() if self._untold(tag, new, began_s)]
        # the second answer proves that all has come that the server sent before it
        again = await self._items.values(self._session, suspects) if suspects else []
        doubtful = frozenset(
            tag for tag, data in again if not differs(first[tag], self._items.read(tag, data, received_time))
        )
        self._room.clear()
        self._inbox.put_nowait(Look(values, doubtful, began_s, received_time, real_s(), settling))
        await self._room.wait()
        return doubtful == frozenset(suspects)

    async def _read_unmonitored(self) -> None:
        """Reads the tags that the server does not monitor at each interval; no read waits while one is not taken in."""
        try:
            while True:
                await asyncio.sleep(self._monitoring.poll_s)
                tags = tuple(self._items.polled)
                if tags:
                    answer = Answer(self._connection.stood_still_s)
                    values = await self._items.values(self._session, tags)
                    polled = Polled(values, self._connection.now(), real_s(), answer.took())
                    self._room.clear()
                    self._inbox.put_nowait(polled)
                    await self._room.wait()
        except AdapterError as error:
            self._inbox.put_nowait(error)

    async def _retry_refused(self) -> None:
        """Asks for refused tags again, for ever: a controller may still be loading its program."""
        pause_s = _RETRY_FIRST_S
        try:
            while True:
                await asyncio.sleep(pause_s)
                if self._items.refused or self._items.polled:
                    pause_s = min(2 * pause_s, _RETRY_MOST_S)
                    await self._monitoring.try_again()
                else:
                    pause_s = _RETRY_FIRST_S
        except AdapterError as error:
            self._inbox.put_nowait(error)
