"""The journal as JSON lines, which other tools can write and read: one event a line (docs/journal-format.md)."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, cast, get_type_hints

import msgspec

from mes.errors import did_you_mean
from mes.journal.codec import KINDS, EventRow, Unreadable, encode_event
from mes.journal.reader import JournalReader, RawRow
from mes.model import CountReconciled, Journaled, StationEvent, UnitsCounted

UNREAD = "unread"  # a row of a newer version, or a damaged one
FORMAT, VERSION = "taktline-journal", 1
RENAMED = {"cycle_time": "cycle_s"}  # durations are seconds
LEVELS = 4  # site/area/line/station
# What a line may leave out beside what has a default in the event itself; `received_time` is the event's time.
DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "state_changed": {"raw": ""},
    "units_counted": {"previous_raw": None, "product": None, "flag": "normal"},
    "unit_completed": {"product": None, "result": "good", "cycle_s": None},
    "connection_lost": {"cause": "connection", "detail": ""},
    "connection_restored": {"cause": "connection"},
    "product_changed": {"product": None},
}
_kind_of = {event_type: kind for kind, event_type in KINDS.items()}


class Mistake(ValueError):
    """A line cannot be an event; the text says what is wrong and what to write."""


def header(exported: datetime) -> str:
    """The first line of an export."""
    return json.dumps({"format": FORMAT, "version": VERSION, "exported": _text(exported)})


def line(journaled: Journaled) -> str:
    """One event; its number in this journal is told, and ignored where it is imported."""
    event = journaled.event
    said: dict[str, object] = {"event": _kind_of[type(event)], "seq": journaled.seq}
    for attribute in fields(event):
        value = getattr(event, attribute.name)
        if attribute.name == "cycle_time":
            said["cycle_s"] = None if value is None else value.total_seconds()
        elif attribute.name == "totaliser_product" and value is None:
            continue  # most totalisers count every product
        else:
            said[attribute.name] = _plain(value)
    return json.dumps(said, ensure_ascii=False)


def unread_line(row: Unreadable, raw: RawRow) -> str:
    """A row that this version cannot read, as it is in the file; an import puts it back so."""
    station, kind, *times, body = (
        column.decode(errors="surrogateescape") if isinstance(column, bytes) else column for column in raw
    )
    columns = {"station": station, "kind": kind, "times_us": times, "body": body}
    return json.dumps({"event": row.kind, "seq": row.seq, UNREAD: columns})


def unread_rows(reader: JournalReader, lines: Iterable[str]) -> Iterator[EventRow]:
    """The rows of such lines that the journal does not hold yet. Raises Mistake."""
    for text in lines:
        if UNREAD not in text:
            continue
        said = json.loads(text).get(UNREAD)
        if said is None:
            continue
        row = _unread_row(said)
        if not reader.holds(row):
            yield row


def _unread_row(said: object) -> EventRow:
    if not isinstance(said, dict):
        raise Mistake(f"`{UNREAD}` is what an export wrote of a row that it could not read: leave it as it is")
    station, kind, times, body = (said.get(column) for column in ("station", "kind", "times_us", "body"))
    if not isinstance(times, list) or not all(isinstance(text, str) for text in (station, kind, body)):
        raise Mistake(f"`{UNREAD}` is what an export wrote of a row that it could not read: leave it as it is")
    time_us, received_us, from_us, to_us = (
        number if isinstance(number, int) else 0 for number in [*times, 0, 0, 0, 0][:4]
    )
    names = [str(name).encode(errors="replace").decode() for name in (station, kind)]
    return names[0], names[1], time_us, received_us, from_us, to_us, _as_it_was(str(body))


def _as_it_was(body: str) -> str:
    """Text, or the bytes that an export could not say as text, which the file takes as well."""
    if body.isascii() or not any("\udc80" <= character <= "\udcff" for character in body):
        return body
    return cast(str, body.encode(errors="surrogateescape"))


def _plain(value: object) -> object:
    return _text(value) if isinstance(value, datetime) else msgspec.to_builtins(value)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(slots=True)
class Lines:
    """Reads lines; counts without a totaliser reading are told apart where they are equal in everything else.

    The first of equal ones gets 1 for a reading, the next 2. So the same count stays the same whatever the order of
    lines and the rest of the file.
    """

    equal: dict[UnitsCounted, int] = field(default_factory=lambda: defaultdict(int))

    def event(self, text: str) -> StationEvent | None:
        """The event of a line; None for the header and for empty lines. Raises Mistake."""
        if not text.strip():
            return None
        try:
            said = json.loads(text)
        except ValueError as error:
            raise Mistake(f"this is no JSON ({error}); write one object in braces a line") from error
        if not isinstance(said, dict):
            raise Mistake("a line is an object in braces")
        if UNREAD in said:
            _unread_row(said[UNREAD])
            return None
        if "format" in said:
            _check_header(said)
            return None
        event = _event(said)
        if isinstance(event, UnitsCounted):
            return self._numbered(event, said)
        return event

    def _numbered(self, event: UnitsCounted, said: Mapping[str, object]) -> UnitsCounted:
        if said.get("raw") is not None:
            return event
        bare = replace(event, raw=0, received_time=event.time)
        self.equal[bare] += 1
        return replace(event, raw=self.equal[bare])


def _check_header(said: Mapping[str, object]) -> None:
    if said.get("format") != FORMAT or said.get("version") != VERSION:
        raise Mistake(f"this is not {FORMAT} of version {VERSION}: {said.get('format')} {said.get('version')}")


def _event(said: Mapping[str, Any]) -> StationEvent:
    kind = said.get("event")
    event_type = KINDS.get(kind) if isinstance(kind, str) else None
    if event_type is None or not isinstance(kind, str):
        raise Mistake(f"`event` is {kind!r}; {did_you_mean(kind, KINDS)}")
    names = {RENAMED.get(attribute.name, attribute.name): attribute for attribute in fields(event_type)}
    for unknown in said.keys() - names.keys() - {"event", "seq"}:
        raise Mistake(f"{kind} has no `{unknown}`; {did_you_mean(unknown, names)}")
    given = {"time_source": "controller", "received_time": said.get("time"), **DEFAULTS.get(kind, {}), **said}
    if kind == "units_counted" and given.get("raw") is None:
        given["raw"] = 0  # numbered by who reads all lines
    missing = [name for name, attribute in names.items() if name not in given and attribute.default is MISSING]
    if missing:
        raise Mistake(f"{kind} lacks {', '.join(f'`{name}`' for name in missing)}")
    for name in ("code", "raw"):
        if name in names and type(given.get(name)) is int and names[name].type is str:
            given[name] = str(given[name])
    return _checked(_converted(given, names, event_type))


def _converted(given: Mapping[str, Any], names: Iterable[str], event_type: type[StationEvent]) -> StationEvent:
    inner = {outer: name for name, outer in RENAMED.items()}
    plain = {inner.get(name, name): given[name] for name in names if name in given}
    if (cycle_s := plain.get("cycle_time")) is not None:
        if isinstance(cycle_s, bool) or not isinstance(cycle_s, int | float) or cycle_s < 0:
            raise Mistake(f"`cycle_s` is {cycle_s!r}; write seconds, 0 or more")
        plain["cycle_time"] = f"PT{cycle_s:.6f}S"
    try:
        event: StationEvent = msgspec.convert(plain, event_type)
    except msgspec.ValidationError as error:
        raise Mistake(_explained(str(error).replace("$.", ""), event_type)) from error
    return event


def _explained(text: str, event_type: type[StationEvent]) -> str:
    """What is wrong with a value; where only certain words may stand, which ones."""
    named = text.rpartition("`")[0].rpartition("`")[2]
    hint = get_type_hints(event_type).get(named)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"{text}; there is: {', '.join(map(str, hint))}"
    return text


def _checked(event: StationEvent) -> StationEvent:
    """Times in UTC, a whole path, stretches that do not end before they begin, counts that do not go backwards."""
    parts = event.station.split("/")
    if len(parts) != LEVELS or not all(parts):
        raise Mistake(f"`station` is {event.station!r}; write site/area/line/station")
    times = {}
    for attribute in fields(event):
        value = getattr(event, attribute.name)
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise Mistake(f"`{attribute.name}` has no zone; write it as 2026-03-02T08:00:00+05:00 or …Z")
            try:
                times[attribute.name] = value.astimezone(UTC)
            except OverflowError as error:
                raise Mistake(
                    f"`{attribute.name}` is {value.isoformat()}, which is no time of this calendar"
                ) from error
    since, start, end = (times.get(name) for name in ("since", "start", "end"))
    if since is not None and since > times["time"]:
        raise Mistake("`since` is later than `time`")
    if start is not None and end is not None and end < start:
        raise Mistake("`end` is before `start`")
    if isinstance(event, UnitsCounted | CountReconciled) and event.totaliser_product not in (None, event.product):
        raise Mistake(f"`product` is {event.product!r} where the totaliser counts {event.totaliser_product!r} alone")
    if isinstance(event, UnitsCounted) and event.delta < 0:
        raise Mistake(f"`delta` is {event.delta}; a count never goes down")
    if isinstance(event, CountReconciled) and event.parts < 0:
        raise Mistake(f"`parts` is {event.parts}; write 0 where nothing was made, or how many were")
    return replace(event, **times)  # type: ignore[arg-type]  # the names are its fields


def unknown_rows(reader: JournalReader, events: Sequence[StationEvent]) -> Iterator[EventRow]:
    """The rows of those events that the journal does not hold yet, once each; `received_time` makes no difference."""
    seen: set[StationEvent] = set()
    for event in events:
        bare = replace(event, received_time=event.time)
        if bare in seen:
            continue
        seen.add(bare)
        row = encode_event(event)
        held = reader.same_instant(event.station, row[1], event.time)
        if all(replace(journaled.event, received_time=event.time) != bare for journaled in held):
            yield row
