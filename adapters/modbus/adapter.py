"""One Modbus device, polled and read only: its answers become batches of readings, and diagnostics."""

import asyncio
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from time import monotonic

from adapters.clock import Clock
from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.liveness import HeartbeatWatch
from adapters.modbus.answers import BlockAnswer, DeviceMemory, Doubt, Problem
from adapters.modbus.decode import Decoded
from adapters.modbus.line import Line
from adapters.modbus.link import Asker, InDoubtError, NotConnectedError
from adapters.modbus.poll_rate import PollRate
from adapters.modbus.read_plan import Block, Limits, Pieces, Plan, divided, is_divisible, plan, sync_block
from adapters.modbus.register_image import DIVIDED, RegisterImage
from adapters.pauses import Answer, Pauses
from adapters.ports import AdapterStatus, Emit
from adapters.reading import Batch, ControllerId, GapCause, Quality, Reading, TagId, longest_observed
from adapters.settings import ModbusController, ModbusNumbered, ModbusTag

DOUBTED_LINKS = 3  # links in doubt, one after the other, before the adapter gives up
REFUSED_RETRY_S = 30.0  # a refused block is asked for again this often: programs are loaded while we watch
DOUBT_SHOWN_S = 600.0  # how long an answer in doubt is shown after the last one

BUSY, FAILED = (5, 6), 4  # exception codes: busy, asked again within the poll; failed, asked again once
BUSY_PAUSE_S = 0.01  # before a busy device is asked again; doubled each time
BUSY_TRIES = 3  # so often it is asked again, though the poll has no time left: a slow answer is no refusal
DIVISIONS = 50  # of refused blocks, in one poll; the next poll goes on
READINGS = 3  # of a value that comes in pieces and moves meanwhile

_SLOW = "raise `request_timeout_s` above the slowest answer of the device, or try `pause_between_requests_ms: 50`"
_SHARED = "look for a gateway or converter that mixes the answers of several devices or masters"
_DOUBT_REMEDIES = {
    Doubt.NO_ANSWER: _SLOW,
    Doubt.LATE: _SLOW,
    Doubt.DOUBLED: _SHARED,
    Doubt.UNREQUESTED: _SHARED,
    Doubt.OTHER_TRANSACTION: _SHARED,
    Doubt.OTHER_UNIT: "set `unit` to the number that the device answers with, or `unit_echo: any` if it ignores it",
    Doubt.OTHER_FUNCTION: _SHARED,
    Doubt.OTHER_LENGTH: "lower `max_registers` to what the device gives at a time; else " + _SHARED,
    Doubt.BROKEN_FRAME: "check that the port speaks this protocol: Modbus TCP, or RTU frames over TCP",
}


