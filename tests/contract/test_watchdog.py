"""What the service manager hears, on a real socket."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from patience import limit_s
from structlog.typing import EventDict

from mes.health.systemd import Manager, watch


@pytest.fixture(params=["path", "abstract"])
def ear(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A manager's socket, and its name in the environment."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name if request.param == "abstract" else name)
        listening.settimeout(limit_s(2))
        yield listening, f"@{name}" if request.param == "abstract" else name


async def heard(ear: socket.socket) -> str:
    return (await asyncio.to_thread(ear.recv, 4096)).decode()


async def test_it_is_fed_from_progress_only(ear: tuple[socket.socket, str], logged: list[EventDict]) -> None:
    """Ready once, fed while there is progress; where something stands still it is named and nothing is fed."""
    listening, name = ear
    still: list[str | None] = [None]
    manager = Manager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "40000"})
    assert manager.every_s == 0.02
    task = asyncio.create_task(watch(manager, lambda: still[0]))
    assert [await heard(listening) for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    still[0] = "the journal has committed nothing for 31 s"
    told = [await heard(listening) for _ in range(4)]
    assert "WATCHDOG=1" not in "\n".join(told[1:])
    assert told[-1] == "STATUS=the journal has committed nothing for 31 s"
    still[0] = None
    while (said := await heard(listening)).startswith("STATUS=the"):
        pass
    assert said == "WATCHDOG=1\nSTATUS=collecting"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [line["event"] for line in logged] == ["progress_stopped"]


async def test_nobody_listens(logged: list[EventDict]) -> None:
    """Without a manager nothing is sent; a manager that went away is told once in the log, and stops nothing."""
    Manager({}).tell("READY=1")
    assert logged == []
    Manager({"NOTIFY_SOCKET": "/nowhere/at/all"}).tell("READY=1")
    assert [line["event"] for line in logged] == ["service_manager_not_told"]
