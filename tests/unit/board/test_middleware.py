"""What every request passes before a page sees it, driven as a server drives it: message by message."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
from argon2 import PasswordHasher
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import EventDict

from mes.board.accounts import middleware
from mes.board.accounts.middleware import Hosts, SameSite, Sessions, clear_session, set_session
from mes.board.accounts.users import Accounts, Person, Role

CSRF = "f0" * 32
ANNA = Person("Anna", Role.OPERATOR, None, CSRF)
FORM = ("content-type", "application/x-www-form-urlencoded")
HOST = ("host", "board.plant:8090")
Fields = tuple[tuple[str, str], ...]


@dataclass
class Page:
    """A page that answers with what it got, and remembers what it saw."""

    headers: dict[str, str] = field(default_factory=dict)
    seen: list[Scope] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    after: list[Message] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        self.after.append(await receive())
        await Response(body, headers=self.headers)(scope, receive, send)


@dataclass
class Answer:
    status: int
    fields: list[tuple[str, str]]
    body: str

    def all(self, name: str) -> list[str]:
        return [value for field_name, value in self.fields if field_name == name]


async def ask(
    app: ASGIApp,
    method: str = "GET",
    fields: Sequence[tuple[str, str]] = (HOST,),
    body: Sequence[bytes] = (b"",),
    *,
    person: Person | None = None,
    broken: bool = False,
) -> Answer:
    """One request, its body in pieces; `broken`: the sender goes away after them."""
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": broken or number < len(body)}
        for number, part in enumerate(body, 1)
    ]
    sent: list[Message] = []
    scope: Scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields],
        "state": {"person": person},
    }

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    head = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return Answer(sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:]).decode())


@pytest.mark.parametrize("layer", ["headers", "hosts", "sessions", "same site"])
async def test_what_is_no_request_passes(layer: str, tmp_path: Path) -> None:
    """The server's own start and end pass every layer untouched."""
    page = Page()
    layers: dict[str, ASGIApp] = {
        "headers": middleware.Headers(page, tls=True),
        "hosts": Hosts(page, [], []),
        "sessions": Sessions(page, Accounts(tmp_path / "people.sqlite", lambda: datetime.now(UTC)), tls=False),
        "same site": SameSite(page),
    }

    async def nothing(*_: Message) -> Message:
        return {}

    async def silent(_: Message) -> None:
        pass

    await layers[layer]({"type": "lifespan"}, nothing, silent)
    assert page.seen == [{"type": "lifespan"}]


# Headers


async def test_each_answer_keeps_browsers_strict() -> None:
    """Every answer has the whole policy, once; over TLS also that it stays so."""
    plain, safe = await ask(middleware.Headers(Page(), tls=False)), await ask(middleware.Headers(Page(), tls=True))

    assert {name: value for name, value in plain.fields if name != "content-length"} == {
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
    assert set(safe.fields) - set(plain.fields) == {("strict-transport-security", "max-age=31536000")}


async def test_what_a_page_says_itself_stands() -> None:
    """A header that the page sets is sent as it is, once."""
    answer = await ask(
        middleware.Headers(Page({"Cache-Control": "max-age=60", "x-frame-options": "SAMEORIGIN"}), tls=True)
    )

    assert answer.all("cache-control") == ["max-age=60"]
    assert answer.all("x-frame-options") == ["SAMEORIGIN"]


# Hosts


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.0.0.1:8090", "10.1.2.3:80", "[::1]", "[::1]:8090", "[fe80::1]:8090"),
        *("localhost", "localhost:8090", "LOCALHOST", "localhost."),
        *("mes-1", "mes-1.plant.kz:8090", "Board.Plant", "board.plant.:443"),
    ],
)
async def test_a_known_host_is_answered(host: str) -> None:
    """Addresses, localhost, the machine's own names and those of the plant's file are answered, with any port."""
    app = Hosts(Page(), ["board.PLANT."], ["MES-1", "mes-1.plant.kz"])

    assert (await ask(app, fields=(("host", host),))).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8090", "board.plant.evil.example", "xlocalhost", "127.0.0.1.evil.example"),
        *("", ":8090", "board.plant:port", "board.plant@evil.example", "evil@board.plant", "[board.plant]", "[::1"),
        *("::1", "board.plant/x", "board.plant, evil.example", "board.plant:80:80", "board.plant:"),
    ],
)
async def test_an_unknown_host_is_refused_by_name(host: str) -> None:
    """Any other name, and what is no name, is answered with 400, that name and where more are allowed."""
    page = Page()
    answer = await ask(Hosts(page, ["board.plant"], []), fields=(("host", host),))

    assert answer.status == 400
    assert answer.body == (
        f"This board does not go by the name {host}. `web.hosts` in the plant's file allows more names.\n"
    )
    assert page.seen == []


