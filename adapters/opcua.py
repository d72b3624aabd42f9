"""The OPC UA adapter: a raw subscription whose notifications are acknowledged only after they are journaled."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from asyncua import ua

from adapters.clock import Clock
from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import AdapterError, ControllerMisconfigured, ControllerUnavailable
from adapters.opcua_client import LeftOpen
from adapters.opcua_items import Items
from adapters.opcua_life import Life, real_s
from adapters.opcua_publishing import Publishing
from adapters.opcua_session import Session, translated
from adapters.opcua_values import InSequence, Overlap, in_order
from adapters.ports import AdapterStatus, Emit
from adapters.reading import ControllerId, GapCause, Reading, TagId
from adapters.settings import OpcUaController, OpcUaTag, SecurityPolicy

_SILENCE_KEEPALIVES = 3  # so many keep-alives may be missing before the connection counts as dead
_RETRY_FIRST_S, _RETRY_MOST_S = 1.0, 30.0
_SETTLING_LEAST_S = 2.0  # how long after the baseline older notifications may still come in
_OVERTAKEN_MOST_S = 1.0  # how long a notification may stay behind later ones before it counts as lost


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A publish response that waits to be journaled; when it came and was asked for.

    `complete`: the server had nothing more to say when it made it.
    """

    result: ua.PublishResult
    received_time: datetime
    received_s: float
    asked_s: float

    @property
    def complete(self) -> bool:
        return not self.result.MoreNotifications


class OpcUaAdapter:
    """One connection to one OPC UA server, read-only: it reads and subscribes, and knows no other service."""

    def __init__(
        self,
        controller: ControllerId,
        settings: OpcUaController,
        tags: Mapping[TagId, OpcUaTag],
        *,
        clock: Clock,
        secret: Callable[[str], str],
        left: LeftOpen | None = None,
    ) -> None:
        """`left` is what connections of this controller hand on to one another.

        Raises ControllerMisconfigured for what no server could mend: addresses, heartbeat, open password.
        """
        self._controller = controller
        self._settings = settings
        self._clock = clock
        self._secret = secret
        self._left = left or LeftOpen()
        self._items = Items(tags)
        self._diagnostics: list[Diagnostic] = []
        if settings.password_credential is not None and settings.security.policy is SecurityPolicy.NONE:
            raise ControllerMisconfigured("a password would go over the wire in clear: choose a security policy")
        if settings.heartbeat is not None and settings.heartbeat.tag not in tags:
            raise ControllerMisconfigured(f"the heartbeat {settings.heartbeat.tag} is no tag of this controller")

    def status(self) -> AdapterStatus:
        """What it sees of its own connection."""
        diagnostics = (*self._diagnostics, *self._items.diagnostics())
        return AdapterStatus(len(self._items.tags), len(self._items.active), diagnostics)

    async def run(self, emit: Emit) -> None:
        """One connection's life; see adapters.ports.Adapter. Every error that `emit` raises goes through."""
        inbox: asyncio.Queue[_Arrival | AdapterError] = asyncio.Queue()

        def lost(reason: str) -> None:
            inbox.put_nowait(ControllerUnavailable(f"the connection was lost: {reason}"))

        session = Session(self._settings, self._left, password=self._password(), on_lost=lost)
        self._diagnostics = session.diagnostics
        life = Life(self._controller, self._settings, self._items, self._clock, session, emit)
        try:
            await session.open()
            with translated("reading the namespaces"):
                self._items.resolve(await session.namespaces())
            match self._settings.mode:
                case "subscribe":
                    await _Subscribed(life, inbox).run()
                case "poll":
                    await _poll(life)
                case _:
                    assert_never(self._settings.mode)
        finally:
            self._items.active.clear()
            await session.close()

    def _password(self) -> str | None:
        name = self._settings.password_credential
        if name is None:
            return None
        try:
            return self._secret(name)
        except (LookupError, OSError, ValueError) as error:
            raise ControllerMisconfigured(f"the credential {name} cannot be read") from error


