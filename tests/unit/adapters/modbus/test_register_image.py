"""The register image: which blocks are asked for, which answers need a second look, and what tags say."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from adapters.diagnostics import DiagnosticCode
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.modbus.answers import BlockAnswer
from adapters.modbus.read_plan import Block, Limits, divided, plan
from adapters.modbus.register_image import RegisterImage
from adapters.reading import Quality, TagId
from adapters.settings import DataType, ModbusTag, Table

T0 = datetime(2026, 3, 2, 3, tzinfo=UTC)
ILLEGAL_ADDRESS, BUSY = 2, 6
NAN = (0x7FC0, 0)


def image(tags: Mapping[str, ModbusTag]) -> RegisterImage:
    """An image before the first answer; a refused block is left out for 30 s."""
    named = {TagId(name): tag for name, tag in tags.items()}
    return RegisterImage(named, plan(named, Limits()), refused_retry_s=30.0)


def holding(address: int, count: int) -> Block:
    """A block of holding registers."""
    return Block(Table.HOLDING, address, count)


def update(registers: RegisterImage, answers: Mapping[Block, BlockAnswer]) -> None:
    """One answer for each block, a second apart, at 100 s real time."""
    for number, (block, answer) in enumerate(answers.items()):
        registers.update(block, answer, received=T0 + timedelta(seconds=number), real_s=100.0)


def test_a_refused_block_is_left_out_for_a_time_and_its_tags_are_bad() -> None:
    """A refusal rests for 30 s and is named with its tags, five by name; an error of the moment is asked again."""
    refused = {f"t{number}": ModbusTag(address=number) for number in range(7)}
    registers = image({**refused, "good": ModbusTag(address=100), "busy": ModbusTag(address=200)})
    blocks = holding(0, 7), holding(100, 1), holding(200, 1)
    answers = BlockAnswer((), ILLEGAL_ADDRESS), BlockAnswer((5,)), BlockAnswer((), BUSY)
    update(registers, dict(zip(blocks, answers, strict=True)))
    registers.check_refusals()

    assert registers.due(real_s=129.9) == [1, 2]
    assert registers.due(real_s=130.0) == [0, 1, 2]
    readings = registers.readings()
    assert readings[TagId("t0")].quality is Quality.BAD
    assert readings[TagId("busy")].value is None
    assert (readings[TagId("good")].value, readings[TagId("good")].received_time) == (5, T0 + timedelta(seconds=1))
    (diagnostic,) = registers.diagnostics()
    assert diagnostic.code is DiagnosticCode.TAG_REFUSED
    assert diagnostic.tags == tuple(refused)
    assert diagnostic.text.endswith("t0, t1, t2, t3, t4 and 2 more")

    update(registers, {blocks[0]: BlockAnswer((1,) * 7)})
    assert registers.due(real_s=100.0) == [0, 1, 2]
    assert list(registers.diagnostics()) == []


def test_what_the_device_says_in_place_of_a_value_is_told() -> None:
    """An exception by its name, of a refusal, a failure or the device's own; nothing where there is a value."""
    tags = {name: ModbusTag(address=place * 50) for place, name in enumerate(("good", "refused", "busy", "odd"))}
    registers = image(tags)
    before = registers.answered
    codes = (0, ILLEGAL_ADDRESS, BUSY, 99)
    update(
        registers, {holding(50 * place, 1): BlockAnswer(() if code else (5,), code) for place, code in enumerate(codes)}
    )

    assert (before, registers.answered) == (False, True)
    told = [registers.exception(TagId(name)) for name in tags]
    assert told[0] == ""
    assert [text.partition(" (")[0] for text in told[1:]] == [
        f"the device answers with exception {n}" for n in codes[1:]
    ]
    assert told[3].endswith("(of the device's own)")


def test_refused_blocks_that_touch_are_named_as_one() -> None:
    """Refused blocks beside each other are one run; one apart from them, or of another code, is another."""
    named = {TagId(f"t{place}"): ModbusTag(address=place, alone=True) for place in (0, 1, 2, 9)}
    registers = RegisterImage(named, plan(named, Limits()), refused_retry_s=30.0)
    codes = {0: ILLEGAL_ADDRESS, 1: ILLEGAL_ADDRESS, 2: 3, 9: ILLEGAL_ADDRESS}
    update(registers, {holding(place, 1): BlockAnswer((), code) for place, code in codes.items()})

    assert [diagnostic.tags for diagnostic in registers.diagnostics()] == [("t0", "t1"), ("t2",), ("t9",)]


