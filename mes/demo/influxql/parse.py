"""Reads a query of the common subset: one SELECT with plain columns or aggregates, or SHOW TAG VALUES."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

AGGREGATES = ("count", "sum", "mean", "min", "max", "first", "last")
UNITS_NS = {
    "ns": 1,
    "u": 1000,
    "µ": 1000,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 24 * 3600 * 10**9,
    "w": 7 * 24 * 3600 * 10**9,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<quoted>"(?:[^"\\]|\\.)*")
    | (?P<text>'(?:[^'\\]|\\.)*')
    | (?P<length>\d+(?:ns|ms|u|µ|s|m|h|d|w)(?![A-Za-z_]))
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign>=~|!~|!=|<>|<=|>=|[=<>(),+\-*/])
    )""",
    re.VERBOSE,
)
_REGEX = re.compile(r"\s*(?P<regex>/(?:[^/\\]|\\.)*/)")


class NotInfluxQL(ValueError):
    """A text that is not of the common subset; says where, and what was expected there."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A field or a tag."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """An aggregate over a field."""

    function: str
    of: Ref


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic."""

    sign: str
    left: "Expression"
    right: "Expression"


Expression = Ref | Call | Number | Binary


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the answer, under its name."""

    expression: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A tag or a field held against a value; a regular expression's value is its pattern."""

    name: str
    sign: str
    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class Time:
    """A bound of time: nanoseconds since 1970, or (`from_now`) from now on."""

    sign: str
    ns: int
    from_now: bool


@dataclass(frozen=True, slots=True)
class Both:
    """AND, or OR."""

    sign: str
    left: "Condition"
    right: "Condition"


