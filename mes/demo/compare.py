"""Holds every measured figure against the truth of the simulated plant; pure, and able to say "differs"."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise, product
from math import inf
from typing import Literal

from mes.demo.truth import (
    NO_CAUSES,
    NO_LIVES,
    Causes,
    Defined,
    Life,
    Lives,
    Station,
    Stay,
    Times,
    agreed,
    blind,
    seconds,
    transitions,
)
from mes.intervals import Interval, intersect, subtract, total, union
from mes.model import State, StationId
from mes.oee.causes import Cause, Charge

OEE_TOLERANCE = 1e-9  # both sides are exact fractions; only their last conversion to float may differ
RATIOS = ("availability", "performance", "quality", "oee")
STOPS = frozenset({State.DOWN, State.IDLE})
WAITS = frozenset({State.STARVED, State.BLOCKED})
NO_TIME = timedelta()
ONE_SCAN = timedelta(milliseconds=1)  # faults that come in one scan are journaled microseconds apart


@dataclass(frozen=True, slots=True)
class Outcome:
    """The whole comparison; `problems` says in words what differs and is empty if and only if the verdict is ok."""

    stations: Mapping[StationId, Station]
    problems: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    lost: int
    doubled: int
    unreconciled: int
    truth_units: int
    measured_units: int
    lives: int
    lives_that_differ: int
    charged: timedelta  # lost waiting, by all stations together
    charged_otherwise: timedelta  # the part that a perfect observer would charge to another station or cause

    @property
    def verdict(self) -> Literal["ok", "differs"]:
        """`ok` only if everything agrees."""
        return "differs" if self.problems else "ok"


@dataclass(slots=True)
class _Findings:
    problems: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    lives: int = 0


def compare(
    stations: Mapping[StationId, Station], window: Interval, lives: Lives = NO_LIVES, causes: Causes = NO_CAUSES
) -> Outcome:
    """Counts, unit ids, OEE and the units' ways must agree exactly, states within one observation per transition.

    State seconds are compared where the measured side claims to know; where it does not, an injected fault must
    excuse it.
    """
    found = _Findings()
    for station, both in stations.items():
        _compare_counts(station, both, found)
        _compare_states(station, both, window, found)
        _compare_faults(station, both, window, found)
        _compare_oee(station, both, found)
        _compare_definitions(station, both, window, found)
        if both.measured.unreconciled and not both.excused:
            found.problems.append(f"{station}: {both.measured.unreconciled} counts unreconciled without a fault")
    _compare_lives(stations, lives, window, found)
    moved = _compare_causes(stations, causes, window, found)
    true_units = Counter(f"{station} {unit}" for station, both in stations.items() for unit in both.truth.units)
    seen_units = Counter(f"{station} {unit}" for station, both in stations.items() for unit in both.measured.units)
    missing, extra = true_units - seen_units, seen_units - true_units
    found.problems += [f"unit never seen: {element}" for element in missing.elements()]
    found.problems += [f"unit that was never made: {element}" for element in extra.elements()]
    return Outcome(
        stations=stations,
        problems=tuple(found.problems),
        missing=tuple(missing.elements()),
        extra=tuple(extra.elements()),
        lost=found.lost,
        doubled=found.doubled,
        unreconciled=sum(both.measured.unreconciled for both in stations.values()),
        truth_units=true_units.total(),
        measured_units=seen_units.total(),
        lives=len(lives.truth),
        lives_that_differ=found.lives,
        charged=sum((charge.length for charge in causes.measured), NO_TIME),
        charged_otherwise=moved,
    )


def _compare_counts(station: StationId, both: Station, found: _Findings) -> None:
    for name in ("good", "rework", "scrap"):
        true, seen = getattr(both.truth.counts, name), both.measured.figures[name]
        if name not in both.counted and not true:
            continue  # it has no counter for what it never makes
        more = int(seen or 0) - true  # None: the counter was not read
        found.lost += max(0, -more)
        found.doubled += max(0, more)
        if true != seen:
            found.problems.append(f"{station}: {name} {seen}, the truth is {true}")


def _compare_states(station: StationId, both: Station, window: Interval, found: _Findings) -> None:
    holes = _holes(both, window)
    unexcused = total(subtract(holes, union(both.excused)))
    if unexcused:
        found.problems.append(f"{station}: {unexcused.total_seconds():.3f} s without data and without a fault")
    known = subtract((window,), holes)
    true, seen = seconds(both.truth.states, known), seconds(both.measured.states, known)
    edges = [edge for hole in holes for edge in (hole.start, hole.end)]
    all_turns = _turns(both)
    for state in State:
        if state is State.NO_DATA:
            continue
        turns = [*(all_turns if both.scattered else transitions(both.truth.states, state)), *edges]
        allowed = sum((both.late(at) for at in turns), both.doubt)
        off = abs(true[state] - seen[state])
        if off > allowed:
            found.problems.append(
                f"{station}: {state} {seen[state].total_seconds():.3f} s, the truth is "
                f"{true[state].total_seconds():.3f} s; off by {off.total_seconds():.3f} s, "
                f"allowed {allowed.total_seconds():.3f} s"
            )
    allowed = sum((both.late(at) for at in (*all_turns, *edges)), both.doubt)
    other = total(known) - agreed(both.truth.states, both.measured.states)
    if other > allowed:
        found.problems.append(
            f"{station}: {other.total_seconds():.3f} s in another state than the true one, "
            f"allowed {allowed.total_seconds():.3f} s"
        )


def _compare_faults(station: StationId, both: Station, window: Interval, found: _Findings) -> None:
    """A fault is seen from a look after it came until a look after it went, and nothing is seen that was not shown.

    Time without data, time around a fault on purpose and the first and last looks are compared with nothing.
    """
    watched = both.watched()
    dark = [Interval(hole.start, hole.end + both.late(hole.end)) for hole in _holes(both, window)]
    known = () if watched is None else subtract((watched,), union((*dark, *both.excused)))
    for code in sorted({*both.truth.faults, *both.measured.faults}):
        shown, seen = both.truth.faults.get(code, ()), union(both.measured.faults.get(code, ()))
        surely = [Interval(min(span.start + both.late(span.start), span.end), span.end) for span in shown]
        maybe = union(Interval(span.start, span.end + both.late(span.end)) for span in shown)
        missed = total(intersect(subtract(union(surely), seen), known))
        made_up = total(intersect(subtract(seen, maybe), known))
        if missed > ONE_SCAN:
            found.problems.append(f"{station}: fault {code} was not seen for {missed.total_seconds():.3f} s")
        if made_up > ONE_SCAN:
            told = f"{station}: fault {code} was seen for {made_up.total_seconds():.3f} s"
            found.problems.append(f"{told}, in which no controller showed it")


def _turns(both: Station) -> list[datetime]:
    """The instants at which the station's state changed."""
    return [later[0].start for earlier, later in pairwise(both.truth.states) if earlier[1] is not later[1]]


