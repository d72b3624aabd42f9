"""One session with an OPC UA server: trust, connect, bulk reads, the raw subscription services, a quick goodbye."""

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar, cast

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto import security_policies
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from adapters.cancelling import obey_cancellation
from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import AdapterError, ControllerMisconfigured, ControllerUnavailable
from adapters.opcua.addressing import NodeAddress
from adapters.opcua.certificate_info import first_of_chain, read_certificate, read_key, uris
from adapters.opcua.client import PASSWORD_IN_CLEAR, LeftOpen, QuietClient
from adapters.opcua.conditions import EVENTS_KEPT, event_filter
from adapters.opcua.trust import TrustFolder
from adapters.settings import OpcUaController, OpcUaSecurity, SecurityPolicy

_CLOSE_TIMEOUT_S = 2.0
# asking for endpoints on a channel of its own, then socket, hello, channel, two for a session left open, session,
# activation and the limits
_CONNECT_REQUESTS = 12
_WATCHDOG_S = 86_400.0  # asyncua's own watchdog kills slow controllers; our keep-alive rule replaces it
_EXPIRY_WARNING = timedelta(days=60)
_MAX_CHUNK = 500  # far larger calls exceed the message size of many servers, which then just close
_WHOLE_PATH = 2**32 - 1  # OPC 10000-4 5.9.4: nothing of the path remained
_NO_DATA = 1  # 0: in maintenance
_MAX_KEEPALIVE_COUNT = 10_000
# A request may be answered under the security token that it was sent under, which counts for three quarters of a
# lifetime after the renewal. Up to three publish requests for each subscription wait for their keep-alive.
_TOKEN_SHARE = 0.4 / 3
_CHOOSE_POLICY = "choose a security policy and exchange certificates: docs/certificates.md"
_OTHER_CERTIFICATE = "the server shows another certificate than the configured one"

