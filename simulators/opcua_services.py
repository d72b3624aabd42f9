"""An OPC UA server's services with the limits and manners of a real controller, where asyncua's own are too kind."""

import asyncio
import dataclasses
import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import MonitoredItemData, MonitoredItemService
from asyncua.server.subscription_service import SubscriptionService
from asyncua.server.uaprocessor import UaProcessor
from asyncua.server.user_managers import UserManager
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from cryptography import x509

OVERFLOW_BITS = 0x480  # InfoType DataValue and bit 7, OPC 10000-4 7.39: values of this item were dropped

_CURRENT_TIME = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))
_NOBODY = User(role=UserRole.Anonymous)


def status_code(number: int) -> ua.StatusCode:
    """A status code from its number."""
    return ua.StatusCode(ua.UInt32(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the controller can bear. Small controllers allow 3 to 10 sessions and 100 items a call."""

    sessions: int = 10
    max_items_per_call: int = 1000
    min_sampling_ms: float = 0.0
    min_publish_ms: float = 10.0
    max_queue: int = 10_000


@dataclass(slots=True)
class Faults:
    """What the controller refuses just now, and what it noted of its clients."""

    refused_nodes: set[str] = field(default_factory=set)
    refuse_subscriptions: int = 0
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    clock_ahead: timedelta = timedelta()
    max_items_per_subscription: int | None = None
    max_subscriptions: int | None = None
    muted_nodes: set[str] = field(default_factory=set)  # their changes are not notified
    lose_answers: int = 0  # so many notifications are kept and never arrive
    reads_ahead: timedelta = timedelta()  # by how much a read's source time is later than a sample's

    def refuses(self, node: ua.NodeId | None) -> bool:
        """Whether this node is unknown for the time being."""
        return node is not None and node.NamespaceIndex != 0 and node.Identifier in self.refused_nodes


class _Items(MonitoredItemService):
    """Monitored items with a bounded queue, revised intervals and a limit per call."""

    def __init__(self, subscription: InternalSubscription, space: AddressSpace, limits: Limits, faults: Faults) -> None:
        super().__init__(subscription, space)
        self._limits = limits
        self._faults = faults
        self._names: dict[int, object] = {}

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        if len(params.ItemsToCreate) > self._limits.max_items_per_call:
            raise ServiceError(StatusCodes.BadTooManyOperations)
        return await super().create_monitored_items(params)

    async def _create_data_change_monitored_item(
        self, params: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        if self._faults.refuses(params.ItemToMonitor.NodeId):
            return ua.MonitoredItemCreateResult(StatusCode=status_code(StatusCodes.BadNodeIdUnknown))
        most = self._faults.max_items_per_subscription
        if most is not None and len(self._monitored_items) >= most:
            return ua.MonitoredItemCreateResult(StatusCode=status_code(StatusCodes.BadTooManyMonitoredItems))
        return await super()._create_data_change_monitored_item(params)

    def _make_monitored_item_common(
        self, params: ua.MonitoredItemCreateRequest
    ) -> tuple[ua.MonitoredItemCreateResult, MonitoredItemData]:
        result, item = super()._make_monitored_item_common(params)
        self._names[int(result.MonitoredItemId)] = params.ItemToMonitor.NodeId.Identifier
        asked_ms = params.RequestedParameters.SamplingInterval
        wanted_ms = self.isub.data.RevisedPublishingInterval if asked_ms < 0 else asked_ms
        result.RevisedSamplingInterval = max(wanted_ms, self._limits.min_sampling_ms)
        return result, item

    def is_muted(self, mid: int) -> bool:
        """Whether this item's changes are lost."""
        return self._names.get(mid) in self._faults.muted_nodes

    def _revise_queue_size(self, requested: int) -> int:
        return min(max(int(requested), 1), self._limits.max_queue)  # OPC 10000-4 7.21: 0 asks for the least, 1


class _Subscription(InternalSubscription):
    """A subscription that flags what its queues drop and republishes as the standard has it."""

    def __init__(
        self,
        data: ua.CreateSubscriptionResult,
        space: AddressSpace,
        callback: Callable[..., Any],
        session: ua.NodeId,
        *,
        limits: Limits,
        faults: Faults,
        request_callback: Callable[..., Any] | None,
        delete_callback: Callable[[], Any],
        publishing_enabled: bool,
    ) -> None:
        async def answer(result: ua.PublishResult, *request: Any) -> None:
            if faults.lose_answers > 0 and result.NotificationMessage.NotificationData:
                faults.lose_answers -= 1
            else:
                await callback(result, *request)

        super().__init__(
            data,
            space,
            answer,
            session,
            request_callback=request_callback,
            delete_callback=delete_callback,
            max_queue_size=limits.max_queue,
            publishing_enabled=publishing_enabled,
        )
        self._faults = faults
        self.items = self.monitored_item_srv = _Items(self, space, limits, faults)

    async def enqueue_datachange_event(self, mid: int, eventdata: ua.MonitoredItemNotification, maxsize: int) -> None:
        if self.items.is_muted(mid):
            return
        queue = self._triggered_datachanges.get(mid)
        if queue and len(queue) >= maxsize:
            queue.pop(0)
            if queue:  # a queue of one just holds the newest value: no overflow, OPC 10000-4 5.13.1.5
                oldest = queue[0]
                status = oldest.Value.StatusCode or ua.StatusCode()
                flagged = status_code(status.value | OVERFLOW_BITS)
                oldest.Value = dataclasses.replace(oldest.Value, StatusCode=flagged)
        await super().enqueue_datachange_event(mid, eventdata, maxsize)

    def has_published_results(self) -> bool:
        return bool(self._triggered_statuschanges) or super().has_published_results()

    def publish(self, acks: Iterable[int]) -> None:
        numbers = list(acks)
        self._faults.acknowledged.extend((self.data.SubscriptionId, number) for number in numbers)
        super().publish(numbers)

    def republish(self, nb: int) -> ua.NotificationMessage:
        """A message that is not acknowledged stays available (OPC 10000-4 5.14.6); asyncua's own forgets it."""
        kept = self._not_acknowledged_results.get(nb)
        if kept is None:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        message: ua.NotificationMessage = kept.NotificationMessage
        return message

    def unacknowledged(self) -> list[int]:
        """Sequence numbers that were sent and not yet acknowledged."""
        return list(self._not_acknowledged_results)

    async def answer_nothing(self) -> None:
        """Answers a publish request as some servers refuse one: with an empty response of no subscription."""
        assert self.pub_request_callback is not None
        request = self.pub_request_callback(self.data.SubscriptionId)
        assert request is not None
        await self.pub_result_callback(ua.PublishResult(), request)

    def skip_sequence(self) -> None:
        """Behaves as if one notification had been sent and lost."""
        self._notification_seq += 1


class Subscriptions(SubscriptionService):
    """The subscription services, with what the controller refuses."""

    def __init__(self, space: AddressSpace, server: InternalServer, limits: Limits, faults: Faults) -> None:
        super().__init__(space, server)
        self._limits = limits
        self._faults = faults
        self._last_id = 100
        self.live: dict[int, _Subscription] = {}

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """As asyncua's, with revised values, and refused while `faults` says so."""
        most = self._faults.max_subscriptions
        if most is not None and len(self.present()) >= most:
            raise ServiceError(StatusCodes.BadTooManySubscriptions)
        if self._faults.refuse_subscriptions > 0:
            self._faults.refuse_subscriptions -= 1
            raise ServiceError(StatusCodes.BadTooManySubscriptions)
        self._last_id += 1
        number = self._last_id
        keepalive_count = max(int(params.RequestedMaxKeepAliveCount), 1)
        result = ua.CreateSubscriptionResult(
            SubscriptionId=ua.IntegerId(number),
            RevisedPublishingInterval=max(params.RequestedPublishingInterval, self._limits.min_publish_ms),
            RevisedLifetimeCount=ua.Counter(max(int(params.RequestedLifetimeCount), 3 * keepalive_count)),
            RevisedMaxKeepAliveCount=ua.Counter(keepalive_count),
        )
        subscription = _Subscription(
            result,
            self.aspace,
            callback,
            session_id,
            limits=self._limits,
            faults=self._faults,
            request_callback=request_callback,
            delete_callback=lambda: self.subscriptions.pop(number, None),
            publishing_enabled=bool(params.PublishingEnabled),
        )
        self.subscriptions[number] = self.live[number] = subscription
        await subscription.start()
        return result

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        """Names an unknown subscription as such, where asyncua's own answers with an empty message."""
        if params.SubscriptionId not in self.subscriptions:
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
        return super().republish(params)

    def present(self) -> list[_Subscription]:
        """The subscriptions that exist now."""
        self.live = {number: subscription for number, subscription in self.live.items() if number in self.subscriptions}
        return list(self.live.values())


class _Attributes(AttributeService):
    """Reading with a limit per call and with nodes that are unknown for the time being."""

    def __init__(self, space: AddressSpace, limits: Limits, faults: Faults) -> None:
        super().__init__(space)
        self._limits = limits
        self._faults = faults

    def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        if len(params.NodesToRead) > self._limits.max_items_per_call:
            raise ServiceError(StatusCodes.BadTooManyOperations)
        results = super().read(params)
        for place, wanted in enumerate(params.NodesToRead):
            if self._faults.refuses(wanted.NodeId):
                results[place] = ua.DataValue(StatusCode=status_code(StatusCodes.BadNodeIdUnknown))
            elif wanted.NodeId == _CURRENT_TIME:
                shown = cast(ua.DateTime, datetime.now(UTC).replace(tzinfo=None) + self._faults.clock_ahead)
                results[place] = ua.DataValue(Value=ua.Variant(shown, ua.VariantType.DateTime))
            elif self._faults.reads_ahead and (sampled := results[place].SourceTimestamp) is not None:
                stamp = sampled + self._faults.reads_ahead
                results[place] = dataclasses.replace(results[place], SourceTimestamp=stamp)
        return results


class Doorkeeper:
    """Lets in clients whose certificate lies in a folder (PEM files), as an engineer put it there."""

    def __init__(self, folder: Path, stranger: int) -> None:
        """`stranger`: the status by which others are refused."""
        self._folder = folder
        self._stranger = stranger

    async def admit(self, certificate: x509.Certificate, _who: ua.ApplicationDescription) -> None:
        """Raises ServiceError for a stranger."""
        known = [x509.load_pem_x509_certificate(file.read_bytes()) for file in self._folder.glob("*.pem")]
        if certificate not in known:
            raise ServiceError(self._stranger)


class _Users(UserManager):
    """One user with a password, or everybody; nobody may write."""

    def __init__(self, user: str | None, password: str | None) -> None:
        self._expected = (user, password)

    def get_user(
        self, iserver: InternalServer, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        if self._expected[0] is not None and (username, password) != self._expected:
            return None
        return User(role=UserRole.User, name=username)


class ControllerServices(InternalServer):
    """All services of one controller."""

    def __init__(self, limits: Limits, faults: Faults, *, user: str | None, password: str | None) -> None:
        super().__init__(user_manager=_Users(user, password))
        self.sessions_created = 0
        self._limits = limits
        self.attribute_service = _Attributes(self.aspace, limits, faults)
        self.subscriptions = Subscriptions(self.aspace, self, limits, faults)
        self.subscription_service = self.subscriptions
        self.isession.subscription_service = self.subscriptions

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """As asyncua's, in half the time: of its six thousand nodes none is garbage, so that nobody has to look."""
        looks = gc.isenabled()
        gc.disable()
        try:
            await super().load_standard_address_space(shelf_file)
        finally:
            if looks:
                gc.enable()

    async def stop(self) -> None:
        """As asyncua's; its nodes, which refer to each other, are let go of here and now and not by the collector."""
        await super().stop()
        for node in list(self.aspace.keys()):
            del self.aspace[node]

    def create_session(self, name: str, user: User = _NOBODY, external: bool = False) -> InternalSession:
        """Refuses one session too many at its creation, as controllers do; asyncua's own does so at activation."""
        if external and len(self._external_sessions) >= self._limits.sessions:
            raise ServiceError(StatusCodes.BadTooManySessions)
        self.sessions_created += external
        return super().create_session(name, user, external)

    async def forget_watches(self) -> None:
        """Ends what asyncua leaves running of a session that was taken up and closed on another connection."""
        stray = []
        for task in asyncio.all_tasks():
            frame = getattr(task.get_coro(), "cr_frame", None)
            processor = frame.f_locals.get("self") if frame is not None else None
            if isinstance(processor, UaProcessor) and processor.iserver is self:
                stray.append(task)
        for task in stray:
            task.cancel()
        await asyncio.gather(*stray, return_exceptions=True)

    def sessions(self) -> list[InternalSession]:
        """The clients' sessions that exist now, alive or abandoned."""
        return list(self._external_sessions.values())
