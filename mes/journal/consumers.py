"""Who reads the journal by a cursor: the names of the cursors, and how much each consumer has still to do."""

from collections.abc import Mapping

EVENTS = "influx-events"
FIGURES = "influx-kpi"
PLANT = "influx-plant"
TELEMETRY = "influx-process"
LIVE_FROM, LIVE = (
    "-live-from",
    "-live",
)  # after a consumer's name: new rows are sent from and up to here

Stretch = tuple[int, int]  # the rows after the first number, up to the second


def stretches(cursors: Mapping[str, int], consumer: str) -> tuple[Stretch, ...]:
    """The rows that a consumer has done: up to its cursor, and those it sent ahead while it is far behind."""
    done = cursors.get(consumer, 0)
    live_from = cursors.get(consumer + LIVE_FROM, 0)
    if live_from <= done:
        return ((0, done),)
    return ((0, done), (live_from, max(live_from, cursors.get(consumer + LIVE, 0))))


def backlog(cursors: Mapping[str, int], consumer: str, last_seq: int) -> int:
    """How many rows up to `last_seq` a consumer has not done."""
    return max(0, last_seq - sum(until - after for after, until in stretches(cursors, consumer)))
