"""One Modbus device over TCP, RTU frames through TCP, or a serial line: polled, read only, believed only when whole."""

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import assert_never

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from adapters.cancelling import obey_cancellation
from adapters.clock import Clock
from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.liveness import HeartbeatWatch
from adapters.modbus.answers import Answers, DeviceMemory, Doubt, Problem, RtuAnswers, TcpAnswers
from adapters.modbus.decode import BAD, TEARABLE, Decoded, counters, decode, fault
from adapters.modbus.poll_rate import PollRate
from adapters.modbus.read_plan import Block, Plan, plan, sync_block
from adapters.pauses import Answer, Pauses
from adapters.ports import AdapterStatus, Emit
from adapters.reading import Batch, ControllerId, GapCause, Quality, Reading, TagId
from adapters.settings import (
    ModbusController,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTag,
    ModbusTcpController,
    Table,
)

STRIKES = 3  # unanswered requests in a row, over TCP, before the connection counts as dead
REFUSED_RETRY_S = 30.0  # a refused block is asked for again this often: programs are loaded while we watch
BUFFER_BYTES = 2**16  # what may come between two requests
DOUBT_SHOWN_S = 600.0  # how long an answer in doubt is shown after the last one
TAGS_NAMED = 5  # in one sentence
TEAR = 2**15  # a counter that jumps this far may have been read between the changes of its two halves

_REFUSALS = {
    1: ("illegal function", "choose the `table` that the device has: it does not know this one"),
    2: ("illegal address", "correct the `address` of these tags by the device's manual, which may count from 1"),
    3: ("illegal value", "lower `max_registers` of the controller: the device allows fewer in one request"),
}
_SLOW = "raise `request_timeout_s` above the slowest answer of the device"
_SHARED = "look for a gateway or converter that mixes the answers of several devices or masters"
_DOUBT_REMEDIES = {
    Doubt.NO_ANSWER: _SLOW,
    Doubt.LATE: _SLOW,
    Doubt.DOUBLED: _SHARED,
    Doubt.UNREQUESTED: _SHARED,
    Doubt.OTHER_TRANSACTION: _SHARED,
    Doubt.OTHER_UNIT: "set `unit` to the number that the device answers with",
    Doubt.OTHER_FUNCTION: _SHARED,
    Doubt.OTHER_LENGTH: _SHARED,
    Doubt.BROKEN_FRAME: "check that the port speaks this protocol: Modbus TCP, or RTU frames over TCP",
}
_UNREACHED = {0x0A: "gateway path unavailable", 0x0B: "device behind the gateway does not answer"}


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a device said to one request: its words, or an exception code and no words."""

    words: tuple[int, ...]
    code: int = 0


class _InDoubtError(Exception):
    """Nothing more of this connection is believed."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


