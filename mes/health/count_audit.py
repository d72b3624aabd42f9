"""The count audit of every totaliser: follows the journal and holds its counts against the controller and the sink."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NoReturn, Protocol

from mes.collect.signals import CounterSignal
from mes.collect.station import StationSetup, readable_state
from mes.health.status import CountAuditLine
from mes.journal import JournalReader
from mes.journal.codec import Unreadable
from mes.journal.consumers import stretches
from mes.journal.names import NO_NAMES, Names
from mes.logs import get_logger
from mes.model import (
    CountEvent,
    CountFlag,
    CountReconciled,
    CountUnreconciled,
    Journaled,
    StationId,
    TotaliserId,
    UnitsCounted,
    kind_and_product,
    totaliser_of,
)
from mes.oee.count_decisions import CountKey, count_key, keep, leading
from mes.stopping import in_thread

log = get_logger()

NAMED = 5  # events that cannot be read, in a sentence
CHUNK = 2000  # events that are read at once: some ten milliseconds of a thread
FOLLOW_EVERY_S = 5.0

Key = tuple[StationId, TotaliserId]
Told = CountEvent | Unreadable


class Followed(Protocol):
    """What the count audit needs of the running journal."""

    @property
    def last_seq(self) -> int:
        """Of the last committed event."""
        ...

    async def station_states(self) -> Mapping[StationId, bytes]:
        """Every station's state as it was last written."""
        ...

    async def cursors(self) -> Mapping[str, int]:
        """Where every consumer stands."""
        ...


def moduli(setups: Mapping[StationId, StationSetup]) -> dict[Key, int]:
    """Where each configured totaliser wraps."""
    return {
        (station, signal.setup.totaliser): signal.setup.modulus
        for station, setup in setups.items()
        for signal in setup.signals.values()
        if isinstance(signal, CounterSignal)
    }


@dataclass(slots=True)
class Account:
    """One totaliser as its events tell it, in the order of the journal; CountAuditLine says what the figures mean.

    Each event says from where to where the totaliser moved, so the moves must join without a break. Each must be as
    long as what it counted, except for the turn of a rollover and the fall of a reset. A move that could not be decided
    is as long as a person says. `seq`: of the last event.
    """

    modulus: int | None = None
    seq: int = 0
    baseline: int | None = None
    last: int | None = None  # where the last event left the totaliser
    recorded: int = 0
    resets: int = 0
    rollovers: int = 0
    difference: int = 0
    unreconciled: dict[int, CountUnreconciled] = field(default_factory=dict)  # by value, since the last count, in order
    moves: dict[CountKey, int] = field(default_factory=dict)  # of the totaliser, that nobody has decided
    decided: dict[CountKey, CountReconciled] = field(default_factory=dict)
    shown: int | None = None  # the collector's state
    unrecorded: int = 0  # by how much it is ahead of the events in silence
    undecided: int = 0  # and by how much as was said

    def take(self, seq: int, event: CountEvent) -> None:
        """The next event."""
        self.seq = seq
        self.unrecorded = self.undecided = 0
        if isinstance(event, CountReconciled):
            keep(self.decided, event)
            self.moves.pop(count_key(event), None)
            return
        if isinstance(event, CountUnreconciled):
            self.unreconciled.pop(event.raw, None)
            self.unreconciled[event.raw] = event
            return
        if event.flag is CountFlag.REMAPPED:
            self._leave(self.unreconciled.pop(event.raw, None))
            self.last = self.shown = event.raw
            return
        self.recorded += event.delta
        if event.previous_raw is None and event.flag is not CountFlag.BASELINE:
            return  # an imported count: nobody read a totaliser
        self._joins(event.raw if event.previous_raw is None else event.previous_raw)
        self.unreconciled.clear()
        if event.previous_raw is not None:
            self._moved(event, event.raw - event.previous_raw)
        self.shown = self.last = event.raw

    def compare(self, raw: int, suspect: int | None) -> None:
        """The collector's state as of the last event, or later with no event of this totaliser in between."""
        self.shown = raw
        ahead = 0 if self.last is None else raw - self.last
        is_unreconciled = raw in self.unreconciled
        self.unrecorded = 0 if is_unreconciled else ahead
        self.undecided = sum(self._undecided(raw, ahead).values()) if is_unreconciled else 0
        if suspect is not None and not self._is_decided(suspect):
            self.undecided += suspect - raw

    @property
    def counted(self) -> int:
        """Units that were counted, and those that persons decided."""
        return self.recorded + sum(decision.parts for decision in self.decided.values())

    def line(self, key: Key, stored: int | None) -> CountAuditLine:
        """The audit as it stands."""
        kind, product = kind_and_product(key[1])
        return CountAuditLine(
            station=key[0],
            kind=kind,
            product=product,
            baseline_raw=self.baseline,
            totaliser_raw=self.shown,
            counted=self.counted,
            resets=self.resets,
            rollovers=self.rollovers,
            unreconciled=sum(self.moves.values()) + self.undecided,
            difference=None if self.seq == 0 else self.difference + self.unrecorded,
            stored=stored,
        )

    def _joins(self, raw: int) -> None:
        """A move that begins at `raw`: where the last one ended, or elsewhere, as was said before or in silence."""
        if self.last is None:
            self.baseline = raw
        elif raw in self.unreconciled:
            self.moves |= self._undecided(raw, raw - self.last)
        else:
            self.difference += raw - self.last

    def _leave(self, said: CountUnreconciled | None) -> None:
        """Another place is read from here on, as was `said`: the step to its first value is no part of the audit."""
        if said is not None:
            self._joins(said.previous_raw)
        self.unreconciled.clear()

    def _undecided(self, raw: int, moved: int) -> dict[CountKey, int]:
        """The open ones that lead to `raw`, each with its part of what the totaliser `moved`."""
        led = leading(list(self.unreconciled.values()), self.last, raw)
        parts = {count_key(event): event.raw - event.previous_raw for event in led}
        if led:  # should the first not begin where the last count ended, the way there is its own
            parts[count_key(led[-1])] += moved - sum(parts.values())
        return {about: part for about, part in parts.items() if about not in self.decided}

    def _is_decided(self, raw: int) -> bool:
        return raw in self.unreconciled and count_key(self.unreconciled[raw]) in self.decided

    def _moved(self, event: UnitsCounted, moved: int) -> None:
        over = moved - event.delta
        if over and event.flag is CountFlag.RESET:
            self.resets += 1
        elif over and event.flag is CountFlag.ROLLOVER and self.modulus in (None, -over):
            self.rollovers += 1
        else:
            self.difference += over


