"""asyncua's client without its publishing, and with a farewell to the session that a lost connection left behind."""

import asyncio
import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_session import UaSession
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
    SecurityPolicyNone,
)
from asyncua.ua.uaerrors import BadTimeout, UaError
from cryptography import x509

from adapters.errors import ControllerMisconfigured
from adapters.reading import TagId

PASSWORD_IN_CLEAR = "the server asks for the password in clear: use SignAndEncrypt"  # noqa: S105  # a sentence
PROTECTING = (
    SecurityPolicyAes256Sha256RsaPss.URI,
    SecurityPolicyBasic256Sha256.URI,
    SecurityPolicyAes128Sha256RsaOaep.URI,
)
"""The policies by which a login is protected, whatever protects the channel."""
_CLOSE_TRIES = 2


@dataclass(frozen=True, slots=True)
class _Left:
    """A session that is still open at a server, and what it takes to close it over another connection."""

    url: str
    token: ua.NodeId
    nonce: bytes | None
    logins: list[ua.UserTokenPolicy]


class LeftOpen:
    """What one controller's connections hand on: the session that the last one left open, and doubts about tags.

    Controllers bear 3 to 10 sessions. They keep one that was not closed for its whole time-out, so a flapping cable
    would use them up. `tries`: how often a connection has set out to close it. `doubts`: how often notifications of a
    tag were found to have been lost. `turn`: which of redundant servers is tried; `refusing`: which refused.
    """

    def __init__(self) -> None:
        self.session: _Left | None = None
        self.tries = 0
        self.doubts: dict[TagId, int] = {}
        self.turn = 0
        self.refusing: set[str] = set()


class _WithoutPublishing(UaSession):
    """asyncua's session without its publishing: one request at a time, so that each commit holds up the next answer."""

    def ensure_publish_loop(self) -> None:
        """Starts nothing: `Publishing` asks."""


