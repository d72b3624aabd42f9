"""Counts that the totalisers left undecided, and what persons decided of them: which word is about what, and holds."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from mes.model import CountReconciled, CountUnreconciled, StationEvent, StationId, TotaliserId, totaliser_of

CountKey = tuple[StationId, TotaliserId, datetime, int, int]  # when, and the readings before and after


def count_key(event: CountUnreconciled | CountReconciled) -> CountKey:
    """What names an undecided count in every journal: numbers of events differ between journals, readings do not."""
    return (event.station, totaliser_of(event), event.time, event.previous_raw, event.raw)


def keep(held: dict[CountKey, CountReconciled], said: CountReconciled) -> None:
    """Puts a decision in the place of the one that held before it, unless that was recorded later."""
    about = count_key(said)
    if about not in held or held[about].recorded_time <= said.recorded_time:
        held[about] = said


def decided(events: Iterable[StationEvent]) -> dict[CountKey, CountReconciled]:
    """The decision that holds for each count that somebody decided."""
    held: dict[CountKey, CountReconciled] = {}
    for event in events:
        if isinstance(event, CountReconciled):
            keep(held, event)
    return held


def leading(unreconciled: Sequence[CountUnreconciled], start: int | None, end: int) -> list[CountUnreconciled]:
    """Which of the undecided readings between two counts lead from the value `start` to the value `end`; newest first.

    Those were real, for the totaliser went on from there. `start` None: nobody knows it.
    """
    found = []
    for event in reversed(unreconciled):
        if end == start:
            break
        if event.raw == end:
            found.append(event)
            end = event.previous_raw
    return found