@dataclass(slots=True)
class _Tally:
    """Units of each totaliser in the events of a stretch, as far as it was read, and what persons decided there."""

    position: int
    units: dict[Key, int] = field(default_factory=dict)
    decided: dict[CountKey, CountReconciled] = field(default_factory=dict)

    def take(self, seq: int, event: CountEvent | Unreadable) -> None:
        self.position = seq
        if isinstance(event, UnitsCounted):
            key = (event.station, totaliser_of(event))
            self.units[key] = self.units.get(key, 0) + event.delta
        elif isinstance(event, CountReconciled):
            keep(self.decided, event)


@dataclass(slots=True)
class Unread:
    """How many events of the journal this version cannot read, and the first of them."""

    damaged: int = 0
    newer: int = 0
    first: list[Unreadable] = field(default_factory=list)
    _logged: tuple[int, int] = (0, 0)

    def note(self, row: Unreadable) -> None:
        """One more."""
        self.newer += row.newer
        self.damaged += not row.newer
        if len(self.first) < NAMED:
            self.first.append(row)

    def sentences(self) -> dict[str, str]:
        """For health and the board: what is passed over, under `events` the damaged ones, those of others apart."""
        found = {}
        if self.damaged:
            found["events"] = self._sentence(self.damaged, "cannot be read", newer=False)
        if self.newer:
            found["newer"] = self._sentence(self.newer, "written by a newer version", newer=True)
        return found

    def log(self) -> None:
        """One line whenever there are more than before."""
        if self._logged == (self.damaged, self.newer):
            return
        self._logged = (self.damaged, self.newer)
        for sentence in self.sentences().values():
            log.error("journal_events_passed_over", detail=sentence, remedy="`mes journal check` lists them all")

    def _sentence(self, number: int, what: str, *, newer: bool) -> str:
        named = "; ".join(str(unreadable) for unreadable in self.first if unreadable.newer is newer)
        return f"{number} {what}: {named}"