_Validator = Callable[[x509.Certificate, ua.ApplicationDescription], Awaitable[None]]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_LIMITS = {
    "read": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "items": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    "paths": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    "browse": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
}
POLICIES: dict[SecurityPolicy, type[security_policies.SecurityPolicy]] = {
    SecurityPolicy.NONE: security_policies.SecurityPolicyNone,
    SecurityPolicy.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    SecurityPolicy.AES128: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicy.AES256: security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_TOO_MUCH = frozenset(
    {
        StatusCodes.BadTooManyOperations,
        StatusCodes.BadRequestTooLarge,
        StatusCodes.BadResponseTooLarge,
        StatusCodes.BadTcpMessageTooLarge,
        StatusCodes.BadEncodingLimitsExceeded,
    }
)
NO_ROOM = frozenset(
    {
        StatusCodes.BadTooManyMonitoredItems,
        StatusCodes.BadTooManySubscriptions,
        StatusCodes.BadOutOfMemory,
        StatusCodes.BadResourceUnavailable,
        StatusCodes.BadServiceUnsupported,
        StatusCodes.BadNotSupported,
    }
)
"""A server that answers so has no room for what it was asked for; what it does have goes on."""
_NOT_KEPT = frozenset(
    {StatusCodes.BadMessageNotAvailable, StatusCodes.BadServiceUnsupported, StatusCodes.BadNotImplemented}
)
_REFUSED = {
    StatusCodes.BadUserAccessDenied: "the server refuses this user: check user, password and the rights it has there",
    StatusCodes.BadIdentityTokenRejected: "the server refuses this kind of login: check user and password",
    StatusCodes.BadIdentityTokenInvalid: "the server does not accept the login: check user and password",
    StatusCodes.BadSecurityChecksFailed: "the server rejects our certificate: trust it there",
    StatusCodes.BadCertificateInvalid: "a certificate is not valid for OPC UA",
    StatusCodes.BadCertificateUntrusted: "a certificate is not trusted: trust ours there, or theirs here",
    StatusCodes.BadCertificateRevoked: "a certificate has been revoked",
    StatusCodes.BadCertificateUriInvalid: "a certificate does not name the application's URI",
    StatusCodes.BadCertificateUseNotAllowed: "a certificate may not be used for this purpose",
    StatusCodes.BadCertificateHostNameInvalid: "a certificate does not name the host",
    StatusCodes.BadCertificateChainIncomplete: "the issuer of a certificate is missing",
    StatusCodes.BadSecurityPolicyRejected: "the server refuses the security policy",
    StatusCodes.BadSecurityModeRejected: "the server refuses the security mode",
    StatusCodes.BadSecurityModeInsufficient: "the server asks for a stronger security mode",
    StatusCodes.BadApplicationSignatureInvalid: "the server finds our signature invalid: certificate and key differ",
}


@contextlib.contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns what asyncua and the network raise into the two errors of an adapter; `doing` begins the detail.

    A cancellation that asyncua lost is raised again.
    """
    try:
        yield
        obey_cancellation()
    except (UaStatusCodeError, ServiceError) as error:
        raise _from_status(int(error.code), doing) from error
    except UaError as error:
        if "certificate mismatch" in str(error):
            raise ControllerMisconfigured(f"{doing}: the server's certificate is not the expected one") from error
        raise ControllerUnavailable(f"{doing}: {error}") from error
    except InvalidSignature as error:
        raise ControllerMisconfigured(f"{doing}: the server's signature does not fit its certificate") from error
    except TimeoutError as error:
        raise ControllerUnavailable(f"{doing}: no answer in time") from error
    except OSError as error:
        raise ControllerUnavailable(f"{doing}: {error}") from error
    except (AssertionError, LookupError, TypeError, ValueError) as error:  # asyncua's, of answers that are none
        raise ControllerUnavailable(f"{doing}: no answer of OPC UA ({type(error).__name__}: {error})") from error


def _from_status(code: int, doing: str) -> AdapterError:
    name, meaning = get_name_and_doc(code)
    if code in _REFUSED:
        return ControllerMisconfigured(f"{doing}: {_REFUSED[code]} ({name})")
    return ControllerUnavailable(f"{doing}: {meaning} ({name})")


def node_id(address: NodeAddress, index: int) -> ua.NodeId:
    """The id of a node whose namespace stands at `index` in the server's present NamespaceArray."""
    return ua.NodeId(cast(ua.String, address.identifier), ua.Int16(index))


def _target(answer: ua.BrowsePathResult) -> ua.NodeId | str:
    if not answer.StatusCode.is_good():
        return str(answer.StatusCode.name)
    found = {target.TargetId for target in answer.Targets or [] if target.RemainingPathIndex == _WHOLE_PATH}
    if len(found) != 1:
        return "its path leads to several nodes" if found else "its path leads to another server"
    (target,) = found
    return ua.NodeId(target.Identifier, target.NamespaceIndex)


def value_of(node: ua.NodeId, index: str | None = None) -> ua.ReadValueId:
    """The value of a node, or a part of its array."""
    attribute = ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value)
    return attribute if index is None else dataclasses.replace(attribute, IndexRange=ua.String(index))


def standard(number: int) -> ua.ReadValueId:
    """The value of a node of the standard's own namespace."""
    return value_of(ua.NodeId(ua.Int32(number)))


