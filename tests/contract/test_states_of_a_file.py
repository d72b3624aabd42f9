"""From a plant's file to states: coils, discrete inputs and status words of a device of an independent stack."""

import asyncio
from pathlib import Path

import pytest
from modbus_servers import ForeignDevice, device
from patience import patiently

from adapters import registry
from adapters.clock import SystemClock
from adapters.reading import Batch
from mes.config.load import load
from mes.journal import Journal
from mes.model import FaultRaised, StateChanged
from mes.pipeline import Pipeline

pytestmark = pytest.mark.timeout(60)

PLANT = """
site:
  name: plant
  time_zone: Asia/Qostanay
  calendar: {{shifts: [{{name: all, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "00:00"}}]}}
products: {{A: {{name: Model A, assembly_method: CKD, raw: [A, 1]}}}}
state_maps:
  running: {{numbers: {{true: producing, false: idle}}}}
  inputs: {{bits: [{{bit: 1, state: down}}, {{bit: 2, state: blocked}}, {{bit: 0, state: producing}}], otherwise: idle}}
  word:
    bits:
      - {{bit: 0, is: 0, state: down}}
      - {{bits: 4-7, is: 2, state: setup}}
      - {{bits: 4-7, from: 3, to: 5, state: producing}}
    otherwise: idle
  steps: {{numbers: {{"100-199": producing, 250: blocked}}, otherwise: idle}}
controllers:
  plc: {{kind: modbus-tcp, host: 127.0.0.1, port: {port}, unit: 1, poll_interval_ms: 20}}
areas: {{weld: {{lines: {{l1: {{stations: {{st: {{
  controller: plc, ideal_cycle_s: {{any: 30}},
  signals: {{
    state: {{{state}}},
    fault_code: {{table: coil, address: 40}},
    good_count: {{address: 101, max_per_hour: 1000}}}}}}}}}}}}}}}}
journal: {{path: journal.sqlite}}
web: null
"""
RULES = """rules: [
  {table: coil, address: 20, state: down},
  {table: discrete, address: 21, is: false, state: idle},
  {address: 30, from: 100, to: 199, state: producing, and: [{table: coil, address: 22, is_not: 1}]},
  {address: 31, bit: 3, state: blocked}], otherwise: starved"""


@pytest.mark.parametrize(
    ("state", "written"),
    [
        pytest.param("table: coil, address: 20, map: running", [(20, 1, "producing"), (20, 0, "idle")], id="one coil"),
        pytest.param(
            "table: discrete, address: 20, count: 3, map: inputs",
            [(20, 1, "producing"), (21, 1, "down"), (21, 0, "producing"), (22, 1, "blocked")],
            id="three inputs",
        ),
        pytest.param(
            "address: 30, type: bits, map: word",
            [
                (30, 0x41, "producing"),
                (30, 0x40, "down"),
                (30, 0x21, "setup"),
                (30, 0x51, "producing"),
                (30, 1, "idle"),
            ],
            id="a fail-safe bit and a number of four bits",
        ),
        pytest.param(
            "address: 30, map: steps",
            [(30, 100, "producing"), (30, 250, "blocked"), (30, 199, "producing"), (30, 200, "idle")],
            id="steps of a sequence",
        ),
        pytest.param(
            RULES,
            [
                (21, 1, "starved"),
                (30, 120, "producing"),
                (20, 1, "down"),
                (20, 0, "producing"),
                (31, 0xFFFF, None),
                (30, 99, "blocked"),
                (21, 0, "idle"),
            ],
            id="rules over several tables",
        ),
    ],
)
async def test_the_state_follows_what_the_device_shows(
    tmp_path: Path, state: str, written: list[tuple[int, int, str | None]]
) -> None:
    """Each value that is written becomes the state that the file gives it, once, and in order."""
    async with device("foreign") as plc:
        assert isinstance(plc, ForeignDevice)
        file = tmp_path / "plant.yaml"
        file.write_text(PLANT.format(port=plc.port, state=state), encoding="utf-8")
        config = load(file).config
        controller, settings = next(iter(config.controllers.items()))
        async with Journal.open(tmp_path / "journal.sqlite") as journal:
            pipeline = Pipeline(config.setups, journal, SystemClock(), controllers=config.station_controllers)
            await pipeline.recover()
            came = asyncio.Condition()

            async def emit(batch: Batch, /) -> None:
                await pipeline.accept(batch)
                async with came:
                    came.notify_all()

            made = registry.maker(
                controller, settings, config.tags[controller], clock=SystemClock(), secret=lambda _: ""
            )
            task = asyncio.create_task(made().run(emit))
            expected: list[str] = []
            async with patiently(30), came:
                while not await _states(journal):
                    await came.wait()
                expected = await _states(journal)
                for address, value, shown in written:
                    plc.write(address, [value])
                    expected += [] if shown is None else [shown]
                    while len(await _states(journal)) < len(expected):
                        await came.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            events = [journaled.event for journaled in await journal.read(0, 1000)]
            assert await _states(journal) == expected
            assert not any(isinstance(event, FaultRaised) for event in events)


async def _states(journal: Journal) -> list[str]:
    events = [journaled.event for journaled in await journal.read(0, 1000)]
    return [str(event.state) for event in events if isinstance(event, StateChanged)]
