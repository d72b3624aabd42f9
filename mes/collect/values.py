"""What may be made of a raw value: a totaliser's whole number, a code as text, a measured value."""

import math
import re

from adapters.reading import Scalar, Value

LARGEST = 2**63  # what a database can hold; only a misread value is larger
FILLING = " \t\r\n\0"
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_TRUTH = {"false": "0", "true": "1"}
NO_PRODUCT = frozenset({"", "0"})  # raw codes of an empty station


def whole(value: Value | None) -> int | None:
    """A totaliser's value; a float that is a whole number is taken, anything else is not."""
    match value:
        case bool():
            return None
        case int() | float() if value == value // 1 and abs(value) < LARGEST:
            return int(value)
        case _:
            return None


def status_word(value: Value | None) -> int | None:
    """A word of bits: a whole number, a bool, or several bools, of which the first one is bit 0."""
    if isinstance(value, tuple):
        return joined_words(value, 1) if all(isinstance(bit, bool) for bit in value) else None
    return int(value) if isinstance(value, bool) else whole(value)


def joined_words(words: tuple[Scalar, ...], width: int) -> int | None:
    """Several words of `width` bits as one; the first word has the lowest bits. None if one of them is no such word."""
    joined = 0
    for place, word in enumerate(map(status_word, words)):
        if word is None or not -(1 << width >> 1) <= word < 1 << width:
            return None
        joined |= (word & ((1 << width) - 1)) << (place * width)
    return joined


def number_of(value: Value | None) -> int | None:
    """The whole number that a code is: 3, 3.0 and "3" are one; None for a text that is none."""
    said = code(value)
    return int(said) if _WHOLE.fullmatch(said) else None


def truth(value: Value | None) -> bool | None:
    """Whether a bit is set; None for what is no bit."""
    return {"0": False, "1": True}.get(code(value))


def measured(value: Value | None) -> float | None:
    """A measured value; infinities and NaN are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def code(value: Value | None) -> str:
    """A code as text, so that equal codes are equal texts on every protocol and in the plant's file.

    3, 3.0 and "3" are one code; so are true, 1 and "True". Blanks and NULs around a text do not count.
    """
    number = int(value) if isinstance(value, bool) else whole(value)
    if number is not None:
        return str(number)
    said = text(value)
    return _TRUTH.get(said.lower(), said)


def part_of(value: Value, characters: tuple[int, int] | None) -> Value:
    """A value, or these characters of what it says, counted from 1, both included."""
    return value if characters is None else text(value)[characters[0] - 1 : characters[1]]


def text(value: Value | None) -> str:
    """What was said, without the blanks and NULs that controllers fill up texts with."""
    return str(value).strip(FILLING)
