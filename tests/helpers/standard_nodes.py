"""The standard's address space is built once in a run; a simulated OPC UA server copies the nodes that are read."""

import pickle
from collections.abc import Iterator, MutableMapping
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.server.address_space import NodeData

from simulators.opcua_services import ControllerServices

_built: dict[ua.NodeId, bytes] = {}
_build = ControllerServices.load_standard_address_space


class _Nodes(MutableMapping[ua.NodeId, NodeData]):
    """The nodes of one server: those of the standard, copied when they are first needed, and its own."""

    def __init__(self) -> None:
        self._standard = dict(_built)
        self._nodes: dict[ua.NodeId, NodeData] = {}

    def __getitem__(self, key: ua.NodeId) -> NodeData:
        copied = self._standard.pop(key, None)
        if copied is not None:
            self._nodes[key] = pickle.loads(copied)
        return self._nodes[key]

    def __setitem__(self, key: ua.NodeId, node: NodeData) -> None:
        self._standard.pop(key, None)
        self._nodes[key] = node

    def __delitem__(self, key: ua.NodeId) -> None:
        if self._standard.pop(key, None) is None:
            del self._nodes[key]

    def __contains__(self, key: object) -> bool:
        return key in self._nodes or key in self._standard

    def __iter__(self) -> Iterator[ua.NodeId]:
        return iter([*self._nodes, *self._standard])  # a list, for a node that is read changes its place

    def __len__(self) -> int:
        return len(self._nodes) + len(self._standard)


@pytest.fixture(autouse=True, scope="session")
def standard_nodes() -> Iterator[None]:
    """Every server of the run copies what the first one built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ControllerServices, "load_standard_address_space", _load)
        yield


async def _load(services: ControllerServices, shelf_file: Path | None = None) -> None:
    if not _built:
        await _build(services, shelf_file)
        _built.update(
            {key: pickle.dumps(node, pickle.HIGHEST_PROTOCOL) for key, node in services.aspace._nodes.items()}
        )
    services.aspace._nodes = _Nodes()  # type: ignore[assignment]
