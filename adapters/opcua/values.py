"""OPC UA values into readings: quality, overflow, both times, scaling, and the order in which things happened."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc

from adapters.reading import Quality, Reading, Scalar, TagId, Value, bit_field
from adapters.sentinels import NO_VALUE_REMEDY, SAID_NO_VALUE, is_sentinel
from adapters.settings import Charset, OpcUaTag

_Item = TypeVar("_Item")

_ONE_SCAN = timedelta(milliseconds=100)  # what changed by one cycle of a controller's program
_SEQUENCE_MAX = 2**32 - 1  # after which follows 1, OPC 10000-4 7.9
# OPC UA counts from 1601: a time in that year is "not set". Its last time, of the year 9999, is one that nobody knows.
# What lies between is a clock, right or wrong, and the difference of two such clocks can still be taken off a third.
_REAL_YEARS = range(1602, 3000)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_INFO_TYPE_MASK, _INFO_TYPE_DATA_VALUE, _OVERFLOW_BIT = 0xC00, 0x400, 0x80  # OPC 10000-4 7.39
_BLANKS = "\0 \t\r\n"
_LONGEST_TEXT = 4000
_MOST_OCTETS = 4000  # of what is no text; alarm words have fewer, and nobody takes more for them
_OTHER_MEMBER = "name one of its members with `member`, or a node with a plain value"
_ACCEPT = "find out why at the controller, or add `accept: uncertain` to the tag or the controller"
_CODE_BITS = 0xFFFF0000  # without the info bits


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a value cannot be used, and what to do."""

    text: str
    remedy: str


class _Unusable(Exception):
    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.problem = Problem(text, remedy)


_NO_ELEMENT = ("the server has no such part of the array", "correct `index`: it counts from 0")
_NOT_THERE = {
    int(StatusCodes.BadIndexRangeInvalid): Problem(*_NO_ELEMENT),
    int(StatusCodes.BadIndexRangeNoData): Problem(*_NO_ELEMENT),
}


def interpreted(
    tag: TagId,
    how: OpcUaTag,
    data: ua.DataValue,
    *,
    received_time: datetime,
    member: Callable[[object], object] | None = None,
    accept_uncertain: bool = False,
    server_time: bool = False,
) -> tuple[Reading, Problem | None]:
    """One DataValue as a reading, and what is wrong with a value that cannot be used.

    Numbers, texts, bools and lists of these are values; anything else is of bad quality. So is a number that is not
    finite. A null string is the empty string, as many controllers send it. `member` picks the wanted member of a
    structure; it raises LookupError with what the server sends instead. `server_time`: the server's stamp is taken in
    place of the source's.
    """
    status = 0 if data.StatusCode is None else int(data.StatusCode.value)
    quality = _quality(status)
    value: Value | None = None
    problem = _NOT_THERE.get(status)
    if quality is Quality.UNCERTAIN:
        if accept_uncertain:
            quality = Quality.GOOD
        else:
            problem = Problem(f"the server marks its value as uncertain ({_name(status)}), so it is not used", _ACCEPT)
    if quality is not Quality.BAD:
        try:
            value = _value(data.Value, how, member)
        except _Unusable as unusable:
            problem = unusable.problem
    sample = Reading(
        tag=tag,
        value=value,
        quality=Quality.BAD if value is None else quality,
        source_time=_source_time(data.ServerTimestamp if server_time else data.SourceTimestamp),
        received_time=received_time,
        overflow=status & _INFO_TYPE_MASK == _INFO_TYPE_DATA_VALUE and bool(status & _OVERFLOW_BIT),
    )
    return sample, problem


def _quality(status: int) -> Quality:
    """The severity is in the two highest bits; 11 is reserved and counts as bad (OPC 10000-4 7.39)."""
    match status >> 30:
        case 0:
            return Quality.GOOD
        case 1:
            return Quality.UNCERTAIN
        case _:
            return Quality.BAD


def _name(status: int) -> str:
    return get_name_and_doc(status & _CODE_BITS)[0]


def _source_time(stamp: datetime | None) -> datetime | None:
    if stamp is None or stamp.year not in _REAL_YEARS:
        return None
    return _utc(stamp)


def event_time(stamp: object) -> datetime | None:
    """When an event was; None where the server does not say."""
    return _source_time(stamp) if isinstance(stamp, datetime) else None


def event_text(content: object) -> str:
    """A text of an event; empty where there is none."""
    said = _scalar(content, OpcUaTag(node="")) if isinstance(content, str | ua.LocalizedText) else ""
    return said.strip(_BLANKS) if isinstance(said, str) else ""


