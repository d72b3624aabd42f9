from pathlib import Path

import pytest
from opcua_servers import (
    Certificates,
    Journal,
    NodeOpcUa,
    adapter,
    certificates_in,
    running,
    settings,
    simulated,
)

from adapters.clock import SystemClock
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.opcua.client import LeftOpen
from simulators.opcua_server import Node

pytestmark = [pytest.mark.timeout(60), pytest.mark.nodeopcua]

NODES = (Node("state", "int32", 6),)
NOWHERE = "opc.tcp://127.0.0.1:9/"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


async def test_the_other_server_takes_over(certificates: Certificates, tmp_path: Path) -> None:
    """When one of two servers fails the next connection is to the other, and back; the error says which is next."""
    first, second = simulated(NODES, certificates), NodeOpcUa(NODES, certificates, tmp_path)
    await first.start()
    await second.start()
    left, now = LeftOpen(), SystemClock().now()
    chosen = settings(first.url, certificates).model_copy(update={"url": (first.url, second.url)})
    try:
        await first.write("state", 1, source_time=now)
        await second.write("state", 2, source_time=now)
        journal = Journal()
        async with running(adapter(chosen, ["state"], left), journal) as task:
            assert journal.values("state") == [1]
            await first.power_off()
            with pytest.raises(ControllerUnavailable) as raised:
                await task
        assert raised.value.detail.startswith(f"{first.url}: ")
        assert raised.value.detail.endswith(f"; {second.url} is tried next")

        journal = Journal()
        async with running(adapter(chosen, ["state"], left), journal) as task:
            assert journal.values("state") == [2]
            await first.power_on()
            await second.stop()
            with pytest.raises(ControllerUnavailable, match="is tried next"):
                await task
        journal = Journal()
        async with running(adapter(chosen, ["state"], left), journal):
            assert journal.values("state") == [1]
    finally:
        await first.stop()
        await second.stop()


async def test_a_server_without_data_is_passed_over(certificates: Certificates) -> None:
    """A redundant server that answers and says by its ServiceLevel that it has no data counts as failed."""
    server = simulated(NODES, certificates)
    await server.start()
    assert server._server is not None
    level = server._server.get_node("i=2267")
    chosen = settings(server.url, certificates).model_copy(update={"url": (server.url, NOWHERE)})
    try:
        kind = (await level.read_data_value()).Value
        assert kind is not None
        await level.write_value(1, kind.VariantType)
        with pytest.raises(ControllerUnavailable, match="no data now"):
            await adapter(chosen, ["state"]).run(Journal())
        await level.write_value(255, kind.VariantType)
        journal = Journal()
        async with running(adapter(chosen, ["state"]), journal):
            assert journal.values("state") == [6]
    finally:
        await server.stop()


async def test_only_the_refusal_of_all_parks(certificates: Certificates, tmp_path: Path) -> None:
    """A server that refuses us for good is passed over too; the controller is misconfigured once all have refused."""
    servers = [NodeOpcUa(NODES, certificates, tmp_path / name, password="right") for name in "ab"]
    for server in servers:
        await server.start()
    left = LeftOpen()
    chosen = settings(servers[0].url, certificates, policy="Basic256Sha256", user="op", password_credential="plc")
    chosen = chosen.model_copy(update={"url": tuple(server.url for server in servers)})
    try:
        with pytest.raises(ControllerUnavailable, match="is tried next"):
            await adapter(chosen, ["state"], left, plc="wrong").run(Journal())
        with pytest.raises(ControllerMisconfigured):
            await adapter(chosen, ["state"], left, plc="wrong").run(Journal())
        async with running(adapter(chosen, ["state"], left, plc="right"), Journal()):
            assert left.refusing == set()
    finally:
        for server in servers:
            await server.stop()
