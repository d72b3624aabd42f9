"""Structures: what a server says of their types, how their binary form is read, and one member out of them.

The types are kept for one connection only. asyncua's own loader enters them into a table of the whole process. There
the types of two controllers overwrite each other, and the server chooses names of Python classes.
"""

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from adapters.opcua.session import Session

_MOST_TYPES = 500  # of one connection
_MOST_FIELDS = 1000  # of one type
_DEEPEST = 10  # types in types, and steps up to a built-in type
_LAST_BUILT_IN = 25  # OPC 10000-6 5.1.2
_ENUMERATION = 29

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: ua.NodeId
    dimensions: int  # 0: one value
    optional: bool


@dataclass(frozen=True, slots=True)
class _Layout:
    """One type of structure, OPC 10000-3 8.48."""

    kind: ua.StructureType
    encoding: ua.NodeId
    fields: tuple[_Field, ...]


@dataclass(slots=True)
class Types:
    """The types of the structures of one connection, as far as tags need them."""

    _layouts: dict[ua.NodeId, _Layout] = field(default_factory=dict)
    _built_in: dict[ua.NodeId, ua.VariantType] = field(default_factory=dict)
    _of_nodes: dict[ua.NodeId, ua.NodeId] = field(default_factory=dict)

    async def learn(self, session: Session, nodes: Sequence[ua.NodeId]) -> None:
        """Asks for the types of these nodes' values, and for the types that they are made of.

        What the server does not say is left out: a value of such a type cannot be read. May raise as `session` does.
        """
        new = [node for node in nodes if node not in self._of_nodes]
        answers = await session.read([_attribute(node, AttributeIds.DataType) for node in new])
        for node, answer in zip(new, answers, strict=True):
            if isinstance(kind := _content(answer), ua.NodeId):
                self._of_nodes[node] = kind
        wanted = set(self._of_nodes.values())
        for _ in range(_DEEPEST):
            wanted = {kind for kind in wanted if not self._knows(kind)}
            if not wanted or len(self._layouts) + len(wanted) > _MOST_TYPES:
                return
            wanted = await self._learn_types(session, sorted(wanted, key=str))

    def member(self, node: ua.NodeId | None, content: object, path: Path) -> Any:
        """A member of the value of this node. Raises LookupError with what stands there instead."""
        for part in path:
            if isinstance(content, ua.ExtensionObject):
                content = self._decoded(node, content)
            content = _inside(content, part)
        return content

    def _knows(self, kind: ua.NodeId) -> bool:
        return kind in self._layouts or kind in self._built_in or _is_built_in(kind)

    async def _learn_types(self, session: Session, kinds: Sequence[ua.NodeId]) -> set[ua.NodeId]:
        """Learns these, and returns what their fields are made of."""
        simple: dict[ua.NodeId, ua.NodeId] = {}
        parts: set[ua.NodeId] = set()
        answers = await session.read([_attribute(kind, AttributeIds.DataTypeDefinition) for kind in kinds])
        for kind, answer in zip(kinds, answers, strict=True):
            definition = _content(answer)
            if isinstance(definition, ua.StructureDefinition) and len(definition.Fields) <= _MOST_FIELDS:
                self._layouts[kind] = layout = _layout(definition)
                parts |= {field.type for field in layout.fields}
            else:
                simple[kind] = kind
        for _ in range(_DEEPEST):  # an enumeration or a vendor's own name of a number: its built-in type is above it
            if not simple:
                break
            above = await session.supertypes(list(simple.values()))
            simple = {kind: up for kind, up in zip(simple, above, strict=True) if up is not None}
            for kind, up in list(simple.items()):
                if _is_built_in(up) or up == ua.NodeId(ua.Int32(_ENUMERATION)):
                    self._built_in[kind] = ua.VariantType(_number(up))
                    del simple[kind]
        return parts

    def _decoded(self, node: ua.NodeId | None, content: ua.ExtensionObject) -> dict[str, Any]:
        kind = None if node is None else self._of_nodes.get(node)
        layout = None if kind is None else self._layouts.get(kind)
        if layout is None or layout.encoding not in (content.TypeId, ua.NodeId()):
            # the node may say a base type only: the value itself names its encoding
            layout = next((known for known in self._layouts.values() if known.encoding == content.TypeId), None)
        if layout is None or content.Body is None:
            raise LookupError("a structure whose type the server does not describe")
        try:
            return self._structure(layout, Buffer(content.Body), 0)
        except (ArithmeticError, LookupError, TypeError, ValueError, struct.error, UaError) as error:
            raise LookupError("a structure that is not as the server describes its type") from error

    def _structure(self, layout: _Layout, data: Buffer, depth: int) -> dict[str, Any]:
        if depth > _DEEPEST:
            raise ValueError("too many structures in structures")
        fields: Sequence[_Field] = layout.fields
        match layout.kind:
            case ua.StructureType.Union:
                chosen = _uint32(data)
                fields = fields[chosen - 1 : chosen] if chosen else ()
            case ua.StructureType.StructureWithOptionalFields:
                mask, bit, present = _uint32(data), 1, []
                for field in fields:
                    if not field.optional or mask & bit:
                        present.append(field)
                    bit <<= field.optional
                fields = present
            case ua.StructureType.Structure:
                pass
            case _:  # members that may be of any subtype
                raise ValueError(f"a {layout.kind.name}")
        return {field.name: self._field(field, data, depth) for field in fields}

    def _field(self, wanted: _Field, data: Buffer, depth: int) -> Any:
        if wanted.dimensions == 0:
            return self._value(wanted.type, data, depth)
        sizes = [_int32(data)]
        if wanted.dimensions > 1:
            sizes = [_int32(data) for _ in range(max(min(sizes[0], _DEEPEST), 0))]
        count = 1
        for size in sizes:
            count *= max(size, 0)
        if count > len(data):  # no element is smaller than a byte
            raise ValueError(f"{count} elements in {len(data)} bytes")
        flat: list[Any] = [self._value(wanted.type, data, depth) for _ in range(count)]
        for size in reversed(sizes[1:]):
            flat = [flat[start : start + size] for start in range(0, len(flat), max(size, 1))]
        if wanted.dimensions == 1 and self._simple(wanted.type) is ua.VariantType.Byte:
            return bytes(flat)
        return flat

    def _simple(self, kind: ua.NodeId) -> ua.VariantType | None:
        return ua.VariantType(_number(kind)) if _is_built_in(kind) else self._built_in.get(kind)

    def _value(self, kind: ua.NodeId, data: Buffer, depth: int) -> Any:
        if kind in self._layouts:
            return self._structure(self._layouts[kind], data, depth + 1)
        built_in = self._simple(kind)
        if built_in is None:
            raise ValueError(f"a member of the type {kind.to_string()}, which the server does not describe")
        value = ua_binary.unpack_uatype(built_in, data)
        return "" if value is None and built_in is ua.VariantType.String else value


