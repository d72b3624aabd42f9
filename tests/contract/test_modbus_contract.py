"""What every Modbus device must get from the adapter, on real sockets and a pseudo terminal."""

import asyncio
import struct
import time
from datetime import timedelta
from typing import Any

import pytest
from modbus_servers import KINDS, NOW, OurDevice, SerialDevice, device, watched
from patience import eventually, promised_s

from adapters.clock import ManualClock
from adapters.diagnostics import DiagnosticCode
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.reading import GapCause, Quality, Reading, TagId
from adapters.settings import ByteOrder, DataType, Heartbeat, ModbusTag, ModbusTcpController, Table

GOOD = ModbusTag(address=100)
OTHER = ModbusTag(address=1000)

every_kind = pytest.mark.parametrize("kind", KINDS)
our_kinds = pytest.mark.parametrize("kind", ["tcp", "rtu-over-tcp", "serial"])
rtu_kinds = pytest.mark.parametrize("kind", ["rtu-over-tcp", "serial"])


def values(readings: tuple[Reading, ...]) -> dict[str, Any]:
    """Values by plain tag name."""
    return {str(reading.tag): reading.value for reading in readings}


@every_kind
async def test_baseline_holds_every_tag_and_later_batches_only_news(kind: str) -> None:
    """The first batch is the baseline with all tags in configured order; a change comes alone, standstill empty."""
    async with device(kind) as plc:
        plc.write(100, [7])
        plc.write(1000, [9])
        async with watched(plc.settings(), {"other": OTHER, "good": GOOD}) as seen:
            first = await seen.batch()
            still = await seen.batch()
            plc.write(100, [8])
            change = await seen.news()

    assert first.baseline
    assert [(reading.tag, reading.value) for reading in first.readings] == [("other", 9), ("good", 7)]
    assert all(reading.source_time is None and reading.received_time == NOW for reading in first.readings)
    assert still.readings == ()
    assert not still.baseline
    assert values(change.readings) == {"good": 8}
    assert not change.baseline


@every_kind
async def test_types_orders_and_tables(kind: str) -> None:
    """Numbers in all four byte orders, strings, bits and all four tables arrive as they were written."""
    abcd = struct.unpack(">2H", struct.pack(">f", 21.5))
    swapped = [int.from_bytes(word.to_bytes(2, "big"), "little") for word in abcd]
    tags = {
        "abcd": ModbusTag(address=100, type=DataType.FLOAT32, order=ByteOrder.ABCD),
        "cdab": ModbusTag(address=102, type=DataType.FLOAT32, order=ByteOrder.CDAB),
        "badc": ModbusTag(address=104, type=DataType.FLOAT32, order=ByteOrder.BADC),
        "dcba": ModbusTag(address=106, type=DataType.FLOAT32, order=ByteOrder.DCBA),
        "vin": ModbusTag(address=110, type=DataType.STRING, length=17),
        "auto": ModbusTag(address=120, bit=15),
        "word": ModbusTag(address=120, type=DataType.BITS),
        "input": ModbusTag(address=120, table=Table.INPUT, type=DataType.INT16),
        "coils": ModbusTag(address=120, table=Table.COIL, type=DataType.BOOL, count=10),
        "discrete": ModbusTag(address=121, table=Table.DISCRETE, type=DataType.BOOL),
    }
    async with device(kind) as plc:
        plc.write(100, [*abcd, *reversed(abcd), *swapped, *reversed(swapped)])
        plc.write(110, struct.unpack(">9H", b"LJ12EKR24T1000123\0"))
        plc.write(120, [0x8001, 0, 1])
        async with watched(plc.settings(), tags) as seen:
            found = values((await seen.batch()).readings)

    assert [found[order] for order in ("abcd", "cdab", "badc", "dcba")] == [21.5] * 4
    assert found["vin"] == "LJ12EKR24T1000123"
    assert (found["auto"], found["word"], found["input"]) == (True, 0x8001, -32767)
    assert found["coils"] == (True, False, True) + (False,) * 7
    assert found["discrete"] is False


