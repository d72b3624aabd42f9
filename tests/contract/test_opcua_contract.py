import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opcua_servers import (
    CLIENT_URI,
    SERVER_URI,
    Certificates,
    Journal,
    NodeOpcUa,
    Open62541,
    ServerUnderTest,
    adapter,
    pair_in,
    running,
    settings,
    simulated,
)
from patience import promised_s

from adapters.clock import SystemClock
from adapters.diagnostics import DiagnosticCode
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.opcua.adapter import OpcUaAdapter
from adapters.opcua.client import LeftOpen
from adapters.reading import ControllerId, Quality, TagId
from adapters.settings import OpcUaController, OpcUaTag
from mes.health.controllers import Health
from mes.health.status import controller_status
from simulators.link import Link
from simulators.opcua_server import Node, OpcUaServer, Policy

pytestmark = pytest.mark.timeout(30)

T0 = datetime.now(UTC).replace(microsecond=123000) + timedelta(hours=3)  # later than any server's start
NODES = (
    Node("state", "int32", 6),
    Node("good", "uint32", 100),
    Node("log", "string[]", [""] * 16),
    Node("torque", "float", 1.5),
)
NAMES = ("state", "good", "log", "torque")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    return Certificates(
        server=pair_in(folder / "server", SERVER_URI, days=30),
        client=pair_in(folder / "client", CLIENT_URI, days=90),
        other=pair_in(folder / "other", SERVER_URI, days=30),
    )


@pytest.fixture(
    params=[
        pytest.param(("simulated", "None"), id="simulated-none"),
        pytest.param(("simulated", "Basic256Sha256"), id="simulated-basic256sha256"),
        pytest.param(("node", "None"), id="node-none", marks=pytest.mark.nodeopcua),
        pytest.param(("node", "Basic256Sha256"), id="node-basic256sha256", marks=pytest.mark.nodeopcua),
        pytest.param(("open62541", "None"), id="open62541-none"),
        pytest.param(("open62541", "Basic256Sha256"), id="open62541-basic256sha256"),
    ]
)
def kind(request: pytest.FixtureRequest) -> tuple[str, Policy]:
    chosen: tuple[str, Policy] = request.param
    return chosen


@pytest.fixture
async def server(
    kind: tuple[str, Policy], certificates: Certificates, tmp_path: Path
) -> AsyncIterator[ServerUnderTest]:
    made: ServerUnderTest
    match kind[0]:
        case "simulated":
            made = simulated(NODES, certificates)
        case "node":
            made = NodeOpcUa(NODES, certificates, tmp_path)
        case _:
            made = Open62541(NODES, certificates)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def chosen(kind: tuple[str, Policy], server: ServerUnderTest, certificates: Certificates) -> OpcUaController:
    return settings(server.url, certificates, policy=kind[1])


