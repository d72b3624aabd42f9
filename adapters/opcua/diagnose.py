"""Why a connection to an OPC UA server is or would be refused: asked step by step, read-only, in plain words."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.status_codes import StatusCodes, get_name_and_doc
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography import x509

from adapters.clock import Clock
from adapters.errors import AdapterError
from adapters.opcua.certificate_info import Card, card, first_of_chain, read_certificate
from adapters.opcua.client import PROTECTING, LeftOpen
from adapters.opcua.findings import Code, Finding, own_findings, their_card_findings
from adapters.opcua.session import POLICIES, Session
from adapters.opcua.trust import TrustFolder
from adapters.settings import OpcUaController, SecurityPolicy, host_and_port

_CLOCK_GRAIN = timedelta(seconds=1)  # servers may renew the time that they show once a second
_SPOKEN = {policy.URI for name, policy in POLICIES.items() if name is not SecurityPolicy.NONE}
_DEPRECATED = ("Basic128Rsa15", "Basic256")
_CODES = {
    StatusCodes.BadUserAccessDenied: Code.LOGIN_REFUSED,
    StatusCodes.BadIdentityTokenRejected: Code.LOGIN_REFUSED,
    StatusCodes.BadIdentityTokenInvalid: Code.LOGIN_REFUSED,
    StatusCodes.BadSecurityChecksFailed: Code.CERTIFICATE_REJECTED,
    StatusCodes.BadCertificateUntrusted: Code.CERTIFICATE_REJECTED,
    StatusCodes.BadTcpEndpointUrlInvalid: Code.PATH_UNKNOWN,
    StatusCodes.BadTooManySessions: Code.TOO_MANY_SESSIONS,
    StatusCodes.BadMaxConnectionsReached: Code.TOO_MANY_SESSIONS,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out. `offers`: what the server offers, None where it did not say; `server`: its certificate.

    `clock_ahead`: the server's clock minus ours, None where there was no login. `endpoints`: as the server gave them.
    """

    findings: tuple[Finding, ...]
    offers: tuple[str, ...] | None = None
    server: Card | None = None
    clock_ahead: timedelta | None = None
    endpoints: tuple[ua.EndpointDescription, ...] = ()


async def examine(
    settings: OpcUaController,
    *,
    clock: Clock,
    secret: Callable[[str], str],
    log_in: bool = True,
    most_clock_difference: timedelta = timedelta(seconds=2),
    inside: Callable[[Session], Awaitable[None]] | None = None,
) -> Report:
    """Goes the way of a connection, and stops where the connection would. Takes a session for a moment if `log_in`.

    `secret` gives the password behind the name of a credential; it raises LookupError, OSError or ValueError.
    `inside` is called with the session that was taken; its AdapterError becomes a finding.
    """
    own = own_findings(settings, now=clock.now())
    examined = _Examination(settings, clock, secret, most_clock_difference, own, inside)
    await examined.run(log_in=log_in)
    return Report(
        tuple(sorted(examined.found, key=lambda finding: not finding.stops)),
        examined.offers,
        examined.server,
        examined.clock_ahead,
        tuple(examined.endpoints),
    )


async def server_certificate(settings: OpcUaController) -> x509.Certificate:
    """The certificate that the server shows at its endpoints, of which nobody knows yet whether it is the right one.

    Raises ControllerUnavailable, ControllerMisconfigured; LookupError if it shows none, ValueError for an odd one.
    """
    offered = await offered_at(settings)
    policy = POLICIES[settings.security.policy].URI
    fitting = [endpoint for endpoint in offered if endpoint.SecurityPolicyUri == policy] or offered
    shown = [endpoint.ServerCertificate for endpoint in fitting if endpoint.ServerCertificate]
    if not shown:
        raise LookupError(f"the server shows no certificate; it offers {', '.join(_names(offered)) or 'nothing'}")
    return x509.load_der_x509_certificate(first_of_chain(shown[0]))


