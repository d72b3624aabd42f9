"""The controller's record of finished units: a ring of texts `SEQ;RESULT;EPOCH;PRODUCT;UNIT`, new ones told from seen.

`SEQ` counts finished units modulo a width, RESULT is G, R or S (good, rework, scrap), EPOCH the completion in Unix
seconds. Each entry stands by itself, so a torn read of the array does no harm (docs/decisions/0003).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mes.intervals import EPOCH
from mes.model import ProductId, UnitResult

RECORDS_COME_WITHIN = timedelta(minutes=1)  # of their counts, by our clock
UNRECORDED_AFTER = (
    10 * RECORDS_COME_WITHIN
)  # a count whose record has not come by then has none, nor a record its count
KEPT = 128  # records that wait for their count, and counts that wait for their records; a ring is shorter
RESULTS = {"G": UnitResult.GOOD, "R": UnitResult.REWORK, "S": UnitResult.SCRAP}
# eleven digits of seconds reach beyond the year 5000 and stay within what a datetime can hold
_ENTRY = re.compile(r"([0-9]{1,10});([GRS]);([0-9]{1,11})(?:\.([0-9]{1,6}))?;([^;]*);([^;]+)")


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """One finished unit as the controller recorded it; `product` is its raw code, empty if unknown."""

    sequence: int
    result: UnitResult
    time: datetime
    product: str
    unit: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A recorded unit whose count has not been seen yet; `sequence` counts on without end.

    `time` is when it was finished by the controller's clock; where that is not to be believed (`ours`), when its record
    was read. `at` is when it was read, by our clock; None where its count may have been taken before, in a gap or at
    the first look.
    """

    sequence: int
    result: UnitResult
    product: str
    time: datetime = EPOCH
    ours: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """Units that were counted together at `time`, read `at` then by our clock, whose records have not been seen yet.

    `passed`: the record of a unit that was finished later has been seen, so theirs will not come. `product`: the one
    that their totaliser counts alone.
    """

    result: UnitResult
    time: datetime
    units: int = 1
    at: datetime | None = None
    passed: bool = False
    product: ProductId | None = None


ProductOf = Callable[[str], ProductId | None]  # the product that a record's code stands for; None: it names none


@dataclass(frozen=True, slots=True)
class Claim:
    """Which recorded units a totaliser counts: those of a `result`; of one `product` alone, if that is not None."""

    result: UnitResult
    product: ProductId | None
    product_of: ProductOf

    def is_named(self, unit: Waiting) -> bool:
        """Whether the record says that this totaliser counts the unit."""
        return unit.result is self.result and (self.product is None or self.product_of(unit.product) == self.product)

    def may_count(self, unit: Waiting) -> bool:
        """The same, or the record names no product, so that each totaliser of the result may count the unit."""
        if self.is_named(unit):
            return True
        return unit.result is self.result and self.product_of(unit.product) is None


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the record was read: `last` is the last sequence number, made endless, None while the record is empty.

    `last_time` is that unit's completion by the controller's clock. `waiting` holds what no count has claimed yet,
    `owed` the counts that came before their record, both oldest first. `overrun` is how many units are yet to be
    counted whose record never was read, since `overrun_at` by our clock. `fresh`: the record of the next unit to be
    counted may have been among those of the first sight, read just after its totaliser.
    """

    last: int | None
    waiting: tuple[Waiting, ...] = ()
    last_time: datetime | None = None
    owed: tuple[Owed, ...] = ()
    overrun: int = 0
    overrun_at: datetime | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What a reading of the record shows: new units in order, and how many were overrun before we could read them."""

    records: tuple[UnitRecord, ...] = ()
    missing: int = 0
    first_missing: int = 0


