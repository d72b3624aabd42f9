"""Golden vectors for the decoding of registers."""

import pytest

from adapters.modbus.decode import BAD, decode, fault, may_be_torn
from adapters.reading import Quality, Value
from adapters.sentinels import NO_VALUE_REMEDY, SAID_NO_VALUE
from adapters.settings import ByteOrder, Charset, DataType, ModbusTag

A, B, C, D = ByteOrder.ABCD, ByteOrder.CDAB, ByteOrder.BADC, ByteOrder.DCBA


@pytest.mark.parametrize(
    ("kind", "order", "words", "value"),
    [
        (DataType.UINT16, A, [0x1234], 0x1234),
        (DataType.UINT16, C, [0x1234], 0x3412),
        (DataType.INT16, A, [0xFFFE], -2),
        (DataType.BITS, A, [0x8001], 0x8001),
        (DataType.BOOL, A, [0], False),
        (DataType.BOOL, A, [2], True),
        (DataType.UINT32, A, [0x0102, 0x0304], 0x01020304),
        (DataType.UINT32, B, [0x0304, 0x0102], 0x01020304),
        (DataType.UINT32, C, [0x0201, 0x0403], 0x01020304),
        (DataType.UINT32, D, [0x0403, 0x0201], 0x01020304),
        (DataType.INT32, B, [0xFFFE, 0xFFFF], -2),
        (DataType.FLOAT32, A, [0x41AC, 0x0000], 21.5),
        (DataType.FLOAT32, B, [0x0000, 0x41AC], 21.5),
        (DataType.UINT64, A, [0x0102, 0x0304, 0x0506, 0x0708], 0x0102030405060708),
        (DataType.UINT64, B, [0x0708, 0x0506, 0x0304, 0x0102], 0x0102030405060708),
        (DataType.UINT64, C, [0x0201, 0x0403, 0x0605, 0x0807], 0x0102030405060708),
        (DataType.UINT64, D, [0x0807, 0x0605, 0x0403, 0x0201], 0x0102030405060708),
        (DataType.INT64, A, [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], -1),
        (DataType.FLOAT64, A, [0x3FF8, 0, 0, 0], 1.5),
        (DataType.FLOAT64, D, [0, 0, 0, 0xF83F], 1.5),
        (DataType.BCD16, A, [0x0010], 10),
        (DataType.BCD16, C, [0x3412], 1234),
        (DataType.BCD32, A, [0x1234, 0x5678], 12_345_678),
        (DataType.BCD32, B, [0x5678, 0x1234], 12_345_678),
        (DataType.BCD32, D, [0x7856, 0x3412], 12_345_678),
    ],
)
def test_golden_vectors(kind: DataType, order: ByteOrder, words: list[int], value: Value) -> None:
    """Each type in each byte order decodes to the number that the vector was made from, and to its own Python type."""
    found = decode(ModbusTag(address=0, type=kind, order=order), words)

    assert found.value == value
    assert type(found.value) is type(value)
    assert found.quality is Quality.GOOD


@pytest.mark.parametrize(
    ("length", "words", "text"),
    [
        (4, [0x4142, 0x4344], "ABCD"),
        (3, [0x4142, 0x4344], "ABC"),  # an odd length leaves the last byte out
        (4, [0x4100, 0x4344], "A"),  # nothing after the first NUL
        (4, [0x4120, 0x2020], "A"),
        (4, [0x2041, 0x2020], " A"),
        (4, [0x410D, 0x0A42], "AB"),
        (2, [0xC4DF], "Äß"),
        (4, [0, 0], ""),
    ],
)
def test_strings(length: int, words: list[int], text: str) -> None:
    """Text has its high byte first, ends at a NUL, and has neither control characters nor trailing blanks."""
    assert decode(ModbusTag(address=0, type=DataType.STRING, length=length), words).value == text


def test_string_of_a_device_that_swaps_bytes() -> None:
    """Byte orders that swap the bytes of a register do so in text too; the words of a text are never turned round."""
    for order in (C, D):
        tag = ModbusTag(address=0, type=DataType.STRING, length=4, order=order)
        assert decode(tag, [0x4241, 0x4443]).value == "ABCD"


