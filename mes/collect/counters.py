"""What two readings of a totaliser prove: units made, a rollover, a reset, or nothing that may be booked.

From two readings alone 5000 -> 3 is three units after a reset or sixty thousand through a rollover, and 100 -> 90 is
a stale sample or a rollover. The rule (facts E.1): the difference modulo the counter's width, if the station could
have made that many, is a rollover; else, if resets are allowed and the new value is small enough, a reset; else
nothing is booked and a person decides.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from mes.model import CountFlag, CountKind

MARGIN = 1.5  # how much faster than its configured maximum a station may look between two readings
LEAST_ALLOWED = 2  # units between two readings, however close they are


class ResetPolicy(StrEnum):
    """Whether a totaliser may start anew from zero: at a shift, a power cycle, an order."""

    NEVER = "never"
    ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class CounterSetup:
    """A totaliser: it wraps at `modulus`, and the station makes at most `max_per_hour` units."""

    kind: CountKind
    modulus: int
    reset: ResetPolicy
    max_per_hour: float

    def holds(self, raw: int) -> bool:
        """Whether the totaliser can say this at all."""
        return 0 <= raw < self.modulus

    def allowance(self, span: timedelta) -> int:
        """Units that may be believed over a span of time."""
        hours = max(span, timedelta()) / timedelta(hours=1)
        return max(LEAST_ALLOWED, math.ceil(self.max_per_hour * hours * MARGIN))


@dataclass(frozen=True, slots=True)
class CounterState:
    """The last reading that counts were taken from, and one since then that could not be believed, if any.

    If the next reading follows from `raw`, the suspect was a glitch or a stale sample; if it follows from the
    suspect, the suspect was true after all, and counting goes on from there. Where both could be, as time makes any
    jump believable in the end, the one that it follows more closely holds. Either way it was flagged once.
    """

    raw: int
    time: datetime
    suspect_raw: int | None = None
    suspect_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing was made."""


@dataclass(frozen=True, slots=True)
class Counted:
    """`delta` units since `previous_raw`."""

    delta: int
    flag: CountFlag
    previous_raw: int | None


@dataclass(frozen=True, slots=True)
class Unreconciled:
    """More than one truth is possible; nothing was booked."""

    previous_raw: int
    explanation: str


@dataclass(frozen=True, slots=True)
class Undecided:
    """A rollover or a reset: the controller's record of units will tell, once it has had time to arrive."""


Outcome = Unchanged | Counted | Unreconciled | Undecided


def count(
    setup: CounterSetup,
    state: CounterState | None,
    raw: int,
    time: datetime,
    *,
    gap: timedelta | None = None,
    unread: timedelta = timedelta(),
    recorded: int | None = None,
    overrun: int = 0,
    settled: bool = True,
) -> tuple[CounterState | None, Outcome]:
    """One reading of good quality. `gap`: how long we were blind since the last one. `unread`: how long
    the totaliser could not be read though we were not blind.

    `recorded`: how many units of this kind the controller's own record of units shows since the last count, where
    it keeps one; it shows what was made before a reset, and where a fall can be a rollover as well as a reset, too few
    recorded units mean a reset. `overrun`: units whose record was overwritten before it was read; any of them may be
    of this kind, so they prove no reset. A record may come a little after its count: while `settled` is false such a
    fall is `Undecided` and the state stays as it was. Raises nothing; a total never goes down.
    """
    if not setup.holds(raw):
        explanation = f"{raw} is outside 0 to {setup.modulus - 1}; check the modulus"
        return state, Unreconciled(raw if state is None else state.raw, explanation)
    if state is None:
        return CounterState(raw, time), Counted(0, CountFlag.BASELINE, None)
    blind = max(gap or timedelta(), unread)
    if setup.max_per_hour * (blind / timedelta(hours=1)) >= setup.modulus:
        explanation = f"not read for {blind}, long enough for a full turn of the totaliser"
        return CounterState(raw, time), Unreconciled(state.raw, explanation)
    provable = None if recorded is None else recorded + overrun
    outcome = _between(
        setup, state.raw, raw, time - state.time, gap=gap, blind=blind, recorded=recorded, provable=provable
    )
    if isinstance(outcome, Undecided):
        if not settled:
            return state, outcome
        outcome = _reset(state.raw, raw, setup.allowance(time - state.time), recorded)
    if state.suspect_raw is not None and state.suspect_time is not None:
        span = time - state.suspect_time
        after = _between(setup, state.suspect_raw, raw, span, gap=gap, blind=blind, recorded=None, provable=None)
        if _advance(after, raw) < _advance(outcome, raw):
            return (state if isinstance(after, Unchanged) else CounterState(raw, time)), after
    if isinstance(outcome, Unreconciled):
        return replace(state, suspect_raw=raw, suspect_time=time), outcome
    return CounterState(raw, time if raw != state.raw else state.time), outcome


def _advance(outcome: Outcome, raw: int) -> float:
    """How many units ahead of the reading before it the totaliser is; infinite if that cannot be."""
    if isinstance(outcome, Counted):
        return raw if outcome.flag is CountFlag.RESET else outcome.delta
    return 0 if isinstance(outcome, Unchanged) else math.inf


def _between(
    setup: CounterSetup,
    old: int,
    new: int,
    span: timedelta,
    *,
    gap: timedelta | None,
    blind: timedelta,
    recorded: int | None,
    provable: int | None,
) -> Outcome:
    if new == old:
        return Unchanged()
    # Unbroken watching misses no half turn, however long the station stood still: only blindness may prove more.
    # Less than half, so that a glitch and the way back never make a full turn that nobody sees.
    allowed = min(setup.allowance(span), max((setup.modulus - 1) // 2, setup.allowance(blind)))
    ahead = (new - old) % setup.modulus
    if new > old:
        if ahead <= allowed:
            return Counted(ahead, CountFlag.NORMAL if gap is None else CountFlag.CATCH_UP, old)
        return Unreconciled(old, f"{ahead} units more than before, at most {allowed} can have been made in {span}")
    # what the controller said before its last reading, and we heard after it, is stale and no new start
    late = gap is None and span < timedelta()
    may_reset = setup.reset is ResetPolicy.ALLOWED and new <= allowed and not late
    if ahead <= allowed:
        unexplained = may_reset and provable is not None and provable < ahead
        return Undecided() if unexplained else Counted(ahead, CountFlag.ROLLOVER, old)
    if may_reset:
        return _reset(old, new, allowed, recorded)
    return Unreconciled(
        old,
        f"fell from {old} to {new}: {ahead} units through a rollover, {new} after a reset, or a stale value; "
        f"at most {allowed} can have been made in {span}",
    )


def _reset(old: int, new: int, allowed: int, recorded: int | None) -> Counted:
    """What was recorded before the totaliser started anew is counted as well."""
    return Counted(max(new, min(recorded or 0, allowed)), CountFlag.RESET, old)
