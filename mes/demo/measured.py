"""The measured side of the demo's comparison: what the collector's journal says of stations and units."""

from mes.config.build import PlantConfig
from mes.demo.truth import Counts, Life, Measured, Ratios, Stay, record
from mes.intervals import Interval
from mes.model import CountUnreconciled, StationId, UnitCompleted
from mes.oee.biography import all_biographies, visits
from mes.oee.definitions import BUILT_IN, apply
from mes.oee.kpi import Kpi
from mes.results.stations import Results


def station_measured(results: Results, station: StationId, window: Interval, figures: Kpi) -> Measured:
    """One station in `window`, of which `figures` are the sums."""
    timeline = results.timeline(station, window)
    completed = [event.event for event in results.events(station) if isinstance(event.event, UnitCompleted)]
    unreconciled = [event for event in results.events(station) if isinstance(event.event, CountUnreconciled)]
    return Measured(
        counts=Counts(good=figures.good, rework=figures.rework, scrap=figures.scrap),
        states=tuple(
            (part, span.state)
            for span in timeline.states(window.end)
            if (part := span.interval.clip(window)) is not None
        ),
        units=tuple(record(event.unit, event.result, event.sequence) for event in completed),
        oee=figures.oee,
        availability=figures.availability,
        performance=figures.performance,
        quality=figures.quality,
        unreconciled=len(unreconciled),
        definitions=_definitions(results, station, window),
    )


def lives_measured(results: Results, config: PlantConfig) -> dict[str, Life]:
    """The way of every unit that was seen in a station."""
    seen = {station: visits(station, results.events(station)) for station in config.setups}
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


def _definitions(results: Results, station: StationId, window: Interval) -> dict[str, Ratios]:
    ratios = {}
    for name, definition in BUILT_IN.items():
        figures = apply(definition, [results.kpi(station, window, until=window.end, definition=definition)])
        ratios[name] = Ratios(figures.availability, figures.performance, figures.quality, figures.oee)
    return ratios
