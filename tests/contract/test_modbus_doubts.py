"""No answer is ever taken for another's: late, doubled, misdirected and numberless answers, on real sockets."""

from collections.abc import Sequence

import pytest
from modbus_servers import Watched, watched
from odd_modbus_device import OddDevice, Request, Script, Step, odd_device

from adapters.diagnostics import DiagnosticCode
from adapters.errors import ControllerUnavailable
from adapters.modbus.answers import Doubt
from adapters.reading import Quality, Reading
from adapters.settings import ModbusController, ModbusTag

PAIRS = {"one": ModbusTag(address=100, count=2), "two": ModbusTag(address=200, count=2)}
SINGLE = {"one": ModbusTag(address=100), "two": ModbusTag(address=200), "three": ModbusTag(address=300)}
HOME = {"one": 1, "two": 2, "three": 3}
REGISTERS = {address: address * 10 for address in (100, 101, 200, 201, 300)}
BATCHES = 25


def move(device: OddDevice) -> None:
    """Each register moves, and its value always tells where it belongs: that of 100 is 1000 to 1900."""
    for address in REGISTERS:
        device.registers[address] = address // 100 * 1000 + device.requests % 900


def twice(device: OddDevice, request: Request) -> Sequence[Step]:
    """Each answer twice, in one piece."""
    move(device)
    return [2 * device.frame(request)]


def twice_slowly(device: OddDevice, request: Request) -> Sequence[Step]:
    """The second time while a later request is under way."""
    move(device)
    return [device.frame(request), 0.03, device.frame(request)]


def late(device: OddDevice, request: Request) -> Sequence[Step]:
    """Every fifth answer comes after the time-out."""
    move(device)
    return [0.35 if request.number % 5 == 4 else 0.0, device.frame(request)]


def for_another_unit(device: OddDevice, request: Request) -> Sequence[Step]:
    """Now and then the answer of another unit, with the right number."""
    move(device)
    return [device.frame(request, unit=9 if request.number % 5 == 4 else request.unit)]


def too_short(device: OddDevice, request: Request) -> Sequence[Step]:
    """Now and then one register, or none, is missing."""
    move(device)
    return [device.frame(request, device.pdu(request)[: -2 if request.number % 5 == 4 else None])]


def too_long(device: OddDevice, request: Request) -> Sequence[Step]:
    """Now and then there are more registers than requested."""
    move(device)
    pdu = device.pdu(request)
    longer = bytes((pdu[0], pdu[1] + 2)) + pdu[2:] + b"\0\7"
    return [device.frame(request, longer if request.number % 5 == 4 else pdu)]


def with_an_earlier_one_before(device: OddDevice, request: Request) -> Sequence[Step]:
    """Now and then the answer of the other block comes first, under a number of long ago."""
    move(device)
    other = Request(1, request.unit, 3, 300 - request.address, request.count, 0, 0)
    stray = request.in_connection % 7 == 6 and request.address < 300
    return [device.frame(other) if stray else b"", device.frame(request)]


def zero(device: OddDevice, request: Request) -> Sequence[Step]:
    """Always number 0."""
    move(device)
    return [device.frame(request, transaction=0)]


def zero_twice(device: OddDevice, request: Request) -> Sequence[Step]:
    """Always number 0 and each answer twice, in one piece."""
    move(device)
    return [2 * device.frame(request, transaction=0)]


def zero_twice_slowly(device: OddDevice, request: Request) -> Sequence[Step]:
    """Always number 0, the second time while a later request is under way."""
    move(device)
    return [device.frame(request, transaction=0), 0.004, device.frame(request, transaction=0)]


def zero_twice_now_and_then(device: OddDevice, request: Request) -> Sequence[Step]:
    """Always number 0, and some answers come again at a moment that drifts through the polls."""
    move(device)
    answer = device.frame(request, transaction=0)
    return [answer, 0.001 * (request.number % 30), answer if request.number % 11 == 10 else b""]


def zero_overtaken(device: OddDevice, request: Request) -> Sequence[Step]:
    """Always number 0, and the other block's last answer once more in front of the right one."""
    move(device)
    other = Request(0, request.unit, 3, 100, request.count, 0, 0)
    stray = request.address == 200 and request.in_connection >= 4
    return [device.frame(other) if stray else b"", 0.005, device.frame(request, transaction=0)]


def zero_late(device: OddDevice, request: Request) -> Sequence[Step]:
    """Always number 0, and every fifth answer comes after the time-out."""
    move(device)
    return [0.35 if request.number % 5 == 4 else 0.0, device.frame(request, transaction=0)]


NUMBERED: list[tuple[Script, Doubt]] = [
    (twice, Doubt.DOUBLED),
    (twice_slowly, Doubt.DOUBLED),
    (late, Doubt.LATE),
    (for_another_unit, Doubt.OTHER_UNIT),
    (too_short, Doubt.OTHER_LENGTH),
    (too_long, Doubt.OTHER_LENGTH),
    (with_an_earlier_one_before, Doubt.DOUBLED),
]
LATE: list[Script] = [late, zero_late]  # these need a short time-out; for others a busy machine has time
IN_PLACE: list[Script] = [for_another_unit, too_short, too_long]  # the wrong answer comes instead of the right one
ZERO: list[Script] = [zero, zero_twice, zero_twice_slowly, zero_twice_now_and_then, zero_overtaken, zero_late]


