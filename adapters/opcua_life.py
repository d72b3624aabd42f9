"""What both modes of an OPC UA connection share: the heartbeat, the baseline, and the batches."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters.clock import Clock
from adapters.errors import ControllerUnavailable
from adapters.liveness import HeartbeatWatch
from adapters.opcua_items import Items
from adapters.opcua_session import Session
from adapters.ports import Emit
from adapters.reading import Batch, ControllerId, GapCause, Reading
from adapters.settings import OpcUaController


class Life:
    """One connection's life, whichever mode it is in."""

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

    def now(self) -> datetime:
        """The present instant of our clock."""
        return self._clock.now()

    def require_items(self) -> None:
        """Raises ControllerUnavailable if the server has none of the tags: its program is not loaded yet."""
        if self.items.tags and not self.items.active:
            raise ControllerUnavailable("the server knows none of the configured tags now")

    def alive(self) -> bool:
        """Whether a baseline may be emitted: the heartbeat was seen to change, or there is none."""
        return self._watch is None or self._watch.beating

    def watch(self, readings: Sequence[Reading]) -> None:
        """Looks for the heartbeat among readings; raises ControllerUnavailable when it stands still too long."""
        if self._watch is None:
            return
        for each in readings:
            if each.tag == self._heartbeat_tag:
                self._watch.see(each, real_s=real_s())
        if self._watch.stuck(real_s=real_s()):
            raise ControllerUnavailable(
                f"the server answers, but its heartbeat {self._heartbeat_tag} stands still",
                cause=GapCause.STUCK,
                blind_since=self._watch.last_change if self._watch.beating else None,
            )

    def patience_s(self) -> float | None:
        """Real seconds until the heartbeat has to be looked at again; None without one."""
        return None if self._watch is None else max(self._watch.remaining_s(real_s=real_s()), 0.0)

    async def emit(
        self, readings: tuple[Reading, ...], *, received_time: datetime | None = None, baseline: bool = False
    ) -> None:
        """Hands a batch on, received now if nothing else is said; returns when it is journaled."""
        self.last_batch = received_time or self.now()
        every = self._polled_every
        batch = Batch(self._controller, self.last_batch, readings, baseline=baseline, polled_every=every)
        await self._emit(batch)

    async def present(self) -> tuple[Reading, ...]:
        """All present values, bad ones included."""
        values = await self.items.values(self.session)
        now = self.now()
        return tuple(self.items.read(tag, data, now) for tag, data in values)


def real_s() -> float:
    """The event loop's own time: real seconds, whatever our clock shows."""
    return asyncio.get_running_loop().time()
