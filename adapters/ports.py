"""What an adapter is to the program, and the program to an adapter."""

from typing import Protocol

from adapters.reading import Batch


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

    def status(self) -> "AdapterStatus":
        """What it sees of its own connection, for health."""
        ...


class AdapterStatus(Protocol):
    """The figures of one connection."""

    @property
    def items_configured(self) -> int:
        """Tags that the configuration names."""
        ...

    @property
    def items_active(self) -> int:
        """Tags that are delivering now."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences an engineer should read: revised values, refused items, insecure connection."""
        ...
