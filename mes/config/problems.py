"""What is wrong with a plant's file: every mistake with its line, its place and its remedy."""

from collections.abc import Sequence
from dataclasses import dataclass

from mes.errors import ConfigError, did_you_mean

__all__ = ["ConfigProblems", "Problem", "did_you_mean"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake, or one thing worth a warning; `line` counts from 1, `where` is the dotted path in the file."""

    file: str
    line: int
    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.where}: {self.what}\n    {self.remedy}"


class ConfigProblems(ConfigError):
    """The configuration cannot be used as it stands; correct the places named and try again."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__("\n".join([*(str(problem) for problem in problems), f"{count}; nothing was started."]))