def _compare_oee(station: StationId, both: Station, found: _Findings) -> None:
    if not both.ideal_known:
        return
    true, seen = both.truth.oee, both.measured.figures["oee"]
    if true is None and seen is None:
        return
    if true is None or seen is None or abs(true - seen) > OEE_TOLERANCE:
        found.problems.append(f"{station}: OEE {seen}, the truth is {true}")


def _compare_definitions(station: StationId, both: Station, window: Interval, found: _Findings) -> None:
    """The ratios are monotone in each time they are made of, so what they may be off is found at the extremes."""
    if not both.ideal_known:
        return
    for name, true in both.truth.definitions.items():
        seen = both.measured.definitions.get(name)
        if seen is None:
            found.problems.append(f"{station}: no figures under {name}")
            continue
        corners = [extreme.ratios() for extreme in _extremes(both, true, window)]
        for ratio in RATIOS:
            expected, got = getattr(true.ratios, ratio), seen[ratio]
            allowed = _reach(getattr(true.times.ratios(), ratio), [getattr(corner, ratio) for corner in corners])
            if not _agree(expected, got, allowed + OEE_TOLERANCE):
                found.problems.append(
                    f"{station}: {ratio} under {name} {got}, the truth is {expected}; allowed {allowed:.6f}"
                )


def _agree(expected: float | None, got: float | None, allowed: float) -> bool:
    if expected is None or got is None:
        return expected is got or allowed == inf
    return abs(expected - got) <= allowed


def _reach(center: float | None, corners: Sequence[float | None]) -> float:
    """How far the corners lie from the centre; without limit where it is open whether there is a figure at all."""
    if all(figure is None for figure in (center, *corners)):
        return 0.0
    return max(inf if center is None or corner is None else abs(corner - center) for corner in corners)