@pytest.mark.parametrize(
    ("type_", "before", "now", "torn"),
    [
        (DataType.UINT32, (0, 0xFFFF), (1, 0xFFFF), True),
        (DataType.UINT32, (1, 0), (0, 0), True),
        (DataType.UINT32, (0, 0), (0, 0x7FFF), False),
        (DataType.UINT32, (0, 5), (0, 5), False),
        (DataType.UINT32, (0, 5), (), False),
        (DataType.INT32, (0xFFFF, 0xFFFF), (0xFFFF, 0), True),
        (DataType.INT32, (0, 0xFFFF), (1, 0), False),
        (DataType.FLOAT32, (0x477F, 0xFF00), (0x4780, 0xFF00), True),
        (DataType.FLOAT32, (0x477F, 0xFF01), (0x4780, 0xFF01), False),
        (DataType.BCD32, (0, 0x9999), (1, 0x9999), True),
        (DataType.BCD32, (0, 0x9999), (0, 0), True),
        (DataType.BCD32, (0, 0x9999), (1, 0), False),
    ],
)
def test_only_a_number_of_two_registers_that_jumps_far_may_be_torn(
    type_: DataType, before: tuple[int, ...], now: tuple[int, ...], torn: bool
) -> None:
    """A jump of 32768 either way needs a second look, in the block of the number alone; the first is compared."""
    registers = image({"total": ModbusTag(address=0, type=type_), "other": ModbusTag(address=100)})
    total, other = holding(0, 2), holding(100, 1)
    assert (registers.can_tear(total), registers.can_tear(other)) == (True, False)
    assert not registers.is_torn(total, registers.believed(total), before)
    update(registers, {total: BlockAnswer(before), other: BlockAnswer((0,))})

    assert registers.is_torn(total, registers.believed(total), now) is torn
    assert not registers.is_torn(other, registers.believed(other), (0xFFFF,))


def test_an_unsteady_value_is_bad_and_its_neighbour_is_not() -> None:
    """A value whose pieces are not of one moment is bad until they are; nothing else of its block is."""
    total = ModbusTag(address=0, addresses=(0, 9), type=DataType.UINT32, scale_address=1)
    registers = image({"total": total, "beside": ModbusTag(address=1)})
    update(registers, {holding(0, 2): BlockAnswer((1, 0)), holding(9, 1): BlockAnswer((2,))})
    registers.unsteady = frozenset({TagId("total")})
    assert {tag: reading.value for tag, reading in registers.readings().items()} == {"total": None, "beside": 0}

    registers.unsteady = frozenset()
    assert registers.readings()[TagId("total")].value == 65538
    assert not registers.is_torn(holding(9, 1), (2,), (0xFFFF,))


def test_a_device_that_refuses_everything_is_misconfigured_or_has_changed() -> None:
    """All blocks refused from the start: the file is wrong. After an answer: the device is to be tried again."""
    registers = image({"good": ModbusTag(address=0)})
    update(registers, {holding(0, 1): BlockAnswer((), ILLEGAL_ADDRESS)})
    says = r"refuses everything \(illegal address\), holding 0 for one: correct `address` and `table`"
    with pytest.raises(ControllerMisconfigured, match=says):
        registers.check_refusals()

    update(registers, {holding(0, 1): BlockAnswer((5,))})
    registers.check_refusals()
    update(registers, {holding(0, 1): BlockAnswer((), ILLEGAL_ADDRESS)})
    with pytest.raises(ControllerUnavailable, match=r"it answered before$"):
        registers.check_refusals()