class _WithoutRequests(logging.Filter):
    """asyncua's debug log shows every request whole, and one of them holds the password.

    A server's refusal, which reaches us as an exception, it logs as critical.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(("Sending", "Received an error"))


_WITHOUT_REQUESTS = _WithoutRequests()


class Session:
    """A fresh client for one connection. Every call may raise what `translated` translates."""

    def __init__(
        self, settings: OpcUaController, left: LeftOpen, *, password: str | None, on_lost: Callable[[str], None]
    ) -> None:
        """`left` is of this controller; `on_lost` is called with a reason when the transport goes away."""
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # what matters reaches us as exceptions
        logging.getLogger("asyncuagds").setLevel(logging.CRITICAL)
        logging.getLogger("asyncua.client.ua_client.UASocketProtocol").addFilter(_WITHOUT_REQUESTS)
        self._settings = settings
        self._on_lost = on_lost
        self._client = QuietClient(
            settings.first_url, left, request_timeout_s=settings.request_timeout_s, watchdog_s=_WATCHDOG_S
        )
        self._client.application_uri = settings.application_uri
        self._client.name = self._client.description = "Taktline"
        self._client.session_timeout = int(settings.session_timeout_s * 1000)
        self._client.connection_lost_callback = self._lost
        if settings.user is not None:
            self._client.set_user(settings.user)
        if password is not None:
            self._client.set_password(password)
        self._chunk = dict.fromkeys(_LIMITS, _MAX_CHUNK)
        self.diagnostics: list[Diagnostic] = []

    async def open(self) -> None:
        """Checks whom we talk to, connects and logs in."""
        with translated("connecting"):
            async with asyncio.timeout(_CONNECT_REQUESTS * self._settings.request_timeout_s):
                await self._secure()
                await self._client.connect()
                await self._read_limits()

    async def close(self) -> None:
        """Closes the session on the server if it still answers; never takes longer than two seconds."""
        protocol = self._client.uaclient.protocol
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._client.disconnect()
        except TimeoutError:
            pass  # the server does not answer: the session ends there by its time-out
        finally:
            if protocol is not None and protocol.transport is not None:
                protocol.transport.abort()
            await asyncio.sleep(0)  # lets asyncua's cancelled tasks end before we return

    async def endpoints(self) -> list[ua.EndpointDescription]:
        """What the server offers to whoever asks: no session, no login."""
        with translated("asking for endpoints"):
            async with asyncio.timeout(_CONNECT_REQUESTS * self._settings.request_timeout_s):
                return await self._client.connect_and_get_server_endpoints()

    async def server_time(self) -> datetime | None:
        """What the server's clock shows, None if it does not say."""
        with translated("reading the server's clock"):
            answer = (await self._read([standard(ObjectIds.Server_ServerStatus_CurrentTime)]))[0]
        shown = answer.Value.Value if answer.Value is not None else None
        return shown.replace(tzinfo=UTC) if isinstance(shown, datetime) else None

    async def standard_values(self, numbers: Sequence[int]) -> list[object]:
        """Values of nodes of the standard's own namespace, in that order; None where the server shows none."""
        with translated("reading the server's properties"):
            answers = await self.read([standard(number) for number in numbers])
        return [None if answer.Value is None else answer.Value.Value for answer in answers]

    async def require_service(self) -> None:
        """Raises ControllerUnavailable where a redundant server says that it has no data (OPC 10000-4 6.6.2.4)."""
        with translated("reading the service level"):
            answer = (await self._read([standard(ObjectIds.Server_ServiceLevel)]))[0]
        level = answer.Value.Value if answer.Value is not None else None
        if isinstance(level, int) and level <= _NO_DATA:
            raise ControllerUnavailable(f"the redundant server has no data now (its ServiceLevel is {level})")

    async def namespaces(self) -> list[str]:
        """The server's NamespaceArray as it is now; index = place."""
        value = (await self._read([standard(ObjectIds.Server_NamespaceArray)]))[0].Value
        return [] if value is None or not isinstance(value.Value, list) else [str(uri) for uri in value.Value]

    async def read(self, wanted: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        """The present values, bad ones included, in the order of `wanted`."""
        return await self._in_chunks("read", wanted, self._read)

    async def supertypes(self, types: Sequence[ua.NodeId]) -> list[ua.NodeId | None]:
        """The type that each of these is a subtype of; None where the server does not say."""

        async def browse(part: Sequence[ua.NodeId]) -> list[ua.BrowseResult]:
            wanted = [
                ua.BrowseDescription(
                    NodeId=node,
                    BrowseDirection=ua.BrowseDirection.Inverse,
                    ReferenceTypeId=ua.NodeId(ua.Int32(ObjectIds.HasSubtype)),
                    IncludeSubtypes=cast(ua.Boolean, False),
                    NodeClassMask=ua.UInt32(0),
                    ResultMask=ua.UInt32(0),
                )
                for node in part
            ]
            parameters = ua.BrowseParameters(RequestedMaxReferencesPerNode=ua.Counter(1), NodesToBrowse=wanted)
            return await self._client.uaclient.browse(parameters)

        answers = await self._in_chunks("browse", types, browse)
        return [cast(ua.NodeId, answer.References[0].NodeId) if answer.References else None for answer in answers]

    async def follow(self, paths: Sequence[Sequence[ua.QualifiedName]]) -> list[ua.NodeId | str]:
        """The nodes to which names below Objects lead; a sentence where one leads to none, or to several."""

        async def translate(part: Sequence[Sequence[ua.QualifiedName]]) -> list[ua.BrowsePathResult]:
            objects = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
            hierarchical = ua.NodeId(ua.Int32(ObjectIds.HierarchicalReferences))
            wanted = []
            for names in part:
                elements = [
                    ua.RelativePathElement(
                        ReferenceTypeId=hierarchical,
                        IsInverse=cast(ua.Boolean, False),
                        IncludeSubtypes=cast(ua.Boolean, True),
                        TargetName=name,
                    )
                    for name in names
                ]
                wanted.append(ua.BrowsePath(StartingNode=objects, RelativePath=ua.RelativePath(Elements=elements)))
            return await self._client.uaclient.translate_browsepaths_to_nodeids(wanted)

        return [_target(answer) for answer in await self._in_chunks("paths", paths, translate)]

    async def subscribe(self, interval_ms: int) -> ua.CreateSubscriptionResult:
        """Creates a subscription; what it says comes by `publish`."""
        settings = self._settings
        keepalive_s = min(settings.keepalive_s, _TOKEN_SHARE * self._client.token_lifetime_s)
        keepalive_count = min(max(1, round(keepalive_s * 1000 / interval_ms)), _MAX_KEEPALIVE_COUNT)
        lifetime_count = max(3 * keepalive_count, round(settings.session_timeout_s * 1000 / interval_ms))
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=ua.Double(interval_ms),
            RequestedLifetimeCount=ua.Counter(lifetime_count),
            RequestedMaxKeepAliveCount=ua.Counter(keepalive_count),
            MaxNotificationsPerPublish=ua.Counter(0),
            PublishingEnabled=cast(ua.Boolean, True),
        )
        return await self._client.uaclient.create_subscription(parameters, lambda _: None)

    async def unsubscribe(self, subscription: int) -> None:
        """Ends a subscription."""
        await self._client.uaclient.delete_subscriptions([subscription])

    async def publish(self, acknowledged: Sequence[tuple[int, int]]) -> ua.PublishResult:
        """Waits for the next notification or keep-alive of any subscription, and acknowledges by the way.

        `acknowledged`: subscriptions and numbers of their notifications.
        """
        acknowledgements = [
            ua.SubscriptionAcknowledgement(SubscriptionId=ua.IntegerId(subscription), SequenceNumber=ua.Counter(number))
            for subscription, number in acknowledged
        ]
        response = await self._client.uaclient.publish(acknowledgements)
        response.ResponseHeader.ServiceResult.check()  # some servers refuse with an empty answer that is no fault
        return cast(ua.PublishResult, response.Parameters)

    async def republish(self, subscription: int, number: int) -> ua.PublishResult | None:
        """A notification that did not come, once more; None where the server does not have it any more."""
        try:
            message = await self._client.uaclient.session.republish(subscription, number)
        except (UaStatusCodeError, ServiceError) as error:
            if int(error.code) not in _NOT_KEPT:
                raise
            return None
        if int(message.SequenceNumber) != number or not message.NotificationData:
            return None  # as some servers answer in place of BadMessageNotAvailable
        return ua.PublishResult(
            SubscriptionId=ua.IntegerId(subscription),
            MoreNotifications=cast(ua.Boolean, True),
            NotificationMessage=message,
        )

    async def create_items(
        self, subscription: int, items: Sequence[tuple[int, ua.ReadValueId, int]]
    ) -> list[ua.MonitoredItemCreateResult]:
        """Creates monitored items from handles, what to monitor, and sampling intervals in ms; in that order.

        A limit of the server that refuses the whole call refuses each of its items.
        """

        async def create(part: Sequence[tuple[int, ua.ReadValueId, int]]) -> list[ua.MonitoredItemCreateResult]:
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=ua.IntegerId(subscription),
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[self._request(*item) for item in part],
            )
            try:
                return await self._client.uaclient.create_monitored_items(parameters)
            except UaStatusCodeError as error:
                if error.code not in NO_ROOM:
                    raise
                status = ua.StatusCode(ua.UInt32(error.code))
                return [ua.MonitoredItemCreateResult(StatusCode=status) for _ in part]

        return await self._in_chunks("items", items, create)

    async def delete_items(self, subscription: int, items: Sequence[int]) -> None:
        """Deletes monitored items by their ids; one that is no longer there is no error."""
        parameters = ua.DeleteMonitoredItemsParameters(
            SubscriptionId=ua.IntegerId(subscription), MonitoredItemIds=[ua.IntegerId(item) for item in items]
        )
        await self._client.uaclient.delete_monitored_items(parameters)

    def _request(self, handle: int, wanted: ua.ReadValueId, sampling_ms: int) -> ua.MonitoredItemCreateRequest:
        if wanted.AttributeId == AttributeIds.EventNotifier:
            parameters = ua.MonitoringParameters(
                ClientHandle=ua.IntegerId(handle),
                SamplingInterval=ua.Duration(0),
                Filter=cast(ua.ExtensionObject, event_filter()),
                QueueSize=ua.Counter(EVENTS_KEPT),
                DiscardOldest=cast(ua.Boolean, True),
            )
            return ua.MonitoredItemCreateRequest(wanted, ua.MonitoringMode.Reporting, parameters)
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=wanted,
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=ua.IntegerId(handle),
                SamplingInterval=ua.Duration(sampling_ms),
                QueueSize=ua.Counter(self._settings.queue_size),
                DiscardOldest=cast(ua.Boolean, True),
            ),
        )

    async def _in_chunks(
        self, kind: str, items: Sequence[_Item], ask: Callable[[Sequence[_Item]], Awaitable[list[_Result]]]
    ) -> list[_Result]:
        """Asks part by part; a part that is too much for the server is halved, and so are the later ones."""
        results: list[_Result] = []
        while len(results) < len(items):
            part = items[len(results) : len(results) + self._chunk[kind]]
            try:
                answered = await ask(part)
            except UaStatusCodeError as error:
                if error.code not in _TOO_MUCH or len(part) == 1:
                    raise
                self._chunk[kind] = len(part) // 2
                continue
            if len(answered) != len(part):
                raise UaError(f"{len(answered)} answers to {len(part)} questions")
            results += answered
        return results

    async def _read(self, wanted: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        parameters = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=list(wanted))
        return await self._client.uaclient.read(parameters)

    async def _read_limits(self) -> None:
        """Takes over the server's OperationLimits; one that is absent or zero limits nothing (OPC 10000-5 6.3.11)."""
        answers = await self.read([standard(number) for number in _LIMITS.values()])
        for kind, answer in zip(_LIMITS, answers, strict=True):
            limit = answer.Value.Value if answer.Value is not None else None
            if isinstance(limit, int) and limit > 0:
                self._chunk[kind] = min(limit, _MAX_CHUNK)

    async def _secure(self) -> None:
        """Sets the channel's security after finding that the server is the one that we trust."""
        settings = self._settings.security
        self._identify_user()
        if settings.policy is SecurityPolicy.NONE:
            await self._secure_login(settings)
            return
        assert settings.certificate is not None
        assert settings.private_key is not None
        ours = _certificate(settings.certificate)
        self._check_own(ours)
        policy, mode = POLICIES[settings.policy], ua.MessageSecurityMode[settings.mode]
        endpoint = self._endpoint(await self._client.connect_and_get_server_endpoints(), policy.URI, mode)
        try:
            theirs = x509.load_der_x509_certificate(first_of_chain(endpoint.ServerCertificate or b""))
        except ValueError as error:
            raise ControllerMisconfigured(f"the server shows no certificate that can be read: {error}") from error
        await self._check_theirs(theirs, endpoint, settings)
        try:
            # as set_security of the client, which would read the key again: to check one takes a tenth of a second
            secured = policy(theirs, ours, read_key(settings.private_key), mode)
            self._client.security_policy = secured  # type: ignore[assignment]  # declared as that of no security
            self._client.uaclient.set_security(secured)
        except (OSError, ValueError) as error:
            raise ControllerMisconfigured(f"our private key {settings.private_key} cannot be read: {error}") from error

    def _identify_user(self) -> None:
        certificate, key = self._settings.user_certificate, self._settings.user_private_key
        if certificate is None or key is None:
            return
        self._client.user_certificate = _certificate(certificate)
        try:
            self._client.user_private_key = read_key(key)
        except (OSError, ValueError) as error:
            raise ControllerMisconfigured(f"the user's private key {key} cannot be read: {error}") from error

    async def _secure_login(self, settings: OpcUaSecurity) -> None:
        """An open channel; the login over it is encrypted for the server's certificate, if the server offers that."""
        text, remedy = "the connection is not protected: security policy None", _CHOOSE_POLICY
        if (validator := await _validator(settings)) is not None:
            self._client.certificate_validator = validator
        elif self._settings.password_credential is not None:
            text += "; the password is encrypted for whichever server answers"
            remedy += "; or at least give `server_certificate`, by `mes certs trust`"
        self.diagnostics.append(Diagnostic(DiagnosticCode.INSECURE_CONNECTION, text, remedy))

    def _endpoint(
        self, offered: Sequence[ua.EndpointDescription], policy_uri: str, mode: ua.MessageSecurityMode
    ) -> ua.EndpointDescription:
        settings = self._settings.security
        fitting = [
            endpoint
            for endpoint in offered
            if endpoint.SecurityPolicyUri == policy_uri and endpoint.SecurityMode == mode
        ]
        if not fitting:
            raise ControllerMisconfigured(f"the server does not offer {settings.policy} with {settings.mode}")
        endpoint = fitting[0]
        if self._settings.password_credential is not None and mode == ua.MessageSecurityMode.Sign:
            asked = [token for token in endpoint.UserIdentityTokens if token.TokenType == ua.UserTokenType.UserName]
            if asked and all(token.SecurityPolicyUri == POLICIES[SecurityPolicy.NONE].URI for token in asked):
                raise ControllerMisconfigured(PASSWORD_IN_CLEAR)
        return endpoint

    def _check_own(self, ours: x509.Certificate) -> None:
        if self._settings.application_uri not in uris(ours):
            raise ControllerMisconfigured(
                f"our certificate does not name the application URI {self._settings.application_uri}"
            )
        left = ours.not_valid_after_utc - datetime.now(UTC)
        if left < _EXPIRY_WARNING:
            when = (
                f"ends in {left.days} days" if left > timedelta() else f"ended on {ours.not_valid_after_utc:%Y-%m-%d}"
            )
            self.diagnostics.append(
                Diagnostic(
                    DiagnosticCode.CERTIFICATE,
                    f"our certificate {when}: make a new one and have it trusted",
                    "renew it with `mes certs renew`",
                )
            )

    async def _check_theirs(
        self, theirs: x509.Certificate, endpoint: ua.EndpointDescription, settings: OpcUaSecurity
    ) -> None:
        """Pinned, or issued or listed in the trust folder. asyncua then holds the session to this certificate."""
        validator = await _validator(settings)
        assert validator is not None
        await validator(theirs, endpoint.Server)
        if settings.server_certificate is not None:
            if not theirs.not_valid_before_utc <= datetime.now(UTC) <= theirs.not_valid_after_utc:
                span = f"{theirs.not_valid_before_utc:%Y-%m-%d} to {theirs.not_valid_after_utc:%Y-%m-%d}"
                self.diagnostics.append(
                    Diagnostic(
                        DiagnosticCode.CERTIFICATE,
                        f"the server's certificate is valid from {span}, and is taken only as it is pinned",
                        "give the server a new certificate and pin that one",
                    )
                )
            return
        self._client.certificate_validator = validator

    async def _lost(self, error: Exception) -> None:
        self._on_lost(str(error) or type(error).__name__)


def _certificate(file: Path) -> x509.Certificate:
    try:
        return read_certificate(file)
    except (OSError, ValueError) as error:
        raise ControllerMisconfigured(f"the certificate {file} cannot be read: {error}") from error


async def _validator(settings: OpcUaSecurity) -> _Validator | None:
    """What holds a server's certificate against the pinned one, else the trust folder; None where nothing is trusted.

    Raises ControllerMisconfigured where what is trusted cannot be read; so does the validator of a pinned certificate.
    """
    if settings.server_certificate is not None:
        pinned = _certificate(settings.server_certificate)

        async def is_pinned(theirs: x509.Certificate, _: ua.ApplicationDescription) -> None:
            if theirs != pinned:
                raise ControllerMisconfigured(_OTHER_CERTIFICATE)

        return is_pinned
    if settings.trust_folder is None:
        return None
    store = TrustFolder(settings.trust_folder)
    try:
        await store.load()
    except ValueError as error:
        raise ControllerMisconfigured(str(error)) from error
    wanted = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_SERVER
    return CertificateValidator(wanted, store)
