"""`mes look` against real servers: what it shows, what it says where nothing answers, and that it only reads."""

import asyncio
import json
import signal
import struct
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from certified_plant import Plant
from click.testing import CliRunner, Result
from modbus_servers import ForeignDevice
from opcua_servers import NAMESPACE, SERVER_URI, Certificates, NodeOpcUa, ServerUnderTest, certificates_in, simulated
from patience import patiently
from recording_proxy import recording

from mes.cli import mes
from mes.demo.influxd import free_port
from mes.errors import ConfigError
from simulators.modbus_server import ModbusServer
from simulators.opcua_server import Limits, Node, OpcUaServer, Security

pytestmark = pytest.mark.timeout(60)

NODES = (Node("state", "int32", 6),)
READ_FUNCTIONS = {1, 2, 3, 4, 43}
READ_SERVICES = {428, 461, 467, 473, 631}  # GetEndpoints, CreateSession, ActivateSession, CloseSession, Read


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of the servers."""
    return certificates_in(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def started(server: ServerUnderTest) -> AsyncIterator[None]:
    """The server runs meanwhile."""
    await server.start()
    try:
        yield
    finally:
        await server.stop()


async def look(*words: str) -> Result:
    """The command in a thread of its own, for it has its own event loop."""
    done = await asyncio.to_thread(CliRunner().invoke, mes, ["look", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit | ConfigError), done.exception
    return done


async def looked(*words: str, well: bool = True) -> list[dict[str, Any]]:
    """What it says in JSON; `well`: whether everything answered."""
    done = await look(*words, "--json")
    assert (done.exit_code == 0) == well, done.output
    answer: list[dict[str, Any]] = json.loads(done.stdout)
    return answer


async def test_endpoints_and_logins_are_listed(certificates: Certificates) -> None:
    """Every policy with its modes and logins, the certificate, the product, namespaces as the plant's file has them."""
    server = simulated(NODES, certificates)
    async with started(server):
        (seen,) = await looked(server.url)
        text = (await look(server.url)).output

    offers = {(endpoint["policy"], endpoint["mode"]) for endpoint in seen["endpoints"]}
    secured = {"Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"}
    assert offers == {("None", "None"), *((policy, mode) for policy in secured for mode in ("Sign", "SignAndEncrypt"))}
    assert all("without a user" in endpoint["logins"] for endpoint in seen["endpoints"])
    assert seen["application_uri"] == SERVER_URI
    assert [certificate["uris"] for certificate in seen["certificates"]] == [[SERVER_URI]]
    assert f"nsu={NAMESPACE};" in [namespace["write"] for namespace in seen["namespaces"]]
    assert abs(seen["clock_ahead_s"]) < 60
    assert f"    nsu={NAMESPACE};\n" in text
    assert "Basic256Sha256, SignAndEncrypt: login without a user" in text


async def test_limits_are_the_servers(certificates: Certificates) -> None:
    """The limits of operations are those that the server was set up with."""
    server = simulated(NODES, certificates, limits=Limits(max_items_per_call=37), policies=("None",))
    async with started(server):
        (seen,) = await looked(server.url)

    assert seen["limits"]["MaxMonitoredItemsPerCall"] == 37
    assert seen["limits"]["MaxNodesPerRead"] == 37


@pytest.mark.nodeopcua
async def test_an_independent_server_shows_its_product(certificates: Certificates, tmp_path: Path) -> None:
    """node-opcua names its product and version."""
    server = NodeOpcUa(NODES, certificates, tmp_path)
    async with started(server):
        (seen,) = await looked(server.url)

    assert "node" in seen["build"]["product_name"].lower()
    assert seen["build"]["software_version"]
    assert f"nsu={NAMESPACE};" in [namespace["write"] for namespace in seen["namespaces"]]


async def test_what_needs_a_login_is_not_guessed(certificates: Certificates) -> None:
    """A server without policy None shows its endpoints; what a session would show is said to be missing, with why."""
    server = simulated(NODES, certificates, policies=("Basic256Sha256",))
    async with started(server):
        (seen,) = await looked(server.url)
        text = (await look(server.url)).output

    assert seen["build"] is seen["namespaces"] is seen["limits"] is seen["clock_ahead_s"] is None
    assert "policy-not-offered" in {finding["code"] for finding in seen["findings"]}
    assert "not read, because there was no session" in text
    assert "mes look -c" in text


