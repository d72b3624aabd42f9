import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opcua_servers import (
    NAMESPACE,
    Certificates,
    Journal,
    NodeOpcUa,
    ServerUnderTest,
    certificates_in,
    running,
    settings,
    simulated,
)

from adapters.clock import SystemClock
from adapters.diagnostics import DiagnosticCode
from adapters.opcua.adapter import OpcUaAdapter
from adapters.reading import ControllerId, Quality, TagId, Value
from adapters.settings import OpcUaController, OpcUaTag
from simulators.opcua_server import Node

pytestmark = pytest.mark.timeout(60)

HERE = Path(__file__).parent
NODES = (
    Node("localized", "localizedtext", "Execute"),
    Node("qualified", "qualifiedname", "Running"),
    Node("octets", "bytestring", "LJ12EKR21T1823640"),
    Node("bytes", "byte[]", list(b"LJ12\0\0\0")),
    Node("padded", "string", "Running     \0"),
    Node("date", "datetime", "2026-03-02T08:00:00+00:00"),
    Node("array", "int16[]", [10, 11, 12, 13]),
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["simulated", pytest.param("node", marks=pytest.mark.nodeopcua)])
async def server(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path: Path
) -> AsyncIterator[ServerUnderTest]:
    made: ServerUnderTest
    made = simulated(NODES, certificates) if request.param == "simulated" else NodeOpcUa(NODES, certificates, tmp_path)
    await made.start()
    yield made
    await made.stop()


