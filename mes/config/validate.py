"""Holds the file's values against their shape, and says every mistake in words that tell what to do."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mes.config.models.plant import PlantShape
from mes.config.problems import Problem, did_you_mean
from mes.config.source import PEM, Place, Plain, Source, at
from mes.config.stand_ins import REFERRED_TO, Shaped, section_stand_in, stand_in

SECRET = re.compile(r"(password|passwd|passphrase|secret|token|api_?key)$", re.IGNORECASE)
URL_WITH_SECRET = re.compile(r"^[a-z.]+://[^/@\s]*:[^/@\s]*@", re.IGNORECASE)
SECRET_IN_ADDRESS = re.compile(r"@|[?&;]\w*(pass|pwd|token|secret|key)\w*=", re.IGNORECASE)
ADDRESS = re.compile(r"(^|_)(url|host)$")
CREDENTIAL = re.compile(r"(^|_)credential$")
FILE_NAME = re.compile(r"[A-Za-z0-9_.-]*")
PEM_STANDS_HERE = "a certificate or key itself stands here, where only the path of its file may"
ADDRESS_HOLDS_ONE = "this address holds a user and a password, and secrets do not stand in this file"
DEEPEST = 8  # how many mappings may lie in each other around a mistake
Node = Mapping[str, Any]


def shape(source: Source) -> Shaped:
    """Checks types, limits and keys. Mistakes that can be left out are, so that the rest is checked as well."""
    shaped = Shaped(_copy(source.data))
    for place, what in _secrets(source.data, ()):
        shaped.problems.append(source.problem(place, what, _where_to_put_it(place, what)))
        if what == PEM_STANDS_HERE:
            _put_path(shaped, place)
        else:
            _leave_out(shaped, place)
    for place in list(_truths_for_numbers(shaped.data, ())):
        shaped.problems.append(_truth_for_number(source, place))
        _leave_out(shaped, place)
    try:
        shaped.plant = PlantShape.model_validate(shaped.data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            missing = detail["type"] == "missing"
            place = _place(detail["loc"][:-1] if missing else detail["loc"], source.data)
            at_fault = (*place, detail["loc"][-1]) if missing else place
            if at_fault not in shaped.broken:
                shaped.problems.append(_problem(source, place, detail))
                _leave_out(shaped, at_fault)
        shaped.plant = _with_stand_ins(shaped)
    return shaped


def _where_to_put_it(place: Place, what: str) -> str:
    if what == PEM_STANDS_HERE:
        return (
            "put it into a file of its own (chmod 600), and write that file's path here; a private key goes out of "
            "this file's history as well, and is made again: `mes certs create` or `mes certs renew`"
        )
    key = "credential" if place[0] == "influx" else "password_credential"
    return (
        "take it out of the file, and out of its history; put it into a file of its own in $CREDENTIALS_DIRECTORY "
        f"(LoadCredential= in the unit), and name a credential here: {key}: NAME-OF-THAT-FILE"
    )


def _with_stand_ins(shaped: Shaped) -> PlantShape | None:
    """The plant without what was wrong. An entry that needs a wrong part gets a stand-in for it or is left out. So all
    the rest is checked in the same go. The result is never run.
    """
    for (section,) in [place for place in shaped.broken if len(place) == 1]:
        section_stand_in(shaped, section)
    for _ in range(DEEPEST):
        try:
            return PlantShape.model_validate(shaped.data)
        except ValidationError as error:
            details = error.errors(include_url=False)
        for section, name in {(*detail["loc"], "", "")[:2] for detail in details}:
            stand_in(shaped, section, name)
        for detail in details:
            place = _place(detail["loc"], shaped.data)
            if place and place[0] != "site" and place[0] not in REFERRED_TO:
                # without one entry of a list, the others would have wrong numbers
                _leave_out(shaped, place[:-1] if isinstance(at(shaped.data, place[:-1]), list) else place)
    return None


def sentence(detail: ErrorDetails) -> tuple[str, str]:
    """What is wrong with a value, and what to do, where pydantic knows; for values, not for keys."""
    given = detail["input"]
    context = detail.get("ctx", {})
    expected = str(context.get("expected", context.get("expected_tags", "")))
    match detail["type"]:
        case "value_error":
            what, _, remedy = str(context["error"]).partition(": ")
            return what, remedy or "correct this entry"
        case "enum" | "literal_error":
            return f"{shown(given)} is not known here", did_you_mean(given, re.findall(r"[^', ]+(?=')|\d+", expected))
        case "union_tag_invalid":
            return f"the kind {context['tag']} does not exist", did_you_mean(
                context["tag"], re.findall(r"'([^']+)'", expected)
            )
        case "union_tag_not_found":
            return (
                "`kind` is missing",
                "add `kind: opcua`, or modbus-tcp, modbus-udp, modbus-tls, modbus-rtu-over-tcp, modbus-rtu",
            )
        case "int_parsing_size":
            return f"{shown(given)} cannot stand here", "no number in this file has so many digits"
        case _ if given is None:
            return "nothing stands here", "fill it in, or delete the key"
        case _:
            wish = (
                detail["msg"]
                .split(", unable")[0]
                .split(" or instance")[0]
                .removeprefix("Input ")
                .replace("String ", "")
                .replace("valid ", "")
            )
            wish = wish.replace("dictionary", "mapping of keys to values").replace("a integer", "an integer")
            return f"{shown(given)} cannot stand here", f"it {wish}" if wish.startswith("should") else wish


def shown(value: object) -> str:
    """A value for a message; whole mappings and lists only by kind."""
    match value:
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case bool():
            return f"`{value}`".lower()
        case _:
            return f"`{value}`"


def _truths_for_numbers(data: Plain, place: Place) -> Iterator[Place]:
    """Places with true or false where the file has a number and no Boolean; pydantic would take it as 1 or 0."""
    match at(data, place):
        case dict() as held:
            for key in held:
                yield from _truths_for_numbers(data, (*place, key))
        case list() as held:
            for index in range(len(held)):
                yield from _truths_for_numbers(data, (*place, index))
        case bool():
            kinds = {node.get("type") for node in _schema_at(place, data)}
            if kinds & {"integer", "number"} and "boolean" not in kinds:
                yield place
        case _:
            return


def _truth_for_number(source: Source, place: Place) -> Problem:
    given, meant = shown(at(source.data, place)), _description(_schema_at(place, source.data))
    remedy = "write a number, without quotes" + (f" ({meant})" if meant else "")
    return source.problem(place, f"{given} is no number", remedy)


def _problem(source: Source, place: Place, detail: ErrorDetails) -> Problem:
    here = _schema_at(place, source.data)
    match detail["type"]:
        case "extra_forbidden":
            known = _keys(_schema_at(place[:-1], source.data))
            return source.problem(place, f"unknown key `{place[-1]}`", did_you_mean(place[-1], known))
        case "missing":
            name = str(detail["loc"][-1])
            meant = _description([part for node in here for part in _child(node, name)])
            return source.problem(place, f"`{name}` is missing", f"add `{name}`" + (f": {meant}" if meant else ""))
        case _ if detail["loc"][-1] == "[key]":
            remedy = "use letters, digits, `-`, `_` and `.`, without spaces"
            return source.problem(place, f"{shown(place[-1])} cannot be a name", remedy)
        case _:
            what, remedy = sentence(detail)
            meant = _description(here)
            match detail["type"]:
                case "enum" | "literal_error" | "value_error":
                    return source.problem(place, what, remedy)
                case "string_pattern_mismatch" if meant:
                    return source.problem(place, what, f"write {meant}")
                case _:
                    return source.problem(place, what, f"{remedy} ({meant})" if meant else remedy)


def _place(loc: Sequence[int | str], data: Plain) -> Place:
    """A validator's location as a place of the file: only what is there, without the names of alternatives."""
    place: Place = ()
    for part in loc:
        inside = at(data, place)
        if (isinstance(inside, dict) and part in inside) or (isinstance(inside, list) and isinstance(part, int)):
            place = (*place, part)
    return place


