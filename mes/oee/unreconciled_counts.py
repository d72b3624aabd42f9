"""Counts that a person has to decide: what the totaliser said next, how many parts can be, and what is then journaled.

A decision must never count a part twice. Where the totaliser went on from where it was before the unreconciled reading,
the counts after it hold all that was made; where it has said nothing since, they may come to hold it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import assert_never

from mes.collect.counters import CounterSetup, CounterState
from mes.intervals import MICROSECOND
from mes.model import CountFlag, CountReconciled, CountUnreconciled, ProductId, StationStandard, UnitsCounted
from mes.oee.count_decisions import leading
from mes.oee.stops import NotAllowed


class Assessment(StrEnum):
    """What became of an unreconciled reading."""

    REAL = "real"  # the totaliser went on from it: what it moved by is in no count
    PASSED = "passed"  # it went on from elsewhere: what was made is in the counts after it
    OPEN = "open"  # it has counted nothing since


@dataclass(frozen=True, kw_only=True)
class Around:
    """What the journal knows around an unreconciled reading, of the same totaliser.

    `unreconciled`: such readings between the counts `before` and `after`, in the journal's order. `shown`: the
    collector's state, which tells more where there is no count after. `setup` None: the plant's file has none.
    """

    unreconciled: Sequence[CountUnreconciled]
    before: UnitsCounted | None
    after: UnitsCounted | None
    shown: CounterState | None
    setup: CounterSetup | None

    @cached_property
    def real(self) -> frozenset[CountUnreconciled] | None:
        """Those of the `unreconciled` from which the totaliser went on; None while nobody knows where it went on."""
        if self.after is not None:
            end = self.after.raw if self.after.previous_raw is None else self.after.previous_raw
        elif self.shown is not None:
            end = self.shown.raw
        else:
            return None
        return frozenset(leading(self.unreconciled, None if self.before is None else self.before.raw, end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An unreconciled reading, by its number in the journal, and what may be decided of it.

    `most`: parts that can have been made since the count before, None where that is not known; `shown`: how many the
    totaliser itself shows, if it was no stale value; nothing, where another place is read. `products`: of the counts
    around it, or the one that the totaliser counts alone. `said`: what persons decided, the last one last; that holds.
    """

    seq: int
    event: CountUnreconciled
    assessment: Assessment
    most: int | None
    shown: tuple[int, ...]
    products: tuple[ProductId, ...]
    said: tuple[CountReconciled, ...]

    def allows(self, parts: int) -> bool:
        """Whether so many can have been made, and are in no other count."""
        if self.assessment is not Assessment.REAL:
            return self.assessment is Assessment.PASSED and parts == 0
        return parts >= 0 and (self.most is None or parts <= self.most or parts in self.shown)

    @property
    def possible(self) -> str:
        """The numbers that can be, in words."""
        if self.assessment is Assessment.OPEN:
            return "nothing yet: the totaliser has counted nothing since"
        if self.assessment is Assessment.PASSED:
            return "0: it did not go on from there"
        if self.most is None:
            return "any: no limit is known"
        beyond = [str(number) for number in self.shown if number > self.most]
        return " or ".join([f"0 to {self.most}", *beyond])


def case(seq: int, event: CountUnreconciled, around: Around, said: Sequence[CountReconciled]) -> Case:
    """What may be decided of an unreconciled reading; `said` are the decisions about it, in any order."""
    counts = [count.product for count in (around.before, around.after) if count is not None]
    products = counts if event.totaliser_product is None else [event.totaliser_product]
    return Case(
        seq=seq,
        event=event,
        assessment=_assessed(event, around),
        most=_most(event, around),
        shown=() if _is_remapped(event, around.after) else _shown(event, around.setup),
        products=tuple(dict.fromkeys(product for product in products if product is not None)),
        said=tuple(sorted(said, key=lambda decision: decision.recorded_time)),
    )


