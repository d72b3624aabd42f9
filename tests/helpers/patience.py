"""How long tests wait: a limit guards against a hang, so it is generous and grows on a slow or busy machine."""

import asyncio
import inspect
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

QUIET_S = 0.008  # what the fixed piece of work takes on a quiet machine with two cores
GENEROSITY = 4.0
MEASURED_FOR_S = 5.0


def work() -> float:
    """Does a fixed piece of work and returns how long that took, in seconds of real time."""
    began_s = time.perf_counter()
    total = 0
    for number in range(150_000):
        total += number % 7
    assert total == 449_994
    return time.perf_counter() - began_s


def crowd() -> float:
    """How many processes each core had to serve of late: a short piece of work may find a core free by chance."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


@dataclass(slots=True)
class Speed:
    """How many times slower this machine is than a quiet one, at present; 1 or more, measured again every 5 s."""

    measure: Callable[[], float] = work
    crowd: Callable[[], float] = crowd
    measured_at_s: float = float("-inf")
    slowness: float = 1.0

    def at_present(self) -> float:
        """The present slowness."""
        if time.monotonic() - self.measured_at_s > MEASURED_FOR_S:
            self.slowness = max(1.0, self.measure() / QUIET_S, self.crowd())
            self.measured_at_s = time.monotonic()
        return self.slowness


SPEED = Speed()


def limit_s(quiet_s: float, speed: Speed = SPEED) -> float:
    """The limit, in seconds, for something that takes at most `quiet_s` on a quiet machine."""
    return quiet_s * GENEROSITY * speed.at_present()


def promised_s(quiet_s: float, speed: Speed = SPEED) -> float:
    """How long something may take that is promised within `quiet_s` on a quiet machine: longer on a busy one."""
    return quiet_s * speed.at_present()


def patiently(within_s: float = 10.0) -> asyncio.Timeout:
    """Like `asyncio.timeout`, for a quiet machine's seconds."""
    return asyncio.timeout(limit_s(within_s))


async def eventually(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]], *, within_s: float = 10.0, every_s: float = 0.01
) -> None:
    """Waits until the condition holds; fails with its source where it does not within a quiet machine's seconds."""
    ends_s = time.monotonic() + limit_s(within_s)
    while True:
        held = condition()
        if await held if inspect.isawaitable(held) else held:
            return
        if time.monotonic() > ends_s:
            raise AssertionError(f"never so: {inspect.getsource(condition).strip()}")
        await asyncio.sleep(every_s)