async def test_a_request_names_one_host() -> None:
    """No Host header, or two, is 400; one without end is shown in part."""
    app = Hosts(Page(), ["board.plant"], [])

    missing = await ask(app, fields=())
    assert (missing.status, missing.body) == (400, "The request does not say which host it is for.\n")
    assert (await ask(app, fields=(HOST, HOST))).status == 400
    assert len((await ask(app, fields=(("host", "a" * 9000),))).body) < 200


async def test_this_machine_knows_its_own_name() -> None:
    """Without other names, what this machine is called is answered."""
    assert middleware.own_names()
    for name in middleware.own_names():
        assert (await ask(Hosts(Page(), []), fields=(("host", f"{name}:8090"),))).status == 200


# Sessions


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    found = Accounts(tmp_path / "people.sqlite", lambda: datetime(2026, 3, 2, tzinfo=UTC), hasher=quick)
    found.add("Anna", "correct horse", Role.OPERATOR, "boss")
    return found


def login(accounts: Accounts) -> tuple[str, Person]:
    done = accounts.login("Anna", "correct horse")
    assert done is not None
    return done


@pytest.mark.parametrize(("tls", "name"), [(False, "taktline-session"), (True, "__Host-taktline-session")])
async def test_the_cookie_tells_the_person(accounts: Accounts, name: str, *, tls: bool) -> None:
    """The session's cookie puts its person into the state; none, a wrong one and that of the other kind put None."""
    token, person = login(accounts)
    page = Page()
    app = Sessions(page, accounts, tls=tls)
    for cookie in (f"theme=dark; {name}={token}", f"{name}=wrong", f"{name}=", f"x{name}={token}"):
        await ask(app, fields=(HOST, ("cookie", cookie)))
    await ask(app)

    assert [request["state"]["person"] for request in page.seen] == [person, None, None, None, None]


async def test_while_people_are_unknown_others_are_answered(
    accounts: Accounts, tmp_path: Path, logged: list[EventDict]
) -> None:
    """Without the file of people a session only reads, as nobody; a change is 503; the log says it once a time."""
    token, person = login(accounts)
    file, aside = tmp_path / "people.sqlite", tmp_path / "aside"
    page = Page()
    app = Sessions(page, accounts, tls=False)
    fields = (HOST, ("cookie", f"taktline-session={token}"))

    for _ in range(2):
        await asyncio.to_thread(file.rename, aside)
        assert [(await ask(app, fields=fields)).status for _ in range(3)] == [200] * 3
        assert page.seen[-1]["state"]["person"] is None
        assert (await ask(app, "POST", fields=fields)).status == 503
        assert (await ask(app)).status == 200
        await asyncio.to_thread(aside.rename, file)
        assert (await ask(app, fields=fields)).status == 200
    assert [line["event"] for line in logged] == ["people_unreadable"] * 2
    assert page.seen[-1]["state"]["person"] == person


def test_the_cookie_is_kept_from_scripts_and_other_sites() -> None:
    """The cookie is HttpOnly, Lax and for the whole board; over TLS it is Secure and bound to the host by its name."""
    plain, safe = PlainTextResponse(""), PlainTextResponse("")
    set_session(plain, "abc", tls=False, days=7)
    set_session(safe, "abc", tls=True, days=90)

    assert plain.headers["set-cookie"] == "taktline-session=abc; HttpOnly; Max-Age=604800; Path=/; SameSite=lax"
    assert safe.headers["set-cookie"] == (
        "__Host-taktline-session=abc; HttpOnly; Max-Age=7776000; Path=/; SameSite=lax; Secure"
    )


