"""What a device refuses: single registers, long requests, gaps, neighbours, and everything while it is busy."""

import asyncio
import random
import struct
from collections.abc import Mapping, Sequence

import pytest
from fakes import PLC, FakePipeline
from modbus_servers import NOW, OurDevice, Watched, device, names, watched
from odd_modbus_device import OddDevice, Request, Script, Step, odd_device

from adapters.clock import ManualClock
from adapters.diagnostics import DiagnosticCode
from adapters.errors import ControllerMisconfigured
from adapters.modbus.adapter import ModbusAdapter
from adapters.reading import Quality, Reading
from adapters.settings import ByteOrder, DataType, ModbusController, ModbusTag, Table
from mes.health.controllers import ConnectionState, Health
from mes.supervisor import Backoff, supervise
from simulators.modbus_server import ModbusServer

POLLS = 12


def refused(seen: Watched) -> set[str]:
    """The tags that are named as refused."""
    found = (
        diagnostic for diagnostic in seen.adapter.status().diagnostics if diagnostic.code is DiagnosticCode.TAG_REFUSED
    )
    return {str(tag) for diagnostic in found for tag in diagnostic.tags}


def good(readings: Sequence[Reading]) -> dict[str, object]:
    """The values that are there."""
    return {str(reading.tag): reading.value for reading in readings if reading.quality is Quality.GOOD}


@pytest.mark.parametrize("seed", range(12))
async def test_only_the_tags_on_refused_registers_are_bad(seed: int) -> None:
    """Whichever registers of a device are missing: their tags are bad and named, all others have their values."""
    rng = random.Random(seed)
    first, length = rng.randrange(300), rng.choice([3, 20, 125, 300])
    missing = set(rng.sample(range(first, first + length), rng.choice([1, 2, 3])))
    table = rng.choice([Table.HOLDING, Table.INPUT])
    tags: dict[str, ModbusTag] = {}
    lacking: set[str] = set()
    address = first
    while address < first + length:
        type_ = rng.choice([DataType.UINT16, DataType.UINT16, DataType.UINT32])
        tag = ModbusTag(address=address, type=type_, table=table)
        tags[f"t{address}"] = tag
        if missing & set(range(address, address + tag.size)):
            lacking.add(f"t{address}")
        address += tag.size
    tags["far"] = ModbusTag(address=first + length + 9, table=table)
    there = [(at, 1) for at in range(first, first + length + 10) if at not in missing]
    plc = OurDevice(ModbusServer(declared=there), rtu=False)
    await plc.start()
    for at, _ in there:
        plc.write(at, [at])
    async with watched(plc.settings(max_gap=rng.choice([0, 3])), tags) as seen:
        found = good((await seen.batch()).readings)
        named = refused(seen)
    await plc.stop()

    assert set(found) == set(tags) - lacking
    for name, value in found.items():
        at = tags[name].address
        assert value == (at * 65536 + at + 1 if tags[name].size == 2 else at)
    assert named == lacking


@pytest.mark.parametrize("rtu", [False, True])
@pytest.mark.parametrize("zero", [False, True])
async def test_a_bad_neighbour_is_found_on_any_framing(rtu: bool, zero: bool) -> None:
    """One missing register behind two good ones: these are collected, also from a device without numbers."""

    def script(plc: OddDevice, request: Request) -> Sequence[Step]:
        plc.registers[101] = 1 + plc.requests % 900
        return [plc.frame(request, transaction=0 if zero else request.transaction)]

    tags = {"state": ModbusTag(address=100), "good": ModbusTag(address=101), "fault": ModbusTag(address=102)}
    async with odd_device({100: 1, 101: 1}, script, rtu=rtu) as plc, watched(plc.settings(), tags) as seen:
        first = good((await seen.batch()).readings)
        later = [good((await seen.batch()).readings) for _ in range(POLLS)]
        named = refused(seen)
        (text,) = {diagnostic.text for diagnostic in seen.adapter.status().diagnostics if diagnostic.tags}

    assert sorted(first) == ["good", "state"]
    assert all("good" in batch for batch in later)
    assert named == {"fault"}
    assert text == "holding 102 is refused (illegal address) and asked for again: fault"


