"""The link to one Modbus device: a TCP connection or a serial line with its library client, and the read of a block."""

import asyncio
import errno
import math
import os
import re
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict, assert_never

from pymodbus.client import (
    AsyncModbusSerialClient,
    AsyncModbusTcpClient,
    AsyncModbusTlsClient,
    AsyncModbusUdpClient,
)
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from adapters.cancelling import obey_cancellation
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.modbus.answers import Answers, BlockAnswer, DeviceMemory, LineMemory, Problem, RtuAnswers, TcpAnswers
from adapters.modbus.read_plan import Block
from adapters.modbus.tls import check_device, no_handshake, tls_context
from adapters.settings import (
    ModbusController,
    ModbusNumbered,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTcpController,
    ModbusTlsController,
    ModbusUdpController,
    Table,
)

BUFFER_BYTES = 2**16  # what may come between two requests
_ERROR_NUMBER = re.compile(r"\[Errno (\d+)\]")
_GATEWAY = {
    0x0A: "the gateway has no path to unit {unit} (exception 10): check `unit`, and the gateway's own settings",
    0x0B: "unit {unit} does not answer the gateway (exception 11): check that it is on, its cable, and `unit`",
}


class InDoubtError(Exception):
    """Nothing more of this link is believed."""

    def __init__(self, problem: Problem) -> None:
        """`problem` says what came and what was requested."""
        super().__init__(problem.text)
        self.problem = problem


class LostError(Exception):
    """The device ended the connection while a request was under way."""


class NotConnectedError(ControllerUnavailable):
    """There is no connection to be had at present."""


@dataclass(frozen=True, slots=True)
class Asker:
    """One controller of those behind an address: its settings, and what it counts."""

    settings: ModbusController
    memory: DeviceMemory


@dataclass(frozen=True, slots=True)
class IdentityAnswer:
    """Objects of a device's identification by their number, or an exception code.

    `following`: the object at which the next answer begins, None after the last one.
    """

    objects: Mapping[int, bytes]
    following: int | None = None
    code: int = 0


