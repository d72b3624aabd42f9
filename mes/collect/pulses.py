"""A bit that a machine sets for each unit: its rising edges make a totaliser, and what was not watched is flagged.

A pulse leaves nothing behind. So whatever came while nobody looked is not known: a person decides, it is never zero.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from adapters.reading import Quality, Reading, TagId
from mes.collect.counting import read_counter
from mes.collect.observation import Work
from mes.collect.signals import CounterSignal
from mes.collect.values import truth
from mes.model import TimeSource, TotaliserId

FLAGGED_EVERY = timedelta(minutes=10)  # a device that is always too slow is told of so often


def read_pulse(work: Work, signal: CounterSignal, reading: Reading) -> None:
    """Counts a rising edge; after a time in which the bit was not seen, that time is flagged instead."""
    totaliser, state = signal.setup.totaliser, work.state
    level = truth(reading.value) if reading.quality is Quality.GOOD else None
    others = {other: known for other, known in state.levels.items() if other != totaliser}
    if level is None:
        work.state = replace(state, levels=others, unread={totaliser: reading.received_time, **state.unread})
        return
    before, counter = state.levels.get(totaliser), state.counters.get(totaliser)
    unseen = _unseen_since(work, totaliser)
    work.state = replace(state, levels={**others, totaliser: level})
    if counter is None:
        read_counter(work, signal.setup, replace(reading, value=0))
    elif unseen is not None:
        _watched_again(work, totaliser)
        _flag(work, signal, unseen, reading.received_time)
    elif reading.overflow:
        _flag(work, signal, counter.time, reading.received_time)
    elif level and not before:
        held = state.held.get(totaliser)
        raw = (counter if held is None else held).raw
        read_counter(work, signal.setup, replace(reading, value=raw // signal.setup.units_per_count + 1))


def flag_missed_pulses(work: Work) -> None:
    """Flags the time in which polls were so far apart that a whole pulse may have come and gone between two of them.

    A stretch of such polls is flagged once it is over, and every ten minutes while it lasts.
    """
    previous, now = work.seen.previous, work.seen.received_time
    for tag, signal in _pulses(work):
        if work.setup.elsewhere.get(tag) != work.seen.guest or signal.shortest_pulse is None:
            continue  # another controller was looked at, or one that tells every change
        totaliser = signal.setup.totaliser
        since = work.state.missed.get(totaliser)
        is_late = previous is not None and not work.seen.baseline and now - previous > signal.shortest_pulse
        until = now if is_late or previous is None else previous
        if since is None and is_late:
            since = previous
        if since is None:
            continue
        is_over = not is_late or until - since >= FLAGGED_EVERY
        if is_over:
            _flag(work, signal, since, until)
        others = {other: at for other, at in work.state.missed.items() if other != totaliser}
        work.state = replace(work.state, missed=others if is_over else {**others, totaliser: since})


def _pulses(work: Work) -> Iterator[tuple[TagId, CounterSignal]]:
    for tag, signal in work.setup.signals.items():
        if isinstance(signal, CounterSignal) and signal.pulse and signal.setup.totaliser in work.state.levels:
            yield tag, signal


def _unseen_since(work: Work, totaliser: TotaliserId) -> datetime | None:
    """Since when the bit was not seen, if it was not; None if it was watched all the time."""
    closed = work.state.closed
    in_gap = None if closed is None else closed.unseen.get(totaliser)
    return work.state.unread.get(totaliser) if in_gap is None else in_gap


def _watched_again(work: Work, totaliser: TotaliserId) -> None:
    state = work.state
    unread = {other: since for other, since in state.unread.items() if other != totaliser}
    closed = state.closed
    if closed is not None:
        closed = replace(closed, unseen={other: at for other, at in closed.unseen.items() if other != totaliser})
    work.state = replace(state, unread=unread, closed=closed)


def _flag(work: Work, signal: CounterSignal, since: datetime, until: datetime) -> None:
    counter = work.state.counters[signal.setup.totaliser]
    lasted = timedelta(seconds=round((until - since).total_seconds()))
    work.unreconciled(
        signal.setup.totaliser,
        (until, TimeSource.EDGE),
        raw=counter.raw,
        previous_raw=counter.raw,
        explanation=f"the bit was not watched from {since} for {lasted}: pulses in this time are not known",
    )