class CountAudit:
    """Keeps every account incrementally: reads each event once, in a thread, and leaves the collecting its share.

    `lines` is empty until the journal has been read through once. Lives in the event loop.
    """

    def __init__(
        self,
        path: Path,
        journal: Followed,
        *,
        moduli: Mapping[Key, int] | None = None,
        consumer: str | None = None,
        names: Names = NO_NAMES,
    ) -> None:
        """Reads nothing yet. `moduli`: where totalisers wrap; a rollover of another length is a difference.

        `consumer`: whose cursor says what is stored; None where there is no sink. `names`: what stations were called
        before.
        """
        self.position = 0  # of the last event that is in the audit
        self.damaged_events = 0
        self.unread = Unread()
        self.oldest_not_stored: datetime | None = None  # when the oldest event was received that the sink lacks
        self._path = path
        self._journal = journal
        self._moduli = moduli or {}
        self._consumer = consumer
        self._names = names
        self._accounts: dict[Key, Account] = {}
        self._stored: dict[int, _Tally] = {}
        self._complete = False

    def lines(self) -> tuple[CountAuditLine, ...]:
        """All accounts, by station and totaliser."""
        if not self._complete:
            return ()
        return tuple(self._accounts[key].line(key, self._stored_units(key)) for key in sorted(self._accounts))

    def use(self, moduli: Mapping[Key, int]) -> None:
        """Takes over where totalisers wrap by another configuration, for what comes from now on."""
        self._moduli = moduli
        for key, account in self._accounts.items():
            account.modulus = moduli.get(key)

    async def follow(self, *, every_s: float = FOLLOW_EVERY_S) -> NoReturn:
        """Keeps the audit up to date for ever; raises JournalError."""
        while True:
            await self.catch_up()
            await asyncio.sleep(every_s)

    async def catch_up(self) -> None:
        """Up to the journal's present end, and then against the states of the stations. Raises JournalError."""
        before = self._journal.last_seq
        states = await self._journal.station_states()
        until = self._journal.last_seq
        if self._consumer is not None:
            await self._catch_up_sink(await self._journal.cursors(), self._consumer, until)
        await self._read_on(until)
        self.damaged_events = await in_thread(_damaged, self._path)
        self.unread.log()
        # What was counted after the states were asked for may or may not be in them; it is compared next time.
        for station, body in states.items():
            state = readable_state(body)
            for totaliser, counter in state.counters.items() if state is not None else ():
                account = self._account((station, totaliser))
                if account.seq <= before:
                    account.compare(counter.raw, counter.suspect_raw)
        self._complete = True

    async def _catch_up_sink(self, cursors: Mapping[str, int], consumer: str, until: int) -> None:
        done = stretches(cursors, consumer)
        self._stored = {after: self._stored.get(after, _Tally(after)) for after, _ in done}
        for after, end in done:
            end = min(end, until)
            tally = self._stored[after]
            if after == 0 and end >= self.position:  # the accounts pass by there themselves: nothing is read twice
                await self._read_on(end)
                units = {key: account.recorded for key, account in self._accounts.items()}
                words = {about: said for account in self._accounts.values() for about, said in account.decided.items()}
                self._stored[0] = _Tally(end, units, words)
            elif end > tally.position:
                await _walk(self._path, self._names, tally.position, end, tally.take)
                tally.position = end
        first = min(done[0][1], until)
        self.oldest_not_stored = await in_thread(_received_after, self._path, first) if first < until else None

    async def _read_on(self, until: int) -> None:
        if until > self.position:
            await _walk(self._path, self._names, self.position, until, self._take)
            self.position = until

    def _take(self, seq: int, event: CountEvent | Unreadable) -> None:
        if isinstance(event, Unreadable):
            self.unread.note(event)
        else:
            self._account((event.station, totaliser_of(event))).take(seq, event)
        self.position = seq

    def _account(self, key: Key) -> Account:
        return self._accounts.setdefault(key, Account(self._moduli.get(key)))

    def _stored_units(self, key: Key) -> int | None:
        if self._consumer is None:
            return None
        held: dict[CountKey, CountReconciled] = {}
        for after in sorted(self._stored):
            for said in self._stored[after].decided.values():
                keep(held, said)
        decided = sum(about.parts for about in held.values() if (about.station, totaliser_of(about)) == key)
        return decided + sum(tally.units.get(key, 0) for tally in self._stored.values())


async def _walk(
    path: Path, names: Names, after: int, until: int, take: Callable[[int, CountEvent | Unreadable], None]
) -> None:
    """Gives out the counts of a stretch in order; rests as long as each chunk took, for the collecting comes first."""
    while after < until:
        began = time.monotonic()
        after, counts = await in_thread(_counts, path, names, after, until)
        for seq, event in counts:
            take(seq, event)
        if after < until:
            await asyncio.sleep(time.monotonic() - began)


def _counts(
    path: Path, names: Names, after: int, until: int
) -> tuple[int, Sequence[tuple[int, CountEvent | Unreadable]]]:
    """The counts of one chunk, what in it cannot be read, and up to where it goes."""
    with JournalReader(path, names) as reader:
        found = reader.read_rows(after, CHUNK)
    # what a damaged disk took has left holes
    reached = min(until, found[-1].seq) if len(found) == CHUNK else until
    told = [(read.seq, read.event if isinstance(read, Journaled) else read) for read in found if read.seq <= until]
    return reached, [(seq, event) for seq, event in told if isinstance(event, Told)]


def _received_after(path: Path, after: int) -> datetime | None:
    with JournalReader(path) as reader:
        found = reader.read(after, 1)
    return found[0].event.received_time if found else None


def _damaged(path: Path) -> int:
    with JournalReader(path) as reader:
        return sum(last - first + 1 for first, last in reader.damage())
