"""OPC UA Alarms and Conditions (OPC 10000-9), as events alone: which alarms a notifier has shown to be active.

No method of the server is called, ConditionRefresh neither: alarms that came before the connection are not known.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from adapters.errors import ControllerUnavailable
from adapters.opcua.values import Problem, event_text, event_time
from adapters.reading import GapCause, Quality, Reading, TagId
from adapters.settings import OpcUaConditions

_PLACE = re.compile(r"^[0-9]+:")  # of the namespace, which some stacks write before the name
MOST_ACTIVE = 1000  # alarms of one notifier
TELLING = 10  # events of alarms of other sources, without one of the wanted: `source` may be mistaken
SOURCES_NAMED = 5
MOST_SOURCES = 100  # that are remembered
EVENTS_KEPT = 1000  # by the server, of each notifier
_LOST: Mapping[ua.NodeId, str] = {
    ua.NodeId(ua.Int32(ObjectIds.EventQueueOverflowEventType)): "the server dropped events of alarms",
    ua.NodeId(ua.Int32(ObjectIds.RefreshRequiredEventType)): "alarms of the server have changed without events",
}
_FIELDS: Mapping[str, tuple[int, tuple[str, ...], int]] = {
    "type": (ObjectIds.BaseEventType, ("EventType",), AttributeIds.Value),
    "time": (ObjectIds.BaseEventType, ("Time",), AttributeIds.Value),
    "SourceName": (ObjectIds.BaseEventType, ("SourceName",), AttributeIds.Value),
    "Message": (ObjectIds.BaseEventType, ("Message",), AttributeIds.Value),
    "condition": (ObjectIds.ConditionType, (), AttributeIds.NodeId),
    "ConditionName": (ObjectIds.ConditionType, ("ConditionName",), AttributeIds.Value),
    "branch": (ObjectIds.ConditionType, ("BranchId",), AttributeIds.Value),
    "enabled": (ObjectIds.ConditionType, ("EnabledState", "Id"), AttributeIds.Value),
    "active": (ObjectIds.AlarmConditionType, ("ActiveState", "Id"), AttributeIds.Value),
}


def notifier_of(node: ua.NodeId) -> ua.ReadValueId:
    """The events of a node."""
    return ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.EventNotifier)


def event_filter() -> ua.EventFilter:
    """What is wanted of every event; what is no alarm has none of the fields of alarms, and is passed over here."""
    clauses = [
        ua.SimpleAttributeOperand(
            TypeDefinitionId=ua.NodeId(ua.Int32(kind)),
            BrowsePath=[ua.QualifiedName(ua.String(name)) for name in path],
            AttributeId=ua.IntegerId(attribute),
        )
        for kind, path, attribute in _FIELDS.values()
    ]
    return ua.EventFilter(SelectClauses=clauses)


class Conditions:
    """The alarms of one notifier that are active, as far as the events of this connection tell."""

    def __init__(self, tag: TagId, how: OpcUaConditions) -> None:
        self._tag = tag
        self._how = how
        self._active: dict[ua.NodeId, str] = {}
        self._has_matched = False
        self._others: Counter[str] = Counter()  # alarm events of other sources, while none of the wanted one came
        self.problem: Problem | None = None

    def finding(self) -> Problem | None:
        """What is wrong with what comes: too many alarms, or none of the wanted source among many others."""
        if self.problem is not None or self._has_matched or self._others.total() < TELLING:
            return self.problem
        came = ", ".join(f"`{source[:60]}`" for source, _ in self._others.most_common(SOURCES_NAMED))
        text = f"no alarm of the source `{self._how.source}` has come, and {self._others.total()} events of {came}"
        return Problem(text, "correct `source` below `conditions`, if one of these is meant; else nothing")

    def forget(self) -> None:
        """A new connection: nothing is known of alarms."""
        self._active.clear()
        self.problem = None

    def present(self, now: datetime) -> Reading:
        """The codes of the alarms that are known to be active now."""
        return Reading(self._tag, tuple(self._active.values()), Quality.GOOD, None, now)

    def take(self, variants: Sequence[ua.Variant], now: datetime) -> Reading | None:
        """One event; the codes of the active alarms where it changes them.

        Raises ControllerUnavailable where events were lost, so that nobody knows which alarms are active.
        """
        if len(variants) != len(_FIELDS):
            return None
        fields: dict[str, Any] = {name: variant.Value for name, variant in zip(_FIELDS, variants, strict=True)}
        kind = fields["type"]
        if isinstance(kind, ua.NodeId) and kind in _LOST:
            raise ControllerUnavailable(_LOST[kind], cause=GapCause.OVERFLOW)
        if not self._is_ours(fields) or not self._changed(fields):
            return None
        return Reading(self._tag, tuple(self._active.values()), Quality.GOOD, event_time(fields["time"]), now)

    def _is_ours(self, fields: Mapping[str, Any]) -> bool:
        """Whether it is of an alarm, and of the wanted source; a branch is an earlier state of one (5.5.2)."""
        branch = fields["branch"]
        if not isinstance(fields["condition"], ua.NodeId) or not isinstance(fields["active"], bool):
            return False
        if isinstance(branch, ua.NodeId) and not branch.is_null():
            return False
        said = event_text(fields["SourceName"])
        if self._how.source in (None, said, _PLACE.sub("", said)):
            self._has_matched = True
            self._others.clear()
            return True
        if not self._has_matched and (said in self._others or len(self._others) < MOST_SOURCES):
            self._others[said] += 1
        return False

    def _changed(self, fields: Mapping[str, Any]) -> bool:
        condition = fields["condition"]
        if not fields["active"] or fields["enabled"] is False:
            return self._active.pop(condition, None) is not None
        code = event_text(fields[self._how.code]) or event_text(fields["ConditionName"]) or condition.to_string()
        if condition not in self._active and len(self._active) >= MOST_ACTIVE:
            text = f"more than {MOST_ACTIVE} alarms are active; further ones are not shown"
            self.problem = Problem(text, "name one `source` below `conditions`, or a notifier of a smaller part")
            return False
        known, self._active[condition] = self._active.get(condition), code
        return known != code