@every_kind
async def test_restart_ends_the_connection_and_a_new_adapter_works(kind: str) -> None:
    """A device that goes away ends the adapter as unavailable; after it came back a new adapter has a baseline."""
    clock = ManualClock(NOW)
    async with device(kind) as plc:
        plc.write(100, [7])
        async with watched(plc.settings(), {"good": GOOD}, clock=clock) as seen:
            await seen.batch()
            await plc.stop()
            clock.advance(timedelta(seconds=6))  # longer than a time without observation may be
            with pytest.raises(ControllerUnavailable) as ended:
                await seen.end()
        await plc.start()
        async with watched(plc.settings(), {"good": GOOD}) as seen:
            again = await seen.batch()

    assert ended.value.cause is GapCause.CONNECTION
    assert again.baseline
    assert values(again.readings) == {"good": 7}


@pytest.mark.parametrize("kind", ["tcp", "rtu-over-tcp"])
async def test_no_listener_is_unavailable(kind: str) -> None:
    """Where nothing listens the adapter says so, within its deadline."""
    async with device(kind) as plc:
        settings = plc.settings()
    async with watched(settings, {"good": GOOD}) as seen:
        with pytest.raises(ControllerUnavailable):
            await seen.end()


async def test_missing_serial_port_is_unavailable() -> None:
    """A converter that is not plugged in is a device that is away, not a wrong configuration."""
    async with device("serial") as plc:
        settings = plc.settings(device="/dev/no-such-port")
    async with watched(settings, {"good": GOOD}) as seen:
        with pytest.raises(ControllerUnavailable, match="no connection"):
            await seen.end()


@our_kinds
async def test_refused_block_is_bad_and_the_others_go_on(kind: str) -> None:
    """An address that the device does not have makes its own tags bad, once, and is noted; other tags deliver."""
    async with device(kind) as plc, watched(plc.settings(), {"good": GOOD, "gap": ModbusTag(address=500)}) as seen:
        first = await seen.batch()
        status = seen.adapter.status()
        plc.write(100, [1])
        change = await seen.news()

    assert {reading.tag: reading.quality for reading in first.readings} == {"good": Quality.GOOD, "gap": Quality.BAD}
    assert values(first.readings) == {"good": 0, "gap": None}
    assert (status.items_configured, status.items_active) == (2, 1)
    assert "500" in status.diagnostic_texts[0]
    assert values(change.readings) == {"good": 1}


@our_kinds
async def test_what_an_engineer_must_correct_is_named_with_its_tags(kind: str) -> None:
    """A refused block, a number that is not finite and a garbled text are named by tag, code and remedy."""
    tags = {
        "good": GOOD,
        "gap": ModbusTag(address=500),
        "second": ModbusTag(address=501),
        "oven": ModbusTag(address=102, type=DataType.FLOAT32),
        "vin": ModbusTag(address=104, type=DataType.STRING, length=4),
    }
    async with device(kind) as plc:
        plc.write(102, [0x7FC0, 0, 0x4A01, 0x3353])
        async with watched(plc.settings(), tags) as seen:
            await seen.batch()
            found = seen.adapter.status().diagnostics
            plc.write(102, [0x41AC, 0, 0x4A53, 0x3300])
            await seen.news()
            left = seen.adapter.status().diagnostics

    assert [(diagnostic.code, diagnostic.tags) for diagnostic in found] == [
        (DiagnosticCode.TAG_REFUSED, ("gap", "second")),
        (DiagnosticCode.VALUE_UNREADABLE, ("oven",)),
        (DiagnosticCode.VALUE_UNREADABLE, ("vin",)),
    ]
    assert "gap, second" in found[0].text
    assert "illegal address" in found[0].text
    assert all(diagnostic.remedy for diagnostic in found)
    assert left == found[:1]


async def test_heartbeat_that_was_never_read_is_named() -> None:
    """A heartbeat at an address that the device lacks is named while nothing is collected, and ends the connection."""
    async with device("tcp") as plc:
        settings = plc.settings(heartbeat=Heartbeat(tag=TagId("pulse"), max_age_s=0.3))
        async with watched(settings, {"pulse": ModbusTag(address=500), "good": GOOD}) as seen:
            with pytest.raises(ControllerUnavailable, match="pulse was never read") as ended:
                await seen.end()
            found = seen.adapter.status().diagnostics

    assert ended.value.cause is GapCause.CONNECTION
    assert (DiagnosticCode.HEARTBEAT_NEVER_READ, ("pulse",)) in [
        (diagnostic.code, diagnostic.tags) for diagnostic in found
    ]


