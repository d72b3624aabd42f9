"""How the collector itself is doing: each controller's standing, as a plain record to show or to export."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from adapters.clock import Clock
from adapters.ports import Adapter
from adapters.reading import ControllerId


class ControllerStanding(StrEnum):
    """Where a controller's connection is in its life."""

    CONNECTING = "connecting"
    RUNNING = "running"
    LOST = "lost"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class ControllerHealth:
    """One controller. `since`: of the standing; `attempts` counts tries, `connections` those that gave data.

    `items_active` is 0 unless it is running; `error` is the last failure's sentence and stays when it is over.
    """

    controller: ControllerId
    standing: ControllerStanding
    since: datetime
    last_batch: datetime | None = None
    attempts: int = 0
    connections: int = 0
    error: str | None = None
    items_configured: int = 0
    items_active: int = 0
    notes: tuple[str, ...] = ()


class Health:
    """Is told by the supervisor, asked by whoever shows it; lives in the event loop and does no input or output."""

    def __init__(self, clock: Clock) -> None:
        """Knows no controller yet; each appears with its first attempt."""
        self._clock = clock
        self._known: dict[ControllerId, ControllerHealth] = {}
        self._adapters: dict[ControllerId, Adapter] = {}

    def connecting(self, controller: ControllerId, adapter: Adapter) -> None:
        """A connection is being made; a parked or lost controller stays so until it gives data."""
        known = self._of(controller)
        self._known[controller] = replace(known, attempts=known.attempts + 1)
        self._adapters[controller] = adapter

    def seen(self, controller: ControllerId, received_time: datetime) -> None:
        """A batch came and is journaled."""
        known = self._of(controller)
        if known.standing is not ControllerStanding.RUNNING:
            known = replace(self._now(known, ControllerStanding.RUNNING), connections=known.connections + 1)
        self._known[controller] = replace(known, last_batch=received_time)

    def lost(self, controller: ControllerId, detail: str) -> None:
        """The connection ended; it will be tried again."""
        self._known[controller] = replace(self._now(self._of(controller), ControllerStanding.LOST), error=detail)

    def parked(self, controller: ControllerId, detail: str) -> None:
        """The controller refuses what the configuration asks; it is tried again now and then."""
        self._known[controller] = replace(self._now(self._of(controller), ControllerStanding.PARKED), error=detail)

    def is_running(self, controller: ControllerId) -> bool:
        """Whether its present connection has given data."""
        known = self._known.get(controller)
        return known is not None and known.standing is ControllerStanding.RUNNING

    def snapshot(self) -> tuple[ControllerHealth, ...]:
        """All controllers as they stand now, by name."""
        return tuple(self._with_items(self._known[each]) for each in sorted(self._known))

    def _of(self, controller: ControllerId) -> ControllerHealth:
        fresh = ControllerHealth(controller, ControllerStanding.CONNECTING, self._clock.now())
        return self._known.get(controller, fresh)

    def _now(self, known: ControllerHealth, standing: ControllerStanding) -> ControllerHealth:
        since = known.since if known.standing is standing else self._clock.now()
        return replace(known, standing=standing, since=since)

    def _with_items(self, known: ControllerHealth) -> ControllerHealth:
        adapter = self._adapters.get(known.controller)
        if adapter is None:
            return known
        status = adapter.status()
        running = known.standing is ControllerStanding.RUNNING
        return replace(
            known,
            items_configured=status.items_configured,
            items_active=status.items_active if running else 0,
            notes=status.notes,
        )
