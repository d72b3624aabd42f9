"""The command `mes run`: the daemon."""

import asyncio
from datetime import datetime
from pathlib import Path

import click

from mes.commands.options import CONFIG, beginning, plant
from mes.commands.simulated import CLOCK, SPEED, clock_of
from mes.config.build import PlantConfig


@click.command("run")
@CONFIG
@click.option("--speed", type=SPEED, default=1, show_default=True, help="Speed of a simulated plant's clock.")
@click.option("--clock", type=CLOCK, help="A simulated plant's clock, as `mes simulate` prints it.")
@click.option(
    "--new", is_flag=True, help="Begin a new, empty journal where there is none, though there was one before."
)
def run_command(*, config: Path | None, speed: float, clock: tuple[datetime, datetime] | None, new: bool) -> None:
    """Collect from the controllers until stopped (SIGTERM or Ctrl-C): the daemon of the edge server.

    The first start makes the journal. A journal that was there before and is missing is never made again without --new.
    """
    loaded = plant(config)
    from mes import daemon

    start = beginning(config, loaded.config.journal_path)
    start.allow(new=new)

    def read_again() -> PlantConfig:
        return plant(config).config

    running = daemon.run(loaded.config, clock_of(speed, clock), opened=start.remember, read_again=read_again)
    asyncio.run(running)
