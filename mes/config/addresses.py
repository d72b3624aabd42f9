"""Where a value is, as the plant's file says it: ids and paths of OPC UA nodes, addresses of Modbus registers."""

import re
from collections.abc import Mapping

from adapters.opcua import addressing

_PART_IN_NODE = re.compile(r"\[([0-9]+:[0-9]+)\]$")


def address_key(given: Mapping[str, object], *, opc_ua: bool) -> str:
    """Which of the keys says where the value is; one that is missing, if none does."""
    if opc_ua:
        return "path" if "node" not in given and "path" in given else "node"
    return "addresses" if "addresses" in given else "address"


def address_mistake(key: str, given: Mapping[str, object]) -> tuple[str, str, str] | None:
    """What is wrong with the address that stands at `key`: where, what, and the remedy."""
    match given[key]:
        case list() if "address" in given:
            return (
                "address",
                "`address` stands beside `addresses`",
                "give one of the two; neighbours have one `address`",
            )
        case list() as addresses:
            problem = next((found for address in addresses if (found := _register_problem(address))), None)
        case address if key == "address":
            problem = _register_problem(address)
        case node:
            problem = _node_problem(key, str(node))
    return None if problem is None else (key, *problem)


def _register_problem(given: object) -> tuple[str, str] | None:
    if isinstance(given, int):
        remedy = "addresses go from 0 to 65535, as on the wire: 40101 or 400101 of a manual is 100 here"
        return None if 0 <= given <= 65535 else (f"there is no register {given}", remedy)
    return f"`{given}` is no register address", "write a whole number from 0; in a template `{name+10}`"


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
