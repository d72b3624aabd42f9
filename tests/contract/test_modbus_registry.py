"""The registry builds the adapter that belongs to a controller's kind."""

from typing import Any

import pytest
from modbus_servers import NOW
from pydantic import TypeAdapter

from adapters.clock import ManualClock
from adapters.modbus.adapter import ModbusAdapter
from adapters.opcua.adapter import OpcUaAdapter
from adapters.reading import ControllerId, TagId
from adapters.registry import maker
from adapters.settings import Controller, ModbusTag, OpcUaTag

SECURITY = {"certificate": "c.pem", "private_key": "k.pem", "trust_folder": "trusted"}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"kind": "modbus-tcp", "host": "127.0.0.1"}, ModbusAdapter),
        ({"kind": "modbus-udp", "host": "127.0.0.1"}, ModbusAdapter),
        ({"kind": "modbus-tls", "host": "127.0.0.1", "security": SECURITY}, ModbusAdapter),
        ({"kind": "modbus-rtu-over-tcp", "host": "127.0.0.1"}, ModbusAdapter),
        ({"kind": "modbus-rtu", "device": "/dev/none"}, ModbusAdapter),
        ({"kind": "opcua", "url": "opc.tcp://127.0.0.1:4840", "security": {"insecure": True}}, OpcUaAdapter),
    ],
)
async def test_each_kind_has_its_adapter(settings: dict[str, Any], kind: type) -> None:
    """Every kind of controller that can be configured has an adapter, with the tags of its protocol."""
    controller: Controller = TypeAdapter(Controller).validate_python(settings)
    tags: dict[TagId, OpcUaTag | ModbusTag] = {
        TagId("word"): ModbusTag(address=1),
        TagId("node"): OpcUaTag(node="nsu=urn:x;s=a"),
    }
    made = maker(ControllerId("plc"), controller, tags, clock=ManualClock(NOW), secret=lambda _: "")()

    assert isinstance(made, kind)
    assert made.status().items_configured == 1
