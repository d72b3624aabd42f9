"""Servers that do not monitor a tag, or say nothing of what became of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from opcua_servers import NAMESPACE, SERVER_URI, Certificates, Journal, adapter, running, settings
from patience import limit_s

from adapters.clock import SystemClock
from adapters.diagnostics import DiagnosticCode
from adapters.errors import ControllerUnavailable
from adapters.opcua.adapter import OpcUaAdapter
from adapters.opcua.client import LeftOpen
from adapters.reading import ControllerId, GapCause, Quality, Reading, TagId
from adapters.settings import Heartbeat, OpcUaController, OpcUaTag
from simulators.opcua_server import Limits, Node, OpcUaServer

pytestmark = pytest.mark.timeout(60)

NODES = (*(Node(f"n{number}", "int32", number) for number in range(7)), Node("state", "int32", 1))
NAMES = tuple(node.name for node in NODES)
NOWHERE = Certificates(server=(), client=(), other=())  # type: ignore[arg-type]  # no connection here is protected


@pytest.fixture
async def server() -> AsyncIterator[OpcUaServer]:
    made = OpcUaServer(namespace=NAMESPACE, nodes=NODES, limits=Limits(), application_uri=SERVER_URI)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def chosen(server: OpcUaServer) -> OpcUaController:
    return settings(server.url, NOWHERE, audit_interval_s=0.5)


async def write(server: OpcUaServer, name: str, value: int) -> datetime:
    """The server's program sets a variable now; says when."""
    now = datetime.now(UTC)
    await server.write(name, value, source_time=now)
    return now


async def eventually(holds: Callable[[], bool]) -> None:
    """Waits for something that only the server's or the adapter's side shows."""
    while not holds():
        await asyncio.sleep(0.02)


def last(journal: Journal, tag: str) -> Reading:
    """The last reading of a tag."""
    return journal.readings(tag)[-1]


@pytest.mark.parametrize(
    ("items", "subscriptions", "polled"),
    [
        pytest.param(3, 5, 0, id="further subscriptions hold all"),
        pytest.param(7, 1, 1, id="one of eight refused"),
        pytest.param(1, 1, 7, id="seven of eight refused"),
        pytest.param(0, 5, 8, id="all refused"),
        pytest.param(3, 2, 2, id="two subscriptions hold six"),
    ],
)
async def test_what_is_not_monitored_is_collected_nevertheless(
    chosen: OpcUaController, server: OpcUaServer, items: int, subscriptions: int, polled: int
) -> None:
    """Each tag follows its controller, however few the server monitors; which of them are read is said by name."""
    server.faults.max_items_per_subscription, server.faults.max_subscriptions = items, subscriptions
    subject, journal = adapter(chosen, NAMES), Journal()
    async with running(subject, journal) as task:
        for lap in (100, 200):
            for number, name in enumerate(NAMES):
                await write(server, name, lap + number)
            wanted = [lap + number for number in range(len(NAMES))]
            await journal.until(lambda: [last(journal, name).value for name in NAMES] == wanted)  # noqa: B023  # awaited here
        status = subject.status()
        assert not task.done()
    assert status.items_active == len(NAMES)
    told = [
        diagnostic for diagnostic in status.diagnostics if "(BadTooManyMonitoredItems): read at each" in diagnostic.text
    ]
    assert sum(len(diagnostic.tags) for diagnostic in told) == polled
    assert all(reading.quality is Quality.GOOD for name in NAMES for reading in journal.readings(name))


async def test_readings_of_one_scan_stay_together(chosen: OpcUaController, server: OpcUaServer) -> None:
    """What the controller changed in one scan comes in one batch, in order, though it is monitored in many places."""
    server.faults.max_items_per_subscription, server.faults.max_subscriptions = 3, 2
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal):
        for lap in range(1, 11):
            now = datetime.now(UTC)
            for name in NAMES:
                await server.write(name, 1000 * lap, source_time=now)
            await asyncio.sleep(0.13)
        await journal.until(lambda: all(last(journal, name).value == 10_000 for name in NAMES))
    laps = [[int(str(reading.value)) for reading in batch.readings] for batch in journal.batches[1:]]
    first = {lap: min(place for place, values in enumerate(laps) if lap in values) for lap in range(1000, 11_000, 1000)}
    whole = [lap for lap in first if sum(lap in values for values in laps) == 1]
    assert len(whole) > len(first) / 2, "only a busy computer may part what one scan showed"
    flat = [value for values in laps for value in values]
    assert flat == sorted(flat), "a later scan came before an earlier one"
    assert sorted(first.values()) == list(first.values())


