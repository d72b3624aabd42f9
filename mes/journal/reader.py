"""Reading the journal from another process or thread, without ever standing in the writer's way."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import apsw

from mes.errors import JournalError
from mes.intervals import MICROSECOND, Interval
from mes.journal.codec import (
    EARLIEST_US,
    EventRow,
    Unreadable,
    corrected,
    from_us,
    read_corrected,
    read_row,
    to_us,
)
from mes.journal.names import NO_NAMES, Names
from mes.journal.schema import (
    BUSY_MS,
    CLOSINGS,
    COMPLETED,
    COUNT_KIND,
    COUNT_PRODUCT,
    COUNTS,
    EVENT,
    LOST,
    QUALITIES,
    RESTORED,
    SCHEMA_VERSION,
    SEEN,
    SELECT_LAST_SEQ,
    SELECT_OBSERVED,
    SELECT_STATES,
    SIGNAL,
    STATE_KINDS,
    UNIT,
    UNIT_KINDS,
    UNRECONCILED,
    check_identity,
    failed,
    fetch,
    placed,
    read_events,
)
from mes.journal.store import REFUSED, RejectedPoint
from mes.model import (
    CountKind,
    Journaled,
    ProcessValue,
    State,
    StateChanged,
    StationId,
    TimeSource,
    TotaliserId,
    UnitId,
    kind_and_product,
)

SEEN_OF_STATION = f"FROM event WHERE station = ? AND {SEEN}"
CORRECTED = "SELECT seq, CAST(kind AS BLOB), CAST(body AS BLOB), received_us FROM event"
OF_TIME = "station = ? AND time_us >= ? AND time_us < ?"
DAY_US = 86_400_000_000
RawRow = tuple[object, ...]
RAW = (
    "SELECT CAST(station AS BLOB), CAST(kind AS BLOB), time_us, received_us, from_us, to_us, CAST(body AS BLOB) "
    "FROM event WHERE seq = ?"
)
UNREADABLE_STATE = "the event cannot be read"
# an imported count without a reading says nothing of the totaliser
READ = (
    "CASE WHEN json_valid(body) "
    "THEN json_extract(body, '$.previous_raw') IS NOT NULL "
    "OR json_extract(body, '$.flag') IN ('baseline', 'remapped') END"
)
OF_TOTALISER = f"{CORRECTED} WHERE station = ? AND {COUNT_KIND} = ? AND {COUNTS} AND {COUNT_PRODUCT} IS ? AND {READ}"


class JournalReader:
    """A read-only view for reports; sees what is committed, as of each call.

    Every read transaction is short and fetched whole, since one that stays open would stop the writer's
    checkpoints. Not for use by two threads at once. Every method raises JournalError for what SQLite reports.
    """

    def __init__(self, path: Path, names: Names = NO_NAMES) -> None:
        """Opens an existing journal; `names`: what its stations were called before."""
        self._path = path
        self._names = names
        self._most_days = 0
        self._days: OrderedDict[tuple[StationId, int], list[tuple[int, Journaled]]] = OrderedDict()
        self._days_seq = 0
        try:
            self._connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            self._connection.set_busy_timeout(BUSY_MS)
            self._connection.pragma("wal_autocheckpoint", 0)
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            if check_identity(self._connection, path) != SCHEMA_VERSION:
                raise JournalError(
                    f"{path} has an older format: open it once with `mes run`, which brings it up to date"
                )
        except apsw.Error as error:
            raise failed(path, error) from error

    def keep_days(self, most: int) -> None:
        """Remembers the events of so many days of stations, for who goes along the journal and reads each day often."""
        self._most_days = most

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    def events(self, station: StationId, *, until: datetime | None = None) -> Iterator[Journaled]:
        """The events of a station in journal order, those of before `until` only where that is given."""
        statement = f"{CORRECTED} WHERE station = ? ORDER BY seq"
        values: tuple[str | int, ...] = (station,)
        if until is not None:
            statement = f"{CORRECTED} WHERE station = ? AND time_us < ? ORDER BY seq"
            values = (station, to_us(until))
        yield from self._decoded(statement, *values)

    def between(self, station: StationId, start: datetime, end: datetime) -> list[Journaled]:
        """A station's events of `[start, end)`, by their time, in journal order."""
        start_us, end_us = to_us(start), to_us(end)
        if not self._most_days or end_us - start_us > self._most_days * DAY_US:
            return self._decoded(f"{CORRECTED} WHERE {OF_TIME} ORDER BY seq", station, start_us, end_us)
        self._forget_days()
        found: list[Journaled] = []
        for day in range(start_us // DAY_US, -(-end_us // DAY_US)):
            events = self._day(station, day)
            if day * DAY_US < start_us or end_us < (day + 1) * DAY_US:
                found += [journaled for time_us, journaled in events if start_us <= time_us < end_us]
            else:
                found += [journaled for _, journaled in events]
        found.sort(key=lambda journaled: journaled.seq)
        return found

    def _day(self, station: StationId, day: int) -> list[tuple[int, Journaled]]:
        """The events of one day in UTC, each with the time by which it is found."""
        key = (station, day)
        if key not in self._days:
            values = (station, day * DAY_US, (day + 1) * DAY_US)
            events = self._decoded(f"{CORRECTED} WHERE {OF_TIME} ORDER BY seq", *values)
            times = dict(self._fetch_of(f"SELECT seq, time_us FROM event WHERE {OF_TIME}", *values))
            self._days[key] = [(times[journaled.seq], journaled) for journaled in events]
            if len(self._days) > self._most_days:
                self._days.popitem(last=False)
        self._days.move_to_end(key)
        return self._days[key]

    def _forget_days(self) -> None:
        """Those of the stations that have news."""
        seq = self.last_seq()
        if seq != self._days_seq:
            changed = self.changed_stations(self._days_seq)
            for key in [key for key in self._days if key[0] in changed]:
                del self._days[key]
            self._days_seq = seq

    def as_stamped(self, station: StationId, start: datetime, end: datetime) -> list[Journaled]:
        """The same as they were stamped, though that was by a clock that was ahead: so they were sent to sinks."""
        statement = f"{EVENT} WHERE station = ? AND time_us >= ? AND time_us < ? ORDER BY seq"
        read = [read_row(*row) for row in self._fetch_of(statement, station, to_us(start), to_us(end))]
        return [self._names.journaled(decoded) for decoded in read if isinstance(decoded, Journaled)]

    def states_before(self, station: StationId, instant: datetime, limit: int) -> list[Journaled]:
        """The last events before an instant that say what state a station is in, or that we are blind; newest first."""
        statement = f"{CORRECTED} WHERE station = ? AND time_us < ? AND {STATE_KINDS} ORDER BY time_us DESC"
        return self._first(limit, statement, station, to_us(instant))

    def states_from(self, station: StationId, instant: datetime, limit: int) -> list[Journaled]:
        """The first such events from an instant on, oldest first."""
        statement = f"{CORRECTED} WHERE station = ? AND time_us >= ? AND {STATE_KINDS} ORDER BY time_us"
        return self._first(limit, statement, station, to_us(instant))

    def links_before(self, station: StationId, instant: datetime) -> list[Journaled]:
        """The last two returns of the connection before an instant, and the first loss after each of them."""
        before = f"{CORRECTED} WHERE station = ? AND time_us < ?"
        last = f"{before} AND {RESTORED} "
        first = f"{before} AND {LOST} AND time_us >= ? "
        returns = self._first(2, last + "ORDER BY time_us DESC", station, to_us(instant))
        since_us = [to_us(journaled.event.time) for journaled in returns]
        if len(since_us) < 2:
            since_us.append(EARLIEST_US)
        losses = [
            journaled
            for after_us in since_us
            for journaled in self._first(1, first + "ORDER BY time_us", station, to_us(instant), after_us)
        ]
        return [*returns, *losses]

    def judged_signals(self, station: StationId) -> list[str]:
        """The signals of a station whose quality ever changed, sorted."""
        # steps from signal to signal in the index, where DISTINCT would walk through all changes
        following = f"SELECT {SIGNAL} FROM event WHERE station = ? AND {QUALITIES} AND {SIGNAL} > ? ORDER BY 1 LIMIT 1"
        found: set[str] = set()
        for name in self._names.all_of(station):
            signal = ""
            while rows := self._fetch(following, name, signal):
                signal = str(rows[0][0])
                found.add(signal)
        return sorted(found)

    def qualities_before(self, station: StationId, instant: datetime, signals: Iterable[str]) -> list[Journaled]:
        """The last change of quality of each of some signals before an instant."""
        statement = f"{CORRECTED} WHERE station = ? AND {QUALITIES} AND {SIGNAL} = ? AND time_us < ?"
        last = f"{statement} ORDER BY time_us DESC, seq DESC"
        return [journaled for signal in signals for journaled in self._first(1, last, station, signal, to_us(instant))]

    def reaching(self, station: StationId, start: datetime, end: datetime) -> list[Journaled]:
        """Events that bear on a part of `[start, end)` though they may have happened at another time."""
        statement = f"{CORRECTED} WHERE station = ? AND to_us >= ? AND from_us <> to_us AND from_us < ? ORDER BY seq"
        return self._decoded(statement, station, to_us(start), to_us(end))

    def closings(self, station: StationId) -> list[Journaled]:
        """Every closing and reopening of a station's shifts, in journal order."""
        statement = f"{CORRECTED} WHERE station = ? AND from_us <> to_us AND kind IN {CLOSINGS} ORDER BY seq"
        return self._decoded(statement, station)

    def same_instant(self, station: StationId, kind: str, instant: datetime) -> list[Journaled]:
        """A station's events of one kind at one instant."""
        statement = f"{CORRECTED} WHERE station = ? AND time_us = ? AND kind = ?"
        return self._decoded(statement, station, to_us(instant), kind)

    def one_of_each_count(self, station: StationId) -> list[Journaled]:
        """The first event of each kind of totaliser that the station has, as they were journaled."""
        statement = f"{CORRECTED} WHERE station = ? AND {COUNT_KIND} = ? AND {COUNTS} ORDER BY seq"
        return [journaled for kind in CountKind for journaled in self._first(1, statement, station, kind.value)]

    def refused(self, sink: str) -> list[RejectedPoint]:
        """The lines that a sink refuses by themselves, the oldest first."""
        return [RejectedPoint(*row) for row in self._fetch(REFUSED, sink)]

    def unreconciled_counts(self) -> list[Journaled]:
        """Every count that could not be decided, and every decision of a person about one, in journal order."""
        return self._decoded(f"{CORRECTED} WHERE {UNRECONCILED} ORDER BY seq")

    def counts_around(
        self, station: StationId, totaliser: TotaliserId, seq: int
    ) -> tuple[Journaled | None, Journaled | None]:
        """The last reading of a totaliser before a number in the journal that counted, and the first one after it."""
        kind, product = kind_and_product(totaliser)
        before = self._first(1, f"{OF_TOTALISER} AND seq < ? ORDER BY seq DESC", station, kind.value, product, seq)
        after = self._first(1, f"{OF_TOTALISER} AND seq > ? ORDER BY seq", station, kind.value, product, seq)
        return (before[0] if before else None, after[0] if after else None)

    def station_states(self) -> dict[StationId, bytes]:
        """Every station's state as the collector wrote it last."""
        return self._names.states({StationId(name): body for name, body in self._fetch(SELECT_STATES)})

    def of_unit(self, unit: UnitId) -> list[Journaled]:
        """What was seen of a unit at all stations, in journal order."""
        return self._decoded(f"{CORRECTED} WHERE {UNIT} = ? AND {UNIT_KINDS} ORDER BY seq", unit)

    def units_of(self, station: StationId) -> list[Journaled]:
        """All units that were finished at a station, in the order of time."""
        return self._decoded(f"{CORRECTED} WHERE station = ? AND {COMPLETED} ORDER BY time_us, seq", station)

    def earliest_affected(self, station: StationId, after_seq: int) -> datetime | None:
        """The first instant on which the events after a sequence number bear; None if there are none."""
        statement = "SELECT min(from_us) FROM event WHERE station = ? AND seq > ?"
        found = self._fetch_of(statement, station, after_seq)[0][0]
        return None if found is None else from_us(found)

    def span_of(self, station: StationId) -> Interval | None:
        """From the first instant that an event of a station bears on to the last event's time; None without events.

        What persons say of it later is nothing that was seen.
        """
        first = self._least(f"SELECT min(time_us) {SEEN_OF_STATION}", station)
        last = self._greatest(f"SELECT max(time_us) {SEEN_OF_STATION}", station)
        if first is None or last is None:
            return None
        begins = self._least(f"SELECT min(from_us) {SEEN_OF_STATION} AND from_us <> to_us", station)
        return Interval(from_us(first if begins is None else min(first, begins)), from_us(last))

    def stretches(self, station: StationId, apart: timedelta) -> list[Interval]:
        """From the first to the last of all things seen that are no further than `apart` from the next; in order.

        What bears on a time before its own, by less than `apart`, belongs to it.
        """
        found: list[Interval] = []
        # by where it begins, in the index: few events begin before the first one
        begins = f"SELECT min(from_us) {SEEN_OF_STATION} AND from_us <> to_us AND from_us BETWEEN ? AND ?"
        for stretch in self._stretches(SEEN_OF_STATION, station, apart):
            start_us = to_us(stretch.start)
            apart_us = apart // MICROSECOND
            values = (start_us - apart_us, start_us, start_us, apart_us)
            begins_us = self._least(f"{begins} AND to_us >= ? AND to_us - from_us <= ?", station, *values)
            start = stretch.start if begins_us is None else min(stretch.start, from_us(begins_us))
            if found and start <= found[-1].end:
                start = found.pop().start
            found.append(Interval(start, stretch.end))
        return found

    def measured_stretches(self, station: StationId, apart: timedelta) -> list[Interval]:
        """The same of the process values that are kept."""
        return self._stretches("FROM telemetry WHERE station = ?", station, apart)

    def last_before(self, station: StationId, instant: datetime) -> datetime | None:
        """When the last thing before an instant was seen of a station."""
        last = self._greatest(f"SELECT max(time_us) {SEEN_OF_STATION} AND time_us < ?", station, to_us(instant))
        return None if last is None else from_us(last)

    def _stretches(self, rows: str, station: StationId, apart: timedelta) -> list[Interval]:
        """Steps through the index from silence to silence, and reads none of what lies between them."""
        of = f"{rows} AND time_us"
        last = f"SELECT max(time_us) {of} <= ?"
        apart_us = apart // MICROSECOND
        found: list[Interval] = []
        start_us = self._least(f"SELECT min(time_us) {of} >= ?", station, EARLIEST_US)
        while start_us is not None:
            end_us = start_us
            while (last_us := self._greatest(last, station, end_us + apart_us)) is not None and last_us > end_us:
                end_us = last_us
            found.append(Interval(from_us(start_us), from_us(end_us)))
            start_us = self._least(f"SELECT min(time_us) {of} > ?", station, end_us)
        return found

    def process_values(self, station: StationId, start: datetime, end: datetime) -> list[ProcessValue]:
        """The telemetry of a station in `[start, end)`, in the order of time."""
        return [value for _, value in self.numbered_process_values(station, start, end)]

    def numbered_process_values(
        self, station: StationId, start: datetime, end: datetime
    ) -> list[tuple[int, ProcessValue]]:
        """The same with their rows' numbers, which are a part of their identity at a sink."""
        statement = (
            "SELECT id, name, time_us, value FROM telemetry WHERE station = ? AND time_us >= ? AND time_us < ? "
            "ORDER BY time_us, id"
        )
        return [
            (row, ProcessValue(station=station, name=name, time=from_us(time_us), value=value))
            for row, name, time_us, value in self._fetch_of(statement, station, to_us(start), to_us(end))
        ]

    def read(self, after: int, limit: int) -> list[Journaled]:
        """At most `limit` events after sequence number `after`, in order."""
        found = read_events(self._connection, self._path, after, limit)
        last = found[-1].seq if found else after
        statement = "SELECT seq, received_us FROM event WHERE seq > ? AND seq <= ?"
        received = {int(seq): received_us for seq, received_us in self._fetch(statement, after, last)}
        return [self._names.journaled(corrected(journaled, received.get(journaled.seq))) for journaled in found]

    def read_rows(self, after: int, limit: int) -> list[Journaled | Unreadable]:
        """The same, and what this version cannot read, with station and time as far as they are known."""
        rows = self._fetch(f"{CORRECTED} WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)
        found = [read_corrected(*row) for row in rows]
        return [self._placed(read) if isinstance(read, Unreadable) else self._names.journaled(read) for read in found]

    def _decoded(self, statement: str, *values: str | int | None) -> list[Journaled]:
        """All events; a change of state that cannot be read says at least that the state is not known from then on."""
        read = [read_corrected(*row) for row in self._fetch_of(statement, *values)]
        if not any(isinstance(decoded, Unreadable) for decoded in read):
            return [self._names.journaled(decoded) for decoded in read if isinstance(decoded, Journaled)]
        known = [self._stand_in(decoded) if isinstance(decoded, Unreadable) else decoded for decoded in read]
        return [self._names.journaled(journaled) for journaled in known if journaled is not None]

    def _first(self, limit: int, statement: str, *values: str | int | None) -> list[Journaled]:
        """The first events of an answer, at most `limit`, whatever stands between them."""
        asked = limit
        while True:
            rows = f"{statement} LIMIT {int(asked)}"
            found = self._decoded(rows, *values)
            if len(found) >= limit or len(self._fetch_of(f"SELECT 1 FROM ({rows})", *values)) < asked:
                return found[:limit]
            asked += max(limit, asked)

    def holds(self, row: EventRow) -> bool:
        """Whether there is such a row, whatever its number."""
        station, kind, time_us, *_, body = row
        written: object = body
        statement = "SELECT 1 FROM event WHERE station = ? AND time_us = ? AND kind = ? AND CAST(body AS BLOB) = ?"
        return bool(
            self._fetch(statement, station, time_us, kind, written if isinstance(written, bytes) else body.encode())
        )

    def raw(self, seq: int) -> RawRow:
        """A row as it is in the file: station, kind, times in microseconds, body."""
        return fetch(self._connection, self._path, RAW, seq)[0]

    def _placed(self, row: Unreadable) -> Unreadable:
        return placed(self._connection, self._path, row)

    def _stand_in(self, row: Unreadable) -> Journaled | None:
        if row.kind != "state_changed":
            return None
        where = self._placed(row)
        if where.time is None:
            return None
        unknown = StateChanged(
            station=StationId(where.station),
            time=where.time,
            received_time=where.time,
            time_source=TimeSource.EDGE,
            state=State.NO_DATA,
            raw=UNREADABLE_STATE,
        )
        return Journaled(row.seq, unknown)

    def last_seq(self) -> int:
        """The number of the last committed event; 0 where there is none."""
        return int(self._fetch(SELECT_LAST_SEQ)[0][0])

    def was_collected(self) -> bool:
        """Whether a collector wrote here; else all events were imported, and no proof of life says how far they go."""
        return bool(self._fetch("SELECT 1 FROM observed LIMIT 1"))

    def damage(self) -> list[tuple[int, int]]:
        """The numbers of events that a damaged disk took, as stretches from the first to the last."""
        rows = self._fetch("SELECT first_seq, last_seq FROM damage ORDER BY first_seq")
        return [(int(first), int(last)) for first, last in rows]

    def after(self, seq: int, until: int) -> list[Journaled]:
        """The events of all stations after a sequence number, up to another, in journal order."""
        return self._decoded(f"{CORRECTED} WHERE seq > ? AND seq <= ? ORDER BY seq", seq, until)

    def changed_stations(self, after: int) -> frozenset[StationId]:
        """The stations that have events after a sequence number."""
        if after <= 0:
            return frozenset(self.stations())
        # by the number, never by a walk through the stations' index, which is all of the journal
        statement = "SELECT DISTINCT CAST(station AS BLOB) FROM event NOT INDEXED WHERE seq > ?"
        return frozenset(self._names.now(_station(row[0])) for row in self._fetch(statement, after))

    def last_process_value(self) -> int:
        """The number of the last process value that is kept; 0 without any."""
        return int(self._fetch("SELECT coalesce(max(id), 0) FROM telemetry")[0][0])

    def earliest_measured(self, after: int) -> datetime | None:
        """The earliest time of the process values after a number; None if there are none."""
        first = self._fetch("SELECT min(time_us) FROM telemetry WHERE id > ?", after)[0][0]
        return None if first is None else from_us(first)

    def measured(self) -> Interval | None:
        """From the first process value that is kept to the last, by their times; None without any."""
        first, last = self._fetch("SELECT min(time_us), max(time_us) FROM telemetry")[0]
        return None if first is None else Interval(from_us(first), from_us(last))

    def stations(self) -> tuple[StationId, ...]:
        """Every station that has events, by its present name."""
        return self._names.unique(self.written_stations())

    def unknown_stations(self, known: Collection[StationId]) -> tuple[StationId, ...]:
        """The stations that have events and are not `known`, the plant's file's: their history is in no report."""
        return tuple(station for station in self.stations() if station not in known)

    def written_stations(self) -> tuple[StationId, ...]:
        """Every station that has events, by the names that were written, in their order."""
        # steps from name to name in the index, where DISTINCT would walk through all of it
        found: list[StationId] = []
        name: bytes | None = b""
        following = "SELECT CAST(min(station) AS BLOB) FROM event WHERE station > CAST(? AS TEXT)"
        while name is not None:
            name = self._fetch(following, name)[0][0]
            if name is not None:
                found.append(_station(name))
        return tuple(found)

    def span(self) -> Interval | None:
        """From the first event's time to the latest that is known of any controller; None for an empty journal."""
        spans = [span for station in self.stations() if (span := self.span_of(station))]
        if not spans:
            return None
        start = min(span.start for span in spans)
        seen = [from_us(row[1]) for row in self._fetch(SELECT_OBSERVED)]
        return Interval(start, max(*(span.end for span in spans), *seen, start))

    def names_of(self, station: StationId) -> tuple[StationId, ...]:
        """The names under which a station's events are read, the present one first."""
        return self._names.all_of(station)

    def _least(self, statement: str, station: StationId, *values: int) -> int | None:
        """The least number under any name of a station: for each name one step in an index, together it were a walk."""
        return min(self._one_of_each_name(statement, station, *values), default=None)

    def _greatest(self, statement: str, station: StationId, *values: int) -> int | None:
        return max(self._one_of_each_name(statement, station, *values), default=None)

    def _one_of_each_name(self, statement: str, station: StationId, *values: int) -> list[int]:
        found = [self._fetch(statement, name, *values)[0][0] for name in self._names.all_of(station)]
        return [number for number in found if number is not None]

    def _fetch_of(self, statement: str, *values: str | int | None) -> list[tuple[Any, ...]]:
        """Rows of a station under all its names; the first value of such a statement is the station."""
        if self._names.present and values and "station = ?" in statement:
            names = self._names.all_of(StationId(str(values[0])))
            statement = statement.replace("station = ?", f"station IN ({', '.join('?' * len(names))})")
            values = (*names, *values[1:])
        return self._fetch(statement, *values)

    def _fetch(self, statement: str, *values: str | bytes | int | None) -> list[tuple[Any, ...]]:
        return fetch(self._connection, self._path, statement, *values)


def _station(name: bytes) -> StationId:
    return StationId(name.decode(errors="replace"))