@contextlib.asynccontextmanager
async def structures() -> AsyncIterator[str]:
    """The address of the server with structures, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / "structure_server.py"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"opc.tcp://127.0.0.1:{int(await process.stdout.readline())}/"
    finally:
        process.kill()
        await process.wait()


def tag(name: str, **how: object) -> OpcUaTag:
    return OpcUaTag.model_validate({"node": f"nsu={NAMESPACE};s={name}", "single": True} | how)


def subject(controller: OpcUaController, tags: Mapping[str, OpcUaTag]) -> OpcUaAdapter:
    named = {TagId(name): how for name, how in tags.items()}
    return OpcUaAdapter(ControllerId("plc"), controller, named, clock=SystemClock(), secret=str)


def problems(adapter: OpcUaAdapter) -> dict[str, str]:
    """What the adapter says of values that it cannot use, by tag."""
    said = (
        diagnostic for diagnostic in adapter.status().diagnostics if diagnostic.code is DiagnosticCode.VALUE_UNREADABLE
    )
    return {str(diagnostic.tags[0]): f"{diagnostic.text}; {diagnostic.remedy}" for diagnostic in said}


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_every_kind_of_text_and_parts_of_arrays(
    server: ServerUnderTest, certificates: Certificates, mode: str
) -> None:
    """Texts of every type are the same text without padding; `index` picks an element or a part of an array."""
    wanted: dict[str, tuple[OpcUaTag, Value]] = {
        "localized": (tag("localized"), "Execute"),
        "qualified": (tag("qualified"), "Running"),
        "octets": (tag("octets"), "LJ12EKR21T1823640"),
        "bytes": (tag("bytes"), "LJ12"),
        "padded": (tag("padded"), "Running"),
        "date": (tag("date"), "2026-03-02T08:00:00+00:00"),
        "element": (tag("array", index=2), 12),
        "part": (tag("array", index="1:2", single=False), (11, 12)),
        "octet": (tag("bytes", index=0), ord("L")),
        "letters": (tag("bytes", index="0:1"), "LJ"),
        "words of bytes": (tag("bytes", octets=True, single=False), (*b"LJ12", 0, 0, 0)),
        "words of octets": (tag("octets", octets=True, single=False), tuple(b"LJ12EKR21T1823640")),
        "some words": (tag("bytes", index="1:2", octets=True, single=False), tuple(b"J1")),
    }
    adapter = subject(settings(server.url, certificates, mode=mode), {name: how for name, (how, _) in wanted.items()})
    journal = Journal()
    async with running(adapter, journal):
        pass
    assert {str(reading.tag): reading.value for reading in journal.batches[0].readings} == {
        name: value for name, (_, value) in wanted.items()
    }
    assert all(reading.quality is Quality.GOOD for reading in journal.batches[0].readings)
    assert problems(adapter) == {}


async def test_an_element_that_is_notified(server: ServerUnderTest, certificates: Certificates) -> None:
    """A change of one element comes by itself, as a number."""
    journal = Journal()
    async with running(subject(settings(server.url, certificates), {"one": tag("array", index=1)}), journal):
        await server.write("array", [10, 99, 12, 13], source_time=SystemClock().now())
        await journal.until(lambda: 99 in journal.values("one"))
    assert journal.values("one") == [11, 99]


async def test_what_is_no_single_value_is_said(server: ServerUnderTest, certificates: Certificates) -> None:
    """An array, an element that is not there and a structure are of bad quality; the sentence names tag and remedy."""
    tags = {
        "list": tag("array"),
        "beyond": tag("array", index=9),
        "status": OpcUaTag(node="i=2256", single=True),
        "product": OpcUaTag(node="i=2256", member="BuildInfo.ProductNames", single=True),
        "state": OpcUaTag(node="i=2256", member="State", single=True),
    }
    adapter, journal = subject(settings(server.url, certificates), tags), Journal()
    async with running(adapter, journal):
        said = problems(adapter)
    values = {str(reading.tag): reading.value for reading in journal.batches[0].readings}
    assert values == dict.fromkeys(tags) | {"state": 0}
    assert said.keys() == tags.keys() - {"state"}
    assert "`index`" in said["list"]
    assert "`index`" in said["beyond"]
    assert "`member`" in said["status"]
    assert "has ProductUri, " in said["product"]


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_members_of_structures(certificates: Certificates, mode: str) -> None:
    """Members are read and followed by the types that the server describes; a wrong name is answered with the right."""
    tags = {
        "vin": tag("Unit", member="Vin"),
        "raw": tag("Unit", member="Raw"),
        "mode": tag("Unit", member="Mode"),
        "part": tag("Unit", member="Parts[1].Code"),
        "count": tag("Unit", member="Count"),
        "second": tag("Units", index=1, member="Vin"),
        "wrong": tag("Unit", member="Vni"),
        "absent": tag("Unit", member="Parts[7].Code"),
        "optional": tag("Unit", member="Note"),
        "whole": tag("Unit"),
    }
    async with structures() as url:
        adapter, journal = subject(settings(url, certificates, mode=mode), tags), Journal()
        async with running(adapter, journal):
            await journal.until(lambda: len(journal.values("count")) > 3)
            said = problems(adapter)
    values = {str(reading.tag): reading.value for reading in journal.batches[0].readings}
    expected = {"vin": "LJ12EKR21T1823640", "raw": "RAW", "mode": 2, "part": 12, "second": "LJ12EKR21T1823640"}
    assert values == dict.fromkeys(tags) | expected | {"count": values["count"]}
    counts = [int(str(value)) for value in journal.values("count")]
    assert counts == sorted(set(counts))
    assert said.keys() == {"wrong", "absent", "optional", "whole"}
    assert "it has Vin, Raw, Mode, Parts, Count" in said["wrong"]
    assert "only 2 elements" in said["absent"]


async def test_uncertain_values_are_named_and_can_be_accepted(
    server: ServerUnderTest, certificates: Certificates
) -> None:
    """An uncertain value is marked and named with its status; `accept: uncertain` makes it good, by tag or for all."""
    tags = {"doubted": tag("date"), "accepted": tag("date", accept="uncertain")}
    await server.write("date", "2026-03-02T09:00:00+00:00", source_time=SystemClock().now(), quality="uncertain")
    adapter, journal = subject(settings(server.url, certificates), tags), Journal()
    async with running(adapter, journal):
        said = problems(adapter)
    qualities = {str(reading.tag): reading.quality for reading in journal.batches[0].readings}
    assert qualities == {"doubted": Quality.UNCERTAIN, "accepted": Quality.GOOD}
    assert said.keys() == {"doubted"}
    assert "UncertainLastUsableValue" in said["doubted"]
    assert "accept: uncertain" in said["doubted"]

    journal = Journal()
    chosen = settings(server.url, certificates, accept="uncertain")
    async with running(subject(chosen, tags | {"strict": tag("date", accept="good")}), journal):
        pass
    qualities = {str(reading.tag): reading.quality for reading in journal.batches[0].readings}
    assert qualities == {"doubted": Quality.GOOD, "accepted": Quality.GOOD, "strict": Quality.UNCERTAIN}


@pytest.mark.parametrize("mode", ["subscribe", "poll"])
async def test_times_of_the_server(certificates: Certificates, mode: str) -> None:
    """With `timestamps: server` a value that its source stamps in the past has the time of the server."""
    stamped = datetime(2020, 1, 1, tzinfo=UTC)
    server, found = simulated(NODES, certificates), {}
    await server.start()
    try:
        await server.write("array", [77, 0, 0, 0], source_time=stamped)
        for whose in ("source", "server"):
            journal = Journal()
            chosen = settings(server.url, certificates, mode=mode, timestamps=whose)
            async with running(subject(chosen, {"one": tag("array", index=0)}), journal):
                found[whose] = journal.readings("one")[0].source_time
    finally:
        await server.stop()
    assert found["source"] == stamped
    assert found["server"] is not None
    assert abs(found["server"] - datetime.now(UTC)) < timedelta(minutes=1)
