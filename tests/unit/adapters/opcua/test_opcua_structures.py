"""Structures as a server may describe and send them: right ones, odd ones, and bytes that are none."""

import contextlib

import pytest
from asyncua import ua
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.opcua.structures import Types, _Field, _Layout, member_path

NODE, OUTER, INNER, ENCODING = (ua.NodeId(ua.Int32(number), ua.Int16(2)) for number in (1, 2, 3, 4))


def built_in(kind: ua.VariantType) -> ua.NodeId:
    return ua.NodeId(ua.Int32(kind.value))


def types(kind: ua.StructureType, *fields: _Field) -> Types:
    """What would be known of a server whose node has a structure with these fields."""
    inner = _Layout(ua.StructureType.Structure, ua.NodeId(), (_Field("Again", INNER, 1, optional=False),))
    return Types(
        _layouts={OUTER: _Layout(kind, ENCODING, fields), INNER: inner},
        _of_nodes={NODE: OUTER},
    )


def sent(body: bytes) -> ua.ExtensionObject:
    return ua.ExtensionObject(TypeId=ENCODING, Body=ua.ByteString(body))


SHORT = _Field("Short", built_in(ua.VariantType.UInt16), 0, optional=False)
TEXT = _Field("Text", built_in(ua.VariantType.String), 0, optional=True)
NUMBER = _Field("Number", built_in(ua.VariantType.Byte), 0, optional=True)
MATRIX = _Field("Matrix", built_in(ua.VariantType.Byte), 2, optional=False)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Vin", ("Vin",)),
        ("Status.Code", ("Status", "Code")),
        ("Parts[2].Vin[0]", ("Parts", 2, "Vin", 0)),
        ("7", ("7",)),
    ],
)
def test_member_paths(text: str, path: tuple[str | int, ...]) -> None:
    """Names and places from the outside in; a name of digits is a name."""
    assert member_path(text) == path


def test_optional_members_and_unions() -> None:
    """A mask says which optional members are there, a number which member of a union; matrices are lists of lists."""
    optional = types(ua.StructureType.StructureWithOptionalFields, SHORT, TEXT, NUMBER)
    body = (2).to_bytes(4, "little") + (7).to_bytes(2, "little") + b"\x09"
    assert optional.member(NODE, sent(body), ("Number",)) == 9
    with pytest.raises(LookupError, match="it has Short, Number"):
        optional.member(NODE, sent(body), ("Text",))

    union = types(ua.StructureType.Union, SHORT, NUMBER)
    assert union.member(NODE, sent((2).to_bytes(4, "little") + b"\x05"), ("Number",)) == 5

    matrix = types(ua.StructureType.Structure, MATRIX)
    sizes = b"".join(size.to_bytes(4, "little") for size in (2, 2, 3))
    assert matrix.member(NODE, sent(sizes + bytes(range(6))), ("Matrix", 1, 2)) == 5


@given(st.binary(max_size=200), st.sampled_from(list(ua.StructureType)))
@example(b"\xff\xff\xff\x7f" * 20, ua.StructureType.Structure)
@example(b"\x01\x00\x00\x00" * 40, ua.StructureType.Structure)
def test_bytes_that_are_no_such_structure(body: bytes, kind: ua.StructureType) -> None:
    """Whatever a controller sends is a value or a sentence, without endless lists or structures in structures."""
    again = _Field("Inner", INNER, 1, optional=False)
    anything = _Field("Any", built_in(ua.VariantType.Variant), 0, optional=False)
    for fields in ((again, MATRIX), (TEXT, SHORT, NUMBER), (MATRIX, anything), (anything, again)):
        with contextlib.suppress(LookupError):
            types(kind, *fields).member(NODE, sent(body), (fields[0].name,))
