"""Compares what the interface says with what the core says, value by value, by the kind of each value."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from board_look import Look
from influx_example import END

from mes.calendar import Window, WindowKind
from mes.results.plant import PlantResults

CLOSE = 1e-12


def same(shown: Any, core: object, where: str = "") -> None:
    """Integers and durations are equal, ratios to 1e-12, names and times alike; neither has a field more."""
    match core:
        case None | bool():
            assert shown is core, where
        case str():
            assert shown == str(core), where
        case datetime():
            assert datetime.fromisoformat(shown) == core, where
        case date():
            assert shown == core.isoformat(), where
        case timedelta():
            assert shown == core.total_seconds(), where
        case int():
            assert (type(shown), shown) == (int, core), where
        case float() | Fraction():
            assert math.isclose(shown, core, rel_tol=CLOSE, abs_tol=0.0), (where, shown, core)
        case Mapping():
            assert set(shown) == set(core), where
            for name, value in core.items():
                same(shown[name], value, f"{where}.{name}")
        case Sequence():
            assert len(shown) == len(core), (where, shown, core)
            for number, value in enumerate(core):
                same(shown[number], value, f"{where}[{number}]")
        case _:
            raise AssertionError(f"{where}: {core!r}")


def core_of(look: Look, now: datetime = END) -> PlantResults:
    """The core over the same journal."""
    return PlantResults(look.plant.config, look.plant.config.journal_path, now=now)


def window_of(window: Window) -> dict[str, object]:
    """A window of the calendar."""
    name = f"{window.day}/{window.name}" if window.kind is WindowKind.SHIFT else window.name.replace(" ", "T")
    return {
        "kind": window.kind,
        "name": name,
        "start": window.interval.start,
        "end": window.interval.end,
        "day": window.day,
        "team": window.team,
    }
