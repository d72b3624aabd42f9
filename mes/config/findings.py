"""Collects problems and warnings; one that a template brings to many stations is said once, with their names."""

from dataclasses import dataclass, field

from mes.config.problems import Problem
from mes.config.source import Place, Source, dotted

_Key = tuple[Place, str, str]


@dataclass(slots=True)
class Findings:
    """What was found so far, by place. `is_partial`: stations are missing that may use what none seems to use."""

    source: Source
    is_partial: bool = False
    _problems: dict[_Key, list[str]] = field(default_factory=dict)
    _warnings: dict[_Key, list[str]] = field(default_factory=dict)
    _elsewhere: list[tuple[Place, Problem]] = field(default_factory=list)

    def problem(self, place: Place, what: str, remedy: str, *, station: str | None = None) -> None:
        """A mistake at a place of the file, seen at `station` where it came from a template."""
        self._problems.setdefault((place, what, remedy), []).extend([station] if station else [])

    def warning(self, place: Place, what: str, remedy: str, *, station: str | None = None) -> None:
        """Something that works and that a person should know."""
        self._warnings.setdefault((place, what, remedy), []).extend([station] if station else [])

    def unused(self, place: Place, what: str, remedy: str) -> None:
        """A warning about what nothing uses; none where that cannot be known."""
        if not self.is_partial:
            self.warning(place, what, remedy)

    def problem_in(self, file: str, line: int, place: Place, what: str, remedy: str) -> None:
        """A mistake in another file, which is named at a place of this one."""
        self._elsewhere.append((place, Problem(file, line, dotted(place), what, remedy)))

    def places(self) -> list[Place]:
        """Where the problems are."""
        return [place for place, _, _ in self._problems] + [place for place, _ in self._elsewhere]

    def problems(self) -> list[tuple[Place, Problem]]:
        """All problems with their places."""
        return self._said(self._problems) + self._elsewhere

    def warnings(self) -> list[tuple[Place, Problem]]:
        """All warnings with their places."""
        return self._said(self._warnings)

    def _said(self, found: dict[_Key, list[str]]) -> list[tuple[Place, Problem]]:
        return [
            (place, self.source.problem(place, what + _stations(list(dict.fromkeys(stations))), remedy))
            for (place, what, remedy), stations in found.items()
        ]


def _stations(stations: list[str]) -> str:
    if not stations:
        return ""
    more = f" and {len(stations) - 1} more" if len(stations) > 1 else ""
    return f" (station {stations[0]}{more})"