async def test_refused_block_is_asked_for_again_slowly() -> None:
    """A refused block is left alone for its retry time, then asked for again, and delivers once it is there."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        tags = {"good": GOOD, "gap": ModbusTag(address=500)}
        async with watched(plc.settings(), tags, refused_retry_s=0.3) as seen:
            await seen.batch()
            asked = plc.server.requests
            for _ in range(5):
                assert (await seen.batch()).readings == ()
            spared = plc.server.requests - asked
            plc.server.declare(500, 1)
            change = await seen.news()
            said = {diagnostic.code for diagnostic in seen.adapter.status().diagnostics}

    assert spared <= 6  # one block per cycle, not two
    assert values(change.readings) == {"gap": 0}
    assert said <= {DiagnosticCode.POLLS_LATE}  # on a busy computer


@pytest.mark.parametrize(
    ("changes", "tags", "says"),
    [
        ({"heartbeat": Heartbeat(tag=TagId("pulse"))}, {"good": GOOD}, "no tag of this controller"),
    ],
)
async def test_impossible_settings_are_misconfigured(
    changes: dict[str, Any], tags: dict[str, ModbusTag], says: str
) -> None:
    """What can never work is told before anything is asked of the device."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        async with watched(plc.settings(**changes), tags) as seen:
            with pytest.raises(ControllerMisconfigured, match=says):
                await seen.end()
        assert plc.server.connections == 0