def _value(variant: ua.Variant | None, how: OpcUaTag, member: Callable[[object], object] | None) -> Value | None:
    """None where the server sends no value. Raises _Unusable for what is none that we read."""
    if variant is None:
        return None
    content: Any = variant.Value
    if content is None:
        return "" if variant.VariantType is ua.VariantType.String and not variant.is_array else None
    if variant.VariantType is ua.VariantType.Byte and isinstance(content, list):
        content = _octets(content)
    if how.index is not None:
        content = _part(content, how.index.split(","))
    if member is not None:
        try:
            content = member(content)
        except LookupError as error:
            raise _Unusable(f"the server sends {error.args[0]}", _OTHER_MEMBER) from None
    if how.octets and isinstance(content, bytes):
        content = list(content[:_MOST_OCTETS])
    if isinstance(content, list):
        return _list(content, how, text=variant.VariantType is ua.VariantType.String)
    return None if content is None else _scalar(content, how)


def _octets(content: list[Any]) -> Any:
    """An array of bytes is a text; a matrix of them is not."""
    return content if any(isinstance(element, list) for element in content) else bytes(content)


def _part(content: Any, ranges: Sequence[str]) -> Any:
    """The part of an array that was asked for; some servers and gateways send the whole array nevertheless."""
    if not ranges or not isinstance(content, list | str | bytes):
        return content
    first, colon, last = ranges[0].partition(":")
    low, high = int(first), int(last or first)
    if len(content) > high - low + 1:
        content = content[low : high + 1]
    if not len(content):
        raise _Unusable(*_NO_ELEMENT)
    if colon == "":
        return _part(content[0], ranges[1:])
    return [_part(element, ranges[1:]) for element in content] if isinstance(content, list) else content


def _list(content: list[Any], how: OpcUaTag, *, text: bool) -> Value | None:
    if how.single:
        raise _Unusable("the server sends a list, where one value is wanted", "name one element with `index`, from 0")
    if any(isinstance(element, list) for element in content):
        raise _Unusable("the server sends an array of several dimensions", "name one element with `index: 0,0`")
    elements = ["" if element is None and text else element for element in content]
    if any(element is None for element in elements):
        return None
    return tuple(_scalar(element, how) for element in elements)


def _scalar(content: object, how: OpcUaTag) -> Scalar:
    value = _plain(content, how.charset)
    if is_sentinel(value, how.no_value):
        raise _Unusable(SAID_NO_VALUE, NO_VALUE_REMEDY)
    if how.bits is not None:
        if not isinstance(value, int):
            raise _Unusable(
                "the server sends no whole number, so it has no bits", "delete `bits`, or name another node"
            )
        value = bit_field(value, *how.bits)
    if isinstance(value, bool | str) or (how.scale == 1.0 and how.offset == 0.0):
        return value  # counts stay whole
    return value * how.scale + how.offset


def _plain(content: object, charset: Charset) -> Scalar:
    match content:
        case bool():
            return content
        case str():
            # asyncua keeps bytes that are no UTF-8 as lone surrogates, which nothing after us could encode
            is_utf8 = not any("\udc80" <= sign <= "\udcff" for sign in content)
            return _text(content.encode("utf-8", "surrogateescape"), "utf-8" if is_utf8 else charset)
        case bytes():
            return _text(content, charset)
        case ua.LocalizedText():
            return _plain(content.Text or "", charset)
        case ua.QualifiedName():
            return _plain(content.Name or "", charset)
        case datetime():
            return (_utc(content)).isoformat()
        case int() | float() if not math.isfinite(content):
            raise _Unusable(
                "the server sends a number that is not finite", "let the controller's program send a number"
            )
        case int() | float():
            return content if isinstance(content, float) else int(content)
        case ua.ExtensionObject():
            raise _Unusable("the server sends a structure", _OTHER_MEMBER)
        case _ if dataclasses.is_dataclass(content):
            raise _Unusable("the server sends a structure", _OTHER_MEMBER)
        case dict():
            raise _Unusable("the server sends a structure in that place", _OTHER_MEMBER)
        case _:
            raise _Unusable(
                f"the server sends a {type(content).__name__}", "name a node with a number, a text or a bool"
            )


def _text(octets: bytes, charset: Charset) -> str:
    """The text without blanks and NULs around it; a fixed-length array holds old bytes behind the first NUL."""
    text = octets.decode(charset, "replace").lstrip(_BLANKS).partition("\0")[0].rstrip()
    if len(text) > _LONGEST_TEXT:
        raise _Unusable("the server sends a text of thousands of characters", "name the node of a code or a name")
    return text


def _utc(stamp: datetime) -> datetime:
    return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)


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
