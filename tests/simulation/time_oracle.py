"""Holds the states that the journal shows of each second against the plant's states and the looks that reached us.

It knows nothing of how gaps are decided. A second is known if a look covers it: the world notes each of them
(`observations`). What the journal shows is read as a report reads it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from mes.journal import JournalReader
from mes.model import State, StationId
from mes.oee.timeline import timeline
from simulation.controllers import Controller
from simulation.faults import START
from simulation.ledger import Ledger
from simulation.observations import (
    ALIVE_WITHIN_S,
    CLOCK_RIGHT_S,
    POLL_S,
    POLLED_UNKNOWN_S,
    ClockStretch,
    Observations,
    Stretch,
)
from simulators.truth import StateSpan, Truth

DAY_S = 86_400.0
SHOWN = 5  # problems of one station that are told in full
LEAST_S = 0.05  # shorter pieces are roundings
STAMPED_S = 0.3  # what is stamped by the controller
PUBLISHED_S = 3.0  # a publish comes within two seconds; a controller's clock is believed within two
BLOCKS_S = 2.0  # a poll is answered in two blocks within this time
POLLED_S = POLL_S + BLOCKS_S
CLOCK_SETTLES_S = 600.0  # after a step of a controller's clock its offset is measured again
BELIEVED_S = 2.0  # documented: `max_source_offset_s` of the plant's file


@dataclass(frozen=True, slots=True)
class _Clock:
    """The program's clock, in the plant's time; sorted and disjoint.

    `dated`: how many seconds later than it was the journal says that something was. Between these stretches the times
    of several clocks lie one over the other, and nothing can be judged. `undated`: when the clock was off by more than
    a day. The time of what the program saw then is not known, so all of it has to be no data.
    """

    dated: Sequence[ClockStretch]
    undated: Sequence[Stretch]

    def at(self, at_s: float) -> ClockStretch | None:
        """The stretch that an instant is in; None where nothing can be judged."""
        place = bisect_right(self.dated, at_s, key=lambda stretch: stretch.begin_s) - 1
        return self.dated[place] if place >= 0 and at_s < self.dated[place].end_s else None


@dataclass(frozen=True, slots=True)
class _Known:
    """What there is to know of one station, in the plant's time; all stretches are sorted and disjoint.

    `starts`, `states`: when each state began. `near`: around changes of state, one observation interval each; `edges`:
    the same around the ends of what is unknown.
    """

    unknown: Sequence[Stretch]
    edges: Sequence[Stretch]
    near: Sequence[Stretch]
    starts: Sequence[float]
    states: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the journal shows of one station: when each state begins, by the program's clock."""

    starts: Sequence[float]
    states: Sequence[State]

    def at(self, at_s: float) -> State:
        """The state that is shown at an instant by the program's clock."""
        place = bisect_right(self.starts, at_s) - 1
        return self.states[place] if place >= 0 else State.NO_DATA


def judge_time(path: Path, plc: Controller, truth: Truth, length_s: float, ledger: Ledger) -> None:
    """All stations of one controller, from the start to `length_s` simulated seconds later."""
    clock = _clock(plc.seen.clocks, length_s)
    with JournalReader(path) as reader:
        for code, spec in plc.stations.items():
            known = _known(plc.seen, code, truth.states(spec.path), clock, length_s)
            spans = timeline(reader.events(StationId(spec.path))).states(START + timedelta(seconds=length_s + DAY_S))
            starts = [(span.interval.start - START).total_seconds() for span in spans]
            shown = _Shown(starts, [span.state for span in spans])
            _judge_station(spec.path, known, shown, clock, length_s, ledger)