Condition = Compared | Time | Both


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT. `interval_ns` 0: not grouped by time; `fill`: none, null, previous, or a number."""

    columns: tuple[Column, ...]
    measurement: str
    where: Condition | None
    tags: tuple[str, ...] = ()
    interval_ns: int = 0
    fill: str | int | float = "null"
    descending: bool = False
    limit: int = 0


@dataclass(frozen=True, slots=True)
class ShowTagValues:
    """The values of one tag."""

    measurement: str
    key: str
    where: Condition | None


Query = Select | ShowTagValues


def parse(text: str) -> Query:
    """The query. Raises NotInfluxQL."""
    return _Reader(text).query()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Reader:
    """A reader of tokens, one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens: list[_Token] = []
        at = 0
        while text[at:].strip():
            matches = bool(self._tokens) and self._tokens[-1].text in {"=~", "!~"}
            match = (_REGEX if matches else _TOKEN).match(text, at)
            if match is None or match.lastgroup is None:
                raise NotInfluxQL(f"at {at}: `{text[at : at + 20].strip()}` is not of the common subset")
            self._tokens.append(_Token(match.lastgroup, match[match.lastgroup].strip(), match.start(match.lastgroup)))
            at = match.end()
        self._tokens.append(_Token("end", "", len(text)))
        self._next = 0

    def query(self) -> Query:
        """All of it."""
        found: Query = self._show() if self._takes("SHOW") else self._select()
        if self._peek().kind != "end":
            raise self._expected("the end")
        return found

    def _show(self) -> ShowTagValues:
        self._must("TAG", "VALUES", "FROM")
        measurement = self._name()
        self._must("WITH", "KEY")
        self._sign("=")
        key = self._name()
        return ShowTagValues(measurement, key, self._condition() if self._takes("WHERE") else None)

    def _select(self) -> Select:
        self._must("SELECT")
        columns = [self._column()]
        while self._has(","):
            columns.append(self._column())
        self._must("FROM")
        measurement = self._name()
        where = self._condition() if self._takes("WHERE") else None
        tags, interval = self._group()
        fill = self._fill()
        descending = False
        if self._takes("ORDER"):
            self._must("BY", "time")
            descending = self._takes("DESC")
            if not descending:
                self._takes("ASC")
        limit = int(self._kind("number")) if self._takes("LIMIT") else 0
        return Select(tuple(columns), measurement, where, tags, interval, fill, descending, limit)

    def _group(self) -> tuple[tuple[str, ...], int]:
        tags: list[str] = []
        interval = 0
        if not self._takes("GROUP"):
            return (), 0
        self._must("BY")
        while True:
            if self._takes("time"):
                self._sign("(")
                interval = _length_ns(self._kind("length"))
                self._sign(")")
            else:
                tags.append(self._name())
            if not self._has(","):
                return tuple(tags), interval

    def _fill(self) -> str | int | float:
        if not self._takes("fill"):
            return "null"
        self._sign("(")
        token = self._peek()
        self._next += 1
        self._sign(")")
        if token.kind == "number":
            return _number(token.text)
        if token.text.lower() not in {"none", "null", "previous"}:
            raise self._expected("none, null, previous or a number")
        return token.text.lower()

    def _column(self) -> Column:
        expression = self._sum()
        if self._takes("AS"):
            return Column(expression, self._name())
        match expression:
            case Ref(name=name) | Call(function=name):
                return Column(expression, name)
        raise self._expected('AS "name" after arithmetic')

    def _sum(self) -> Expression:
        left = self._product()
        while self._peek().text in {"+", "-"}:
            sign = self._kind("sign")
            left = Binary(sign, left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._atom()
        while self._peek().text in {"*", "/"} and self._peek().kind == "sign":
            sign = self._kind("sign")
            left = Binary(sign, left, self._atom())
        return left

    def _atom(self) -> Expression:
        token = self._peek()
        if self._has("("):
            inner = self._sum()
            self._sign(")")
            return inner
        if token.kind == "number":
            return Number(_number(self._kind("number")))
        if token.kind == "word" and self._tokens[self._next + 1].text == "(":
            function = self._kind("word").lower()
            if function not in AGGREGATES:
                self._next -= 1
                raise self._expected(f"one of {', '.join(AGGREGATES)}")
            self._sign("(")
            of = Ref(self._name())
            self._sign(")")
            return Call(function, of)
        return Ref(self._name())

    def _condition(self) -> Condition:
        left = self._all_of()
        while self._takes("OR"):
            left = Both("OR", left, self._all_of())
        return left

    def _all_of(self) -> Condition:
        left = self._comparison()
        while self._takes("AND"):
            left = Both("AND", left, self._comparison())
        return left

    def _comparison(self) -> Condition:
        if self._has("("):
            inner = self._condition()
            self._sign(")")
            return inner
        token = self._peek()
        if token.kind == "word" and token.text.lower() == "time":
            self._next += 1
            sign = self._kind("sign")
            return Time(sign, *self._instant())
        name, sign = self._name(), self._kind("sign")
        if sign == "<>":
            sign = "!="
        return Compared(name, sign, self._value(sign))

    def _value(self, sign: str) -> str | int | float | bool:
        if sign in {"=~", "!~"}:
            return self._kind("regex")[1:-1].replace("\\/", "/")
        token = self._peek()
        self._next += 1
        match token.kind:
            case "text":
                return _unquoted(token.text)
            case "number":
                return _number(token.text)
            case "word" if token.text.lower() in {"true", "false"}:
                return token.text.lower() == "true"
        self._next -= 1
        raise self._expected("a value")

    def _instant(self) -> tuple[int, bool]:
        token = self._peek()
        self._next += 1
        from_now = False
        if token.kind == "text":
            ns = _ns(_unquoted(token.text))
        elif token.kind == "length":
            ns = _length_ns(token.text)
        elif token.kind == "number":
            ns = int(token.text)
        elif token.text.lower() == "now":
            self._sign("(")
            self._sign(")")
            ns, from_now = 0, True
        else:
            self._next -= 1
            raise self._expected("a time")
        if self._peek().text in {"+", "-"}:
            sign = self._kind("sign")
            by = _length_ns(self._kind("length"))
            ns += by if sign == "+" else -by
        return ns, from_now

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _takes(self, word: str) -> bool:
        token = self._peek()
        if token.kind == "word" and token.text.lower() == word.lower():
            self._next += 1
            return True
        return False

    def _must(self, *words: str) -> None:
        for word in words:
            if not self._takes(word):
                raise self._expected(word)

    def _has(self, sign: str) -> bool:
        if self._peek().kind == "sign" and self._peek().text == sign:
            self._next += 1
            return True
        return False

    def _sign(self, sign: str) -> None:
        if not self._has(sign):
            raise self._expected(f"`{sign}`")

    def _kind(self, kind: str) -> str:
        token = self._peek()
        if token.kind != kind:
            raise self._expected(f"a {kind}")
        self._next += 1
        return token.text

    def _name(self) -> str:
        token = self._peek()
        self._next += 1
        if token.kind == "quoted":
            return _unquoted(token.text)
        if token.kind == "word":
            return token.text
        self._next -= 1
        raise self._expected("a name")

    def _expected(self, expected: str) -> NotInfluxQL:
        token = self._peek()
        return NotInfluxQL(f"at {token.at}: {expected} is expected, not `{token.text or 'the end'}`")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


def _length_ns(text: str) -> int:
    digits = re.match(r"\d+", text)
    assert digits is not None
    return int(digits[0]) * UNITS_NS[text[digits.end() :]]


def _ns(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotInfluxQL(f"`{text}` is no time") from error
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1) * 1000