async def test_answer_of_another_shape_is_never_believed() -> None:
    """An answer with more registers than asked for belongs to something else; the connection ends."""

    async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readexactly(12)
        writer.write(head[:4] + struct.pack(">HBBB2H", 7, 1, 3, 4, 7, 8))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(chatter, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = ModbusTcpController(kind="modbus-tcp", host="127.0.0.1", port=port)
    async with server, watched(settings, {"good": GOOD}) as seen:
        with pytest.raises(ControllerUnavailable, match="another shape"):
            await seen.end()


@our_kinds
async def test_all_blocks_refused_is_misconfigured(kind: str) -> None:
    """If the device has none of the addresses, the configuration is wrong and trying again would not help."""
    async with device(kind) as plc, watched(plc.settings(), {"gap": ModbusTag(address=500)}) as seen:
        with pytest.raises(ControllerMisconfigured):
            await seen.end()


@our_kinds
async def test_refusal_of_everything_later_is_unavailable(kind: str) -> None:
    """A device that answered and then refuses everything is being reprogrammed: it is tried again."""
    async with device(kind) as plc:
        assert isinstance(plc, OurDevice | SerialDevice)
        async with watched(plc.settings(), {"good": GOOD}) as seen:
            await seen.batch()
            plc.server.refuse = 2
            with pytest.raises(ControllerUnavailable):
                await seen.end()


@pytest.mark.parametrize("code", [4, 5, 6])
@our_kinds
async def test_busy_device_is_bad_until_it_answers_again(kind: str, code: int) -> None:
    """A busy or failing device makes values bad, not the connection; the value returns with the answers."""
    async with device(kind) as plc:
        assert isinstance(plc, OurDevice | SerialDevice)
        plc.write(100, [7])
        async with watched(plc.settings(), {"good": GOOD}) as seen:
            await seen.batch()
            plc.server.refuse = code
            busy = await seen.news()
            plc.server.refuse = None
            back = await seen.news()

    assert [(reading.value, reading.quality) for reading in busy.readings] == [(None, Quality.BAD)]
    assert [(reading.value, reading.quality) for reading in back.readings] == [(7, Quality.GOOD)]


@pytest.mark.parametrize("code", [0x0A, 0x0B])
async def test_gateway_without_device_is_unavailable(code: int) -> None:
    """A gateway that cannot reach the device speaks for the device: it is away."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        plc.server.refuse = code
        async with watched(plc.settings(), {"good": GOOD}) as seen:
            with pytest.raises(ControllerUnavailable, match="gateway"):
                await seen.end()


async def test_tcp_silence_takes_three_strikes() -> None:
    """Over TCP a silent device is given up after three requests, so after about three time-outs."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        async with watched(plc.settings(request_timeout_s=0.1), {"good": GOOD}) as seen:
            await seen.batch()
            plc.server.delay_s = 600
            began_s = time.monotonic()
            with pytest.raises(ControllerUnavailable, match="no answer"):
                await seen.end()
            took_s = time.monotonic() - began_s

    assert 0.25 < took_s < promised_s(1.5)


async def test_tcp_late_answers_are_never_taken_for_others() -> None:
    """Over TCP an answer that comes too late is dropped; each tag keeps its own register's value."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        plc.write(100, [7])
        plc.write(1000, [9])
        plc.server.delay_s = 0.15
        async with watched(plc.settings(request_timeout_s=0.1), {"good": GOOD, "other": OTHER}) as seen:
            while plc.server.requests == 0:
                await asyncio.sleep(0.01)
            plc.server.delay_s = 0.0
            first = await seen.batch()

    assert values(first.readings) == {"good": 7, "other": 9}


@rtu_kinds
async def test_rtu_late_answer_ends_the_connection_and_is_never_believed(kind: str) -> None:
    """RTU frames have no number: the first silence ends the connection, and the late answer runs out unread.

    The late answer has the shape of the answer that the next connection waits for; it must not be taken for it.
    """
    async with device(kind) as plc:
        assert isinstance(plc, OurDevice | SerialDevice)
        plc.write(100, [7])
        plc.write(1000, [9])
        plc.server.delay_s = 0.15
        async with watched(plc.settings(request_timeout_s=0.1), {"good": GOOD}) as seen:
            with pytest.raises(ControllerUnavailable, match="no answer"):
                await seen.end()
        plc.server.delay_s = 0.0
        async with watched(plc.settings(), {"other": OTHER}) as seen:
            first = await seen.batch()
            assert (await seen.batch()).readings == ()

    assert values(first.readings) == {"other": 9}


@every_kind
async def test_cancel_closes_quickly(kind: str) -> None:
    """Cancelling the adapter ends it at once, also while a request is under way."""
    async with device(kind) as plc:
        if isinstance(plc, OurDevice | SerialDevice):
            plc.server.delay_s = 60
        async with watched(plc.settings(request_timeout_s=60), {"good": GOOD}) as seen:
            await asyncio.sleep(0.05)
            began_s = time.monotonic()
            seen.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await seen.end()

    assert time.monotonic() - began_s < 30


async def test_lost_link_fails_a_request_at_once() -> None:
    """A request under way when the socket dies does not wait for its time-out."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        plc.server.delay_s = 60
        async with watched(plc.settings(request_timeout_s=60), {"good": GOOD}) as seen:
            while plc.server.requests == 0:
                await asyncio.sleep(0.01)
            began_s = time.monotonic()
            await plc.stop()
            with pytest.raises(ControllerUnavailable, match="lost"):
                await seen.end()

    assert time.monotonic() - began_s < 30


async def test_baseline_waits_for_the_heartbeat_to_change() -> None:
    """With a heartbeat configured nothing is believed before the heartbeat was seen to change."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        server = plc.server
        settings = plc.settings(heartbeat=Heartbeat(tag=TagId("pulse"), max_age_s=5))
        async with watched(settings, {"pulse": ModbusTag(address=0), "good": GOOD}) as seen:
            await eventually(lambda: server.requests >= 5)
            assert seen.batches.empty()
            plc.write(0, [1])
            first = await seen.batch()

    assert first.baseline
    assert values(first.readings) == {"pulse": 1, "good": 0}


async def test_a_toggling_coil_is_a_heartbeat() -> None:
    """The life bit of a controller may be a coil: each change of it is a sign of life."""
    async with device("tcp") as plc:
        settings = plc.settings(heartbeat=Heartbeat(tag=TagId("pulse"), max_age_s=30))
        tags = {"pulse": ModbusTag(address=0, table=Table.COIL, type=DataType.BOOL), "good": GOOD}
        async with watched(settings, tags) as seen:
            while seen.batches.empty():
                plc.write(0, [1])
                await asyncio.sleep(0.05)
                plc.write(0, [0])
                await asyncio.sleep(0.05)
            assert values((await seen.batch()).readings)["good"] == 0


async def test_standing_heartbeat_is_stuck_since_its_last_change() -> None:
    """A device that answers while its heartbeat stands still is stuck, and blind since the last change."""
    clock = ManualClock(NOW)
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        server = plc.server
        settings = plc.settings(heartbeat=Heartbeat(tag=TagId("pulse"), max_age_s=promised_s(0.3)))
        async with watched(settings, {"pulse": ModbusTag(address=0)}, clock=clock) as seen:
            await eventually(lambda: server.requests >= 2)
            plc.write(0, [1])
            changed = await seen.batch()
            with pytest.raises(ControllerUnavailable) as ended:
                await seen.end()

    assert ended.value.cause is GapCause.STUCK
    assert ended.value.blind_since == changed.received_time


async def test_counter_torn_between_its_words_is_read_again() -> None:
    """A 32-bit counter caught between the changes of its halves is read once more; the wrong value is never emitted."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        server = plc.server
        plc.write(100, [0, 0xFFFF])
        tags = {"total": ModbusTag(address=100, type=DataType.UINT32)}
        async with watched(plc.settings(poll_interval_ms=200), tags) as seen:
            first = await seen.batch()
            plc.write(100, [1, 0xFFFF])  # the high word is ahead
            asked = server.requests
            server.delay_s = 0.01
            while server.requests < asked + 2:  # the second request is the confirmation; it answers 10 ms later
                await asyncio.sleep(0.001)
            plc.write(100, [1, 0])
            second = await seen.news()

    assert values(first.readings) == {"total": 65535}
    assert values(second.readings) == {"total": 65536}


async def test_confirmed_jump_is_believed() -> None:
    """A jump that the second reading confirms is a fact: a counter may be reset or set."""
    async with device("tcp") as plc:
        plc.write(100, [0, 5])
        async with watched(plc.settings(), {"total": ModbusTag(address=100, type=DataType.UINT32)}) as seen:
            await seen.batch()
            plc.write(100, [7, 0])
            assert values((await seen.news()).readings) == {"total": 7 * 65536}


async def test_power_cycle_keeps_port_and_registers() -> None:
    """The server's own restart resets every connection; the next poll finds port and registers as they were."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        plc.write(100, [7])
        port = plc.server.port
        async with watched(plc.settings(), {"good": GOOD}) as seen:
            await seen.batch()
            await plc.server.restart(down_s=0.05)
            plc.write(100, [8])
            assert values((await seen.news()).readings) == {"good": 8}

    assert plc.server.port == port


async def test_polls_that_fall_behind_are_counted_and_named() -> None:
    """A device too slow for the interval is named with wanted and reached rate, and no longer once it is fast again."""
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        async with watched(plc.settings(request_timeout_s=5), {"good": GOOD}) as seen:
            plc.server.delay_s = 0.05  # 20 ms are wanted
            while DiagnosticCode.POLLS_LATE not in [
                diagnostic.code for diagnostic in seen.adapter.status().diagnostics
            ]:
                await seen.batch()
            status = seen.adapter.status()
            plc.server.delay_s = 0.0
            while DiagnosticCode.POLLS_LATE in [diagnostic.code for diagnostic in seen.adapter.status().diagnostics]:
                await seen.batch()

    (late,) = [diagnostic for diagnostic in status.diagnostics if diagnostic.code is DiagnosticCode.POLLS_LATE]
    assert "of 50 polls a second" in late.text
    assert "poll_interval_ms" in late.remedy
    assert status.poll_rate_wanted == 50
    assert status.poll_rate_reached is not None
    assert status.poll_rate_reached <= 20
    assert status.polls_late >= 8  # two for each of the polls after the first, five of which at least were judged
