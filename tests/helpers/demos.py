"""Demos on any computer: where it cannot keep up with the plant's clock, the same plant runs again, more slowly."""

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
    asked = Options(length, speed=speed, **options)
    try:
        finished = await run_demo(asked)
    except TooSlow:
        if speed < SLOWEST * SLOWER:
            raise
    else:
        if not finished.too_slow or speed < SLOWEST * SLOWER:
            return finished
    return await demonstrated(length, **{**options, "speed": speed / SLOWER})


def demo_command(*words: str, speed: float) -> Result:
    """The same with `mes demo` and its words."""
    run = CliRunner().invoke(mes, ["demo", *words, "--speed", f"{speed:g}"])
    if run.exit_code == 3 and speed >= SLOWEST * SLOWER:
        return demo_command(*words, speed=speed / SLOWER)
    return run