@dataclass(slots=True)
class _Examination:
    """One controller's; each step adds to `found`, and says whether the next one makes sense."""

    settings: OpcUaController
    clock: Clock
    secret: Callable[[str], str]
    most_clock_difference: timedelta
    found: list[Finding] = field(default_factory=list)
    inside: Callable[[Session], Awaitable[None]] | None = None
    endpoints: list[ua.EndpointDescription] = field(default_factory=list)
    offers: tuple[str, ...] | None = None
    server: Card | None = None
    clock_ahead: timedelta | None = None

    async def run(self, *, log_in: bool) -> None:
        try:
            await self._go(log_in=log_in)
        except AdapterError as error:
            self._refused(error)

    async def _go(self, *, log_in: bool) -> None:
        if not await self._reached():
            return
        try:
            offered = await offered_at(self.settings)
        except AdapterError as error:
            said = f"something answers at {self.settings.first_url}, and it does not speak OPC UA ({error.detail})"
            status = _status(error)
            code = Code.NO_OPCUA if status is None else _CODES.get(status, Code.REFUSED)
            self._find(code, said if status is None else error.detail)
            return
        self.endpoints, self.offers = offered, tuple(_names(offered))
        endpoint = self._endpoint(offered)
        if endpoint is None:
            return
        self._login_kind(endpoint)
        if self.settings.security.policy is not SecurityPolicy.NONE:
            await self._theirs(endpoint)
        if log_in and not any(finding.stops for finding in self.found):
            await self._log_in()

    def _find(self, code: Code, detail: str, *, stops: bool = True) -> None:
        self.found.append(Finding(code, detail, stops))

    async def _reached(self) -> bool:
        """Whether anything listens there at all."""
        url, patience_s = self.settings.first_url, self.settings.request_timeout_s
        try:
            host, port = host_and_port(url)
            async with asyncio.timeout(patience_s):
                _, opened = await asyncio.open_connection(host, port)
        except (socket.gaierror, ValueError) as error:
            self._find(Code.HOST_UNKNOWN, f"{url} leads nowhere: {error}")
            return False
        except TimeoutError:
            self._find(Code.SERVER_UNREACHABLE, f"{host}:{port} gives no answer within {patience_s:g} s")
            return False
        except OSError as error:
            said = os.strerror(error.errno) if error.errno else str(error)
            self._find(Code.SERVER_UNREACHABLE, f"{host}:{port} cannot be reached: {said}")
            return False
        opened.transport.abort()
        return True

    def _endpoint(self, offered: Sequence[ua.EndpointDescription]) -> ua.EndpointDescription | None:
        """The endpoint that a connection would use."""
        security = self.settings.security
        uri = POLICIES[security.policy].URI
        bare = security.policy is SecurityPolicy.NONE
        mode = ua.MessageSecurityMode.None_ if bare else ua.MessageSecurityMode[security.mode]
        alike = [endpoint for endpoint in offered if endpoint.SecurityPolicyUri == uri]
        fitting = [endpoint for endpoint in alike if endpoint.SecurityMode == mode]
        there_is = ", ".join(_names(offered)) or "nothing"
        if not alike:
            self._find(Code.POLICY_NOT_OFFERED, f"the server does not offer {security.policy}; it offers {there_is}")
        elif not fitting:
            said = f"the server does not offer {security.policy} with {security.mode}; it offers {there_is}"
            self._find(Code.MODE_NOT_OFFERED, said)
        if not any(endpoint.SecurityPolicyUri in _SPOKEN for endpoint in offered):
            old = [name for name in _names(offered) if name.split()[0] in _DEPRECATED]
            if old:
                said = f"what the server offers besides None is deprecated: {', '.join(old)}"
                self._find(Code.POLICY_DEPRECATED, said, stops=False)
        return fitting[0] if fitting else None

    def _login_kind(self, endpoint: ua.EndpointDescription) -> None:
        """Whether the server takes the kind of login that is configured, and no password in clear."""
        settings = self.settings
        wanted, kind = ua.UserTokenType.Anonymous, "a login without a user"
        if settings.user is not None:
            wanted, kind = ua.UserTokenType.UserName, "a login with user and password"
        elif settings.user_certificate is not None:
            wanted, kind = ua.UserTokenType.Certificate, "a login with a user's certificate"
        tokens = [token for token in endpoint.UserIdentityTokens if token.TokenType == wanted]
        if not tokens:
            self._find(Code.LOGIN_NOT_OFFERED, f"the server does not take {kind}")
        if settings.password_credential is None or not tokens:
            return
        encrypted = [(token.SecurityPolicyUri or endpoint.SecurityPolicyUri) in PROTECTING for token in tokens]
        if any(encrypted):
            return
        if settings.security.policy is SecurityPolicy.NONE:
            self._find(Code.PASSWORD_IN_CLEAR, "the server takes the password in clear only")
        elif settings.security.mode == "Sign":
            self._find(Code.PASSWORD_IN_CLEAR, "the server asks for the password in clear, and the mode is only Sign")

    async def _theirs(self, endpoint: ua.EndpointDescription) -> None:
        """Whether the server is the one that is trusted here."""
        security = self.settings.security
        try:
            theirs = x509.load_der_x509_certificate(first_of_chain(endpoint.ServerCertificate or b""))
            self.server = card(theirs)
        except ValueError as error:
            self._find(Code.SERVER_CERTIFICATE_UNREADABLE, f"the server's certificate cannot be read: {error}")
            return
        pinned = security.server_certificate is not None
        uri = endpoint.Server.ApplicationUri
        self.found += their_card_findings(self.server, uri, pinned=pinned, now=self.clock.now())
        if security.server_certificate is not None:
            try:
                expected = read_certificate(security.server_certificate)
            except (OSError, ValueError) as error:
                self._find(Code.TRUST_MISSING, f"{security.server_certificate} cannot be read: {error}")
                return
            if expected != theirs:
                said = f"the server shows {self.server.sha256}, and trusted is {card(expected).sha256}"
                self._find(Code.SERVER_CERTIFICATE_OTHER, said)
        else:
            await self._listed(theirs)

    async def _listed(self, theirs: x509.Certificate) -> None:
        """Whether the folder of trusted certificates vouches for it now; that it may have ended is another matter."""
        folder = self.settings.security.trust_folder
        assert folder is not None
        store = TrustFolder(folder)
        within = min(max(self.clock.now(), theirs.not_valid_before_utc), theirs.not_valid_after_utc)
        store.policy_builder = store.policy_builder.time(within)
        try:
            await store.load()
        except (OSError, ValueError) as error:
            self._find(Code.TRUST_MISSING, str(error))
            return
        if not store.is_trusted(theirs):
            self._find(Code.SERVER_CERTIFICATE_UNTRUSTED, f"nothing in {folder} vouches for the server's certificate")

    async def _log_in(self) -> None:
        """Takes a session for a moment, and looks at the server's clock."""
        name, password = self.settings.password_credential, None
        try:
            password = None if name is None else self.secret(name)
        except (LookupError, OSError, ValueError) as error:
            self._find(Code.CREDENTIAL_MISSING, str(error.args[0]) if isinstance(error, LookupError) else str(error))
            return
        session = Session(self.settings, LeftOpen(), password=password, on_lost=lambda _: None)
        try:
            await session.open()
            before = self.clock.now()
            shown = await session.server_time()
            self._compare(shown, before, self.clock.now())
            if self.inside is not None:
                await self.inside(session)
        finally:
            await session.close()

    def _compare(self, shown: datetime | None, before: datetime, after: datetime) -> None:
        if shown is None:
            return
        halfway = (after - before) / 2
        self.clock_ahead = shown - (before + halfway)
        if abs(self.clock_ahead) > self.most_clock_difference + halfway + _CLOCK_GRAIN:
            ahead_s = self.clock_ahead.total_seconds()
            said = f"the controller's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} ours"
            self._find(
                Code.CLOCK_DIFFERS, f"{said}; no more than {self.most_clock_difference} is believed", stops=False
            )

    def _refused(self, error: AdapterError) -> None:
        status = _status(error)
        if status is None:
            closed = isinstance(error.__cause__, OSError)  # of which TimeoutError is one
            self._find(Code.CONNECTION_CLOSED if closed else Code.REFUSED, error.detail)
            return
        name, _ = get_name_and_doc(status)
        about_certificate = Code.CERTIFICATE_FAULTED if name.startswith("BadCertificate") else Code.REFUSED
        self._find(_CODES.get(status, about_certificate), error.detail)


async def offered_at(settings: OpcUaController) -> list[ua.EndpointDescription]:
    """The endpoints that a server offers to whoever asks. Raises ControllerUnavailable, ControllerMisconfigured."""
    session = Session(settings, LeftOpen(), password=None, on_lost=lambda _: None)
    try:
        return await session.endpoints()
    finally:
        await session.close()


def _names(offered: Sequence[ua.EndpointDescription]) -> list[str]:
    """What is offered, each once, as `Basic256Sha256 with Sign`."""
    names: dict[str, None] = {}
    for endpoint in offered:
        policy = str(endpoint.SecurityPolicyUri).rpartition("#")[2]
        names[policy if policy == "None" else f"{policy} with {endpoint.SecurityMode.name}"] = None
    return list(names)


def _status(error: AdapterError) -> int | None:
    """The OPC UA status behind an error, None where there is none."""
    cause = error.__cause__
    return int(cause.code) if isinstance(cause, UaStatusCodeError | ServiceError) else None