def parse(entries: Iterable[object]) -> tuple[list[UnitRecord], int]:
    """The well-formed entries, and how many are neither well-formed nor empty."""
    records, malformed = [], 0
    for entry in entries:
        text = str(entry)
        match = _ENTRY.fullmatch(text)
        if match is not None:
            micros = int((match[4] or "").ljust(6, "0"))
            time = EPOCH + timedelta(seconds=int(match[3]), microseconds=micros)
            records.append(UnitRecord(int(match[1]), RESULTS[match[2]], time, match[5], match[6]))
        elif text:
            malformed += 1
    return records, malformed


def read_log(
    state: LogState | None,
    records: Sequence[UnitRecord],
    modulus: int,
    *,
    now: datetime,
    tolerance: timedelta,
    product_of: ProductOf,
    believes: Callable[[datetime], bool] = lambda _: True,
    watched: bool = True,
    malformed: int = 0,
    empty: int = 0,
) -> tuple[LogState, News]:
    """What is new since the last reading. At first sight everything is taken as seen: it was made before us.

    Records keep their endless sequence numbers in `News`. A sequence number more than half the modulus ahead is behind.
    If a number is missing although the ring could hold it, the ring was read while it was written. Then this number and
    all later ones are waited for. `now`: when it was read, by our clock. `tolerance`: how far the controller's clock
    may be from ours. `believes`: whether a time in a record can be one by our clock. `watched`: whether
    their counts are yet to be read, and were not those of a gap that has just ended. `malformed` and `empty`: how many
    places of the ring hold nothing that can be read, and nothing at all.
    """
    if state is None:
        return _first_sight(records, modulus), News()
    last, fresh = _fresh(state, {record.sequence % modulus: record for record in records}, modulus, empty=empty)
    if not fresh:
        return state, News()
    held = len({record.sequence % modulus for record in records}) + malformed
    known, missing, first_missing = _without_holes(last, fresh, overwritten=fresh[-1].sequence - held)
    if not known:
        return state, News()
    end = known[-1]
    state = _overwritten(replace(state, last=end.sequence, last_time=end.time), missing, now)
    at = now if watched and not state.fresh else None
    for record in known:
        ours = not believes(record.time)
        placed = replace(record, time=now) if ours else record
        state = _settle(state, placed, None if ours else tolerance, at, product_of(record.product))
    return state, News(tuple(known), missing, first_missing)


def _first_sight(records: Sequence[UnitRecord], modulus: int) -> LogState:
    if not records:
        return LogState(None)
    last = _newest(records, modulus)
    return LogState(last, last_time=max(record.time for record in records if record.sequence == last), fresh=True)


