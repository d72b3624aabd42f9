import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from opcua_servers import (
    CLIENT_URI,
    SERVER_URI,
    Certificates,
    Journal,
    NodeOpcUa,
    ServerUnderTest,
    adapter,
    pair_in,
    running,
    settings,
)
from patience import promised_s

from adapters.clock import SystemClock
from adapters.diagnostics import DiagnosticCode
from adapters.errors import AdapterError, ControllerMisconfigured
from adapters.opcua.diagnose import examine
from adapters.opcua.findings import Code
from adapters.settings import OpcUaController
from simulators.opcua_server import Node, OpcUaServer, Policy, Security

pytestmark = [pytest.mark.timeout(60), pytest.mark.nodeopcua]

NODES = (Node("state", "int32", 6),)
PASSWORD = "s3cret"
OPEN = {"policy": "None", "insecure": True}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    return Certificates(
        server=pair_in(folder / "server", SERVER_URI, days=30),
        client=pair_in(folder / "client", CLIENT_URI, days=90),
        other=pair_in(folder / "user", "urn:test:user", days=30),
    )


@contextlib.asynccontextmanager
async def started(server: ServerUnderTest) -> AsyncIterator[ServerUnderTest]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def by_password(url: str, certificates: Certificates, **security: object) -> OpcUaController:
    return settings(url, certificates, user="op", password_credential="plc", security=OPEN | security)


async def test_a_password_over_an_open_channel_is_encrypted(certificates: Certificates, tmp_path: Path) -> None:
    """Policy None and a server that encrypts the login: collected; a pinned certificate lets that one in only."""
    async with started(NodeOpcUa(NODES, certificates, tmp_path, password=PASSWORD)) as server:
        journal, subject = Journal(), adapter(by_password(server.url, certificates), ["state"], plc=PASSWORD)
        async with running(subject, journal):
            said = [diagnostic.text for diagnostic in subject.status().diagnostics]
        assert journal.values("state") == [6]
        assert any("encrypted for whichever server answers" in text for text in said)

        pinned = by_password(server.url, certificates, server_certificate=certificates.server[0])
        subject = adapter(pinned, ["state"], plc=PASSWORD)
        async with running(subject, Journal()):
            assert not any("whichever" in diagnostic.text for diagnostic in subject.status().diagnostics)

        other = by_password(server.url, certificates, server_certificate=certificates.other[0])
        with pytest.raises(ControllerMisconfigured, match="another certificate"):
            await adapter(other, ["state"], plc=PASSWORD).run(Journal())

        with pytest.raises(ControllerMisconfigured, match="check user"):
            await adapter(pinned, ["state"], plc="wrong").run(Journal())
        report = await examine(pinned, clock=SystemClock(), secret={"plc": PASSWORD}.__getitem__)
        assert [finding.code for finding in report.findings] == [Code.POLICY_NONE]


@contextlib.asynccontextmanager
async def overheard(port: int) -> AsyncIterator[tuple[int, bytearray]]:
    """A port that leads to another one, and what clients have sent through it."""
    sent = bytearray()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to: bytearray | None) -> None:
        while data := await reader.read(2**16):
            if to is not None:
                to += data
            writer.write(data)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(pass_on(reader, back, to=sent), pass_on(there, writer, to=None))

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], sent


@pytest.mark.parametrize("password", [PASSWORD, "пароль", "p" * 100])
async def test_a_controller_of_policy_none_alone_gets_no_readable_password(
    certificates: Certificates, tmp_path: Path, password: str
) -> None:
    """It takes logins that are encrypted for its certificate: collected, and the password is not seen on the wire."""
    made = NodeOpcUa(NODES, certificates, tmp_path, password=password, only_open=True)
    async with started(made) as server, overheard(int(server.url.rpartition(":")[2].strip("/"))) as (port, sent):
        journal = Journal()
        chosen = by_password(f"opc.tcp://127.0.0.1:{port}/", certificates)
        async with running(adapter(chosen, ["state"], plc=password), journal):
            pass
        assert journal.values("state") == [6]
    assert CLIENT_URI.encode() in sent
    assert password.encode() not in sent


