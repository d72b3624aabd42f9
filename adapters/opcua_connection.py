"""An open OPC UA connection: bulk reads, the heartbeat, and handing batches on; what both ways of collecting share."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from adapters.clock import Clock
from adapters.errors import ControllerUnavailable
from adapters.liveness import HeartbeatWatch
from adapters.opcua_values import Address, to_reading
from adapters.ports import Emit
from adapters.reading import Batch, ControllerId, GapCause, Reading, TagId
from adapters.settings import OpcUaController, OpcUaTag

MAX_NODES_PER_CALL = 500  # larger requests meet servers that just close the connection (facts A.25)
TOO_MUCH_AT_ONCE = (ua.uaerrors.BadTooManyOperations, ua.uaerrors.BadEncodingLimitsExceeded)


@dataclass(slots=True)
class OpcUaStatus:
    """The figures of one connection."""

    items_configured: int
    items_active: int = 0
    notes: tuple[str, ...] = ()

    def note(self, sentence: str) -> None:
        """Adds a sentence for an engineer, once."""
        if sentence not in self.notes:
            self.notes = (*self.notes, sentence)


@dataclass(slots=True)
class Connection:
    """A connected client with what was configured for it, and the patience with its heartbeat."""

    controller: ControllerId
    client: Client
    settings: OpcUaController
    tags: Mapping[TagId, OpcUaTag]
    clock: Clock
    status: OpcUaStatus
    emit: Emit
    watch: HeartbeatWatch | None = None
    _deaf_s: float = 0.0

    async def resolve(self, addresses: Mapping[TagId, Address]) -> dict[TagId, ua.NodeId]:
        """Nodes by tag for the server's present namespaces; tags of a missing namespace are left out."""
        namespaces = await self.client.get_namespace_array()
        found = {tag: address.resolve(namespaces) for tag, address in addresses.items()}
        missing = sorted({addresses[tag].uri for tag, node in found.items() if node is None})
        if missing:
            self.status.note(f"the server has no namespace {', '.join(missing)} now")
        if all(node is None for node in found.values()):
            raise ControllerUnavailable(f"the server has none of the namespaces {', '.join(missing)} yet")
        return {tag: node for tag, node in found.items() if node is not None}

    async def await_heartbeat(self, nodes: Mapping[TagId, ua.NodeId]) -> None:
        """Returns when the heartbeat was seen to change, if one is configured; raises ControllerUnavailable (stuck)."""
        heartbeat = self.settings.heartbeat
        if heartbeat is None:
            return
        self.watch = HeartbeatWatch(max_age_s=heartbeat.max_age_s, real_s=self.listened_s(), now=self.clock.now())
        pause_s = min(self.settings.publish_interval_ms / 1000, heartbeat.max_age_s / 4)
        only = {tag: node for tag, node in nodes.items() if tag == heartbeat.tag}
        while not self.watch.beating:
            self.hear(await self.read(only))
            self.check_heartbeat()
            await asyncio.sleep(pause_s)

    def hear(self, readings: Sequence[Reading]) -> None:
        """Takes the heartbeat out of what came."""
        if self.watch is None or self.settings.heartbeat is None:
            return
        for each in readings:
            if each.tag == self.settings.heartbeat.tag:
                self.watch.see(each, real_s=self.listened_s())

    def listened_s(self) -> float:
        """Real seconds during which we could have heard a heartbeat: those spent in a slow commit do not count."""
        return asyncio.get_running_loop().time() - self._deaf_s

    def check_heartbeat(self) -> None:
        """Raises ControllerUnavailable if the heartbeat stands still."""
        if self.watch is not None and self.watch.stuck(real_s=self.listened_s()):
            raise ControllerUnavailable(
                "the controller answers and its heartbeat stands still",
                cause=GapCause.STUCK,
                blind_since=self.watch.last_change,
            )

    async def hand_on(self, readings: Sequence[Reading], *, baseline: bool = False) -> None:
        """Emits one batch and waits until it is journaled."""
        started_s = asyncio.get_running_loop().time()
        await self.emit(Batch(self.controller, self.clock.now(), tuple(readings), baseline))
        self._deaf_s += asyncio.get_running_loop().time() - started_s

    async def read(self, nodes: Mapping[TagId, ua.NodeId]) -> list[Reading]:
        """One bulk read in as few calls as the server takes; bad values are readings too."""
        tags = list(nodes)
        readings: list[Reading] = []
        size = MAX_NODES_PER_CALL
        while len(readings) < len(tags):
            some = tags[len(readings) : len(readings) + size]
            try:
                found = await self.client.uaclient.read_attributes([nodes[tag] for tag in some], AttributeIds.Value)
            except TOO_MUCH_AT_ONCE:
                if size == 1:
                    raise
                size = max(1, size // 2)
                continue
            now = self.clock.now()
            readings += [to_reading(tag, self.tags[tag], data, now) for tag, data in zip(some, found, strict=True)]
        return readings


def differs(new: Reading, old: Reading | None) -> bool:
    """Whether a reading says something that the one before did not."""
    return old is None or (new.value, new.quality, new.overflow) != (old.value, old.quality, False)
