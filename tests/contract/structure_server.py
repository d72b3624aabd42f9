"""An OPC UA server in a process of its own, so that its types are unknown here. It prints its port and counts.

`Unit` is a structure of a text, bytes, an enumeration, an optional member, an array of structures and a counter.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any, cast

from asyncua import ua
from asyncua.common.structures104 import new_enum, new_struct, new_struct_field
from asyncua.server.server import Server

T = ua.VariantType


def node_id(name: str, index: int) -> ua.NodeId:
    return ua.NodeId(ua.String(name), ua.Int16(index))


async def main() -> None:
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:test:plc")
    mode = await new_enum(server, index, "Mode", ["Off", "Auto", "Manual"])
    part, _ = await new_struct(server, index, "Part", [new_struct_field("Code", T.UInt16)])
    fields = [
        new_struct_field("Vin", T.String),
        new_struct_field("Raw", T.Byte, array=True),
        new_struct_field("Mode", mode),
        new_struct_field("Note", T.String, optional=True),
        new_struct_field("Parts", part, array=True),
        new_struct_field("Count", T.UInt32),
    ]
    await new_struct(server, index, "Unit", fields)
    await server.load_data_type_definitions()
    made = cast(Any, ua)
    unit = made.Unit(Vin="LJ12EKR21T1823640", Raw=list(b"RAW\0\0"), Mode=made.Mode.Manual, Count=0)
    unit.Parts = [made.Part(Code=number) for number in (11, 12)]
    nodes = server.nodes.objects
    one = await nodes.add_variable(node_id("Unit", index), "Unit", ua.Variant(unit, T.ExtensionObject))
    await nodes.add_variable(node_id("Units", index), "Units", ua.Variant([unit, unit], T.ExtensionObject))
    async with server:
        assert server.bserver is not None
        print(server.bserver.port, flush=True)  # noqa: T201  # for the test that starts this
        while True:
            await asyncio.sleep(0.1)
            unit.Count += 1
            value = ua.DataValue(ua.Variant(unit, T.ExtensionObject), SourceTimestamp=cast(Any, datetime.now(UTC)))
            await server.write_attribute_value(one.nodeid, value)


if __name__ == "__main__":
    asyncio.run(main())
