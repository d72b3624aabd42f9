"""What the commands have in common: how times and files are given, and how a plant and its journal are opened."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mes.commands.parsed import Parsed
from mes.config.build import PlantConfig
from mes.config.load import Loaded, default_config, is_example, load
from mes.errors import JournalError
from mes.journal import Entry, Journal, JournalReader
from mes.journal.beginning import Beginning
from mes.journal.names import Names
from mes.model import StationEvent, StationId
from mes.terminal import errors, label

if TYPE_CHECKING:
    from rich.progress import Progress

    from mes.results.hourly import Progress as Changed
    from mes.results.plant import PlantResults


def instant(text: str) -> datetime:
    """A time with its zone, in UTC. Raises ValueError, which says how it is written."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a time; write it as 2026-03-02T08:00:00+05:00") from None
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no zone; add one, as in 2026-03-02T08:00:00+05:00 or …Z")
    return found.astimezone(UTC)


INSTANT = Parsed("time", instant)
CONFIG = click.option(
    "--config",
    "-c",
    "config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="The plant's file; without it, the example plant of Kostanay.",
)
JOURNAL = click.option(
    "--journal", type=click.Path(path_type=Path, dir_okay=False), help="Read this journal instead of the plant's."
)
NOW = click.option(
    "--now",
    type=INSTANT,
    help="Open states last until this time; by default until the last proof of life, and then no data until now.",
)


def plant(file: Path | None) -> Loaded:
    """The plant of a file, or the example plant. Raises ConfigProblems with every mistake."""
    return load(file or default_config())


def beginning(file: Path | None, journal: Path) -> Beginning:
    """The start of a collector on a journal; the example plant, which is only tried, is never missed."""
    return Beginning(journal, None if is_example(file) else file)


def unknown_stations(config: PlantConfig) -> tuple[StationId, ...]:
    """The stations of the plant's journal that its file does not have; none where no journal can be read."""
    if not config.journal_path.is_file():
        return ()
    with suppress(JournalError), JournalReader(config.journal_path, Names(config.former)) as reader:
        return reader.unknown_stations(config.standards)
    return ()


@contextmanager
def query(
    config: PlantConfig, journal: Path | None, now: datetime | None = None, *, asked_until: datetime | None = None
) -> "Iterator[PlantResults]":
    """The journal opened for questions; what takes long shows its progress on a terminal."""
    from mes.results.plant import PlantResults

    path = journal or config.journal_path
    present = datetime.now(UTC)
    with (
        _progress() as changed,
        PlantResults(config, path, changed=changed, now=now, present=present, asked_until=asked_until) as found,
    ):
        yield found


def append(path: Path, events: Sequence[StationEvent]) -> int:
    """Journals what a person says; gives the number of the last event.

    Raises JournalError while a collector holds the journal.
    """

    async def write() -> int:
        async with Journal.open(path) as journal:
            return await journal.append(Entry(events=list(events)))

    return asyncio.run(write())


class _Shown:
    """Progress by station, on standard error and only on a terminal."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._task = progress.add_task("computing hourly components", total=1, visible=False)

    def __call__(self, station: StationId, share: float) -> None:
        self._progress.update(
            self._task, description=f"computing hourly components of {label(station)}", completed=share, visible=True
        )


@contextmanager
def _progress() -> "Iterator[Changed | None]":
    if not errors().is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors(), transient=True) as progress:
        yield _Shown(progress)
