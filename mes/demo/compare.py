"""Holds every measured figure against the truth of the simulated plant; pure, and able to say "differs"."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from mes.intervals import Interval, subtract, total, union
from mes.model import State, StationId

OEE_TOLERANCE = 1e-9  # both sides are exact fractions; only their last conversion to float may differ


@dataclass(frozen=True, slots=True)
class Counts:
    """Units by what became of them."""

    good: int
    rework: int
    scrap: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What one station really did in the window; `states` are contiguous and cover it."""

    counts: Counts
    states: tuple[tuple[Interval, State], ...]
    units: tuple[str, ...]
    oee: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What the collector says of the same station and window; `states` cover it, with NO_DATA where it was blind."""

    counts: Counts
    states: tuple[tuple[Interval, State], ...]
    units: tuple[str, ...]
    oee: float | None
    availability: float | None
    performance: float | None
    quality: float | None
    unreconciled: int


@dataclass(frozen=True, slots=True)
class Station:
    """Both sides of one station, with the instants at which its controller was looked at."""

    truth: Truth
    measured: Measured
    observations: Sequence[datetime]
    excused: tuple[Interval, ...]  # where faults were injected, with the time that recovery may take
    scan: timedelta  # a controller's program shows a change only in its next scan


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

    @property
    def verdict(self) -> Literal["ok", "differs"]:
        """`ok` only if everything agrees."""
        return "differs" if self.problems else "ok"


def seconds(states: Iterable[tuple[Interval, State]], within: Sequence[Interval]) -> dict[State, timedelta]:
    """Time in each state inside the intervals, which must be disjoint; every state is a key."""
    sums = dict.fromkeys(State, timedelta())
    for span, state in states:
        for each in within:
            if part := span.clip(each):
                sums[state] += part.length
    return sums


def blind(states: Iterable[tuple[Interval, State]]) -> tuple[Interval, ...]:
    """Where the measured side says that it knows nothing."""
    return union(span for span, state in states if state is State.NO_DATA)


def observation_interval(observations: Sequence[datetime], at: datetime) -> timedelta:
    """The stretch between the two looks at the controller around `at`, or the next one if that is longer.

    A change that is shown just after a look is seen only by the one after it. Zero outside the observations.
    """
    after = bisect_right(observations, at)
    if after == 0 or after == len(observations):
        return timedelta()
    looks = observations[after - 1 : after + 2]
    return max(later - earlier for earlier, later in pairwise(looks))


@dataclass(slots=True)
class _Findings:
    problems: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0


def compare(stations: Mapping[StationId, Station], window: Interval) -> Outcome:
    """Counts, unit ids and OEE must agree exactly, state seconds within one observation interval per transition.

    State seconds are compared where the measured side claims to know; where it does not, an injected fault must
    excuse it.
    """
    found = _Findings()
    for station, both in stations.items():
        _compare_counts(station, both, found)
        _compare_states(station, both, window, found)
        _compare_oee(station, both, found)
    true_units = Counter(f"{station} {unit}" for station, both in stations.items() for unit in both.truth.units)
    seen_units = Counter(f"{station} {unit}" for station, both in stations.items() for unit in both.measured.units)
    missing, extra = true_units - seen_units, seen_units - true_units
    found.problems += [f"unit never seen: {each}" for each in missing.elements()]
    found.problems += [f"unit that was never made: {each}" for each in extra.elements()]
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
    )


def _compare_counts(station: StationId, both: Station, found: _Findings) -> None:
    for name in ("good", "rework", "scrap"):
        true, seen = getattr(both.truth.counts, name), getattr(both.measured.counts, name)
        found.lost += max(0, true - seen)
        found.doubled += max(0, seen - true)
        if true != seen:
            found.problems.append(f"{station}: {name} {seen}, the truth is {true}")


def _compare_states(station: StationId, both: Station, window: Interval, found: _Findings) -> None:
    holes = blind(both.measured.states)
    unexcused = total(subtract(holes, both.excused))
    if unexcused:
        found.problems.append(f"{station}: {unexcused.total_seconds():.3f} s without data and without a fault")
    known = subtract((window,), holes)
    true, seen = seconds(both.truth.states, known), seconds(both.measured.states, known)
    edges = [edge for hole in holes for edge in (hole.start, hole.end)]
    for state in State:
        if state is State.NO_DATA:
            continue
        turns = [*_transitions(both.truth.states, state), *edges]
        allowed = sum((observation_interval(both.observations, at) + both.scan for at in turns), timedelta())
        off = abs(true[state] - seen[state])
        if off > allowed:
            found.problems.append(
                f"{station}: {state} {seen[state].total_seconds():.3f} s, the truth is "
                f"{true[state].total_seconds():.3f} s; off by {off.total_seconds():.3f} s, "
                f"allowed {allowed.total_seconds():.3f} s"
            )


def _transitions(states: Sequence[tuple[Interval, State]], state: State) -> list[datetime]:
    """The instants at which the station entered or left `state`."""
    return [
        later[0].start
        for earlier, later in pairwise(states)
        if earlier[1] is not later[1] and state in (earlier[1], later[1])
    ]


def _compare_oee(station: StationId, both: Station, found: _Findings) -> None:
    true, seen = both.truth.oee, both.measured.oee
    if true is None and seen is None:
        return
    if true is None or seen is None or abs(true - seen) > OEE_TOLERANCE:
        found.problems.append(f"{station}: OEE {seen}, the truth is {true}")


def as_json(outcome: Outcome, window: Interval, *, seed: int, wall_s: float) -> dict[str, object]:
    """The demo's result file: seconds are floats, ratios are 0..1 (performance may be above) or null."""
    return {
        "seed": seed,
        "simulated_s": window.length.total_seconds(),
        "wall_s": round(wall_s, 3),
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()},
        "stations": {str(name): _station_json(both, window) for name, both in outcome.stations.items()},
        "units": {
            "truth": outcome.truth_units,
            "measured": outcome.measured_units,
            "missing": len(outcome.missing),
            "extra": len(outcome.extra),
            "missing_ids": list(outcome.missing),
            "extra_ids": list(outcome.extra),
        },
        "ledger": {"lost": outcome.lost, "doubled": outcome.doubled, "unreconciled": outcome.unreconciled},
        "problems": list(outcome.problems),
        "verdict": outcome.verdict,
    }


def _station_json(both: Station, window: Interval) -> dict[str, object]:
    holes = blind(both.measured.states)
    return {
        "truth": {
            **_counts_json(both.truth.counts),
            "seconds": _seconds_json(both.truth.states, (window,)),
            "seconds_while_observed": _seconds_json(both.truth.states, subtract((window,), holes)),
            "oee": both.truth.oee,
        },
        "measured": {
            **_counts_json(both.measured.counts),
            "seconds": _seconds_json(both.measured.states, (window,)),
            "no_data_s": total(holes).total_seconds(),
            "oee": both.measured.oee,
            "availability": both.measured.availability,
            "performance": both.measured.performance,
            "quality": both.measured.quality,
        },
    }


def _counts_json(counts: Counts) -> dict[str, int]:
    return {"good": counts.good, "rework": counts.rework, "scrap": counts.scrap}


def _seconds_json(states: Iterable[tuple[Interval, State]], within: Sequence[Interval]) -> dict[str, float]:
    sums = seconds(states, within)
    return {str(state): sums[state].total_seconds() for state in State if state is not State.NO_DATA}
