"""A closed shift keeps its figures to the last bit, whatever is journaled later or changed in the plant's file."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from events import STATION, at, counted, shift_closed, shift_reopened, state
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oee_histories import CATALOGUE, between

from mes.calendar import Calendar
from mes.config.load import default_config, load
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.journal.codec import encode_event
from mes.journal.store import Rows, Store
from mes.model import CountKind, State, StationEvent, StationStandard
from mes.oee.closed import ClosedKpi, closed_kpi, decode_closed, encode_closed
from mes.oee.components import Kpi, combine
from mes.results.stations import Results

SHIFT = between(0, 510)
CALENDAR: Calendar = load(default_config()).config.calendar
STANDARD = StationStandard(ideal_cycle={None: timedelta(minutes=2)}, minor_stop=timedelta(minutes=2), reasons=CATALOGUE)
OTHER = replace(STANDARD, ideal_cycle={None: timedelta(seconds=77)}, minor_stop=timedelta(minutes=9))
minutes = st.integers(0, 700 * 60).map(lambda second: second / 60)
things = st.one_of(
    st.builds(state, minutes, st.sampled_from(list(State))),
    st.builds(counted, minutes, st.integers(0, 9), st.sampled_from([CountKind.GOOD, CountKind.SCRAP])),
)
histories = st.lists(things, min_size=1, max_size=12)


def figures(path: Path, standard: StationStandard, window: Interval = SHIFT, *, live: bool = False) -> Kpi:
    """What the one door says of a window."""
    with JournalReader(path) as reader:
        results = Results(reader, {STATION: standard}, CALENDAR)
        ask = results.live_kpi if live else results.kpi
        return ask(STATION, window, until=at(720))


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=histories, after=histories, is_other_file=st.booleans())
def test_a_closed_shift_keeps_its_figures_to_the_last_bit(
    before: Sequence[StationEvent], after: Sequence[StationEvent], is_other_file: bool
) -> None:
    """Late events and another file move nothing but the flag, which says whether the live figures are others.

    After reopening the shift has the live figures.
    """
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "journal.sqlite") as store:
        path = Path(folder) / "journal.sqlite"
        store.write([Rows(events=[encode_event(event) for event in before])])
        own = figures(path, STANDARD)
        text = encode_closed([ClosedKpi(STANDARD.minor_stop, own=True, kpi=own)])
        store.write([Rows(events=[encode_event(shift_closed(701, SHIFT.start, SHIFT.end, figures=text))])])
        assert figures(path, STANDARD) == own
        store.write([Rows(events=[encode_event(event) for event in after])])
        standard = OTHER if is_other_file else STANDARD
        live, closed = figures(path, standard, live=True), figures(path, standard)
        assert replace(closed, after_closing=0) == own
        marks = ("unread", "unread_kinds", "unknown", "units_missing")  # of what was not read; they are no figures
        assert closed.after_closing == (live != replace(own, **{mark: getattr(live, mark) for mark in marks}))
        hour = Interval(SHIFT.start, at(60))
        assert figures(path, standard, hour) == figures(path, standard, hour, live=True)
        store.write([Rows(events=[encode_event(shift_reopened(702, SHIFT.start, SHIFT.end, why="late"))])])
        assert figures(path, standard) == live


def test_figures_of_a_closing_are_read_as_they_were_written(tmp_path: Path) -> None:
    """By threshold of minor stops; a closing without figures, or with a text that is none, has none."""
    path = tmp_path / "journal.sqlite"
    with Store(path) as store:
        store.write([Rows(events=[encode_event(state(0, State.DOWN)), encode_event(counted(5, 3))])])
    own, other = figures(path, STANDARD), figures(path, OTHER)
    kept = [ClosedKpi(STANDARD.minor_stop, own=True, kpi=own), ClosedKpi(OTHER.minor_stop, own=False, kpi=other)]
    read = decode_closed(encode_closed(kept))
    assert read == tuple(kept)
    assert closed_kpi(read, None) == own
    unread = ClosedKpi(
        STANDARD.minor_stop, own=True, kpi=replace(own, unknown=frozenset({"produced", "good"}), units_missing=True)
    )
    assert decode_closed(encode_closed([unread])) == (unread,)
    assert '["good","produced"]' in encode_closed([unread])
    assert closed_kpi(read, OTHER.minor_stop) == other
    assert closed_kpi(read, timedelta(seconds=1)) is None
    assert decode_closed("") == decode_closed("{}") == ()
    assert combine([replace(own, after_closing=1), other]).after_closing == 1


@pytest.mark.parametrize("text", ["", "[]", "not figures"])
def test_a_closing_of_an_older_version_has_live_figures(tmp_path: Path, text: str) -> None:
    """Where a closing carries no figures, the shift is shown as it is now."""
    path = tmp_path / "journal.sqlite"
    with Store(path) as store:
        events: list[StationEvent] = [
            state(0, State.DOWN),
            counted(5, 3),
            shift_closed(701, SHIFT.start, SHIFT.end, figures=text),
        ]
        store.write([Rows(events=[encode_event(event) for event in events])])
    assert figures(path, STANDARD) == figures(path, STANDARD, live=True)
