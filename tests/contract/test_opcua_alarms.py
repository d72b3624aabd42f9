"""Alarms and Conditions as events, against asyncua and node-opcua: active, over, of one source, lost."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds
from opcua_servers import Certificates, Journal, NodeOpcUa, certificates_in, running, settings
from patience import patiently

from adapters.clock import SystemClock
from adapters.errors import ControllerUnavailable
from adapters.opcua.adapter import OpcUaAdapter
from adapters.opcua.conditions import MOST_ACTIVE, TELLING, Conditions
from adapters.opcua.items import Items
from adapters.reading import ControllerId, GapCause, Quality, TagId
from adapters.settings import OpcUaConditions, OpcUaTag

pytestmark = pytest.mark.timeout(120)
NOTIFIER = "ns=0;i=2253"  # the Server object
ALL, ROBOT, TEXTS, MISSING = (TagId(name) for name in ("all", "robot", "texts", "missing"))
TAGS = {
    ALL: OpcUaTag(node=NOTIFIER, conditions=OpcUaConditions()),
    ROBOT: OpcUaTag(node=NOTIFIER, conditions=OpcUaConditions(source="Robot")),
    TEXTS: OpcUaTag(node=NOTIFIER, conditions=OpcUaConditions(source="Robot", code="Message")),
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Of servers and of ours."""
    return certificates_in(tmp_path_factory.mktemp("certificates"))


def collector(url: str, certificates: Certificates, tags: dict[TagId, OpcUaTag]) -> OpcUaAdapter:
    """An adapter that takes the alarms of a server."""
    return OpcUaAdapter(ControllerId("plc"), settings(url, certificates), tags, clock=SystemClock(), secret=str)


async def told(journal: Journal, tag: TagId, *values: tuple[str, ...]) -> None:
    """Waits until a tag has shown these lists of alarms, the baseline's first, and no other."""
    async with patiently(30):
        await journal.until(lambda: len(journal.values(tag)) >= len(values))
    assert journal.values(tag) == list(values)


async def test_alarms_of_another_stack_come_and_go(tmp_path: Path, certificates: Certificates) -> None:
    """All that are active are the value, in the order in which they came; a tag may be of one source alone."""
    alarms = {"Collision": "Robot", "TipWorn": "Robot", "NoWater": "Timer"}
    server = NodeOpcUa([], certificates, tmp_path, alarms=alarms)
    await server.start()
    journal = Journal()
    async with running(collector(server.url, certificates, TAGS), journal):
        await told(journal, ALL, ())
        for name, value in (("Collision", True), ("NoWater", True), ("TipWorn", True), ("Collision", False)):
            await server.write(name, value, source_time=datetime.now(UTC))
        await told(
            journal,
            ALL,
            *(
                (),
                ("Collision",),
                ("Collision", "NoWater"),
                ("Collision", "NoWater", "TipWorn"),
                ("NoWater", "TipWorn"),
            ),
        )
        await told(journal, ROBOT, (), ("Collision",), ("Collision", "TipWorn"), ("TipWorn",))
        assert all(reading.source_time for reading in journal.readings(ROBOT)[1:])
    again = Journal()
    async with running(collector(server.url, certificates, TAGS), again):
        # nobody knows what was active before, and no method is called to ask for it
        await told(again, ALL, ())
        await server.write("TipWorn", False, source_time=datetime.now(UTC))
        await server.write("NoWater", False, source_time=datetime.now(UTC))
        await server.write("NoWater", True, source_time=datetime.now(UTC))
        await told(again, ALL, (), ("NoWater",))
    await server.stop()


@contextlib.asynccontextmanager
async def asyncua_server() -> AsyncIterator[tuple[str, Any]]:
    """A server on asyncua, with a generator of alarms on its Server object."""
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    async with server:
        assert server.bserver is not None
        made: Any = await server.get_event_generator(ua.NodeId(ua.Int32(ObjectIds.AlarmConditionType)))
        made.event.add_property("ActiveState/Id", None, ua.VariantType.Boolean)
        made.event.add_property("EnabledState/Id", True, ua.VariantType.Boolean)
        yield f"opc.tcp://127.0.0.1:{server.bserver.port}/", made


async def show(made: Any, name: str, *, active: bool, **fields: object) -> None:
    """One event of an alarm."""
    made.event.NodeId = ua.NodeId(ua.String(name), ua.Int16(1))
    made.event.ConditionName, made.event.SourceName = name, "Robot"
    shown = {
        "ActiveState/Id": active,
        "EnabledState/Id": True,
        "BranchId": None,
        "Message": ua.LocalizedText(name),
        **fields,
    }
    for key, value in shown.items():
        setattr(made.event, key, value)
    await made.trigger()