def _judge_station(path: str, known: _Known, shown: _Shown, clock: _Clock, length_s: float, ledger: Ledger) -> None:
    times, problems = ledger.time, []
    for begin_s, end_s in _pieces(known, shown, clock, length_s):
        for_s, middle_s = end_s - begin_s, (begin_s + end_s) / 2
        by = clock.at(middle_s)
        if by is None:
            times.wrong_clock += for_s
            continue
        real = known.states[bisect_right(known.starts, middle_s) - 1]
        state = shown.at(middle_s + by.offset_s)
        times.judged += for_s
        is_dark, is_unknown = state is State.NO_DATA, _in(known.unknown, middle_s)
        if is_dark and is_unknown:
            times.unknown += for_s
        elif is_dark:
            times.dark += for_s
        elif _in(known.edges if is_unknown else known.near, middle_s):
            times.near += for_s if is_unknown or str(state) != real else 0.0
        elif for_s < LEAST_S:
            continue
        elif is_unknown:
            times.unknown_shown += for_s
            problems.append(f"{begin_s:.1f} to {end_s:.1f} s is not known and shown as {state}")
        elif str(state) != real:
            times.wrong += for_s
            problems.append(f"{begin_s:.1f} to {end_s:.1f} s is shown as {state} and was {real}")
    if problems:
        ledger.problem(f"{path}: {len(problems)} stretches are shown wrong: {'; '.join(problems[:SHOWN])}")


def _pieces(known: _Known, shown: _Shown, clock: _Clock, length_s: float) -> Iterator[Stretch]:
    """The whole time, cut wherever anything changes."""
    cuts = {0.0, length_s, *known.starts}
    for stretches in (known.unknown, known.edges, known.near):
        cuts.update(at_s for stretch in stretches for at_s in stretch)
    for stretch in clock.dated:
        cuts.update((stretch.begin_s, stretch.end_s))
        first = bisect_left(shown.starts, stretch.begin_s + stretch.offset_s)
        last = bisect_right(shown.starts, stretch.end_s + stretch.offset_s)
        cuts.update(at_s - stretch.offset_s for at_s in shown.starts[first:last])
    ordered = sorted(at_s for at_s in cuts if 0.0 <= at_s <= length_s)
    return pairwise(ordered)


def _known(
    seen: Observations,
    code: str,
    states: Sequence[StateSpan],
    clock: _Clock,
    length_s: float,
) -> _Known:
    interval_s = POLLED_S if seen.polled else PUBLISHED_S
    hidden = [(begin_s, end_s) for begin_s, end_s in seen.hung if end_s - begin_s > ALIVE_WITHIN_S]
    hidden += [(begin_s, end_s) for begin_s, end_s in (*seen.bad.get(code, ()), *clock.undated)]
    covered = _without(_joined((begin_s, end_s) for begin_s, end_s in seen.known), _joined(hidden))
    least_s = POLLED_UNKNOWN_S if seen.polled else PUBLISHED_S
    unknown = [stretch for stretch in _without([(0.0, length_s)], covered) if stretch[1] - stretch[0] > least_s]
    unnoticed = _without([(0.0, length_s)], _joined([*covered, *unknown]))
    starts = [(state.start - START).total_seconds() for state in states]
    near = [_near(seen, at_s, interval_s, clock) for at_s in starts]
    short = [(begin_s, end_s) for begin_s, end_s in seen.hung if end_s - begin_s <= ALIVE_WITHIN_S]
    near += [(begin_s - interval_s, end_s + interval_s) for begin_s, end_s in (*short, *unnoticed)]
    went_bad = {begin_s for begin_s, _ in seen.bad.get(code, ())}
    edges = [
        (begin_s - interval_s, _noticed_s(seen, begin_s, interval_s, by_a_look=begin_s in went_bad))
        for begin_s, _ in unknown
    ]
    edges += [(end_s - interval_s, _polled_s(seen, end_s, interval_s)) for _, end_s in unknown]
    return _Known(unknown, _joined(edges), _joined([*near, *edges]), starts, [str(state.state) for state in states])


def _noticed_s(seen: Observations, begin_s: float, interval_s: float, *, by_a_look: bool) -> float:
    """Until when what is unknown from `begin_s` on may be shown as known.

    That values went bad is shown by the next poll, which may be as late as a silence may last that is no gap. Where no
    look comes any more, none shows it.
    """
    if not by_a_look:
        return begin_s + interval_s
    return min(_polled_s(seen, begin_s, interval_s), begin_s + POLLED_UNKNOWN_S + BLOCKS_S)


def _polled_s(seen: Observations, at_s: float, interval_s: float) -> float:
    """Until when something of `at_s` may be shown late: the poll that shows it is its time, however late that was.

    A poll that ends just after `at_s` may have read the state just before.
    """
    place = bisect_left(seen.looks, at_s + BLOCKS_S)
    if not seen.polled or place == len(seen.looks):
        return at_s + interval_s
    return max(at_s + interval_s, seen.looks[place] + BLOCKS_S)


