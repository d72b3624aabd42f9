"""What differs between two computations of the same windows: stored and recomputed, or before and after a change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mes.calendar import Window
from mes.model import StationId
from mes.oee.components import Kpi
from mes.results.fields import Value, kpi_values
from mes.results.stations import Results


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of one station in one window that came out otherwise; seconds, ratios and counts by their names."""

    station: StationId
    window: Window
    figure: str
    before: Value
    after: Value


def replayed(
    before: Results, after: Results, windows: Sequence[Window], stations: Sequence[StationId]
) -> Iterator[tuple[StationId, Window, tuple[Difference, ...]]]:
    """Each station's windows in order, with what differs in them; nothing if all is the same to the last bit."""
    for station in stations:
        for window in windows:
            was = before.live_kpi(station, window.interval, until=window.interval.end)
            now = after.live_kpi(station, window.interval, until=window.interval.end)
            yield station, window, differences(station, window, was, now)


def differences(station: StationId, window: Window, before: Kpi, after: Kpi) -> tuple[Difference, ...]:
    """Every figure that is not equal; a stop that only moved to another reason differs under `losses`."""
    now = kpi_values(after)
    found = [
        Difference(station, window, name, was, now[name])
        for name, was in kpi_values(before).items()
        if was != now[name]
    ]
    if before.losses != after.losses:
        found.append(Difference(station, window, "losses", _losses(before), _losses(after)))
    return tuple(found)


def _losses(kpi: Kpi) -> str:
    return ", ".join(
        f"{loss.bucket} {loss.reason or '-'} {loss.time.total_seconds():g} s ({loss.stops})" for loss in kpi.losses
    )
