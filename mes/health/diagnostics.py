"""The present diagnostics of one controller over all its connections; the log has a line when one begins or ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.diagnostics import Diagnostic
from adapters.reading import ControllerId
from mes.logs import get_logger

log = get_logger()

CLEARED_AFTER_S = 30.0  # real seconds: one that comes and goes more often is logged once
MOST = 1000  # diagnostics of one controller; further ones are neither logged nor shown


@dataclass(frozen=True, slots=True)
class PresentDiagnostic:
    """A diagnostic that holds now; `since`: when it was first seen, by the plant's clock."""

    diagnostic: Diagnostic
    since: datetime


@dataclass(slots=True)
class _Entry:
    since: datetime
    seen_s: float  # real time at which it was last present
    present: bool = True


class ControllerDiagnostics:
    """Follows the diagnostics of one controller; does no input or output but the log."""

    def __init__(self, controller: ControllerId) -> None:
        """Knows none yet."""
        self._controller = controller
        self._entries: dict[Diagnostic, _Entry] = {}

    def update(self, current: Sequence[Diagnostic], *, now: datetime, real_s: float, complete: bool) -> None:
        """Takes what the adapter publishes now; `real_s`: steadily growing real seconds.

        `complete`: the connection works, so what is absent from `current` no longer holds. A connection that ended
        early proves only what it found.
        """
        for diagnostic in current:
            entry = self._entries.get(diagnostic)
            if entry is not None:
                entry.seen_s, entry.present = real_s, True
            elif len(self._entries) < MOST:
                self._entries[diagnostic] = _Entry(now, real_s)
                log.warning("controller_diagnostic", **self._facts(diagnostic))
        if not complete:
            return
        held = set(current)
        for diagnostic, entry in tuple(self._entries.items()):
            if diagnostic in held:
                continue
            entry.present = False
            if real_s - entry.seen_s >= CLEARED_AFTER_S:
                del self._entries[diagnostic]
                log.info("controller_diagnostic_cleared", **self._facts(diagnostic))

    def present(self) -> tuple[PresentDiagnostic, ...]:
        """Those that hold now, in the order in which they were first seen."""
        return tuple(
            PresentDiagnostic(diagnostic, entry.since) for diagnostic, entry in self._entries.items() if entry.present
        )

    def _facts(self, diagnostic: Diagnostic) -> dict[str, object]:
        return {
            "controller": self._controller,
            "code": str(diagnostic.code),
            "tags": list(diagnostic.tags),
            "detail": diagnostic.text,
            "remedy": diagnostic.remedy,
        }
