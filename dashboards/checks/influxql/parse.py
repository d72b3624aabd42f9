"""Reads a query of the InfluxQL that InfluxDB 1.x, 2.x and 3 share, as far as the rules about queries need it."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from mes.influx.schema import MEASUREMENTS
from mes.influx.select import newest

TRANSFORMS = ("difference", "non_negative_difference", "moving_average")
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
    """A text outside the shared part: the position, and what is expected there."""

    def __init__(self, position: int, expected: str, found: str) -> None:
        super().__init__(f"at character {position + 1}: expected {expected}, found {found or 'the end'}")
        self.position, self.expected, self.found = position, expected, found


@dataclass(frozen=True, slots=True)
class Regex:
    """A pattern between slashes; a slash in it has no backslash."""

    pattern: str


Constant: TypeAlias = str | int | float | bool | Regex


@dataclass(frozen=True, slots=True)
class Term:
    """A field or tag of the select list; `functions` from the outermost to the innermost."""

    name: str
    functions: tuple[str, ...] = ()
    in_arithmetic: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field or tag compared with a constant."""

    name: str
    sign: str
    value: Constant


@dataclass(slots=True)
class Query:
    """A SELECT, or a SHOW TAG VALUES of one `key`.

    `time_signs` are the signs of the comparisons with the time; `fill` is none, null, previous, linear or a number without its sign.
    """

    measurement: str | None = None
    key: str | None = None
    terms: list[Term] = field(default_factory=list)
    columns: int = 0
    comparisons: list[Comparison] = field(default_factory=list)
    time_signs: list[str] = field(default_factory=list)
    time_under_or: bool = False
    tags: list[str] = field(default_factory=list)
    by_time: bool = False
    fill: str = "null"
    descending: bool = False
    paged: bool = False


def unwrapped(text: str) -> tuple[str, bool]:
    """The query as if there were no revisions, and whether it asks for the newest: the one subquery that is allowed."""
    found = re.search(
        r'FROM \(SELECT last\("revision"\).*? FROM "(\w+)" WHERE (.*) GROUP BY time\(1u\).*? fill\(none\)\) WHERE', text
    )
    if found is None or found[1] not in MEASUREMENTS:
        return text, False
    names = re.findall(r'"(\w+)"', found[0][: found[0].index(" FROM ", 6)])
    declared = MEASUREMENTS[found[1]]
    made = newest(declared, found[2], names[2:])
    if f"FROM ({made}) WHERE" != found[0]:
        return text, False
    return f'{text[: found.start()]}FROM "{found[1]}" WHERE ({found[2]}) AND {text[found.end() :]}', True


def parse(text: str) -> Query:
    """The query, as if there were no revisions. Raises QueryError for a text outside the shared part."""
    reader = _Reader(unwrapped(text)[0])
    query = Query()
    if reader.word("show"):
        _show(reader, query)
    else:
        _select(reader, query)
    if reader.kind != "end":
        raise reader.error("the end")
    return query


@dataclass(slots=True)
class _Reader:
    """The next token, its kind and its position."""

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
        elif match is None:
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
        """Passes each of the words if the first one is next."""
        if not self.at(words[0]):
            return False
        for word in words:
            if not self.at(word):
                raise self.error(word.upper())
            self.step()
        return True

    def sign(self, *signs: str) -> str | None:
        return self.step() if self.kind == "sign" and self.token in signs else None

    def need(self, sign: str) -> None:
        if not self.sign(sign):
            raise self.error(f"`{sign}`")

    def need_kind(self, kind: str, expected: str) -> str:
        if self.kind != kind:
            raise self.error(expected)
        return self.step()

    def name(self) -> str:
        if self.kind == "quoted":
            return _unquoted(self.step())
        if self.kind == "word" and self.token.lower() not in RESERVED:
            return self.step()
        raise self.error("a name")

    def number(self) -> int | float:
        token = self.need_kind("number", "a number")
        return float(token) if "." in token else int(token)

    def whole(self) -> None:
        if "." in self.token:
            raise self.error("a whole number")
        self.need_kind("number", "a whole number")

    def duration(self) -> str:
        return self.need_kind("duration", "a duration as 5m")

    def regex(self) -> Regex:
        match = REGEX.match(self.text, self.position)
        if match is None:
            raise self.error("a regex between slashes")
        self.end = match.end()
        self.step()
        return Regex(match.group(1).replace("\\/", "/"))


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], token[1:-1])


def _show(reader: _Reader, query: Query) -> None:
    if not reader.word("tag", "values"):
        raise reader.error("TAG VALUES")
    if reader.word("from"):
        query.measurement = reader.name()
    if not reader.word("with", "key"):
        raise reader.error("WITH KEY")
    reader.need("=")
    query.key = reader.name()
    if reader.word("where"):
        _condition(reader, query)