def patient(device: OddDevice, script: Script) -> ModbusController:
    """Settings with which only an answer that the script keeps back is late, whatever the machine does."""
    return device.settings(request_timeout_s=0.3 if script in LATE else 5)


both_plans = pytest.mark.parametrize("tags", [PAIRS, SINGLE], ids=["pairs", "single"])


def at_home(reading: Reading) -> bool:
    """Whether all of a reading's values come from the registers of its own tag."""
    values = reading.value if isinstance(reading.value, tuple) else (reading.value,)
    return reading.quality is Quality.GOOD and all(
        isinstance(value, int) and value // 1000 == HOME[reading.tag] for value in values
    )


async def read_until_doubted(seen: Watched, plc: OddDevice, script: Script, doubt: Doubt) -> list[Reading]:
    """What BATCHES polls read, or more until an answer was doubted; a doubt that is missing fails it at once.

    A device gets one request at a time, and the fifth gets the first wrong answer. When the sixth comes, that answer
    was doubted, or another was waited for in vain.
    """
    readings: list[Reading] = []
    for polls in range(1, 10 * BATCHES):
        readings += (await seen.batch()).readings
        doubted = seen.adapter.status().doubts.get(doubt, 0) > 0
        assert doubted or plc.requests <= 5 or script not in IN_PLACE
        if doubted and polls >= BATCHES:
            return readings
    raise AssertionError(f"no {doubt}")


@both_plans
@pytest.mark.parametrize(("script", "doubt"), NUMBERED)
async def test_no_answer_is_taken_for_another_block(script: Script, doubt: Doubt, tags: dict[str, ModbusTag]) -> None:
    """Whatever comes late, twice, misdirected or cut: each value is of its own registers, polls go on, doubts count."""
    async with odd_device(dict(REGISTERS), script) as plc, watched(patient(plc, script), tags) as seen:
        readings = await read_until_doubted(seen, plc, script, doubt)
        codes = [diagnostic.code for diagnostic in seen.adapter.status().diagnostics]

    assert len({reading.value for reading in readings}) > BATCHES / 2
    assert [reading for reading in readings if not at_home(reading)] == []
    assert DiagnosticCode.ANSWERS_IN_DOUBT in codes
    assert DiagnosticCode.TRANSACTION_ID_ZERO not in codes


@both_plans
@pytest.mark.parametrize("script", ZERO)
async def test_a_device_that_always_says_zero_is_collected(script: Script, tags: dict[str, ModbusTag]) -> None:
    """Without numbers each value is of its own registers all the same, polls go on, and it is named once."""
    async with odd_device(dict(REGISTERS), script) as plc, watched(patient(plc, script), tags) as seen:
        readings = [reading for _ in range(BATCHES) for reading in (await seen.batch()).readings]
        codes = [diagnostic.code for diagnostic in seen.adapter.status().diagnostics]
        connections = plc.connections

    assert len({reading.value for reading in readings}) > BATCHES / 2
    assert [reading for reading in readings if not at_home(reading)] == []
    assert codes.count(DiagnosticCode.TRANSACTION_ID_ZERO) == 1
    if script is zero and tags is PAIRS:
        assert connections == 1


async def test_a_wrong_number_and_a_wrong_unit_are_named() -> None:
    """A device that never gives the right number or unit is unavailable, and the sentence says what it answers."""
    wrong_unit: Script = lambda device, request: [device.frame(request, unit=1)]  # noqa: E731
    wrong_number: Script = lambda device, request: [device.frame(request, transaction=777)]  # noqa: E731
    for script, says in ((wrong_unit, "as unit 1, .* unit 255: set `unit: 1`"), (wrong_number, "777")):
        async with odd_device(dict(REGISTERS), script) as plc, watched(plc.settings(unit=255), PAIRS) as seen:
            with pytest.raises(ControllerUnavailable, match=says):
                await seen.end()
            assert seen.batches.empty()


@pytest.mark.parametrize("script", [twice, twice_slowly, for_another_unit, too_short, too_long])
async def test_rtu_frames_in_doubt_end_the_connection(script: Script) -> None:
    """RTU frames carry no number: the first doubt ends the connection, and what was believed before was right."""
    async with odd_device(dict(REGISTERS), script, rtu=True) as plc, watched(plc.settings(), PAIRS) as seen:
        with pytest.raises(ControllerUnavailable):
            await seen.end()
        batches = [seen.batches.get_nowait() for _ in range(seen.batches.qsize())]
        doubts = seen.adapter.status().doubts

    assert all(at_home(reading) for batch in batches for reading in batch.readings)
    assert sum(doubts.values()) == 1


async def test_long_doubled_answers_are_collected() -> None:
    """Two answers of the longest kind that come in one piece do not overflow anything."""
    tags = {"one": ModbusTag(address=1000, count=125)}
    registers = dict.fromkeys(range(1000, 1125), 7)
    once_more: Script = lambda device, request: [2 * device.frame(request)]  # noqa: E731
    async with odd_device(registers, once_more) as plc, watched(plc.settings(), tags) as seen:
        first = await seen.batch()
        await seen.batch()

    assert first.readings[0].value == (7,) * 125
