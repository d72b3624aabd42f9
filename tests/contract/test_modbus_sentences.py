"""What is said of a device that does not fit its settings: what was seen, and the setting that mends it."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from modbus_servers import device, watched
from odd_modbus_device import CLOSE, OddDevice, Request, Script, Step, odd_device
from patience import promised_s

from adapters.diagnostics import DiagnosticCode
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.opcua.certificate_info import Wanted
from adapters.opcua.certificates import Pair, make
from adapters.reading import GapCause, Quality, TagId
from adapters.settings import Heartbeat, ModbusTag, ModbusTcpController

TAGS = {"one": ModbusTag(address=100), "two": ModbusTag(address=101)}
FOREIGN_WORDS = re.compile(r"Error\(|Exception\(|Errno|Async|Client|pymodbus|asyncio|<.*>|None")


async def ending(settings: ModbusTcpController, tags: dict[str, ModbusTag] = TAGS) -> str:
    """The sentence with which a connection ends."""
    async with watched(settings, tags) as seen:
        with pytest.raises((ControllerUnavailable, ControllerMisconfigured)) as ended:
            await seen.end()
    assert FOREIGN_WORDS.search(ended.value.detail) is None
    return ended.value.detail


def as_unit(unit: int) -> Script:
    """A device that answers with a unit number of its own."""
    return lambda plc, request: [plc.frame(request, unit=unit)]


def exception(code: int) -> Script:
    """A device that answers with an exception only."""
    return lambda plc, request: [plc.frame(request, bytes((request.function | 0x80, code)))]


def one_register(plc: OddDevice, request: Request) -> Sequence[Step]:
    """One register, however many were requested."""
    return [plc.frame(request, plc.pdu(request)[:1] + bytes((2, 0, 7)))]


def closes(plc: OddDevice, request: Request) -> Sequence[Step]:
    """No answer but the end of the connection."""
    return [CLOSE]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (as_unit(0), "answers as unit 0, the request is for unit 1: set `unit_echo: any`"),
        (as_unit(255), "answers as unit 255, the request is for unit 1: set `unit_echo: any`"),
        (as_unit(7), "answers as unit 7, the request is for unit 1: set `unit: 7` if .*, or `unit_echo: any`"),
        (exception(10), r"the gateway has no path to unit 1 \(exception 10\): check `unit`"),
        (exception(11), r"unit 1 does not answer the gateway \(exception 11\): check that it is on"),
        (exception(1), "illegal function.*: .* try `table: input` or `coil`"),
        (exception(2), "illegal address.*: correct `address` and `table`"),
        (one_register, "another shape: 2 bytes of values, 4 were requested; .* lower `max_registers`"),
        (closes, "ends it instead of answering; check `unit`, `kind` and `port`"),
        (lambda plc, request: [b"\x15\x03\x03\0\2\2\x46"], "the port speaks TLS: use `kind: modbus-tls`"),
        (lambda plc, request: [b"HTTP/1.1 400 Bad Request"], "this is no Modbus TCP"),
        (lambda plc, request: [], "no answer for holding 100 to 101 within 0.1 s: .* raise `request_timeout_s`"),
    ],
)
async def test_a_device_that_does_not_fit_is_told_with_the_setting(script: Script, says: str) -> None:
    """Each misfit ends the connection with a sentence that names what came and the setting to change."""
    async with odd_device({100: 1, 101: 2}, script) as plc:
        settings = plc.settings(request_timeout_s=0.1 if "request_timeout_s" in says else 5.0)
        assert isinstance(settings, ModbusTcpController)
        assert re.search(says, await ending(settings))


@pytest.mark.parametrize("unit", [0, 1, 17, 255])
@pytest.mark.parametrize("echo", [0, 1, 255])
@pytest.mark.parametrize("transaction", [None, 0])
async def test_any_unit_is_believed_where_the_file_says_so(unit: int, echo: int, transaction: int | None) -> None:
    """With `unit_echo: any` a device may answer with any unit number, its transaction ids tell answers apart."""

    def script(plc: OddDevice, request: Request) -> Sequence[Step]:
        plc.registers = {100: 1000 + plc.requests % 900, 101: 2000}
        return [plc.frame(request, unit=echo, transaction=request.transaction if transaction is None else 0)]

    async with odd_device({}, script) as plc, watched(plc.settings(unit=unit, unit_echo="any"), TAGS) as seen:
        readings = [reading for _ in range(5) for reading in (await seen.news()).readings]
        assert seen.adapter.status().doubts == {}

    assert len(readings) >= 6
    assert all(reading.quality is Quality.GOOD for reading in readings)


@pytest.mark.parametrize(("code", "name"), [(4, "failure of the device"), (6, "busy"), (2, "illegal address")])
@pytest.mark.parametrize("from_the_start", [True, False])
async def test_an_exception_on_the_heartbeat_is_no_standstill(code: int, name: str, from_the_start: bool) -> None:
    """A heartbeat that the device does not give is told with the exception, and not as a program that hangs."""
    registers = {0: 0, 100: 1}

    def script(plc: OddDevice, request: Request) -> Sequence[Step]:
        registers[0] += 1
        refused = request.address == 0 and (from_the_start or request.number > 6)
        return [plc.frame(request, bytes((0x83, code)) if refused else None)]

    async with odd_device(registers, script) as plc:
        settings = plc.settings(heartbeat=Heartbeat(tag=TagId("pulse"), max_age_s=promised_s(0.3)))
        async with watched(settings, {"pulse": ModbusTag(address=0), "good": ModbusTag(address=100)}) as seen:
            with pytest.raises(ControllerUnavailable, match=f"exception {code} .{name}") as ended:
                await seen.end()
            codes = {diagnostic.code for diagnostic in seen.adapter.status().diagnostics}

    assert ended.value.cause is GapCause.CONNECTION
    assert "stands still" not in ended.value.detail
    expected = DiagnosticCode.HEARTBEAT_NEVER_READ if from_the_start else DiagnosticCode.HEARTBEAT_UNREADABLE
    assert expected in codes


@asynccontextmanager
async def tls_port(folder: Path) -> AsyncIterator[int]:
    """A port where a server of this machine's TLS library listens."""
    pair = Pair(folder / "server.der", folder / "server.pem")
    make(pair, Wanted(application_uri="urn:test:tls", hostname="localhost", days=9, bits=2048))
    certificate = folder / "certificate.pem"
    certificate.write_text(ssl.DER_cert_to_PEM_cert(pair.certificate.read_bytes()), encoding="ascii")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, pair.key)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_tls_port_is_said_plainly(tmp_path: Path) -> None:
    """A port of a real TLS server, asked for plain Modbus TCP, is told with the kind that it needs."""
    async with tls_port(tmp_path) as port:
        settings = ModbusTcpController(kind="modbus-tcp", host="127.0.0.1", port=port)
        assert "`kind: modbus-tls`" in await ending(settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_port_without_tcp_is_said_plainly(host: str) -> None:
    """Where only UDP listens, or nothing, the sentence says that nothing listens for TCP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        plug.bind(("127.0.0.1", 0))
        settings = ModbusTcpController(kind="modbus-tcp", host=host, port=plug.getsockname()[1])
        assert "nothing listens there for TCP" in await ending(settings)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "not a host", "x" * 70])
async def test_a_host_that_is_not_known_is_said_plainly(host: str) -> None:
    """A name that leads nowhere is told as such."""
    assert re.search("host|name|line", await ending(ModbusTcpController(kind="modbus-tcp", host=host)))


async def test_a_missing_serial_port_is_said_plainly() -> None:
    """A converter that is not plugged in is told without a library's words."""
    async with device("serial") as plc:
        settings = plc.settings(device="/dev/no-such-port")
    async with watched(settings, TAGS) as seen:
        with pytest.raises(ControllerUnavailable, match="no connection to /dev/no-such-port") as ended:
            await seen.end()
    assert FOREIGN_WORDS.search(ended.value.detail) is None
