"""Gathers from a journal the counts that a person has to decide, with all that is known around each."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import itemgetter

from mes.collect.counters import CounterSetup, CounterState
from mes.collect.signals import CounterSignal, StationSetup
from mes.collect.station import readable_state
from mes.journal import JournalReader
from mes.model import CountReconciled, CountUnreconciled, Journaled, StationId, TotaliserId, UnitsCounted, totaliser_of
from mes.oee.count_decisions import CountKey, count_key
from mes.oee.unreconciled_counts import Around, Case, case

Key = tuple[StationId, TotaliserId]


def cases(reader: JournalReader, setups: Mapping[StationId, StationSetup]) -> list[Case]:
    """Every unreconciled count of a journal, decided or not, in the order of time; `setups`: the plant's stations."""
    counts = UnreconciledCounts(reader, setups)
    return counts.cases(counts.numbers())


class UnreconciledCounts:
    """The unreconciled counts of a journal, read once; what is around them is read for those that are asked for."""

    def __init__(self, reader: JournalReader, setups: Mapping[StationId, StationSetup]) -> None:
        self._reader = reader
        self._setups = setups
        self._said: dict[CountKey, list[CountReconciled]] = defaultdict(list)
        self._readings: dict[Key, list[tuple[int, CountUnreconciled]]] = defaultdict(list)
        for journaled in reader.unreconciled_counts():
            if isinstance(journaled.event, CountReconciled):
                self._said[count_key(journaled.event)].append(journaled.event)
            else:
                assert isinstance(journaled.event, CountUnreconciled)
                key = journaled.event.station, totaliser_of(journaled.event)
                self._readings[key].append((journaled.seq, journaled.event))

    def numbers(self, *, undecided: bool = False) -> list[int]:
        """Their numbers in the journal, the newest first; `undecided`: of those that no person has decided."""
        return sorted(
            (
                seq
                for readings in self._readings.values()
                for seq, event in readings
                if not (undecided and count_key(event) in self._said)
            ),
            reverse=True,
        )

    def cases(self, numbers: Collection[int]) -> list[Case]:
        """Those with these numbers, in the order of time."""
        wanted = frozenset(numbers)
        shown = _shown(self._reader)
        found = [
            case(seq, event, around, self._said.get(count_key(event), ()))
            for key, readings in self._readings.items()
            for seq, event, around in self._with_around(key, readings, wanted, shown.get(key))
        ]
        return sorted(found, key=lambda about: (about.event.time, about.seq))

    def _with_around(
        self,
        key: Key,
        readings: Sequence[tuple[int, CountUnreconciled]],
        wanted: frozenset[int],
        shown: CounterState | None,
    ) -> Iterator[tuple[int, CountUnreconciled, Around]]:
        """Those of one totaliser; what is around them is read once for all that lie between the same two counts."""
        setup = _setup(self._setups, key)
        around, until = None, -1  # what holds up to this number
        for seq, event in readings:
            if seq not in wanted:
                continue
            if around is None or seq > until:
                before, after = self._reader.counts_around(*key, seq)
                first = 0 if before is None else before.seq
                until = readings[-1][0] if after is None else after.seq
                begin, end = (bisect_right(readings, place, key=itemgetter(0)) for place in (first, until))
                unreconciled = [reading for _, reading in readings[begin:end]]
                around = Around(
                    unreconciled=unreconciled, before=_counted(before), after=_counted(after), shown=shown, setup=setup
                )
            yield seq, event, around


def _counted(journaled: Journaled | None) -> UnitsCounted | None:
    return journaled.event if journaled is not None and isinstance(journaled.event, UnitsCounted) else None


def _shown(reader: JournalReader) -> dict[Key, CounterState]:
    """What the collector knows of every totaliser."""
    return {
        (station, totaliser): counter
        for station, body in reader.station_states().items()
        if (state := readable_state(body)) is not None
        for totaliser, counter in state.counters.items()
    }


def _setup(setups: Mapping[StationId, StationSetup], key: Key) -> CounterSetup | None:
    setup = setups.get(key[0])
    signals = setup.signals.values() if setup is not None else ()
    return next(
        (signal.setup for signal in signals if isinstance(signal, CounterSignal) and signal.setup.totaliser == key[1]),
        None,
    )
