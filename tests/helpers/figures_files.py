"""Files of figures beside journals, for tests that make many writers; all are closed after each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mes.influx.figures_file import FiguresFile, figures_path

_OPEN: dict[Path, FiguresFile] = {}


def file_beside(journal: Path) -> FiguresFile:
    """The file of a journal, opened once in a test."""
    if journal not in _OPEN:
        _OPEN[journal] = FiguresFile(figures_path(journal))
    return _OPEN[journal]


@pytest.fixture(autouse=True)
def figures_files() -> Iterator[None]:
    """Closes what a test opened; a test module imports it."""
    yield
    for file in _OPEN.values():
        file.__exit__()
    _OPEN.clear()
