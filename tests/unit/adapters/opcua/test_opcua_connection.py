"""One OPC UA connection's batches, without a server."""

from datetime import timedelta
from typing import Any, cast

from fakes import START

from adapters.clock import ManualClock
from adapters.opcua.connection import Connection
from adapters.reading import Batch, ControllerId
from adapters.settings import OpcUaController


async def test_no_batch_is_received_before_the_one_before_it() -> None:
    """A notification that was received before a read that was emitted first does not move the last look back."""
    batches: list[Batch] = []

    async def emit(batch: Batch, /) -> None:
        batches.append(batch)

    settings = OpcUaController.model_validate(
        {"kind": "opcua", "url": "opc.tcp://127.0.0.1:1", "security": {"policy": "None", "insecure": True}}
    )
    connection = Connection(
        ControllerId("plc"), settings, cast("Any", None), ManualClock(START), cast("Any", None), emit
    )
    try:
        await connection.emit((), received_time=START + timedelta(seconds=5))
        await connection.emit((), received_time=START + timedelta(seconds=4))
        await connection.emit((), received_time=START + timedelta(seconds=6))
    finally:
        connection.close()

    assert [(batch.received_time - START).total_seconds() for batch in batches] == [5, 5, 6]
    assert connection.last_batch == START + timedelta(seconds=6)
