"""The counting rule: what two readings of a totaliser prove, and what may not be counted (docs/decisions/0012).

From two readings alone 5000 -> 3 is three units after a reset or sixty thousand through a rollover. And 100 -> 90 is a
stale value, a restored backup or a rollover. So a reading is measured against the last look: the last time at which the
totaliser is known to have held the old value. A rise, or a turn, is counted if the station can have made it since then.
A fall is a reset only with evidence. What cannot be decided is not counted, and a person decides.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from mes.collect.resets import ResetSchedule
from mes.model import CountFlag, CountKind, ProductId, TotaliserId, totaliser_id

MARGIN = 1.5  # how much faster than its configured maximum a station may look between two readings
LEAST_ALLOWED = 2  # units between two readings, however close they are
LATENESS = timedelta(seconds=2)  # by which a value may be older than its delivery: no span is shorter
FAR = 4  # a value below this fraction of the last one is too far down for a stale or retained value


class ResetPolicy(StrEnum):
    """Whether a totaliser may start again from zero at any time: at a shift, a power cycle, an order."""

    NEVER = "never"
    ALLOWED = "allowed"


@dataclass(frozen=True, slots=True)
class CounterSetup:
    """A totaliser: it wraps at `modulus` units, and the station makes at most `max_per_hour` of them.

    `schedule`: when the controller sets it to zero, whatever `reset` says of other times; None: at no known time.
    `units_per_count`: what one count stands for, two parts of one stroke. `down`: it counts down. `signed`: the upper
    half of its values is shown as negative numbers. `product`: the one that it counts alone; None: it counts all.
    """

    kind: CountKind
    modulus: int
    reset: ResetPolicy
    max_per_hour: float
    schedule: ResetSchedule | None = None
    units_per_count: int = 1
    down: bool = False
    signed: bool = False
    product: ProductId | None = None

    @property
    def totaliser(self) -> TotaliserId:
        """What names it among the totalisers of its station."""
        return totaliser_id(self.kind, self.product)

    def units(self, shown: int) -> int:
        """What the controller shows, as a totaliser of units that counts up; what it cannot show stays as it is."""
        turn = self.modulus // self.units_per_count
        counts = shown + turn if self.signed and -turn <= 2 * shown < 0 else shown
        if not 0 <= counts < turn:
            return shown * self.units_per_count
        return ((turn - counts) % turn if self.down else counts) * self.units_per_count

    def holds(self, raw: int) -> bool:
        """Whether the totaliser can say this at all."""
        return 0 <= raw < self.modulus

    def allowance(self, span: timedelta, least: int = LEAST_ALLOWED, margin: float = MARGIN) -> int:
        """Units that may be believed over a span of time."""
        hours = max(span, timedelta()) / timedelta(hours=1)
        return max(least, math.ceil(self.max_per_hour * hours * margin))


@dataclass(frozen=True, slots=True)
class CounterState:
    """The last reading that counts were taken from, and one since then that could not be believed, if any.

    If the next reading follows from `raw`, the suspect was a wrong or a stale value; if it follows from the suspect,
    the suspect was true after all, and counting goes on from there. Where both are possible, the one holds that it
    follows more closely, or the suspect if the unit log shows just the units since that. It was flagged once either
    way. `time`: of the count. `suspect_time`: by our clock; `raw` was last seen just before it. `reset_due`: since when
    the last reset at a configured time was due; one time, one reset.
    """

    raw: int
    time: datetime
    suspect_raw: int | None = None
    suspect_time: datetime | None = None
    reset_due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a reading besides its value.

    `seen`: when it was received, by our clock; None: at its own time. `looked`: the last look, by our clock: the latest
    time at which the totaliser is known to have held the old value; None: it is taken from `gap`, or from the last
    count. `gap`: how long we were blind since then. `unread`: how long the totaliser could not be read though we were
    not blind.

    `recorded`: units of this kind that the controller's unit log shows since the last count; None where it cannot say.
    `overrun`: units whose log entries were overwritten before they were read; any of them may be of this kind.
    `settled`: the log entries of this reading had their time to arrive. `confirmed`: a fall has lasted, or the
    totaliser went on from it.
    """

    seen: datetime | None = None
    looked: datetime | None = None
    gap: timedelta | None = None
    unread: timedelta = timedelta()
    recorded: int | None = None
    overrun: int = 0
    settled: bool = True
    confirmed: bool = True

    @property
    def blind(self) -> timedelta:
        """How long the totaliser may have moved without being watched."""
        return max(self.gap or timedelta(), self.unread)

    @property
    def provable(self) -> int | None:
        """The most units of this kind that the unit log can stand for; None where it cannot say."""
        return None if self.recorded is None else self.recorded + self.overrun

    def unproved(self, ahead: int) -> bool:
        """Whether the unit log shows so much less that it is no matter of a record that comes after its count."""
        late = LEAST_ALLOWED if not self.blind and not self.settled else 0
        return self.provable is not None and ahead > self.provable + late


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
    """More than one truth is possible; nothing was counted but the `proved` units that the unit log shows."""

    previous_raw: int
    explanation: str
    proved: int = 0


