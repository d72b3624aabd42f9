"""What an adapter is to the program, and the program to an adapter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from adapters.diagnostics import Diagnostic
from adapters.reading import Batch


@dataclass(frozen=True, slots=True)
class AdapterStatus:
    """What an adapter sees of its own connection.

    `items_configured`: tags that the configuration names; `items_active`: those that deliver now. `diagnostics`: what
    an engineer should read, as it holds now. Polls are those that were due and were left out because the one before
    took too long, since the program began; rates are per real second, None where the controller is not polled.
    `doubts`: answers that were not believed since the program began, by kind.
    """

    items_configured: int
    items_active: int
    diagnostics: tuple[Diagnostic, ...] = ()
    polls_late: int = 0
    poll_rate_wanted: float | None = None
    poll_rate_reached: float | None = None
    doubts: Mapping[str, int] = field(default_factory=dict)

    @property
    def diagnostic_texts(self) -> tuple[str, ...]:
        """The sentences of the diagnostics."""
        return tuple(diagnostic.text for diagnostic in self.diagnostics)


class Emit(Protocol):
    """Takes a batch and returns when it is durably journaled; only then may the controller be acknowledged."""

    async def __call__(self, batch: Batch, /) -> None:
        """Raises nothing that an adapter should handle; a failure here ends the connection."""
        ...


class Adapter(Protocol):
    """One controller. An instance lives for one connection; the supervisor makes a new one for the next."""

    async def run(self, emit: Emit) -> None:
        """Connects, emits the baseline, then batches until the connection ends.

        Raises ControllerUnavailable (to be tried again) or ControllerMisconfigured (to be parked).
        On cancellation it closes its session politely and quickly. It never writes to the controller.
        """
        ...

    def status(self) -> AdapterStatus:
        """What it sees of its own connection, for health."""
        ...
