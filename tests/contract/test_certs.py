"""`mes certs` against real servers: from nothing to a trusted connection, and each reason why there is none."""

import asyncio
import json
import shutil
import stat
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from asyncua.ua.status_codes import StatusCodes
from certified_plant import Plant, codes, run_certs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from opcua_servers import CLIENT_URI, NAMESPACE, SERVER_URI, Certificates, Journal, NodeOpcUa, adapter, running

from adapters.opcua.certificate_info import (
    Wanted,
    card,
    encoded_certificate,
    encoded_key,
    new_key,
    read_certificate,
    self_signed,
    sha256_of,
)
from adapters.opcua.certificates import Pair
from adapters.opcua.findings import Code
from adapters.settings import OpcUaController
from mes.config.load import load
from simulators.opcua_server import Limits, Node, OpcUaServer, Security

pytestmark = pytest.mark.timeout(30)

NODES = (Node("state", "int32", 6),)
NOWHERE = "opc.tcp://127.0.0.1:9/"
YEAR = Wanted(application_uri=CLIENT_URI, hostname="edge", days=365, bits=2048)
THEIRS = replace(YEAR, application_uri=SERVER_URI, hostname="localhost")
KEYS: dict[int, rsa.RSAPrivateKey] = {}


def key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A key; making one takes a while, so each is made once."""
    name = bits * 10 + number
    if name not in KEYS:
        KEYS[name] = new_key(bits)
    return KEYS[name]


def lay(pair: Pair, wanted: Wanted, *, bits: int = 2048, number: int = 0) -> None:
    """A pair as it is wanted, without asking whether there is one."""
    lay_certificate(pair, self_signed(key(bits, number), wanted), bits=bits, number=number)


def lay_certificate(pair: Pair, certificate: x509.Certificate, *, bits: int = 2048, number: int = 0) -> None:
    pair.key.parent.mkdir(parents=True, exist_ok=True)
    pair.key.write_bytes(encoded_key(key(bits, number), pair.key))
    pair.key.chmod(0o600)
    pair.certificate.write_bytes(encoded_certificate(certificate, pair.certificate))


def without_usages(application_uri: str, number: int = 0) -> x509.Certificate:
    """A certificate that names its application and allows nothing."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bare")])
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(application_uri)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key(number=number).public_key())
    builder = (
        builder.serial_number(7).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=99))
    )
    return builder.add_extension(names, critical=False).sign(key(number=number), hashes.SHA256())


def issued(wanted: Wanted, authority: x509.Name, number: int = 1) -> x509.Certificate:
    """A certificate that says what is wanted, signed by the authority's key, which is number 2."""
    like = self_signed(key(number=number), wanted)
    builder = x509.CertificateBuilder().subject_name(like.subject).issuer_name(authority)
    builder = builder.public_key(like.public_key()).serial_number(8)
    builder = builder.not_valid_before(like.not_valid_before_utc).not_valid_after(like.not_valid_after_utc)
    for extension in like.extensions:
        if extension.oid != x509.AuthorityKeyIdentifier.oid:
            builder = builder.add_extension(extension.value, critical=extension.critical)
    ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(key(number=2).public_key())
    return builder.add_extension(ours, critical=False).sign(key(number=2), hashes.SHA256())


