"""An asyncua server whose counters change at a fixed rate; prints its port and runs until it is killed."""

import asyncio
import logging
import sys
import time
from datetime import UTC, datetime
from typing import cast

from asyncua import ua
from asyncua.server.server import Server


async def main(items: int, per_second: int) -> None:
    """Counts every item up `per_second` times a second, with source times."""
    logging.disable(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:bench")
    nodes = [ua.NodeId.from_string(f"ns={index};s=v{number}") for number in range(items)]
    for number, node in enumerate(nodes):
        await server.nodes.objects.add_variable(node, f"{index}:v{number}", 0, ua.VariantType.UInt32)
    async with server:
        assert server.bserver is not None
        print(server.bserver.port, flush=True)
        value, due = 0, time.monotonic()
        while True:
            value += 1
            now = cast(ua.DateTime, datetime.now(UTC))
            shown = ua.DataValue(ua.Variant(value, ua.VariantType.UInt32), SourceTimestamp=now)
            for node in nodes:
                await server.write_attribute_value(node, shown)
            due += 1 / per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
