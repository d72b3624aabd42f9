"""Laws of whole reports: what they leave out."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from events import counted, state
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journals import journal_of

from mes.calendar import WindowKind
from mes.config.load import default_config, load
from mes.model import CountKind, State, StationEvent, StationId, UnitsCounted
from mes.report.rows import WHOLE, Request, rows
from mes.results.plant import PlantResults

CONFIG = load(default_config()).config
FRAMING = StationId("kostanay/weld/weld-1/framing")
KINDS = (CountKind.GOOD, CountKind.REWORK, CountKind.SCRAP)

minutes = st.integers(-10 * 60, 20 * 60).map(lambda half: half / 2)


@st.composite
def counts(draw: st.DrawFn) -> UnitsCounted:
    """A count at an instant, or of a stretch that may begin before anything else that is known."""
    time = draw(minutes)
    since = draw(st.none() | st.integers(1, 2000).map(lambda before: time - before))
    return counted(time, draw(st.integers(1, 9)), draw(st.sampled_from(KINDS)), since=since)


histories = st.tuples(
    st.lists(minutes.map(lambda at: state(at, State.PRODUCING)), max_size=3),
    st.lists(counts(), min_size=1, max_size=6, unique=True),
).map(lambda parts: [replace(event, station=FRAMING) for part in parts for event in part])


@pytest.mark.parametrize("by", [*WindowKind, WHOLE])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(25))
@given(events=histories)
def test_a_default_report_shows_every_unit(
    tmp_path_factory: pytest.TempPathFactory, by: str, events: list[StationEvent]
) -> None:
    """Whatever its windows, a report without limits shows each unit that the journal holds once."""
    journal: Path = tmp_path_factory.mktemp("plant") / "journal.sqlite"
    journal_of(journal, events)
    with PlantResults(CONFIG, journal) as query:
        shown: Counter[CountKind] = Counter()
        for row in rows(query, Request(by, None, None, ("framing",))):
            shown.update(dict(zip(KINDS, (row.kpi.good, row.kpi.rework, row.kpi.scrap), strict=True)))
    journaled: Counter[CountKind] = Counter()
    for event in events:
        if isinstance(event, UnitsCounted):
            journaled[event.kind] += event.delta
    assert +shown == journaled
