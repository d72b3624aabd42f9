"""Stamps later than now: was the clock that made them ahead, or is the clock behind that says what now is?"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

T = TypeVar("T")

TOLERANCE = timedelta(minutes=1)  # a stamp is in the future when it is further ahead than this
BELIEVED = timedelta(days=1)  # a clock that is set back by no more than this is believed
NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)  # an earlier clock is wrong: there was no such program yet


def is_behind(now: datetime, latest: datetime, jump: timedelta | None) -> bool:
    """Whether `now` is of a clock that is behind, rather than `latest`, the latest stamp, of one that was ahead.

    A start with a clock that is ahead makes a jump in the stamps; a history without one is true, and the clock is not.
    `jump`: the largest from one event to the next since the last stamp that is not in the future; None without any.
    """
    if latest - now <= BELIEVED:
        return False
    return now < NOT_BEFORE or (jump is not None and jump < (latest - now) / 2)


def not_after(thing: T, latest: datetime) -> T:
    """The same with every instant in it, however deep in records, tuples and mappings, no later than `latest`."""
    return cast("T", _not_after(thing, latest))


def _not_after(thing: Any, latest: datetime) -> Any:
    if isinstance(thing, datetime):
        return min(thing, latest)
    if isinstance(thing, tuple):
        return tuple(_not_after(element, latest) for element in thing)
    if isinstance(thing, Mapping):
        return {key: _not_after(value, latest) for key, value in thing.items()}
    if is_dataclass(thing) and not isinstance(thing, type):
        return replace(thing, **{field.name: _not_after(getattr(thing, field.name), latest) for field in fields(thing)})
    return thing
