"""InfluxQL's shared subset from text to frozen trees."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mes.demo.influxql.tree import (
    Binary,
    Call,
    Compare,
    Condition,
    Expression,
    Item,
    Logic,
    Number,
    Query,
    Ref,
    Regex,
    Select,
    ShowTagValues,
    TimeBound,
)

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
UNITS_NS = {
    "ns": 1,
    "u": 10**3,
    "µ": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
    "w": 7 * 86400 * 10**9,
}
TRANSFORMS = ("difference", "non_negative_difference")
FUNCTIONS = ("count", "sum", "mean", "min", "max", "first", "last", *TRANSFORMS)
# fmt: off
RESERVED = frozenset(
    {
        "select", "from", "where", "group", "by", "order", "limit", "offset", "slimit", "soffset",
        "fill", "and", "or", "as", "asc", "desc", "into", "show", "tag", "values",
        "with", "key", "in", "insert", "drop", "delete", "create", "alter", "grant", "tz",
    }
)
# fmt: on
TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<duration>(?:\d+(?:ns|ms|u|µ|s|m|h|d|w))+)(?![\w.])
    |(?P<number>\d+\.\d+|\d+)(?!\w)
    |(?P<quoted>"(?:[^"\\\n]|\\["\\n])*")
    |(?P<string>'(?:[^'\\\n]|\\['\\n])*')
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>=~|!~|<>|!=|<=|>=|[-+*/()=<>,])""",
    re.VERBOSE,
)
REGEX = re.compile(r"\s*/((?:[^/\\\n]|\\.)+)/")


class QueryError(Exception):
    """A text outside the subset: where, and what would have been expected there; change the query."""

    def __init__(self, position: int, expected: str, found: str) -> None:
        super().__init__(f"at character {position + 1}: expected {expected}, found {found or 'the end'}")
        self.position, self.expected, self.found = position, expected, found


def parse(text: str) -> Query:
    """The query as a tree; QueryError for what is not in the subset."""
    reader = _Reader(text)
    query = _show(reader) if reader.word("show") else _select(reader)
    if reader.kind != "end":
        raise reader.error("the end")
    return query


@dataclass(slots=True)
class _Reader:
    """The token that is next, its kind and its place."""

    text: str
    position: int = 0
    end: int = 0
    kind: str = field(default="", init=False)
    token: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.step()

    def step(self) -> str:
        passed, self.position = self.token, self.end
        while (match := TOKEN.match(self.text, self.position)) and match.lastgroup == "space":
            self.position = match.end()
        if self.position >= len(self.text):
            self.kind, self.token = "end", ""
        elif match is None:  # a slash that begins a regex is a sign, so that this is foreign to the language
            self.kind, self.token = "foreign", self.text[self.position]
        else:
            self.kind, self.token = str(match.lastgroup), match.group()
        self.end = self.position + len(self.token)
        return passed

    def error(self, expected: str) -> QueryError:
        return QueryError(self.position, expected, self.token)

    def at(self, *words: str) -> bool:
        return self.kind == "word" and self.token.lower() in words

    def word(self, *words: str) -> bool:
        """Passes each of the words if the first is next."""
        if not self.at(words[0]):
            return False
        for each in words:
            if not self.at(each):
                raise self.error(each.upper())
            self.step()
        return True

    def sign(self, *signs: str) -> str | None:
        return self.step() if self.kind == "sign" and self.token in signs else None

    def need(self, sign: str) -> None:
        if not self.sign(sign):
            raise self.error(f"`{sign}`")

    def name(self) -> str:
        if self.kind == "quoted":
            return _unquoted(self.step())
        if self.kind == "word" and self.token.lower() not in RESERVED:
            return self.step()
        raise self.error("a name")

    def whole(self) -> int:
        if self.kind != "number" or "." in self.token:
            raise self.error("a whole number")
        return int(self.step())

    def duration(self) -> int:
        if self.kind != "duration":
            raise self.error("a duration as 5m")
        return sum(int(n) * UNITS_NS[unit] for n, unit in re.findall(r"(\d+)(\D+)", self.step()))

    def regex(self) -> Regex:
        match = REGEX.match(self.text, self.position)
        if match is None:
            raise self.error("a regex between slashes")
        self.end = match.end()
        self.step()
        return Regex(match.group(1).replace("\\/", "/"))


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], token[1:-1])


def _show(reader: _Reader) -> ShowTagValues:
    if not reader.word("tag", "values"):
        raise reader.error("TAG VALUES")
    measurement = reader.name() if reader.word("from") else None
    if not reader.word("with", "key"):
        raise reader.error("WITH KEY")
    reader.need("=")
    return ShowTagValues(reader.name(), measurement, _condition(reader) if reader.word("where") else None)


