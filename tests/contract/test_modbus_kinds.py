"""Modbus over UDP and TLS, against the servers of pymodbus and datagrams by hand."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from certified_plant import Plant, run_certs
from modbus_servers import watched
from odd_modbus_device import OddDevice, Request
from pymodbus.server import ModbusTlsServer, ModbusUdpServer
from pymodbus.simulator import DataType as SimType
from pymodbus.simulator import SimData, SimDevice

from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.modbus.answers import Doubt
from adapters.opcua.certificate_info import Wanted, read_certificate, sha256_of
from adapters.opcua.certificates import Pair, make
from adapters.reading import Quality
from adapters.settings import DataType, ModbusTag, ModbusTlsController, ModbusUdpController

TAGS = {"state": ModbusTag(address=0), "total": ModbusTag(address=1, type=DataType.UINT32)}
EXPECTED = {"state": 7, "total": 65536 + 2}
POLLS = 10


def registers() -> SimDevice:
    """A device of pymodbus with three registers."""
    return SimDevice(1, simdata=[SimData(0, values=[7, 1, 2], datatype=SimType.REGISTERS)])


def udp(port: int, **changes: Any) -> ModbusUdpController:
    """Settings for a device on this machine."""
    where = {"host": "127.0.0.1", "port": port, "poll_interval_ms": 20, "request_timeout_s": 1.0}
    return ModbusUdpController.model_validate({"kind": "modbus-udp", **where, **changes})


async def test_a_real_udp_server_is_collected() -> None:
    """The server of the library gives its values by datagrams, poll after poll."""
    server = ModbusUdpServer(registers(), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    port = server.transport.get_extra_info("sockname")[1]
    try:
        async with watched(udp(port), TAGS) as seen:
            first = await seen.batch()
            await seen.batch()
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # it has no types

    assert {reading.tag: reading.value for reading in first.readings} == EXPECTED


class Datagrams(asyncio.DatagramProtocol):
    """A device by hand whose datagrams are lost, doubled or late, by their number."""

    def __init__(self) -> None:
        self.device = OddDevice({}, lambda _, __: [])
        self.transport: Any = None  # Python 3.11 has no common class of what this can be

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        number = self.device.requests
        self.device.requests += 1
        self.device.registers = {100: 1000 + number % 900, 200: 2000 + number % 900}
        address, count = int.from_bytes(data[8:10], "big"), int.from_bytes(data[10:12], "big")
        request = Request(int.from_bytes(data[:2], "big"), data[6], data[7], address, count, number, number)
        answer = self.device.frame(request)
        for delay_s in self.delays_s(number):
            asyncio.get_running_loop().call_later(delay_s, self._send, answer, addr)

    def delays_s(self, number: int) -> Sequence[float]:
        """When an answer goes out, as often as it does."""
        match number % 5:
            case 2:
                return []
            case 3:
                return [0.0, 0.01]
            case 4:
                return [0.6]
            case _:
                return [0.0]

    def _send(self, answer: bytes, addr: Any) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(answer, addr)


async def test_datagrams_that_are_lost_doubled_or_late_harm_nothing() -> None:
    """Whatever happens to datagrams: each value is of its own register, and the controller is never lost."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    tags = {"one": ModbusTag(address=100), "two": ModbusTag(address=200)}
    try:
        async with watched(udp(port, request_timeout_s=0.5), tags) as seen:
            readings = [reading for _ in range(2 * POLLS) for reading in (await seen.news()).readings]
            doubts = seen.adapter.status().doubts
    finally:
        transport.close()

    home = {"one": 1, "two": 2}
    assert all(reading.quality is Quality.GOOD for reading in readings)
    assert all(isinstance(reading.value, int) and reading.value // 1000 == home[reading.tag] for reading in readings)
    assert {Doubt.DOUBLED, Doubt.LATE} <= {Doubt(kind) for kind, count in doubts.items() if count}


async def test_silence_by_udp_is_unavailable() -> None:
    """Where nobody answers datagrams, the sentence says what to look at."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    try:
        async with watched(udp(port, request_timeout_s=0.1), TAGS) as seen:
            with pytest.raises(ControllerUnavailable, match=r"no answer for holding 0 to 2 within 0\.1 s"):
                await seen.end()
    finally:
        transport.close()


def certificate(folder: Path, name: str) -> Pair:
    """A certificate and its key, as `mes certs create` makes them."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}-key.pem")
    make(pair, Wanted(application_uri=f"urn:test:{name}", hostname="localhost", days=9, bits=2048))
    return pair