async def test_baseline_comes_first_and_whole(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """The first batch is the baseline and holds every tag's present value; later ones repeat none of it."""
    await server.write("good", 101, source_time=T0)
    subject, journal = adapter(chosen, NAMES), Journal()
    async with running(subject, journal):
        await journal.until(lambda: len(journal.batches) > 2)
    first = journal.batches[0]
    assert first.baseline
    assert {reading.tag: reading.value for reading in first.readings} | {"torque": 1.5} == {
        "state": 6,
        "good": 101,
        "log": ("",) * 16,
        "torque": 1.5,
    }
    assert not any(batch.baseline or batch.readings for batch in journal.batches[1:])
    (good,) = journal.readings("good")
    assert good.source_time == T0
    assert isinstance(good.value, int)


async def test_change_keeps_its_source_time(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """A change arrives with the controller's own time and our own."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal):
        await server.write("state", 9, source_time=T0)
        await journal.until(lambda: 9 in journal.values("state"))
    change = journal.readings("state")[-1]
    assert change.source_time == T0
    assert change.quality is Quality.GOOD
    assert abs(change.received_time - datetime.now(UTC)) < timedelta(seconds=20)


async def test_changes_keep_their_order(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """Changes of several tags come in the order in which they happened, though servers group them by item."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal):
        for step in range(10):
            at = T0 + timedelta(milliseconds=10 * step)
            await server.write("good" if step % 2 else "state", 200 + step, source_time=at)
        await journal.until(lambda: 209 in journal.values("good"))
    came = [reading.value for batch in journal.batches[1:] for reading in batch.readings]
    assert came == [200 + step for step in range(10)]


async def test_a_session_left_behind_is_closed_by_the_next_connection(
    chosen: OpcUaController, server: ServerUnderTest
) -> None:
    """Three lost connections leave no session behind but the last one's, though each server keeps them for a minute."""
    link, left = Link(int(chosen.first_url.rstrip("/").rpartition(":")[2])), LeftOpen()
    await link.start()
    through = chosen.at(f"opc.tcp://127.0.0.1:{link.port}/")
    tokens = []
    for _ in range(3):
        journal = Journal()
        async with running(adapter(through, NAMES, left), journal) as task:
            assert left.session is not None
            tokens.append(left.session.token)
            assert journal.batches[0].baseline
            await link.cut()
            with pytest.raises(ControllerUnavailable):
                await task
        await link.heal()
    await link.stop()
    assert len(set(tokens)) == 3
    assert isinstance(server, NodeOpcUa | OpcUaServer | Open62541)
    assert (server.sessions() if isinstance(server, OpcUaServer) else await server.sessions()) == 1


async def test_bad_quality_has_no_value(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """A bad value is a reading without a value, never a zero."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal):
        await server.write("good", 0, source_time=T0, quality="bad")
        await journal.until(lambda: None in journal.values("good"))
        await server.write("good", 103, source_time=T0 + timedelta(seconds=1), quality="uncertain")
        await journal.until(lambda: 103 in journal.values("good"))
    bad, uncertain = journal.readings("good")[1:]
    assert (bad.quality, bad.value) == (Quality.BAD, None)
    assert uncertain.quality is Quality.UNCERTAIN


async def test_string_array_is_a_tuple(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """The record of units arrives whole, as a tuple of texts."""
    log = ["00016;G;1772420400.123;S3;LJ12EKR24T1000016", *[""] * 15]
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal):
        await server.write("log", log, source_time=T0)
        await journal.until(lambda: tuple(log) in journal.values("log"))


async def test_an_unprotected_connection_says_so_for_health(
    kind: tuple[str, Policy], chosen: OpcUaController, server: ServerUnderTest
) -> None:
    """While policy None is in use, and only then, a diagnostic has the code by which health knows it."""
    subject, journal = adapter(chosen, NAMES), Journal()
    async with running(subject, journal):
        said = [
            diagnostic
            for diagnostic in subject.status().diagnostics
            if diagnostic.code is DiagnosticCode.INSECURE_CONNECTION
        ]
        health = Health(SystemClock())
        health.connecting(ControllerId("plc"), subject)
        (known,) = health.snapshot()
    assert len(said) == (kind[1] == "None")
    assert controller_status(known).insecure == (kind[1] == "None")


async def test_lost_server_is_unavailable(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """A server that goes away ends the connection with ControllerUnavailable, and a fresh adapter sees a new one."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal) as task:
        await server.stop()
        with pytest.raises(ControllerUnavailable):
            await task
    await server.start()
    again = Journal()
    moved = chosen.at(server.url)
    async with running(adapter(moved, NAMES), again):
        assert again.batches[0].baseline


async def test_unknown_node_does_not_hinder_the_others(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """A tag that the server does not know is named and counted; the others deliver."""
    subject, journal = adapter(chosen, (*NAMES, "nowhere")), Journal()
    async with running(subject, journal):
        await server.write("good", 7, source_time=T0)
        await journal.until(lambda: 7 in journal.values("good"))
        status = subject.status()
    assert (status.items_configured, status.items_active) == (5, 4)
    assert any("nowhere" in note for note in status.diagnostic_texts)
    (nowhere,) = journal.readings("nowhere")
    assert nowhere.quality is Quality.BAD


async def test_quiet_server_is_seen_alive(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """Keep-alives give empty batches: seen alive, nothing new."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal) as task:
        await journal.until(lambda: len(journal.batches) > 4)
        assert not task.done()
    assert all(not batch.readings for batch in journal.batches[1:])


async def test_poll_mode_gives_the_same(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """Mode "poll" emits a baseline, then changed values only, and an empty batch each cycle."""
    polled = chosen.model_copy(update={"mode": "poll"})
    journal = Journal()
    async with running(adapter(polled, NAMES), journal):
        await server.write("good", 8, source_time=T0)
        await journal.until(lambda: 8 in journal.values("good"))
        count = len(journal.batches)
        await journal.until(lambda: len(journal.batches) > count + 2)
    assert journal.batches[0].baseline
    assert len(journal.batches[0].readings) == len(NAMES)
    assert [reading.value for batch in journal.batches[1:] for reading in batch.readings] == [8]


async def test_cancel_is_quick(chosen: OpcUaController, server: ServerUnderTest) -> None:
    """A cancelled adapter is gone within two seconds and a half."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal) as task:
        before_s = asyncio.get_running_loop().time()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert asyncio.get_running_loop().time() - before_s < promised_s(2.5)


async def test_other_certificate_is_refused(
    kind: tuple[str, Policy], server: ServerUnderTest, certificates: Certificates
) -> None:
    """A server that shows another certificate than the pinned one gets no session from us."""
    policy: Policy = "Basic256Sha256"
    pinned = Certificates(server=certificates.other, client=certificates.client, other=certificates.server)
    with pytest.raises(ControllerMisconfigured, match="another certificate"):
        await adapter(settings(server.url, pinned, policy=policy), NAMES).run(Journal())


async def test_trust_folder_decides(
    kind: tuple[str, Policy], server: ServerUnderTest, certificates: Certificates, tmp_path: Path
) -> None:
    """With a trust folder, a server whose certificate lies in it is served, and no other."""
    chosen = settings(server.url, certificates, policy="Basic256Sha256")
    folder = tmp_path / "trusted"
    folder.mkdir()
    security = chosen.security.model_copy(update={"server_certificate": None, "trust_folder": folder})
    trusting = chosen.model_copy(update={"security": security})
    with pytest.raises(ControllerMisconfigured, match="no certificate can be read"):
        await adapter(trusting, NAMES).run(Journal())
    shutil.copy(certificates.other[0], folder / "other.pem")
    with pytest.raises(ControllerMisconfigured, match="not trusted"):
        await adapter(trusting, NAMES).run(Journal())
    shutil.copy(certificates.server[0], folder / "server.pem")
    journal = Journal()
    async with running(adapter(trusting, NAMES), journal):
        assert journal.batches[0].baseline


async def test_missing_namespace_is_no_crash(chosen: OpcUaController) -> None:
    """A namespace that the server does not have now leaves its tags refused, and the connection alive."""
    tags = {TagId("there"): OpcUaTag(node="i=2258"), TagId("gone"): OpcUaTag(node="nsu=urn:gone;s=a")}
    subject = OpcUaAdapter(ControllerId("plc"), chosen, tags, clock=SystemClock(), secret=str)
    journal = Journal()
    async with running(subject, journal):
        await journal.until(lambda: len(journal.batches) > 1)
        assert any("gone is refused (its namespace is missing)" in note for note in subject.status().diagnostic_texts)


@pytest.mark.parametrize("node", ["ns=2;s=a", "state"])
def test_bad_address_is_misconfigured(certificates: Certificates, node: str) -> None:
    """An address by namespace index, or none at all, is refused before any connection."""
    chosen = settings("opc.tcp://127.0.0.1:9/", certificates)
    with pytest.raises(ControllerMisconfigured, match="tag a"):
        OpcUaAdapter(ControllerId("plc"), chosen, {TagId("a"): OpcUaTag(node=node)}, clock=SystemClock(), secret=str)


async def test_nothing_listens(certificates: Certificates) -> None:
    """Where nothing listens the adapter says unavailable."""
    with pytest.raises(ControllerUnavailable):
        await adapter(settings("opc.tcp://127.0.0.1:9/", certificates), NAMES).run(Journal())