def _select(reader: _Reader) -> Select:
    if not reader.word("select"):
        raise reader.error("SELECT or SHOW TAG VALUES")
    items = [_item(reader)]
    while reader.sign(","):
        items.append(_item(reader))
    if not reader.word("from"):
        raise reader.error("FROM")
    measurement = reader.name()
    where = _condition(reader) if reader.word("where") else None
    tags, every_ns, offset_ns = _grouping(reader) if reader.word("group", "by") else ((), None, 0)
    return Select(
        tuple(items),
        measurement,
        where,
        tags,
        every_ns,
        offset_ns,
        _fill(reader) if reader.word("fill") else "null",
        _descending(reader) if reader.word("order", "by") else False,
        reader.whole() if reader.word("limit") else None,
        reader.whole() if reader.word("offset") else 0,
    )


def _item(reader: _Reader) -> Item:
    expression = _chain(reader, ("+", "-"), lambda: _chain(reader, ("*", "/"), lambda: _factor(reader)))
    return Item(expression, reader.name() if reader.word("as") else None)


def _chain(reader: _Reader, signs: tuple[str, ...], part: Callable[[], Expression]) -> Expression:
    left = part()
    while sign := reader.sign(*signs):
        left = Binary(sign, left, part())
    return left


def _factor(reader: _Reader) -> Expression:
    if reader.sign("("):
        inner = _item(reader).expression
        reader.need(")")
        return inner
    if reader.sign("-"):
        return Number(-_number(reader))
    if reader.kind == "number":
        return Number(_number(reader))
    return _named(reader)


def _named(reader: _Reader) -> Ref | Call:
    bare, error = reader.kind == "word", reader.error(f"one of {', '.join(FUNCTIONS)}")
    name = reader.name()
    if not bare or not reader.sign("("):
        return Ref(name)
    if name.lower() not in FUNCTIONS:
        raise error
    inner = reader.error("a field; of functions only a difference goes over another aggregate")
    argument = _named(reader)
    if isinstance(argument, Call) and (name.lower() not in TRANSFORMS or argument.name in TRANSFORMS):
        raise inner
    reader.need(")")
    return Call(name.lower(), argument)


def _number(reader: _Reader) -> int | float:
    if reader.kind != "number":
        raise reader.error("a number")
    token = reader.step()
    return float(token) if "." in token else int(token)


def _condition(reader: _Reader) -> Condition:
    left = _both(reader)
    while reader.word("or"):
        left = Logic("OR", left, _both(reader))
    return left


def _both(reader: _Reader) -> Condition:
    left = _single(reader)
    while reader.word("and"):
        left = Logic("AND", left, _single(reader))
    return left


def _single(reader: _Reader) -> Condition:
    if reader.sign("("):
        inner = _condition(reader)
        reader.need(")")
        return inner
    name = reader.name()
    if name.lower() == "time":
        sign = reader.sign("=", "<", "<=", ">", ">=")
        if sign is None:
            raise reader.error("one of = < <= > >=")
        return _bound(reader, sign)
    sign = reader.sign("=", "!=", "<>", "<", "<=", ">", ">=", "=~", "!~")
    if sign is None:
        raise reader.error("a comparison")
    if sign in ("=~", "!~"):
        return Compare(name, sign, reader.regex())
    return Compare(name, "!=" if sign == "<>" else sign, _constant(reader))


def _constant(reader: _Reader) -> str | int | float | bool:
    if reader.kind == "string":
        return _unquoted(reader.step())
    if reader.at("true", "false"):
        return reader.step().lower() == "true"
    return -_number(reader) if reader.sign("-") else _number(reader)


def _bound(reader: _Reader, sign: str) -> TimeBound:
    if reader.word("now"):
        reader.need("(")
        reader.need(")")
        shift = reader.sign("+", "-")
        return TimeBound(sign, (-1 if shift == "-" else 1) * reader.duration() if shift else 0, from_now=True)
    if reader.kind == "string":
        error = reader.error("a time as '2026-03-02T00:00:00Z'")
        try:
            moment = datetime.fromisoformat(_unquoted(reader.step()))
            return TimeBound(sign, (moment - EPOCH) // timedelta(microseconds=1) * 1000)
        except (ValueError, TypeError):
            raise error from None
    factor = -1 if reader.sign("-") else 1
    return TimeBound(sign, factor * (reader.duration() if reader.kind == "duration" else reader.whole()))


def _grouping(reader: _Reader) -> tuple[tuple[str, ...], int | None, int]:
    tags: list[str] = []
    every_ns, offset_ns = None, 0
    while True:
        if reader.sign("*"):
            tags.append("*")
        elif reader.at("time"):
            reader.step()
            reader.need("(")
            every_ns = reader.duration()
            if every_ns == 0:
                raise reader.error("a length above zero")
            if reader.sign(","):
                offset_ns = -reader.duration() if reader.sign("-") else reader.duration()
            reader.need(")")
        else:
            tags.append(reader.name())
        if not reader.sign(","):
            return tuple(tags), every_ns, offset_ns


def _fill(reader: _Reader) -> str | int | float:
    reader.need("(")
    if reader.at("none", "null", "previous", "linear"):
        kind: str | int | float = reader.step().lower()
    else:
        kind = -_number(reader) if reader.sign("-") else _number(reader)
    reader.need(")")
    return kind


def _descending(reader: _Reader) -> bool:
    if not reader.word("time"):
        raise reader.error("time")
    return reader.word("desc") or (reader.word("asc") and False)