@asynccontextmanager
async def tls_server(shows: Pair, trusts: Pair) -> AsyncIterator[int]:
    """The TLS server of the library, which lets in those that show the trusted certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shows.certificate, shows.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(trusts.certificate)
    server = ModbusTlsServer(registers(), address=("127.0.0.1", 0), sslctx=context)
    await server.serve_forever(background=True)
    listener: Any = server.transport
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # it has no types


def tls(port: int, ours: Pair, **trust: Path) -> ModbusTlsController:
    """Settings for a device on this machine."""
    security = {"certificate": ours.certificate, "private_key": ours.key, **trust}
    where = {"host": "127.0.0.1", "port": port, "poll_interval_ms": 20, "request_timeout_s": 5.0}
    return ModbusTlsController.model_validate({"kind": "modbus-tls", **where, "security": security})


@pytest.mark.parametrize("by", ["file", "der file", "folder"])
async def test_a_real_tls_server_is_collected(tmp_path: Path, by: str) -> None:
    """Both sides trust one another's certificate: the values come, poll after poll."""
    ours, theirs = certificate(tmp_path, "ours"), certificate(tmp_path, "theirs")
    trust = {"server_certificate": theirs.certificate}
    if by == "der file":
        trust = {"server_certificate": tmp_path / "theirs.der"}
        trust["server_certificate"].write_bytes(ssl.PEM_cert_to_DER_cert(theirs.certificate.read_text()))
    if by == "folder":
        trust = {"trust_folder": tmp_path / "trusted"}
        trust["trust_folder"].mkdir()
        (trust["trust_folder"] / "OVEN.PEM").write_bytes(theirs.certificate.read_bytes())
        (trust["trust_folder"] / "other.pem").write_bytes(ours.certificate.read_bytes())
    async with tls_server(theirs, ours) as port, watched(tls(port, ours, **trust), TAGS) as seen:
        first = await seen.batch()
        await seen.batch()

    assert {reading.tag: reading.value for reading in first.readings} == EXPECTED


async def test_a_device_that_is_not_trusted_gets_no_request(tmp_path: Path) -> None:
    """Another certificate than the trusted one ends the connection before anything is asked, with the remedy."""
    ours, theirs, other = (certificate(tmp_path, name) for name in ("ours", "theirs", "other"))
    trust = {"server_certificate": other.certificate}
    async with tls_server(theirs, ours) as port, watched(tls(port, ours, **trust), TAGS) as seen:
        with pytest.raises(ControllerMisconfigured, match="certificate is not trusted"):
            await seen.end()


async def test_a_device_that_does_not_trust_us_is_told(tmp_path: Path) -> None:
    """A device that refuses our certificate is said to end the connection, or the handshake, with what to check."""
    ours, theirs, other = (certificate(tmp_path, name) for name in ("ours", "theirs", "other"))
    trust = {"server_certificate": theirs.certificate}
    says = r"admits this computer|handshake"
    async with tls_server(theirs, other) as port, watched(tls(port, ours, **trust), TAGS) as seen:
        with pytest.raises((ControllerUnavailable, ControllerMisconfigured), match=says):
            await seen.end()


async def test_plain_tcp_behind_the_tls_port_is_told(tmp_path: Path) -> None:
    """A server that speaks no TLS is told in words."""
    ours = certificate(tmp_path, "ours")

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\0\1\0\0\0\3\1\x83\2")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with watched(tls(port, ours, server_certificate=ours.certificate), TAGS) as seen:
            with pytest.raises((ControllerUnavailable, ControllerMisconfigured)) as ended:
                await seen.end()
    assert re.search("the TLS handshake failed .*check that `port` speaks TLS", ended.value.detail)


