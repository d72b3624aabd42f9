"""The journal's file in bounds: what goes, what stays, and how long the disk lasts."""

from datetime import timedelta
from pathlib import Path

import pytest
from events import raised
from fakes import START
from structlog.typing import EventDict

from adapters.clock import ManualClock
from mes.journal import Entry, Journal
from mes.journal.consumers import TELEMETRY
from mes.journal.maintenance import Maintenance
from mes.model import FaultRaised, ProcessValue, StationId

OVEN = StationId("kostanay/paint/paint-1/oven")
DAY = timedelta(days=1)


def values(first: int, count: int) -> list[ProcessValue]:
    """One an hour, from `first` hours after the start on."""
    hours = range(first, first + count)
    return [
        ProcessValue(station=OVEN, name="temperature", time=START + timedelta(hours=n), value=float(n)) for n in hours
    ]


def fault(hour: int) -> FaultRaised:
    return raised(START + timedelta(hours=hour), str(hour), station=OVEN)


async def test_old_process_values_go_and_events_stay(tmp_path: Path) -> None:
    """After the days that are configured process values are gone, whoever had them; events never go."""
    path, clock = tmp_path / "journal.sqlite", ManualClock(START + 10 * DAY)
    async with Journal.open(path) as journal:
        await journal.append(Entry(events=[fault(n) for n in range(240)], telemetry=values(0, 240)))
        await Maintenance(journal, path, clock, keep=4 * DAY, forwarded=False).once()

        kept = [value for _, value in await journal.read_telemetry(0, 1000)]
        assert kept == values(144, 96)
        assert len(await journal.read(0, 1000)) == 240


@pytest.mark.parametrize(("sent", "lost"), [(240, 0), (100, 44), (0, 144)])
async def test_what_a_sink_never_had_is_said(tmp_path: Path, logged: list[EventDict], sent: int, lost: int) -> None:
    """Values that are dropped before the sink had them are counted and told; nothing goes in silence."""
    path, clock = tmp_path / "journal.sqlite", ManualClock(START + 10 * DAY)
    async with Journal.open(path) as journal:
        await journal.append(Entry(telemetry=values(0, 240)))
        await journal.advance(TELEMETRY, sent)
        maintenance = Maintenance(journal, path, clock, keep=4 * DAY, forwarded=True)
        await maintenance.once()

    assert maintenance.lost_to_the_sink == lost
    assert [line["values"] for line in logged if line["event"] == "process_values_dropped_unsent"] == [lost] * bool(
        lost
    )


async def test_the_time_until_full_follows_the_growth(tmp_path: Path) -> None:
    """Unknown at first; then, in seconds, the free bytes over the bytes that the file grows by in an hour."""
    path, clock = tmp_path / "journal.sqlite", ManualClock(START)
    async with Journal.open(path) as journal:
        maintenance = Maintenance(journal, path, clock, keep=DAY, forwarded=False, free=lambda _: 1_000_000)
        assert (await maintenance.once()).full_in_s is None
        clock.advance(timedelta(minutes=30))
        assert (await maintenance.once()).full_in_s is None
        await journal.append(Entry(events=[fault(n) for n in range(500)]))
        clock.advance(timedelta(minutes=30))
        room = await maintenance.once()

    assert room.events_per_hour == 500
    assert room.bytes_per_hour is not None
    assert room.full_in_s == pytest.approx(3_600_000_000 / room.bytes_per_hour)
    assert room.bytes_per_hour > 50_000
