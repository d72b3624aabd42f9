"""Which adapter speaks to which kind of controller."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, assert_never

from adapters.clock import Clock
from adapters.ports import Adapter
from adapters.reading import ControllerId, TagId
from adapters.settings import (
    Controller,
    ModbusNumbered,
    ModbusRtuController,
    ModbusRtuOverTcpController,
    ModbusTag,
    OpcUaController,
    OpcUaTag,
)

if TYPE_CHECKING:
    from adapters.modbus.line import Line

Lines = dict[str, "Line"]


def maker(
    controller: ControllerId,
    settings: Controller,
    tags: Mapping[TagId, OpcUaTag | ModbusTag],
    *,
    clock: Clock,
    secret: Callable[[str], str],
    lines: Lines | None = None,
) -> Callable[[], Adapter]:
    """Makes an adapter for each connection to a controller. `secret` gives the password behind a credential's name.

    `lines` are the Modbus lines of all controllers made so far: those that name the same address share one.

    Tags of another protocol than the controller's are left out; the configuration refuses them beforehand. A protocol
    is imported here, before anything is read: a plant without it does without.
    """
    match settings:
        case OpcUaController():
            from adapters.opcua.adapter import OpcUaAdapter
            from adapters.opcua.client import LeftOpen

            nodes = {name: tag for name, tag in tags.items() if isinstance(tag, OpcUaTag)}
            left = LeftOpen()
            return lambda: OpcUaAdapter(controller, settings, nodes, clock=clock, secret=secret, left=left)
        case ModbusNumbered() | ModbusRtuOverTcpController() | ModbusRtuController():
            from adapters.modbus.adapter import ModbusAdapter
            from adapters.modbus.answers import DeviceMemory
            from adapters.modbus.line import Line, address

            registers = {name: tag for name, tag in tags.items() if isinstance(tag, ModbusTag)}
            memory = DeviceMemory()
            line = Line() if lines is None else lines.setdefault(address(settings), Line())
            return lambda: ModbusAdapter(
                controller, settings, registers, clock=clock, secret=secret, memory=memory, line=line
            )
        case _:
            assert_never(settings)