_Words = tuple[int, ...]
_Came = tuple[BlockAnswer, datetime, float]  # an answer with the program's time and the real seconds when it came


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
        line: Line | None = None,
    ) -> None:
        """`memory` is what connections of this controller hand on to one another; `refused_retry_s` > 0, real seconds.

        `line`: the way to its address, which it may share with other controllers.

        `secret` is not used: Modbus knows no passwords.
        """
        del secret
        self._refused_retry_s = refused_retry_s
        self._controller = controller
        self._settings = settings
        self._tags = tags
        self._clock = clock
        self._every = timedelta(milliseconds=settings.poll_interval_ms)
        self._plan = Plan((), {})
        self._image = RegisterImage(tags, self._plan, refused_retry_s=refused_retry_s)
        self._limits = Limits(settings.max_registers, settings.max_bits, settings.max_gap)
        self._sync: Block | None = None
        self._rate: PollRate | None = None
        self._memory = memory or DeviceMemory()
        self._asker = Asker(settings, self._memory)
        self._line = line or Line()
        self._doubts = self._memory.doubts.copy()
        self._said: dict[TagId, Decoded] = {}
        self._settled: dict[Pieces, _Words] = {}
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
        yield from self._image.diagnostics()
        yield from self._lifeless()

    def _note_doubts(self) -> None:
        """Remembers when an answer of each kind was last in doubt."""
        for kind, answers in self._memory.doubts.items():
            if answers != self._doubts[kind]:
                self._memory.doubted_s[Doubt(kind)] = monotonic()
        self._doubts = self._memory.doubts.copy()

    def _distrusted(self) -> Iterator[Diagnostic]:
        """What cannot be relied on in the device's answers."""
        if self._line.memory.zero:
            text = "the device answers with transaction id 0: its answers cannot be matched to requests by number"
            remedy = "nothing is lost: each poll is checked by one more request; a new firmware may mend it"
            if self._line.memory.alone:
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
        self._plan = plan(self._tags, self._limits)
        heartbeat = self._settings.heartbeat
        if heartbeat is not None and heartbeat.tag not in self._tags:
            raise ControllerMisconfigured(f"the heartbeat {heartbeat.tag!r} is no tag of this controller")
        self._sync = sync_block(self._plan.blocks)
        self._image = RegisterImage(self._tags, self._plan, refused_retry_s=self._refused_retry_s)
        try:
            await self._line.join(self._asker)
            with closing(Pauses()) as pauses:
                await self._poll(emit, pauses)
        finally:
            self._note_doubts()
            self._line.leave()

    def _forgive(self, problem: Problem) -> None:
        """After a doubt the next request gets a new connection; with RTU frames the supervisor begins it, later."""
        self._memory.doubts[problem.doubt] += 1
        if not isinstance(self._settings, ModbusNumbered):
            raise ControllerUnavailable(problem.text)
        self._line.memory.zero = self._line.memory.zero or None  # it may be another device, or another firmware

    async def _trusted_cycle(self) -> Mapping[TagId, Reading]:
        """A poll cycle without a doubt; after each doubt the connection is renewed and all blocks are asked again."""
        for attempt in range(DOUBTED_LINKS):
            try:
                return await self._cycle()
            except InDoubtError as doubt:
                problem = doubt.problem
            if attempt and self._line.memory.zero:
                self._line.memory.alone = True
            self._forgive(problem)
        raise ControllerUnavailable(f"{DOUBTED_LINKS} connections one after the other were in doubt: {problem.text}")

    async def _poll(self, emit: Emit, pauses: Pauses) -> None:
        real_s = asyncio.get_running_loop().time
        heartbeat = self._settings.heartbeat
        watch = None
        if heartbeat is not None:
            watch = self._watch = HeartbeatWatch(max_age_s=heartbeat.max_age_s, real_s=real_s(), now=self._clock.now())
        baseline = True
        interval_s = self._settings.poll_interval_ms / 1000
        rate = self._rate = PollRate(interval_s=interval_s, now_s=real_s())
        polled_s, polled = real_s(), self._clock.now()
        while True:
            answer = Answer(pauses.total_s)
            try:
                found = await self._trusted_cycle()
            except NotConnectedError:
                silence = max(timedelta(seconds=real_s() - polled_s), self._clock.now() - polled)
                if baseline or silence + timedelta(seconds=interval_s) > longest_observed(self._every):
                    raise
                await asyncio.sleep(interval_s)  # nothing is missed yet: some devices close now and then
                continue
            answered_in = answer.took()
            polled_s, polled = real_s(), self._clock.now()
            self._note_doubts()
            if heartbeat is not None and watch is not None:
                _feel(watch, found[heartbeat.tag], self._image.exception(heartbeat.tag), real_s=real_s())
            if watch is None or watch.beating:
                await emit(self._batch(found, baseline=baseline, answered_in=answered_in))
                baseline = False
            due_s, left_out = rate.polled(now_s=real_s())
            self._memory.polls_late += left_out
            if self._settings.close_after_poll:
                self._line.rest()
            await asyncio.sleep(due_s - real_s())

    def _batch(self, found: Mapping[TagId, Reading], *, baseline: bool, answered_in: timedelta) -> Batch:
        """The readings that say something new, in configured order."""
        news: list[Reading] = []
        for tag, reading in found.items():
            says = Decoded(reading.value, reading.quality)
            if baseline or self._said.get(tag) != says:
                news.append(reading)
                self._said[tag] = says
        now, every = self._clock.now(), self._every
        return Batch(self._controller, now, tuple(news), baseline=baseline, polled_every=every, answered_in=answered_in)

    async def _cycle(self) -> Mapping[TagId, Reading]:
        """Asks for every block once and reads all tags from the answers, once none of them is in doubt."""
        real_s = asyncio.get_running_loop().time
        await self._line.ready(self._asker)
        until_s = real_s() + self._every.total_seconds()
        due = [self._plan.blocks[number] for number in self._image.due(real_s=real_s())]
        came = {block: await self._take(block) for block in due}
        await self._insist(came, until_s=until_s)
        await self._divide(came)
        await self._settle(came)
        await self._confirm()
        for number, block in enumerate(self._plan.blocks):
            if block in came:
                answer, received, answered_s = came[block]
                due_at_once = answer.code in DIVIDED and is_divisible(self._plan, number)
                self._image.update(block, answer, received=received, real_s=-math.inf if due_at_once else answered_s)
        self._image.check_refusals()
        return self._image.readings()

    async def _take(self, block: Block) -> _Came:
        """One answer with its times; a number that jumps is read again. The first one is compared with a second one."""
        answer, before = await self._ask(block), self._image.believed(block)
        if answer.words and not before and self._image.can_tear(block):
            before, answer = answer.words, await self._ask(block)
        if self._image.is_torn(block, before, answer.words):
            answer = await self._ask(block)
        return answer, self._clock.now(), asyncio.get_running_loop().time()

    async def _insist(self, came: dict[Block, _Came], *, until_s: float) -> None:
        """Asks again for what a busy device put off, as long as the poll has time, but at least `BUSY_TRIES` times."""
        pause_s = BUSY_PAUSE_S
        busy = [block for block, (answer, *_) in came.items() if answer.code in (*BUSY, FAILED)]
        tries = 0
        while busy:
            await asyncio.sleep(pause_s)
            for block in busy:
                came[block] = await self._take(block)
            tries += 1
            pause_s = min(2 * pause_s, 1.0)
            goes_on = tries < BUSY_TRIES or asyncio.get_running_loop().time() + pause_s < until_s
            busy = [block for block in busy if goes_on and came[block][0].code in BUSY]

    async def _divide(self, came: dict[Block, _Came]) -> None:
        """Finds the registers for which the device refuses whole blocks: halves these until the others are good."""
        if self._image.answered and all(answer.code for answer, *_ in came.values()):
            return  # it was there before: the device does not work at present
        for _ in range(DIVISIONS):
            refused = (
                number
                for number, block in enumerate(self._plan.blocks)
                if block in came and came[block][0].code in DIVIDED and is_divisible(self._plan, number)
            )
            number = next(refused, None)
            if number is None:
                return
            self._plan = divided(self._plan, number, self._tags, self._limits)
            self._image.replan(self._plan)
            self._settled.clear()
            bad = [block for block in self._plan.blocks if block not in came or came[block][0].code]
            self._sync = sync_block(self._plan.blocks, bad)
            for half in self._plan.blocks[number : number + 2]:
                came[half] = await self._take(half)

    async def _settle(self, came: dict[Block, _Came]) -> None:
        """Reads values again that come in pieces, until the pieces before and after are of one value.

        Pieces that say what they said of the last value are of that value.
        """
        spread = [pieces for pieces in self._plan.pieces if self._has_come(pieces, came)]
        if all(self._settled.get(pieces) == self._words(pieces, came) for pieces in spread):
            return
        # a piece that may move is read between the two readings of the others
        first = {pieces.parts[pieces.moving].block for pieces in spread if pieces.moving is not None}
        rest = {part.block for pieces in spread for part in pieces.parts} - first
        unsteady = spread
        for _ in range(READINGS):
            if not unsteady:
                break
            before = came.copy()
            for number in (*sorted(first), *sorted(rest)):
                came[self._plan.blocks[number]] = await self._take(self._plan.blocks[number])
            unsteady = [pieces for pieces in spread if not self._is_steady(pieces, before, came, first)]
        for pieces in spread:
            self._settled.pop(pieces, None)
            if pieces not in unsteady:
                self._settled[pieces] = self._words(pieces, came)
        waiting = (pieces for pieces in self._plan.pieces if pieces not in self._settled)
        self._image.unsteady = frozenset(tag for pieces in waiting for tag in pieces.tags)

    def _has_come(self, pieces: Pieces, came: Mapping[Block, _Came]) -> bool:
        blocks = (self._plan.blocks[part.block] for part in pieces.parts)
        return all(block in came and not came[block][0].code for block in blocks)

    def _words(self, pieces: Pieces, came: Mapping[Block, _Came]) -> _Words:
        answers = ((came[self._plan.blocks[part.block]][0].words, part) for part in pieces.parts)
        return tuple(word for words, part in answers for word in words[part.offset : part.offset + part.count])

    def _is_steady(
        self, pieces: Pieces, before: Mapping[Block, _Came], came: Mapping[Block, _Came], first: Collection[int]
    ) -> bool:
        """Whether all pieces were read while none of them changed; `first`: the blocks that were read first."""
        if not self._has_come(pieces, came):
            return True  # the refusal makes it bad
        others = {part.block for place, part in enumerate(pieces.parts) if place != pieces.moving}
        for place, part in enumerate(pieces.parts):
            block, span = self._plan.blocks[part.block], slice(part.offset, part.offset + part.count)
            may_move = place == pieces.moving and not others & set(first)
            if not may_move and before[block][0].words[span] != came[block][0].words[span]:
                return False
        return True

    async def _ask(self, block: Block) -> BlockAnswer:
        """One answer. A device without numbers that doubles its answers gets a connection for each request."""
        if self._line.memory.zero and len(self._plan.blocks) > 1 and self._sync is None:
            self._line.memory.alone = True
        return await self._line.read(self._asker, block)

    async def _confirm(self) -> None:
        """Where answers have no numbers: an answer of a shape of its own shows that none was taken for another's."""
        if not self._line.memory.zero or self._line.memory.alone or len(self._plan.blocks) == 1 or self._sync is None:
            return
        if (await self._line.read(self._asker, self._sync)).code:
            raise InDoubtError(Problem(Doubt.OTHER_LENGTH, f"{self._sync} is refused, which holds a block's part"))


def _feel(watch: HeartbeatWatch, pulse: Reading, exception: str, *, real_s: float) -> None:
    """Takes a reading of the heartbeat, or what came in its place; raises ControllerUnavailable if it is stuck."""
    watch.see(pulse, real_s=real_s)
    if not watch.stuck(real_s=real_s):
        return
    since = watch.last_change if watch.beating else None
    detail = f"the heartbeat {pulse.tag} {watch.trouble}"
    if watch.readable:
        raise ControllerUnavailable(detail, cause=GapCause.STUCK, blind_since=since)
    raise ControllerUnavailable(f"{detail}: {exception}" if exception else detail, blind_since=since)
