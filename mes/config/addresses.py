"""Where a value is, as the plant's file says it: ids and paths of OPC UA nodes, addresses of Modbus registers."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from adapters.opcua import addressing
from adapters.settings import Numbering, Table

REGISTERS = ("address", "addresses", "scale_address")
LAST = 65535
_MANUAL = re.compile(r"([134])(?:(\d{4,5})|x(\d{1,6}))", re.IGNORECASE)
_NUMBER_0 = re.compile(r"[134]0{4,5}")
_HEX = re.compile(r"0x[0-9a-f]{1,4}", re.IGNORECASE)
_DIGITS = {"1": Table.DISCRETE, "3": Table.INPUT, "4": Table.HOLDING}
_PART_IN_NODE = re.compile(r"\[([0-9]+:[0-9]+)\]$")


class Mistake(NamedTuple):
    """What is wrong with an address: at which key, what, and the remedy."""

    key: str
    what: str
    remedy: str


def address_key(given: Mapping[str, object], *, opc_ua: bool) -> str:
    """Which of the keys says where the value is; one that is missing, if none does."""
    if opc_ua:
        return "path" if "node" not in given and "path" in given else "node"
    return "addresses" if "addresses" in given else "address"


def node_mistake(key: str, given: Mapping[str, object]) -> Mistake | None:
    """What is wrong with the id or the path of a node that stands at `key`."""
    problem = _node_problem(key, str(given[key]))
    return None if problem is None else Mistake(key, *problem)


def registers(given: Mapping[str, object], numbering: Numbering) -> Mapping[str, object] | Mistake:
    """The addresses of a Modbus value, and its table if they name one, as on the wire; or what is wrong with them."""
    if "address" in given and "addresses" in given:
        what = "`address` stands beside `addresses`"
        return Mistake("address", what, "give one of the two; neighbours have one `address`")
    table = None if given.get("table") is None else Table(str(given["table"]))
    found: dict[str, object] = {}
    for key in (key for key in REGISTERS if key in given):
        value = given[key]
        wire: list[int] = []
        for number in value if isinstance(value, list) else [value]:
            try:
                named, address = _register(number, table, numbering)
            except ValueError as error:
                what, _, remedy = str(error).partition(": ")
                return Mistake(key, what, remedy)
            table = found.setdefault("table", named) if named is not None else table  # type: ignore[assignment]
            wire.append(address)
        found[key] = tuple(wire) if isinstance(value, list) else wire[0]
    if isinstance(found.get("addresses"), tuple):
        found["address"] = found["addresses"][0]  # type: ignore[index]
    return found


def _register(given: object, table: Table | None, numbering: Numbering) -> tuple[Table | None, int]:
    """The table that a number of a manual names, if it does, and the address as on the wire.

    Raises ValueError with what is wrong and the remedy.
    """
    if _HEX.fullmatch(str(given)):
        return None, int(str(given), 16)  # hexadecimal is never of a manual's numbers, and a coil counts from 0 there
    manual = _of_manual(given)
    if numbering == "wire":
        if isinstance(given, int) and 0 <= given <= LAST:
            return None, given
        what = f"there is no register {given}" if isinstance(given, int) else f"`{given}` is no register address"
        if manual is not None:
            remedy = f"of a manual it is table {manual[0]}, address {manual[1]}; write these"
            raise ValueError(f"{what}: {remedy}, or `numbering: manual` at the controller")
        if isinstance(given, int):
            remedy = "addresses go from 0 to 65535, as on the wire: 40101 or 400101 of a manual is 100 here"
        else:
            remedy = "write a whole number from 0 to 65535; in a template `{name+10}`"
        raise ValueError(f"{what}: {remedy}")
    if manual is not None:
        if table not in (None, manual[0]):
            raise ValueError(f"{given} is of table {manual[0]}, and not {table}: correct one of the two")
        return manual
    # a coil's number has no digit for its table, and counts from 1
    address = given - 1 if isinstance(given, int) and table is Table.COIL else given
    if not isinstance(address, int) or not 0 <= address <= LAST or _NUMBER_0.fullmatch(str(given)):
        raise ValueError(f"{given} is no number of a manual: write 40101, 400101, 4x101, or 0x64 as on the wire")
    return None, address


def _of_manual(given: object) -> tuple[Table, int] | None:
    """The table and the address that a number has in which the first digit is the table's: 40101, 400101, 4x101."""
    found = _MANUAL.fullmatch(str(given))
    number = 0 if found is None else int(next(digits for digits in found.groups()[1:] if digits))
    return None if found is None or not 0 < number <= LAST + 1 else (_DIGITS[found[1]], number - 1)


def _node_problem(key: str, given: str) -> tuple[str, str] | None:
    try:
        addressing.parse_path(given) if key == "path" else addressing.parse(given)
    except ValueError as error:
        what, _, remedy = str(error).partition(": ")
        return what, remedy or "write nsu=<namespace URI>;s=<id>, or i=, g=, b= for other kinds of id"
    if part := _PART_IN_NODE.search(given):
        what = f"the id ends in `{part[0]}`, which no server takes for a part of an array"
        return what, f'write `index: "{part[1]}"` beside it, and the id without that'
    return None
