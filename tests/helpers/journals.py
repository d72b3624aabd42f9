"""Journals on disk, written by the store itself."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from mes.journal.codec import encode_event
from mes.journal.store import Rows, Store
from mes.model import StationEvent


def journal_of(
    path: Path,
    events: Iterable[StationEvent],
    *,
    states: Sequence[tuple[str, bytes]] = (),
    telemetry: Sequence[tuple[str, str, int, float]] = (),
    observed: Sequence[tuple[str, int]] = (),
) -> Path:
    """Writes events at the end of a journal, which is made if there is none; the other rows as the store takes them."""
    rows = [encode_event(event) for event in events]
    with Store(path) as store:
        store.write([Rows(events=rows, states=states, telemetry=telemetry, observed=observed)])
    return path
