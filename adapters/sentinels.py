"""Values by which a device says that it has no value: 0x8000 of SunSpec, -9999.9 of a sensor that is not connected."""

import struct
from collections.abc import Collection

from adapters.reading import Scalar

SAID_NO_VALUE = "the controller says that it has no value"
NO_VALUE_REMEDY = "nothing, if it has none at present; else correct `no_value` or the address"


def is_sentinel(value: Scalar, sentinels: Collection[float | str]) -> bool:
    """Whether a value, not scaled yet, is one of these; a number of 32 bits is compared as one."""
    if isinstance(value, bool) or not sentinels:
        return False
    if isinstance(value, float):
        return any(isinstance(said, int | float) and value in (said, _single(said)) for said in sentinels)
    return value in sentinels


def _single(number: float) -> float:
    """The number as 32 bits hold it; infinite where they cannot."""
    try:
        (single,) = struct.unpack(">f", struct.pack(">f", number))
    except OverflowError:
        return float("inf")
    return float(single)
