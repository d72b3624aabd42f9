"""What both modes of an OPC UA connection share: the heartbeat, the baseline, and the batches."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from adapters.clock import Clock
from adapters.diagnostics import Diagnostic, DiagnosticCode
from adapters.errors import ControllerUnavailable
from adapters.liveness import HeartbeatWatch
from adapters.opcua.items import Items
from adapters.opcua.session import Session
from adapters.pauses import PERIOD_S, PauseMeter
from adapters.ports import Emit
from adapters.reading import Batch, ControllerId, GapCause, PolledPart, Reading
from adapters.settings import OpcUaController

_AFTERMATH_S = 10.0  # a connection that ends so soon after a pause of this process ended because of it
_FIRST_READ_S = 1.0  # within which a heartbeat that can be read is read
_SLOW_EMIT_S = 1.0  # a journal that takes longer holds up what the controller says
_QUICK = timedelta(seconds=2)  # an answer that took longer says nothing of a clock
_PAUSE_LEAST_S = 3.0  # a shorter pause ends no connection


class Connection:
    """One connection, whichever mode it is in."""

    def __init__(
        self,
        controller: ControllerId,
        settings: OpcUaController,
        items: Items,
        clock: Clock,
        session: Session,
        emit: Emit,
    ) -> None:
        self.settings = settings
        self.items = items
        self.session = session
        self.last_batch: datetime | None = None
        self._controller = controller
        self._clock = clock
        self._emit = emit
        # a subscription's server queues what changes, a poll tells the present only
        interval = timedelta(milliseconds=settings.publish_interval_ms)
        self._polled_every = interval if settings.mode == "poll" else None
        heartbeat = settings.heartbeat
        self._heartbeat_tag = None if heartbeat is None else heartbeat.tag
        self._watch: HeartbeatWatch | None = None
        if heartbeat is not None:
            self._watch = HeartbeatWatch(max_age_s=heartbeat.max_age_s, real_s=real_s(), now=clock.now())
        self._began_s = real_s()
        self._clock_offset: timedelta | None = None
        self.resumed_s: float | None = None  # when the last pause of this process ended
        self._paused_s = 0.0
        self._stood_still_s = 0.0  # all pauses together
        self._paused_since: datetime | None = None
        self._pauses = PauseMeter(real_s=real_s())
        self._timer = asyncio.get_running_loop().call_later(PERIOD_S, self._tick)

    def lifeless(self) -> Iterator[Diagnostic]:
        """The heartbeat, as long as no value of it could be read in this connection, or can be any more."""
        if self._watch is None or self._heartbeat_tag is None or self._watch.readable:
            return
        tags = (self._heartbeat_tag,)
        if self._watch.was_read:
            text = f"the heartbeat {self._heartbeat_tag} cannot be read any more: the connection is ended for it"
            remedy = "let the controller's program show its value again, or correct the tag's `node`"
            yield Diagnostic(DiagnosticCode.HEARTBEAT_UNREADABLE, text, remedy, tags)
        elif real_s() - self._began_s > _FIRST_READ_S:
            text = f"the heartbeat {self._heartbeat_tag} was never read: nothing is collected until it is"
            remedy = "correct the tag's `node`, or remove `heartbeat` from the controller"
            yield Diagnostic(DiagnosticCode.HEARTBEAT_NEVER_READ, text, remedy, tags)

    def now(self) -> datetime:
        """The present instant of our clock."""
        return self._clock.now()

    def require_items(self) -> None:
        """Raises ControllerUnavailable if the server has none of the tags: its program is not loaded yet."""
        if self.items.tags and not self.items.active:
            raise ControllerUnavailable("the server knows none of the configured tags now")

    def close(self) -> None:
        """Looks for pauses no more."""
        self._timer.cancel()

    def notice_pause(self) -> None:
        """Looks whether this process stood still, and if so, blames nobody else for the silence meanwhile."""
        paused_s = self._pauses.look(real_s=real_s())
        if not paused_s:
            return
        self._stood_still_s += paused_s
        if self._watch is not None:
            self._watch.excuse(paused_s)
        if paused_s >= _PAUSE_LEAST_S:
            self.resumed_s = real_s()
            self._paused_s = paused_s
            self._paused_since = self._clock.now() - timedelta(seconds=paused_s)

    def stood_still_s(self) -> float:
        """For how long this process stood still since the connection began, in real seconds."""
        self.notice_pause()
        return self._stood_still_s

    def attributed(self, error: ControllerUnavailable) -> ControllerUnavailable:
        """The error, or one that names this process as the cause if it stood still just before."""
        self.notice_pause()
        if self.last_batch is None or self.resumed_s is None or real_s() - self.resumed_s > _AFTERMATH_S:
            return error
        since = [instant for instant in (self._paused_since, error.blind_since) if instant is not None]
        return ControllerUnavailable(
            f"this program stood still for {self._paused_s:.0f} s, and then: {error.detail}",
            cause=GapCause.COLLECTOR,
            blind_since=min(since, default=None),
        )

    def _tick(self) -> None:
        self.notice_pause()
        self._timer = asyncio.get_running_loop().call_later(PERIOD_S, self._tick)

    def alive(self) -> bool:
        """Whether a baseline may be emitted: the heartbeat was seen to change, or there is none."""
        return self._watch is None or self._watch.beating

    def watch(self, readings: Sequence[Reading]) -> None:
        """Looks for the heartbeat among readings; raises ControllerUnavailable when it stands still too long."""
        if self._watch is None:
            return
        self.notice_pause()
        for reading in readings:
            if reading.tag == self._heartbeat_tag:
                self._watch.see(reading, real_s=real_s())
        if self._watch.stuck(real_s=real_s()):
            raise ControllerUnavailable(
                f"the server answers, but its heartbeat {self._heartbeat_tag} {self._watch.trouble}",
                cause=GapCause.STUCK,
                blind_since=self._watch.last_change if self._watch.beating else None,
            )

    def patience_s(self) -> float | None:
        """Real seconds until the heartbeat has to be looked at again; None without one."""
        return None if self._watch is None else max(self._watch.remaining_s(real_s=real_s()), 0.0)

    async def emit(
        self,
        readings: tuple[Reading, ...],
        *,
        received_time: datetime | None = None,
        baseline: bool = False,
        answered_in: timedelta | None = None,
        polled_part: PolledPart | None = None,
    ) -> bool:
        """Hands a batch on, received now if nothing else is said; returns when it is journaled.

        Whether that took so long that what the controller says waited for us: its heartbeat is no older for it.
        """
        began_s = real_s()
        received = received_time or self.now()
        # a notification may have been received before the read of all tags that was emitted last
        self.last_batch = received if self.last_batch is None else max(self.last_batch, received)
        offset = self._clock_offset if baseline else None
        batch = Batch(
            self._controller,
            self.last_batch,
            readings,
            baseline=baseline,
            polled_every=self._polled_every,
            clock_offset=offset,
            answered_in=answered_in,
            polled_part=polled_part,
        )
        await self._emit(batch)
        took_s = real_s() - began_s
        if took_s <= _SLOW_EMIT_S:
            return False
        if self._watch is not None:
            self._watch.excuse(took_s)
        return True

    async def present(self) -> tuple[Reading, ...]:
        """All present values, bad ones included."""
        self._clock_offset = await self._server_offset()
        values = await self.items.values(self.session)
        now = self.now()
        return tuple(self.items.read(tag, data, now) for tag, data in values) + self.items.alarms(now)

    async def _server_offset(self) -> timedelta | None:
        """The server's clock minus ours; None if it does not show one, or not quickly enough."""
        began, began_s = self.now(), real_s()
        shown = await self.session.server_time()
        took = timedelta(seconds=real_s() - began_s)
        return None if shown is None or took > _QUICK else shown - (began + took / 2)


def real_s() -> float:
    """The event loop's own time: real seconds, whatever our clock shows."""
    return asyncio.get_running_loop().time()
