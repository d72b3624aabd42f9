"""A device that ends connections at the worst moments is an ordinary refusal, never a defect of this program."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import structlog
from fakes import PLC, Enough, FakePipeline, FakeSleep
from modbus_servers import NOW, names, watched
from odd_modbus_device import RESET, OddDevice, Request, Script, Step, odd_device

from adapters.clock import ManualClock
from adapters.errors import ControllerUnavailable
from adapters.modbus.adapter import ModbusAdapter
from adapters.settings import ModbusController, ModbusRtuOverTcpController, ModbusTag, ModbusTcpController
from mes.health.controllers import Health
from mes.supervisor import Backoff, supervise

TAGS = {"good": ModbusTag(address=100)}
both_framings = pytest.mark.parametrize("rtu", [False, True])


def after_the_request(_: OddDevice, __: Request) -> Sequence[Step]:
    """Reset instead of an answer."""
    return [RESET]


def within_the_answer(device: OddDevice, request: Request) -> Sequence[Step]:
    """Reset after half an answer."""
    return [device.frame(request)[:5], 0.02, RESET]


@both_framings
@pytest.mark.parametrize("script", [after_the_request, within_the_answer])
async def test_a_reset_at_any_stage_is_unavailable(script: Script, rtu: bool) -> None:
    """A connection that is reset after the request or within the answer ends as unavailable, and nothing is emitted."""
    async with odd_device({100: 7}, script, rtu=rtu) as plc, watched(plc.settings(), TAGS) as seen:
        with pytest.raises(ControllerUnavailable):
            await seen.end()
        assert seen.batches.empty()


ACCEPTS_AND_RESETS = """
import random, socket, struct, time
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listener.getsockname()[1], flush=True)
while True:
    plug, _ = listener.accept()
    time.sleep(random.uniform(0, 0.006))
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    plug.close()
"""


@asynccontextmanager
async def resets_at_accept() -> AsyncIterator[int]:
    """A port where another process accepts and resets at once, so that the reset races the end of connecting."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", ACCEPTS_AND_RESETS, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.communicate()


async def busy_neighbour() -> None:
    """Keeps the loop busy, as other controllers do: every step of connecting then finds the reset already there."""
    while True:
        time.sleep(0.0005)  # noqa: ASYNC251  # to keep the loop busy is its purpose
        await asyncio.sleep(0)


@both_framings
async def test_a_reset_at_accept_is_tried_again_like_any_refusal(
    rtu: bool, logged: list[structlog.typing.EventDict]
) -> None:
    """A device that accepts and resets at once is `controller_lost`, once, with the ordinary growing waits."""
    async with resets_at_accept() as port:
        where = {"host": "127.0.0.1", "port": port, "request_timeout_s": 5}
        settings: ModbusController = (
            ModbusRtuOverTcpController.model_validate({"kind": "modbus-rtu-over-tcp", **where})
            if rtu
            else ModbusTcpController.model_validate({"kind": "modbus-tcp", **where})
        )

        def make() -> ModbusAdapter:
            return ModbusAdapter(PLC, settings, names(TAGS), clock=ManualClock(NOW), secret=lambda _: "")

        sleep = FakeSleep(100)
        neighbour = asyncio.create_task(busy_neighbour())
        with pytest.raises(Enough):
            await supervise(
                PLC,
                make,
                FakePipeline(),
                Health(ManualClock(NOW)),
                rng=random.Random(1),
                sleep=sleep,
                backoff=Backoff(first_s=0.001, cap_s=0.01),
            )

        neighbour.cancel()

    assert {line["event"] for line in logged} == {"controller_lost"}
    assert max(sleep.slept_s) < 0.01