class Link:
    """One connection and its library client; it answers, is silent or is lost, and never comes back by itself."""

    def __init__(self, settings: ModbusController, memory: LineMemory) -> None:
        """Needs a running event loop; `memory` is that of all links to this address."""
        self.used = False  # a request was sent
        self.answered = False  # at least one was answered
        self._settings = settings
        self._where = _where(settings)
        self._serial = isinstance(settings, ModbusRtuController)
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._doubted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers: Answers = TcpAnswers(memory) if isinstance(settings, ModbusNumbered) else RtuAnswers()
        self._asker = Asker(settings, DeviceMemory())
        self._taken = 0
        self._unchecked = False  # what is asked for is no block
        self._connected_s = self._asked_s = -math.inf
        self._failure: OSError | None = None
        self._client = _client(settings, self._on_link, self._on_packet)
        self._client.ctx.max_buffer_size = BUFFER_BYTES  # else two long answers at once are dropped unseen
        self._client.ctx.call_create = partial(self._create, self._client.ctx.call_create)

    @property
    def problem(self) -> Problem | None:
        """Why nothing more of it is believed."""
        return self._answers.problem

    @property
    def lost(self) -> bool:
        """Whether the connection is over."""
        return self._lost.done()

    @property
    def silent(self) -> frozenset[int]:
        """The units whose late answers may still come, and would not be known by a number."""
        return frozenset(self._answers.silent) if isinstance(self._answers, RtuAnswers) else frozenset()

    def _on_packet(self, sending: bool, data: bytes) -> bytes:  # the library calls it
        """Hands the library only the frame that answers; `data`: all that it holds, of which `_taken` bytes are old."""
        if self._unchecked:
            return data
        if sending:
            settings = self._asker.settings
            any_unit = isinstance(settings, ModbusNumbered) and settings.unit_echo == "any"
            self._answers.sent(data, self._asker.memory.doubts, any_unit=any_unit)
            self._taken = 0
            return data
        frame = self._answers.received(data[self._taken :])
        self._taken = len(data) - len(frame)  # the library takes the frame off
        if self._answers.problem is not None and not self._doubted.done():
            self._doubted.set_result(None)
        return frame

    def _on_link(self, up: bool) -> None:
        if not up and not self._lost.done():
            self._lost.set_result(None)

    async def _create(self, create: Callable[[], Awaitable[Any]]) -> Any:
        """Keeps what went wrong, which the library only logs."""
        try:
            return await create()
        except OSError as failure:
            self._failure = failure
            raise

    async def connect(self, *, deadline_s: float) -> None:
        """Raises NotConnectedError if there is no connection after `deadline_s` real seconds."""
        try:
            async with asyncio.timeout(deadline_s):
                connected = await self._client.connect()
            obey_cancellation()
            if connected:
                self._keep_alive()
                self._check_certificate()
        except (OSError, ModbusException) as failure:  # a time-out is an OSError, too
            raise NotConnectedError(_no_connection(self._where, self._failure, deadline_s)) from failure
        except ValueError as failure:
            if self._serial or isinstance(failure, UnicodeError):  # the settings of the port, or a host's name
                raise ControllerMisconfigured(f"the line cannot be set up: {failure}") from failure
            raise NotConnectedError(f"no connection to {self._where}: it was closed at once") from failure
        if isinstance(self._failure, ssl.SSLError):
            raise ControllerMisconfigured(no_handshake(self._where, self._failure)) from self._failure
        if not connected:
            raise NotConnectedError(_no_connection(self._where, self._failure, deadline_s))
        self._connected_s = asyncio.get_running_loop().time()

    def _check_certificate(self) -> None:
        """Raises ControllerMisconfigured where the device shows a certificate that is not among the trusted ones."""
        transport: asyncio.BaseTransport | None = self._client.ctx.transport
        if isinstance(self._settings, ModbusTlsController) and transport is not None:
            shown = transport.get_extra_info("ssl_object")
            check_device(self._settings.security, shown.getpeercert(binary_form=True))

    def _keep_alive(self) -> None:
        """Has the system probe a silent peer. Raises OSError if the device has ended the connection meanwhile."""
        transport: asyncio.BaseTransport | None = self._client.ctx.transport
        plug = None if transport is None else transport.get_extra_info("socket")
        if plug is not None:  # a serial line has none
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def close(self) -> None:
        """Ends the connection; nothing is said to the device."""
        self._client.close()

    async def drain(self, for_s: float) -> None:
        """Lets late answers to an earlier connection run out, for so many real seconds; they are thrown away."""
        await asyncio.wait((self._lost,), timeout=for_s)

    async def ask(self, asker: Asker, block: Block) -> BlockAnswer | None:
        """The answer for one block, or None if there was none in time.

        Raises LostError at once when the link is lost, InDoubtError after a doubt. Raises ControllerUnavailable where
        a gateway says that the device behind it is away.
        """
        await self._pause(asker.settings)
        self._asker, self.used = asker, True
        self._client.ctx.comm_params.timeout_connect = asker.settings.request_timeout_s
        request = asyncio.ensure_future(self._send(asker.settings.unit, block))
        try:
            await asyncio.wait((request, self._lost, self._doubted), return_when=asyncio.FIRST_COMPLETED)
            if self._answers.problem is not None:
                raise InDoubtError(self._answers.problem)
            if not request.done():
                raise LostError
            answer = _checked(asker.settings.unit, block, request.result())
        except (ConnectionException, OSError) as failure:
            raise LostError from failure
        except ModbusException:
            if isinstance(self._answers, RtuAnswers):
                self._answers.give_up()
            return None
        finally:
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
            self._asked_s = asyncio.get_running_loop().time()
        self.answered = True
        return answer

    async def identify(self, asker: Asker, level: int, first: int) -> IdentityAnswer | None:
        """Asks for the device identification (function 43/14): `level` 1 to 3, from object `first` on; None: no answer.

        The answer is not checked as those of blocks are, so the link should be used for nothing else. Raises LostError.
        """
        await self._pause(asker.settings)
        self._unchecked = self.used = True
        self._client.ctx.comm_params.timeout_connect = asker.settings.request_timeout_s
        try:
            answer: Any = await self._client.read_device_information(
                read_code=level, object_id=first, device_id=asker.settings.unit
            )
            obey_cancellation()
        except (ConnectionException, OSError) as failure:
            raise LostError from failure
        except (ModbusException, struct.error):
            return None
        finally:
            self._asked_s = asyncio.get_running_loop().time()
        if answer.isError():
            return IdentityAnswer({}, code=answer.exception_code)
        objects = {number: content for number, content in answer.information.items() if isinstance(content, bytes)}
        return IdentityAnswer(objects, following=answer.next_object_id if answer.more_follows else None)

    async def _pause(self, settings: ModbusController) -> None:
        """Leaves the device the time that it needs after a connection and between two requests."""
        may_s = max(
            self._connected_s + settings.pause_after_connect_ms / 1000,
            self._asked_s + settings.pause_between_requests_ms / 1000,
        )
        wait_s = may_s - asyncio.get_running_loop().time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _send(self, unit: int, block: Block) -> ModbusPDU:
        read: Callable[..., Awaitable[ModbusPDU]]
        match block.table:
            case Table.COIL:
                read = self._client.read_coils
            case Table.DISCRETE:
                read = self._client.read_discrete_inputs
            case Table.HOLDING:
                read = self._client.read_holding_registers
            case Table.INPUT:
                read = self._client.read_input_registers
            case _:
                assert_never(block.table)
        return await read(block.address, count=block.count, device_id=unit)


