"""Registers and bits of a Modbus device -> values, exactly as the tag's configuration says; pure."""

import math
import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from adapters.reading import Quality, Scalar, Value, bit_field
from adapters.sentinels import NO_VALUE_REMEDY, SAID_NO_VALUE, is_sentinel
from adapters.settings import SIGNED, ByteOrder, DataType, ModbusTag


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the registers of a tag say; `value` is None if and only if `quality` is bad."""

    value: Value | None
    quality: Quality


BAD = Decoded(None, Quality.BAD)
_PADDING = " \t\r\n"  # at the end of a text
TEAR = 2**15  # a number whose bits jump this far may have been read between the changes of its registers
FLOATS = frozenset({DataType.FLOAT32, DataType.FLOAT64})
NO_EXPONENT, LARGEST_EXPONENT = -(2**15), 10  # of SunSpec's scale factors
_CHECK = "check its `type`, `order`, `address` and `length` by the device's manual"


class _NoValueError(Exception):
    """The words are no value: why, as the end of a sentence, and what to do."""

    def __init__(self, why: str, remedy: str = _CHECK) -> None:
        super().__init__(why, remedy)


def decode(tag: ModbusTag, words: Sequence[int]) -> Decoded:
    """The value of a tag from all its registers, or from its bits (0 or 1) where its table holds bits.

    `words` has exactly `tag.size` items of 0 to 65535. Where one element is no value, the whole tag is of bad quality.
    Raises ValueError if the number of words is not the tag's.
    """
    try:
        elements = _elements(tag, words)
    except _NoValueError:
        return BAD
    return Decoded(elements[0] if tag.count == 1 else elements, Quality.GOOD)


def fault(tag: ModbusTag, words: Sequence[int]) -> tuple[str, str] | None:
    """Why the words are not what the tag's type says, as the end of a sentence, and the remedy; None if they are.

    `words` as in `decode`. Control characters are left out of a text, which is a value all the same.
    """
    try:
        _elements(tag, words)
    except _NoValueError as error:
        why, remedy = error.args
        return why, remedy
    if tag.type is not DataType.STRING:
        return None
    size = tag.element_size
    texts = (_characters(tag, words[first : first + size]).rstrip(_PADDING) for first in range(0, tag.size, size))
    garbled = any(unicodedata.category(sign) == "Cc" for text in texts for sign in text)
    return ("control characters are left out of its text", _CHECK) if garbled else None


def may_be_torn(tag: ModbusTag, old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether numbers may have been read while the device changed their registers; the last reading said `old`.

    Both hold whole elements of the tag, without its power of ten. A torn number jumps, by `TEAR` or more of its last
    bit. A float may be torn only where it was a whole number, as a totaliser is: what is measured jumps all the time.
    """
    size = tag.element_size
    if size == 1 or tag.type is DataType.STRING:
        return False
    pairs = ((old[first : first + size], new[first : first + size]) for first in range(0, len(new), size))
    return any(
        abs(_unsigned(tag, was) - _unsigned(tag, now)) >= TEAR and (tag.type not in FLOATS or _is_whole(tag, was))
        for was, now in pairs
    )


def _is_whole(tag: ModbusTag, words: Sequence[int]) -> bool:
    return float(_number(tag.type, _bytes(words, tag.order))).is_integer()


def _unsigned(tag: ModbusTag, words: Sequence[int]) -> int:
    return int.from_bytes(_bytes(words, tag.order), "big")


def _elements(tag: ModbusTag, words: Sequence[int]) -> tuple[Scalar, ...]:
    """The values in the words; raises _NoValueError if one of them is none."""
    if len(words) != tag.words:
        raise ValueError(f"the tag takes {tag.words} words, not {len(words)}")
    exponent = 0 if tag.scale_address is None else _exponent(words[-1], tag.order)
    size = tag.element_size
    return tuple(_element(tag, words[first : first + size], exponent) for first in range(0, tag.size, size))


def _exponent(word: int, order: ByteOrder) -> int:
    """The power of ten in a register, of the SunSpec type sunssf."""
    exponent = int.from_bytes(_bytes((word,), order), "big", signed=True)
    if exponent == NO_EXPONENT:
        raise _NoValueError(SAID_NO_VALUE, NO_VALUE_REMEDY)
    if abs(exponent) > LARGEST_EXPONENT:
        raise _NoValueError(f"its power of ten is {exponent}, so it has no value", "correct `scale_address`")
    return exponent


def _element(tag: ModbusTag, words: Sequence[int], exponent: int) -> Scalar:
    raw = _bytes(words, tag.order)
    if tag.bit is not None:
        return bool(int.from_bytes(raw, "big") >> tag.bit & 1)
    if tag.type is DataType.BOOL:
        return any(words)
    value = _text(tag, words) if tag.type is DataType.STRING else _number(tag.type, raw)
    is_whole = isinstance(value, int)
    if is_sentinel(value, tag.no_value) or (is_whole and is_sentinel(int.from_bytes(raw, "big"), tag.no_value)):
        raise _NoValueError(SAID_NO_VALUE, NO_VALUE_REMEDY)
    if tag.bits is not None and isinstance(value, int):
        value = bit_field(value, *tag.bits)
    return value if isinstance(value, str) or tag.type is DataType.BITS else _scaled(tag, value, exponent)


def _number(kind: DataType, raw: bytes) -> int | float:
    match kind:
        case DataType.FLOAT32:
            return float(struct.unpack(">f", raw)[0])
        case DataType.FLOAT64:
            return float(struct.unpack(">d", raw)[0])
        case DataType.BCD16 | DataType.BCD32:
            return _decimal(raw)
        case _:
            return int.from_bytes(raw, "big", signed=kind in SIGNED)


def _text(tag: ModbusTag, words: Sequence[int]) -> str:
    return "".join(sign for sign in _characters(tag, words) if unicodedata.category(sign) != "Cc").rstrip(" ")


def _swaps_bytes(order: ByteOrder) -> bool:
    return order in (ByteOrder.BADC, ByteOrder.DCBA)


def _bytes(words: Sequence[int], order: ByteOrder) -> bytes:
    """The bytes of one number, most significant first."""
    reverses_words = order in (ByteOrder.CDAB, ByteOrder.DCBA)
    return _in_words(words[::-1] if reverses_words else words, swapped=_swaps_bytes(order))


def _in_words(words: Sequence[int], *, swapped: bool) -> bytes:
    return struct.pack(f"{'<' if swapped else '>'}{len(words)}H", *words)


def _decimal(raw: bytes) -> int:
    """The number that a decimal digit in every four bits is."""
    digits = raw.hex()
    if not digits.isdecimal():
        raise _NoValueError(
            f"0x{digits.upper()} is no BCD number: a digit is above 9", f"{_CHECK}; is it a plain number?"
        )
    return int(digits)


def _scaled(tag: ModbusTag, number: float, exponent: int) -> int | float:
    if tag.scale == 1.0 and tag.offset == 0.0 and not exponent:
        scaled: float = number
    else:
        power = 10 ** abs(exponent)
        scaled = (number * power if exponent > 0 else number / power if exponent else number) * tag.scale + tag.offset
    if not math.isfinite(scaled):
        raise _NoValueError("the number is not finite (NaN or infinite), so it has no value")
    return scaled


def _characters(tag: ModbusTag, words: Sequence[int]) -> str:
    """Characters up to the first NUL; controllers pad with NULs or blanks and leave control characters behind."""
    raw = _in_words(words, swapped=_swaps_bytes(tag.order))[: tag.length]
    return raw.split(b"\0", 1)[0].decode(tag.charset, "replace")
