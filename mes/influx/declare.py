"""How a measurement is declared: tags, fields with type and unit, and where its points come from."""

from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """A field's type at the server, fixed by the first point that is ever written."""

    INT = "integer"
    FLOAT = "float"
    TEXT = "string"
    FLAG = "boolean"


class Origin(StrEnum):
    """Where points come from, and so what writing them again does."""

    EVENT = "event"  # one journaled event or reading: written once, the same for ever
    FIGURE = "figure"  # computed from the journal: whenever it changes, a further revision is written
    LOOK = "look"  # how a station stood at that moment, of the journal: written once, and not again later
    HEALTH = "health"  # the program's own state at that moment: not in the journal, so it cannot be made again


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag: what it names; its values are few, and a point never lacks it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field with its unit (empty: a plain number or text); one that is `maybe` is left out where it is not known."""

    name: str
    type: Type
    unit: str
    text: str
    maybe: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """A kind of point. `time`: what the time stamp is."""

    name: str
    origin: Origin
    text: str
    time: str
    tags: tuple[Tag, ...]
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field | None:
        """The declared field of a name; None if there is none."""
        return next((field for field in self.fields if field.name == name), None)


def seconds(name: str, about: str, *, maybe: bool = False) -> Field:
    """A length of time, or an instant as seconds since 1970."""
    return Field(name, Type.FLOAT, "s", about, maybe)


def number(name: str, about: str, unit: str = "", *, maybe: bool = False) -> Field:
    """A whole number."""
    return Field(name, Type.INT, unit, about, maybe)


def text(name: str, about: str, *, maybe: bool = False) -> Field:
    """A text."""
    return Field(name, Type.TEXT, "", about, maybe)


def flag(name: str, about: str) -> Field:
    """True or false."""
    return Field(name, Type.FLAG, "", about)
