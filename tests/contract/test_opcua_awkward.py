import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opcua_servers import (
    NAMESPACE,
    SERVER_URI,
    Certificates,
    Journal,
    adapter,
    certificates_in,
    running,
    settings,
)
from patience import eventually, promised_s

from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.opcua.values import InSequence
from adapters.reading import Batch, GapCause, TagId
from adapters.settings import Heartbeat, OpcUaController
from simulators.opcua_server import Limits, Node, OpcUaServer, Security

pytestmark = pytest.mark.timeout(30)

T0 = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NODES = (*(Node(f"n{number}", "int32", number) for number in range(7)), Node("beat", "uint32", 1))
NAMES = tuple(node.name for node in NODES)
SMALL = Limits(sessions=2, max_items_per_call=3, min_sampling_ms=125.0, max_queue=5, min_publish_ms=80.0)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def server(certificates: Certificates) -> AsyncIterator[OpcUaServer]:
    made = OpcUaServer(namespace=NAMESPACE, nodes=NODES, limits=SMALL)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def chosen(server: OpcUaServer, certificates: Certificates) -> OpcUaController:
    return settings(server.url, certificates)


async def write(server: OpcUaServer, name: str, value: int, *, second: int = 0) -> None:
    await server.write(name, value, source_time=T0 + timedelta(seconds=second))


