"""Limits and deleted nodes of an independent server, node-opcua."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from opcua_servers import Certificates, Journal, NodeOpcUa, adapter, certificates_in, running, settings

from adapters.reading import Quality
from simulators.opcua_server import Node

pytestmark = [pytest.mark.timeout(60), pytest.mark.nodeopcua]

NODES = tuple(Node(f"n{number}", "int32", number) for number in range(9))
NAMES = tuple(node.name for node in NODES)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize(("subscriptions", "polled"), [(5, 0), (1, 5)])
async def test_nine_tags_where_a_subscription_holds_four(
    certificates: Certificates, tmp_path: Path, subscriptions: int, polled: int
) -> None:
    """Each tag follows its controller, in further subscriptions as far as there are any, else by reading."""
    server = NodeOpcUa(NODES, certificates, tmp_path, items_per_subscription=4, subscriptions=subscriptions)
    await server.start()
    subject, journal = adapter(settings(server.url, certificates), NAMES), Journal()
    async with running(subject, journal) as task:
        for name in NAMES:
            await server.write(name, 100, source_time=datetime.now(UTC))
        await journal.until(lambda: all(100 in journal.values(name) for name in NAMES))
        status = subject.status()
        assert not task.done()
    await server.stop()
    assert status.items_active == len(NAMES)
    assert (
        sum(len(diagnostic.tags) for diagnostic in status.diagnostics if "does not monitor" in diagnostic.text)
        == polled
    )


async def test_deleted_nodes_are_no_active_items(certificates: Certificates, tmp_path: Path) -> None:
    """Two nodes are deleted while we watch: bad, named, and no longer counted as active."""
    server = NodeOpcUa(NODES, certificates, tmp_path)
    await server.start()
    subject, journal = adapter(settings(server.url, certificates, audit_interval_s=0.5), NAMES), Journal()
    async with running(subject, journal):
        await server.delete("n3")
        await server.delete("n5")
        while subject.status().items_active != len(NAMES) - 2:
            await asyncio.sleep(0.05)
        await journal.until(lambda: all(journal.readings(name)[-1].quality is Quality.BAD for name in ("n3", "n5")))
        named = {
            tag
            for diagnostic in subject.status().diagnostics
            for tag in diagnostic.tags
            if "is refused" in diagnostic.text
        }
    await server.stop()
    assert named == {"n3", "n5"}
