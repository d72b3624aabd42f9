"""asyncua's client without its publishing, and with a farewell to the session that a lost connection left behind."""

from dataclasses import dataclass

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_session import UaSession
from asyncua.ua.uaerrors import BadTimeout, UaError
from cryptography import x509

from adapters.errors import ControllerMisconfigured
from adapters.reading import TagId

PASSWORD_IN_CLEAR = "the server asks for the password in clear: use SignAndEncrypt"  # noqa: S105  # a sentence
_CLOSE_TRIES = 2


@dataclass(frozen=True, slots=True)
class _Left:
    """A session that is still open at a server, and what it takes to close it over another connection."""

    token: ua.NodeId
    nonce: bytes | None
    logins: list[ua.UserTokenPolicy]


class LeftOpen:
    """What one controller's connections hand on: the session that the last one left open, and doubts about tags.

    Controllers bear 3 to 10 sessions. They keep one that was not closed for its whole time-out, so a flapping cable
    would use them up. `tries`: how often a connection has set out to close it. `doubts`: how often notifications of a
    tag were found to have been lost.
    """

    def __init__(self) -> None:
        self.session: _Left | None = None
        self.tries = 0
        self.doubts: dict[TagId, int] = {}


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

    async def create_session(self) -> ua.CreateSessionResult:
        """Opens a session, and remembers it until it is closed."""
        if self._left.session is not None:
            await self._close_left(self._left.session)
        created = await super().create_session()
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

    def _add_user_auth(self, params: ua.ActivateSessionParameters, username: str | None, password: str | None) -> None:
        """Logs in with a password only where nobody on the wire can read it.

        What decides is what the server says in the session; what it offered before came over an open channel.
        """
        super()._add_user_auth(params, username, password)
        encrypted = params.UserIdentityToken.EncryptionAlgorithm is not None
        if password and not encrypted and self.security_policy.Mode != ua.MessageSecurityMode.SignAndEncrypt:
            params.UserIdentityToken.Password = None
            raise ControllerMisconfigured(PASSWORD_IN_CLEAR)

    def _remember(self) -> None:
        token = self.uaclient.session.authentication_token
        self._left.session = _Left(token, self._server_nonce, list(self._policy_ids))
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