def authority_since(starts: datetime) -> x509.Certificate:
    """The authority's own certificate, as it was renewed at that time with the same key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    public = key(number=2).public_key()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public).serial_number(9)
    builder = builder.not_valid_before(starts).not_valid_after(starts + timedelta(days=99))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    return builder.sign(key(number=2), hashes.SHA256())


@dataclass(slots=True)
class Scene:
    """A server with its own pair, a folder of clients that it trusts, and a plant that wants to talk to it."""

    folder: Path
    plant: Plant
    security: Security = field(default_factory=Security)
    limits: Limits = field(default_factory=Limits)
    server: OpcUaServer | None = None

    @property
    def theirs(self) -> Pair:
        return Pair(self.folder / "server" / "certificate.pem", self.folder / "server" / "private_key.pem")

    @property
    def ours(self) -> Pair:
        return Pair(self.plant.certificate, self.plant.key)

    @property
    def trusted_there(self) -> Path:
        return self.folder / "trusted-there"

    async def serve(self, wanted: Wanted | None = THEIRS, **changes: object) -> None:
        """Starts the server; `changes` are of its security, `wanted` None: its pair was laid already."""
        if wanted is not None:
            lay(self.theirs, wanted, number=1)
        self.trusted_there.mkdir(exist_ok=True)
        self.security = Security(
            **{
                "policies": ("Basic256Sha256",),
                "certificate": self.theirs.certificate,
                "private_key": self.theirs.key,
            }
            | changes  # type: ignore[arg-type]  # the test names what it changes
        )
        self.server = OpcUaServer(
            namespace=NAMESPACE, nodes=NODES, limits=self.limits, security=self.security, application_uri=SERVER_URI
        )
        await self.server.start()
        self.plant.url = self.server.url

    def trusting(self, *, folder: bool = False) -> None:
        """Both sides have what they need of each other, as far as it is there."""
        lay(self.ours, YEAR)
        place = self.plant.folder / "trusted" / "server.pem" if folder else self.plant.pinned
        place.parent.mkdir(exist_ok=True)
        shutil.copy(self.theirs.certificate, place)
        if folder:
            self.plant.security |= {"server_certificate": None, "trust_folder": str(place.parent)}

    async def check(self, *words: str) -> set[str]:
        return codes(await self.plant.certs("check", *words))

    def settings(self) -> OpcUaController:
        """The controller as the collector takes it from the plant's file."""
        (found,) = load(self.plant.file).config.controllers.values()
        assert isinstance(found, OpcUaController)
        return found


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    plant = tmp_path / "plant"
    plant.mkdir()
    made = Scene(tmp_path, Plant(plant, NOWHERE))
    yield made
    if made.server is not None:
        await made.server.stop()


async def test_from_nothing_to_a_trusted_connection(scene: Scene) -> None:
    """Create, compare and trust, have the controller trust us: then check is fine and the adapter reads; not before."""
    await scene.serve(trusted_clients=scene.trusted_there)
    plant = scene.plant

    assert await scene.check() == {Code.CERTIFICATE_MISSING, Code.KEY_MISSING, Code.TRUST_MISSING}
    created = await plant.certs("create", "--bits", "2048", "--host", "edge")
    assert created.exit_code == 0, created.output
    ours = card(read_certificate(plant.certificate))
    assert (ours.uris, ours.hosts, ours.key_bits) == ((CLIENT_URI,), ("edge",), 2048)
    assert ours.sha256 in created.output
    assert stat.S_IMODE(plant.key.stat().st_mode) == 0o600
    assert await scene.check() == {Code.TRUST_MISSING}

    refused = await plant.certs("trust", "plc", "--thumbprint", ours.sha256)
    declined = await plant.certs("trust", "plc", input="n\n")
    assert (refused.exit_code, declined.exit_code, plant.pinned.exists()) == (1, 1, False)
    thumbprint = ":".join(sha256_of(read_certificate(scene.theirs.certificate))[at : at + 2] for at in range(0, 64, 2))
    trusted = await plant.certs("trust", "plc", "--thumbprint", thumbprint.lower())
    assert trusted.exit_code == 0, trusted.output
    assert await scene.check() == {Code.CERTIFICATE_REJECTED}

    shutil.copy(plant.certificate, scene.trusted_there / "taktline.pem")
    assert await scene.check() == set()
    journal = Journal()
    async with running(adapter(scene.settings(), ("state",)), journal):
        assert journal.values("state") == [6]


async def test_a_trust_folder_is_filled_by_trust(scene: Scene) -> None:
    """With a folder of trusted certificates `trust` adds a file to it, once a person has said yes."""
    await scene.serve()
    lay(scene.ours, YEAR)
    folder = scene.plant.folder / "trusted"
    scene.plant.security |= {"server_certificate": None, "trust_folder": str(folder)}

    done = await scene.plant.certs("trust", "plc", input="y\n")

    assert done.exit_code == 0, done.output
    assert [read_certificate(path) for path in folder.iterdir()] == [read_certificate(scene.theirs.certificate)]
    assert await scene.check() == set()


