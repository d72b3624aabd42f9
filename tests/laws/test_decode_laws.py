"""Laws of decoding: what an independent encoder writes, the decoder reads."""

import math
import struct

from hypothesis import given
from hypothesis import strategies as st

from adapters.modbus.decode import decode, may_be_torn
from adapters.reading import Quality
from adapters.settings import ByteOrder, DataType, ModbusTag

FORMATS = {
    DataType.UINT16: "H",
    DataType.INT16: "h",
    DataType.UINT32: "I",
    DataType.INT32: "i",
    DataType.UINT64: "Q",
    DataType.INT64: "q",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
}


def encode(kind: DataType, order: ByteOrder, number: float) -> list[int]:
    """The registers of a number, moved byte by byte as the name of the order says."""
    raw = struct.pack(f">{FORMATS[kind]}", number)
    pairs = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    if order in (ByteOrder.BADC, ByteOrder.DCBA):
        pairs = [bytes((pair[1], pair[0])) for pair in pairs]
    if order in (ByteOrder.CDAB, ByteOrder.DCBA):
        pairs.reverse()
    return [pair[0] * 256 + pair[1] for pair in pairs]


@given(kind=st.sampled_from(sorted(FORMATS)), order=st.sampled_from(ByteOrder), data=st.data())
def test_every_number_survives_the_round_trip(kind: DataType, order: ByteOrder, data: st.DataObject) -> None:
    """Any number of any type in any byte order comes back as it was, one by one and as a tuple."""
    size_bits = 8 * struct.calcsize(FORMATS[kind])
    numbers: st.SearchStrategy[float]
    if kind in (DataType.FLOAT32, DataType.FLOAT64):
        numbers = st.floats(width=32 if size_bits == 32 else 64, allow_nan=False, allow_infinity=False)
    elif kind in (DataType.INT16, DataType.INT32, DataType.INT64):
        numbers = st.integers(-(2 ** (size_bits - 1)), 2 ** (size_bits - 1) - 1)
    else:
        numbers = st.integers(0, 2**size_bits - 1)
    wanted = data.draw(st.lists(numbers, min_size=1, max_size=5))
    words = [word for number in wanted for word in encode(kind, order, number)]
    found = decode(ModbusTag(address=0, type=kind, order=order, count=len(wanted)), words)

    assert found.quality is Quality.GOOD
    assert found.value == (wanted[0] if len(wanted) == 1 else tuple(wanted))


@given(number=st.integers(0, 99_999_999), order=st.sampled_from(ByteOrder))
def test_a_bcd_number_is_what_its_digits_say(number: int, order: ByteOrder) -> None:
    """The registers of a number whose hexadecimal digits are its decimal ones, in any byte order, come back as it."""
    words = encode(DataType.UINT32, order, int(str(number), 16))

    assert decode(ModbusTag(address=0, type=DataType.BCD32, order=order), words).value == number
    if number < 10_000:
        low = encode(DataType.UINT16, order, int(str(number), 16))
        assert decode(ModbusTag(address=0, type=DataType.BCD16, order=order), low).value == number


@given(words=st.lists(st.integers(0, 65535), min_size=1, max_size=20), order=st.sampled_from(ByteOrder))
def test_text_never_holds_what_cannot_be_shown(words: list[int], order: ByteOrder) -> None:
    """Whatever a device leaves in its registers, text is good, short enough and free of control characters."""
    tag = ModbusTag(address=0, type=DataType.STRING, length=2 * len(words), order=order)
    found = decode(tag, words)

    assert isinstance(found.value, str)
    assert len(found.value) <= 2 * len(words)
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in found.value)
    assert not found.value.endswith(" ")


@given(
    kind=st.sampled_from([DataType.FLOAT32, DataType.FLOAT64]),
    words=st.lists(st.integers(0, 65535), min_size=4, max_size=4),
    scale=st.floats(allow_nan=False, allow_infinity=False),
)
def test_floats_are_finite_or_bad(kind: DataType, words: list[int], scale: float) -> None:
    """A value is None if and only if it is bad; a good one is always a finite number."""
    tag = ModbusTag(address=0, type=kind, scale=scale)
    found = decode(tag, words[: tag.size])

    assert (found.value is None) == (found.quality is Quality.BAD)
    assert found.value is None or (isinstance(found.value, int | float) and math.isfinite(found.value))


LONG = {
    DataType.UINT32: st.integers(0, 2**32 - 2),
    DataType.INT32: st.integers(-(2**31), 2**31 - 2),
    DataType.UINT64: st.integers(0, 2**64 - 2),
    DataType.INT64: st.integers(-(2**63), 2**63 - 2),
    DataType.FLOAT32: st.integers(0, 2**24 - 1),
    DataType.FLOAT64: st.integers(0, 2**53 - 1),
    DataType.BCD32: st.integers(0, 99_999_998),
}


@given(kind=st.sampled_from(sorted(LONG)), order=st.sampled_from(ByteOrder), data=st.data())
def test_a_counter_torn_between_its_registers_is_doubted(kind: DataType, order: ByteOrder, data: st.DataObject) -> None:
    """Some registers of a number and some of the next one: it is one of both, no value at all, or may be torn."""
    near = st.integers(-3, 3).flatmap(
        lambda step: st.sampled_from([10**4, 10**6, 2**16, 2**20]).map(lambda at: at + step)
    )
    old = data.draw(st.one_of(LONG[kind], near))
    pair = [
        encode(DataType.UINT32, order, int(str(number), 16)) if kind is DataType.BCD32 else encode(kind, order, number)
        for number in (old, old + 1)
    ]
    mixed = [data.draw(st.sampled_from(words)) for words in zip(*pair, strict=True)]
    tag = ModbusTag(address=0, type=kind, order=order)

    assert decode(tag, mixed).value in (old, old + 1, None) or may_be_torn(tag, pair[0], mixed)
    assert not may_be_torn(tag, pair[0], pair[0])
