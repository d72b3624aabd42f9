from pathlib import Path

import pytest
from opcua_servers import (
    NAMESPACE,
    Certificates,
    Journal,
    NodeOpcUa,
    ServerUnderTest,
    certificates_in,
    running,
    settings,
    simulated,
)

from adapters.clock import SystemClock
from adapters.diagnostics import DiagnosticCode
from adapters.opcua.adapter import OpcUaAdapter
from adapters.reading import ControllerId, TagId
from adapters.settings import OpcUaController, OpcUaTag
from simulators.opcua_server import Limits, Node

pytestmark = pytest.mark.timeout(60)

NODES = (Node("state", "int32", 6), Node("good", "uint32", 100), Node("oven", "float", 20.5))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


def subject(controller: OpcUaController) -> OpcUaAdapter:
    tags = {TagId(node.name): OpcUaTag(node=f"nsu={NAMESPACE};s={node.name}") for node in NODES}
    slow = {"publish_interval_ms": 900, "sampling_interval_ms": 400}
    tags[TagId("oven")] = tags[TagId("oven")].model_copy(update=slow)
    return OpcUaAdapter(ControllerId("plc"), controller, tags, clock=SystemClock(), secret=str)


def limits_of(adapter: OpcUaAdapter) -> list[str]:
    """What it says of the server's limits."""
    return [
        diagnostic.text
        for diagnostic in adapter.status().diagnostics
        if diagnostic.code is DiagnosticCode.SERVER_LIMITS
    ]


async def changes_are_collected(adapter: OpcUaAdapter, server: ServerUnderTest) -> list[str]:
    """Changes every value, waits for all, and says which limits of the server were named."""
    journal = Journal()
    async with running(adapter, journal) as task:
        for number in range(1, 6):
            await server.write("oven", 20.5 + number, source_time=SystemClock().now())
            await server.write("good", 100 + number, source_time=SystemClock().now())
        await journal.until(lambda: 25.5 in journal.values("oven") and 105 in journal.values("good"))
        said = limits_of(adapter)
        assert adapter.status().items_active == len(NODES)
        assert not task.done()
    return said


async def test_a_tag_has_intervals_of_its_own(certificates: Certificates) -> None:
    """Each publishing interval is a subscription; the server is asked to look at a tag as often as the tag says."""
    server = simulated(NODES, certificates, limits=Limits(min_sampling_ms=200))
    await server.start()
    adapter, journal = subject(settings(server.url, certificates, sampling_interval_ms=100)), Journal()
    try:
        async with running(adapter, journal):
            assert server._services is not None
            present = server._services.subscriptions.present()
            assert {subscription.data.RevisedPublishingInterval for subscription in present} == {50, 900}
            assert limits_of(adapter) == ["the server samples 2 tags only every 200 ms, not 100 ms"]
        await changes_are_collected(subject(settings(server.url, certificates)), server)
    finally:
        await server.stop()


@pytest.mark.nodeopcua
@pytest.mark.parametrize("subscriptions", [None, 1])
async def test_another_stack_with_or_without_room(
    certificates: Certificates, tmp_path: Path, subscriptions: int | None
) -> None:
    """Where the server has one subscription only, slow tags are in that one, and a sentence says so."""
    server = NodeOpcUa(NODES, certificates, tmp_path, subscriptions=subscriptions)
    await server.start()
    try:
        said = await changes_are_collected(subject(settings(server.url, certificates)), server)
    finally:
        await server.stop()
    expected = ["the server has no further subscription for 1 tags of 900 ms"] if subscriptions else []
    assert [text for text in said if "further" in text] == expected
