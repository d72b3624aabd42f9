"""The real program on a full disk: the log and whoever watches it are told, and it goes on by itself."""

import json
import socket
import sys
from pathlib import Path

import pytest
from small_plant import small_plant

pytestmark = pytest.mark.timeout(120)

PROGRAM = (sys.executable, str(Path(__file__).parents[1] / "helpers" / "mes_on_full_disk.py"))


async def test_a_start_on_a_full_disk_says_so(tmp_path: Path) -> None:
    """Killed while the disk is full and started on it: health answers, the manager is told, no unit is lost."""
    async with small_plant(tmp_path) as plant:
        plant.program = PROGRAM
        await plant.start()
        await plant.collects()
        (tmp_path / "full").touch()
        plant.make(2)
        await plant.until(lambda: len(plant.log("journal_blocked")) == 1)
        assert (await plant.page("/readyz"))[0] == 503
        await plant.kill()

        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(tmp_path / "notify"))
            manager.setblocking(False)
            await plant.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
            await plant.until(lambda: len(plant.log("journal_blocked")) == 2)
            plant.make(3)
            status, said = await plant.page("/readyz")
            assert status == 503
            assert any("the disk takes nothing" in reason for reason in json.loads(said)["reasons"])
            assert (await plant.page("/healthz"))[0] == 200
            assert (await plant.page("/api/v1/site"))[0] == 503
            assert b"READY=1" in manager.recv(4096).splitlines()
        assert plant.log("journal_writes_again") == []

        (tmp_path / "full").unlink()
        await plant.until(lambda: plant.counted() == plant.made)
        await plant.collects(1)
        assert len(plant.log("journal_writes_again")) == 1
        assert len(plant.log("journal_blocked")) == 2
        await plant.until(lambda: len(plant.log("board_served")) == 2)
        assert (await plant.page("/api/v1/site"))[0] == 200
        assert await plant.stop() == 0


async def test_a_start_on_a_full_disk_is_ended_at_once(tmp_path: Path) -> None:
    """SIGTERM while the journal waits for room is obeyed."""
    async with small_plant(tmp_path) as plant:
        plant.program = PROGRAM
        await plant.start()
        await plant.collects(1)
        assert await plant.stop() == 0
        (tmp_path / "full").touch()
        await plant.start()
        await plant.until(lambda: len(plant.log("journal_blocked")) == 1)
        assert (await plant.page("/healthz"))[0] == 200
        assert await plant.stop() == 0
        assert plant.log("stop_overdue") == []
