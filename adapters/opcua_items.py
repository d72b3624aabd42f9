"""The tags of one OPC UA controller: their addresses, where they are now, and which of them deliver."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import ControllerMisconfigured
from adapters.opcua_addressing import NodeAddress, parse
from adapters.opcua_session import Session, node_id, translated
from adapters.opcua_values import reading
from adapters.reading import Reading, TagId
from adapters.settings import OpcUaTag

_REFUSALS = frozenset(
    {
        StatusCodes.BadNodeIdUnknown,
        StatusCodes.BadNodeIdInvalid,
        StatusCodes.BadAttributeIdInvalid,
        StatusCodes.BadNotReadable,
        StatusCodes.BadUserAccessDenied,
    }
)


class Items:
    """The tags of a controller: their addresses, where they are now, and which of them deliver."""

    def __init__(self, tags: Mapping[TagId, OpcUaTag]) -> None:
        """Raises ControllerMisconfigured for an address that no server could know."""
        self._how = tags
        self.tags = tuple(tags)
        self.active: set[TagId] = set()
        self.refused: dict[TagId, str] = {}
        self._nodes: dict[TagId, ua.NodeId | None] = {}
        self._addresses: dict[TagId, NodeAddress] = {}
        for tag, how in tags.items():
            try:
                self._addresses[tag] = parse(how.node)
            except ValueError as error:
                raise ControllerMisconfigured(f"tag {tag}: {error}") from error

    def resolve(self, namespaces: Sequence[str]) -> None:
        """Finds the nodes by the server's present NamespaceArray; an absent namespace leaves its tags unresolved."""
        for tag, address in self._addresses.items():
            index = address.index(namespaces)
            self._nodes[tag] = None if index is None else node_id(address, index)

    def node(self, tag: TagId) -> ua.NodeId | None:
        """Where the tag is now; None: its namespace is not there."""
        return self._nodes[tag]

    def read(self, tag: TagId, data: ua.DataValue, now: datetime) -> Reading:
        """A DataValue of this tag as a reading."""
        return reading(tag, self._how[tag], data, received_time=now)

    def accept(self, tag: TagId) -> None:
        """The server delivers this tag."""
        self.refused.pop(tag, None)
        self.active.add(tag)

    def refuse(self, tag: TagId, why: str) -> None:
        """The server does not know this tag now; it is tried again."""
        self.active.discard(tag)
        self.refused[tag] = why

    def diagnostics(self) -> Iterator[Diagnostic]:
        """One for each tag that the server refuses."""
        return (
            Diagnostic(
                DiagnosticCode.TAG_REFUSED,
                f"tag {tag} is refused ({why}) and tried again",
                "correct its `node` in the plant's file, or load the program that has it into the controller",
                (tag,),
            )
            for tag, why in self.refused.items()
        )

    def absent(self) -> tuple[TagId, ...]:
        """Tags whose namespace is not there."""
        return tuple(tag for tag, node in self._nodes.items() if node is None)

    async def values(self, session: Session) -> list[tuple[TagId, ua.DataValue]]:
        """The present values of all tags whose namespace is there, bad ones included, in one bulk read."""
        here = [(tag, node) for tag, node in self._nodes.items() if node is not None]
        with translated("reading the present values"):
            values = await session.read([node for _, node in here])
        return [(tag, value) for (tag, _), value in zip(here, values, strict=True)]

    def judge(self, tag: TagId, data: ua.DataValue) -> None:
        """Accepts or refuses a tag by what a read of it gave; a sensor's bad value is no refusal."""
        if data.StatusCode is not None and data.StatusCode.value in _REFUSALS:
            self.refuse(tag, data.StatusCode.name)
        else:
            self.accept(tag)
