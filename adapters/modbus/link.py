"""The link to one Modbus device: a TCP connection or a serial line with its library client, and the read of a block."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import assert_never

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from adapters.cancelling import obey_cancellation
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.modbus.answers import Answers, BlockAnswer, DeviceMemory, Doubt, Problem, RtuAnswers, TcpAnswers
from adapters.modbus.read_plan import Block
from adapters.settings import (
    ModbusController,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTcpController,
    Table,
)

STRIKES = 3  # unanswered requests in a row, over TCP, before the connection counts as dead
BUFFER_BYTES = 2**16  # what may come between two requests
_UNREACHED = {0x0A: "gateway path unavailable", 0x0B: "device behind the gateway does not answer"}


class InDoubtError(Exception):
    """Nothing more of this link is believed."""

    def __init__(self, problem: Problem) -> None:
        """`problem` says what came and what was requested."""
        super().__init__(problem.text)
        self.problem = problem


class Link:
    """One connection and its library client; it answers, is silent or is lost, and never comes back by itself."""

    def __init__(self, settings: ModbusController, memory: DeviceMemory) -> None:
        """Needs a running event loop; `memory` is that of all links of this controller."""
        self.used = False  # a request was sent
        self._unit = settings.unit
        self._memory = memory
        self._serial = isinstance(settings, ModbusRtuController)
        self._framed_by_silence = not isinstance(settings, ModbusTcpController)
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._doubted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers: Answers = RtuAnswers() if self._framed_by_silence else TcpAnswers(memory)
        self._taken = 0
        self._client = _client(settings, self._on_link, self._on_packet)
        self._client.ctx.max_buffer_size = BUFFER_BYTES  # else two long answers at once are dropped unseen

    def _on_packet(self, sending: bool, data: bytes) -> bytes:  # the library calls it
        """Hands the library only the frame that answers; `data`: all that it holds, of which `_taken` bytes are old."""
        if sending:
            self._answers.sent(data)
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

    async def connect(self, *, deadline_s: float) -> None:
        """Raises ControllerUnavailable if there is no connection after `deadline_s` real seconds."""
        try:
            async with asyncio.timeout(deadline_s):
                connected = await self._client.connect()
            obey_cancellation()
            if connected:
                self._keep_alive()
        except (TimeoutError, OSError, ModbusException) as failure:
            raise ControllerUnavailable(f"no connection: {failure!r}") from failure
        except ValueError as failure:
            if self._serial or isinstance(failure, UnicodeError):  # the settings of the port, or a host's name
                raise ControllerMisconfigured(f"the line cannot be set up: {failure}") from failure
            raise ControllerUnavailable(f"no connection: {failure!r}") from failure  # a socket that is closed already
        if not connected:
            raise ControllerUnavailable(f"no connection to {self._client} within {deadline_s:g} s")
        if self._framed_by_silence:
            await self.rest(deadline_s)  # a late answer to the connection before runs out here, and is thrown away

    def _keep_alive(self) -> None:
        """Has the system probe a silent peer. Raises OSError if the device has ended the connection meanwhile."""
        transport: asyncio.BaseTransport | None = self._client.ctx.transport
        plug = None if transport is None else transport.get_extra_info("socket")
        if plug is not None:  # a serial line has none
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def close(self) -> None:
        """Ends the connection; nothing is said to the device."""
        self._client.close()

    async def rest(self, for_s: float) -> None:
        """Waits for `for_s` real seconds; raises ControllerUnavailable as soon as the link is lost, InDoubtError."""
        await asyncio.wait((self._lost, self._doubted), timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
        self._check_doubt()
        if self._lost.done():
            raise ControllerUnavailable("connection closed by the device")

    async def read(self, block: Block) -> BlockAnswer:
        """One block. Raises ControllerUnavailable when the link is lost or silent, InDoubtError after a doubt.

        Without a transaction number a late answer would be taken for that of the next request. So the first silence
        ends a connection with RTU frames, or with a device that may always say 0; else a request is repeated.
        """
        numbered = not self._framed_by_silence and self._memory.zero is False
        for _ in range(STRIKES if numbered else 1):
            self.used = True
            response = await self._ask(block)
            if response is not None:
                return _checked(block, response)
        problem = Problem(Doubt.NO_ANSWER, f"no answer for {block}")
        if numbered:
            self._memory.doubts[problem.doubt] += 1
            raise ControllerUnavailable(problem.text)
        raise InDoubtError(problem)

    def _check_doubt(self) -> None:
        if self._answers.problem is not None:
            raise InDoubtError(self._answers.problem)

    async def _ask(self, block: Block) -> ModbusPDU | None:
        """The response, or None if there was none in time; a lost link fails the request at once."""
        request = asyncio.ensure_future(self._send(block))
        try:
            await asyncio.wait((request, self._lost, self._doubted), return_when=asyncio.FIRST_COMPLETED)
            self._check_doubt()
            if not request.done():
                raise ControllerUnavailable(f"connection lost while waiting for {block}")
            return request.result()
        except (ConnectionException, OSError) as failure:
            raise ControllerUnavailable(f"connection lost: {failure}") from failure
        except ModbusException:
            return None
        finally:
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)

    async def _send(self, block: Block) -> ModbusPDU:
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
        return await read(block.address, count=block.count, device_id=self._unit)


def _client(
    settings: ModbusController, on_link: Callable[[bool], None], on_packet: Callable[[bool, bytes], bytes]
) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
    timeout_s = settings.request_timeout_s
    match settings:
        case ModbusTcpController() | ModbusRtuOverTcpController():
            return AsyncModbusTcpClient(
                settings.host,
                port=settings.port,
                framer=FramerType.SOCKET if isinstance(settings, ModbusTcpController) else FramerType.RTU,
                reconnect_delay=0,
                retries=0,
                timeout=timeout_s,
                trace_connect=on_link,
                trace_packet=on_packet,
            )
        case ModbusRtuController():
            return AsyncModbusSerialClient(
                settings.device,
                baudrate=settings.baudrate,
                parity=settings.parity,
                stopbits=settings.stop_bits,
                reconnect_delay=0,
                retries=0,
                timeout=timeout_s,
                trace_connect=on_link,
                trace_packet=on_packet,
            )
        case _:
            assert_never(settings)


def _checked(block: Block, response: ModbusPDU) -> BlockAnswer:
    """The words of a response; that it fits its request in unit, function and length was found before."""
    if response.isError():
        if response.exception_code in _UNREACHED:
            raise ControllerUnavailable(f"{_UNREACHED[response.exception_code]} (code {response.exception_code})")
        return BlockAnswer((), response.exception_code)
    bits = block.table in (Table.COIL, Table.DISCRETE)
    words = tuple(int(bit) for bit in response.bits) if bits else tuple(response.registers)
    return BlockAnswer(words[: block.count])
