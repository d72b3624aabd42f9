"""The standard's address space is built once in a run; each simulated OPC UA server gets a copy, which is quicker."""

import gc
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.opcua_services import ControllerServices

_built: list[bytes] = []
_build = ControllerServices.load_standard_address_space


@pytest.fixture(autouse=True, scope="session")
def standard_nodes() -> Iterator[None]:
    """Every server of the run copies what the first one built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ControllerServices, "load_standard_address_space", _load)
        yield


async def _load(services: ControllerServices, shelf_file: Path | None = None) -> None:
    if not _built:
        await _build(services, shelf_file)
    looks = gc.isenabled()
    gc.disable()
    try:
        if _built:
            services.aspace._nodes = pickle.loads(_built[0])
        else:
            _built.append(pickle.dumps(services.aspace._nodes, pickle.HIGHEST_PROTOCOL))
    finally:
        if looks:
            gc.enable()
