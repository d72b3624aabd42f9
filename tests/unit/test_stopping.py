"""Stopping: whenever the program is told to end it ends, whatever runs in its tasks and threads."""

import asyncio
import contextlib
import random
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest
from fakes import PLC, START, FakePipeline, batch
from patience import limit_s, patiently

from adapters.cancelling import end_tasks, outlast
from adapters.clock import ManualClock
from adapters.errors import ControllerUnavailable
from adapters.opcua.session import translated
from adapters.ports import AdapterStatus, Emit
from mes.health.controllers import Health
from mes.journal.schema import fetch
from mes.stopping import Interrupted, check_interrupted, in_thread, still_running
from mes.supervisor import run_forever, supervise

MOMENTS = 1000
TURNS_MOST = 200  # of the event loop, from the cancellation to the end
LONG = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5e7) SELECT ended(count(*)) FROM n"


async def turn() -> None:
    """The event loop goes round once."""
    await asyncio.sleep(0)


async def lossy(rng: random.Random) -> None:
    """Waits as a library does by `wait_for`: a cancellation in the same turn as an outcome may be lost."""
    try:
        await turn()
    except asyncio.CancelledError:
        if rng.random() < 0.3:
            raise
        if rng.random() < 0.5:
            raise ControllerUnavailable("the server died while it was asked") from None


@dataclass(slots=True)
class LossyAdapter:
    """A connection through such a library: it connects, gives at most so many batches and dies."""

    rng: random.Random
    batches_most: int

    async def run(self, emit: Emit) -> None:
        """One connection."""
        for _ in range(self.rng.randrange(5)):
            await lossy(self.rng)
        for number in range(self.rng.randrange(self.batches_most + 1)):
            await emit(batch(baseline=number == 0))
            await lossy(self.rng)
        raise ControllerUnavailable("gone")

    def status(self) -> AdapterStatus:
        """Nothing that is looked at here."""
        return AdapterStatus(0, 0)


async def ends(task: asyncio.Task[None], moment: int) -> bool:
    """Whether a task ends that is cancelled once, after `moment` turns."""
    for _ in range(moment):
        await turn()
    task.cancel()
    for _ in range(TURNS_MOST):
        if task.done():
            return task.cancelled()
        await turn()
    task.cancel()
    return False


@pytest.mark.parametrize("batches_most", [0, 2], ids=["never connects", "connects"])
async def test_a_controller_ends_at_every_moment(batches_most: int) -> None:
    """Cancelled once at any of a thousand moments, through a library that loses cancellations: it always ends."""
    for seed in range(MOMENTS):
        rng = random.Random(seed)

        async def supervised(rng: random.Random = rng) -> None:
            await supervise(
                PLC,
                lambda: LossyAdapter(rng, batches_most),
                FakePipeline(),
                Health(ManualClock(START)),
                rng=rng,
                sleep=lambda _: turn(),
            )

        assert await ends(asyncio.create_task(supervised()), rng.randrange(60)), f"seed {seed}"


async def test_a_consumer_ends_at_every_moment() -> None:
    """The same for a consumer of the journal."""
    for seed in range(MOMENTS):
        rng = random.Random(seed)

        async def consumed(rng: random.Random = rng) -> None:
            async def work() -> None:
                for _ in range(rng.randrange(1, 5)):
                    await lossy(rng)

            await run_forever("consumer", work, sleep=lambda _: turn())

        assert await ends(asyncio.create_task(consumed()), rng.randrange(60)), f"seed {seed}"


async def test_a_cancellation_that_a_library_lost_is_raised_again() -> None:
    """What is translated ends with CancelledError, though the library answered."""

    async def connecting() -> str:
        # as `wait_for` does where the answer comes in the same turn
        with translated("connecting"), contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "connected"

    task = asyncio.create_task(connecting())
    await turn()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_lost_its_cancellation_is_cancelled_again() -> None:
    """A task that goes on after two cancellations is ended by the third; one that fails meanwhile raises nothing."""

    async def deaf() -> None:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        await asyncio.Event().wait()

    async def failing() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError

    tasks = [asyncio.create_task(deaf()), asyncio.create_task(failing())]
    await turn()
    async with patiently():
        await end_tasks(tasks, again_s=0.001)

    assert tasks[0].cancelled()
    assert isinstance(tasks[1].exception(), ZeroDivisionError)


async def test_outlasting_raises_the_cancellation_afterwards() -> None:
    """Work that is to be outlasted ends first; then who waited for it is cancelled."""
    work: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(outlast(work))
    await turn()
    waiting.cancel()
    await turn()
    assert not waiting.done()
    work.set_result(1)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_question_is_interrupted_before_its_reader_is_closed(tmp_path: Path) -> None:
    """A long statement stops when its question is cancelled; only then does the cancellation arrive."""
    file = tmp_path / "file.sqlite"
    connection, begun, interrupted = apsw.Connection(str(file)), threading.Event(), threading.Event()
    ended: list[Any] = []

    def note(*numbers: Any) -> None:
        ended.extend(numbers)

    connection.create_scalar_function("ended", note, 1)

    def question() -> None:
        begun.set()
        try:
            fetch(connection, file, LONG)
        except Interrupted:
            interrupted.set()

    asking = asyncio.create_task(in_thread(question))
    await asyncio.to_thread(begun.wait, limit_s(10))
    asking.cancel()
    async with patiently():
        with pytest.raises(asyncio.CancelledError):
            await asking

    assert interrupted.is_set()
    assert ended == [], "the statement ran to its end"
    assert await in_thread(fetch, connection, file, "SELECT 2") == [(2,)]  # the next question is not interrupted
    connection.close()  # ThreadingViolationError where a thread still uses it


async def test_a_question_does_not_go_on_after_an_interruption() -> None:
    """Neither the next statement of a question is begun, nor a question that waited for a thread."""
    first, go, begun = threading.Event(), threading.Event(), []
    connection = apsw.Connection(":memory:")

    def question() -> None:
        first.set()
        assert go.wait(limit_s(10))
        with pytest.raises(Interrupted):
            fetch(connection, Path("memory"), "SELECT 1")
        with pytest.raises(Interrupted):
            check_interrupted()
        begun.append("it ran to its end")

    asking = asyncio.create_task(in_thread(question))
    await asyncio.to_thread(first.wait, limit_s(10))
    late = asyncio.create_task(in_thread(begun.append, "late"))
    late.cancel()
    asking.cancel()
    await turn()
    assert not asking.done()
    go.set()
    async with patiently():
        await asyncio.gather(asking, late, return_exceptions=True)

    assert begun == ["it ran to its end"]
    check_interrupted()  # outside of a question nothing is interrupted


async def test_what_still_runs_is_named() -> None:
    """Tasks by their names and coroutines, threads by their names and what they do."""
    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="stuck thread")
    thread.start()
    task = asyncio.create_task(asyncio.Event().wait(), name="controller paint-plc")
    await turn()
    named = still_running(asyncio.get_running_loop())
    go.set()
    thread.join()
    task.cancel()

    assert any(line.startswith("thread stuck thread: ") for line in named)
    assert "task controller paint-plc: Event.wait" in named