async def test_room_that_appears_is_used(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A tag that is read instead is monitored once the server has room for it."""
    server.faults.max_items_per_subscription, server.faults.max_subscriptions = 7, 1
    subject = adapter(chosen, NAMES)
    async with running(subject, Journal()):
        assert any("BadTooManyMonitoredItems" in note for note in subject.status().diagnostic_texts)
        server.faults.max_items_per_subscription = None
        await eventually(
            lambda: not any("BadTooManyMonitoredItems" in note for note in subject.status().diagnostic_texts)
        )
        assert subject.status().items_active == len(NAMES)


async def test_a_node_that_is_deleted_in_silence_is_noticed(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A node that goes while the server says nothing of it is bad and counted as missing; it comes back by itself."""
    subject, journal = adapter(chosen, NAMES), Journal()
    async with running(subject, journal) as task:
        server.faults.refused_nodes.update({"n1", "n2"})
        await eventually(lambda: subject.status().items_active == len(NAMES) - 2)
        assert any("n1 is refused (BadNodeIdUnknown)" in note for note in subject.status().diagnostic_texts)
        await journal.until(lambda: last(journal, "n1").quality is Quality.BAD)
        server.faults.refused_nodes.clear()
        await eventually(lambda: subject.status().items_active == len(NAMES))
        await journal.until(lambda: last(journal, "n1").value == 1)
        assert not task.done()


async def test_notifications_that_never_came_are_noticed(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A value that stays changed and is not notified ends the connection; a tag that is lost twice is read instead."""
    journal, left = Journal(), LeftOpen()
    server.faults.muted_nodes.add("n3")
    value = 50
    for _ in range(2):
        async with running(adapter(chosen, NAMES, left), journal) as task:
            while not task.done():
                value += 1
                written = await write(server, "n3", value)
                await asyncio.wait({task}, timeout=limit_s(1.5))
            with pytest.raises(ControllerUnavailable, match=f"n3 reads {value}") as raised:
                task.result()
        assert raised.value.cause is GapCause.OVERFLOW
        assert raised.value.blind_since is not None
        assert raised.value.blind_since < written
    async with running(adapter(chosen, NAMES, left), journal):
        await write(server, "n3", 7)
        await journal.until(lambda: last(journal, "n3").value == 7)


async def test_a_change_that_looks_older_than_the_baseline_is_not_lost(
    chosen: OpcUaController, server: OpcUaServer
) -> None:
    """Reads stamped ahead of samples: what changed just after the baseline and stays is known once it has settled."""
    server.faults.reads_ahead = timedelta(seconds=1.5)
    await write(server, "state", 1)
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal) as task:
        await asyncio.sleep(0.3)
        changed = await write(server, "state", 4)
        await journal.until(lambda: last(journal, "state").value == 4)
        assert not task.done()
    assert last(journal, "state").source_time == changed


async def test_a_value_that_is_none_that_we_read_is_named(chosen: OpcUaController) -> None:
    """A structure and a list where a plain value is read: bad, and a sentence with the tag's name and the remedy."""
    tags = {TagId("struct"): OpcUaTag(node="i=2256"), TagId("list"): OpcUaTag(node="i=2255", single=True)}
    tags[TagId("n1")] = OpcUaTag(node=f"nsu={NAMESPACE};s=n1")
    subject = OpcUaAdapter(ControllerId("plc"), chosen, tags, clock=SystemClock(), secret=str)
    journal = Journal()
    async with running(subject, journal):
        said = [
            diagnostic
            for diagnostic in subject.status().diagnostics
            if diagnostic.code is DiagnosticCode.VALUE_UNREADABLE
        ]
    assert {diagnostic.tags for diagnostic in said} == {("struct",), ("list",)}
    assert {diagnostic.text.partition(" sends ")[2].partition(",")[0] for diagnostic in said} == {
        "a structure",
        "a list",
    }
    assert all(diagnostic.remedy for diagnostic in said)
    assert [last(journal, tag).quality for tag in ("struct", "list", "n1")] == [Quality.BAD, Quality.BAD, Quality.GOOD]


async def test_a_heartbeat_that_was_never_read_is_named(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A heartbeat that the server does not have is named as never read, not only as standing still."""
    server.faults.refused_nodes.add("n6")
    heart = chosen.model_copy(update={"heartbeat": Heartbeat(tag=TagId("n6"), max_age_s=3.0)})
    subject = adapter(heart, NAMES)
    task = asyncio.create_task(subject.run(Journal()))
    never = DiagnosticCode.HEARTBEAT_NEVER_READ
    await eventually(
        lambda: any(diagnostic.code is never and "n6" in diagnostic.text for diagnostic in subject.status().diagnostics)
    )
    with pytest.raises(ControllerUnavailable, match="n6 was never read"):
        await task
