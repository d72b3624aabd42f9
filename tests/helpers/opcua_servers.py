"""The OPC UA servers that the contract is held against, and an Emit that keeps what it was given."""

import asyncio
import atexit
import contextlib
import functools
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from patience import limit_s, patiently

from adapters.cancelling import end_tasks
from adapters.clock import SystemClock
from adapters.opcua.adapter import OpcUaAdapter
from adapters.opcua.certificate_info import Wanted
from adapters.opcua.certificates import Pair, make
from adapters.opcua.client import LeftOpen
from adapters.reading import Batch, ControllerId, Reading, TagId
from adapters.settings import Heartbeat, OpcUaController, OpcUaSecurity, OpcUaTag
from mes.demo.influxd import free_port
from simulators.opcua_server import Limits, Node, OpcUaServer, Policy, Quality, Security

NAMESPACE = "urn:test:plc"
SERVER_URI = "urn:test:server"
CLIENT_URI = "urn:taktline:collector"
NODE_FOLDER = Path(__file__).parents[1] / "contract" / "node_opcua"
OPEN62541_SERVER = NODE_FOLDER.parent / "open62541" / "server.py"
OPEN62541_PYTHON = Path(__file__).parents[2] / "build" / "open62541" / "bin" / "python"  # made by scripts/test


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths: (certificate, key) of the server, of the client, and of somebody else."""

    server: tuple[Path, Path]
    client: tuple[Path, Path]
    other: tuple[Path, Path]


def pair_in(folder: Path, application_uri: str, *, days: int) -> tuple[Path, Path]:
    """A certificate and its key; a short one, which is checked sooner wherever it is read."""
    pair = Pair(folder / "certificate.pem", folder / "private_key.pem")
    make(pair, Wanted(application_uri=application_uri, hostname="localhost", days=days, bits=2048))
    return pair.certificate, pair.key


def certificates_in(folder: Path) -> Certificates:
    """Those of a server and of the client; nobody else has any."""
    server = pair_in(folder / "server", SERVER_URI, days=30)
    return Certificates(server, pair_in(folder / "client", CLIENT_URI, days=90), server)


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


@functools.cache
def node_host() -> Path:
    """The local socket of a process that runs servers of node-opcua; started once, it ends with this process.

    To load the stack takes longer than most tests, so that they share one process.
    """
    if not (NODE_FOLDER / "node_modules" / "node-opcua").is_dir():
        message = f"node-opcua is not installed: run `npm ci --ignore-scripts` in {NODE_FOLDER.name}"
        raise RuntimeError(message)
    folder = Path(tempfile.mkdtemp(prefix="node-opcua-"))
    path = folder / "servers"
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            ["node", str(NODE_FOLDER / "server.js"), str(path)],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    atexit.register(end, process, folder)
    ends_s = time.monotonic() + limit_s(10)
    while not _listens(path):
        if process.poll() is not None or time.monotonic() > ends_s:
            raise RuntimeError(f"node-opcua did not start: {(folder / 'said').read_text()}")
        time.sleep(0.01)
    return path


def _listens(path: Path) -> bool:
    """Whether somebody answers there; the file of a local socket exists before that."""
    with socket.socket(socket.AF_UNIX) as plug:
        return plug.connect_ex(str(path)) == 0


def end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Ends the process and forgets what it left."""
    process.kill()
    process.wait()
    shutil.rmtree(folder)


class NodeOpcUa:
    """A server on node-opcua, in the process that holds all of them.

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
        token_lifetime_ms: int | None = None,
        certified_users: bool = False,
        only_open: bool = False,
        encrypts_logins: bool = True,
        alarms: Mapping[str, str] | None = None,
    ) -> None:
        """`password`: of any user; without one everybody may come in anonymously. `subscriptions`: of one session.

        `token_lifetime_ms`: after which a security token that was not renewed ends the connection. `certified_users`:
        nobody comes in anonymously, and a certificate is a login. `only_open`: it offers policy None alone.
        `encrypts_logins`: it takes logins over policy None, encrypted for its certificate. `alarms`: sources of alarms
        by their names; an alarm is active while the variable of its name is true.
        """
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
            "tokenLifetimeMs": token_lifetime_ms,
            "certifiedUsers": certified_users,
            "onlyOpen": only_open,
            "encryptsLogins": encrypts_logins,
            "alarms": [{"name": name, "source": source} for name, source in (alarms or {}).items()],
            "nodes": [{"name": node.name, "type": node.type, "initial": node.initial} for node in nodes],
        }
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self._port}/"

    async def start(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(str(node_host()))
        self._reader = reader
        self._port = int((await self._ask(self._declared))["port"])

    async def stop(self) -> None:
        """It is gone at once, and its connections with it."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            await writer.wait_closed()

    async def write(self, name: str, value: object, *, source_time: datetime, quality: Quality = "good") -> None:
        await self._ask({"name": name, "value": value, "quality": quality, "time": source_time.isoformat()})

    async def delete(self, name: str) -> None:
        """Takes a node out of the address space, as the download of a changed program does."""
        await self._ask({"ask": "delete", "name": name})

    async def sessions(self) -> int:
        """Sessions that it holds, alive or abandoned."""
        return int((await self._ask({"ask": "sessions"}))["sessions"])

    async def _ask(self, what: Mapping[str, object]) -> dict[str, str]:
        assert self._writer is not None
        assert self._reader is not None
        self._writer.write(json.dumps(what).encode() + b"\n")
        async with patiently(20):  # without a limit nobody would learn who hangs
            answer: dict[str, str] = json.loads(await self._reader.readline())
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer


class Open62541:
    """A server on open62541, in a process of its own; it is gone at once when it is stopped."""

    def __init__(self, nodes: Sequence[Node], certificates: Certificates) -> None:
        self._declared = {
            "applicationUri": SERVER_URI,
            "certificate": str(certificates.server[0]),
            "privateKey": str(certificates.server[1]),
            "nodes": [{"name": node.name, "type": node.type, "initial": node.initial} for node in nodes],
        }
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self._port}/"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            str(OPEN62541_PYTHON),
            str(OPEN62541_SERVER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._port = free_port()
        await self._ask({**self._declared, "port": self._port})

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()

    async def write(self, name: str, value: object, *, source_time: datetime, quality: Quality = "good") -> None:
        await self._ask({"name": name, "value": value, "quality": quality, "time": f"{source_time:%FT%T.%fZ}"})

    async def sessions(self) -> int:
        """Sessions that it holds."""
        return int((await self._ask({"ask": "sessions"}))["sessions"])

    async def _ask(self, what: Mapping[str, object]) -> dict[str, str]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        async with patiently(20):
            while not (line := await self._process.stdout.readline()).startswith(b"{"):
                assert line, "open62541 ended"
        answer: dict[str, str] = json.loads(line)
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
        return [reading for batch in self.batches for reading in batch.readings if reading.tag == tag]

    def values(self, tag: str) -> list[object]:
        """Their values."""
        return [reading.value for reading in self.readings(tag)]

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
        await end_tasks((waiting, task))