def test_bits_of_a_register() -> None:
    """`bit` picks one bit as a bool, 0 the least significant."""
    picked = [decode(ModbusTag(address=0, bit=bit), [0x8005]).value for bit in range(16)]

    assert [bit for bit, on in enumerate(picked) if on is True] == [0, 2, 15]


@pytest.mark.parametrize("words", [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0]])
def test_floats_that_are_no_number_are_bad(words: list[int]) -> None:
    """NaN and both infinities are a device's way of saying that it does not know."""
    assert decode(ModbusTag(address=0, type=DataType.FLOAT32), words) == BAD


def test_one_bad_element_makes_the_tag_bad() -> None:
    """A tuple with a hole has no value as a whole."""
    tag = ModbusTag(address=0, type=DataType.FLOAT32, count=2)

    assert decode(tag, [0x41AC, 0, 0x41AC, 0]).value == (21.5, 21.5)
    assert decode(tag, [0x41AC, 0, 0x7FC0, 0]) == BAD


def test_scale_and_offset() -> None:
    """Counts stay whole while they are not scaled; scaling beyond the largest float is bad."""
    whole = decode(ModbusTag(address=0), [7]).value
    scaled = decode(ModbusTag(address=0, scale=0.1, offset=-40.0), [615]).value

    assert isinstance(whole, int)
    assert scaled == pytest.approx(21.5)
    assert decode(ModbusTag(address=0, type=DataType.FLOAT64, scale=1e300), [0x7FE0, 0, 0, 0]) == BAD


def test_wrong_number_of_words_is_refused() -> None:
    """Too few or too many words are a fault of the caller, never a value."""
    with pytest.raises(ValueError, match="2 words, not 1"):
        decode(ModbusTag(address=0, type=DataType.UINT32), [1])


def test_what_is_no_torn_number() -> None:
    """A register, a text, a measured value that jumps, a counter that goes on; each element is looked at by itself."""
    assert not may_be_torn(ModbusTag(address=0), [0], [0xFFFF])
    assert not may_be_torn(ModbusTag(address=0, type=DataType.STRING, length=4), [0, 0], [0xFFFF, 0xFFFF])
    assert not may_be_torn(ModbusTag(address=0, type=DataType.FLOAT32), [0x41AC, 0x1234], [0x42AC, 0])
    assert not may_be_torn(ModbusTag(address=0, type=DataType.UINT32), [0, 0], [0, 0x7FFF])
    assert may_be_torn(ModbusTag(address=0, type=DataType.UINT32, count=2), [0, 0, 0, 9], [0, 0, 1, 9])


@pytest.mark.parametrize(
    ("tag", "words", "says"),
    [
        (ModbusTag(address=0, type=DataType.FLOAT32), (0x7FC0, 0), "not finite"),
        (ModbusTag(address=0, type=DataType.FLOAT32), (0x7F80, 0), "not finite"),
        (ModbusTag(address=0, type=DataType.FLOAT32), (0x41AC, 0), None),
        (ModbusTag(address=0, type=DataType.FLOAT32, count=2), (0x41AC, 0, 0x7FC0, 0), "not finite"),
        (ModbusTag(address=0), (0xFFFF,), None),
        (ModbusTag(address=0, type=DataType.BCD16), (0x9999,), None),
        (ModbusTag(address=0, type=DataType.BCD16), (0x009A,), "0x009A is no BCD number: a digit is above 9"),
        (ModbusTag(address=0, type=DataType.BCD32), (0xF000, 0), "0xF0000000 is no BCD number"),
        (ModbusTag(address=0, type=DataType.STRING, length=4), (0x4A53, 0x3300), None),
        (ModbusTag(address=0, type=DataType.STRING, length=4), (0x4A53, 0x0D0A), None),
        (ModbusTag(address=0, type=DataType.STRING, length=4), (0x4A01, 0x3353), "control characters"),
    ],
)
def test_what_is_wrong_with_a_value_is_named(tag: ModbusTag, words: tuple[int, ...], says: str | None) -> None:
    """A number that is not finite and a text with control characters inside have a reason; padding has none."""
    reason = fault(tag, words)

    assert reason is None if says is None else reason is not None and says in reason[0]


