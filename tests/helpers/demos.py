"""Demos on any computer: where it cannot keep up with the plant's clock, the same plant runs again, more slowly."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from click.testing import CliRunner, Result
from patience import SPEED

from mes.cli import mes
from mes.demo.pacing import TooSlow
from mes.demo.result import Finished
from mes.demo.run import Options, run_demo

SLOWER, SLOWEST = 4, 15
BUSY = 3.0  # how many times slower than a quiet one a machine is that is not asked for the whole speed first


def first_speed(speed: float) -> float:
    """The speed to begin with: on a busy machine a fraction, for a demo that was too fast is a demo for nothing."""
    return speed / SLOWER if SPEED.at_present() >= BUSY and speed >= SLOWEST * SLOWER else speed


async def demonstrated(length: timedelta, *, speed: float, **options: Any) -> Finished:
    """The finished demo, at this speed or, where the computer is too slow for it, at a fraction."""
    return await slow_enough(lambda speed: run_demo(Options(length, speed=speed, **options)), first_speed(speed))


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
    speed = first_speed(speed)
    while True:
        run = CliRunner().invoke(mes, ["demo", *words, "--speed", f"{speed:g}"])
        if run.exit_code != 3 or speed < SLOWEST * SLOWER:
            return run
        speed /= SLOWER