@dataclass(frozen=True, slots=True)
class Undecided:
    """The next readings, or the controller's unit log, will tell; nothing is counted until then."""


Outcome = Unchanged | Counted | Unreconciled | Undecided
NOTHING_ELSE = Evidence()


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
    """One reading of good quality, by what is known of it; see `Evidence`. Raises nothing; a total never falls."""
    evidence = Evidence(gap=gap, unread=unread, recorded=recorded, overrun=overrun, settled=settled)
    return judge(setup, state, raw, time, evidence)


def judge(
    setup: CounterSetup, state: CounterState | None, raw: int, time: datetime, evidence: Evidence
) -> tuple[CounterState | None, Outcome]:
    """One reading of good quality: the new state and what it means. Raises nothing; a total never falls.

    While a reading is `Undecided` the state stays as it was.
    """
    if not setup.holds(raw):
        explanation = f"{raw} is outside 0 to {setup.modulus - 1}; check the modulus"
        return state, Unreconciled(raw if state is None else state.raw, explanation)
    if state is None:
        return CounterState(raw, time), Counted(0, CountFlag.BASELINE, None)
    if setup.max_per_hour * (evidence.blind / timedelta(hours=1)) >= setup.modulus:
        explanation = f"not read for {evidence.blind}, long enough for a full turn of the totaliser"
        return CounterState(raw, time), Unreconciled(state.raw, explanation, evidence.recorded or 0)
    seen, looked = _looks(state, time, evidence)
    late = evidence.gap is None and time < state.time
    # the last look at the old value came before the suspect was read
    base_looked = looked if state.suspect_time is None else min(looked, state.suspect_time)
    span = _span(setup, state, base_looked, seen, late=late)
    outcome = _between(setup, state.raw, raw, span, evidence)
    if state.suspect_raw is not None:
        plain = replace(evidence, recorded=None, overrun=0)
        after = _between(setup, state.suspect_raw, raw, _span(setup, state, looked, seen, late=late), plain)
        ahead, behind = _advance(outcome, raw), _advance(after, raw)
        # the unit log shows just the units since the suspect, and more than since the value before it
        is_recorded = ahead < behind == evidence.recorded
        if behind < ahead or is_recorded:
            return (state if isinstance(after, Unchanged) else _counted(state, raw, time)), after
    if isinstance(outcome, Undecided):
        return state, outcome
    if isinstance(outcome, Unreconciled):
        proved = _counted(state, (state.raw + outcome.proved) % setup.modulus, time) if outcome.proved else state
        return with_suspect(proved, raw, seen), outcome
    if isinstance(outcome, Counted) and outcome.flag is CountFlag.RESET and span.due is not None:
        state = replace(state, reset_due=span.due)
    return _counted(state, raw, time if raw != state.raw else state.time), outcome


