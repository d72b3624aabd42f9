"""How a demo ends: what was seen last belongs to its window, however late it was seen."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mes.demo import run as demo
from mes.journal.reader import JournalReader
from mes.journal.store import Rows, Store

pytestmark = pytest.mark.timeout(120)

LENGTH = timedelta(hours=1)
STALLS_S = 6.5  # longer than a poll may be late


async def test_what_is_seen_at_the_last_instant_lies_in_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes nothing for a while, and the loop is late, just when the plant is stopped.

    The clock then stands at its limit, and the next look bears the last instant that there is.
    """
    began: list[demo._Run] = []
    stalled = False
    moving, until, write = demo._Run.moving, demo._Run._until, Store.write

    def move(run: demo._Run, *words: object) -> object:
        began.append(run)
        return moving(run, *words)  # type: ignore[arg-type]

    def slow_write(store: Store, requests: Sequence[Rows]) -> list[int]:
        nonlocal stalled
        if not stalled and began and began[0].clock.now() > demo.START + LENGTH - timedelta(seconds=20):
            stalled = True
            time.sleep(STALLS_S)
        return write(store, requests)

    def block() -> None:
        time.sleep(0.3)

    async def late_until(run: demo._Run, end: datetime) -> None:
        await until(run, end)
        block()

    monkeypatch.setattr(demo._Run, "moving", move)
    monkeypatch.setattr(demo._Run, "_until", late_until)
    monkeypatch.setattr(Store, "write", slow_write)
    journal = tmp_path / "journal"

    finished = await demo.run_demo(demo.Options(LENGTH, speed=400, seed=13, journal=journal))

    assert stalled
    assert (finished.outcome.lost, finished.outcome.doubled) == (0, 0)
    with JournalReader(journal / demo.JOURNAL) as reader:
        last = max(event.event.time for station in finished.kpis for event in reader.events(station))
    assert last < finished.window.end