async def test_a_secured_server_shows_all_to_a_controller_of_the_file(tmp_path: Path) -> None:
    """With the certificates of a plant's file the session is made, and the product and namespaces are read."""
    made = certificates_in(tmp_path)
    server = simulated(NODES, made, policies=("Basic256Sha256",))
    async with started(server):
        plant = Plant(tmp_path, server.url)
        plant.security |= {
            "certificate": str(made.client[0]),
            "private_key": str(made.client[1]),
            "server_certificate": str(made.server[0]),
        }
        (seen,) = await looked("plc", "-c", str(plant.file))

    assert seen["name"] == "plc"
    assert f"nsu={NAMESPACE};" in [namespace["write"] for namespace in seen["namespaces"]]


async def test_a_refused_controller_of_the_file_ends_with_1(certificates: Certificates, tmp_path: Path) -> None:
    """Where the plant's file asks for what the server does not offer, the exit code says so."""
    server = simulated(NODES, certificates, policies=("None",))
    async with started(server):
        plant = Plant(tmp_path, server.url)
        (seen,) = await looked("plc", "-c", str(plant.file), well=False)

    assert seen["answered"]
    assert seen["namespaces"] is None


async def test_a_password_is_one_of_the_logins(certificates: Certificates) -> None:
    """A server that takes a user and password says so."""
    security = Security(user="collector", password="secret")
    server = OpcUaServer(namespace=NAMESPACE, nodes=NODES, security=security, application_uri=SERVER_URI)
    async with started(server):
        (seen,) = await looked(server.url)

    assert {"user and password"} <= set(seen["endpoints"][0]["logins"])


async def test_a_wrong_path_is_told_with_the_right_ones(certificates: Certificates) -> None:
    """BadTcpEndpointUrlInvalid is about the path; the addresses that discovery names are listed."""
    server = simulated(NODES, certificates, policies=("None",))
    async with started(server), recording(server.port, opcua=True, path="/discovery") as proxy:
        (seen,) = await looked(f"opc.tcp://127.0.0.1:{proxy.port}/wrong", well=False)
        text = (await look(f"opc.tcp://127.0.0.1:{proxy.port}/wrong")).output

    assert [finding["code"] for finding in seen["findings"] if finding["stops"]] == ["path-unknown"]
    assert seen["other_urls"]
    assert "the path in `url`" in text
    assert "Received an error" not in text
    assert all(url in text for url in seen["other_urls"])


async def test_opcua_is_only_read(certificates: Certificates) -> None:
    """The services that a look calls are discovery, session and read, and no other."""
    server = simulated(NODES, certificates, policies=("None",))
    async with started(server), recording(server.port, opcua=True) as proxy:
        await looked(f"opc.tcp://127.0.0.1:{proxy.port}/")

    assert proxy.services == READ_SERVICES


@asynccontextmanager
async def device(**how: Any) -> AsyncIterator[ModbusServer]:
    """A device that answers reads."""
    server = ModbusServer(**how)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_unit_that_refuses_answers_all_the_same() -> None:
    """An exception is an answer, and is explained; the function of identification is refused, and that is said."""
    async with device(declared=((100, 10),)) as server:
        (seen,) = await looked(f"modbus-tcp://127.0.0.1:{server.port}")

    (unit,) = seen["units"]
    assert unit["unit"] == 1
    assert unit["answered"]
    assert "exception 2 (illegal address)" in unit["detail"]
    assert unit["identity"] is None
    assert "exception 1 (illegal function)" in unit["identity_detail"]


async def test_units_are_told_apart() -> None:
    """Of the units that are asked, those that exist answer, and the others are said not to."""
    async with device(declared=((0, 4),), unit=2, beside=[ModbusServer(declared=((0, 4),), unit=3)]) as server:
        (seen,) = await looked(f"modbus-tcp://127.0.0.1:{server.port}", "--units", "2-4")

    assert {unit["unit"]: unit["answered"] for unit in seen["units"]} == {2: True, 3: True, 4: False}