class QuietClient(Client):
    """Closes what was left open before it opens its own session (a new channel may take one up: OPC 10000-4 6.7)."""

    def __init__(self, url: str, left: LeftOpen, *, request_timeout_s: float, watchdog_s: float) -> None:
        """`left` is read when connecting, and holds this client's own session until that is closed."""
        super().__init__(url, timeout=request_timeout_s, watchdog_intervall=watchdog_s)
        self.uaclient.session = _WithoutPublishing(self.uaclient)
        self._left = left

    async def open_secure_channel(self, renew: bool = False) -> None:
        """Opens the channel or renews its token; how old a token is says our clock, not the server's.

        asyncua takes the server's time of the token, and would refuse answers under the former token where that clock
        is behind.
        """
        await super().open_secure_channel(renew)
        assert self.uaclient.protocol is not None
        channel = self.uaclient.protocol._connection  # noqa: SLF001  # asyncua gives no other way
        token = channel.next_security_token if renew else channel.security_token
        token.CreatedAt = datetime.now(UTC)

    async def _renew_channel_loop(self) -> None:
        """Renews the token after half of its life, so that answers to earlier requests come before it ends.

        A renewal that fails ends the connection, which is then made again.
        """
        try:
            while not self.uaclient.is_disconnect_requested:
                await asyncio.sleep(self.token_lifetime_s / 2)
                await self.open_secure_channel(renew=True)
                self.uaclient.revolve_security_token()
        except (OSError, UaError, TimeoutError):
            self.uaclient.notify_transport_lost()

    @property
    def token_lifetime_s(self) -> float:
        """How long the server lets a security token live."""
        return float(self.secure_channel_timeout) / 1000

    async def create_session(self) -> ua.CreateSessionResult:
        """Opens a session, and remembers it until it is closed."""
        if self._left.session is not None and self._left.session.url == self.server_url.geturl():
            await self._close_left(self._left.session)
        # on an open channel asyncua would present the user's certificate as this program's
        user_certificate, self.user_certificate = self.user_certificate, None
        try:
            created = await super().create_session()
        finally:
            self.user_certificate = user_certificate
        self._remember()
        return created

    async def activate_session(
        self, username: str | None = None, password: str | None = None, certificate: x509.Certificate | None = None
    ) -> ua.ActivateSessionResult:
        """Logs in; each login has a nonce of its own, which the next one answers."""
        activated = await super().activate_session(username, password, certificate)
        self._remember()
        return activated

    async def close_session(self) -> None:
        """Closes the session; one whose server does not answer is left open, for the next connection to close."""
        protocol, left = self.uaclient.protocol, self._left.session
        reachable = protocol is not None and not protocol.is_closed
        # a connection that ended before it had a session of its own closes none
        ours = left is not None and self.uaclient.session.authentication_token == left.token
        await super().close_session()
        if reachable and ours:
            self._left.session = None

    def server_policy(self, token_type: ua.UserTokenType) -> ua.UserTokenPolicy:
        """How the server wants this kind of login to be protected; one of the policies that we speak, if it has any."""
        first = super().server_policy(token_type)
        offered = [
            policy
            if policy.SecurityPolicyUri
            else dataclasses.replace(policy, SecurityPolicyUri=first.SecurityPolicyUri)
            for policy in self._policy_ids
            if policy.TokenType == token_type
        ]
        return next((policy for policy in offered if policy.SecurityPolicyUri in PROTECTING), first)

    def _add_user_auth(self, params: ua.ActivateSessionParameters, username: str | None, password: str | None) -> None:
        """Logs in with a password only where nobody on the wire can read it.

        What decides is what the server says in the session; what it offered before came over an open channel.
        """
        if all(policy.TokenType != ua.UserTokenType.UserName for policy in self._policy_ids):
            raise ControllerMisconfigured(
                "the server takes no login with user and password over this channel: "
                "allow it there, with the password encrypted, or choose a security policy"
            )
        if password:
            self._require_protection(self.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri)
        super()._add_user_auth(params, username, password)

    def _require_protection(self, policy_uri: str | None) -> None:
        """Raises ControllerMisconfigured where the password could be read, or its encryption be broken."""
        if not policy_uri or policy_uri == SecurityPolicyNone.URI:
            if self.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
                raise ControllerMisconfigured(PASSWORD_IN_CLEAR)
        elif policy_uri not in PROTECTING:
            weak = policy_uri.rpartition("#")[2]
            raise ControllerMisconfigured(
                f"the server asks for the password by {weak}, which is broken: use another policy"
            )
        elif not self.security_policy.peer_certificate:
            raise ControllerMisconfigured("the server has no certificate to encrypt the password for: give it one")

    def _add_certificate_auth(
        self,
        params: ua.ActivateSessionParameters,
        certificate: x509.Certificate,
        challenge: bytes,
        certificate_chain: list[x509.Certificate] | None = None,
    ) -> None:
        """Logs in with a user's certificate where the server asks for a proof of its key."""
        if self.server_policy(ua.UserTokenType.Certificate).SecurityPolicyUri not in PROTECTING:
            raise ControllerMisconfigured("the server asks for no proof of the user's key: choose a security policy")
        super()._add_certificate_auth(params, certificate, challenge, certificate_chain)

    def _remember(self) -> None:
        token = self.uaclient.session.authentication_token
        self._left.session = _Left(self.server_url.geturl(), token, self._server_nonce, list(self._policy_ids))
        self._left.tries = 0

    async def _close_left(self, left: _Left) -> None:
        self._left.tries += 1
        if self._left.tries >= _CLOSE_TRIES:
            self._left.session = None  # a server may choke on it, time after time; its time-out ends it
        self.uaclient.session.restore_authentication_token(left.token)
        self._server_nonce = left.nonce  # type: ignore[assignment]  # asyncua infers None from its first value
        self._policy_ids = left.logins
        try:
            await self._activate_with_credentials()
            await self.uaclient.close_session(True)  # asyncua's own signature
        except UaError as error:
            if isinstance(error, BadTimeout):
                raise
        finally:
            self.uaclient.session.reset_authentication_token()
            self._server_nonce = None
        # closed now, or the server knows it no more or hands nothing over: then its time-out ends it
        self._left.session = None
