"""The tags of one OPC UA controller: their addresses, where they are now, and which of them deliver."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import ControllerMisconfigured
from adapters.opcua.addressing import NodeAddress, Step, indices, parse, parse_path
from adapters.opcua.conditions import Conditions, notifier_of
from adapters.opcua.session import Session, node_id, translated, value_of
from adapters.opcua.structures import Path, Types, member_path
from adapters.opcua.values import Problem, interpreted
from adapters.reading import Quality, Reading, TagId
from adapters.settings import OpcUaController, OpcUaTag

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

    def __init__(self, tags: Mapping[TagId, OpcUaTag], settings: OpcUaController) -> None:
        """Raises ControllerMisconfigured for an address that no server could know."""
        self._how = tags
        self._settings = settings
        self._server_time = settings.timestamps == "server"
        self._uncertain = frozenset(tag for tag, how in tags.items() if (how.accept or settings.accept) == "uncertain")
        self.tags = tuple(tags)
        self.active: set[TagId] = set()
        self.polled: dict[TagId, str] = {}
        """Tags that the server does not monitor, with its status: they are read at each publishing interval."""
        self.refused: dict[TagId, str] = {}
        self._nodes: dict[TagId, ua.NodeId | None] = {}
        self._addresses: dict[TagId, NodeAddress] = {}
        self._paths: dict[TagId, tuple[Step, ...]] = {}
        self._absent: dict[TagId, str] = {}
        self._unreadable: dict[TagId, Problem] = {}
        self._types = Types()
        self._members: dict[TagId, Path] = {tag: member_path(how.member) for tag, how in tags.items() if how.member}
        self.conditions = {
            tag: Conditions(tag, how.conditions) for tag, how in tags.items() if how.conditions is not None
        }
        """Tags whose values are made of the events of a notifier; they cannot be read."""
        self._without_events: set[TagId] = set()
        self._handles: dict[TagId, int] = {}
        self._tags_by_handle: list[TagId] = []
        for tag, how in tags.items():
            try:
                if how.node is not None:
                    self._addresses[tag] = parse(how.node)
                if how.path is not None:
                    self._paths[tag] = parse_path(how.path)
            except ValueError as error:
                raise ControllerMisconfigured(f"tag {tag}: {error}") from error

    async def resolve(self, session: Session) -> None:
        """Finds the nodes by the server's present NamespaceArray, or by their paths; leaves out what is absent."""
        with translated("reading the namespaces"):
            namespaces = await session.namespaces()
        self._absent.clear()
        for tag, address in self._addresses.items():
            index = address.index(namespaces)
            self._nodes[tag] = None if index is None else node_id(address, index)
        await self._follow_paths(session, namespaces)
        self._absent |= {
            tag: "its namespace is missing" for tag in self.tags if self._nodes[tag] is None and tag not in self._absent
        }
        structures = {node for tag in self._members if (node := self._nodes[tag]) is not None}
        if structures:
            with translated("reading the types of structures"):
                await self._types.learn(session, sorted(structures, key=str))

    async def _follow_paths(self, session: Session, namespaces: Sequence[str]) -> None:
        """Ids may change at every start of a controller; where paths lead is asked again at each connection."""
        names: dict[TagId, list[ua.QualifiedName]] = {}
        for tag, steps in self._paths.items():
            self._nodes[tag] = None
            if (places := indices(steps, namespaces)) is not None:
                names[tag] = [
                    ua.QualifiedName(ua.String(step.name), ua.UInt16(place))
                    for step, place in zip(steps, places, strict=True)
                ]
        if not names:
            return
        with translated("following paths"):
            found = await session.follow(list(names.values()))
        for tag, target in zip(names, found, strict=True):
            if isinstance(target, str):
                self._absent[tag] = target
            else:
                self._nodes[tag] = target

    def wanted(self, tag: TagId) -> ua.ReadValueId | None:
        """What to read or monitor for the tag now; None: it is not there."""
        node = self._nodes[tag]
        if node is not None and tag in self.conditions:
            return notifier_of(node)
        return None if node is None else value_of(node, self._how[tag].index)

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
        path = self._members.get(tag)
        member = None if path is None else lambda content: self._types.member(self._nodes[tag], content, path)
        sample, problem = interpreted(
            tag,
            self._how[tag],
            data,
            received_time=now,
            member=member,
            accept_uncertain=tag in self._uncertain,
            server_time=self._server_time,
        )
        if problem is None:
            self._unreadable.pop(tag, None)
        else:
            self._unreadable[tag] = problem
        return sample

    def alarms(self, now: datetime) -> tuple[Reading, ...]:
        """The active alarms of every notifier, as far as they are known; bad where its events do not come."""
        self._without_events = self.conditions.keys() - self.active
        return tuple(
            Reading(tag, None, Quality.BAD, None, now) if tag in self._without_events else conditions.present(now)
            for tag, conditions in self.conditions.items()
        )

    def alarms_again(self, now: datetime) -> tuple[Reading, ...]:
        """The active alarms of notifiers that the server refused, and whose events come now."""
        back = self._without_events & self.active
        self._without_events -= back
        return tuple(self.conditions[tag].present(now) for tag in sorted(back))

    def publish_ms(self, tag: TagId) -> int:
        """How often the server is to send this tag."""
        return self._how[tag].publish_interval_ms or self._settings.publish_interval_ms

    def sampling_ms(self, tag: TagId) -> int:
        """How often the server is to look at this tag."""
        wanted = self._how[tag].sampling_interval_ms
        return self._settings.sampling_interval_ms if wanted is None else wanted

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
            text = f"tag {tag} is refused ({why}) and tried again"
            remedy = (
                "correct its `node` or `path` in the plant's file, or load the program that has it into the controller"
            )
            if tag in self.conditions:
                text += "; its alarms are not known"
                remedy = "name a node that notifies of events, most often the Server object: `ns=0;i=2253`"
            yield Diagnostic(DiagnosticCode.TAG_REFUSED, text, remedy, (tag,))
        for why in sorted(set(self.polled.values())):
            tags = tuple(tag for tag in self.tags if self.polled.get(tag) == why)
            yield Diagnostic(
                DiagnosticCode.SERVER_LIMITS,
                f"the server does not monitor {', '.join(tags)} ({why}): read at each publishing interval instead",
                "raise the server's limit of monitored items, or use `mode: poll` for this controller",
                tags,
            )
        told = {tag: problem for tag, held in self.conditions.items() if (problem := held.finding()) is not None}
        for tag, problem in (self._unreadable | told).items():
            yield Diagnostic(DiagnosticCode.VALUE_UNREADABLE, f"tag {tag}: {problem.text}", problem.remedy, (tag,))

    def absent(self) -> frozenset[TagId]:
        """Tags whose namespace is not there, or whose path leads nowhere."""
        return frozenset(self._absent)

    def refuse_absent(self) -> None:
        """Refuses them."""
        for tag, why in self._absent.items():
            self.refuse(tag, why)

    def moved(self) -> bool:
        """Whether the ids of nodes have to be asked for again."""
        return bool(self._absent) or any(tag in self._paths for tag in self.refused)

    async def values(self, session: Session, tags: Sequence[TagId] | None = None) -> list[tuple[TagId, ua.DataValue]]:
        """The present values of all tags, or of `tags`, bad ones included, in one bulk read.

        Tags that are not there are left out, and those that are told by events.
        """
        readable = [tag for tag in (self.tags if tags is None else tags) if tag not in self.conditions]
        here = [(tag, node) for tag in readable if (node := self.wanted(tag)) is not None]
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