async def test_small_limits_are_kept(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A server that takes three items a call, and revises what it is asked for, is served, and that is said."""
    subject, journal = adapter(chosen, NAMES), Journal()
    async with running(subject, journal):
        status = subject.status()
    assert len(journal.batches[0].readings) == len(NAMES)
    assert status.items_active == len(NAMES)
    assert any("keeps only 5 values" in note for note in status.diagnostic_texts)
    assert any("every 125 ms" in note for note in status.diagnostic_texts)
    assert any("publishes every 80 ms" in note for note in status.diagnostic_texts)


async def test_acknowledged_after_commit(chosen: OpcUaController, server: OpcUaServer) -> None:
    """While the journal has not committed, the controller is not told that we have the data."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal):
        await eventually(lambda: bool(server.faults.acknowledged))
        journal.held = True
        await write(server, "n0", 50)
        await journal.until(lambda: 50 in journal.values("n0"))
        await asyncio.sleep(0.3)
        held = server.unacknowledged()
        before = len(server.faults.acknowledged)
    assert len(held) == 1
    assert len(server.faults.acknowledged) == before


async def test_slow_commit_throttles_nothing(chosen: OpcUaController, server: OpcUaServer) -> None:
    """With commits of 300 ms the controller goes on publishing every 100 ms, and nothing is lost or changes order."""
    batches: list[Batch] = []

    async def slow(batch: Batch, /) -> None:
        batches.append(batch)
        await asyncio.sleep(0.3)

    every_100_ms = chosen.model_copy(update={"publish_interval_ms": 100})
    task = asyncio.create_task(adapter(every_100_ms, NAMES).run(slow))
    await eventually(lambda: bool(server.faults.acknowledged))
    before = max([*server.unacknowledged(), *(number for _, number in server.faults.acknowledged)])
    began, began_s = len(batches), time.monotonic()
    for step in range(60):
        await write(server, "n1", 1000 + step, second=step)
        await asyncio.sleep(0.05)
    published = max([*server.unacknowledged(), *(number for _, number in server.faults.acknowledged)]) - before
    committed, lasted_s = len(batches) - began, time.monotonic() - began_s
    await eventually(lambda: bool(batches[-1].readings) and batches[-1].readings[-1].value == 1059)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert published >= 20, "one publish each 100 ms of three seconds, less what a busy machine takes"
    assert committed <= lasted_s / 0.3 + 1
    came = [
        reading.value for batch in batches for reading in batch.readings if reading.tag == "n1" and not batch.baseline
    ]
    assert came == [1000 + step for step in range(60)]


async def test_none_is_acknowledged_before_its_commit(chosen: OpcUaController, server: OpcUaServer) -> None:
    """While one commit lasts the controller publishes on, up to a bound, and gets no acknowledgement of any of it."""
    gate, held = asyncio.Event(), asyncio.Event()
    batches: list[Batch] = []

    async def emit(batch: Batch, /) -> None:
        batches.append(batch)
        if any(reading.value == 50 for reading in batch.readings):
            held.set()
            await gate.wait()

    task = asyncio.create_task(adapter(chosen, NAMES).run(emit))
    await eventually(lambda: bool(server.faults.acknowledged))
    await write(server, "n0", 50)
    await held.wait()
    before = list(server.faults.acknowledged)
    for step in range(12):
        await write(server, "n0", 51 + step, second=1 + step)
        await asyncio.sleep(0.1)
    await eventually(lambda: len(server.unacknowledged()) >= 5)
    waiting = server.unacknowledged()
    assert server.faults.acknowledged == before
    assert 5 <= len(waiting) <= 11, "ten that we hold, and one that the server could not send yet"
    gate.set()
    await eventually(lambda: {number for _, number in server.faults.acknowledged} >= set(waiting))
    await eventually(lambda: any(reading.value == 62 for batch in batches for reading in batch.readings))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    came = [
        reading.value for batch in batches for reading in batch.readings if reading.tag == "n0" and not batch.baseline
    ]
    assert came == list(range(50, 63))


def test_overtaken_notifications_come_in_order() -> None:
    """Answers that overtook each other are put in order by number, over the wrap too; a missing one is named."""
    sequence = InSequence[str]()
    assert sequence.put(2**32 - 2, "a") == ["a"]
    assert sequence.put(1, "c") == []
    assert sequence.missing == 2**32 - 1
    assert sequence.put(2**32 - 1, "b") == ["b", "c"]
    assert sequence.missing is None


async def test_failing_journal_is_never_acknowledged(chosen: OpcUaController, server: OpcUaServer) -> None:
    """An emit that raises ends the connection with its own error, and what it was given stays unacknowledged."""

    class Full(Exception):
        pass

    async def emit(batch: Batch, /) -> None:
        if any(reading.value == 51 for reading in batch.readings if not batch.baseline):
            raise Full
        if batch.baseline:
            await write(server, "n0", 51)

    with pytest.raises(Full):
        await adapter(chosen, NAMES).run(emit)
    assert [number for _, number in server.faults.acknowledged if number > 1] == []


async def test_refused_node_is_tried_again(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A node that is not there yet becomes active when it comes, without a new connection."""
    server.faults.refused_nodes.add("n3")
    subject, journal = adapter(chosen, NAMES), Journal()
    async with running(subject, journal) as task:
        assert subject.status().items_active == len(NAMES) - 1
        server.faults.refused_nodes.clear()
        await journal.until(lambda: 3 in journal.values("n3"))
        assert subject.status().items_active == len(NAMES)
        assert subject.status().diagnostic_texts == tuple(
            note for note in subject.status().diagnostic_texts if "n3" not in note
        )
        assert not task.done()


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_no_node_at_all_is_unavailable(chosen: OpcUaController, server: OpcUaServer, mode: str) -> None:
    """A server that knows none of the tags has not loaded its program: no silent connection without items."""
    server.faults.refused_nodes.update(NAMES)
    with pytest.raises(ControllerUnavailable, match="none of the configured tags"):
        await adapter(chosen.model_copy(update={"mode": mode}), NAMES).run(Journal())


async def test_overflow_is_flagged(chosen: OpcUaController, server: OpcUaServer) -> None:
    """Where the controller's queue dropped values, the reading after the hole says so, and no other."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal):
        await eventually(lambda: bool(server.faults.acknowledged))
        for step in range(20):
            await write(server, "n1", 100 + step, second=step)
        await journal.until(lambda: 119 in journal.values("n1"))
    last = journal.readings("n1")[-5:]
    assert [reading.value for reading in last] == [115, 116, 117, 118, 119]
    assert [reading.overflow for reading in last] == [True, False, False, False, False]


async def test_lost_notification_ends_the_connection(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A gap in the sequence numbers is a gap in what we know: the next connection's baseline heals it."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal) as task:
        await eventually(lambda: bool(server.faults.acknowledged))
        server.lose_notification()
        await write(server, "n1", 9)
        with pytest.raises(ControllerUnavailable) as raised:
            await task
    assert raised.value.cause is GapCause.OVERFLOW
    assert raised.value.blind_since == journal.batches[-1].received_time


async def test_a_lost_answer_is_asked_for_again(chosen: OpcUaController, server: OpcUaServer) -> None:
    """Notifications that never arrive and that the server still has are collected in order, without a gap."""
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal) as task:
        await eventually(lambda: bool(server.faults.acknowledged))
        server.faults.lose_answers = 2
        for value in (8, 9):
            await write(server, "n1", value)
            left = 2 - (value - 7)
            await eventually(lambda left=left: server.faults.lose_answers == left)
        await write(server, "n1", 10)
        await journal.until(lambda: 10 in journal.values("n1"))
        assert not task.done()
        await eventually(lambda: server.unacknowledged() == [])
    assert journal.values("n1")[-3:] == [8, 9, 10]
    assert sum(batch.baseline for batch in journal.batches) == 1


async def test_ended_subscription_ends_the_connection(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A subscription that the server ends is a lost connection, not silence."""
    async with running(adapter(chosen, NAMES), Journal()) as task:
        await server.end_subscriptions()
        with pytest.raises(ControllerUnavailable, match="ended the subscription"):
            await task


async def test_an_empty_answer_is_no_sign_of_life(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A publish request that a server answers for no subscription ends the connection, for that one is gone there."""
    async with running(adapter(chosen, NAMES), Journal()) as task:
        await eventually(lambda: bool(server.faults.acknowledged))
        await server.answer_nothing()
        with pytest.raises(ControllerUnavailable, match="an answer for subscription 0"):
            await task


async def test_refused_subscription_is_unavailable(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A server without room for a subscription is tried again; its session is closed before."""
    server.faults.refuse_subscriptions = 1
    with pytest.raises(ControllerUnavailable, match="creating the subscription"):
        await adapter(chosen, NAMES).run(Journal())
    assert server.sessions() == 0


async def test_session_is_closed(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A cancelled adapter leaves neither session nor subscription behind: controllers have room for few."""
    async with running(adapter(chosen, NAMES), Journal()):
        assert (server.sessions(), server.subscriptions()) == (1, 1)
    assert (server.sessions(), server.subscriptions()) == (0, 0)


async def test_full_server_is_unavailable(chosen: OpcUaController, server: OpcUaServer) -> None:
    """One session too many is refused at once and tried again later."""
    async with running(adapter(chosen, NAMES), Journal()), running(adapter(chosen, NAMES), Journal()):
        with pytest.raises(ControllerUnavailable, match="BadTooManySessions"):
            await adapter(chosen, NAMES).run(Journal())


async def test_restart_moves_the_namespace(chosen: OpcUaController, server: OpcUaServer) -> None:
    """After a restart the namespace has another index: the fresh adapter reads the same nodes."""
    journal = Journal()
    index = server.namespace_index
    async with running(adapter(chosen, NAMES), journal) as task:
        await write(server, "n2", 77)
        await server.restart(down_s=0.1)
        with pytest.raises(ControllerUnavailable):
            await task
    assert server.namespace_index != index
    again = Journal()
    async with running(adapter(chosen, NAMES), again):
        assert again.values("n2") == [77]


async def test_what_is_written_while_it_comes_up_is_shown(chosen: OpcUaController, server: OpcUaServer) -> None:
    """Whoever connects after a restart never reads a value from before it that has changed since."""
    await server.power_off()
    coming = asyncio.create_task(server.power_on())
    written = 100
    while not coming.done():
        written += 1
        await write(server, "n0", written)
        await asyncio.sleep(0)
    assert written > 101, "the server never let go while it came up"
    journal = Journal()
    async with running(adapter(chosen, NAMES), journal):
        assert journal.values("n0") == [written]


async def test_stuck_heartbeat(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A server that answers while its program stands still is found out; we are blind since the last beat."""
    heart = chosen.model_copy(update={"heartbeat": Heartbeat(tag=TagId("beat"), max_age_s=3)})
    journal = Journal()
    task = asyncio.create_task(adapter(heart, NAMES).run(journal))
    for beat in range(2, 8):
        await asyncio.sleep(0.1)
        await write(server, "beat", beat, second=beat)
    with pytest.raises(ControllerUnavailable) as raised:
        await task
    assert raised.value.cause is GapCause.STUCK
    last = next(batch for batch in journal.batches if 7 in [reading.value for reading in batch.readings])
    assert raised.value.blind_since is not None
    assert abs(raised.value.blind_since - last.received_time) < timedelta(seconds=1)


async def test_no_baseline_without_a_beat(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A server whose heartbeat never changes gives no baseline: its values may be years old."""
    heart = chosen.model_copy(update={"heartbeat": Heartbeat(tag=TagId("beat"), max_age_s=0.5)})
    journal = Journal()
    with pytest.raises(ControllerUnavailable) as raised:
        await adapter(heart, NAMES).run(journal)
    assert raised.value.cause is GapCause.STUCK
    assert journal.batches == []


async def test_wrong_password_is_misconfigured(certificates: Certificates, tmp_path: Path) -> None:
    """A login that the server refuses parks the controller; the right one is served, and sees the same nodes."""
    security = Security(
        policies=("Aes256_Sha256_RsaPss",),
        certificate=certificates.server[0],
        private_key=certificates.server[1],
        user="reader",
        password="right",
    )
    server = OpcUaServer(namespace=NAMESPACE, nodes=NODES, security=security, application_uri=SERVER_URI)
    await server.start()
    chosen = settings(server.url, certificates, policy="Aes256_Sha256_RsaPss", user="reader", password_credential="plc")
    with pytest.raises(ControllerMisconfigured, match="BadUserAccessDenied"):
        await adapter(chosen, NAMES, plc="wrong").run(Journal())
    journal = Journal()
    async with running(adapter(chosen, NAMES, plc="right"), journal):
        assert journal.batches[0].baseline
    other = settings(server.url, certificates, policy="Basic256Sha256")
    with pytest.raises(ControllerMisconfigured, match="does not offer"):
        await adapter(other, NAMES).run(Journal())
    await server.stop()


async def test_silence_is_unavailable(chosen: OpcUaController, server: OpcUaServer) -> None:
    """A server that answers no more, without closing anything, is given up after three keep-alives."""
    held: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
    hole = asyncio.Event()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if not hole.is_set():
                sink.write(data)
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        held.append((writer, back))
        await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    link = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"opc.tcp://127.0.0.1:{link.sockets[0].getsockname()[1]}/"
    hasty = chosen.at(url).model_copy(update={"keepalive_s": 0.5})
    async with running(adapter(hasty, NAMES), Journal()) as task:
        hole.set()
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(ControllerUnavailable, match="no sign of life"):
            await task
        assert asyncio.get_running_loop().time() - began_s < 3 * 0.5 + promised_s(3.5)
    link.close()
    for ends in held:
        for end in ends:
            end.close()