@pytest.mark.parametrize("tls", [False, True])
def test_signing_out_clears_the_same_cookie(*, tls: bool) -> None:
    """The cookie that is cleared has the name and the attributes of the one that was set, or browsers would keep it."""
    begun, ended = PlainTextResponse(""), PlainTextResponse("")
    set_session(begun, "abc", tls=tls, days=7)
    clear_session(ended, tls=tls)

    first, last = begun.headers["set-cookie"], ended.headers["set-cookie"]
    assert first.partition("=")[0] == last.partition("=")[0]
    assert "Max-Age=0" in last
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(last.split("; "))
    assert ("; Secure" in last) == tls


# Forms of other sites


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((), 200),
        ((("sec-fetch-site", "same-origin"),), 200),
        ((("sec-fetch-site", "none"),), 200),
        ((("sec-fetch-site", "same-site"),), 403),
        ((("sec-fetch-site", "cross-site"),), 403),
        ((("sec-fetch-site", "cross-site"), ("origin", "http://board.plant:8090")), 403),
        ((("origin", "http://board.plant:8090"),), 200),
        ((("origin", "http://BOARD.plant:8090"), ("sec-fetch-site", "same-origin")), 200),
        ((("origin", "http://board.plant"),), 403),
        ((("origin", "http://board.plant:8091"),), 403),
        ((("origin", "http://evil.example"), ("sec-fetch-site", "same-origin")), 403),
        ((("origin", "http://board.plant:8090.evil.example"),), 403),
        ((("origin", "null"),), 403),
        ((("origin", ""),), 403),
        ((("origin", "file://"),), 403),
    ],
)
@pytest.mark.parametrize("person", [None, ANNA])
async def test_nothing_is_changed_from_other_sites(fields: Fields, status: int, person: Person | None) -> None:
    """Whoever is signed in or not: a page of another site changes nothing, even with the right token."""
    page = Page()
    answer = await ask(SameSite(page), "POST", (HOST, ("x-csrf-token", CSRF), *fields), person=person)

    assert answer.status == status
    assert len(page.seen) == (status == 200)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("board.plant", "https://board.plant", 200),
        ("board.plant:443", "https://board.plant", 200),
        ("board.plant:80", "http://board.plant", 200),
        ("board.plant", "https://board.plant:8443", 403),
        ("[::1]:8090", "http://[::1]:8090", 200),
    ],
)
async def test_the_usual_port_need_not_be_named(host: str, origin: str, status: int) -> None:
    """An origin and a host are the same with and without the usual port of that scheme."""
    assert (await ask(SameSite(Page()), "POST", (("host", host), ("origin", origin)))).status == status


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 200), ("HEAD", 200), ("OPTIONS", 200), ("POST", 403), ("PUT", 403), ("DELETE", 403), ("PATCH", 403)],
)
async def test_only_what_changes_something_needs_a_token(method: str, status: int) -> None:
    """Reading needs no token, not even from other sites; everything else does, once somebody is signed in."""
    assert (await ask(SameSite(Page()), method, person=ANNA)).status == status
    foreign = (HOST, ("origin", "http://evil.example"))
    assert (await ask(SameSite(Page()), method, foreign, person=ANNA)).status == status


@pytest.mark.parametrize(
    ("fields", "body", "status"),
    [
        ((("x-csrf-token", CSRF),), b"", 200),
        ((("x-csrf-token", CSRF[:-1]),), b"", 403),
        ((("x-csrf-token", ""),), b"", 403),
        ((("x-csrf-token", "é"),), b"", 403),
        ((FORM,), f"reason=jam&csrf={CSRF}".encode(), 200),
        ((("content-type", f"{FORM[1].upper()}; charset=utf-8"),), f"csrf={CSRF}".encode(), 200),
        ((FORM,), b"reason=jam", 403),
        ((FORM,), b"csrf=", 403),
        ((FORM,), b"csrf=%C3%A9%FF", 403),
        ((FORM,), f"csrf=wrong&csrf={CSRF}".encode(), 403),
        ((FORM,), b"a&" * 2000 + f"csrf={CSRF}".encode(), 403),
        ((FORM, ("x-csrf-token", "wrong")), f"csrf={CSRF}".encode(), 403),
        ((("content-type", "text/plain"),), f"csrf={CSRF}".encode(), 403),
        ((), f"csrf={CSRF}".encode(), 403),
    ],
)
async def test_who_is_signed_in_shows_the_token(fields: Fields, body: bytes, status: int) -> None:
    """The token is taken from the header, or from a form's first field of that name, and from nowhere else."""
    answer = await ask(SameSite(Page()), "POST", (HOST, *fields), [body], person=ANNA)

    assert answer.status == status
    if status == 403:
        assert answer.body == "This page is of another session. Load it again and try once more.\n"


