"""The tags of one OPC UA controller: their addresses, where they are now, and which of them deliver."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import ControllerMisconfigured
from adapters.opcua.addressing import NodeAddress, parse
from adapters.opcua.session import Session, node_id, translated
from adapters.opcua.values import reading, unreadable
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
    """The tags of a controller: their addresses, where they are now, and how each of them is collected."""

    def __init__(self, tags: Mapping[TagId, OpcUaTag]) -> None:
        """Raises ControllerMisconfigured for an address that no server could know."""
        self._how = tags
        self.tags = tuple(tags)
        self.active: set[TagId] = set()
        self.polled: dict[TagId, str] = {}
        """Tags that the server does not monitor, with its status: they are read at each publishing interval."""
        self.refused: dict[TagId, str] = {}
        self._nodes: dict[TagId, ua.NodeId | None] = {}
        self._addresses: dict[TagId, NodeAddress] = {}
        self._unreadable: dict[TagId, str] = {}
        self._handles: dict[TagId, int] = {}
        self._tags_by_handle: list[TagId] = []
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

    def new_handle(self, tag: TagId) -> int:
        """The client handle of a monitored item to be created; earlier handles of this tag are no longer its own."""
        handle = self._handles[tag] = len(self._tags_by_handle)
        self._tags_by_handle.append(tag)
        return handle

    def tag(self, handle: int) -> TagId | None:
        """The tag of a notification; None if its item was replaced by a newer one, or was never ours."""
        if not 0 <= handle < len(self._tags_by_handle):
            return None
        tag = self._tags_by_handle[handle]
        return tag if self._handles[tag] == handle else None

    def read(self, tag: TagId, data: ua.DataValue, now: datetime) -> Reading:
        """A DataValue of this tag as a reading; keeps what is said of a value that is nothing we can read."""
        if (what := unreadable(data)) is None:
            self._unreadable.pop(tag, None)
        else:
            self._unreadable[tag] = what
        return reading(tag, self._how[tag], data, received_time=now)

    def accept(self, tag: TagId) -> None:
        """The server delivers this tag."""
        self.refused.pop(tag, None)
        self.polled.pop(tag, None)
        self.active.add(tag)

    def poll(self, tag: TagId, why: str) -> None:
        """The server does not monitor this tag, for the reason `why`, and lets us read it."""
        self.accept(tag)
        self.polled[tag] = why

    def refuse(self, tag: TagId, why: str) -> None:
        """The server does not know this tag now; it is tried again."""
        self.active.discard(tag)
        self.polled.pop(tag, None)
        self.refused[tag] = why

    def diagnostics(self) -> Iterator[Diagnostic]:
        """One for each tag that the server refuses, and one for all that it does not monitor for the same reason."""
        for tag, why in self.refused.items():
            yield Diagnostic(
                DiagnosticCode.TAG_REFUSED,
                f"tag {tag} is refused ({why}) and tried again",
                "correct its `node` in the plant's file, or load the program that has it into the controller",
                (tag,),
            )
        for why in sorted(set(self.polled.values())):
            tags = tuple(tag for tag in self.tags if self.polled.get(tag) == why)
            yield Diagnostic(
                DiagnosticCode.SERVER_LIMITS,
                f"the server does not monitor {', '.join(tags)} ({why}): read at each publishing interval instead",
                "raise the server's limit of monitored items, or use `mode: poll` for this controller",
                tags,
            )

        for tag, what in self._unreadable.items():
            yield Diagnostic(
                DiagnosticCode.VALUE_UNREADABLE,
                f"tag {tag}: the server sends {what}, where a number, a text, a bool or a list of these is read",
                "name a node with a plain value as its `node`, such as one component of the structure",
                (tag,),
            )

    def absent(self) -> tuple[TagId, ...]:
        """Tags whose namespace is not there."""
        return tuple(tag for tag, node in self._nodes.items() if node is None)

    async def values(self, session: Session, tags: Sequence[TagId] | None = None) -> list[tuple[TagId, ua.DataValue]]:
        """The present values of all tags, or of `tags`, bad ones included, in one bulk read.

        Tags whose namespace is not there are left out.
        """
        wanted = self.tags if tags is None else tags
        here = [(tag, node) for tag in wanted if (node := self._nodes[tag]) is not None]
        with translated("reading the present values"):
            values = await session.read([node for _, node in here])
        return [(tag, value) for (tag, _), value in zip(here, values, strict=True)]

    def judge(self, tag: TagId, data: ua.DataValue) -> None:
        """Accepts or refuses a tag by what a read of it gave; a sensor's bad value is no refusal."""
        if (why := refusal(data)) is not None:
            self.refuse(tag, why)
        else:
            self.accept(tag)


def refusal(data: ua.DataValue) -> str | None:
    """The status by which the server says that it does not have this node for us; None: it has."""
    if data.StatusCode is None or data.StatusCode.value not in _REFUSALS:
        return None
    return data.StatusCode.name