async def test_a_renewed_pair_is_a_stranger_until_it_is_trusted(scene: Scene) -> None:
    """A prepared pair disturbs nothing; after `renew` the controller refuses us until it trusts the new certificate."""
    await scene.serve(trusted_clients=scene.trusted_there)
    scene.trusting()
    shutil.copy(scene.plant.certificate, scene.trusted_there / "old.pem")
    old = scene.plant.certificate.read_bytes()

    prepared = await scene.plant.certs("renew", "--prepare", "--bits", "2048")
    waiting = scene.plant.certificate.with_name("certificate.new.pem").read_bytes()
    assert (prepared.exit_code, await scene.check()) == (0, set())
    renewed = await scene.plant.certs("renew", "--bits", "2048")
    assert renewed.exit_code == 0, renewed.output
    assert scene.plant.certificate.read_bytes() == waiting != old
    assert [path.read_bytes() for path in scene.plant.certificate.parent.glob("certificate.pem.old-*")] == [old]
    assert await scene.check() == {Code.CERTIFICATE_REJECTED}

    shutil.copy(scene.plant.certificate, scene.trusted_there / "new.pem")
    assert await scene.check() == set()


async def test_another_certificate_is_pinned_only_on_demand(scene: Scene) -> None:
    """A server that shows another certificate than the pinned one is told of; --replace alone takes it."""
    await scene.serve()
    scene.trusting()
    scene.plant.pinned.write_bytes(scene.plant.certificate.read_bytes())

    assert await scene.check() == {Code.SERVER_CERTIFICATE_OTHER}
    assert (await scene.plant.certs("trust", "plc", "--yes")).exit_code != 0
    assert await scene.check() == {Code.SERVER_CERTIFICATE_OTHER}
    assert (await scene.plant.certs("trust", "plc", "--yes", "--replace")).exit_code == 0
    assert await scene.check() == set()
    assert len(list(scene.plant.folder.glob("server.pem.old-*"))) == 1


async def test_expired_and_pinned_is_a_warning_that_the_adapter_gives_too(scene: Scene) -> None:
    """A pinned certificate that has ended is served on, and check as well as the connection's own notes say it."""
    await scene.serve(replace(THEIRS, days=0))
    scene.trusting()

    assert await scene.check() == {Code.SERVER_CERTIFICATE_EXPIRED}
    subject = adapter(scene.settings(), ("state",))
    async with running(subject, Journal()):
        assert any("taken only as it is pinned" in note for note in subject.status().diagnostic_texts)


Story = Callable[[Scene], Awaitable[None]]


def story(made: Callable[[Scene], None]) -> Story:
    """A story without a server: nothing listens, which is found as well."""

    async def told(scene: Scene) -> None:
        made(scene)

    return told


def half(*, certificate: bool) -> Story:
    def made(scene: Scene) -> None:
        lay(scene.ours, YEAR)
        (scene.plant.key if certificate else scene.plant.certificate).unlink()

    return story(made)


def spoilt(*, certificate: bool) -> Story:
    def made(scene: Scene) -> None:
        lay(scene.ours, YEAR)
        (scene.plant.certificate if certificate else scene.plant.key).write_text("-----BEGIN NOTHING-----\n")

    return story(made)


def ours(wanted: Wanted, bits: int = 2048) -> Story:
    def made(scene: Scene) -> None:
        lay(scene.ours, wanted, bits=bits)

    return story(made)


def open_key(scene: Scene) -> None:
    lay(scene.ours, YEAR)
    scene.plant.key.chmod(0o640)


def foreign_key(scene: Scene) -> None:
    lay(scene.ours, YEAR)
    scene.plant.key.write_bytes(encoded_key(key(number=1), scene.plant.key))


def bare(scene: Scene) -> None:
    lay_certificate(scene.ours, without_usages(CLIENT_URI))


def unprotected(scene: Scene) -> None:
    scene.plant.security = {"policy": "None", "insecure": True}


def absent_user(scene: Scene) -> None:
    unprotected(scene)
    absent = str(scene.plant.folder / "user.pem")
    scene.plant.fields |= {"user_certificate": absent, "user_private_key": absent}


