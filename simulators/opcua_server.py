"""A generic OPC UA controller on loopback: nodes of one namespace, awkward in the ways in which real ones are."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from simulators.opcua_services import ControllerServices, Doorkeeper, Faults, Limits, status_code

__all__ = ["Limits", "Node", "NodeType", "OpcUaServer", "Policy", "Quality", "Security"]

NodeType = Literal[
    "int16", "uint16", "int32", "uint32", "int64", "uint64", "float", "double", "string", "string[]", "bool",
    "int16[]", "byte[]", "bytestring", "localizedtext", "qualifiedname", "datetime",
]  # fmt: skip
Quality = Literal["good", "uncertain", "bad"]
Policy = Literal["None", "Basic256", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]

_HOST = "127.0.0.1"
_STANDARD_NAMESPACE = "http://opcfoundation.org/UA/"
_VARIANTS: dict[NodeType, ua.VariantType] = {
    "int16": ua.VariantType.Int16,
    "uint16": ua.VariantType.UInt16,
    "int32": ua.VariantType.Int32,
    "uint32": ua.VariantType.UInt32,
    "int64": ua.VariantType.Int64,
    "uint64": ua.VariantType.UInt64,
    "float": ua.VariantType.Float,
    "double": ua.VariantType.Double,
    "string": ua.VariantType.String,
    "string[]": ua.VariantType.String,
    "bool": ua.VariantType.Boolean,
    "int16[]": ua.VariantType.Int16,
    "byte[]": ua.VariantType.Byte,
    "bytestring": ua.VariantType.ByteString,
    "localizedtext": ua.VariantType.LocalizedText,
    "qualifiedname": ua.VariantType.QualifiedName,
    "datetime": ua.VariantType.DateTime,
}
_MADE_OF_TEXT: dict[NodeType, Callable[[str], object]] = {
    "bytestring": str.encode,
    "localizedtext": lambda text: ua.LocalizedText(text, "en"),
    "qualifiedname": lambda text: ua.QualifiedName(text, 1),
    "datetime": datetime.fromisoformat,
}
_STATUS: dict[Quality, int] = {
    "good": StatusCodes.Good,
    "uncertain": StatusCodes.UncertainLastUsableValue,
    "bad": StatusCodes.BadSensorFailure,
}
_POLICIES: dict[Policy, tuple[ua.SecurityPolicyType, ...]] = {
    "None": (ua.SecurityPolicyType.NoSecurity,),
    "Basic256": (ua.SecurityPolicyType.Basic256_SignAndEncrypt,),  # deprecated, as old controllers offer it
    "Basic256Sha256": (
        ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
        ua.SecurityPolicyType.Basic256Sha256_Sign,
    ),
    "Aes128_Sha256_RsaOaep": (
        ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
        ua.SecurityPolicyType.Aes128Sha256RsaOaep_Sign,
    ),
    "Aes256_Sha256_RsaPss": (
        ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
        ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ),
}
_LIMIT_NODES = (
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
)


@dataclass(frozen=True, slots=True)
class Node:
    """One variable: its string id, its type and its first value."""

    name: str
    type: NodeType
    initial: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """How clients may come in. Policies other than None need a certificate and its key (PEM or DER files).

    Clients whose certificate does not lie in `trusted_clients` are refused, with the status `stranger`; without the
    folder everybody is trusted.
    """

    policies: tuple[Policy, ...] = ("None",)
    certificate: Path | None = None
    private_key: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    trusted_clients: Path | None = None
    stranger: int = StatusCodes.BadSecurityChecksFailed  # which tells nobody why, as OPC 10000-4 6.1.3 advises
    modes: tuple[Literal["Sign", "SignAndEncrypt"], ...] = ("Sign", "SignAndEncrypt")


@dataclass(frozen=True, slots=True)
class _Held:
    """What a variable shows: it survives a restart, as retentive memory does."""

    value: object
    source_time: datetime | None  # None: never written
    quality: Quality


class OpcUaServer:
    """A controller with the variables `nodes`; it binds loopback only, and no client can write to it.

    Every write is a sample (exception-based reporting), whatever the sampling interval; its source time is the
    one handed in. The index of the namespace differs after each restart.
    """

    def __init__(
        self,
        *,
        namespace: str,
        nodes: Sequence[Node],
        port: int = 0,
        limits: Limits | None = None,
        security: Security | None = None,
        application_uri: str = "urn:simulated:controller",
        changing_ids: bool = False,
    ) -> None:
        """`port` 0: the system chooses at the first start, and restarts keep it.

        `changing_ids`: nodes have other ids after each restart, and keep their names.
        """
        self._changing_ids = changing_ids
        self._namespace = namespace
        self._nodes = {node.name: node for node in nodes}
        self._held = {node.name: _Held(node.initial, None, "good") for node in nodes}
        self._shown: dict[str, _Held] = {}
        self._wanted_port = port
        self._limits = limits or Limits()
        self._security = security or Security()
        self._application_uri = application_uri
        self._starts = 0
        self._index = 0
        self._listening = False
        self._server: Server | None = None
        self._services: ControllerServices | None = None
        self.faults = Faults()
        """What it refuses just now, and the acknowledgements that it received: (subscription, sequence number)."""

    @property
    def port(self) -> int:
        """Where it listens; known after the first start."""
        return self._wanted_port

    @property
    def url(self) -> str:
        """The endpoint's address."""
        return f"opc.tcp://{_HOST}:{self.port}/"

    @property
    def namespace_index(self) -> int:
        """Where its namespace stands in the NamespaceArray now."""
        return self._index

    async def start(self) -> None:
        """Builds the address space (about a second) and listens."""
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # its refusals are meant, and it logs each of them
        security = self._security
        services = ControllerServices(self._limits, self.faults, user=security.user, password=security.password)
        services.disabled_clock = True
        server = Server(iserver=services)
        await server.init()
        await server.set_application_uri(self._application_uri)
        server.set_endpoint(f"opc.tcp://{_HOST}:{self._wanted_port}/")
        kinds = [kind for policy in security.policies for kind in _POLICIES[policy]]
        endings = ("NoSecurity", *(f"_{mode}" for mode in security.modes))
        server.set_security_policy([kind for kind in kinds if kind.name.endswith(endings)])
        if security.certificate is not None and security.private_key is not None:
            await server.load_certificate(security.certificate)
            await server.load_private_key(security.private_key)
        if security.user is not None:
            server.set_identity_tokens([ua.UserNameIdentityToken])
        if security.trusted_clients is not None:
            server.set_certificate_validator(Doorkeeper(security.trusted_clients, security.stranger).admit)
        self._server, self._services = server, services
        await self._declare_limits()
        await self._power_up()
        await server.start()
        assert server.bserver is not None
        self._wanted_port = server.bserver.port
        self._listening = True
        await self._catch_up()

    async def stop(self) -> None:
        """Ends all connections and closes the port."""
        server, self._server = self._server, None
        if server is None:
            return
        await self._hang_up(server)
        await server.iserver.stop()

    async def power_off(self) -> None:
        """Loses power: connections, sessions and subscriptions are gone, values are kept."""
        assert self._server is not None
        await self._hang_up(self._server)

    async def power_on(self) -> None:
        """Comes back after `power_off` with the index of its namespace changed."""
        assert self._server is not None
        assert self._server.bserver is not None
        await self._server.delete_nodes([self._server.get_node(self._id(name)) for name in self._nodes])
        await self._power_up()
        await self._catch_up()
        await self._server.bserver.start()
        self._listening = True
        await self._catch_up()

    async def restart(self, *, down_s: float) -> None:
        """A power cycle with `down_s` real seconds without power."""
        await self.power_off()
        await asyncio.sleep(down_s)
        await self.power_on()

    async def write(self, name: str, value: object, *, source_time: datetime, quality: Quality = "good") -> None:
        """The program sets a variable; with quality "bad" clients see no value. `source_time` is aware.

        While it is down only the value is kept. Raises KeyError for an unknown name.
        """
        if name not in self._nodes:
            raise KeyError(name)
        held = self._held[name] = _Held(value, source_time, quality)
        if self._services is not None and self._listening:
            await self._show(name, held)

    def sessions(self) -> int:
        """Sessions of clients, alive or abandoned."""
        return len(self._services.sessions()) if self._services else 0

    def sessions_created(self) -> int:
        """Sessions that clients have opened since `start`."""
        return self._services.sessions_created if self._services else 0

    def subscriptions(self) -> int:
        """Subscriptions of clients, alive or abandoned."""
        return len(self._services.subscriptions.present()) if self._services else 0

    def unacknowledged(self) -> list[int]:
        """Sequence numbers of notifications that were sent and not acknowledged, over all subscriptions."""
        present = self._services.subscriptions.present() if self._services else []
        return [number for subscription in present for number in subscription.unacknowledged()]

    def lose_notification(self) -> None:
        """Behaves as if one notification of each subscription had been sent and lost on the way."""
        for subscription in self._services.subscriptions.present() if self._services else []:
            subscription.skip_sequence()

    async def answer_nothing(self) -> None:
        """Refuses a publish request of every subscription as some servers do, without saying so."""
        for subscription in self._services.subscriptions.present() if self._services else []:
            await subscription.answer_nothing()

    async def end_subscriptions(self) -> None:
        """Tells the clients that their subscriptions have ended."""
        for subscription in self._services.subscriptions.present() if self._services else []:
            await subscription.enqueue_statuschange(status_code(StatusCodes.BadTimeout))

    def _id(self, name: str) -> ua.NodeId:
        return ua.NodeId(ua.String(f"{name} {self._starts}" if self._changing_ids else name), ua.Int16(self._index))

    def _value(self, name: str, held: _Held) -> ua.DataValue:
        node = self._nodes[name]
        content = list(held.value) if isinstance(held.value, list | tuple) else held.value
        if isinstance(content, str) and node.type in _MADE_OF_TEXT:
            content = _MADE_OF_TEXT[node.type](content)
        return ua.DataValue(
            Value=ua.Variant(content, _VARIANTS[node.type]),
            StatusCode=status_code(_STATUS[held.quality]),
            SourceTimestamp=cast(ua.DateTime | None, held.source_time),
            ServerTimestamp=cast(ua.DateTime, datetime.now(UTC)),
        )

    async def _show(self, name: str, held: _Held) -> None:
        assert self._services is not None
        status = await self._services.aspace.write_attribute_value(
            self._id(name), AttributeIds.Value, self._value(name, held)
        )
        status.check()
        self._shown[name] = held

    async def _catch_up(self) -> None:
        """Shows what was written while the nodes were laid out."""
        for name in self._nodes:
            if self._shown[name] is not self._held[name]:
                await self._show(name, self._held[name])

    async def _declare_limits(self) -> None:
        assert self._server is not None
        for number in _LIMIT_NODES:
            limit = ua.Variant(self._limits.max_items_per_call, ua.VariantType.UInt32)
            await self._server.get_node(ua.NodeId(ua.Int32(number))).write_value(limit)

    async def _power_up(self) -> None:
        """Lays out the namespace; a spare one comes first at every other start, so that the index moves."""
        assert self._server is not None
        self._starts += 1
        spare = ["urn:simulated:spare"] if self._starts % 2 == 0 else []
        uris = [_STANDARD_NAMESPACE, self._application_uri, *spare, self._namespace]
        await self._server.nodes.namespace_array.write_value(uris)
        self._index = uris.index(self._namespace)
        for name, node in self._nodes.items():
            shown = self._value(name, _Held(node.initial, None, "good")).Value
            browse_name = ua.QualifiedName(name, self._index)
            await self._server.nodes.objects.add_variable(self._id(name), browse_name, shown)
            await self._show(name, self._held[name])

    async def _hang_up(self, server: Server) -> None:
        assert self._services is not None
        assert server.bserver is not None
        self._listening = False
        for transport in list(self._services.asyncio_transports):
            transport.abort()
        await server.bserver.stop()
        await asyncio.gather(*server.bserver.closing_tasks)
        server.bserver.closing_tasks.clear()
        for session in self._services.sessions():
            await session.close_session(delete_subs=True)
        await self._services.forget_watches()
