"""What differs between two computations of the same windows: stored and anew, or before and after a change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mes.calendar import Window
from mes.model import StationId
from mes.oee.components import Bucket, Kpi
from mes.results.fields import Value, seconds
from mes.results.stations import Results

COUNTS = ("good", "rework", "scrap", "produced")
RATIOS = ("oee", "availability", "performance", "quality")


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
    said = {**_figures(before)}, {**_figures(after)}
    found = [
        Difference(station, window, name, said[0][name], said[1][name])
        for name in said[0]
        if said[0][name] != said[1][name]
    ]
    if before.losses != after.losses:
        found.append(Difference(station, window, "losses", _losses(before), _losses(after)))
    return tuple(found)


def _figures(kpi: Kpi) -> dict[str, Value]:
    return {
        **{name: getattr(kpi, name) for name in (*RATIOS, *COUNTS, "unreconciled", "failures")},
        **{f"{bucket}_s": seconds(kpi.spent(bucket)) for bucket in Bucket},
        "ideal_good_s": seconds(kpi.sum_pri_good),
        "ideal_produced_s": seconds(kpi.sum_pri_produced),
    }


def _losses(kpi: Kpi) -> str:
    return ", ".join(
        f"{each.bucket} {each.reason or '-'} {each.time.total_seconds():g} s ({each.stops})" for each in kpi.losses
    )
