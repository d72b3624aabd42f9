"""How the collector itself is doing: each controller's state, as a plain record to show or to export."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from adapters.clock import Clock
from adapters.diagnostics import Diagnostic
from adapters.ports import Adapter
from adapters.reading import ControllerId
from mes.health.diagnostics import ControllerDiagnostics, PresentDiagnostic


class ConnectionState(StrEnum):
    """Where a controller's connection is in its life."""

    CONNECTING = "connecting"
    RUNNING = "running"
    LOST = "lost"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class ControllerHealth:
    """One controller. `since`: of the state; `attempts` counts tries, `connections` those that gave data.

    `items_active` is 0 unless it is running; `error` is the last failure's sentence and stays when it is over.
    Real seconds as of the snapshot: `last_batch_age_s` since a batch was journaled, None before the first;
    `quiet_s` since its task did anything at all (a try, a batch, a loss). `diagnostics`: what an engineer should read;
    the last known ones while it is not running. For polls and doubts see `adapters.ports.AdapterStatus`.
    """

    controller: ControllerId
    state: ConnectionState
    since: datetime
    last_batch: datetime | None = None
    attempts: int = 0
    connections: int = 0
    error: str | None = None
    items_configured: int = 0
    items_active: int = 0
    diagnostics: tuple[PresentDiagnostic, ...] = ()
    polls_late: int = 0
    poll_rate_wanted: float | None = None
    poll_rate_reached: float | None = None
    doubts: Mapping[str, int] = field(default_factory=dict)
    last_batch_age_s: float | None = None
    quiet_s: float = 0.0


def _no_findings(_: ControllerId) -> Sequence[Diagnostic]:
    return ()


class Health:
    """Is told by the supervisor, asked by whoever shows it; lives in the event loop and does no input or output."""

    def __init__(
        self,
        clock: Clock,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        findings: Callable[[ControllerId], Sequence[Diagnostic]] = _no_findings,
    ) -> None:
        """Knows no controller yet; each appears with its first attempt. `findings`: what its values show now."""
        self._clock = clock
        self._findings = findings
        self._monotonic_s = monotonic_s
        self._ticked_s: dict[ControllerId, float] = {}
        self._batch_s: dict[ControllerId, float] = {}
        self._known: dict[ControllerId, ControllerHealth] = {}
        self._adapters: dict[ControllerId, Adapter] = {}
        self._diagnostics: dict[ControllerId, ControllerDiagnostics] = {}

    def connecting(self, controller: ControllerId, adapter: Adapter) -> None:
        """A connection is being made; a parked or lost controller stays so until it gives data."""
        known = self._ticked(controller)
        self._known[controller] = replace(known, attempts=known.attempts + 1)
        self._adapters[controller] = adapter

    def seen(self, controller: ControllerId, received_time: datetime) -> None:
        """A batch came and is journaled."""
        known = self._ticked(controller)
        self._batch_s[controller] = self._ticked_s[controller]
        if known.state is not ConnectionState.RUNNING:
            known = replace(self._now(known, ConnectionState.RUNNING), connections=known.connections + 1)
        self._known[controller] = replace(known, last_batch=received_time)
        self._follow_diagnostics(controller)

    def lost(self, controller: ControllerId, detail: str) -> None:
        """The connection ended; it will be tried again."""
        self._known[controller] = replace(self._now(self._ticked(controller), ConnectionState.LOST), error=detail)
        self._follow_diagnostics(controller)

    def parked(self, controller: ControllerId, detail: str) -> None:
        """The controller refuses what the configuration asks; it is tried again now and then."""
        self._known[controller] = replace(self._now(self._ticked(controller), ConnectionState.PARKED), error=detail)
        self._follow_diagnostics(controller)

    def forget(self, controller: ControllerId) -> None:
        """The controller is not in the plant's file any more."""
        for known in (self._known, self._adapters, self._diagnostics, self._ticked_s, self._batch_s):
            known.pop(controller, None)

    def is_running(self, controller: ControllerId) -> bool:
        """Whether its present connection has given data."""
        known = self._known.get(controller)
        return known is not None and known.state is ConnectionState.RUNNING

    def all_tried(self, controllers: Iterable[ControllerId]) -> bool:
        """Whether each of them has given data or could not be reached."""
        known = [self._known.get(controller) for controller in controllers]
        return all(health is not None and health.state is not ConnectionState.CONNECTING for health in known)

    def snapshot(self) -> tuple[ControllerHealth, ...]:
        """All controllers as they stand now, by name."""
        return tuple(self._with_ages(self._with_items(self._known[controller])) for controller in sorted(self._known))

    def _ticked(self, controller: ControllerId) -> ControllerHealth:
        self._ticked_s[controller] = self._monotonic_s()
        return self._of(controller)

    def _with_ages(self, known: ControllerHealth) -> ControllerHealth:
        now_s, batch_s = self._monotonic_s(), self._batch_s.get(known.controller)
        return replace(
            known,
            last_batch_age_s=None if batch_s is None else now_s - batch_s,
            quiet_s=now_s - self._ticked_s[known.controller],
        )

    def _of(self, controller: ControllerId) -> ControllerHealth:
        fresh = ControllerHealth(controller, ConnectionState.CONNECTING, self._clock.now())
        return self._known.get(controller, fresh)

    def _now(self, known: ControllerHealth, state: ConnectionState) -> ControllerHealth:
        since = known.since if known.state is state else self._clock.now()
        return replace(known, state=state, since=since)

    def _with_items(self, known: ControllerHealth) -> ControllerHealth:
        adapter = self._adapters.get(known.controller)
        if adapter is None:
            return known
        self._follow_diagnostics(known.controller)  # also where a connection has given no batch yet
        status = adapter.status()
        running = known.state is ConnectionState.RUNNING
        return replace(
            known,
            items_configured=status.items_configured,
            items_active=status.items_active if running else 0,
            diagnostics=self._diagnostics_of(known.controller).present(),
            polls_late=status.polls_late,
            poll_rate_wanted=status.poll_rate_wanted,
            poll_rate_reached=status.poll_rate_reached if running else None,
            doubts=status.doubts,
        )

    def _follow_diagnostics(self, controller: ControllerId) -> None:
        adapter = self._adapters.get(controller)
        if adapter is not None:
            told = adapter.status().diagnostics
            explained = {tag for diagnostic in told for tag in diagnostic.tags}  # the adapter knows best why
            found = [finding for finding in self._findings(controller) if not explained.issuperset(finding.tags)]
            self._diagnostics_of(controller).update(
                [*told, *found],
                now=self._clock.now(),
                real_s=self._monotonic_s(),
                complete=self.is_running(controller),
            )

    def _diagnostics_of(self, controller: ControllerId) -> ControllerDiagnostics:
        return self._diagnostics.setdefault(controller, ControllerDiagnostics(controller))