def _select(reader: _Reader, query: Query) -> None:
    if not reader.word("select"):
        raise reader.error("SELECT or SHOW TAG VALUES")
    _column(reader, query)
    while reader.sign(","):
        _column(reader, query)
    if not reader.word("from"):
        raise reader.error("FROM")
    query.measurement = reader.name()
    if reader.word("where"):
        _condition(reader, query)
    if reader.word("group", "by"):
        _group(reader, query)
    if reader.word("fill"):
        _fill(reader, query)
    if reader.word("order", "by"):
        if not reader.word("time"):
            raise reader.error("time")
        query.descending = reader.word("desc") or (reader.word("asc") and False)
    for word in ("limit", "offset"):
        if reader.word(word):
            reader.whole()
            query.paged = True


def _column(reader: _Reader, query: Query) -> None:
    terms: list[Term] = []
    in_arithmetic = _expression(reader, terms)
    if reader.word("as"):
        reader.name()
    query.columns += 1
    query.terms += [Term(term.name, term.functions, in_arithmetic) for term in terms]


def _expression(reader: _Reader, terms: list[Term]) -> bool:
    """Reads an expression, adds its terms, and returns whether it is arithmetic."""
    is_arithmetic = _operand(reader, terms)
    while reader.sign("+", "-", "*", "/"):
        _operand(reader, terms)
        is_arithmetic = True
    return is_arithmetic


def _operand(reader: _Reader, terms: list[Term]) -> bool:
    if reader.sign("("):
        is_arithmetic = _expression(reader, terms)
        reader.need(")")
        return is_arithmetic
    if reader.sign("-") or reader.kind == "number":
        reader.number()
    else:
        terms.append(_term(reader))
    return False


def _term(reader: _Reader) -> Term:
    bare, error = reader.kind == "word", reader.error(f"one of {', '.join(FUNCTIONS)}")
    name = reader.name()
    if not bare or not reader.sign("("):
        return Term(name)
    function = name.lower()
    if function not in FUNCTIONS:
        raise error
    error = reader.error("a field; of functions only a transformation goes over another aggregate")
    argument = _term(reader)
    if argument.functions and (function not in TRANSFORMS or argument.functions[0] in TRANSFORMS):
        raise error
    if function == "moving_average":
        reader.need(",")
        reader.whole()
    reader.need(")")
    return Term(argument.name, (function, *argument.functions))


def _condition(reader: _Reader, query: Query) -> bool:
    """Reads a condition and returns whether the time is compared in it."""
    has_time = _conjunction(reader, query)
    while reader.word("or"):
        has_time = _conjunction(reader, query) or has_time
        query.time_under_or = query.time_under_or or has_time
    return has_time


def _conjunction(reader: _Reader, query: Query) -> bool:
    has_time = _comparison(reader, query)
    while reader.word("and"):
        has_time = _comparison(reader, query) or has_time
    return has_time


def _comparison(reader: _Reader, query: Query) -> bool:
    if reader.sign("("):
        has_time = _condition(reader, query)
        reader.need(")")
        return has_time
    name = reader.name()
    if name.lower() == "time":
        sign = reader.sign("=", "<", "<=", ">", ">=")
        if sign is None:
            raise reader.error("one of = < <= > >=")
        _instant(reader)
        query.time_signs.append(sign)
        return True
    sign = reader.sign("=", "!=", "<>", "<", "<=", ">", ">=", "=~", "!~")
    if sign is None:
        raise reader.error("a comparison")
    value = reader.regex() if sign in ("=~", "!~") else _constant(reader)
    query.comparisons.append(Comparison(name, sign, value))
    return False


def _constant(reader: _Reader) -> Constant:
    if reader.kind == "string":
        return _unquoted(reader.step())
    if reader.at("true", "false"):
        return reader.step().lower() == "true"
    return -reader.number() if reader.sign("-") else reader.number()


def _instant(reader: _Reader) -> None:
    if reader.word("now"):
        reader.need("(")
        reader.need(")")
        if reader.sign("+", "-"):
            reader.duration()
    elif reader.kind == "string":
        error = reader.error("a time as '2026-03-02T00:00:00Z'")
        try:
            instant = datetime.fromisoformat(_unquoted(reader.step()))
        except ValueError:
            raise error from None
        if instant.tzinfo is None:
            raise error
    else:
        reader.sign("-")
        if reader.kind == "duration":
            reader.duration()
        else:
            reader.whole()


def _group(reader: _Reader, query: Query) -> None:
    while True:
        if reader.sign("*"):
            query.tags.append("*")
        elif reader.word("time"):
            reader.need("(")
            if not re.search("[1-9]", reader.duration()):
                raise reader.error("a length above zero")
            if reader.sign(","):
                reader.sign("-")
                reader.duration()
            reader.need(")")
            query.by_time = True
        else:
            query.tags.append(reader.name())
        if not reader.sign(","):
            return


def _fill(reader: _Reader, query: Query) -> None:
    reader.need("(")
    if reader.at("none", "null", "previous", "linear"):
        query.fill = reader.step().lower()
    else:
        reader.sign("-")
        query.fill = str(reader.number())
    reader.need(")")
