"""What an OPC UA server says of itself: endpoints, logins, product, namespaces, limits; nothing is written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from cryptography import x509

from adapters.clock import Clock
from adapters.errors import AdapterError
from adapters.opcua.certificate_info import Card, card, first_of_chain
from adapters.opcua.diagnose import examine, offered_at
from adapters.opcua.findings import Code, Finding
from adapters.opcua.session import Session
from adapters.settings import OpcUaController

_DISCOVERY = "/discovery"  # OPC 10000-6 7.1.2.3: where a server may be asked for its endpoints
_BUILD = {
    "product_name": ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
    "manufacturer": ObjectIds.Server_ServerStatus_BuildInfo_ManufacturerName,
    "product_uri": ObjectIds.Server_ServerStatus_BuildInfo_ProductUri,
    "software_version": ObjectIds.Server_ServerStatus_BuildInfo_SoftwareVersion,
    "build_number": ObjectIds.Server_ServerStatus_BuildInfo_BuildNumber,
    "build_date": ObjectIds.Server_ServerStatus_BuildInfo_BuildDate,
}
_LIMITS = {
    "MaxNodesPerRead": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "MaxNodesPerBrowse": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    "MaxMonitoredItemsPerCall": ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    "MaxNodesPerTranslateBrowsePathsToNodeIds": (
        ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds
    ),
    "MinSupportedSampleRate": ObjectIds.Server_ServerCapabilities_MinSupportedSampleRate,
    "MaxBrowseContinuationPoints": ObjectIds.Server_ServerCapabilities_MaxBrowseContinuationPoints,
}
_LOGINS = {
    ua.UserTokenType.Anonymous: "without a user",
    ua.UserTokenType.UserName: "user and password",
    ua.UserTokenType.Certificate: "user's certificate",
    ua.UserTokenType.IssuedToken: "issued token",
}


@dataclass(frozen=True, slots=True)
class EndpointOffer:
    """One endpoint. `policy` and `mode` by their names in OPC UA; `logins` in words; `supported`: by this program."""

    url: str
    policy: str
    mode: str
    logins: tuple[str, ...]
    security_level: int


@dataclass(slots=True)
class ServerLook:
    """What was seen of one server.

    `namespaces`, `build` and `limits` are None where there was no session. A limit of 0 means that the server names
    none; one that it does not show is left out. `other_urls`: addresses that its discovery names and that differ from
    the one that was requested. `clock_ahead`: its clock minus ours.
    """

    url: str
    endpoints: tuple[EndpointOffer, ...] = ()
    application_name: str | None = None
    application_uri: str | None = None
    product_uri: str | None = None
    certificates: tuple[Card, ...] = ()
    other_urls: tuple[str, ...] = ()
    build: Mapping[str, str] | None = None
    namespaces: tuple[str, ...] | None = None
    limits: Mapping[str, float] | None = None
    clock_ahead: timedelta | None = None
    findings: tuple[Finding, ...] = field(default=())

    @property
    def answered(self) -> bool:
        """Whether an OPC UA server answered at this address."""
        return bool(self.endpoints)


async def look(settings: OpcUaController, *, clock: Clock, secret: Callable[[str], str]) -> ServerLook:
    """Asks the server for its endpoints, then takes a session for a moment if the settings allow one.

    `secret` as in `examine`. What stands between us and a session is in `findings`; no error of the server is raised.
    """
    seen = ServerLook(settings.first_url)

    async def inside(session: Session) -> None:
        seen.namespaces = tuple(await session.namespaces())
        seen.build = _named(_BUILD, await session.standard_values(list(_BUILD.values())), _text)
        limits = await session.standard_values(list(_LIMITS.values()))
        seen.limits = {
            name: value for name, value in zip(_LIMITS, limits, strict=True) if isinstance(value, int | float)
        }

    report = await examine(settings, clock=clock, secret=secret, inside=inside)
    seen.findings, seen.clock_ahead = report.findings, report.clock_ahead
    described = report.endpoints
    _describe(seen, described)
    if any(finding.code is Code.PATH_UNKNOWN for finding in report.findings):
        described = await _named_elsewhere(settings)
    seen.other_urls = _others(settings.first_url, described)
    return seen


def _describe(seen: ServerLook, described: Sequence[ua.EndpointDescription]) -> None:
    seen.endpoints = tuple(
        EndpointOffer(
            str(endpoint.EndpointUrl),
            str(endpoint.SecurityPolicyUri).rpartition("#")[2],
            endpoint.SecurityMode.name.rstrip("_"),
            tuple(dict.fromkeys(_LOGINS[token.TokenType] for token in endpoint.UserIdentityTokens)),
            int(endpoint.SecurityLevel),
        )
        for endpoint in described
    )
    if described:
        server = described[0].Server
        seen.application_name = server.ApplicationName.Text
        seen.application_uri, seen.product_uri = server.ApplicationUri, server.ProductUri
    seen.certificates = tuple(_cards(described))


def _cards(described: Sequence[ua.EndpointDescription]) -> Iterable[Card]:
    """The certificates of all endpoints, each once; one that cannot be read is a finding of its own."""
    shown = dict.fromkeys(
        first_of_chain(endpoint.ServerCertificate) for endpoint in described if endpoint.ServerCertificate
    )
    for content in shown:
        try:
            yield card(x509.load_der_x509_certificate(content))
        except ValueError:
            continue


async def _named_elsewhere(settings: OpcUaController) -> tuple[ua.EndpointDescription, ...]:
    """Endpoints that the server names under the usual addresses of its discovery."""
    url = settings.first_url.rstrip("/")
    root = f"opc.tcp://{urlsplit(url).netloc}"
    for candidate in dict.fromkeys((f"{url}{_DISCOVERY}", f"{root}{_DISCOVERY}", root)):
        try:
            described = await offered_at(settings.at(candidate))
        except AdapterError:
            continue
        if described:
            return tuple(described)
    return ()


def _others(url: str, described: Sequence[ua.EndpointDescription]) -> tuple[str, ...]:
    """Addresses that the server's discovery names beside the requested one."""
    named = [str(endpoint.EndpointUrl) for endpoint in described]
    for endpoint in described:
        named += [str(address) for address in endpoint.Server.DiscoveryUrls or ()]
    return tuple(dict.fromkeys(address for address in named if address.rstrip("/") != url.rstrip("/")))


def _named(names: Iterable[str], values: Sequence[object], text: Callable[[object], str]) -> dict[str, str]:
    """Those that the server shows, by name."""
    return {name: text(value) for name, value in zip(names, values, strict=True) if value not in (None, "")}


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