NOBODY = {Code.SERVER_UNREACHABLE}
WITHOUT_A_SERVER: dict[str, tuple[Story, set[Code]]] = {
    "no policy": (story(unprotected), {Code.POLICY_NONE, *NOBODY}),
    "no user": (story(absent_user), {Code.POLICY_NONE, Code.USER_CERTIFICATE, *NOBODY}),
    "no certificate": (half(certificate=False), {Code.CERTIFICATE_MISSING, *NOBODY}),
    "no key": (half(certificate=True), {Code.KEY_MISSING, *NOBODY}),
    "spoilt certificate": (spoilt(certificate=True), {Code.CERTIFICATE_UNREADABLE, *NOBODY}),
    "spoilt key": (spoilt(certificate=False), {Code.KEY_UNREADABLE, *NOBODY}),
    "expired": (ours(replace(YEAR, days=0)), {Code.CERTIFICATE_EXPIRED, *NOBODY}),
    "expires soon": (ours(replace(YEAR, days=30)), {Code.CERTIFICATE_EXPIRES_SOON, *NOBODY}),
    "expires not yet soon": (ours(replace(YEAR, days=31)), NOBODY),
    "not yet": (
        ours(replace(YEAR, starts=datetime.now(UTC) + timedelta(days=2))),
        {Code.CERTIFICATE_NOT_YET_VALID, *NOBODY},
    ),
    "another's": (ours(replace(YEAR, application_uri="urn:other")), {Code.CERTIFICATE_OTHER_URI, *NOBODY}),
    "may do nothing": (story(bare), {Code.CERTIFICATE_USAGE, *NOBODY}),
    "short": (ours(YEAR, bits=1024), {Code.KEY_TOO_SHORT, *NOBODY}),
    "open key": (story(open_key), {Code.KEY_OPEN_TO_OTHERS, *NOBODY}),
    "foreign key": (story(foreign_key), {Code.KEY_NOT_OF_CERTIFICATE, *NOBODY}),
}


@pytest.mark.parametrize("name", WITHOUT_A_SERVER)
async def test_what_is_wrong_with_our_own(scene: Scene, name: str) -> None:
    """Each fault of our own files is found by its code, and no other, though the server cannot be reached."""
    told, expected = WITHOUT_A_SERVER[name]
    await told(scene)

    assert await scene.check() == expected


def served(
    wanted: Wanted | None = THEIRS,
    *,
    folder: bool = False,
    plant: dict[str, object] | None = None,
    controller: dict[str, object] | None = None,
    **changes: object,
) -> Story:
    """Both sides trust each other; what the story is about is given."""

    async def told(scene: Scene) -> None:
        named = {name: scene.trusted_there if name == "trusted_clients" else change for name, change in changes.items()}
        await scene.serve(wanted, **named)
        scene.trusting(folder=folder)
        scene.plant.security |= plant or {}
        scene.plant.fields |= controller or {}

    return told


def refusing(status: int) -> Story:
    """A server that does not trust us, and says so in its own way."""
    return served(trusted_clients=True, stranger=status)


async def empty_folder(scene: Scene) -> None:
    await served(folder=True)(scene)
    (scene.plant.folder / "trusted" / "server.pem").unlink()


async def stranger(scene: Scene) -> None:
    await served(folder=True)(scene)
    shutil.copy(scene.plant.certificate, scene.plant.folder / "trusted" / "server.pem")


async def among_other_files(scene: Scene) -> None:
    """What a person leaves in a folder: a note, and a certificate that was put aside."""
    await served(folder=True)(scene)
    (scene.plant.folder / "trusted" / "order.txt").write_text("a note")
    (scene.plant.folder / "trusted" / "plc.pem.old").write_text("nothing")


async def withdrawn(scene: Scene) -> None:
    await stranger(scene)
    folder = scene.plant.folder / "trusted"
    shutil.copy(scene.theirs.certificate, folder / "plc.pem.revoked")


async def damaged_beside(scene: Scene) -> None:
    await served(folder=True)(scene)
    (scene.plant.folder / "trusted" / "other.pem").write_text("nothing")


def renewed_authority(days_ago: int) -> Story:
    """A server with a certificate of ten days, and the certificate of its authority, begun so many days ago."""

    async def told(scene: Scene) -> None:
        now = datetime.now(UTC)
        authority = authority_since(now - timedelta(days=days_ago))
        wanted = replace(THEIRS, starts=now - timedelta(days=10))
        lay_certificate(scene.theirs, issued(wanted, authority.subject), number=1)
        await served(None, folder=True)(scene)
        file = scene.plant.folder / "trusted" / "server.pem"
        file.write_bytes(encoded_certificate(authority, file))

    return told