def _assessed(event: CountUnreconciled, around: Around) -> Assessment:
    if around.setup is not None and not around.setup.holds(event.raw):
        return Assessment.PASSED  # the totaliser cannot show that at all
    if event.raw == event.previous_raw:
        return Assessment.REAL  # it was not read for so long that it may have made a full turn
    if around.real is None:
        return Assessment.OPEN
    if event in around.real:
        return Assessment.REAL
    shown = around.shown
    is_open = around.after is None and shown is not None and shown.suspect_raw == event.raw
    return Assessment.OPEN if is_open else Assessment.PASSED


def _most(event: CountUnreconciled, around: Around) -> int | None:
    if around.setup is None or around.before is None:
        return None
    return around.setup.allowance(event.time - around.before.time)


def _is_remapped(event: CountUnreconciled, after: UnitsCounted | None) -> bool:
    """Whether the two readings are of two places, so that their difference is no number of parts."""
    return after is not None and after.flag is CountFlag.REMAPPED and (after.raw, after.time) == (event.raw, event.time)


def _shown(event: CountUnreconciled, setup: CounterSetup | None) -> tuple[int, ...]:
    """What the readings themselves say: the way forward; after a fall also what was made since a reset."""
    if event.raw >= event.previous_raw:
        return (event.raw - event.previous_raw,)
    ahead = (event.raw - event.previous_raw) % setup.modulus if setup is not None else 0
    # more than half a turn is rather a small step back
    is_turn = setup is not None and ahead <= (setup.modulus - 1) // 2
    return (ahead, event.raw) if is_turn else (event.raw,)


def decide(
    about: Case,
    parts: int,
    product: ProductId | None,
    standard: StationStandard | None,
    *,
    by: str,
    why: str,
    now: datetime,
) -> CountReconciled:
    """The event that counts the `parts` that a person decided, at the time of the reading; it replaces earlier ones.

    `product` None: that of the counts around it. `standard`: the station's, None where the plant's file has none.
    Raises NotAllowed for a number that cannot be, for parts of which nobody knows the product, and without who or why.
    Raises it too for a product that the totaliser does not count.
    """
    if not by.strip() or not why.strip():
        raise NotAllowed("decision_without_why")
    if parts < 0:
        raise NotAllowed("count_not_whole")
    if not about.allows(parts):
        raise _impossible(about, parts)
    alone = about.event.totaliser_product
    if alone is not None and product not in (None, alone):
        raise NotAllowed("counter_of_one_product", product=alone)
    made = alone or ((product or _product(about, standard)) if parts else product)
    if parts and standard is not None and standard.ideal(made) is None:
        raise NotAllowed("no_ideal_cycle", station=about.event.station, product=made or "–")
    # a clock that was set back must not put an older decision above this one
    recorded = max([now, *(decision.recorded_time + MICROSECOND for decision in about.said)])
    return CountReconciled(
        station=about.event.station,
        time=about.event.time,
        received_time=recorded,
        time_source=about.event.time_source,
        kind=about.event.kind,
        raw=about.event.raw,
        previous_raw=about.event.previous_raw,
        parts=parts,
        by=by,
        why=why,
        recorded_time=recorded,
        product=made,
        totaliser_product=alone,
    )


def _product(about: Case, standard: StationStandard | None) -> ProductId | None:
    """The one product of the counts around; none where a part of no product has its ideal cycle time as well."""
    if len(about.products) == 1:
        return about.products[0]
    if about.products:
        raise NotAllowed("product_needed", products=", ".join(about.products))
    if standard is not None and standard.ideal(None) is None:
        raise NotAllowed("product_needed", products="–")
    return None


def _impossible(about: Case, parts: int) -> NotAllowed:
    raw = about.event.raw
    match about.assessment:
        case Assessment.PASSED:
            return NotAllowed("count_passed", parts=parts, raw=raw)
        case Assessment.OPEN:
            return NotAllowed("count_open", parts=parts, raw=raw)
        case Assessment.REAL:
            shown = " / ".join(map(str, about.shown)) or "–"
            return NotAllowed("count_too_many", parts=parts, most=str(about.most), shown=shown)
        case _:
            assert_never(about.assessment)