def _extremes(both: Station, true: Defined, window: Interval) -> Iterable[Times]:
    """The truth with run time, set-up and waits as much longer or shorter as they may be measured."""

    def runs(span: Interval, state: State) -> bool:
        return state is State.PRODUCING or (state in STOPS and span.length < true.minor_stop)

    run = _slack(both, window, runs) + (_doubtful(both, window, true.minor_stop) if true.minor_stop else NO_TIME)
    setup = NO_TIME if true.setup_is_lost else _slack(both, window, lambda _, state: state is State.SETUP)
    waits = NO_TIME if true.waits_are_planned else _slack(both, window, lambda _, state: state in WAITS)
    was = true.times
    for a, b, c in product((-1, 1), repeat=3):
        yield Times(
            planned=max(was.planned + a * waits, NO_TIME),
            run=max(was.run + b * run, NO_TIME),
            setup=max(was.setup + c * setup, NO_TIME),
            made=was.made,
            good=was.good,
        )


def _slack(both: Station, window: Interval, holds: Callable[[Interval, State], bool]) -> timedelta:
    """How far the time in spans that `holds` is true of may be off: one observation at each turn, and time unseen."""
    turns = [late[0].start for early, late in pairwise(both.truth.states) if holds(*early) is not holds(*late)]
    turns = _turns(both) if both.scattered else turns
    holes = _holes(both, window)
    turns += [edge for hole in holes for edge in (hole.start, hole.end)]
    return sum((both.late(at) for at in turns), both.doubt) + total(holes)


def _doubtful(both: Station, window: Interval, minor_stop: timedelta) -> timedelta:
    """Stops that may be measured as minor or not: near the limit, cut by time without data, or seen as one.

    Each is as long as it may be measured.
    """
    holes = _holes(both, window)
    stops = [(span, state, both.late(span.start) + both.late(span.end)) for span, state in both.truth.states
             if state in STOPS]  # fmt: skip
    doubtful = {span for span, _, late in stops if abs(span.length - minor_stop) <= late}
    doubtful |= {span for span, _, _ in stops if any(span.clip(hole) for hole in holes)}
    for (one, state, late), (two, other, _) in pairwise(stops):
        if state is other and two.start - one.end <= late:
            doubtful |= {one, two}
    return total(doubtful) + sum((late for span, _, late in stops if span in doubtful), NO_TIME)


def _compare_lives(stations: Mapping[StationId, Station], lives: Lives, window: Interval, found: _Findings) -> None:
    holes = {station: blind(both.measured.states, window) for station, both in stations.items()}
    nobody = Life((), 0)
    for unit in sorted({*lives.truth, *lives.measured}):
        true, seen = lives.truth.get(unit, nobody), lives.measured.get(unit, nobody)
        before = len(found.problems)
        way, measured_way = [stay.told() for stay in true.stays], [stay.told() for stay in seen.stays]
        if way != measured_way:
            found.problems.append(f"unit {unit}: its way is {', '.join(measured_way)}; in truth {', '.join(way)}")
        if true.loops != seen.loops:
            found.problems.append(f"unit {unit}: {seen.loops} loops, the truth is {true.loops}")
        if way == measured_way:
            for one, other in zip(true.stays, seen.stays, strict=True):
                found.problems += _entry(unit, one, other, stations[one.station], holes[one.station], window)
        found.lives += len(found.problems) > before


def _entry(
    unit: str, true: Stay, seen: Stay, both: Station, holes: Sequence[Interval], window: Interval
) -> Iterable[str]:
    """A unit is seen to come as soon as anything, unless it was there at the start or came near time unseen.

    While a fault lasts a controller may answer so late that a short stay is known from its result alone.
    """
    assert true.entered is not None
    late = both.late(true.entered)
    near = Interval(true.entered - late, true.entered + late)
    if true.entered <= window.start or any(hole.start <= near.end and near.start <= hole.end for hole in holes):
        return
    if seen.entered is None and any(span.clip(near) for span in both.excused):
        return
    if seen.entered is None or abs(seen.entered - true.entered) > late:
        yield f"unit {unit}: came to {true.station} at {seen.entered}, in truth at {true.entered}"


Key = tuple[StationId | None, Cause]


