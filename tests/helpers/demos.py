"""Demos on any computer: where it cannot keep up with the plant's clock, the same plant runs again, more slowly."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from click.testing import CliRunner, Result

from mes.cli import mes
from mes.demo.pacing import TooSlow
from mes.demo.result import Finished
from mes.demo.run import Options, run_demo

SLOWER, SLOWEST = 4, 15


async def demonstrated(length: timedelta, *, speed: float, **options: Any) -> Finished:
    """The finished demo, at this speed or, where the computer is too slow for it, at a fraction."""
    return await slow_enough(lambda speed: run_demo(Options(length, speed=speed, **options)), speed)


async def slow_enough(run: Callable[[float], Awaitable[Finished]], speed: float) -> Finished:
    """What `run` returns at this speed or, where the computer is too slow for it, at a fraction."""
    try:
        finished = await run(speed)
    except TooSlow:
        if speed < SLOWEST * SLOWER:
            raise
    else:
        if not finished.too_slow or speed < SLOWEST * SLOWER:
            return finished
    return await slow_enough(run, speed / SLOWER)


def demo_command(*words: str, speed: float) -> Result:
    """The same with `mes demo` and its words."""
    run = CliRunner().invoke(mes, ["demo", *words, "--speed", f"{speed:g}"])
    if run.exit_code == 3 and speed >= SLOWEST * SLOWER:
        return demo_command(*words, speed=speed / SLOWER)
    return run