def _leave_out(shaped: Shaped, place: Place) -> None:
    """Takes a value away; whole entries that others refer to stay, and get their stand-in."""
    shaped.broken.add(place)
    if len(place) == 2 and place[0] in REFERRED_TO:
        return
    holder = at(shaped.data, place[:-1])
    if isinstance(holder, dict) and place[-1] == "ideal_cycle_s":
        holder[place[-1]] = {"any": None}  # else stations would miss it
    elif isinstance(holder, dict):
        holder.pop(place[-1], None)


def _put_path(shaped: Shaped, place: Place) -> None:
    """Puts in the place of a certificate what should stand there, so that nobody misses it or shows it."""
    shaped.broken.add(place)
    match at(shaped.data, place[:-1]), place[-1]:
        case dict() as holder, key:
            holder[key] = "stand-in"
        case list() as items, int() as index:
            items[index] = "stand-in"


def _copy(data: dict[str | int, Plain]) -> dict[str | int, Plain]:
    return {key: _copied(value) for key, value in data.items()}


def _copied(value: Plain) -> Plain:
    match value:
        case dict():
            return _copy(value)
        case list():
            return [_copied(element) for element in value]
        case _:
            return value


def _secrets(value: Plain, place: Place) -> Iterator[tuple[Place, str]]:
    """Places that look like a secret; the secret itself is never shown."""
    match value:
        case dict():
            for key, member in value.items():
                what = _secret(key, member) if isinstance(key, str) and not isinstance(member, dict | list) else None
                if what is not None:
                    yield (*place, key), what
                else:
                    yield from _secrets(member, (*place, key))
        case list():
            for index, element in enumerate(value):
                yield from _secrets(element, (*place, index))
        case str() if PEM in value:
            yield place, PEM_STANDS_HERE
        case str() if URL_WITH_SECRET.search(value):
            yield place, ADDRESS_HOLDS_ONE
        case _:
            return


