"""An OPC UA server with a machine of OPC UA for Machinery and one of PackML. It is a process, and prints its port.

Once a second the machines go on to their next state. Names and namespaces are those of the specifications' nodesets.
"""

import asyncio
import logging
from datetime import UTC, datetime
from itertools import cycle
from typing import Any, cast

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.server.server import Server

MACHINERY, PACKML = "http://opcfoundation.org/UA/Machinery/", "http://opcfoundation.org/UA/PackML/"
INACTIVE = None  # of a machine within another that has no such state now: BadStateNotActive
STATES = (  # of Machinery, and of the three machines of PackML, whether the machine is blocked
    ("OutOfService", ("Aborted", INACTIVE, INACTIVE), False),
    ("NotExecuting", ("Cleared", "Running", "Idle"), False),
    ("Executing", ("Cleared", "Running", "Execute"), False),
    ("Executing", ("Cleared", "Running", "Suspended"), False),
    ("Executing", ("Cleared", "Running", "Suspended"), True),
    ("NotAvailable", ("Cleared", "Stopped", INACTIVE), False),
)


async def below(parent: Node, *names: tuple[int, str]) -> Node:
    """Objects one below another, by the namespaces and names that browse paths have."""
    for index, name in names:
        parent = await parent.add_object(ua.NodeId(), ua.QualifiedName(name, ua.UInt16(index)))
    return parent


async def state_of(machine: Node) -> Node:
    text = ua.Variant(ua.LocalizedText("", "en"), ua.VariantType.LocalizedText)
    return await machine.add_variable(ua.NodeId(), ua.QualifiedName("CurrentState", ua.UInt16(0)), text)


async def main() -> None:
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    machinery, packml, saw, packer = [
        await server.register_namespace(uri) for uri in (MACHINERY, PACKML, "urn:maker:saw", "urn:maker:packer")
    ]
    top = server.nodes.objects
    blocks = ((machinery, "Machines"), (saw, "Saw1"), (machinery, "MachineryBuildingBlocks"))
    item_state = await state_of(await below(top, *blocks, (machinery, "MachineryItemState")))
    parts = await top.add_variable(ua.NodeId(), ua.QualifiedName("Saw1Parts", ua.UInt16(saw)), 0, ua.VariantType.UInt32)

    machine = await below(top, (packml, "PackMLObjects"), (packer, "Packer1"))
    outer = await below(machine, (packml, "BaseStateMachine"))
    middle = await below(outer, (packml, "MachineState"))
    states = [await state_of(level) for level in (outer, middle, await below(middle, (packml, "ExecuteState")))]
    status = await below(machine, (packml, "Status"))
    blocked = await status.add_variable(ua.NodeId(), ua.QualifiedName("EquipmentBlocked", ua.UInt16(packml)), False)
    await new_struct(
        server,
        packml,
        "PackMLCountDataType",
        [
            new_struct_field("ID", ua.VariantType.Int32),
            new_struct_field("Name", ua.VariantType.String),
            new_struct_field("Count", ua.VariantType.Int32),
            new_struct_field("AccCount", ua.VariantType.Int32),
        ],
    )
    await server.load_data_type_definitions()
    made = cast(Any, ua)
    count = made.PackMLCountDataType(ID=1, Name="A", Count=0, AccCount=2147483646)
    admin = await below(machine, (packml, "Admin"))
    processed, defective = [
        await admin.add_variable(
            ua.NodeId(), ua.QualifiedName(name, ua.UInt16(packml)), ua.Variant([count], ua.VariantType.ExtensionObject)
        )
        for name in ("ProdProcessedCount", "ProdDefectiveCount")
    ]

    async def show(node: Node, value: ua.Variant, status: int = ua.status_codes.StatusCodes.Good) -> None:
        now = cast(Any, datetime.now(UTC))
        shown = ua.DataValue(value, ua.StatusCode(ua.UInt32(status)), SourceTimestamp=now)
        await server.write_attribute_value(node.nodeid, shown)

    async def show_state(node: Node, text: str | None) -> None:
        inactive = text is INACTIVE
        value = ua.Variant(ua.LocalizedText(text or "", "en"), ua.VariantType.LocalizedText)
        status = ua.status_codes.StatusCodes.BadStateNotActive if inactive else ua.status_codes.StatusCodes.Good
        await show(node, value, status)

    del defective
    async with server:
        assert server.bserver is not None
        print(server.bserver.port, flush=True)  # noqa: T201  # for the test that starts this
        for made_parts, (item, levels, is_blocked) in enumerate(cycle(STATES)):
            await show(blocked, ua.Variant(is_blocked, ua.VariantType.Boolean))
            await show_state(item_state, item)
            for node, text in zip(states, levels, strict=True):
                await show_state(node, text)
            await show(parts, ua.Variant(ua.UInt32(made_parts), ua.VariantType.UInt32))
            count.AccCount = (2147483646 + made_parts) % 2147483648
            await show(processed, ua.Variant([count], ua.VariantType.ExtensionObject))
            await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
