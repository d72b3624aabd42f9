"""Gathers from a journal the counts that a person has to decide, with all that is known around each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from mes.collect.counters import CounterSetup, CounterState
from mes.collect.signals import CounterSignal, StationSetup
from mes.collect.station import readable_state
from mes.journal import JournalReader
from mes.model import CountKind, CountReconciled, CountUnreconciled, Journaled, StationId, UnitsCounted
from mes.oee.count_decisions import CountKey, count_key
from mes.oee.unreconciled_counts import Around, Case, case

Key = tuple[StationId, CountKind]


def cases(reader: JournalReader, setups: Mapping[StationId, StationSetup]) -> list[Case]:
    """Every unreconciled count of a journal, decided or not, in the order of time; `setups`: the plant's stations."""
    told = reader.unreconciled_counts()
    said: dict[CountKey, list[CountReconciled]] = defaultdict(list)
    unreconciled: dict[Key, list[tuple[int, CountUnreconciled]]] = defaultdict(list)
    for journaled in told:
        if isinstance(journaled.event, CountReconciled):
            said[count_key(journaled.event)].append(journaled.event)
        else:
            assert isinstance(journaled.event, CountUnreconciled)
            unreconciled[journaled.event.station, journaled.event.kind].append((journaled.seq, journaled.event))
    shown = _shown(reader)
    found = []
    for key, readings in unreconciled.items():
        setup = _setup(setups, key)
        for seq, event in readings:
            around = _around(reader, key, seq, readings, shown.get(key), setup)
            found.append(case(seq, event, around, said[count_key(event)]))
    return sorted(found, key=lambda journaled: (journaled.event.time, journaled.seq))


def _around(
    reader: JournalReader,
    key: Key,
    seq: int,
    readings: Sequence[tuple[int, CountUnreconciled]],
    shown: CounterState | None,
    setup: CounterSetup | None,
) -> Around:
    before, after = reader.counts_around(*key, seq)
    first = 0 if before is None else before.seq
    last = readings[-1][0] if after is None else after.seq
    return Around(
        unreconciled=[event for place, event in readings if first < place <= last],
        before=_counted(before),
        after=_counted(after),
        shown=shown,
        setup=setup,
    )


def _counted(journaled: Journaled | None) -> UnitsCounted | None:
    return journaled.event if journaled is not None and isinstance(journaled.event, UnitsCounted) else None


def _shown(reader: JournalReader) -> dict[Key, CounterState]:
    """What the collector knows of every totaliser."""
    return {
        (station, kind): counter
        for station, body in reader.station_states().items()
        if (state := readable_state(body)) is not None
        for kind, counter in state.counters.items()
    }


def _setup(setups: Mapping[StationId, StationSetup], key: Key) -> CounterSetup | None:
    setup = setups.get(key[0])
    signals = setup.signals.values() if setup is not None else ()
    return next(
        (signal.setup for signal in signals if isinstance(signal, CounterSignal) and signal.setup.kind is key[1]), None
    )
