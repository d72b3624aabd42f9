"""From a figure down to the raw readings, for one hour of the example plant's framing station."""

from pathlib import Path

import pytest
from events import S3, STATION, at, counted, lost, restored, state
from journals import journal_of
from oee_histories import between

from mes.config.load import default_config, load
from mes.model import CountKind, State, StationEvent
from mes.results.explain import Explanation, explain
from mes.results.plant import PlantResults

CONFIG = load(default_config()).config
GAP: list[StationEvent] = [state(0, State.PRODUCING), lost(30), restored(90, 30), state(90, State.PRODUCING)]


def explained(folder: Path, hour: str, *events: StationEvent) -> Explanation:
    """What an hour of the station is made of."""
    path = folder / "journal.sqlite"
    journal_of(path, events)
    with PlantResults(CONFIG, path, now=at(180)) as query:
        return explain(query, STATION, query.window(hour))


@pytest.mark.parametrize(("hour", "units"), [("08:00", 2), ("09:00", 2), ("10:00", 0)])
def test_of_a_catch_up_only_the_units_of_the_window_count(tmp_path: Path, hour: str, units: int) -> None:
    """4 units of a gap from 8:30 to 9:30 are spread to 8:37:30, 8:52:30, 9:07:30 and 9:22:30."""
    caught_up = counted(90, 4, raw=14, previous_raw=10, since=30)
    found = explained(tmp_path, f"2026-03-02T{hour}", *GAP, caught_up)

    assert [(journaled.event, inside) for journaled, inside in found.counts] == ([(caught_up, units)] if units else [])
    assert found.row.kpi.good == units
    assert [(ideal.product, ideal.kind, ideal.units) for ideal in found.ideal] == (
        [(S3, CountKind.GOOD, units)] if units else []
    )


def test_a_catch_up_under_a_clock_that_was_set_counts_when_it_was_read(tmp_path: Path) -> None:
    """A gap that begins after the reading that ends it has no length, so its units are not spread."""
    caught_up = counted(20, 4, since=25)
    found = explained(tmp_path, "2026-03-02T08:00", state(0, State.PRODUCING), caught_up)

    assert [(journaled.event, inside) for journaled, inside in found.counts] == [(caught_up, 4)]
    assert found.row.kpi.good == 4


def test_spans_name_the_events_that_began_and_ended_them(tmp_path: Path) -> None:
    """Down from 8:10 to 8:30: begun and ended by the two changes of state; all of it is planned time."""
    began, ended = state(10, State.DOWN), state(30, State.PRODUCING)
    found = explained(tmp_path, "2026-03-02T08:00", state(0, State.PRODUCING), began, ended)

    (stop,) = [stretch for stretch in found.stretches if stretch.piece.interval == between(10, 30)]
    assert stop.begun_by is not None
    assert stop.ended_by is not None
    assert (stop.begun_by.event, stop.ended_by.event) == (began, ended)
    assert stop.planned == between(10, 30).length
