"""The controller's record of finished units: a ring of texts `SEQ;RESULT;EPOCH;PRODUCT;UNIT`, new ones told from seen.

`SEQ` counts finished units modulo a width, RESULT is G, R or S (good, rework, scrap), EPOCH the completion in Unix
seconds. Each entry stands by itself, so a torn read of the array does no harm (docs/decisions/0003).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from mes.model import UnitResult

KEPT = 128  # records that wait for their count; a ring is shorter
RESULTS = {"G": UnitResult.GOOD, "R": UnitResult.REWORK, "S": UnitResult.SCRAP}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ENTRY = re.compile(r"(\d{1,10});([GRS]);(\d{1,12})(?:\.(\d{1,6}))?;([^;]*);([^;]+)")


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
    """A recorded unit whose count has not been seen yet; `sequence` counts on without end."""

    sequence: int
    result: UnitResult
    product: str


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the record was read: `last` is the last sequence number, made endless, None while the record is empty.

    `waiting` holds what no count has claimed yet, oldest first.
    """

    last: int | None
    waiting: tuple[Waiting, ...] = ()


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


def read_log(state: LogState | None, records: Sequence[UnitRecord], modulus: int) -> tuple[LogState | None, News]:
    """What is new since the last reading. At first sight everything is taken as seen: it was made before us.

    Records keep their endless sequence numbers in `News`. A sequence number more than half the modulus ahead is behind.
    """
    if state is None:
        return LogState(_newest(records, modulus) if records else None), News()
    if state.last is None:
        if not records:
            return state, News()
        # the oldest of a ring lies less than the ring's length behind the newest
        newest = _newest(records, modulus)
        behind = max((newest - each.sequence) % modulus for each in records)
        state = LogState(newest - behind - 1)
    assert state.last is not None
    last = state.last
    ahead = sorted(
        (distance, each) for each in records if 0 < (distance := (each.sequence - last) % modulus) < modulus // 2
    )
    if not ahead:
        return state, News()
    fresh = tuple(replace(each, sequence=last + distance) for distance, each in ahead)
    first_expected = last + 1
    missing = fresh[-1].sequence - last - len(fresh)
    waiting = (*state.waiting, *(Waiting(each.sequence, each.result, each.product) for each in fresh))
    return LogState(fresh[-1].sequence, waiting[-KEPT:]), News(fresh, missing, first_expected if missing else 0)


def _newest(records: Sequence[UnitRecord], modulus: int) -> int:
    """The newest sequence number of a ring, whose numbers lie close together unless they have just wrapped."""
    numbers = [each.sequence for each in records]
    high = max(numbers)
    wrapped = [each for each in numbers if high - each > modulus // 2]
    return max(wrapped) if wrapped else high


def take(state: LogState, result: UnitResult, units: int) -> tuple[LogState, list[str]]:
    """The products of the next `units` counted units of one result, oldest first; fewer if fewer are recorded."""
    taken: list[Waiting] = [each for each in state.waiting if each.result is result][:units]
    numbers = {each.sequence for each in taken}
    rest = tuple(each for each in state.waiting if each.sequence not in numbers)
    return replace(state, waiting=rest), [each.product for each in taken]


def waiting_units(state: LogState, result: UnitResult) -> int:
    """Recorded units of one result that no count has claimed."""
    return sum(each.result is result for each in state.waiting)
