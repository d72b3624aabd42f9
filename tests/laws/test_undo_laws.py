"""What a person said can be taken back: everything is as if it had never been said, while each word stays known."""

from events import assigned, at
from hypothesis import given, settings
from hypothesis import strategies as st
from oee_histories import CATALOGUE
from random_histories import LENGTH_MIN, histories, instants

from mes.intervals import Interval
from mes.model import Journaled, ReasonId, StationEvent
from mes.oee.stops import undo
from mes.oee.timeline import timeline

SAID_AT = at(600)
UNDONE_AT = at(610)
PAST = Interval(at(-1000), UNDONE_AT)
reasons = st.sampled_from([None, *CATALOGUE.reasons])


def reasons_by_time(events: list[StationEvent]) -> list[tuple[Interval, ReasonId | None]]:
    """What persons said of which stretch of the past; stretches of one reason that touch are one."""
    merged: list[tuple[Interval, ReasonId | None]] = []
    for assignment in timeline(events).assigned:
        part = assignment.interval.clip(PAST)
        if part is None:
            continue
        if merged and merged[-1][0].end == part.start and merged[-1][1] == assignment.reason:
            merged[-1] = (Interval(merged[-1][0].start, part.end), assignment.reason)
        else:
            merged.append((part, assignment.reason))
    return merged


@settings(deadline=None)
@given(histories(), instants, st.integers(1, LENGTH_MIN) | st.none(), reasons)
def test_an_undone_reason_leaves_what_was_there_before(
    history: list[Journaled], start: float, length: int | None, reason: ReasonId | None
) -> None:
    """Over one stop, several, a part of one or until it is over: after the undo each minute has the reason it had."""
    events = [journaled.event for journaled in history]
    said = assigned(SAID_AT, start, None if length is None else start + length, reason)

    back = undo(said, timeline(events), by="serik", now=UNDONE_AT, comment="undo")

    assert reasons_by_time([*events, said, *back]) == reasons_by_time(events)
    assert all(entry.by == "serik" and entry.time == UNDONE_AT for entry in back)
    assert [was.reason for entry in back for was in entry.before] == [reason] * len(back)


@settings(deadline=None)
@given(histories(), instants, reasons)
def test_a_word_undone_while_the_stop_lasts_says_nothing_of_the_rest(
    history: list[Journaled], start: float, reason: ReasonId | None
) -> None:
    """Its open end is taken back, too: the stop may go on, and has the reason it would have had."""
    events = [journaled.event for journaled in history]
    said = assigned(SAID_AT, start, None, reason)
    line = timeline(events)
    open_end = [span for span in line.spans if said.start in span.interval and span.interval.end > UNDONE_AT]

    back = undo(said, line, by="serik", now=UNDONE_AT, comment="undo")

    assert sum(entry.end is None for entry in back) == min(1, len(back))
    if open_end:
        after = [
            assignment.reason
            for assignment in timeline([*events, said, *back]).assigned
            if assignment.interval.end > UNDONE_AT
        ]
        assert after == [assignment.reason for assignment in line.assigned if assignment.interval.end > UNDONE_AT]
