"""A Modbus TCP device, some of whose counters go up ten times a second; prints its port and runs until it is killed."""

import asyncio
import sys

from simulators.modbus_server import ModbusServer


async def main(registers: int, moving: int) -> None:
    """Counts the first `moving` registers up."""
    server = ModbusServer(declared=[(0, registers)])
    await server.start()
    print(server.port, flush=True)
    value = 0
    while True:
        value += 1
        server.write(0, [value % 2**16] * moving)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
