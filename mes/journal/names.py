"""What stations were called before: events under a former name are read as those of the present one.

The journal keeps every event as it was written. Whoever reads it says which names the plant's file gives as former
ones, and sees one station under one name; without them, each name is a station of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mes.model import Journaled, StationId


@dataclass(frozen=True, slots=True)
class Names:
    """`present`: for each former name of a station the one that it has now; no present name is a former one."""

    present: Mapping[StationId, StationId] = field(default_factory=dict)

    def now(self, station: StationId) -> StationId:
        """What a station is called in the plant's file."""
        return self.present.get(station, station)

    def all_of(self, station: StationId) -> tuple[StationId, ...]:
        """The names under which the journal may hold a station's events, the present one first."""
        return (station, *sorted(former for former, now in self.present.items() if now == station))

    def journaled(self, entry: Journaled) -> Journaled:
        """An event as one of the station's present name."""
        now = self.present.get(entry.event.station)
        return entry if now is None else Journaled(entry.seq, replace(entry.event, station=now))

    def states(self, held: Mapping[StationId, bytes]) -> dict[StationId, bytes]:
        """Station states by present names; where both are there, the one that was written under the present name."""
        former = {self.now(station): body for station, body in held.items() if station in self.present}
        return former | {station: body for station, body in held.items() if station not in self.present}

    def unique(self, stations: Iterable[StationId]) -> tuple[StationId, ...]:
        """Each station once, by its present name, in the given order."""
        return tuple(dict.fromkeys(self.now(station) for station in stations))


def formerly(station: StationId) -> str:
    """What a person does about a station of the journal that the plant's file does not have."""
    name = station.partition("/")[2] or station
    return (
        f"if it has another name now, give that station `formerly: [{name}]` in the plant's file; until then its "
        "history is in no report; if it is gone for good, nothing"
    )


NO_NAMES = Names()
