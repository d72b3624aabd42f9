"""Reads YAML 1.2 into plain values and remembers the line of every key, so that each mistake can name its place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mes.config.problems import ConfigProblems, Problem

PEM = "-----BEGIN"  # of certificates and keys, which are never shown
Place = tuple[str | int, ...]
Plain = bool | int | float | str | list["Plain"] | dict[str | int, "Plain"] | None


class Hexadecimal(int):
    """A number that the file writes as 0x64: of Modbus it is the address on the wire, whatever manuals count."""


def dotted(place: Place) -> str:
    """A place for people: `templates.weld-station.signals.state`, list items as `[0]`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".") or "file"


@dataclass(slots=True)
class Source:
    """A file's values and where each of them stands: in `files` for places that came from another file."""

    file: str
    data: dict[str | int, Plain] = field(default_factory=dict)
    lines: dict[Place, int] = field(default_factory=dict)
    files: dict[Place, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it that is written down."""
        return self.lines.get(self._written(place), 1)

    def problem(self, place: Place, what: str, remedy: str) -> Problem:
        """A problem at this place of the file."""
        file = self.files.get(self._written(place), self.file)
        return Problem(file, self.line(place), dotted(place), what, remedy)

    def take_lines(self, place: Place, other: "Source", origin: Place) -> None:
        """Notes that a value came from `origin` in another file."""
        for written, line in other.lines.items():
            if written[: len(origin)] == origin:
                here = (*place, *written[len(origin) :])
                self.lines[here] = line
                self.files[here] = other.file

    def _written(self, place: Place) -> Place:
        while place and place not in self.lines:
            place = place[:-1]
        return place


def read(path: Path) -> Source:
    """Reads a file. Raises ConfigProblems where it cannot be read or is not YAML at all."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigProblems(
            [Problem(str(path), 1, "file", f"cannot be read: {reason}", "give the path of the plant's file")]
        ) from error
    return parse(text, str(path))


def composed(text: str) -> Node | None:
    """The nodes of a file, None where it is empty; most of the time of reading it is spent here. Raises YAMLError."""
    node: Node | None = YAML(typ="safe", pure=True).compose(text)
    return node


def parse(text: str, file: str) -> Source:
    """Turns YAML text into plain values; duplicate keys and the like stand in `problems` of what is returned.

    Raises ConfigProblems for text that is not YAML, or whose top is not a mapping.
    """
    source = Source(file)
    try:
        node = composed(text)
    except YAMLError as error:
        raise ConfigProblems([_syntax(file, error)]) from error
    except RecursionError as error:
        remedy = "look for brackets that are not closed; the example plant needs no more than ten levels"
        raise ConfigProblems(
            [Problem(file, 1, "file", "lists and mappings lie too deep in each other", remedy)]
        ) from error
    if not isinstance(node, MappingNode):
        remedy = "start from config/kostanay.yaml, the example plant"
        raise ConfigProblems([Problem(file, 1, "file", "the file does not hold `key: value` lines", remedy)])
    plain = _plain(node, (), source)
    assert isinstance(plain, dict)
    source.data = plain
    return source


def _syntax(file: str, error: YAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    said = (error.problem or error.context) if isinstance(error, MarkedYAMLError) else str(error).split("\n", 1)[0]
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    # the name that follows may be a secret, in quotes of either kind
    said = re.sub(r"""^(found (?:undefined|duplicate) [a-z ]+) ['"].*""", r"\1", said or "", flags=re.DOTALL)
    remedy = f"look at column {column} and the line above: indentation by spaces, a colon and a space after a key"
    return Problem(file, line, "file", f"not YAML: {said or 'cannot be read'}", remedy)


def _plain(node: Node, place: Place, source: Source) -> Plain:
    """A node's value. Aliases of mappings and lists are refused: they hide where a value stands and may be endless."""
    source.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, MappingNode | SequenceNode):
        if id(node) in source.seen:
            remedy = "write it out, or make it a template, which stations share and may change in parts"
            source.problems.append(source.problem(place, "anchors (&) and aliases (*) are not used here", remedy))
            return None
        source.seen.add(id(node))
    match node:
        case MappingNode():
            return _mapping(node, place, source)
        case SequenceNode():
            return [_plain(element, (*place, index), source) for index, element in enumerate(node.value)]
        case _:
            assert isinstance(node, ScalarNode)
            return _scalar(node)


def _mapping(node: MappingNode, place: Place, source: Source) -> dict[str | int, Plain]:
    found: dict[str | int, Plain] = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node) if isinstance(key_node, ScalarNode) else None
        line = key_node.start_mark.line + 1
        written = str(key_node.value) if isinstance(key_node, ScalarNode) else PEM
        if key == "<<" or not isinstance(key, str | int) or PEM in written:
            what = f"`{'…' if PEM in written else written}` cannot be a key here"
            source.problems.append(Problem(source.file, line, dotted(place), what, "use a plain word or number"))
            continue
        if key in found:
            first = source.line((*place, key))
            remedy = f"keep one of the two, the other is in line {first}"
            source.problems.append(
                Problem(source.file, line, dotted((*place, key)), f"the key `{key}` is given twice", remedy)
            )
            continue
        source.lines[(*place, key)] = line
        found[key] = _plain(value_node, (*place, key), source)
    return found


def _scalar(node: ScalarNode) -> bool | int | float | str | None:
    """The value by YAML 1.2's core schema; anything that it does not know, such as 08:00 or a date, stays text."""
    text: str = node.value
    match str(node.tag).rsplit(":", 1)[-1]:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int" | "float" as kind:
            try:
                return _int(text) if kind == "int" else _float(text)
            except ValueError:  # a tag that was written by hand, as in `!!int abc`
                return text
        case _:
            return text


def _int(text: str) -> int:
    if text.startswith("0x"):
        return Hexadecimal(text, 16)
    return int(text, 0) if text.lstrip("+-").startswith(("0x", "0o")) else int(text)


def _float(text: str) -> float:
    low = text.lower()
    return float(low.replace(".inf", "inf").replace(".nan", "nan")) if low.endswith(("inf", "nan")) else float(low)


def at(data: Plain | Mapping[str | int, Plain], place: Place) -> Plain | Mapping[str | int, Plain]:
    """The value at a place; None if there is none."""
    for part in place:
        match data:
            case dict() if part in data:
                data = data[part]
            case list() if isinstance(part, int) and part < len(data):
                data = data[part]
            case _:
                return None
    return data