async def test_a_unit_that_is_silent_is_told_with_the_remedy() -> None:
    """No answer within the time is no unit: `unit` is what to check."""
    async with device(declared=((0, 4),), unit=2) as server:
        done = await look(f"modbus-tcp://127.0.0.1:{server.port}/9")

    assert done.exit_code == 1
    assert "unit 9: no." in done.output
    assert "`unit`" in done.output


async def test_a_scan_finds_exactly_what_exists() -> None:
    """Blocks that are refused are divided until exactly the declared registers and coils answer."""
    tables: Any = {"holding": ((3, 2), (40, 30)), "coil": ((0, 5),)}
    async with device(tables=tables) as server:
        server.write(3, (1000, 2000))
        url = f"modbus-tcp://127.0.0.1:{server.port}"
        (seen,) = await looked(url, "--scan", "holding:0-80", "--scan", "coil:0-9")
        text = (await look(url, "--scan", "holding:0-80")).output

    holding, coil = seen["units"][0]["scans"]
    assert {int(address) for address in holding["words"]} == {3, 4, *range(40, 70)}
    assert set(map(int, holding["refused"])) == set(range(81)) - {3, 4, *range(40, 70)}
    assert [holding["words"]["3"], holding["words"]["4"]] == [1000, 2000]
    assert {int(address) for address in coil["words"]} == set(range(5))
    assert "32 of 81 answer: 3 to 4, 40 to 69" in text


async def test_modbus_is_only_read() -> None:
    """The functions of a look with everything on are those that read."""
    async with device(declared=((0, 20),)) as server, recording(server.port, opcua=False) as proxy:
        scans = [word for table in ("holding", "input", "coil", "discrete") for word in ("--scan", f"{table}:0-40")]
        await looked(f"modbus-tcp://127.0.0.1:{proxy.port}", "--units", "1", *scans)

    assert proxy.functions == READ_FUNCTIONS


async def test_an_independent_modbus_server_is_seen() -> None:
    """pyModbusTCP answers, and has every address."""
    foreign = ForeignDevice(port=free_port())
    await foreign.start()
    try:
        (seen,) = await looked(f"modbus-tcp://127.0.0.1:{foreign.port}", "--scan", "holding:0-9")
    finally:
        await foreign.stop()

    assert len(seen["units"][0]["scans"][0]["words"]) == 10


@dataclass
class Identified:
    """A device by hand that gives its identification (function 43/14) object by object, one in each answer."""

    objects: Sequence[bytes]
    port: int = 0
    requests: list[bytes] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:], "big"))
                self.requests.append(body)
                pdu = self._pdu(body)
                writer.write(head[:4] + struct.pack(">HB", len(pdu) + 1, body[0]) + pdu)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _pdu(self, body: bytes) -> bytes:
        if body[1] != 43:
            return bytes((body[1] | 0x80, 2))
        level, number = body[3], body[4]
        last = number == len(self.objects) - 1
        head = bytes((43, 14, level, 0x82, 0 if last else 0xFF, 0 if last else number + 1, 1))
        return head + bytes((number, len(self.objects[number]))) + self.objects[number]


async def test_identification_is_read_whole() -> None:
    """Objects that come in several answers are all read, and have the names of the specification."""
    texts = (b"ACME", b"PM-1", b"V2.1", b"http://acme", b"Meter", b"M\xc3\xb6del 7")
    made = Identified(texts)
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    async with server:
        (seen,) = await looked(f"modbus-tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert seen["units"][0]["identity"] == {
        "vendor_name": "ACME",
        "product_code": "PM-1",
        "revision": "V2.1",
        "vendor_url": "http://acme",
        "product_name": "Meter",
        "model_name": "Mödel 7",
    }


