"""A section or an entry of the wrong shape is one problem: none follows from it, and it hides no other."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from mes.config.load import check
from mes.config.source import read

FILE = Path(__file__).parents[2] / "cases" / "config" / "every-section" / "plant.yaml"
DATA: Any = read(FILE).data
SHAPES: dict[str, Any] = {
    "number": 5,
    "text": "text",
    "Boolean": True,
    "list": [1],
    "empty list": [],
    "mapping": {"x": 1},
}
DEEPER = (
    ("site", "calendar", "shifts"),
    ("areas", "weld", "lines"),
    ("areas", "weld", "lines", "l1"),
    ("areas", "weld", "lines", "l1", "stations"),
    ("areas", "weld", "lines", "l1", "stations", "st"),
    ("templates", "cell", "signals"),
    ("templates", "cell", "signals", "state"),
    ("templates", "cell", "ideal_cycle_s"),
    ("controllers", "opc", "security"),
    ("controllers", "plc", "heartbeat"),
    ("programme", "plan", 0),
)
# another mistake, by the place that it stands at, and what is said of it whatever else is wrong
OTHERS: tuple[tuple[tuple[str | int, ...], Any, str], ...] = (
    (("areas", "weld", "lines", "l1", "stations", "s2", "signals", "good_count", "max_per_hour"), 2, "units an hour"),
    (("flow", 0, "to"), "weld/l1/s2", "follows itself"),
    (("reasons", "more"), {"en": "M", "category": "starved", "faults": ["E1"]}, "means `gun` already"),
    (("site", "calendar", "shifts", 0, "end"), "08:30:00", "cannot stand here"),
)


def at(data: Any, place: tuple[str | int, ...]) -> Any:
    """The value at a place."""
    for key in place:
        data = data[key]
    return data


def sections() -> Iterator[tuple[str | int, ...]]:
    """Every section, every entry of one, and what is larger than a value below them."""
    for name, section in DATA.items():
        yield (name,)
        for key in section if isinstance(section, dict) else range(len(section)):
            if isinstance(section[key], dict | list):
                yield name, key
    yield from DEEPER


def findings(folder: Path, data: Any) -> tuple[list[str], list[str]]:
    """What the problems and the warnings of a plant say."""
    file = folder / "plant.yaml"
    file.write_text(json.dumps(data), encoding="utf-8")
    report = check(file)
    return [f"{finding.where}: {finding.what}" for finding in report.problems], [
        finding.what for finding in report.warnings
    ]


def damaged(place: tuple[str | int, ...], shape: Any) -> Any:
    """The plant with a wrong shape at a place."""
    data = deepcopy(DATA)
    at(data, place[:-1])[place[-1]] = shape
    return data


def wrong(place: tuple[str | int, ...]) -> list[Any]:
    """The shapes that are wrong at a place."""
    return [shape for shape in SHAPES.values() if not isinstance(shape, type(at(DATA, place)))]


@pytest.mark.parametrize("place", list(sections()), ids=lambda place: ".".join(map(str, place)))
def test_a_wrong_shape_is_one_problem(place: tuple[str | int, ...], tmp_path: Path) -> None:
    """It is named at its own place, and neither a problem nor a warning follows from it."""
    for shape in wrong(place):
        problems, warnings = findings(tmp_path, damaged(place, shape))
        assert len(problems) == 1, (shape, problems)
        assert problems[0].startswith(str(place[0])), (shape, problems)
        assert "cannot stand here" in problems[0], (shape, problems)
        assert warnings == [], shape


@pytest.mark.parametrize(("other", "value", "what"), OTHERS)
def test_a_wrong_shape_hides_no_other_mistake(
    other: tuple[str | int, ...], value: Any, what: str, tmp_path: Path
) -> None:
    """Another mistake is found beside it, unless it stands in what is wrong, or speaks of what is."""
    for place in sections():
        if (
            other[: len(place)] == place
            or (place[0] == "areas" and other[0] in ("flow", "reasons"))
            or place == other[:2]
        ):
            continue
        if other[0] == "reasons" and place[:2] in (("reasons",), ("reasons", "gun")):
            continue
        data = damaged(place, 5)
        at(data, other[:-1])[other[-1]] = value
        problems, _ = findings(tmp_path, data)
        assert any(what in problem for problem in problems), (place, problems)