F32, I16 = DataType.FLOAT32, DataType.INT16


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        (ModbusTag(address=0, type=I16, scale=0.1, no_value=(0x8000,)), (0x8000,)),
        (ModbusTag(address=0, type=I16, no_value=(-32768,)), (0x8000,)),
        (ModbusTag(address=0, no_value=(0xFFFF, 0xFFFE)), (0xFFFE,)),
        (ModbusTag(address=0, type=DataType.BITS, no_value=(0xFFFF,)), (0xFFFF,)),
        (ModbusTag(address=0, type=F32, no_value=(-9999.9,)), (0xC61C, 0x3F9A)),
        (ModbusTag(address=0, type=DataType.FLOAT64, no_value=(1e300, -2)), (0xC000, 0, 0, 0)),
        (ModbusTag(address=0, type=DataType.STRING, length=4, no_value=("????",)), (0x3F3F, 0x3F3F)),
        (ModbusTag(address=0, type=I16, count=2, no_value=(0x8000,)), (5, 0x8000)),
    ],
)
def test_a_device_may_say_that_it_has_no_value(tag: ModbusTag, words: tuple[int, ...]) -> None:
    """What the file calls no value is bad, before scaling, by its registers or by its number; its neighbour is good."""
    other = (1, *words[1:]) if tag.count == 1 else (5, 6)

    assert decode(tag, words) == BAD
    assert fault(tag, words) == (SAID_NO_VALUE, NO_VALUE_REMEDY)
    assert decode(tag, other).quality is Quality.GOOD


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ((2153, 0xFFFF), 215.3),
        ((2153, 2), 215_300),
        ((2153, 0), 2153),
        ((0xFFFF, 0xFFFE), -0.01),
        ((2153, 0x8000), None),
        ((2153, 11), None),
        ((2153, 0xFFF5), None),
    ],
)
def test_a_power_of_ten_scales_what_is_read_with_it(words: tuple[int, int], value: float | None) -> None:
    """SunSpec's scale factors: exact to the last digit; 0x8000, and what is beyond ten, leave no value."""
    tag = ModbusTag(address=0, type=I16, scale_address=9)
    found = decode(tag, words)

    assert (found.value, found.quality is Quality.GOOD) == (value, value is not None)
    assert (fault(tag, words) is None) is (value is not None)
    assert decode(tag.model_copy(update={"scale": 2.0, "offset": 1.0}), (3, 1)).value == 61.0


def test_a_value_has_the_words_that_it_takes() -> None:
    """With its power of ten it takes one more."""
    with pytest.raises(ValueError, match="2 words, not 1"):
        decode(ModbusTag(address=0, scale_address=9), [1])


@pytest.mark.parametrize(
    ("tag", "words", "value"),
    [
        (ModbusTag(address=0, bits=(4, 11)), (0xAB5C,), 0xB5),
        (ModbusTag(address=0, bits=(0, 0), type=DataType.BITS), (0xFFFE,), 0),
        (ModbusTag(address=0, bits=(14, 17), type=DataType.UINT32, order=B), (0xC000, 0x0002), 0b1011),
        (ModbusTag(address=0, bits=(0, 3), scale=0.5), (0xFFF3,), 1.5),
    ],
)
def test_a_number_in_some_bits(tag: ModbusTag, words: tuple[int, ...], value: float) -> None:
    """First and last bit are both of it, 0 the least significant, in every byte order; it is scaled afterwards."""
    assert decode(tag, words).value == value


@pytest.mark.parametrize(
    ("charset", "words", "text"),
    [
        ("latin-1", [0xC4DF], "Äß"),
        ("cp1251", [0xCAF3, 0xE7EE, 0xE200], "Кузов"),
        ("utf-8", [0xD29A, 0xD0B0], "Қа"),
        ("utf-8", [0xD29A, 0xD000], "Қ\ufffd"),
    ],
)
def test_a_text_is_of_the_character_set_that_the_file_names(charset: Charset, words: list[int], text: str) -> None:
    """What is no character of it is shown as unknown; the text goes on."""
    tag = ModbusTag(address=0, type=DataType.STRING, length=2 * len(words), charset=charset)
    assert decode(tag, words).value == text