async def test_a_text_of_a_device_does_not_steer_the_terminal() -> None:
    """Control characters of a device's text are not printed."""
    made = Identified((b"A\x1b[2JCME\r\n", b"P", b"V"))
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    async with server:
        done = await look(f"modbus-tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    assert "\x1b" not in done.output
    assert "CME" in done.output


async def test_a_bare_host_and_port_tries_both(certificates: Certificates) -> None:
    """Without a protocol each is tried; that one of them answers is enough."""
    server = simulated(NODES, certificates, policies=("None",))
    async with started(server), device(declared=((0, 2),)) as modbus:
        opcua, other = await looked(f"127.0.0.1:{server.port}")
        first, second = await looked(f"127.0.0.1:{modbus.port}")

    assert (opcua["kind"], opcua["answered"], other["kind"], other["answered"]) == ("opcua", True, "modbus-tcp", False)
    assert (first["answered"], second["answered"]) == (False, True)


@pytest.mark.parametrize("scheme", ["opc.tcp", "modbus-tcp"])
async def test_where_nothing_listens_is_told_with_the_remedy(scheme: str) -> None:
    """A port without a listener is exit code 1 with a sentence."""
    done = await look(f"{scheme}://127.0.0.1:{free_port()}")

    assert done.exit_code == 1
    assert "firewall" in done.output or "nothing listens there" in done.output


async def test_one_of_several_that_is_away_hides_none(certificates: Certificates) -> None:
    """All addresses are shown, and the exit code says that one does not answer."""
    server = simulated(NODES, certificates, policies=("None",))
    async with started(server):
        seen = await looked(f"opc.tcp://127.0.0.1:{free_port()}", server.url, well=False)

    assert [address["answered"] for address in seen] == [False, True]


BAD: dict[str, tuple[Sequence[str], str]] = {
    "none": ((), "no address"),
    "no host": (("opc.tcp://:4840",), "cannot be read"),
    "port": (("opc.tcp://plc:99999",), "cannot be read"),
    "port 0": (("modbus-tcp://plc:0",), "cannot be read"),
    "address": (("192.168.1.300",), "cannot be read"),
    "bracket": (("opc.tcp://[::1",), "cannot be read"),
    "unit": (("modbus-tcp://plc/300",), "no unit"),
    "path": (("modbus-tcp://plc/a/b",), "no unit"),
    "scheme": (("http://plc",), "opc.tcp://"),
    "user": (("opc.tcp://me:secret@plc:4840",), "no user"),
    "scan of OPC UA": (("opc.tcp://plc", "--scan", "holding:0-1"), "for Modbus"),
}


@pytest.mark.parametrize(("words", "text"), BAD.values(), ids=BAD)
async def test_a_bad_address_is_a_sentence(words: Sequence[str], text: str) -> None:
    """What is no address is refused before anything is asked, with how it is written."""
    done = await look(*words)

    assert isinstance(done.exception, ConfigError)
    assert text in str(done.exception)
    assert "secret" not in str(done.exception)


@pytest.mark.parametrize(
    "words",
    [("--units", "0-256"), ("--units", "x"), ("--scan", "holding"), ("--scan", "relay:0-3"), ("--scan", "coil:5-3")],
)
async def test_a_bad_range_is_refused(words: Sequence[str]) -> None:
    """Units and blocks that cannot be are exit code 2, with how they are written."""
    done = await look("modbus-tcp://127.0.0.1", *words)

    assert done.exit_code == 2
    assert "write" in done.output


async def test_an_unknown_controller_is_told(tmp_path: Path) -> None:
    """A name that the file does not have is refused with the nearest one."""
    done = await look("plx", "-c", str(Plant(tmp_path, "opc.tcp://127.0.0.1:1").file))

    assert isinstance(done.exception, ConfigError)
    assert "did you mean `plc`" in str(done.exception)


# Whoever runs in the background of a shell, as the tests may, ignores SIGINT and so would the command.
INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from mes.cli import main; main()"
)


@pytest.mark.posix
@pytest.mark.parametrize("scheme", ["opc.tcp", "modbus-tcp"])
async def test_an_interrupted_look_prints_no_traceback(scheme: str) -> None:
    """Ctrl-C while a controller is silent ends the command at once, with exit code 1."""
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        address = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            INTERRUPTIBLE,
            "look",
            address,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with patiently(20):
            await asked.wait()
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()

    assert process.returncode == 1
    assert b"Traceback" not in output
    assert output.strip() == b"Aborted!"
