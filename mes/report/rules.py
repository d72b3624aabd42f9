"""How a definition of OEE answers the eight points on which definitions disagree, in words."""

from collections.abc import Mapping

from mes.oee.definitions import Definition, Place, RollUp
from mes.translations import LANGUAGES, text


def rules(definition: Definition, language: str = LANGUAGES[0]) -> Mapping[str, str]:
    """The answers by the letters a to h of mes/oee/definitions.py."""

    def place(where: Place) -> str:
        return text(language, f"place.{where.replace(' ', '_')}")

    limit = definition.minor_stop
    minor = {"place": place(definition.minor_stops)}
    return {
        "a": text(language, "rule.a", {"starved": place(definition.starved), "blocked": place(definition.blocked)}),
        "b": text(language, "rule.b", {"place": place(definition.planned_stops)}),
        "c": text(language, "rule.c", {"place": place(definition.setup)}),
        "d": text(language, "rule.d.own", minor)
        if limit is None
        else text(language, "rule.d.limit", {**minor, "limit": f"{limit.total_seconds():g}"}),
        "e": text(language, "rule.e.good" if definition.rework_is_good else "rule.e.not_good"),
        "f": text(language, "rule.f.capped" if definition.capped else "rule.f.free"),
        "g": text(language, "rule.g", {"roll_up": _roll_up(definition.roll_up, language)}),
        "h": text(language, "rule.h", {"place": place(definition.no_data)}),
    }


def _roll_up(roll_up: RollUp, language: str) -> str:
    return text(language, f"rollup.{roll_up}")