async def their_bare_certificate(scene: Scene) -> None:
    lay_certificate(scene.theirs, without_usages(SERVER_URI, number=1), number=1)
    await served(None, folder=True)(scene)


async def their_spoilt_certificate(scene: Scene) -> None:
    await served()(scene)
    assert scene.server is not None
    assert scene.server._server is not None
    for endpoint in scene.server._server.iserver.endpoints:
        endpoint.ServerCertificate = b"\x30\x82\x00\x02ab"


async def clock_off(scene: Scene) -> None:
    await served()(scene)
    assert scene.server is not None
    scene.server.faults.clock_ahead = timedelta(minutes=-2)


async def wrong_password(scene: Scene) -> None:
    secrets = scene.plant.folder / "secrets"
    secrets.mkdir()
    (secrets / "plc").write_text("wrong\n")
    await served(user="reader", password="right", controller=READER)(scene)


READER: dict[str, object] = {"user": "reader", "password_credential": "plc"}
LATER = datetime.now(UTC) + timedelta(days=2)
WITH_A_SERVER: dict[str, tuple[Story, set[Code]]] = {
    "well": (served(), set()),
    "well, by folder": (served(folder=True), set()),
    "policy": (served(policies=("None",)), {Code.POLICY_NOT_OFFERED}),
    "old": (served(policies=("Basic256",)), {Code.POLICY_NOT_OFFERED, Code.POLICY_DEPRECATED}),
    "mode": (served(modes=("Sign",)), {Code.MODE_NOT_OFFERED}),
    "anonymous": (served(user="reader", password="right"), {Code.LOGIN_NOT_OFFERED}),
    "in clear": (
        served(policies=("None",), plant={"policy": "None", "insecure": True}, controller=READER),
        {Code.POLICY_NONE, Code.PASSWORD_IN_CLEAR},
    ),
    "no credential": (served(user="reader", password="right", controller=READER), {Code.CREDENTIAL_MISSING}),
    "wrong password": (wrong_password, {Code.LOGIN_REFUSED}),
    "empty folder": (empty_folder, {Code.TRUST_MISSING}),
    "stranger": (stranger, {Code.SERVER_CERTIFICATE_UNTRUSTED}),
    "authority": (renewed_authority(20), set()),
    "authority, renewed since": (renewed_authority(1), set()),
    "authority, ended": (renewed_authority(100), {Code.SERVER_CERTIFICATE_UNTRUSTED}),
    "among other files": (among_other_files, set()),
    "withdrawn": (withdrawn, {Code.SERVER_CERTIFICATE_UNTRUSTED}),
    "damaged beside": (damaged_beside, {Code.TRUST_MISSING}),
    "expired": (served(replace(THEIRS, days=0), folder=True), {Code.SERVER_CERTIFICATE_EXPIRED}),
    "soon": (served(replace(THEIRS, days=10)), {Code.SERVER_CERTIFICATE_EXPIRES_SOON}),
    "not yet": (served(replace(THEIRS, starts=LATER), folder=True), {Code.SERVER_CERTIFICATE_NOT_YET_VALID}),
    "another's": (
        served(replace(THEIRS, application_uri="urn:x"), folder=True),
        {Code.SERVER_CERTIFICATE_OTHER_URI},
    ),
    "may do nothing": (their_bare_certificate, {Code.SERVER_CERTIFICATE_USAGE}),
    "spoilt": (their_spoilt_certificate, {Code.SERVER_CERTIFICATE_UNREADABLE}),
    "rejected": (refusing(StatusCodes.BadSecurityChecksFailed), {Code.CERTIFICATE_REJECTED}),
    "rejected, by name": (
        refusing(StatusCodes.BadCertificateUntrusted),
        {Code.CERTIFICATE_REJECTED},
    ),
    "faulted": (
        refusing(StatusCodes.BadCertificateHostNameInvalid),
        {Code.CERTIFICATE_FAULTED},
    ),
    "halted": (refusing(StatusCodes.BadServerHalted), {Code.REFUSED}),
    "clock": (clock_off, {Code.CLOCK_DIFFERS}),
}


