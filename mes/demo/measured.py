"""The measured side of the demo's comparison: what the collector's journal says of stations and units."""

from collections.abc import Iterable

from mes.config.build import PlantConfig
from mes.demo.truth import Life, Measured, Stay, by_code, record
from mes.intervals import Interval
from mes.model import CountUnreconciled, StationId, UnitCompleted
from mes.oee.biography import all_biographies, visits
from mes.oee.definitions import BUILT_IN, apply
from mes.oee.kpi import Kpi
from mes.results.fields import definition_values, kpi_values
from mes.results.stations import Results


def station_measured(results: Results, station: StationId, window: Interval, kpi: Kpi) -> Measured:
    """One station in `window`, of which `kpi` are the sums."""
    timeline = results.timeline(station, window)
    completed = [event.event for event in results.events(station) if isinstance(event.event, UnitCompleted)]
    unreconciled = [event for event in results.events(station) if isinstance(event.event, CountUnreconciled)]
    return Measured(
        figures=kpi_values(kpi),
        states=tuple(
            (part, span.state)
            for span in timeline.states(window.end)
            if (part := span.interval.clip(window)) is not None
        ),
        units=tuple(record(event.unit, event.result, event.sequence) for event in completed),
        unreconciled=len(unreconciled),
        faults=by_code((fault.code, fault.interval.before(window.end)) for fault in timeline.faults),
        definitions={
            name: definition_values(
                apply(definition, [results.kpi(station, window, until=window.end, definition=definition)])
            )
            for name, definition in BUILT_IN.items()
        },
    )


def lives_measured(results: Results, config: PlantConfig, stations: Iterable[StationId]) -> dict[str, Life]:
    """The way of every unit that was seen in one of the stations."""
    seen = {station: visits(station, results.events(station)) for station in stations}
    return {
        str(biography.unit): Life(
            tuple(
                Stay(stay.station, stay.passage, tuple(str(end.result) for end in stay.results), stay.entered)
                for stay in biography.visits
            ),
            biography.loops,
        )
        for biography in all_biographies(seen, list(config.standards))
    }
