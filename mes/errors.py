"""The errors a person may meet; each class's docstring is the operator's sentence with the next step."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_TOO_SLOW = 3
NAMES_LISTED = 12  # of those that exist, in one sentence


class MesError(Exception):
    """Something went wrong that has a name; the line below says what."""


class ConfigError(MesError):
    """The configuration cannot be used as it stands; correct the places named and try again."""


class SinkError(MesError):
    """The database for figures did not take what was sent; nothing is lost, the journal keeps it."""


class SinkUnavailable(SinkError):
    """The database for figures cannot be reached or asks for patience; it is tried again by itself."""

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        """`retry_after_s`: how long the server asked us to wait."""
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class SinkRejected(SinkError):
    """The database for figures refuses what was sent; look at its reason and set-up, the queue is held meanwhile."""

    def __init__(self, detail: str, *, status: int, body: str) -> None:
        """`status` and `body` are the server's answer."""
        super().__init__(detail)
        self.status = status
        self.body = body


class SinkUnknown(SinkRejected):
    """What answers does not say that it is a database for figures: nothing is written there; look at the address."""


class JournalError(MesError):
    """The journal on disk cannot be written or read; check the disk, the program stops rather than lose data."""


class JournalMissing(JournalError):
    """There was a journal and it is not there; nothing was started, and no new one was made."""


class JournalBlocked(JournalError):
    """The disk takes nothing more (full, or read-only); make room, collecting goes on by itself as soon as there is."""


class JournalDamaged(JournalError):
    """The journal's file is damaged; the collector saves what can be read into a new one, keep the old one."""


class DerivedError(MesError):
    """A file that is made from the journal cannot be used; figures come straight from the journal, which is slower."""

    def __init__(self, detail: str, *, damaged: bool) -> None:
        """`damaged`: it will never be usable again, and is to be made again."""
        super().__init__(detail)
        self.damaged = damaged


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A remedy for a name that does not exist: the nearest one, and what there is (at most twelve names)."""
    names = list(known)
    near = set(difflib.get_close_matches(str(word), names, n=len(names) or 1, cutoff=0.6))
    there_is = f"there is: {_first_of(names)}" if names else "there is none yet"
    likely = [(difflib.SequenceMatcher(None, name, str(word)).ratio(), name) for name in names if name in near]
    if not likely:
        return there_is
    _, nearest_one = max(likely, key=lambda pair: pair[0])  # the first of several that are equally near
    return f"did you mean `{nearest_one}`? {there_is}"


def nearest(word: str, known: Iterable[str]) -> str:
    """At most twelve known names, the one most like `word` first, for a sentence in any language; a dash for none."""
    names = list(known)
    return _first_of(difflib.get_close_matches(word, names, n=len(names), cutoff=0.0)) if names else "–"


def _first_of(names: Sequence[str]) -> str:
    """The first names, and an ellipsis for the rest."""
    return ", ".join(names[:NAMES_LISTED]) + (", …" if len(names) > NAMES_LISTED else "")


def leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    """The failures in a group and its groups."""
    found: list[BaseException] = []
    for failure in group.exceptions:
        found += leaves(failure) if isinstance(failure, BaseExceptionGroup) else [failure]
    return found