def _compare_causes(
    stations: Mapping[StationId, Station], causes: Causes, window: Interval, found: _Findings
) -> timedelta:
    """What each station and cause is charged with, against what a perfect observer would charge; what was moved.

    A charge may be off by one observation at either end, at the slower of victim and culprit. Where the two hang on
    different controllers the whole charge may be moved: which of two simultaneous changes came first can be seen either
    way. The walk along the critical path turns at such instants too. So now and then a charge goes to the next cause of
    the same delay: a tenth of all charged time may. Charges that a station without data or with a fault has a part in
    are passed over.
    """
    order = list(stations)
    dark = {
        place
        for place, station in enumerate(order)
        if stations[station].excused or stations[station].doubt or _holes(stations[station], window)
    }
    true: dict[Key, timedelta] = defaultdict(timedelta)
    seen: dict[Key, timedelta] = defaultdict(timedelta)
    allowed: dict[Key, timedelta] = defaultdict(timedelta)
    for charged, sums in ((causes.truth, true), (causes.measured, seen)):
        for charge in charged:
            if not dark.isdisjoint(_between(order, charge)):
                continue
            sums[_key(charge)] += charge.length
            allowed[_key(charge)] += _late_charge(stations, charge)
    beyond = {key: abs(true[key] - seen[key]) - allowed[key] for key in {*true, *seen}}
    wrong = {key: length for key, length in beyond.items() if length > NO_TIME}
    if sum(wrong.values(), NO_TIME) > sum(true.values(), NO_TIME) / 10:
        found.problems += [
            f"{key[0] or 'outside'}: charged for {key[1]} with {seen[key].total_seconds():.3f} s, in truth "
            f"{true[key].total_seconds():.3f} s; allowed {allowed[key].total_seconds():.3f} s"
            for key in sorted(wrong, key=str)
        ]
    found.problems += [*_uncharged(causes), *_not_blamed(causes)]
    return sum((abs(true[key] - seen[key]) for key in {*true, *seen}), NO_TIME) / 2


def _holes(both: Station, window: Interval) -> tuple[Interval, ...]:
    return blind(both.measured.states, window)


def _key(charge: Charge) -> Key:
    """A stop near the limit of minor stops may be taken for either."""
    return charge.culprit, Cause.DOWN if charge.cause is Cause.MINOR_STOPS else charge.cause


def _between(order: Sequence[StationId], charge: Charge) -> range:
    """The places of victim, culprit and all stations between them along the flow; outside is beyond either end."""
    victim = order.index(charge.victim)
    outside = 0 if charge.loss is State.STARVED else len(order) - 1
    culprit = order.index(charge.culprit) if charge.culprit is not None else outside
    return range(min(victim, culprit), max(victim, culprit) + 1)


def _late_charge(stations: Mapping[StationId, Station], charge: Charge) -> timedelta:
    victim = stations[charge.victim]
    culprit = stations[charge.culprit] if charge.culprit is not None else victim
    ends = (charge.interval.start, charge.interval.end)
    late = sum((max(victim.late(at), culprit.late(at)) for at in ends), NO_TIME)
    together = charge.culprit is not None and culprit.controller == victim.controller
    return late if together else late + charge.length


def _uncharged(causes: Causes) -> Iterator[str]:
    """Every second that a station waited is charged, once."""
    told: dict[tuple[StationId, State], timedelta] = defaultdict(timedelta)
    for charge in causes.measured:
        told[charge.victim, charge.loss] += charge.length
    for (station, loss), waited in causes.waits.items():
        if (charged_s := told[station, loss].total_seconds()) != waited:
            yield f"{station}: {loss} for {waited} s, charged to anybody are {charged_s} s"


def _not_blamed(causes: Causes) -> Iterator[str]:
    """A station that broke for long is charged with most of what its neighbours then waited."""
    for broken in causes.broken:
        sums: dict[StationId | None, timedelta] = defaultdict(timedelta)
        for charge in causes.measured:
            part = charge.interval.clip(broken.window)
            if (charge.victim, charge.loss) in broken.waits and part is not None:
                sums[charge.culprit] += min(part.length, charge.length)
        most = max(sums, key=lambda culprit: sums[culprit], default=None)
        if most != broken.station:
            yield f"{broken.station}: broke down from {broken.window.start} on, but {most} is charged with most"
