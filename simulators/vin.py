"""Vehicle identification numbers: 17 characters with the check digit at position 9."""

from collections.abc import Iterator

ALPHABET = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
_VALUES = {
    **{digit: int(digit) for digit in "0123456789"},
    **dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
            strict=True,
        )
    ),
}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_YEARS = "ABCDEFGHJKLMNPRSTVWXY123456789"  # 2010 is A; the row repeats every 30 years
_PREFIXES = {"S3": "LJ12EKR2", "S2": "LJ12EKS1"}
_OTHERS = "LJ12EKT1"
_SERIALS = 1_000_000
LENGTH = 17


def check_digit(vin: str) -> str:
    """What must stand at position 9 (`0` to `9` or `X`); what stands there now has the weight 0.

    Weighted sum of the characters' values modulo 11, as in 49 CFR 565.15. Raises KeyError at a character that
    no VIN may hold.
    """
    remainder = sum(weight * _VALUES[char] for weight, char in zip(_WEIGHTS, vin, strict=True)) % 11
    return "X" if remainder == 10 else str(remainder)


def vins(product: str, *, year: int, first_serial: int) -> Iterator[str]:
    """The numbers of one product, one after another; unique for a million cars."""
    head, tail = _PREFIXES.get(product, _OTHERS), f"{_YEARS[(year - 2010) % len(_YEARS)]}1"
    serial = first_serial
    while True:
        bare = f"{head}0{tail}{serial % _SERIALS:06d}"
        yield f"{head}{check_digit(bare)}{bare[9:]}"
        serial += 1