class _Subscribed:
    """Mode "subscribe": what came while the last batch was being journaled is the next batch.

    So a slow commit makes batches longer and holds up nothing, and each notification is acknowledged after its commit.
    """

    def __init__(self, life: Life, inbox: asyncio.Queue[_Arrival | AdapterError]) -> None:
        self._life = life
        self._items = life.items
        self._session = life.session
        self._inbox = inbox
        self._subscription = 0
        self._silence_s = 0.0
        self._interval_s = 0.0
        self._sequence = InSequence[_Arrival]()
        self._overtaken_s: float | None = None  # since when one notification is behind others
        self._failure: AdapterError | None = None  # to be raised after what came before it is journaled

    async def run(self) -> None:
        """Subscribes, waits for a sign of life, emits the baseline, then what comes."""
        await self._subscribe()
        publishing = Publishing(self._session, self._subscription, self._arrived)
        retry = asyncio.create_task(self._retry_refused())
        try:
            while not self._life.alive():
                came = await self._next(publishing)
                self._life.watch(self._readings(came))
                for each in came:
                    publishing.handled(each.result)  # what it said is in the baseline, which is read later
            began_s = real_s()
            baseline = await self._life.present()
            read_s = real_s()
            await self._life.emit(baseline, baseline=True)
            await self._follow(publishing, Overlap(baseline), began_s, read_s)
        finally:
            retry.cancel()
            await asyncio.gather(retry, publishing.stop(), return_exceptions=True)

    async def _follow(self, publishing: Publishing, overlap: Overlap, began_s: float, read_s: float) -> None:
        """Emits what comes. What was sampled before the baseline was read, from `began_s` to `read_s`, is no news.

        A server puts all that it has into one answer: after the first that was asked for later than `read_s`, only
        samples follow that are younger than the baseline.
        """
        settled_s = read_s + max(_SETTLING_LEAST_S, 3 * self._interval_s)
        flushed = False
        while True:
            came = await self._next(publishing)
            news = self._readings(came)
            if not flushed or came[0].received_s < settled_s:
                early = self._readings([each for each in came if each.received_s < began_s])
                news = self._readings([each for each in came if each.received_s >= began_s])
                news = (
                    *(each for each in early if overlap.admits(each, earlier=True)),
                    *(each for each in news if overlap.admits(each)),
                )
            flushed = flushed or any(each.asked_s >= read_s and each.complete for each in came)
            await self._life.emit(news, received_time=came[-1].received_time)
            for each in came:
                publishing.handled(each.result)
            self._life.watch(news)

    def _arrived(self, result: ua.PublishResult | AdapterError, asked_s: float) -> None:
        if isinstance(result, AdapterError):
            self._inbox.put_nowait(result)
        else:
            self._inbox.put_nowait(_Arrival(result, self._life.now(), real_s(), asked_s))

    async def _next(self, publishing: Publishing) -> list[_Arrival]:
        """All publish responses that wait, in order and at least one; raises the error that stands behind them."""
        came: list[_Arrival] = []
        while not came:
            if self._failure is not None:
                raise self._failure
            self._take(await self._first(), came, publishing)
            while not self._inbox.empty():
                self._take(self._inbox.get_nowait(), came, publishing)
        return came

    async def _first(self) -> _Arrival | AdapterError:
        """What comes next; watches silence, heartbeat and what was overtaken meanwhile."""
        silent_s = real_s() + self._silence_s
        while True:
            late_s = silent_s if self._overtaken_s is None else self._overtaken_s + _OVERTAKEN_MOST_S
            patience_s = self._life.patience_s()
            wait_s = min(silent_s, late_s) - real_s()
            try:
                async with asyncio.timeout(wait_s if patience_s is None else min(wait_s, patience_s)):
                    return await self._inbox.get()
            except TimeoutError:
                self._life.watch(())
                if self._overtaken_s is not None and real_s() >= late_s:
                    raise ControllerUnavailable(
                        f"notification {self._sequence.missing} was lost, later ones came",
                        cause=GapCause.OVERFLOW,
                        blind_since=self._life.last_batch,
                    ) from None
                if real_s() >= silent_s:
                    raise ControllerUnavailable(f"no sign of life for {self._silence_s:.0f} s") from None

    def _take(self, arrived: _Arrival | AdapterError, came: list[_Arrival], publishing: Publishing) -> None:
        """Puts an arrival, and those that waited for it, behind what came; or finds out that the connection is over.

        Only numbers of notifications count: a keep-alive carries the next one's (OPC 10000-4 7.26), and while a
        notification is missing it proves nothing.
        """
        if self._failure is not None:
            return
        if isinstance(arrived, AdapterError):
            self._failure = arrived
            return
        message = arrived.result.NotificationMessage
        for each in message.NotificationData or []:
            if isinstance(each, ua.StatusChangeNotification):
                self._failure = ControllerUnavailable(f"the server ended the subscription: {each.Status.name}")
                return
        if message.NotificationData:
            came += self._sequence.put(int(message.SequenceNumber), arrived)
        elif self._sequence.missing is None:
            came.append(arrived)
        else:
            publishing.handled(arrived.result)
        if self._sequence.missing is None:
            self._overtaken_s = None
        elif self._overtaken_s is None:
            self._overtaken_s = real_s()

    def _readings(self, came: Sequence[_Arrival]) -> tuple[Reading, ...]:
        changes = [
            self._items.read(self._items.tags[int(item.ClientHandle)], item.Value, arrival.received_time)
            for arrival in came
            for each in arrival.result.NotificationMessage.NotificationData or []
            if isinstance(each, ua.DataChangeNotification)
            for item in each.MonitoredItems
        ]
        return in_order(changes)

    async def _subscribe(self) -> None:
        settings = self._life.settings
        with translated("creating the subscription"):
            created = await self._session.subscribe()
        self._subscription = int(created.SubscriptionId)
        interval_ms = float(created.RevisedPublishingInterval)
        self._interval_s = interval_ms / 1000
        if interval_ms > settings.publish_interval_ms:
            self._note_limit(f"the server publishes every {interval_ms:g} ms, not {settings.publish_interval_ms} ms")
        keepalive_s = interval_ms / 1000 * int(created.RevisedMaxKeepAliveCount)
        self._silence_s = _SILENCE_KEEPALIVES * max(keepalive_s, settings.keepalive_s)
        for tag in self._items.absent():
            self._items.refuse(tag, "its namespace is missing")
        absent = set(self._items.absent())
        revised = await self._create([tag for tag in self._items.tags if tag not in absent])
        self._life.require_items()
        queues = [int(each.RevisedQueueSize) for each in revised if each.RevisedQueueSize < settings.queue_size]
        if queues:
            self._note_limit(
                f"the server keeps only {min(queues)} values of {len(queues)} tags, not {settings.queue_size}"
            )
        slow = [each.RevisedSamplingInterval for each in revised]
        slow = [sampling_ms for sampling_ms in slow if sampling_ms > settings.sampling_interval_ms]
        if slow:
            wanted_ms = settings.sampling_interval_ms
            self._note_limit(f"the server samples {len(slow)} tags only every {max(slow):g} ms, not {wanted_ms} ms")

    def _note_limit(self, text: str) -> None:
        remedy = "raise the server's limit, or configure for this controller what the server grants"
        self._session.diagnostics.append(Diagnostic(DiagnosticCode.SERVER_LIMITS, text, remedy))

    async def _create(self, tags: Sequence[TagId]) -> list[ua.MonitoredItemCreateResult]:
        """Creates items, keeps the book of them, and returns what the server granted."""
        handles = {tag: handle for handle, tag in enumerate(self._items.tags)}
        wanted = [(handles[tag], node) for tag in tags if (node := self._items.node(tag)) is not None]
        with translated("creating monitored items"):
            results = await self._session.create_items(self._subscription, wanted)
        granted = []
        for (handle, _), result in zip(wanted, results, strict=True):
            tag = self._items.tags[handle]
            if result.StatusCode.is_good():
                self._items.accept(tag)
                granted.append(result)
            else:
                self._items.refuse(tag, result.StatusCode.name)
        return granted

    async def _retry_refused(self) -> None:
        """Asks for refused tags again, one by one and for ever: a controller may still be loading its program."""
        pause_s = _RETRY_FIRST_S
        try:
            while self._items.refused:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_MOST_S)
                with translated("reading the namespaces"):
                    self._items.resolve(await self._session.namespaces())
                for tag in tuple(self._items.refused):
                    await self._create([tag])
        except AdapterError as error:
            self._inbox.put_nowait(error)