@pytest.mark.parametrize("code", [2, 3])
async def test_a_device_that_gives_fewer_registers_than_asked_for_is_collected(code: int) -> None:
    """Requests that are too long are refused as a whole; shorter ones bring every value, and nothing is named."""

    def at_most_ten(plc: OddDevice, request: Request) -> Sequence[Step]:
        return [plc.frame(request, bytes((0x83, code)) if request.count > 10 else None)]

    tags = {f"t{address}": ModbusTag(address=address) for address in range(100, 160)}
    registers = {address: address for address in range(100, 160)}
    async with odd_device(registers, at_most_ten) as plc, watched(plc.settings(), tags) as seen:
        found = good((await seen.batch()).readings)
        assert refused(seen) == set()

    assert found == {f"t{address}": address for address in range(100, 160)}


async def test_a_device_that_refuses_everything_is_not_asked_for_each_register() -> None:
    """Where nothing is given, the search for a good register ends soon, and the sentence says what to correct."""
    tags = {f"t{address}": ModbusTag(address=address) for address in range(1000, 2000)}
    async with odd_device({}, lambda plc, request: [plc.frame(request)]) as plc:
        async with watched(plc.settings(), tags) as seen:
            with pytest.raises(ControllerMisconfigured, match=r"refuses everything .*: correct `address` and `table`"):
                await seen.end()
        assert plc.requests <= 120


@pytest.mark.parametrize(
    ("table", "says"),
    [(Table.HOLDING, "try `table: input` or `coil`"), (Table.COIL, "try `table: discrete` or `holding`")],
)
async def test_a_device_without_the_table_is_told_with_another_one(table: Table, says: str) -> None:
    """A device that has coils only, or registers only, answers exception 1: the sentence proposes a table."""
    type_ = DataType.BOOL if table is Table.COIL else DataType.UINT16
    unknown: Script = lambda plc, request: [plc.frame(request, bytes((request.function | 0x80, 1)))]  # noqa: E731
    tags = {"run": ModbusTag(address=1, table=table, type=type_)}
    async with odd_device({}, unknown) as plc, watched(plc.settings(), tags) as seen:
        with pytest.raises(ControllerMisconfigured, match=says):
            await seen.end()


@pytest.mark.parametrize(("code", "every"), [(5, 2), (6, 2), (6, 3), (6, 5), (4, 3), (4, 5)])
@pytest.mark.parametrize(("rtu", "interval_ms"), [(False, 200), (True, 200), (False, 10)])
async def test_busy_now_and_then_is_no_gap(code: int, every: int, rtu: bool, interval_ms: int) -> None:
    """A device that puts off some requests is asked again: every poll has every value, however late it is."""

    def now_and_then(plc: OddDevice, request: Request) -> Sequence[Step]:
        plc.registers = {100: 1000 + plc.requests % 900, 200: 2000 + plc.requests % 900}
        return [0.01, plc.frame(request, bytes((0x83, code)) if request.number % every == 0 else None)]

    tags = {"one": ModbusTag(address=100), "two": ModbusTag(address=200)}
    every_ms = {"poll_interval_ms": interval_ms}
    async with odd_device({}, now_and_then, rtu=rtu) as plc, watched(plc.settings(**every_ms), tags) as seen:
        batches = [await seen.batch() for _ in range(POLLS)]

    assert [sorted(good(batch.readings)) for batch in batches] == [["one", "two"]] * POLLS


ORDERS: Mapping[ByteOrder, tuple[int, int]] = {ByteOrder.ABCD: (16, 0), ByteOrder.CDAB: (0, 16)}