async def test_what_is_no_alarm_changes_nothing(certificates: Certificates) -> None:
    """A branch, an event that repeats what is known, one of another kind; a disabled alarm is over."""
    async with asyncua_server() as (url, made):
        journal = Journal()
        missing = OpcUaTag(node="ns=0;i=85", conditions=OpcUaConditions())  # the Objects folder notifies of nothing
        subject = collector(url, certificates, {**TAGS, MISSING: missing})
        async with running(subject, journal):
            await told(journal, ALL, ())
            await show(made, "A", active=True)
            await show(made, "A", active=True)
            await show(made, "B", active=True, BranchId=ua.NodeId(ua.Int32(7)))
            await show(made, "C", active=True, Message=ua.LocalizedText("  Tip worn\0"))
            await show(made, "C", active=True, **{"EnabledState/Id": False})
            await show(made, "D", active=False)
            await show(made, "A", active=False)
            await told(journal, TEXTS, (), ("A",), ("A", "Tip worn"), ("A",), ())
            await told(journal, ALL, (), ("A",), ("A", "C"), ("A",), ())
            assert [reading.quality for reading in journal.readings(MISSING)] == [Quality.BAD]
            [finding] = [finding for finding in subject.status().diagnostics if "refused" in finding.text]
            assert finding.tags == (MISSING,)
            assert "its alarms are not known" in finding.text
            assert "notifies of events" in finding.remedy


@pytest.mark.parametrize("kind", [ObjectIds.EventQueueOverflowEventType, ObjectIds.RefreshRequiredEventType])
async def test_lost_events_are_a_gap(certificates: Certificates, kind: int) -> None:
    """Where a server says that events are missing, nobody knows which alarms are active: a gap, and a new beginning."""
    async with asyncua_server() as (url, made):
        journal = Journal()
        subject = collector(url, certificates, {ALL: TAGS[ALL]})
        async with running(subject, journal) as task:
            await told(journal, ALL, ())
            await show(made, "A", active=True)
            await told(journal, ALL, (), ("A",))
            made.event.EventType = ua.NodeId(ua.Int32(kind))
            await made.trigger()
            with pytest.raises(ControllerUnavailable) as lost:
                async with patiently(30):
                    await task
        assert lost.value.cause is GapCause.OVERFLOW
        made.event.EventType = ua.NodeId(ua.Int32(ObjectIds.AlarmConditionType))
        again = Journal()
        async with running(subject, again):
            await told(again, ALL, ())


def event(number: int, *, active: object = True, name: object = "", source: str = "Robot") -> list[ua.Variant]:
    """The fields of one event of an alarm."""
    kind = ua.NodeId(ua.Int32(ObjectIds.AlarmConditionType))
    fields = (kind, datetime.now(UTC), source, None, ua.NodeId(ua.Int32(number)), name, None, True, active)
    return [ua.Variant(field) for field in fields]


def test_a_source_that_never_comes_is_told() -> None:
    """Alarms of others alone, again and again, are named with their sources, until one of the wanted source comes."""
    now = datetime.now(UTC)
    conditions = Conditions(ROBOT, OpcUaConditions(source="Robott"))
    for number in range(TELLING):
        assert conditions.finding() is None
        assert conditions.take(event(number + 1, source="Robot" if number else "Timer"), now) is None
    finding = conditions.finding()
    assert finding is not None
    assert "no alarm of the source `Robott` has come, and 10 events of `Robot`, `Timer`" in finding.text
    assert "`source`" in finding.remedy
    assert conditions.take(event(99, source="Robott"), now) is not None
    for number in range(TELLING):
        conditions.take(event(number + 1, source="Timer"), now)
    assert conditions.finding() is None


def test_a_notifier_that_comes_back_shows_its_alarms(certificates: Certificates) -> None:
    """A notifier that was refused has a bad value; once its events come, what is known of its alarms is its value."""
    now = datetime.now(UTC)
    items = Items({ALL: TAGS[ALL]}, settings("opc.tcp://127.0.0.1:4840", certificates))
    [before] = items.alarms(now)
    assert (before.value, before.quality, items.alarms_again(now)) == (None, Quality.BAD, ())
    items.accept(ALL)
    [after] = items.alarms_again(now)
    assert (after.value, after.quality, items.alarms_again(now)) == ((), Quality.GOOD, ())


def test_a_notifier_s_alarms_are_bounded() -> None:
    """A server cannot fill the memory with alarms: beyond the limit they are named, and not kept."""
    now = datetime.now(UTC)
    conditions = Conditions(ALL, OpcUaConditions())

    for number in range(1, MOST_ACTIVE + 1):
        assert conditions.take(event(number), now) is not None
    before = conditions.problem
    assert conditions.take(event(MOST_ACTIVE + 1), now) is None
    assert (before, conditions.problem is None) == (None, False)
    assert conditions.take(event(1, name="renamed"), now) is not None
    assert conditions.take(event(1, active="yes"), now) is None
    assert conditions.take(event(1)[:3], now) is None
    present = conditions.present(now)
    assert isinstance(present.value, tuple)
    assert (len(present.value), present.value[:2], present.quality) == (MOST_ACTIVE, ("renamed", "i=2"), Quality.GOOD)
    conditions.forget()
    forgotten = (conditions.present(now).value, conditions.problem)
    assert forgotten == ((), None)