def _near(seen: Observations, at_s: float, interval_s: float, clock: _Clock) -> Stretch:
    """Where a change may be shown: one interval around it.

    With the controller's own times that is next to nothing. Under a controller's clock that is not believed, up to the
    look that told it. Just after the controller's clock was set, also from the look before on. One stamp alone does not
    tell a clock that was set back from a late delivery.
    """
    before = [stamp for stamp in seen.controller_clock if stamp[0] <= at_s]
    set_s, offset_s = before[-1] if before else (-CLOCK_SETTLES_S, 0.0)
    by = clock.at(at_s)
    if by is not None:  # what counts is how far the two clocks are apart
        offset_s -= by.offset_s
        set_s = max(set_s, by.begin_s) if by.offset_s else set_s
    just_set = at_s - set_s < CLOCK_SETTLES_S
    is_disbelieved = just_set or abs(offset_s) > BELIEVED_S
    if not seen.polled and not is_disbelieved:  # the controller's own times hold, however late they come
        interval_s = STAMPED_S + abs(offset_s)
    if seen.polled or not is_disbelieved:
        return at_s - interval_s, _polled_s(seen, at_s, interval_s)
    place = bisect_left(seen.looks, at_s)
    begin_s, end_s = at_s, seen.looks[place] if place < len(seen.looks) else at_s
    if just_set and place:
        begin_s = seen.looks[place - 1]
    return begin_s - interval_s, end_s + interval_s


def _clock(clocks: Sequence[ClockStretch], length_s: float) -> _Clock:
    """What one clock has stamped lies over what another has stamped where the two meet, as far as they differ."""
    whole: list[ClockStretch] = []
    undated: list[Stretch] = []
    mixed: list[Stretch] = []
    begin, end = ClockStretch(0.0, 0.0, 0.0), ClockStretch(length_s, length_s, 0.0)
    for before, stretch, after in zip((begin, *clocks), clocks, (*clocks[1:], end), strict=False):
        if abs(stretch.offset_s) >= DAY_S:
            undated.append((before.end_s, after.begin_s))
        whole += [
            ClockStretch(before.end_s, stretch.begin_s, 0.0),
            ClockStretch(stretch.begin_s, stretch.end_s, _off_s(stretch)),
        ]
        mixed.append(_met(before, stretch))
        mixed.append(_met(stretch, after))
    mixed = _joined(mixed)
    parts = [(span, _without([(span.begin_s, span.end_s)], mixed)) for span in whole]
    dated = [ClockStretch(begin_s, end_s, span.offset_s) for span, left in parts for begin_s, end_s in left]
    return _Clock(sorted(dated, key=lambda span: span.begin_s), _joined(undated))


def _met(one: ClockStretch, other: ClockStretch) -> Stretch:
    """Around the change from one clock to the other nothing can be judged for so long; empty if both are right."""
    apart_s = abs(_off_s(one)) + abs(_off_s(other))
    return (one.end_s - apart_s, other.begin_s + apart_s) if apart_s else (one.end_s, one.end_s)


def _off_s(clock: ClockStretch) -> float:
    """Of a clock that is off by more than a day nothing lies over anything."""
    return clock.offset_s if CLOCK_RIGHT_S < abs(clock.offset_s) < DAY_S else 0.0


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for begin_s, end_s in sorted(stretches):
        if joined and begin_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        elif begin_s < end_s:
            joined.append((begin_s, end_s))
    return joined


def _without(whole: Sequence[Stretch], holes: Sequence[Stretch]) -> list[Stretch]:
    """Both sorted and disjoint."""
    left: list[Stretch] = []
    ends = [end_s for _, end_s in holes]
    for begin_s, end_s in whole:
        at_s = begin_s
        for hole_begin_s, hole_end_s in holes[bisect_right(ends, begin_s) :]:
            if hole_begin_s >= end_s:
                break
            if hole_begin_s > at_s:
                left.append((at_s, hole_begin_s))
            at_s = max(at_s, hole_end_s)
        if at_s < end_s:
            left.append((at_s, end_s))
    return left


def _in(stretches: Sequence[Stretch], at_s: float) -> bool:
    place = bisect_right(stretches, (at_s, float("inf"))) - 1
    return place >= 0 and at_s < stretches[place][1]
