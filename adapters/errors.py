"""The two ways in which a controller can fail us."""

from datetime import datetime

from adapters.reading import GapCause


class AdapterError(Exception):
    """Base of what adapters raise; `detail` is the technical line below the sentence."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ControllerUnavailable(AdapterError):
    """The controller cannot be reached or stopped answering; it is tried again."""

    def __init__(
        self, detail: str, *, cause: GapCause = GapCause.CONNECTION, blind_since: datetime | None = None
    ) -> None:
        """`blind_since`: our time of the last proof of life, where that is earlier than the last batch."""
        super().__init__(detail)
        self.cause = cause
        self.blind_since = blind_since


class ControllerMisconfigured(AdapterError):
    """The controller answers, and refuses what the configuration asks of it; correct the file, then restart."""