def _secret(key: str, value: Plain) -> str | None:
    """Why a value looks like a secret; the secret itself is never shown."""
    if SECRET.search(key):
        return f"`{key}` looks like a secret, and secrets do not stand in this file"
    if isinstance(value, str) and ADDRESS.search(key) and SECRET_IN_ADDRESS.search(value):
        return ADDRESS_HOLDS_ONE
    if isinstance(value, str) and CREDENTIAL.search(key) and not FILE_NAME.fullmatch(value):
        return f"`{key}` is no name of a file but looks like the secret itself, and secrets do not stand in this file"
    return None


@cache
def _schema() -> Node:
    return PlantShape.model_json_schema()


def _schema_at(place: Place, data: Plain) -> list[Node]:
    """The parts of the JSON schema that speak of a place; `kind` picks among alternatives."""
    nodes: list[Node] = list(_alternatives(_schema(), data))
    for index, part in enumerate(place):
        below = at(data, place[: index + 1])
        nodes = [
            alternative for node in nodes for child in _child(node, part) for alternative in _alternatives(child, below)
        ]
    return nodes


def _alternatives(node: Node, data: object) -> Iterator[Node]:
    if "$ref" in node:
        yield {"description": node["description"]} if "description" in node else {}
        yield from _alternatives(_schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]], data)
        return
    yield node
    mapping = node.get("discriminator", {}).get("mapping", {})
    given = data.get("kind") if isinstance(data, dict) else None
    kind = given if isinstance(given, str) else ""
    for alternative in node.get("anyOf", []) + node.get("oneOf", []):
        if not mapping or alternative.get("$ref") == mapping.get(kind):
            yield from _alternatives(alternative, data)


def _child(node: Node, part: str | int) -> Iterator[Node]:
    if part in node.get("properties", {}):
        yield node["properties"][part]
    elif isinstance(node.get("additionalProperties"), dict):
        yield node["additionalProperties"]
    elif isinstance(node.get("items"), dict):
        yield node["items"]
    else:
        yield from node.get("patternProperties", {}).values()


def _keys(nodes: Sequence[Node]) -> list[str]:
    return [key for node in nodes for key in node.get("properties", {})]


def _description(nodes: Sequence[Node]) -> str:
    """The first description written for a key itself; those of whole mappings say too much here."""
    found = [str(node["description"]) for node in nodes if "description" in node and "properties" not in node]
    return next((description for description in found if "\n" not in description and not description.endswith(".")), "")