class _Line:
    """One connection and its library client; it answers, is silent or is lost, and never comes back by itself."""

    def __init__(self, settings: ModbusController, memory: DeviceMemory) -> None:
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
        """Waits for `for_s` real seconds; raises ControllerUnavailable as soon as the link is lost, _InDoubtError."""
        await asyncio.wait((self._lost, self._doubted), timeout=for_s, return_when=asyncio.FIRST_COMPLETED)
        self._check_doubt()
        if self._lost.done():
            raise ControllerUnavailable("connection closed by the device")

    async def read(self, block: Block) -> _Answer:
        """One block. Raises ControllerUnavailable when the link is lost or silent, _InDoubtError after a doubt.

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
        raise _InDoubtError(problem)

    def _check_doubt(self) -> None:
        if self._answers.problem is not None:
            raise _InDoubtError(self._answers.problem)

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


def _checked(block: Block, response: ModbusPDU) -> _Answer:
    """The words of a response; that it fits its request in unit, function and length was found before."""
    if response.isError():
        if response.exception_code in _UNREACHED:
            raise ControllerUnavailable(f"{_UNREACHED[response.exception_code]} (code {response.exception_code})")
        return _Answer((), response.exception_code)
    bits = block.table in (Table.COIL, Table.DISCRETE)
    words = tuple(int(bit) for bit in response.bits) if bits else tuple(response.registers)
    return _Answer(words[: block.count])


class ModbusAdapter:
    """One connection to one Modbus device; see the port `Adapter`."""

    def __init__(
        self,
        controller: ControllerId,
        settings: ModbusController,
        tags: Mapping[TagId, ModbusTag],
        *,
        clock: Clock,
        secret: Callable[[str], str],
        refused_retry_s: float = REFUSED_RETRY_S,
        memory: DeviceMemory | None = None,
    ) -> None:
        """`memory` is what connections of this controller hand on to one another; `refused_retry_s` > 0, real seconds.

        `secret` is not used: Modbus knows no passwords.
        """
        del secret
        self._refused_retry_s = refused_retry_s
        self._controller = controller
        self._settings = settings
        self._tags = tags
        self._clock = clock
        self._plan = Plan((), {})
        self._sync: Block | None = None
        self._rate: PollRate | None = None
        self._memory = memory or DeviceMemory()
        self._doubts = self._memory.doubts.copy()
        self._answers: dict[int, _Answer] = {}
        self._times: dict[int, datetime] = {}
        self._believed: dict[int, tuple[int, ...]] = {}
        self._refused_s: dict[int, float] = {}
        self._decoded: dict[TagId, tuple[tuple[int, ...], Decoded]] = {}
        self._said: dict[TagId, Decoded] = {}
        self._unreadable: dict[TagId, Diagnostic] = {}
        self._watch: HeartbeatWatch | None = None  # None before the first poll

    def status(self) -> AdapterStatus:
        """What it sees of its own connection, for health."""
        return AdapterStatus(
            items_configured=len(self._tags),
            items_active=sum(said.quality is not Quality.BAD for said in self._said.values()),
            diagnostics=tuple(self._diagnostics()),
            doubts=dict(self._memory.doubts),
            polls_late=self._memory.polls_late,
            poll_rate_wanted=1000 / self._settings.poll_interval_ms,
            poll_rate_reached=None if self._rate is None else self._rate.reached,
        )

    def _diagnostics(self) -> Iterator[Diagnostic]:
        yield from self._distrusted()
        yield from self._late()
        yield from self._refused()
        yield from self._unreadable.values()
        yield from self._lifeless()

    def _note_doubts(self) -> None:
        """Remembers when an answer of each kind was last in doubt."""
        for kind, answers in self._memory.doubts.items():
            if answers != self._doubts[kind]:
                self._memory.doubted_s[Doubt(kind)] = monotonic()
        self._doubts = self._memory.doubts.copy()

    def _distrusted(self) -> Iterator[Diagnostic]:
        """What cannot be relied on in the device's answers."""
        if self._memory.zero:
            text = "the device answers with transaction id 0: its answers cannot be matched to requests by number"
            remedy = "nothing is lost: each poll is checked by one more request; a new firmware may mend it"
            if self._memory.alone:
                remedy = "nothing is lost: each request has a connection of its own; a new firmware may mend it"
            yield Diagnostic(DiagnosticCode.TRANSACTION_ID_ZERO, text, remedy)
        now_s = monotonic()
        for kind, doubted_s in sorted(self._memory.doubted_s.items()):
            if now_s - doubted_s < DOUBT_SHOWN_S:
                text = f"answers of the device were not believed ({kind}) in the last {DOUBT_SHOWN_S / 60:.0f} minutes"
                yield Diagnostic(DiagnosticCode.ANSWERS_IN_DOUBT, text, _DOUBT_REMEDIES[kind])

    def _late(self) -> Iterator[Diagnostic]:
        """That polls fall behind, with the rates as they were when it began."""
        if self._rate is not None and self._rate.late:
            text = f"polls are late: {self._rate.late}, with {len(self._plan.blocks)} requests for each"
            remedy = "choose a longer `poll_interval_ms`, fewer registers, or larger blocks: neighbouring addresses, "
            remedy += "and a larger `max_registers` where the device allows it"
            yield Diagnostic(DiagnosticCode.POLLS_LATE, text, remedy)

    def _refused(self) -> Iterator[Diagnostic]:
        """One for each block that the device refuses, with the tags in it."""
        for number, answer in sorted(self._answers.items()):
            if answer.code in _REFUSALS:
                tags = tuple(
                    tag for tag, parts in self._plan.parts.items() if any(part.block == number for part in parts)
                )
                what, remedy = _REFUSALS[answer.code]
                text = f"{self._plan.blocks[number]} is refused ({what}) and asked for again: {_named(tags)}"
                yield Diagnostic(DiagnosticCode.TAG_REFUSED, text, remedy, tags)

    def _lifeless(self) -> Iterator[Diagnostic]:
        """The heartbeat, as long as no value of it could be read in this connection, or can be any more."""
        heartbeat, watch = self._settings.heartbeat, self._watch
        if heartbeat is None or watch is None or watch.readable:
            return
        if watch.was_read:
            text = f"the heartbeat {heartbeat.tag} cannot be read any more: the connection is ended for it"
            remedy = "let the controller's program show its value again, or correct the tag's `address`"
            yield Diagnostic(DiagnosticCode.HEARTBEAT_UNREADABLE, text, remedy, (heartbeat.tag,))
        else:
            text = f"the heartbeat {heartbeat.tag} was never read: nothing of this controller is collected until it is"
            remedy = "correct the tag's `table` and `address`, or remove `heartbeat` from the controller"
            yield Diagnostic(DiagnosticCode.HEARTBEAT_NEVER_READ, text, remedy, (heartbeat.tag,))

    async def run(self, emit: Emit) -> None:
        """Connects, emits the baseline, then one batch per poll cycle until the connection ends.

        Raises ControllerUnavailable, or ControllerMisconfigured if the device refuses every block.
        """
        try:
            self._plan = plan(self._tags, max_registers=self._settings.max_registers)
        except ValueError as failure:
            raise ControllerMisconfigured(str(failure)) from failure
        heartbeat = self._settings.heartbeat
        if heartbeat is not None and heartbeat.tag not in self._tags:
            raise ControllerMisconfigured(f"the heartbeat {heartbeat.tag!r} is no tag of this controller")
        self._sync = sync_block(self._plan.blocks)
        self._line = _Line(self._settings, self._memory)
        try:
            await self._line.connect(deadline_s=self._settings.request_timeout_s)
            with closing(Pauses()) as pauses:
                await self._poll(emit, pauses)
        finally:
            self._note_doubts()
            self._line.close()

    async def _reconnect(self) -> None:
        """Replaces the connection within a poll; raises ControllerUnavailable."""
        self._line.close()
        self._line = _Line(self._settings, self._memory)
        await self._line.connect(deadline_s=self._settings.request_timeout_s)

    async def _renew(self, problem: Problem) -> None:
        """After a doubt: begins a new connection; with RTU frames the supervisor does, after a rest."""
        self._memory.doubts[problem.doubt] += 1
        if not isinstance(self._settings, ModbusTcpController):
            raise ControllerUnavailable(problem.text)
        self._memory.zero = self._memory.zero or None  # it may be another device, or another firmware
        await self._reconnect()

    async def _trusted_cycle(self) -> Mapping[TagId, Reading]:
        """A poll cycle without a doubt; after each doubt the connection is renewed and all blocks are asked again."""
        for attempt in range(STRIKES):
            try:
                return await self._cycle()
            except _InDoubtError as doubt:
                problem = doubt.problem
            if attempt and self._memory.zero:
                self._memory.alone = True
            await self._renew(problem)
        raise ControllerUnavailable(f"{STRIKES} connections one after the other were in doubt: {problem.text}")

    async def _poll(self, emit: Emit, pauses: Pauses) -> None:
        real_s = asyncio.get_running_loop().time
        heartbeat = self._settings.heartbeat
        watch = None
        if heartbeat is not None:
            watch = self._watch = HeartbeatWatch(max_age_s=heartbeat.max_age_s, real_s=real_s(), now=self._clock.now())
        baseline = True
        rate = self._rate = PollRate(interval_s=self._settings.poll_interval_ms / 1000, now_s=real_s())
        while True:
            answer = Answer(pauses.total_s)
            found = await self._trusted_cycle()
            answered_in = answer.took()
            self._note_doubts()
            if heartbeat is not None and watch is not None:
                _feel(watch, found[heartbeat.tag], real_s=real_s())
            if watch is None or watch.beating:
                await emit(self._batch(found, baseline=baseline, answered_in=answered_in))
                baseline = False
            due_s, left_out = rate.polled(now_s=real_s())
            self._memory.polls_late += left_out
            try:
                await self._line.rest(due_s - real_s())
            except _InDoubtError as doubt:
                await self._renew(doubt.problem)

    def _batch(self, found: Mapping[TagId, Reading], *, baseline: bool, answered_in: timedelta) -> Batch:
        """The readings that say something new, in configured order."""
        news: list[Reading] = []
        for tag, reading in found.items():
            says = Decoded(reading.value, reading.quality)
            if baseline or self._said.get(tag) != says:
                news.append(reading)
                self._said[tag] = says
        every = timedelta(milliseconds=self._settings.poll_interval_ms)
        now = self._clock.now()
        return Batch(self._controller, now, tuple(news), baseline=baseline, polled_every=every, answered_in=answered_in)

    async def _cycle(self) -> Mapping[TagId, Reading]:
        """Asks for every block once and reads all tags from the answers, once none of them is in doubt."""
        real_s = asyncio.get_running_loop().time
        came: dict[int, tuple[_Answer, datetime, float]] = {}
        for number, block in enumerate(self._plan.blocks):
            if real_s() < self._refused_s.get(number, -math.inf) + self._refused_retry_s:
                continue
            answer = await self._ask(block)
            if self._torn(number, answer.words):
                answer = await self._ask(block)
            came[number] = (answer, self._clock.now(), real_s())
        await self._confirm()
        for number, (answer, time, answered_s) in came.items():
            self._times[number] = time
            self._answers[number] = answer
            if answer.code in _REFUSALS:
                self._refused_s[number] = answered_s
            else:
                self._refused_s.pop(number, None)
            if answer.code == 0:
                self._believed[number] = answer.words
        self._check_refusals()
        return {tag: self._reading(tag) for tag in self._tags}

    async def _ask(self, block: Block) -> _Answer:
        """One answer. A device without numbers that doubles its answers gets a connection for each request."""
        if self._memory.zero and len(self._plan.blocks) > 1 and self._sync is None:
            self._memory.alone = True
        if self._memory.alone and self._line.used:
            await self._reconnect()
        return await self._line.read(block)

    async def _confirm(self) -> None:
        """Where answers have no numbers: an answer of a shape of its own shows that none was taken for another's."""
        if not self._memory.zero or self._memory.alone or len(self._plan.blocks) == 1 or self._sync is None:
            return
        if (await self._line.read(self._sync)).code:
            raise _InDoubtError(Problem(Doubt.OTHER_LENGTH, f"{self._sync} is refused, which holds a block's part"))

    def _check_refusals(self) -> None:
        """If all blocks are refused from the start, the file is wrong; if only later, the device has changed."""
        if len(self._refused_s) < len(self._plan.blocks) or not self._plan.blocks:
            return
        detail = f"the device refuses all {len(self._plan.blocks)} blocks, the first is {self._plan.blocks[0]}"
        if self._believed:
            raise ControllerUnavailable(f"{detail}; it answered before")
        raise ControllerMisconfigured(detail)

    def _torn(self, number: int, words: tuple[int, ...]) -> bool:
        """Whether a counter of this block jumped so far that the answer must be confirmed before it is believed."""
        before = self._believed.get(number)
        if before is None or not words:
            return False
        if before == words:
            return False
        for name, tag in self._tags.items():
            for part in self._plan.parts[name]:
                if part.block != number or tag.type not in TEARABLE:
                    continue
                span = slice(part.offset, part.offset + part.count)
                pairs = zip(counters(tag, before[span]), counters(tag, words[span]), strict=True)
                if any(abs(new - old) >= TEAR for old, new in pairs):
                    return True
        return False

    def _reading(self, tag: TagId) -> Reading:
        parts = self._plan.parts[tag]
        received = max(self._times[part.block] for part in parts)
        if any(self._answers[part.block].code for part in parts):
            return Reading(tag, BAD.value, BAD.quality, None, received)
        words: tuple[int, ...] = ()
        for part in parts:
            words += self._answers[part.block].words[part.offset : part.offset + part.count]
        before = self._decoded.get(tag)
        if before is None or before[0] != words:  # most registers stand still from cycle to cycle
            before = self._decoded[tag] = (words, decode(self._tags[tag], words))
            self._judge(tag, words)
        return Reading(tag, before[1].value, before[1].quality, None, received)

    def _judge(self, tag: TagId, words: Sequence[int]) -> None:
        """Keeps a diagnostic of a value that is not what the tag's type says."""
        self._unreadable.pop(tag, None)
        what = fault(self._tags[tag], words)
        if what is not None:
            text = f"tag {tag}: {what}"
            remedy = "check its `type`, `order`, `address` and `length` by the device's manual"
            self._unreadable[tag] = Diagnostic(DiagnosticCode.VALUE_UNREADABLE, text, remedy, (tag,))


def _named(tags: Sequence[TagId]) -> str:
    """The first tags by name, and how many more there are."""
    more = f" and {len(tags) - TAGS_NAMED} more" if len(tags) > TAGS_NAMED else ""
    return ", ".join(tags[:TAGS_NAMED]) + more


def _feel(watch: HeartbeatWatch, pulse: Reading, *, real_s: float) -> None:
    watch.see(pulse, real_s=real_s)
    if watch.stuck(real_s=real_s):
        since = watch.last_change if watch.beating else None
        detail = f"the heartbeat {pulse.tag} {watch.trouble}"
        raise ControllerUnavailable(detail, cause=GapCause.STUCK, blind_since=since)
