"""An asyncua server whose values change at a fixed rate; prints its port and runs until it is killed."""

import asyncio
import logging
import sys
import time
from datetime import UTC, datetime

from asyncua import Server, ua


async def main(items: int, per_second: int) -> None:
    """Writes every item `per_second` times a second, with source times."""
    logging.disable(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:bench")
    folder = await server.nodes.objects.add_object(index, "bench")
    nodes = [
        await folder.add_variable(ua.NodeId(f"v{n}", index), f"v{n}", 0, ua.VariantType.UInt32) for n in range(items)
    ]
    async with server:
        assert server.bserver is not None
        port = server.bserver._server.sockets[0].getsockname()[1]  # noqa: SLF001 - the port that the system chose
        print(port, flush=True)
        value = 0
        due = time.monotonic()
        while True:
            value += 1
            now = datetime.now(UTC)
            for node in nodes:
                await server.write_attribute_value(
                    node.nodeid, ua.DataValue(ua.Variant(value, ua.VariantType.UInt32), SourceTimestamp=now)
                )
            due += 1 / per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
