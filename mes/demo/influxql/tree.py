"""Queries of the shared subset as frozen trees."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Number:
    """A number of the select list."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Ref:
    """A field or tag by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function over a field, or a difference over an aggregate."""

    name: str
    argument: "Ref | Call"


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic: one of + - * /."""

    sign: str
    left: "Expression"
    right: "Expression"


Expression: TypeAlias = Number | Ref | Call | Binary


@dataclass(frozen=True, slots=True)
class Item:
    """A column of the answer."""

    expression: Expression
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Regex:
    """A pattern as it stands between slashes, slashes in it without their backslash."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Compare:
    """A tag or field against a constant."""

    name: str
    sign: str
    value: str | int | float | bool | Regex


@dataclass(frozen=True, slots=True)
class TimeBound:
    """The time against nanoseconds since 1970, or since the moment of asking."""

    sign: str
    ns: int
    from_now: bool = False


@dataclass(frozen=True, slots=True)
class Logic:
    """AND or OR of two conditions."""

    sign: str
    left: "Condition"
    right: "Condition"


Condition: TypeAlias = Compare | TimeBound | Logic


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT. `every_ns`: the length of GROUP BY time; `fill`: none, null, previous, linear or a number."""

    items: tuple[Item, ...]
    measurement: str
    where: Condition | None = None
    tags: tuple[str, ...] = ()
    every_ns: int | None = None
    offset_ns: int = 0
    fill: str | int | float = "null"
    descending: bool = False
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class ShowTagValues:
    """SHOW TAG VALUES of one key."""

    key: str
    measurement: str | None = None
    where: Condition | None = None


Query: TypeAlias = Select | ShowTagValues