def test_a_value_that_is_not_of_its_type_is_named_as_long_as_it_is_there() -> None:
    """A float that is not a number has no value and a diagnostic; both end with the next finite number."""
    registers = image({"level": ModbusTag(address=0, type=DataType.FLOAT32)})
    update(registers, {holding(0, 2): BlockAnswer(NAN)})
    assert registers.readings()[TagId("level")].value is None
    (diagnostic,) = registers.diagnostics()
    assert (diagnostic.code, diagnostic.tags) == (DiagnosticCode.VALUE_UNREADABLE, ("level",))

    update(registers, {holding(0, 2): BlockAnswer((0x3FC0, 0))})
    assert registers.readings()[TagId("level")].value == 1.5
    assert registers.readings()[TagId("level")].value == 1.5
    assert list(registers.diagnostics()) == []


@pytest.mark.parametrize(
    ("tag", "code", "remedy"),
    [
        (ModbusTag(address=40101), ILLEGAL_ADDRESS, "40101 of a manual is 100 here"),
        (ModbusTag(address=30001, table=Table.INPUT), ILLEGAL_ADDRESS, "30001 of a manual is 0 here"),
        (ModbusTag(address=100), ILLEGAL_ADDRESS, "which may count from 1"),
        (ModbusTag(address=100), 1, "try `table: input` or `coil`"),
        (ModbusTag(address=100, table=Table.COIL, type=DataType.BOOL), 1, "try `table: discrete` or `holding`"),
        (ModbusTag(address=100), 3, "correct `type` and `length`"),
    ],
)
def test_a_refusal_says_what_to_correct(tag: ModbusTag, code: int, remedy: str) -> None:
    """By what the device says, and by an address that was copied from a manual."""
    registers = image({"state": tag, "good": ModbusTag(address=7)})
    update(registers, {Block(tag.table, tag.address, 1): BlockAnswer((), code), holding(7, 1): BlockAnswer((5,))})
    (diagnostic,) = registers.diagnostics()

    assert diagnostic.tags == ("state",)
    assert remedy in diagnostic.remedy


def test_another_plan_keeps_what_is_known_of_the_same_blocks() -> None:
    """Blocks of both plans keep their answers; a block that is gone leaves nothing behind."""
    tags = {TagId("one"): ModbusTag(address=0), TagId("two"): ModbusTag(address=1), TagId("far"): ModbusTag(address=9)}
    before = plan(tags, Limits())
    registers = RegisterImage(tags, before, refused_retry_s=30.0)
    update(registers, {holding(0, 2): BlockAnswer((), ILLEGAL_ADDRESS), holding(9, 1): BlockAnswer((9,))})
    registers.replan(divided(before, 0, tags, Limits()))
    update(registers, {holding(0, 1): BlockAnswer((1,)), holding(1, 1): BlockAnswer((), ILLEGAL_ADDRESS)})

    assert {tag: reading.value for tag, reading in registers.readings().items()} == {"one": 1, "two": None, "far": 9}
    assert [diagnostic.tags for diagnostic in registers.diagnostics()] == [("two",)]


def test_a_block_with_an_interval_of_its_own_is_due_when_it_has_passed() -> None:
    """Between its polls the tag reads as it did at the last one, with the time of that."""
    registers = image({"state": ModbusTag(address=0), "energy": ModbusTag(address=1, poll_interval_ms=60_000)})
    assert registers.due(real_s=0.0) == [0, 1]
    update(registers, {holding(0, 1): BlockAnswer((1,)), holding(1, 1): BlockAnswer((7,))})

    assert registers.due(real_s=159.9) == [0]
    assert registers.due(real_s=160.0) == [0, 1]
    update(registers, {holding(0, 1): BlockAnswer((2,))})
    energy = registers.readings()[TagId("energy")]
    assert (energy.value, energy.received_time) == (7, T0 + timedelta(seconds=1))


def test_the_pieces_of_one_value_are_due_together() -> None:
    """A register that another tag wants more often takes the rest of its value with it, but for what is refused."""
    total = ModbusTag(address=0, addresses=(0, 9), type=DataType.UINT32, poll_interval_ms=60_000)
    registers = image({"total": total, "state": ModbusTag(address=0), "far": ModbusTag(address=20)})
    update(registers, {holding(at, 1): BlockAnswer((1,)) for at in (0, 9, 20)})
    assert registers.due(real_s=101.0) == [0, 1, 2]

    update(registers, {holding(9, 1): BlockAnswer((), ILLEGAL_ADDRESS)})
    assert registers.due(real_s=101.0) == [0, 1]