def member_path(text: str) -> Path:
    """`Parts[2].Vin` as its names and places."""
    found: list[str | int] = []
    for name in text.split("."):
        first, *places = name.replace("]", "").split("[")
        found += [first, *map(int, places)]
    return tuple(found)


def _inside(content: object, part: str | int) -> Any:
    match content, part:
        case list() | bytes(), int() if part < len(content):
            return content[part]
        case list() | bytes(), int():
            raise LookupError(f"only {len(content)} elements, and none at [{part}]")
        case list(), str():
            raise LookupError(f"a list, which has no member {part}: write [0] for its first element")
        case dict(), str() if part in content:
            return content[part]
        case dict(), str():
            raise LookupError(f"a structure without {part}; it has {_listed(content)}")
        case _, str() if dataclasses.is_dataclass(content) and not isinstance(content, type):
            # of a standard type, which asyncua reads by itself
            members: Mapping[str, Any] = {
                field.name: getattr(content, field.name) for field in dataclasses.fields(content)
            }
            return _inside(members, part)
        case _:
            raise LookupError(f"a value without members, so no {part}")


def _listed(members: Mapping[Any, Any]) -> str:
    return ", ".join(list(map(str, members))[:20])[:400] or "none"


def _layout(definition: ua.StructureDefinition) -> _Layout:
    fields = tuple(
        _Field(
            str(field.Name),
            field.DataType,
            0 if int(field.ValueRank) == -1 else max(int(field.ValueRank), 1),
            bool(field.IsOptional),
        )
        for field in definition.Fields
    )
    return _Layout(definition.StructureType, definition.DefaultEncodingId, fields)


def _attribute(node: ua.NodeId, attribute: AttributeIds) -> ua.ReadValueId:
    return ua.ReadValueId(NodeId=node, AttributeId=attribute)


def _content(answer: ua.DataValue) -> object:
    return None if answer.Value is None else answer.Value.Value


def _is_built_in(kind: ua.NodeId) -> bool:
    return kind.NamespaceIndex == 0 and isinstance(kind.Identifier, int) and 1 <= kind.Identifier <= _LAST_BUILT_IN


def _number(kind: ua.NodeId) -> int:
    number = int(cast(int, kind.Identifier))
    return int(ObjectIds.Int32) if number == _ENUMERATION else number


def _uint32(data: Buffer) -> int:
    return int(ua_binary.Primitives.UInt32.unpack(data))


def _int32(data: Buffer) -> int:
    return int(ua_binary.Primitives.Int32.unpack(data))