_Client = AsyncModbusTcpClient | AsyncModbusUdpClient | AsyncModbusTlsClient | AsyncModbusSerialClient


class _Common(TypedDict):
    """What every client of the library is told alike: no tries of its own, and what is traced."""

    reconnect_delay: float
    retries: int
    timeout: float
    trace_connect: Callable[[bool], None]
    trace_packet: Callable[[bool, bytes], bytes]


def _client(
    settings: ModbusController, on_link: Callable[[bool], None], on_packet: Callable[[bool, bytes], bytes]
) -> _Client:
    common = _Common(
        reconnect_delay=0,
        retries=0,
        timeout=settings.request_timeout_s,
        trace_connect=on_link,
        trace_packet=on_packet,
    )
    match settings:
        case ModbusTcpController() | ModbusRtuOverTcpController():
            framer = FramerType.SOCKET if isinstance(settings, ModbusTcpController) else FramerType.RTU
            return AsyncModbusTcpClient(settings.host, port=settings.port, framer=framer, **common)
        case ModbusUdpController():
            return AsyncModbusUdpClient(settings.host, port=settings.port, **common)
        case ModbusTlsController():
            sslctx = tls_context(settings.security)
            return AsyncModbusTlsClient(settings.host, sslctx=sslctx, port=settings.port, **common)
        case ModbusRtuController():
            return AsyncModbusSerialClient(
                settings.device,
                baudrate=settings.baudrate,
                parity=settings.parity,
                stopbits=settings.stop_bits,
                **common,
            )
        case _:
            assert_never(settings)


def _where(settings: ModbusController) -> str:
    """The address, as an engineer writes it."""
    match settings:
        case ModbusNumbered() | ModbusRtuOverTcpController():
            return f"{settings.host}:{settings.port}"
        case ModbusRtuController():
            return settings.device
        case _:
            assert_never(settings)


def _no_connection(where: str, failure: OSError | None, deadline_s: float) -> str:
    """Why there is no connection, and what to look at."""
    match failure:
        case None | TimeoutError():
            return f"no connection to {where} within {deadline_s:g} s: check that the device is on and can be reached"
        case socket.gaierror():
            return f"no connection to {where}: the name is not known; correct `host`, or give its IP address"
        case _:
            pass
    numbers = {int(number) for number in _ERROR_NUMBER.findall(str(failure))} or {failure.errno or 0}
    if numbers == {errno.ECONNREFUSED}:  # at each of the addresses that a name stands for
        return f"no connection to {where}: nothing listens there for TCP; check `host`, `port`, and its protocol"
    reasons = (os.strerror(number).lower() for number in sorted(numbers))
    return f"no connection to {where}: {', '.join(reasons) if any(numbers) else failure}"


def _checked(unit: int, block: Block, response: ModbusPDU) -> BlockAnswer:
    """The words of a response; that it fits its request in unit, function and length was found before."""
    if response.isError():
        if response.exception_code in _GATEWAY:
            raise ControllerUnavailable(_GATEWAY[response.exception_code].format(unit=unit))
        return BlockAnswer((), response.exception_code)
    bits = block.table in (Table.COIL, Table.DISCRETE)
    words = tuple(int(bit) for bit in response.bits) if bits else tuple(response.registers)
    return BlockAnswer(words[: block.count])
