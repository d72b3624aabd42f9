"""What may be made of a raw value: a totaliser's whole number, a code as text, a measured value."""

import math

from adapters.reading import Value

LARGEST = 2**63  # what a database can hold; only a misread value is larger
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


def measured(value: Value | None) -> float | None:
    """A measured value; infinities and NaN are none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def code(value: Value | None) -> str:
    """A code as text: 3, 3.0 and "3" are one code."""
    number = whole(value)
    return str(value) if number is None else str(number)
