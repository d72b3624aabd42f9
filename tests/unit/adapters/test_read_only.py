import ast
from pathlib import Path

import pytest

ADAPTERS = Path(__file__).parents[3] / "adapters"
FORBIDDEN_WORDS = (
    "write_",
    "writerequest",
    "writevalue",
    "writeparameters",
    "callmethod",
    "callrequest",
    "call_method",
    "add_nodes",
    "addnodes",
    "add_reference",
    "delete_nodes",
    "deletenodes",
    "delete_reference",
    "history_update",
    "historyupdate",
    "set_value",
    "set_attribute",
    "set_writable",
    "mask_write",
    "readwrite_",
    "write_coil",
    "write_register",
)
FORBIDDEN_METHODS = frozenset({"write", "call", "execute", "mask_write_register", "write_file_record"})
LOCAL_FILES = frozenset({"write_bytes"})  # certificates.py keeps our own certificate, on our own disk
MODULES = sorted(ADAPTERS.rglob("*.py"))


def named(tree: ast.AST) -> set[str]:
    """Every identifier and attribute that a module names."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) | ast.keyword(arg=str(name)):
                names.add(name)
            case _:
                pass
    return names


def protocol_writes(tree: ast.AST) -> set[str]:
    """Names in a module that could change something in a controller."""
    names = named(tree) - LOCAL_FILES
    worded = {name for name in names if any(word in name.lower() for word in FORBIDDEN_WORDS)}
    return worded | (names & FORBIDDEN_METHODS)


def test_modules_are_found() -> None:
    """The search looks at something."""
    assert {"opcua/session.py", "modbus/link.py", "reading.py"} <= {
        str(module.relative_to(ADAPTERS)) for module in MODULES
    }


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(ADAPTERS)))
def test_no_adapter_can_write(module: Path) -> None:
    """No adapter names a service that writes to a controller, calls its methods, or adds and deletes nodes."""
    found = protocol_writes(ast.parse(module.read_text(encoding="utf-8")))
    if module.name == "certificates.py":
        found -= {"write"}  # the key goes into a file
    assert found == set()


def test_the_search_finds_writes() -> None:
    """The search sees what it is meant to see."""
    source = "await client.write_registers(1, [2])\nawait session.write(ua.WriteParameters())\nnode.call_method(x)"
    assert protocol_writes(ast.parse(source)) == {"write_registers", "write", "WriteParameters", "call_method"}