def _counted(state: CounterState, raw: int, time: datetime) -> CounterState:
    """Counting goes on from this value."""
    return CounterState(raw, time, reset_due=state.reset_due)


def with_suspect(state: CounterState, raw: int, seen: datetime) -> CounterState:
    """The state after a reading that was flagged; `seen`: when it was received, by our clock."""
    return replace(state, suspect_raw=raw, suspect_time=seen)


def follows(setup: CounterSetup, old: int, new: int, span: timedelta) -> bool:
    """Whether a totaliser can have gone on from one value to the other in the time since the last look."""
    return (new - old) % setup.modulus <= _allowed(setup, span, timedelta())


def _looks(state: CounterState, time: datetime, evidence: Evidence) -> tuple[datetime, datetime]:
    """When the reading was received, and the last look before it."""
    seen = evidence.seen or time
    if evidence.looked is not None:
        return seen, evidence.looked
    blind = evidence.blind
    return seen, seen - blind if blind else state.time


@dataclass(frozen=True, slots=True)
class _Span:
    """The time since the last look. `late`: the controller said this before its last reading, so it is stale.

    `due`: since when a reset at a configured time was due, if it may have happened in this time; None: at none.
    `since_reset`: the longest time since such a reset.
    """

    length: timedelta
    late: bool
    due: datetime | None = None
    since_reset: timedelta = timedelta()


def _span(setup: CounterSetup, state: CounterState, looked: datetime, seen: datetime, *, late: bool) -> _Span:
    due = setup.schedule.last_due(looked, seen) if setup.schedule is not None and not late else None
    if due is None or due.start == state.reset_due:
        return _Span(seen - looked, late)
    return _Span(seen - looked, late, due.start, seen - max(due.start, looked))


def _advance(outcome: Outcome, raw: int) -> float:
    """How many units ahead of the reading before it the totaliser is; infinite if that cannot be."""
    if isinstance(outcome, Counted):
        return raw if outcome.flag is CountFlag.RESET else outcome.delta
    return 0 if isinstance(outcome, Unchanged) else math.inf


