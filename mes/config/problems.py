"""What is wrong with a plant's file: every mistake with its line, its place and its remedy."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mes.errors import ConfigError


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
        super().__init__("\n".join([*(str(each) for each in problems), f"{count}; nothing was started."]))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A remedy for a name that does not exist: the nearest one, and what there is (at most twelve names)."""
    names = list(known)
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    there_is = f"there is: {listed}" if names else "there is none yet"
    return f"did you mean `{near[0]}`? {there_is}" if near else there_is
