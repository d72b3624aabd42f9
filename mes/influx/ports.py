"""What the writer needs of others: a server, the journal that it follows, and those who know the figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from mes.influx.delivery import Quarantine, Writes
from mes.influx.encode import Point
from mes.influx.figures_file import FiguresFile
from mes.intervals import Interval
from mes.journal.codec import Unreadable
from mes.model import Journaled, ProcessValue, StationId


class Server(Writes, Protocol):
    """An InfluxDB server."""

    async def ensure(self) -> bool:
        """Makes the database where that is ours to do."""
        ...

    async def query(self, influxql: str) -> list[dict[str, Any]]:
        """Rows of the first statement's series, each with its tags; times in nanoseconds."""
        ...

    async def about(self) -> str:
        """Generation and version, as it says."""
        ...


class Followed(Quarantine, Protocol):
    """What the writer needs of the journal."""

    @property
    def last_seq(self) -> int:
        """Of the last committed event."""
        ...

    async def last_telemetry(self) -> int:
        """The number of the last process value."""
        ...

    async def affected_windows(self, after: int, limit: int) -> tuple[int, Mapping[StationId, Interval]]:
        """Up to which number the next events go, and the stretch of each station's time that they bear on."""
        ...

    async def changed_beyond_units(self, after: int, until: int) -> frozenset[StationId]:
        """The stations with events after a number, up to another, that say more than which units were made."""
        ...

    async def read_rows(self, after: int, limit: int) -> Sequence[Journaled | Unreadable]:
        """Events after a sequence number, in order, and what this version cannot read."""
        ...

    async def read_telemetry(self, after_rowid: int, limit: int) -> Sequence[tuple[int, ProcessValue]]:
        """Telemetry after a row, with the rows' numbers."""
        ...

    async def cursor(self, name: str) -> int:
        """Where a consumer stands; 0 at first."""
        ...

    async def remember(self, name: str, note: str) -> None:
        """Keeps a word about a consumer."""
        ...

    async def remembered(self, name: str) -> str:
        """The word that was kept."""
        ...

    async def advance(self, name: str, seq: int) -> None:
        """Moves a consumer on."""
        ...


@dataclass(frozen=True, slots=True)
class Published:
    """Figures that go to the server: of stations, of the plant where wanted, and the file of what was written."""

    file: FiguresFile
    figures: "Figures"
    plant: "Figures | None" = None


class Figures(Protocol):
    """Where figures come from: the one door, handed in by whoever builds the program."""

    async def affected_windows(self, spans: Mapping[StationId, Interval]) -> Sequence[Point]:
        """Every window that the spans bear on, computed again."""
        ...

    async def open(self) -> tuple[Sequence[Point], datetime]:
        """The windows of all stations in which time has passed since the last `stated`, and the present instant."""
        ...

    def stated(self, until: datetime) -> None:
        """The server has everything up to this instant."""
        ...

    def resume(self, until: datetime) -> None:
        """The server had everything up to then when the program ended; what has passed since is to be stated."""
        ...
