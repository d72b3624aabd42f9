"""What every request passes before a page sees it: names of this machine, headers, sessions, and whose form it is."""

import functools
import hmac
import ipaddress
import re
import socket
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.datastructures import Headers as Fields
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mes.board.accounts.users import Accounts, AccountsError, Person
from mes.board.refusals import refusal
from mes.logs import get_logger
from mes.stopping import in_thread

log = get_logger()

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
TLS_HEADERS = {"strict-transport-security": "max-age=31536000"}
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:@/\\\[\]]+)(?::[0-9]{1,5})?", re.IGNORECASE)
LENGTH = re.compile("[0-9]{1,9}")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 64 * 1024
MOST_FIELDS = 1000
DAY_S = 86_400
SESSION_DAYS = 7
TABLET_DAYS = 400  # the longest that browsers keep a cookie; a tablet that is not used for 90 days ends before


class Headers:
    """Adds to each response what keeps browsers strict; what a page says itself stands. The outermost layer."""

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        self._app = app
        self._added = {**HEADERS, **TLS_HEADERS} if tls else HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and completes the head of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                fields = MutableHeaders(scope=message)
                for name, value in self._added.items():
                    fields.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sent)


class Hosts:
    """Answers only to addresses and to names of this machine, so that no foreign name can be pointed at the board."""

    def __init__(self, app: ASGIApp, allowed: Collection[str], own: Collection[str] | None = None) -> None:
        """`allowed`: `web.hosts` of the plant's file; `own`: what this machine is called, by default `own_names()`."""
        self._app = app
        names = (*allowed, *(own_names() if own is None else own), "localhost")
        self._names = frozenset(name.lower().rstrip(".") for name in names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses its Host header with 400."""
        if scope["type"] == "http":
            given = Fields(scope=scope).getlist("host")
            name = _host_name(given[0]) if len(given) == 1 else None
            if name is None or not (name in self._names or _is_address(name)):
                await _unknown_host(scope, given)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Sessions:
    """Puts the person whose session it is, or None, into the state of each request, as `person`.

    While the file of people cannot be used, a request with a session that only reads is nobody's; one that would
    change something is answered with 503. The requests without a session are answered as ever.
    """

    def __init__(self, app: ASGIApp, accounts: Accounts, *, tls: bool) -> None:
        self._app = app
        self._people = accounts
        self._cookie = session_cookie(tls=tls)
        self._unreadable = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Looks up the cookie's session and passes the request on."""
        if scope["type"] == "http":
            person: Person | None = None
            try:
                person = await self._person(HTTPConnection(scope).cookies.get(self._cookie))
            except AccountsError as error:
                if not self._unreadable:
                    log.error("people_unreadable", error=str(error))  # noqa: TRY400  the board's line says it all
                self._unreadable = True
                if scope["method"] not in SAFE_METHODS:
                    refused = refusal(scope, HTTPStatus.SERVICE_UNAVAILABLE, "accounts_unavailable", why=str(error))
                    await refused(scope, receive, send)
                    return
            scope["state"] = {**scope.get("state", {}), "person": person}
        await self._app(scope, receive, send)

    async def _person(self, token: str | None) -> Person | None:
        if not token:
            return None
        person = await in_thread(self._people.person, token)
        self._unreadable = False
        return person


class SameSite:
    """Lets nothing be changed from the page of another site. Stands inside of Sessions.

    Whoever is signed in shows the token of the session, too: in the header X-CSRF-Token, or in a form's field `csrf`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it: 403 for a foreign one, 413 for a form that is too large."""
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS:
            await self._app(scope, receive, send)
            return
        fields = Fields(scope=scope)
        person: Person | None = scope["state"]["person"]  # KeyError: Sessions does not stand outside of this
        refused: Response | None = None
        if _is_foreign(fields):
            refused = refusal(scope, HTTPStatus.FORBIDDEN, "foreign_page")
        elif person is not None:
            token = fields.get("x-csrf-token")
            if token is None and fields.get("content-type", "").partition(";")[0].strip().lower() == FORM:
                body = await _body(fields, receive)
                if body is None:
                    refused = refusal(scope, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request_too_large")
                else:
                    token, receive = _field(body, "csrf"), replayed(body, receive)
            if refused is None and not hmac.compare_digest((token or "").encode(), person.csrf.encode()):
                refused = refusal(scope, HTTPStatus.FORBIDDEN, "session_changed")
        await (refused or self._app)(scope, receive, send)


def session_cookie(*, tls: bool) -> str:
    """The name of the cookie; with TLS one that browsers take from this host and over TLS only."""
    return "__Host-taktline-session" if tls else "taktline-session"


def set_session(response: Response, token: str, *, tls: bool, days: int) -> None:
    """Lets the browser keep a session: SESSION_DAYS for a person, TABLET_DAYS for a tablet."""
    name = session_cookie(tls=tls)
    response.set_cookie(name, token, max_age=days * DAY_S, path="/", secure=tls, httponly=True, samesite="lax")


def clear_session(response: Response, *, tls: bool) -> None:
    """Lets the browser forget its session."""
    response.delete_cookie(session_cookie(tls=tls), path="/", secure=tls, httponly=True, samesite="lax")


@functools.cache
def own_names() -> frozenset[str]:
    """What this machine is called, short and in full. May wait for the network's names: ask in a thread at first."""
    return frozenset(name.lower() for name in (socket.gethostname(), socket.getfqdn()))


def _host_name(host: str) -> str | None:
    """The name or address in a Host header, without the port; None if it is neither."""
    found = HOST.fullmatch(host.strip())
    return None if found is None else found[1].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _unknown_host(scope: Scope, given: list[str]) -> Response:
    if not given:
        return refusal(scope, HTTPStatus.BAD_REQUEST, "host_missing")
    shown = "".join(character for character in ", ".join(given)[:100] if character.isprintable())
    return refusal(scope, HTTPStatus.BAD_REQUEST, "host_unknown", host=shown)


def _is_foreign(fields: Fields) -> bool:
    if fields.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return True
    origin = fields.get("origin")
    if origin is None:
        return False
    scheme, _, place = origin.lower().partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme)
    host = fields.get("host", "").lower()
    return port is None or not place or place.removesuffix(port) != host.removesuffix(port)


async def _body(fields: Fields, receive: Receive) -> bytes | None:
    """The whole body; None if it is too large, or breaks off."""
    announced = fields.get("content-length", "0")
    if not LENGTH.fullmatch(announced) or int(announced) > LARGEST_FORM:
        return None
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or len(body) > LARGEST_FORM:
            return None
        more = message.get("more_body", False)
    return bytes(body)


def _field(body: bytes, name: str) -> str | None:
    try:
        fields = parse_qsl(body.decode("latin-1"), max_num_fields=MOST_FIELDS)
    except ValueError:
        return None
    return next((value for key, value in fields if key == name), None)


def replayed(body: bytes, receive: Receive) -> Receive:
    """The body once more, for the page; and after it whatever comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again
