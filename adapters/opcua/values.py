"""OPC UA values into readings: quality, overflow, both times, scaling, and the order in which things happened."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from asyncua import ua

from adapters.reading import Quality, Reading, Scalar, TagId, Value
from adapters.settings import OpcUaTag

_Item = TypeVar("_Item")

_ONE_SCAN = timedelta(milliseconds=100)  # what changed by one cycle of a controller's program
_SEQUENCE_MAX = 2**32 - 1  # after which follows 1, OPC 10000-4 7.9
_FIRST_REAL_YEAR = 1602  # OPC UA counts from 1601: a time in that year is "not set"
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_INFO_TYPE_MASK, _INFO_TYPE_DATA_VALUE, _OVERFLOW_BIT = 0xC00, 0x400, 0x80  # OPC 10000-4 7.39


def reading(tag: TagId, how: OpcUaTag, data: ua.DataValue, *, received_time: datetime) -> Reading:
    """One DataValue as a reading.

    A value that is not a number, text, bool or a list of these is bad. So is a number that is not finite. A null string
    is the empty string, as many controllers send it.
    """
    status = 0 if data.StatusCode is None else int(data.StatusCode.value)
    quality = _quality(status)
    value = None if quality is Quality.BAD else _value(data.Value, how)
    return Reading(
        tag=tag,
        value=value,
        quality=Quality.BAD if value is None else quality,
        source_time=_source_time(data.SourceTimestamp),
        received_time=received_time,
        overflow=status & _INFO_TYPE_MASK == _INFO_TYPE_DATA_VALUE and bool(status & _OVERFLOW_BIT),
    )


def unreadable(data: ua.DataValue) -> str | None:
    """What a value that is not of bad quality is, where it is none that we read; None where it is, or is absent."""
    status = 0 if data.StatusCode is None else int(data.StatusCode.value)
    if data.Value is None or data.Value.Value is None or _quality(status) is Quality.BAD:
        return None
    content: Any = data.Value.Value
    elements = content if isinstance(content, list) else [content]
    kind = getattr(data.Value.VariantType, "name", "an unknown type")
    for element in elements:
        if isinstance(element, list):
            return f"an array of several dimensions ({kind})"
        if isinstance(element, float) and not math.isfinite(element):
            return "a number that is not finite"
        if element is not None and not isinstance(element, bool | int | float | str):
            return "a structure" if data.Value.VariantType is ua.VariantType.ExtensionObject else f"a {kind}"
    return None


def _quality(status: int) -> Quality:
    """The severity is in the two highest bits; 11 is reserved and counts as bad (OPC 10000-4 7.39)."""
    match status >> 30:
        case 0:
            return Quality.GOOD
        case 1:
            return Quality.UNCERTAIN
        case _:
            return Quality.BAD


def _source_time(stamp: datetime | None) -> datetime | None:
    if stamp is None or stamp.year < _FIRST_REAL_YEAR:
        return None
    return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)


def _value(variant: ua.Variant | None, how: OpcUaTag) -> Value | None:
    if variant is None:
        return None
    text = variant.VariantType is ua.VariantType.String
    content: Any = variant.Value
    if isinstance(content, list):
        elements = tuple(_scalar(element, how, text=text) for element in content)
        return None if any(element is None for element in elements) else tuple(e for e in elements if e is not None)
    return _scalar(content, how, text=text)


def _scalar(content: object, how: OpcUaTag, *, text: bool) -> Scalar | None:
    match content:
        case None:
            return "" if text else None
        case bool():
            return content
        case str():
            # asyncua keeps bytes that are no UTF-8 as lone surrogates, which nothing after us could encode
            return content.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        case int() | float() if not math.isfinite(content):
            return None
        case int() | float():
            unscaled = how.scale == 1.0 and how.offset == 0.0  # counts stay whole
            return content if unscaled else content * how.scale + how.offset
        case _:
            return None


def in_order(readings: Iterable[Reading]) -> tuple[Reading, ...]:
    """Sorts one publish by source time, for servers send it grouped by item.

    The values of one tag keep their order even where the controller's clock stepped back; a reading without a
    source time stays behind the one that came before it.
    """
    keyed: list[tuple[datetime, Reading]] = []
    newest: dict[TagId, datetime] = {}
    before = _EARLIEST
    for sample in readings:
        key = max(sample.source_time or before, newest.get(sample.tag, _EARLIEST))
        newest[sample.tag] = before = key
        keyed.append((key, sample))
    return tuple(sample for _, sample in sorted(keyed, key=lambda pair: pair[0]))


def differs(known: Reading | None, new: Reading) -> bool:
    """Whether a reading says something else than the one that is known of its tag."""
    return known is None or known.value != new.value or known.quality is not new.quality


class InSequence(Generic[_Item]):
    """Notifications in the order of their numbers: where several requests are under way, an answer may overtake."""

    def __init__(self) -> None:
        self._expected: int | None = None
        self._early: dict[int, _Item] = {}

    @property
    def missing(self) -> int | None:
        """The number that others have overtaken; None if there is none."""
        return self._expected if self._early else None

    def put(self, number: int, item: _Item) -> list[_Item]:
        """Takes one in and gives out what is now in order; the first number of all is taken as it comes."""
        if self._expected is None:
            self._expected = number
        self._early[number] = item
        ready = []
        while self._expected in self._early:
            ready.append(self._early.pop(self._expected))
            self._expected = 1 if self._expected >= _SEQUENCE_MAX else self._expected + 1
        return ready


class Overlap:
    """Holds back what a subscription delivers although the baseline, read after it was made, already says it."""

    def __init__(self, baseline: Sequence[Reading]) -> None:
        self._known = {sample.tag: sample for sample in baseline}

    def admits(self, new: Reading, *, earlier: bool = False) -> bool:
        """Whether this reading is news: neither the same sample as the last one of its tag, nor an older one.

        `earlier`: it came before the baseline was asked for, and is older unless the controller's time says otherwise.
        """
        known = self._known.get(new.tag)
        if known is not None and self._covers(known, new, earlier=earlier):
            return False
        self._known[new.tag] = new
        return True

    @staticmethod
    def _covers(known: Reading, new: Reading, *, earlier: bool) -> bool:
        if known.source_time is not None and new.source_time is not None and new.source_time != known.source_time:
            return new.source_time < known.source_time
        if earlier:
            return True
        return new.value == known.value and new.quality is known.quality and new.source_time == known.source_time


class Delayed:
    """Brings together what one controller showed at one instant and several subscriptions or reads deliver.

    A reading waits for `hold_s` real seconds: long enough for each other source to have delivered what is as old.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, Reading]] = []

    def __bool__(self) -> bool:
        """Whether any reading waits."""
        return bool(self._waiting)

    def put(self, readings: Iterable[Reading], received_s: float) -> None:
        """Readings that came at this instant of the event loop's time."""
        self._waiting += [(received_s, sample) for sample in readings]

    def due_s(self, hold_s: float) -> float | None:
        """When the first reading has waited long enough; None if none waits."""
        return min((received_s + hold_s for received_s, _ in self._waiting), default=None)

    def take(self, now_s: float, hold_s: float) -> tuple[Reading, ...]:
        """In order, what has waited long enough, with what happened no later and what each tag showed before."""
        newest = max(
            (sample.source_time or _EARLIEST for at_s, sample in self._waiting if at_s + hold_s <= now_s), default=None
        )
        if newest is None:
            return ()
        until = newest if newest == _EARLIEST else newest + _ONE_SCAN
        last = {
            sample.tag: place
            for place, (at_s, sample) in enumerate(self._waiting)
            if at_s + hold_s <= now_s or (sample.source_time is not None and sample.source_time <= until)
        }
        taken = [sample for place, (_, sample) in enumerate(self._waiting) if place <= last.get(sample.tag, -1)]
        self._waiting = [
            (at_s, sample) for place, (at_s, sample) in enumerate(self._waiting) if place > last.get(sample.tag, -1)
        ]
        return in_order(taken)
