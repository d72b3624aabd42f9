"""What is wrong with a plant's file: every mistake with its line, its place and its remedy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mes.errors import ConfigError, did_you_mean

ENDLESS = re.compile(r"(\S{200})\S{100,}?(?=[`'\s]|$)")  # so long a word is no name, and hides the sentence

__all__ = ["ConfigProblems", "Problem", "did_you_mean"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake, or one thing worth a warning; `line` counts from 1, `where` is the dotted path in the file."""

    file: str
    line: int
    where: str
    what: str
    remedy: str

    def __post_init__(self) -> None:
        for part in ("where", "what", "remedy"):
            object.__setattr__(self, part, ENDLESS.sub(r"\1…", getattr(self, part)))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.where}: {self.what}\n    {self.remedy}"


class ConfigProblems(ConfigError):
    """The configuration cannot be used as it stands; correct the places named and try again."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__("\n".join([*(str(problem) for problem in problems), f"{count}; nothing was started."]))
