"""One connection to an OPC UA server: subscribed or polled, read-only, acknowledged only after the commit.

asyncua's own reconnecting, high-level subscriptions and watchdog are not used: each was seen to lose values or whole
items in silence. A connection that shows any anomaly is given up; the next one starts from a baseline.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

from asyncua import ua
from asyncua.client.client import Client

from adapters.clock import Clock
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.opcua_connection import Connection, OpcUaStatus, differs
from adapters.opcua_security import refuse_plain_password, secure
from adapters.opcua_subscription import Lost, Published, Subscription
from adapters.opcua_values import Address, in_time_order, parse_address
from adapters.ports import Emit
from adapters.reading import ControllerId, Reading, TagId
from adapters.settings import OpcUaController, OpcUaTag

CLOSE_DEADLINE_S = 2.0
WATCHDOG_S = 3600.0  # asyncua's own probe, kept out of the way: we judge by keep-alives and heartbeat
MISCONFIGURED = (
    ua.uaerrors.BadUserAccessDenied,
    ua.uaerrors.BadIdentityTokenRejected,
    ua.uaerrors.BadIdentityTokenInvalid,
    ua.uaerrors.BadSecurityChecksFailed,
    ua.uaerrors.BadSecurityPolicyRejected,
    ua.uaerrors.BadCertificateUntrusted,
    ua.uaerrors.BadCertificateTimeInvalid,
    ua.uaerrors.BadCertificateUriInvalid,
    ua.uaerrors.BadCertificateRevoked,
    ua.uaerrors.BadCertificateInvalid,
    ua.uaerrors.BadCertificateUseNotAllowed,
)


class OpcUaAdapter:
    """One OPC UA server for the time of one connection."""

    def __init__(
        self,
        controller: ControllerId,
        settings: OpcUaController,
        tags: Mapping[TagId, OpcUaTag],
        *,
        clock: Clock,
        secret: Callable[[str], str],
    ) -> None:
        """Checks addresses and secrets; connects to nothing yet. Raises ControllerMisconfigured."""
        self._controller = controller
        self._settings = settings
        self._tags = tags
        self._addresses: dict[TagId, Address] = {tag: parse_address(each.node) for tag, each in tags.items()}
        self._clock = clock
        self._secret = secret
        self._status = OpcUaStatus(len(tags))
        refuse_plain_password(settings)

    def status(self) -> OpcUaStatus:
        """What it sees of its own connection."""
        return self._status

    async def run(self, emit: Emit) -> None:
        """Connects, emits the baseline, then batches until the connection ends; see adapters.ports.Adapter."""
        inbox: asyncio.Queue[Published | Lost] = asyncio.Queue()
        async with self._connected(inbox) as client, _translated():
            connection = Connection(
                self._controller, client, self._settings, self._tags, self._clock, self._status, emit
            )
            nodes = await connection.resolve(self._addresses)
            await connection.await_heartbeat(nodes)
            if self._settings.mode == "poll":
                await _poll(connection, nodes)
            else:
                await Subscription(connection, nodes, inbox).run()

    @asynccontextmanager
    async def _connected(self, inbox: "asyncio.Queue[Published | Lost]") -> AsyncIterator[Client]:
        """A fresh client, closed whatever happens; a client that is used again can hang (facts A.8)."""
        settings = self._settings
        client = Client(settings.url, timeout=settings.request_timeout_s, watchdog_intervall=WATCHDOG_S)
        client.application_uri = settings.application_uri
        client.session_timeout = int(settings.session_timeout_s * 1000)

        async def lost(error: Exception) -> None:
            inbox.put_nowait(Lost(f"{type(error).__name__}: {error}"))

        client.connection_lost_callback = lost
        try:
            async with _translated(), asyncio.timeout(4 * settings.request_timeout_s):
                await secure(client, settings, self._secret)
                await client.connect()
            if settings.security.insecure:
                self._status.note("the connection has no protection: policy None")
            yield client
        finally:
            await _close(client)


async def _poll(connection: Connection, nodes: Mapping[TagId, ua.NodeId]) -> None:
    """Reads all tags at a fixed rate and emits those that changed; for servers without usable subscriptions."""
    last: dict[TagId, Reading] = {}
    loop = asyncio.get_running_loop()
    interval_s = connection.settings.publish_interval_ms / 1000
    due_s = loop.time()
    while True:
        readings = await connection.read(nodes)
        connection.status.items_active = sum(each.value is not None for each in readings)
        connection.hear(readings)
        connection.check_heartbeat()
        changed = [each for each in readings if differs(each, last.get(each.tag))]
        await connection.hand_on(in_time_order(changed), baseline=not last)
        last |= {each.tag: each for each in readings}
        due_s = max(due_s + interval_s, loop.time())
        await asyncio.sleep(due_s - loop.time())


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """The exceptions of asyncua as ours; what a person must correct is told from what passes by itself."""
    try:
        yield
    except MISCONFIGURED as error:
        raise ControllerMisconfigured(f"the server refuses us: {type(error).__name__}: {error}") from error
    except (ua.uaerrors.UaError, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise ControllerUnavailable(f"{type(error).__name__}: {error}".rstrip(": ")) from error


async def _close(client: Client) -> None:
    """Closes the session if the server still listens, and the socket in any case; never hangs."""
    publishing = client.uaclient.session._publish_task  # noqa: SLF001 - asyncua leaves it running without a socket
    if publishing is not None:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    with suppress(TimeoutError, ua.uaerrors.UaError, OSError):
        async with asyncio.timeout(CLOSE_DEADLINE_S):
            await client.disconnect()
    client.disconnect_socket()