def _allowed(setup: CounterSetup, span: timedelta, blind: timedelta) -> int:
    """Units that the totaliser may be ahead after this span.

    Unbroken watching misses no half turn, however long the station stood still: only blindness may prove more.
    Less than half, so that a wrong value and the way back never make a full turn that nobody sees.
    """
    return min(setup.allowance(max(span, LATENESS)), max((setup.modulus - 1) // 2, setup.allowance(blind)))


def _between(setup: CounterSetup, old: int, new: int, span: _Span, evidence: Evidence) -> Outcome:
    allowed = _allowed(setup, span.length, evidence.blind)
    if new < old:
        return _fallen(setup, old, new, span, allowed, evidence)
    ahead, recorded = new - old, evidence.recorded or 0
    if evidence.blind and recorded > ahead:
        return _unshown(old, new, ahead, evidence)
    if _may_hide_reset(setup, old, new, span, evidence):
        return Unreconciled(old, f"{ahead} units more than before, or {new} since a reset at a configured time")
    if ahead == 0:
        return Unchanged()
    if evidence.unproved(ahead):
        return _unproved(old, new, ahead, evidence)
    if ahead <= max(allowed, recorded):
        return Counted(ahead, CountFlag.NORMAL if evidence.gap is None else CountFlag.CATCH_UP, old)
    return Unreconciled(old, f"{ahead} units more than before, at most {allowed} can have been made in {span.length}")


def _may_hide_reset(setup: CounterSetup, old: int, new: int, span: _Span, evidence: Evidence) -> bool:
    """Whether a totaliser that did not fall may have been reset at a configured time, while no one watched it.

    A unit log would tell.
    """
    if span.due is None or not evidence.blind or evidence.provable is not None or old == 0:
        return False
    return new <= setup.allowance(span.since_reset, least=1)


def _unshown(old: int, new: int, ahead: int, evidence: Evidence) -> Undecided | Counted:
    """The unit log shows more of a blind stretch than the totaliser, which started again or had an older value."""
    recorded = evidence.recorded or 0
    # a few may have been finished between reading the totaliser and reading the log
    if recorded - ahead <= LEAST_ALLOWED and not evidence.settled:
        return Undecided()
    return Counted(max(recorded, new if (evidence.provable or 0) >= new else 0), CountFlag.RESET, old)


def _unproved(old: int, new: int, ahead: int, evidence: Evidence) -> Undecided | Unreconciled:
    """A rise or a turn of which the unit log shows a part only: what it shows is counted once the rest had its time."""
    if not evidence.settled:
        return Undecided()
    proved = evidence.recorded or 0
    return Unreconciled(old, f"moved from {old} to {new}, {ahead} units, but the unit log shows {proved}", proved)


def _fallen(setup: CounterSetup, old: int, new: int, span: _Span, allowed: int, evidence: Evidence) -> Outcome:
    """A turn if the station can have made it, and the unit log does not say less; else a reset, with evidence.

    Where both can be, the unit log decides; without one the fall is flagged, but for a usual turn.
    """
    ahead, provable = (new - old) % setup.modulus, evidence.provable
    is_due = span.due is not None
    may_reset = is_due or (setup.reset is ResetPolicy.ALLOWED and not span.late)
    may_turn = ahead <= allowed
    if may_turn:
        is_shown = _usual_turn(setup, ahead, span, evidence) if provable is None else provable >= ahead
        if is_shown or not may_reset or new > allowed:
            return _turned(old, new, ahead, evidence)
        is_decided = evidence.confirmed or evidence.gap is not None if provable is None else evidence.settled
        if not is_decided:
            return Undecided()
    if may_reset and not (may_turn and provable is None):
        since_zero = min(allowed, setup.allowance(max(span.since_reset if is_due else span.length, LATENESS), least=1))
        reset = _reset(old, new, since_zero, evidence, is_due=is_due)
        if reset is not None:
            return reset
    return Unreconciled(
        old,
        f"fell from {old} to {new}: {ahead} units through a rollover, {new} after a reset, or a stale value; "
        f"at most {allowed} can have been made in {span.length}",
        evidence.recorded or 0,
    )


def _turned(old: int, new: int, ahead: int, evidence: Evidence) -> Counted | Undecided | Unreconciled:
    """A turn of the totaliser, if the unit log does not show less or more."""
    if evidence.unproved(ahead):
        return _unproved(old, new, ahead, evidence)
    if evidence.blind and (evidence.recorded or 0) > ahead:
        return _unshown(old, new, ahead, evidence)
    return Counted(ahead, CountFlag.ROLLOVER, old)


def _usual_turn(setup: CounterSetup, ahead: int, span: _Span, evidence: Evidence) -> bool:
    """Whether a turn is what a watched totaliser does at its end: no more units than the station makes at full pace.

    That it is reset between two looks, just there, would be a rare chance. In a blind stretch it is none: what broke
    the link may have reset the totaliser.
    """
    if evidence.blind or span.due is not None:
        return False
    return ahead <= setup.allowance(max(span.length, LATENESS), least=1, margin=1)


def _reset(old: int, new: int, allowed: int, evidence: Evidence, *, is_due: bool) -> Counted | Undecided | None:
    """A new start from zero, if there is evidence for it: the unit log, a value that nothing else explains, the time.

    What was recorded before the totaliser started again is counted as well. None: it is no reset.
    """
    recorded, provable = evidence.recorded, evidence.provable
    if recorded is not None and provable is not None:
        if provable >= new:
            is_proved = evidence.confirmed or recorded > LEAST_ALLOWED
            return Counted(max(new, recorded), CountFlag.RESET, old) if is_proved else Undecided()
        return Undecided() if new <= allowed and not evidence.settled else None
    # zero says that nothing was made since, whatever it was: no unit can be invented
    if new > 0 and (new > allowed or (new * FAR > old and not is_due)):
        return None
    is_seen = evidence.confirmed or evidence.gap is not None
    return Counted(new, CountFlag.RESET, old) if is_seen else Undecided()
