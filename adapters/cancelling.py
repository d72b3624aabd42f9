"""Restores a cancellation that a library lost, and ends tasks that may have lost one."""

import asyncio
from collections.abc import Iterable
from typing import Any

CANCEL_AGAIN_S = 3.0  # longer than a session's orderly close


def obey_cancellation() -> None:
    """Raises CancelledError if the running task was cancelled and goes on nevertheless.

    `asyncio.wait_for` of Python 3.11 returns the result, or raises the error, of what ended in the same turn of the
    event loop; the cancellation is lost with it. Protocol libraries wait in this way while they connect.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def end_tasks(tasks: Iterable[asyncio.Task[Any]], *, again_s: float = CANCEL_AGAIN_S) -> None:
    """Cancels tasks and waits until all have ended; one that has lost its cancellation is cancelled again.

    Raises nothing of what the tasks raise. `again_s`: real seconds between two cancellations of the same task.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=again_s)


async def outlast(work: asyncio.Future[Any]) -> None:
    """Waits until `work` has ended, whatever that is; a cancellation meanwhile is raised afterwards."""
    cancelled = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            cancelled = True
    if not work.cancelled():
        work.exception()  # marks it as seen
    if cancelled:
        raise asyncio.CancelledError
