"""The pace of a station: its cycles beside the takt that the build programme asks of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from mes.intervals import Interval, total
from mes.model import StationId
from mes.oee.flow import Cycle
from mes.oee.programme import over_takt, takt
from mes.results.plant import Node, PlantResults


@dataclass(frozen=True, slots=True)
class Pace:
    """`over_takt`: the time by which cycles overran the takt, together; None where there is no plan."""

    mean_cycle: timedelta | None
    takt: timedelta | None
    over_takt: timedelta | None


def pace(query: PlantResults, station: StationId, window: Interval, cycles: Sequence[Cycle]) -> Pace:
    """The pace in a window, of which `cycles` are those of the station."""
    lengths = [cycle.length for cycle in cycles]
    mean = sum(lengths, timedelta()) / len(lengths) if lengths else None
    target = query.target(Node(station, (station,)), window)
    beat = takt(total(query.config.calendar.planned(window)), target) if target else None
    return Pace(mean, beat, None if beat is None else over_takt(lengths, beat))
