"""A plant of one controller that is collected from its file into a journal, without the rest of the program."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from patience import patiently

from adapters import registry
from adapters.clock import SystemClock
from mes.config.load import load
from mes.health.clock_offsets import ControllerClocks
from mes.journal import Journal
from mes.model import StationEvent
from mes.pipeline import Pipeline

_Told = TypeVar("_Told")


@asynccontextmanager
async def collected(folder: Path, text: str) -> AsyncIterator[Journal]:
    """The journal of the plant whose file says `text`, and whose one controller is asked until the block is left."""
    file = folder / "plant.yaml"
    file.write_text(text, encoding="utf-8")
    config = load(file).config
    controller, settings = next(iter(config.controllers.items()))
    async with Journal.open(folder / "journal.sqlite") as journal:
        offset = ControllerClocks().take
        pipeline = Pipeline(
            config.setups, journal, SystemClock(), controllers=config.station_controllers, offset=offset
        )
        await pipeline.recover()
        made = registry.maker(controller, settings, config.tags[controller], clock=SystemClock(), secret=lambda _: "")
        task = asyncio.create_task(made().run(pipeline.accept))
        yield journal
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def events(journal: Journal) -> list[StationEvent]:
    """What a station's journal holds, in order; a thousand events at most."""
    return [journaled.event for journaled in await journal.read(0, 1000)]


async def once(journal: Journal, told: Callable[[Journal], Awaitable[Sequence[_Told]]], number: int) -> Sequence[_Told]:
    """What the journal tells as soon as it is so much."""
    async with patiently(30):
        while len(found := await told(journal)) < number:
            await asyncio.sleep(0.01)
    return found