def _fresh(
    state: LogState, ring: Mapping[int, UnitRecord], modulus: int, *, empty: int
) -> tuple[int, list[UnitRecord]]:
    """The number that all before were read up to, and what lies ahead of it, numbered endlessly and in order.

    A controller whose program was loaded begins its record again. Three things show it: the last number is gone though
    nothing lies ahead of it. It now belongs to a later unit. Or the numbers in between would have filled the empty
    places. In each case everything younger than the last unit is new.
    """
    if state.last is None:
        return _after_restart(0, list(ring.values()), modulus)
    last = state.last
    ahead = {(number - last) % modulus: record for number, record in ring.items()}
    same = ahead.pop(0, None)
    fresh = [replace(ahead[by], sequence=last + by) for by in sorted(ahead) if by < modulus // 2]
    if same is not None:
        began_again = state.last_time is not None and same.time > state.last_time
    else:
        # a place that is written while it is read may look empty, two are empty
        began_again = not fresh or (empty > 1 and fresh[0].sequence - last > len(ring) + empty)
    if began_again and state.last_time is not None:
        return _after_restart(last, [record for record in ring.values() if record.time > state.last_time], modulus)
    return last, fresh


def _after_restart(last: int, records: Sequence[UnitRecord], modulus: int) -> tuple[int, list[UnitRecord]]:
    """All of a ring that nothing is known of, from its oldest on; the endless numbers do not fall below `last`."""
    if not records:
        return last, []
    newest = _newest(records, modulus)
    # the oldest of a ring lies less than the ring's length behind the newest
    behind = {(newest - record.sequence) % modulus: record for record in records}
    oldest = newest - max(behind)
    before = oldest - 1 if last == 0 else last + (oldest - 1 - last) % modulus
    return before, [replace(behind[by], sequence=before + 1 + max(behind) - by) for by in sorted(behind, reverse=True)]


def _without_holes(last: int, fresh: Sequence[UnitRecord], *, overwritten: int) -> tuple[list[UnitRecord], int, int]:
    """The records up to the first that has yet to come; those up to number `overwritten` come no more."""
    known: list[UnitRecord] = []
    missing = first_missing = 0
    for record in fresh:
        if record.sequence - 1 > max(last, overwritten):
            break
        if record.sequence - 1 > last:
            first_missing = first_missing or last + 1
            missing += record.sequence - 1 - last
        known.append(record)
        last = record.sequence
    return known, missing, first_missing


def _overwritten(state: LogState, missing: int, now: datetime) -> LogState:
    """Records that nobody will read: of the units counted longest ago, and the rest of units yet to be counted."""
    if not missing:
        return state
    owed = list(state.owed)
    while owed and missing:
        met = min(owed[0].units, missing)
        missing -= met
        owed[:1] = _less(owed[0], met)
    overrun = state.overrun + missing
    return replace(state, owed=tuple(owed), overrun=overrun, overrun_at=now if overrun else None)


def _less(owed: Owed, met: int) -> list[Owed]:
    return [replace(owed, units=owed.units - met)] if owed.units > met else []


def _settle(
    state: LogState, record: UnitRecord, tolerance: timedelta | None, at: datetime | None, product: ProductId | None
) -> LogState:
    """A record meets the count that came before it, or waits for its own; `product`: the one that it names.

    `tolerance` None: when the unit was finished is not known; it may be any that was counted.
    """
    owed = list(state.owed)
    for place, count in enumerate(owed):
        is_of_another = None not in (count.product, product) and count.product != product
        if count.result is not record.result or is_of_another:
            continue
        if tolerance is None or record.time - count.time <= tolerance:
            owed[place : place + 1] = _less(count, 1)
            return replace(state, owed=tuple(owed), fresh=state.fresh and bool(owed))
        # what was finished only after a count cannot be what was counted
        owed[place] = replace(count, passed=True)
    state = replace(state, owed=tuple(owed))
    unit = Waiting(record.sequence, record.result, record.product, record.time, tolerance is None, at)
    return replace(state, waiting=(*state.waiting, unit)[-KEPT:])


def _newest(records: Sequence[UnitRecord], modulus: int) -> int:
    """The newest sequence number of a ring, whose numbers lie close together unless they have just wrapped."""
    numbers = [record.sequence for record in records]
    high = max(numbers)
    wrapped = [number for number in numbers if high - number > modulus // 2]
    return max(wrapped) if wrapped else high


def forget(
    state: LogState, claim: Claim, counted: datetime, tolerance: timedelta, now: datetime
) -> tuple[LogState, int]:
    """Without the waiting units that were finished before the last count was taken, and that it did not take.

    By the controller's clock that is certain only beyond the tolerance; by ours, they were read when it was, or before.
    Says how many of them were read before `now` while their totaliser was watched: no count will come of these. What
    was read with the next count may be that count's, by a clock that lies.
    """
    gone = [
        unit
        for unit in state.waiting
        if claim.is_named(unit) and (unit.time <= counted if unit.ours else unit.time < counted - tolerance)
    ]
    rest = tuple(unit for unit in state.waiting if unit not in gone)
    return replace(state, waiting=rest) if gone else state, sum(unit.at is not None and unit.at < now for unit in gone)


def forget_counted(state: LogState, claim: Claim, until: datetime, *, but: int) -> LogState:
    """Without the waiting units that were finished `until` then, except the newest `but` of them.

    For where a totaliser's present value was taken as it is, and not counted up to.
    """
    past = [unit for unit in state.waiting if claim.is_named(unit) and (unit.ours or unit.time <= until)]
    gone = {unit.sequence for unit in past[: max(len(past) - but, 0)]}
    return replace(state, waiting=tuple(unit for unit in state.waiting if unit.sequence not in gone))


def forget_overrun(state: LogState, before: datetime) -> LogState:
    """Without the units whose records were overwritten `before` then: what counts were to come of them have come."""
    if not state.overrun or (state.overrun_at is not None and state.overrun_at >= before):
        return state
    return replace(state, overrun=0, overrun_at=None)


def take_overdue(state: LogState, before: datetime) -> tuple[LogState, list[Owed]]:
    """Takes the counts whose records do not come any more, or did not since `before` then, by our clock.

    Of a record that never held a unit nothing is due.
    """
    overdue = [count for count in state.owed if count.passed or (count.at or count.time) <= before]
    if not overdue:
        return state, []
    rest = replace(state, owed=tuple(count for count in state.owed if count not in overdue), fresh=False)
    if state.last is None:
        return rest, []
    if state.fresh:
        overdue[:1] = _less(overdue[0], 1)
    return rest, overdue


def take_uncounted(state: LogState, claim: Claim, since: datetime | None, before: datetime) -> tuple[LogState, int]:
    """Takes the units of one totaliser that no count has claimed, and how many they are.

    Their records were read since the last gap, if there was one, and `before` then.
    """
    rest = tuple(
        unit
        for unit in state.waiting
        if not claim.is_named(unit) or unit.at is None or unit.at > before or (since is not None and unit.at < since)
    )
    return replace(state, waiting=rest), len(state.waiting) - len(rest)


def take_unnamed(
    state: LogState, result: UnitResult, product_of: ProductOf, since: datetime | None, before: datetime
) -> tuple[LogState, int]:
    """The same of the units whose records name no product, where each product has its totaliser.

    Those that a gap hid, which ended `since` then, go as well: they would stand for counts of later units.
    """
    gone = [
        unit
        for unit in state.waiting
        if unit.result is result
        and product_of(unit.product) is None
        and (unit.at or max(unit.time, since or unit.time)) <= before
    ]
    rest = tuple(unit for unit in state.waiting if unit not in gone)
    counted_in_gap = [unit for unit in gone if unit.at is None or (since is not None and unit.at < since)]
    return replace(state, waiting=rest) if gone else state, len(gone) - len(counted_in_gap)


def take(state: LogState, claim: Claim, units: int, *, time: datetime, now: datetime) -> tuple[LogState, list[str]]:
    """The products of the next `units` units of one totaliser, counted at `time` and read `now`, oldest first.

    Those that name its product come before those that name none. Fewer if fewer are recorded: the records of the
    others were overrun, or come later and then are not counted again.
    """
    named = [unit for unit in state.waiting if claim.is_named(unit)]
    unnamed = [unit for unit in state.waiting if claim.may_count(unit) and unit not in named]
    taken = [*named, *unnamed][:units]
    numbers = {unit.sequence for unit in taken}
    rest = tuple(unit for unit in state.waiting if unit.sequence not in numbers)
    short = units - len(taken)
    overrun = min(short, state.overrun)
    missing = Owed(claim.result, time, short - overrun, now, product=claim.product)
    owed = (*state.owed, missing)[-KEPT:] if short > overrun else state.owed
    left = state.overrun - overrun
    state = replace(state, waiting=rest, owed=owed, overrun=left, overrun_at=state.overrun_at if left else None)
    state = replace(state, fresh=state.fresh and bool(owed or not units))
    return state, [unit.product for unit in taken]


def waiting_units(state: LogState, claim: Claim, until: datetime | None = None) -> tuple[int, int]:
    """Recorded units that no count has claimed, and that were finished by `until` if that is given.

    First those of the totaliser, then those that may be of any totaliser of the result, since they name no product.
    """
    finished = [unit for unit in state.waiting if until is None or unit.ours or unit.time <= until]
    named = sum(map(claim.is_named, finished))
    return named, sum(map(claim.may_count, finished)) - named
