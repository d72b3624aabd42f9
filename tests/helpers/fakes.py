"""Fakes of our own ports: adapters that follow a script, a pipeline that notes, a sleep that does not wait."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from adapters.ports import AdapterStatus, Emit
from adapters.reading import Batch, ControllerId, GapCause

START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PLC = ControllerId("weld-plc")


def batch(*, baseline: bool = False, controller: ControllerId = PLC, at: datetime = START) -> Batch:
    """An empty batch."""
    return Batch(controller, at, (), baseline=baseline)


@dataclass(slots=True)
class FakeAdapter:
    """Emits its batches, then raises `end`; without one it stays connected until cancelled."""

    batches: Sequence[Batch] = ()
    end: BaseException | None = None
    wrap: Exception | None = None  # raised instead of whatever `emit` raised
    present: AdapterStatus = field(default_factory=lambda: AdapterStatus(5, 4))

    async def run(self, emit: Emit) -> None:
        """One connection, as scripted."""
        for scripted in self.batches:
            try:
                await emit(scripted)
            except Exception:
                if self.wrap is not None:
                    raise self.wrap from None
                raise
        if self.end is not None:
            raise self.end
        await asyncio.Event().wait()

    def status(self) -> AdapterStatus:
        """What the test says that holds now."""
        return self.present


@dataclass(slots=True)
class FakePipeline:
    """Notes what it is given; `refuse` is raised by every accept."""

    accepted: list[Batch] = field(default_factory=list)
    losses: list[tuple[ControllerId, GapCause, str, datetime | None]] = field(default_factory=list)
    refuse: Exception | None = None

    async def accept(self, batch: Batch, /) -> None:
        """Notes a batch."""
        if self.refuse is not None:
            raise self.refuse
        self.accepted.append(batch)

    async def lost(self, controller: ControllerId, *, cause: GapCause, detail: str, since: datetime | None) -> None:
        """Notes a loss."""
        self.losses.append((controller, cause, detail, since))


class Enough(BaseException):
    """Ends a supervisor's endless loop from within its sleep."""


@dataclass(slots=True)
class FakeSleep:
    """Notes how long it was to sleep and returns at once; raises Enough at the `limit`-th time."""

    limit: int
    slept_s: list[float] = field(default_factory=list)

    async def __call__(self, duration_s: float) -> None:
        """No time passes."""
        self.slept_s.append(duration_s)
        if len(self.slept_s) >= self.limit:
            raise Enough
        await asyncio.sleep(0)


def script(*adapters: FakeAdapter | Exception) -> Callable[[], FakeAdapter]:
    """A maker of adapters: one after the other, an exception is raised; the last is repeated."""
    left = list(adapters)

    def make() -> FakeAdapter:
        adapter = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(adapter, Exception):
            raise adapter
        return adapter

    return make
