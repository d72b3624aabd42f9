"""Addresses of OPC UA nodes as the configuration writes them, bound to namespaces by URI and never by index."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

Identifier = int | str | UUID | bytes

_BY_URI = re.compile(r"nsu=(?P<uri>.+?);(?P<kind>[isgb])=(?P<id>.*)", re.DOTALL)
_BY_INDEX = re.compile(r"(?:ns=(?P<index>[0-9]+);)?(?P<kind>[isgb])=(?P<id>.*)", re.DOTALL)
_SPACE = re.compile(r"nsu=(?P<uri>[^;]+);|ns=0;")
_INDEXED = re.compile(r"[0-9]+:|ns=[0-9]+;")
_STEP = re.compile(r"(?:[^/&]|&.)+", re.DOTALL)
_LONGEST_PATH = 50
_LARGEST_NUMERIC = 2**32 - 1


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """A node: the URI of its namespace (None: namespace 0, the standard's own) and its identifier there."""

    uri: str | None
    identifier: Identifier

    def index(self, namespaces: Sequence[str]) -> int | None:
        """Its namespace's place in the server's present NamespaceArray; None if the server does not have it now."""
        if self.uri is None:
            return 0
        return _place(self.uri, namespaces)


@dataclass(frozen=True, slots=True)
class Step:
    """One name on the way to a node, with the URI of its namespace (None: the standard's own)."""

    uri: str | None
    name: str


def parse_path(text: str) -> tuple[Step, ...]:
    """Reads `nsu=<URI>;Machine/State`: browse names below Objects, each in the namespace that was named last.

    `&` before a `/`, `&` or any other character of a name takes it as it is (OPC 10000-4 A.2). Raises ValueError with
    a sentence for the engineer.
    """
    rest, uri, named, steps = text.removeprefix("/"), None, False, list[Step]()
    while rest:
        if (space := _SPACE.match(rest)) is not None:
            uri, named, rest = space["uri"], True, rest[space.end() :]
        elif _INDEXED.match(rest):
            raise ValueError(
                f"{text!r} names a namespace by index, which may change at a restart: write nsu=<namespace URI>;<name>"
            )
        name = _STEP.match(rest)
        if name is None or not named:
            break
        steps.append(Step(uri, re.sub(r"&(.)", r"\1", name[0])))
        rest = rest[name.end() :]
        if rest == "/" or len(steps) > _LONGEST_PATH:
            break
        rest = rest.removeprefix("/")
    if rest or not steps:
        raise ValueError(f"{text!r} is no path: write nsu=<namespace URI>;<name>/<name>, the names below Objects")
    return tuple(steps)


def indices(steps: Sequence[Step], namespaces: Sequence[str]) -> list[int] | None:
    """Where the namespaces of a path are in the server's present NamespaceArray; None if one is not there."""
    places = [0 if step.uri is None else _place(step.uri, namespaces) for step in steps]
    return None if None in places else [place for place in places if place is not None]


def _place(uri: str, namespaces: Sequence[str]) -> int | None:
    return namespaces.index(uri) if uri in namespaces else None


def parse(text: str) -> NodeAddress:
    """Reads `nsu=<URI>;s=<id>` (or i=, g=, b=), or `ns=0;i=<number>` (OPC 10000-6 5.3.1.10).

    Raises ValueError with a sentence for the engineer. Indices above 0 are refused: they may change at every
    restart of a controller, and the wrong node would be read.
    """
    by_uri = _BY_URI.fullmatch(text)
    if by_uri is not None:
        return NodeAddress(by_uri["uri"], _identifier(by_uri["kind"], by_uri["id"], text))
    by_index = _BY_INDEX.fullmatch(text)
    if by_index is None:
        raise ValueError(f"{text!r} is no node address: write nsu=<namespace URI>;s=<id>")
    if int(by_index["index"] or 0) != 0:
        raise ValueError(
            f"{text!r} names its namespace by index, which may change at a restart: write nsu=<namespace URI>;…"
        )
    return NodeAddress(None, _identifier(by_index["kind"], by_index["id"], text))


def _identifier(kind: str, raw: str, text: str) -> Identifier:
    match kind:
        case "i" if raw.isascii() and raw.isdigit() and int(raw) <= _LARGEST_NUMERIC:
            return int(raw)
        case "s" if raw:
            return raw
        case "g":
            return _guid(raw, text)
        case "b" if raw:
            return _opaque(raw, text)
        case _:
            raise ValueError(f"{raw!r} in {text!r} is no identifier of kind {kind}=")


def _guid(raw: str, text: str) -> UUID:
    try:
        return UUID(raw)
    except ValueError:
        raise ValueError(f"{raw!r} in {text!r} is no GUID") from None


def _opaque(raw: str, text: str) -> bytes:
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error:
        raise ValueError(f"{raw!r} in {text!r} is not base64") from None