async def _poll(life: Life) -> None:
    """Mode "poll": one bulk read each interval; emits what changed, and an empty batch where nothing did."""
    interval_s = life.settings.publish_interval_ms / 1000
    known: dict[TagId, Reading] | None = None
    while True:
        due_s = real_s() + interval_s
        readings = await _poll_once(life)
        life.watch(readings)
        if known is not None:
            news = tuple(each for each in readings if _differs(known.get(each.tag), each))
            await life.emit(in_order(news))
            known.update((each.tag, each) for each in news)
        elif life.alive():
            await life.emit(readings, baseline=True)
            known = {each.tag: each for each in readings}
        await asyncio.sleep(max(due_s - real_s(), 0.0))


async def _poll_once(life: Life) -> tuple[Reading, ...]:
    if life.items.absent():
        with translated("reading the namespaces"):
            life.items.resolve(await life.session.namespaces())
    values = await life.items.values(life.session)
    for tag, data in values:
        life.items.judge(tag, data)
    for tag in life.items.absent():
        life.items.refuse(tag, "its namespace is missing")
    life.require_items()
    now = life.now()
    return tuple(life.items.read(tag, data, now) for tag, data in values)


def _differs(known: Reading | None, new: Reading) -> bool:
    return known is None or known.value != new.value or known.quality is not new.quality