@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_a_page_gets_the_form_that_was_looked_at(pieces: int) -> None:
    """The whole body comes to the page byte by byte as it was sent, and after it the end of the connection."""
    page = Page()
    body = urlencode({"csrf": CSRF, "comment": "Болт, 2 × 5 %"}).encode()
    step = -(-len(body) // pieces)
    parts = [body[offset : offset + step] for offset in range(0, len(body), step)]
    answer = await ask(SameSite(page), "POST", (HOST, FORM, ("content-length", str(len(body)))), parts, person=ANNA)

    assert answer.status == 200
    assert page.bodies == [body]
    assert page.after == [{"type": "http.disconnect"}]


async def test_other_bodies_are_not_read() -> None:
    """With the token in the header, and for who is not signed in, a body goes to the page unread, whatever its size."""
    page, body = Page(), [b"x" * 50_000, b"y" * 50_000]
    signed_in = (HOST, FORM, ("x-csrf-token", CSRF), ("content-length", "100000"))

    assert (await ask(SameSite(page), "POST", signed_in, body, person=ANNA)).status == 200
    assert (await ask(SameSite(page), "POST", (HOST, FORM), body)).status == 200
    assert page.bodies == [b"".join(body)] * 2


@pytest.mark.parametrize(
    ("announced", "size", "status"),
    [
        ((), 65_536, 200),
        ((("content-length", "65536"),), 65_536, 200),
        ((), 65_537, 413),
        ((("content-length", "65537"),), 65_536, 413),
        ((("content-length", "10"),), 65_537, 413),
        ((("content-length", "-1"),), 100, 413),
        ((("content-length", "9" * 5000),), 100, 413),
    ],
)
async def test_a_form_has_at_most_64_kib(announced: Fields, size: int, status: int) -> None:
    """A larger form is answered with 413, whatever length it announces."""
    body = f"csrf={CSRF}&x=".encode().ljust(size, b"x")
    halves = [body[: size // 2], body[size // 2 :]]
    page = Page()
    answer = await ask(SameSite(page), "POST", (HOST, FORM, *announced), halves, person=ANNA)

    assert answer.status == status
    assert len(page.seen) == (status == 200)


async def test_a_form_that_breaks_off_is_not_acted_on() -> None:
    """A page never sees a form whose end did not come, though its token did."""
    page = Page()
    await ask(SameSite(page), "POST", (HOST, FORM), [f"csrf={CSRF}&parts=1".encode()], person=ANNA, broken=True)

    assert page.seen == []


async def test_without_sessions_nothing_is_changed() -> None:
    """Put together in the wrong order, so that nobody knows who asks, it fails and does not let anything pass."""

    async def without_state(scope: Scope, receive: Receive, send: Send) -> None:
        await SameSite(page)({**scope, "state": {}}, receive, send)

    page = Page()
    with pytest.raises(KeyError):
        await ask(without_state, "POST")
    assert page.seen == []


async def test_the_layers_stand_together(accounts: Accounts) -> None:
    """Headers, hosts, sessions and forms in this order: a form of the session passes, each other one is told why."""
    token, person = login(accounts)
    page = Page()
    app = middleware.Headers(Hosts(Sessions(SameSite(page), accounts, tls=False), ["board.plant"], []), tls=False)
    cookie = ("cookie", f"taktline-session={token}")
    form = [f"csrf={person.csrf}".encode()]

    good = await ask(app, "POST", (HOST, FORM, cookie), form)
    assert (good.status, page.seen[0]["state"]["person"]) == (200, person)
    refused = [
        await ask(app, "POST", (("host", "evil.example"), FORM, cookie), form),
        await ask(app, "POST", (HOST, FORM, cookie, ("origin", "http://evil.example")), form),
        await ask(app, "POST", (HOST, FORM, cookie), [b"csrf=" + b"0" * 64]),
    ]
    assert [answer.status for answer in refused] == [400, 403, 403]
    assert all(answer.all("x-frame-options") == ["DENY"] for answer in (good, *refused))
    assert len(page.seen) == 1
