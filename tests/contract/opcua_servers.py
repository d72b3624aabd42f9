"""The OPC UA servers that the contract is held against, and an Emit that keeps what it was given."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from adapters.clock import SystemClock
from adapters.opcua.adapter import OpcUaAdapter
from adapters.opcua.client import LeftOpen
from adapters.reading import Batch, ControllerId, Reading, TagId
from adapters.settings import Heartbeat, OpcUaController, OpcUaSecurity, OpcUaTag
from simulators.opcua_server import Limits, Node, OpcUaServer, Policy, Quality, Security

NAMESPACE = "urn:test:plc"
SERVER_URI = "urn:test:server"
CLIENT_URI = "urn:taktline:collector"
NODE_FOLDER = Path(__file__).parent / "node_opcua"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths: (certificate, key) of the server, of the client, and of somebody else."""

    server: tuple[Path, Path]
    client: tuple[Path, Path]
    other: tuple[Path, Path]


class ServerUnderTest(Protocol):
    """What the contract needs of a server."""

    @property
    def url(self) -> str: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def write(self, name: str, value: object, *, source_time: datetime, quality: Quality = "good") -> None: ...


def simulated(
    nodes: Sequence[Node], certificates: Certificates, *, limits: Limits | None = None, policies: Sequence[Policy] = ()
) -> OpcUaServer:
    """Our own server; all policies that the adapter knows unless `policies` says which."""
    security = Security(
        policies=tuple(policies) or ("None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"),
        certificate=certificates.server[0],
        private_key=certificates.server[1],
    )
    return OpcUaServer(namespace=NAMESPACE, nodes=nodes, limits=limits, security=security, application_uri=SERVER_URI)


class NodeOpcUa:
    """The server on node-opcua, in a process of its own.

    Clients that it does not know go to `<folder>/pki/rejected`, and are served only if it accepts strangers.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        certificates: Certificates,
        folder: Path,
        *,
        accept_strangers: bool = True,
        password: str | None = None,
        sessions: int = 10,
        items_per_subscription: int | None = None,
        subscriptions: int | None = None,
    ) -> None:
        """`password`: of any user; without one everybody may come in anonymously. `subscriptions`: of one session."""
        self._folder = folder
        self._declared = {
            "namespace": NAMESPACE,
            "applicationUri": SERVER_URI,
            "certificate": str(certificates.server[0]),
            "privateKey": str(certificates.server[1]),
            "pki": str(folder / "pki"),
            "acceptStrangers": accept_strangers,
            "password": password,
            "sessions": sessions,
            "itemsPerSubscription": items_per_subscription,
            "subscriptions": subscriptions,
            "nodes": [{"name": node.name, "type": node.type, "initial": node.initial} for node in nodes],
        }
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self._port}/"

    async def start(self) -> None:
        if not (NODE_FOLDER / "node_modules" / "node-opcua").is_dir():
            message = f"node-opcua is not installed: run `npm ci --ignore-scripts` in {NODE_FOLDER.name}"
            raise RuntimeError(message)
        declaration = self._folder / "server.json"
        declaration.write_text(json.dumps(self._declared))
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(NODE_FOLDER / "server.js"),
            str(declaration),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=self._folder,
        )
        self._port = int((await self._answer("port"))["port"])

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.communicate()

    async def write(self, name: str, value: object, *, source_time: datetime, quality: Quality = "good") -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        command = {"name": name, "value": value, "quality": quality, "time": source_time.isoformat()}
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._answer("done")

    async def delete(self, name: str) -> None:
        """Takes a node out of the address space, as the download of a changed program does."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"ask": "delete", "name": name}).encode() + b"\n")
        await self._answer("deleted")

    async def sessions(self) -> int:
        """Sessions that it holds, alive or abandoned."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b'{"ask": "sessions"}\n')
        return int((await self._answer("sessions"))["sessions"])

    async def _answer(self, key: str) -> dict[str, str]:
        """The next line of output that is an answer; the stack prints warnings of its own in between."""
        assert self._process is not None
        assert self._process.stdout is not None
        while True:
            line = await self._process.stdout.readline()
            if not line:
                message = f"the node-opcua server ended before it said {key!r}"
                raise RuntimeError(message)
            if line.startswith(b"{"):
                with contextlib.suppress(ValueError):
                    answer: dict[str, str] = json.loads(line)
                    if key in answer:
                        return answer


@dataclass(slots=True)
class Journal:
    """An Emit that keeps the batches; while `held` is set it returns for none of them."""

    batches: list[Batch] = field(default_factory=list)
    held: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, batch: Batch, /) -> None:
        self.batches.append(batch)
        self._news.set()
        if self.held:
            await asyncio.Event().wait()

    def readings(self, tag: str) -> list[Reading]:
        """All readings of a tag so far, in order, the baseline's first."""
        return [each for batch in self.batches for each in batch.readings if each.tag == tag]

    def values(self, tag: str) -> list[object]:
        """Their values."""
        return [each.value for each in self.readings(tag)]

    async def until(self, happened: Callable[[], bool]) -> None:
        """Waits until a condition on the batches holds."""
        while not happened():
            self._news.clear()
            await self._news.wait()


def settings(
    url: str,
    certificates: Certificates,
    *,
    policy: Policy = "None",
    heartbeat: Heartbeat | None = None,
    **changes: object,
) -> OpcUaController:
    """A controller's settings with short intervals."""
    if policy == "None":
        security: dict[str, object] = {"policy": "None", "insecure": True}
    else:
        security = {
            "policy": policy,
            "certificate": certificates.client[0],
            "private_key": certificates.client[1],
            "server_certificate": certificates.server[0],
        }
    fields: dict[str, object] = {
        "kind": "opcua",
        "url": url,
        "publish_interval_ms": 50,
        "sampling_interval_ms": 0,
        "keepalive_s": 1.0,
        "application_uri": CLIENT_URI,
        "security": OpcUaSecurity.model_validate(security),
        "heartbeat": heartbeat,
    }
    return OpcUaController.model_validate(fields | changes)


def adapter(
    controller: OpcUaController, names: Sequence[str], left: LeftOpen | None = None, **secrets: str
) -> OpcUaAdapter:
    """An adapter for tags that are called as their nodes are."""
    tags = {TagId(name): OpcUaTag(node=f"nsu={NAMESPACE};s={name}") for name in names}
    return OpcUaAdapter(
        ControllerId("plc"), controller, tags, clock=SystemClock(), secret=secrets.__getitem__, left=left
    )


@contextlib.asynccontextmanager
async def running(subject: OpcUaAdapter, journal: Journal) -> AsyncIterator[asyncio.Task[None]]:
    """The adapter at work, from its baseline on; cancelled at the end."""
    task = asyncio.create_task(subject.run(journal))
    waiting = asyncio.create_task(journal.until(lambda: bool(journal.batches)))
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield task
    finally:
        for each in (waiting, task):
            each.cancel()
        await asyncio.gather(waiting, task, return_exceptions=True)