@pytest.mark.parametrize("name", WITH_A_SERVER)
async def test_what_a_server_refuses(scene: Scene, name: str) -> None:
    """Each reason for which a real server and we do not come together is found by its code, and no other."""
    told, expected = WITH_A_SERVER[name]
    await told(scene)

    assert await scene.check() == expected


async def test_without_login_no_session_is_taken(scene: Scene) -> None:
    """--no-login finds what can be seen from outside, and never a reason that only a session would show."""
    await served(trusted_clients=True)(scene)

    assert await scene.check("--no-login") == set()


async def test_a_full_server_is_named(scene: Scene) -> None:
    """A controller whose only session is taken, by the running collector say, is told by its code."""
    scene.limits = Limits(sessions=1)
    await served()(scene)
    async with running(adapter(scene.settings(), ("state",)), Journal()):
        found = await scene.check()

    assert found == {Code.TOO_MANY_SESSIONS}


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[str]:
    """A socket that does as it is told; yields the address for the plant's file."""
    tasks: set[asyncio.Task[None]] = set()

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(talked, "127.0.0.1", 0)
    try:
        yield f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()


async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(100):
        pass


async def no_such_path(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    text = b"no such endpoint"
    status = int(StatusCodes.BadTcpEndpointUrlInvalid)
    writer.write(struct.pack("<4sIII", b"ERRF", 16 + len(text), status, len(text)) + text)
    await writer.drain()
    writer.close()


async def test_a_path_that_the_server_does_not_have(scene: Scene) -> None:
    """A server that refuses the address of its endpoint is told from one that is no OPC UA server."""
    lay(scene.ours, YEAR)
    async with listening(no_such_path) as scene.plant.url:
        assert await scene.check() == {Code.PATH_UNKNOWN}


@pytest.mark.parametrize("talk", [web_server, mute])
async def test_what_is_no_opcua_server(scene: Scene, talk: Talk) -> None:
    """An open port behind which something else answers, or nothing at all, is told from a closed one."""
    lay(scene.ours, YEAR)
    scene.plant.fields |= {"request_timeout_s": 0.5}
    async with listening(talk) as scene.plant.url:
        assert await scene.check() == {Code.NO_OPCUA}


@pytest.mark.parametrize("url", ["opc.tcp://[fe80::1%nosuch]:4840/", f"opc.tcp://{'plc.' * 70}plant:4840/"])
async def test_an_address_that_leads_nowhere(scene: Scene, url: str) -> None:
    """A name that nobody knows, and an address on a card that is not there, are no question of cables."""
    lay(scene.ours, YEAR)
    scene.plant.url = url

    assert await scene.check() == {Code.HOST_UNKNOWN}


def hanging_up(port: int, when: Callable[[bytes], bool]) -> Talk:
    """What stands between us and the server at this port, and lets nothing of ours pass from that moment on."""

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection("127.0.0.1", port)

        async def back() -> None:
            while said := await there.read(65536):
                writer.write(said)

        async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
            stack.callback(here.transport.abort)
            answering = group.create_task(back())
            while said := await reader.read(65536):
                if when(said):
                    break
                here.write(said)
            answering.cancel()

    return between


async def test_a_server_that_just_hangs_up(scene: Scene) -> None:
    """A controller that answers whoever asks, and closes the socket when we show our certificate, has its code."""
    await served()(scene)
    port = urlsplit(scene.plant.url).port
    assert port is not None

    def shown(said: bytes) -> bool:
        return said.startswith(b"OPN") and b"#Basic256Sha256" in said

    async with listening(hanging_up(port, shown)) as scene.plant.url:
        assert await scene.check() == {Code.CONNECTION_CLOSED}


async def test_one_controller_that_fails_late_hides_no_other(scene: Scene) -> None:
    """One that hangs up after the login, when its clock is asked for, has its report, and so has the other one."""
    await served(policies=("None",), plant={"policy": "None", "insecure": True})(scene)
    port = urlsplit(scene.plant.url).port
    assert port is not None
    asked: list[bytes] = []

    def clock(said: bytes) -> bool:
        asked.extend([said] if b"\x01\x00\xd2\x08" in said else [])  # i=2258, Server_ServerStatus_CurrentTime
        return bool(asked)

    async with listening(hanging_up(port, clock)) as scene.plant.url:
        plant = json.loads(scene.plant.file.read_text())
        plant["controllers"]["other"] = plant["controllers"]["plc"] | {"url": NOWHERE}
        file = scene.folder / "two.yaml"
        file.write_text(json.dumps(plant))
        said = await run_certs(["check", "--config", str(file)])

    assert len(asked) == 1
    assert codes(said) == {Code.POLICY_NONE, Code.CONNECTION_CLOSED, Code.SERVER_UNREACHABLE}
    assert "other  opc.tcp://127.0.0.1:9/" in said.output


@asynccontextmanager
async def independent(scene: Scene, **how: object) -> AsyncIterator[Path]:
    """A server of the other stack, which we trust; yields the folder of its certificates."""
    lay(scene.theirs, THEIRS, number=1)
    scene.trusting()
    theirs = scene.theirs.certificate, scene.theirs.key
    server = NodeOpcUa(NODES, Certificates(theirs, theirs, theirs), scene.folder, **how)  # type: ignore[arg-type]
    await server.start()
    scene.plant.url = server.url
    scene.plant.fields |= {"request_timeout_s": 5}
    try:
        yield scene.folder / "pki"
    finally:
        await server.stop()


@pytest.mark.nodeopcua
async def test_moved_from_rejected_to_trusted(scene: Scene) -> None:
    """Another stack hangs up and keeps our certificate among the rejected ones; moved from there we are served."""
    async with independent(scene, accept_strangers=False) as pki:
        assert await scene.check() == {Code.CONNECTION_CLOSED}
        (rejected,) = await asyncio.to_thread(lambda: list((pki / "rejected").iterdir()))
        rejected.rename(pki / "trusted" / "certs" / rejected.name)
        while await scene.check() == {Code.CONNECTION_CLOSED}:  # it looks into its folders now and then
            await asyncio.sleep(0.2)

        assert await scene.check() == set()


@pytest.mark.nodeopcua
@pytest.mark.parametrize(("password", "expected"), [("right", set()), ("wrong", {Code.LOGIN_REFUSED})])
async def test_another_stack_is_logged_in_to(scene: Scene, password: str, expected: set[Code]) -> None:
    """The right password is taken, and a wrong one is found by its code; the server encrypts it for itself."""
    secrets = scene.plant.folder / "secrets"
    secrets.mkdir()
    (secrets / "plc").write_text(password)
    scene.plant.fields |= READER
    async with independent(scene, password="right"):
        assert await scene.check() == expected


@pytest.mark.nodeopcua
async def test_another_stack_takes_no_anonymous_login(scene: Scene) -> None:
    """What a server does not offer is found before anything is sent."""
    async with independent(scene, password="right"):
        assert await scene.check() == {Code.LOGIN_NOT_OFFERED}


@pytest.mark.nodeopcua
async def test_another_stack_is_full(scene: Scene) -> None:
    """The one session is the collector's."""
    async with independent(scene, sessions=1), running(adapter(scene.settings(), ("state",)), Journal()):
        assert await scene.check() == {Code.TOO_MANY_SESSIONS}


async def test_our_ended_certificate_is_a_note_of_the_connection(scene: Scene) -> None:
    """Where the server takes it nevertheless, health shows that it has ended, and since when."""
    await served()(scene)
    lay(scene.ours, replace(YEAR, days=0))
    subject = adapter(scene.settings(), ("state",))
    async with running(subject, Journal()):
        assert any(note.startswith("our certificate ended on") for note in subject.status().diagnostic_texts)


def test_every_code_is_provoked() -> None:
    """There is no finding that these tests have not seen for real."""
    stories = (*WITHOUT_A_SERVER.values(), *WITH_A_SERVER.values())
    seen = {code for _, expected in stories for code in expected}
    seen |= {Code.SERVER_CERTIFICATE_OTHER, Code.TOO_MANY_SESSIONS, Code.NO_OPCUA, Code.PATH_UNKNOWN, Code.HOST_UNKNOWN}

    assert seen | {Code.CONNECTION_CLOSED} == set(Code)