async def test_a_server_without_logins_over_an_open_channel_is_named(
    certificates: Certificates, tmp_path: Path
) -> None:
    """A server of policy None alone that offers no encrypted login gets no password, and the remedy is there."""
    server = NodeOpcUa(NODES, certificates, tmp_path, password=PASSWORD, only_open=True, encrypts_logins=False)
    async with started(server):
        with pytest.raises(ControllerMisconfigured, match="allow it there, with the password encrypted"):
            await adapter(by_password(server.url, certificates), ["state"], plc=PASSWORD).run(Journal())


async def test_no_password_in_clear() -> None:
    """A server that takes the password in clear does not get it, and the examination says so beforehand."""
    server = OpcUaServer(
        namespace="urn:test:plc", nodes=NODES, security=Security(policies=("None",), user="op", password=PASSWORD)
    )
    async with started(server):
        controller = OpcUaController.model_validate(
            {"kind": "opcua", "url": server.url, "user": "op", "password_credential": "plc", "security": OPEN}
        )
        with pytest.raises(ControllerMisconfigured, match="in clear"):
            await adapter(controller, ["state"], plc=PASSWORD).run(Journal())
        report = await examine(controller, clock=SystemClock(), secret={"plc": PASSWORD}.__getitem__)
        assert Code.PASSWORD_IN_CLEAR in [finding.code for finding in report.findings]


@pytest.mark.parametrize("policy", ["None", "Basic256Sha256"])
async def test_a_user_with_a_certificate(certificates: Certificates, tmp_path: Path, policy: Policy) -> None:
    """A user logs in by certificate and key, over an open channel as well; without them, or with the wrong key, not."""
    files: dict[str, Any] = {"user_certificate": certificates.other[0], "user_private_key": certificates.other[1]}
    async with started(NodeOpcUa(NODES, certificates, tmp_path, certified_users=True)) as server:
        chosen = settings(server.url, certificates, policy=policy, **files)
        journal = Journal()
        async with running(adapter(chosen, ["state"]), journal):
            pass
        assert journal.values("state") == [6]
        report = await examine(chosen, clock=SystemClock(), secret=str)
        assert [finding for finding in report.findings if finding.stops] == []

        with pytest.raises(AdapterError):
            await adapter(settings(server.url, certificates, policy=policy), ["state"]).run(Journal())
        wrong = settings(
            server.url, certificates, policy=policy, **(files | {"user_private_key": certificates.server[1]})
        )
        with pytest.raises(AdapterError):
            await adapter(wrong, ["state"]).run(Journal())
        report = await examine(wrong, clock=SystemClock(), secret=str)
        assert Code.USER_CERTIFICATE in [finding.code for finding in report.findings]


@pytest.mark.parametrize("policy", ["None", "Basic256Sha256"])
async def test_a_short_security_token_is_renewed(certificates: Certificates, tmp_path: Path, policy: Policy) -> None:
    """A server whose security tokens live for seconds is collected without a gap for longer than two of them."""
    lives_s = promised_s(4.0)
    async with started(NodeOpcUa(NODES, certificates, tmp_path, token_lifetime_ms=round(1000 * lives_s))) as server:
        journal, subject = (
            Journal(),
            adapter(settings(server.url, certificates, policy=policy, keepalive_s=5), ["state"]),
        )
        async with running(subject, journal) as task:
            done, _ = await asyncio.wait({task}, timeout=2.5 * lives_s)
            assert not done
            await server.write("state", 9, source_time=SystemClock().now())
            await journal.until(lambda: 9 in journal.values("state"))
        assert sum(batch.baseline for batch in journal.batches) == 1
        assert DiagnosticCode.TAG_REFUSED not in {diagnostic.code for diagnostic in subject.status().diagnostics}