@pytest.mark.parametrize("order", ORDERS)
async def test_single_registers_give_whole_values(order: ByteOrder) -> None:
    """A counter of two registers from a device that gives one at a time is never torn, though it carries all along."""
    shifts = ORDERS[order]
    totals: list[int] = []

    def counts(plc: OddDevice, request: Request) -> Sequence[Step]:
        totals.append(65536 * (1 + plc.requests // 9) - 2 + plc.requests % 9)
        plc.registers = {101 + place: totals[-1] >> shift & 0xFFFF for place, shift in enumerate(shifts)}
        return [plc.frame(request, bytes((0x83, 2)) if request.count > 1 else None)]

    tags = {"total": ModbusTag(address=101, type=DataType.UINT32, order=order)}
    async with odd_device({}, counts) as plc, watched(plc.settings(max_registers=1), tags) as seen:
        found = [reading for _ in range(4 * POLLS) for reading in (await seen.batch()).readings]

    values = [reading.value for reading in found if reading.quality is Quality.GOOD]
    assert len(values) > POLLS
    assert set(values) <= set(totals)


def as_bcd(number: int) -> bytes:
    """Four bits for each decimal digit."""
    return bytes.fromhex(f"{number:08}")


TOTALISERS = {  # how the controller writes a number, and after which count its upper half changes
    DataType.UINT32: (struct.Struct(">I").pack, 2**16),
    DataType.INT32: (struct.Struct(">i").pack, 2**16),
    DataType.UINT64: (struct.Struct(">Q").pack, 2**32),
    DataType.INT64: (struct.Struct(">q").pack, 2**32),
    DataType.FLOAT32: (struct.Struct(">f").pack, 2**16),
    DataType.FLOAT64: (struct.Struct(">d").pack, 2**32),
    DataType.BCD32: (as_bcd, 10**4),
}


@pytest.mark.parametrize("ahead", ["upper", "lower"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("type_", TOTALISERS)
async def test_a_totaliser_that_is_caught_while_it_carries_is_never_torn(
    type_: DataType, order: ByteOrder, ahead: str
) -> None:
    """Every third answer, the first as well, has half of the next number: only whole numbers are read."""
    write, carry = TOTALISERS[type_]
    totals: list[int] = []

    def carries(plc: OddDevice, request: Request) -> Sequence[Step]:
        turn, at = divmod(plc.requests - 1, 3)
        totals.append(carry * (1 + turn // 2) - 1 + turn % 2)
        old, new = write(totals[-1]), write(totals[-1] + 1)
        half = len(old) // 2
        torn = new[:half] + old[half:] if ahead == "upper" else old[:half] + new[half:]
        words = struct.unpack(f">{half}H", torn if at == 0 else old)
        ordered = words if order is ByteOrder.ABCD else words[::-1]
        plc.registers = {100 + place: word for place, word in enumerate(ordered)}
        return [plc.frame(request)]

    tags = {"total": ModbusTag(address=100, type=type_, order=order)}
    async with odd_device({}, carries) as plc, watched(plc.settings(), tags) as seen:
        found = [good((await seen.news()).readings)["total"] for _ in range(POLLS)]

    assert set(found) <= {*totals, *(total + 1 for total in totals)}


@pytest.mark.parametrize("places", [(101, 140), (140, 101)])
@pytest.mark.parametrize("order", ORDERS)
async def test_registers_that_are_not_neighbours_give_whole_values(order: ByteOrder, places: tuple[int, int]) -> None:
    """A counter whose halves lie apart is never torn, though it carries all along; what lies beside them is good."""
    totals: list[int] = []

    def counts(plc: OddDevice, request: Request) -> Sequence[Step]:
        totals.append(65536 * (1 + plc.requests // 9) - 2 + plc.requests % 9)
        plc.registers = {
            address: totals[-1] >> shift & 0xFFFF for address, shift in zip(places, ORDERS[order], strict=True)
        }
        plc.registers |= {102: plc.requests, 141: plc.requests}
        return [plc.frame(request)]

    beside = {"one": ModbusTag(address=102), "other": ModbusTag(address=141)}
    tags = {"total": ModbusTag(address=places[0], addresses=places, type=DataType.UINT32, order=order), **beside}
    async with odd_device({}, counts) as plc, watched(plc.settings(), tags) as seen:
        found = [reading for _ in range(4 * POLLS) for reading in (await seen.batch()).readings]

    values = [reading.value for reading in found if reading.tag == "total" and reading.quality is Quality.GOOD]
    assert len(values) > POLLS
    assert set(values) <= set(totals)
    assert all(reading.quality is Quality.GOOD for reading in found if reading.tag in beside)


async def test_a_text_from_single_registers_is_of_one_car() -> None:
    """A text that changes while its registers are read one by one is read again, until it is one text."""

    def next_car(plc: OddDevice, request: Request) -> Sequence[Step]:
        letter = 0x4141 + 0x0101 * (plc.requests // 40 % 26)
        plc.registers = dict.fromkeys(range(100, 109), letter)
        return [plc.frame(request)]

    tags = {"vin": ModbusTag(address=100, type=DataType.STRING, length=17)}
    async with odd_device({}, next_car) as plc, watched(plc.settings(max_registers=1), tags) as seen:
        found = [reading.value for _ in range(POLLS) for reading in (await seen.batch()).readings]

    texts = [text for text in found if isinstance(text, str)]
    assert len(texts) > 3
    assert all(len(set(text)) == 1 and len(text) == 17 for text in texts)


TAILS = [
    pytest.param(ModbusTag(address=140, type=DataType.STRING, length=4), 125, id="texts apart"),
    pytest.param(ModbusTag(address=104, type=DataType.STRING, length=4), 4, id="neighbours of two requests"),
    pytest.param(ModbusTag(address=140, type=DataType.UINT32), 125, id="a number behind a text"),
    pytest.param(ModbusTag(address=104, alone=True), 125, id="a register that is read alone"),
]


@pytest.mark.parametrize(("rtu", "every_ms"), [(False, None), (True, 50)])
@pytest.mark.parametrize(("tail", "max_registers"), TAILS)
async def test_an_id_in_several_tags_is_of_one_car(
    tail: ModbusTag, max_registers: int, rtu: bool, every_ms: int | None
) -> None:
    """Tags that are one id never show the head of one car and the tail of the next, though requests come between."""

    def next_car(plc: OddDevice, request: Request) -> Sequence[Step]:
        car = 0x4141 + 0x0101 * (plc.requests // 7 % 26)  # every register says the letter of the car, twice
        plc.registers = dict.fromkeys((*range(100, 110), *range(140, 150)), car)
        return [plc.frame(request)]

    id_ = {"together": "id", "poll_interval_ms": every_ms}
    head = ModbusTag(address=100, type=DataType.STRING, length=8)
    tags = {"head": head.model_copy(update=id_), "tail": tail.model_copy(update=id_), "beside": ModbusTag(address=149)}
    cars: set[object] = set()
    limits = {"max_registers": max_registers}
    async with odd_device({}, next_car, rtu=rtu) as plc, watched(plc.settings(**limits), tags) as seen:
        while len(cars) < POLLS:
            shown = good((await seen.batch()).readings)
            if shown.keys() & {"head", "tail"}:
                assert {"head", "tail"} <= shown.keys()
                letter = str(shown["head"])[0]
                assert shown["head"] == 8 * letter
                assert shown["tail"] in (4 * letter, int.from_bytes(4 * letter.encode()), 257 * ord(letter))
                cars.add(letter)


async def settings_and_requests(settings: ModbusController, tags: Mapping[str, ModbusTag], server: ModbusServer) -> int:
    """How many requests a poll takes."""
    async with watched(settings, tags) as seen:
        await seen.batch()
        before = server.requests
        for _ in range(POLLS):
            await seen.batch()
    return round((server.requests - before) / POLLS)


async def test_gaps_that_may_be_read_over_save_requests() -> None:
    """Five tags with an unused register between each take five requests, and one where the file allows it."""
    tags = {f"t{address}": ModbusTag(address=address) for address in range(100, 110, 2)}
    async with device("tcp") as plc:
        assert isinstance(plc, OurDevice)
        assert await settings_and_requests(plc.settings(), tags, plc.server) == 5
        assert await settings_and_requests(plc.settings(max_gap=1), tags, plc.server) == 1


async def test_blocks_that_must_be_read_alone_and_few_bits() -> None:
    """A device that gives a register only by itself, and eight bits at a time, is collected as the file says."""

    def particular(plc: OddDevice, request: Request) -> Sequence[Step]:
        covers = request.address <= 101 < request.address + request.count
        if request.function == 1:
            pdu = bytes((1, 1, 0xFF)) if request.count <= 8 else bytes((0x81, 3))
            return [plc.frame(request, pdu)]
        return [plc.frame(request, bytes((0x83, 4)) if covers and request.count > 1 else None)]

    tags = {
        "state": ModbusTag(address=100),
        "good": ModbusTag(address=101, alone=True),
        "scrap": ModbusTag(address=102),
        "lamps": ModbusTag(address=0, table=Table.COIL, type=DataType.BOOL, count=20),
    }
    async with odd_device({100: 1, 101: 2, 102: 3}, particular) as plc, watched(plc.settings(max_bits=8), tags) as seen:
        found = good((await seen.batch()).readings)

    assert found == {"state": 1, "good": 2, "scrap": 3, "lamps": (True,) * 20}


async def test_a_device_that_refuses_everything_while_it_starts_is_collected_soon_after() -> None:
    """For a second exception 2 answers everything: the controller is not parked, and collected as soon as it can be."""
    loop = asyncio.get_running_loop()
    began_s: list[float] = []

    def starting(plc: OddDevice, request: Request) -> Sequence[Step]:
        began_s.append(loop.time())
        return [plc.frame(request, bytes((0x83, 2)) if loop.time() < began_s[0] + 1 else None)]

    pipeline, health = FakePipeline(), Health(ManualClock(NOW))
    states: set[ConnectionState] = set()
    async with odd_device({100: 1, 101: 2, 102: 3}, starting) as plc:
        settings = plc.settings()
        tags = names({"state": ModbusTag(address=100), "good": ModbusTag(address=101), "far": ModbusTag(address=102)})

        def make() -> ModbusAdapter:
            return ModbusAdapter(PLC, settings, tags, clock=ManualClock(NOW), secret=lambda _: "")

        supervised = supervise(PLC, make, pipeline, health, rng=random.Random(1), backoff=Backoff(first_s=0.1))
        task = asyncio.create_task(supervised)
        while not pipeline.accepted:
            await asyncio.sleep(0.01)
            states |= {snapshot.state for snapshot in health.snapshot()}
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert good(pipeline.accepted[0].readings) == {"state": 1, "good": 2, "far": 3}
    assert states <= {ConnectionState.CONNECTING, ConnectionState.LOST, ConnectionState.RUNNING}


async def test_a_tag_with_an_interval_of_its_own_is_polled_more_seldom() -> None:
    """A slow meter beside a fast state: each of its registers is asked for at its own interval, and a change comes."""
    slow: list[int] = []

    def meter(plc: OddDevice, request: Request) -> Sequence[Step]:
        if request.address == 200:
            slow.append(request.number)
        plc.registers = {100: 1, 200: len(slow)}
        return [plc.frame(request)]

    tags = {"state": ModbusTag(address=100), "energy": ModbusTag(address=200, poll_interval_ms=300)}
    async with odd_device({}, meter) as plc, watched(plc.settings(), tags) as seen:
        first = await seen.batch()
        changes = [await seen.news() for _ in range(3)]
        asked = plc.requests

    assert good(first.readings) == {"state": 1, "energy": 1}
    assert [good(change.readings) for change in changes] == [{"energy": number} for number in (2, 3, 4)]
    assert asked > 3 * len(slow)
