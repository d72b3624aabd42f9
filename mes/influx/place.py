"""Where a backfill that was stopped goes on: up to where it had written, and whether that still holds."""

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from importlib.metadata import version

from mes.errors import JournalError
from mes.intervals import Interval
from mes.journal import JournalReader
from mes.results.plant import PlantResults

RENAMED = timedelta(days=14)  # before the present the names of periods change as time passes: this shift, yesterday
KEPT = timedelta(days=14)  # of journaled time; after that a backfill begins again


@dataclass(frozen=True, slots=True)
class Known:
    """The last event of a journal and its last process value, by their numbers."""

    seq: int
    process_value: int


@dataclass(frozen=True, slots=True)
class Place:
    """Everything before `until` is written, as the journal told it up to `known` at its then `present`.

    `made_with`: names the plant's file, the program, the journal and the beginning of the stretch.
    """

    made_with: str
    until: datetime
    known: Known
    present: datetime


def known(reader: JournalReader) -> Known:
    """What the journal has now."""
    return Known(reader.last_seq(), reader.last_process_value())


def place(query: PlantResults, stretch: Interval | None, until: datetime, known: Known) -> Place:
    """A place in the query's journal, of which no more is `known`."""
    return Place(_made_with(query, stretch, known.seq), until, known, query.until)


def holds_until(query: PlantResults, stretch: Interval | None, kept: Place) -> datetime | None:
    """Up to where the figures that were written are still those that would be written now; None: nothing holds.

    What came since bears on its own time, and on the state that was in force then. It also bears on the days before,
    in which a unit was that has moved since, and on the names of periods.
    """
    reader, seq = query.reader, kept.known.seq
    if kept.made_with != _made_with(query, stretch, seq) or query.until - kept.present > KEPT:
        return None
    if reader.last_process_value() < kept.known.process_value:  # those of another journal, or too old to be kept
        return None
    affected = [reader.earliest_affected(station, seq) for station in reader.changed_stations(seq)]
    affected.append(reader.earliest_measured(kept.known.process_value))
    first = min([kept.present, query.until, *(instant for instant in affected if instant is not None)])
    since = (query.results.in_force_since(station, first) for station in query.config.standards)
    return min([kept.until, first - RENAMED, *(instant for instant in since if instant is not None)])


def _made_with(query: PlantResults, stretch: Interval | None, seq: int) -> str:
    """A journal that was restored has another event under the number, or none."""
    try:
        event = query.reader.raw(seq)
    except (IndexError, JournalError):
        event = ()
    told = (_told(query.config), version("taktline"), event, None if stretch is None else stretch.start)
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _told(value: object) -> object:
    """What a plant's file says, in a form whose text is always the same."""
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, _told(getattr(value, field.name))) for field in fields(value) if field.compare]
    if isinstance(value, Mapping):
        return [(repr(key), _told(item)) for key, item in value.items()]
    if isinstance(value, Set):
        return sorted(repr(item) for item in value)
    if isinstance(value, list | tuple):
        return [_told(item) for item in value]
    return repr(value)