@pytest.mark.parametrize("lacking", ["certificate", "key", "trusted", "nobody", "garbage"])
async def test_files_that_are_not_there_are_named(tmp_path: Path, lacking: str) -> None:
    """What the plant's file names and the disk does not have parks the controller, with the file."""
    ours, theirs = certificate(tmp_path, "ours"), certificate(tmp_path, "theirs")
    trust = {"server_certificate": theirs.certificate}
    match lacking:
        case "certificate":
            ours.certificate.unlink()
        case "key":
            ours.key.unlink()
        case "trusted":
            theirs.certificate.unlink()
        case "nobody":
            trust = {"trust_folder": tmp_path / "nobody"}
        case _:
            theirs.certificate.write_bytes(b"-----BEGIN garbage")
    named = {"certificate": "ours.pem", "key": "ours-key.pem", "nobody": "nobody"}.get(lacking, "theirs.pem")
    async with watched(tls(9, ours, **trust), TAGS) as seen:
        with pytest.raises(ControllerMisconfigured, match=named):
            await seen.end()


async def test_mes_certs_makes_the_certificate_that_a_device_trusts(tmp_path: Path) -> None:
    """`mes certs create` makes the pair that the plant's file names for a modbus-tls device, and it is collected."""
    theirs = certificate(tmp_path, "theirs")
    plant = Plant(tmp_path, "")
    ours = Pair(plant.certificate, plant.key)
    trust = {"certificate": str(ours.certificate), "private_key": str(ours.key)}
    trust["server_certificate"] = str(theirs.certificate)
    text = json.loads(plant.file.read_text())
    text["controllers"]["plc"] = {"kind": "modbus-tls", "host": "127.0.0.1", "security": trust}
    file = tmp_path / "whole.yaml"
    file.write_text(json.dumps(text))

    made = await run_certs(["create", "--bits", "2048", "--config", str(file)])
    shown = await run_certs(["show", "plc", "--config", str(file)])

    assert made.exit_code == 0, made.output
    assert "for: plc" in made.output
    assert shown.exit_code == 0, shown.output
    assert "policy: TLS (Modbus/TCP Security)" in shown.output
    assert str(ours.certificate) in shown.output
    trusted = {"server_certificate": theirs.certificate}
    async with tls_server(theirs, ours) as port, watched(tls(port, ours, **trusted), TAGS) as seen:
        first = await seen.batch()
    assert {reading.tag: reading.value for reading in first.readings} == EXPECTED


async def test_a_device_is_trusted_and_checked_by_mes_certs(tmp_path: Path) -> None:
    """The certificate that a device shows is fetched, pinned by its thumbprint, and the connection is tried."""
    theirs, other = certificate(tmp_path, "theirs"), certificate(tmp_path, "other")
    ours = certificate(tmp_path, "ours")
    pinned = tmp_path / "pinned.pem"
    security = {
        "certificate": str(ours.certificate),
        "private_key": str(ours.key),
        "server_certificate": str(pinned),
    }
    text = json.loads(Plant(tmp_path, "").file.read_text())
    file = tmp_path / "whole.yaml"

    async def run(*words: str) -> Any:
        return await run_certs([*words, "--config", str(file)])

    async with tls_server(theirs, ours) as port:
        plc = {"kind": "modbus-tls", "host": "127.0.0.1", "port": port, "security": security}
        text["controllers"] = {"plc": plc}
        file.write_text(json.dumps(text))
        before = await run("check", "plc")
        strange = await run("trust", "plc", "--thumbprint", sha256_of(read_certificate(other.certificate)))
        assert not pinned.exists()
        trusted = await run("trust", "plc", "--thumbprint", sha256_of(read_certificate(theirs.certificate)))
        checked = await run("check", "plc")
    assert (before.exit_code, strange.exit_code, trusted.exit_code) == (1, 1, 0), trusted.output
    assert "REFUSED" in before.output
    assert read_certificate(pinned) == read_certificate(theirs.certificate)
    assert f"SHA-256 {sha256_of(read_certificate(theirs.certificate))}" in checked.output
    assert "REFUSED" not in checked.output

    async with tls_server(other, ours) as other_port, tls_server(theirs, other) as unknown_port:
        for port, why in ((other_port, "is not trusted"), (unknown_port, "trust")):
            text["controllers"]["plc"]["port"] = port
            file.write_text(json.dumps(text))
            refused = await run("check", "plc")
            assert refused.exit_code == 1
            assert "REFUSED" in refused.output, refused.output
            assert why in refused.output
    away = await run("check", "plc")
    assert "no connection to 127.0.0.1" in away.output
