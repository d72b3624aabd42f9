"""Who may do what: every address and method of the board, held to the table in docs/board.md."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from board_pages import Page
from board_plant import ROLES, WINDOW, PlantBoard, plant_board, stopped_since
from events import STATION, at
from influx_example import EVENTS
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route

from mes.board.accounts.users import RIGHTS, Permission, Role
from mes.model import StationId

pytestmark = pytest.mark.timeout(60)
NOBODY = "nobody"
PAGES = (
    "/",
    "/shift",
    "/station",
    "/stops",
    "/car",
    "/handover",
    "/programme",
    "/counters",
    "/glossary",
    "/controllers",
)
PLACE = f"/api/v1/stations/{STATION}"
READ = {
    *PAGES,
    "/controllers",
    "/api/v1/site",
    "/api/v1/collector",
    "/api/v1/wall",
    "/api/v1/windows",
    "/api/v1/kpi",
    "/api/v1/hours?of=kostanay",
    "/api/v1/line-stops?of=kostanay/weld/weld-1",
    "/api/v1/stores",
    "/api/v1/stops",
    f"{PLACE}/timeline",
    f"{PLACE}/reasons",
    f"{PLACE}/reason-log",
    f"{PLACE}/events",
    f"{PLACE}/shift-closing",
    "/api/v1/units/LJ12EKR24T1823630",
    "/api/v1/unreconciled-counts",
    "/api/v1/shift-closings",
    "/api/v1/controllers",
    "/api/v1/unread-counters",
    "/api/v1/controllers/weld-plc/tags",
    "/api/v1/programme?window=2026-03",
    "/api/v1/events",
    "/live/wall",
    "/live/changes",
}
ALWAYS = {"/healthz", "/readyz", "/metrics", "/login", "/enrol", "/language/ru", "/api/v1/session"}
ALWAYS |= {"/api/v1/openapi.json", "/static/board.css"}
AUDIT = {"/audit"}
START, END = at(100).isoformat(), at(120).isoformat()
GIVEN = {"station": STATION, "start": START, "end": END, "reason": "no-parts"}
CLOSING = {"station": STATION, "window": WINDOW}
POSTS: dict[str, tuple[Permission, object]] = {
    "/api/v1/reasons": (Permission.EXPLAIN, GIVEN),
    "/api/v1/undo": (Permission.EXPLAIN, {"seq": 1}),
    "/api/v1/shift-closing/close": (Permission.CLOSE, CLOSING),
    "/api/v1/shift-closing/reopen": (Permission.CLOSE, {**CLOSING, "why": "so"}),
    "/api/v1/unreconciled-counts/1": (Permission.RECONCILE, {"parts": 1, "why": "so"}),
}
FORMS: dict[str, tuple[Permission, dict[str, str]]] = {
    "/stops/reason": (Permission.EXPLAIN, {**GIVEN, "seen": ""}),
    "/stops/undo": (Permission.EXPLAIN, {"seq": "1"}),
    "/handover/close": (Permission.CLOSE, CLOSING),
    "/handover/reopen": (Permission.CLOSE, {**CLOSING, "why": "so"}),
    "/counters": (Permission.RECONCILE, {"number": "1", "parts": "1", "why": "so"}),
}
ENTRY = {"/login", "/logout", "/enrol", "/api/v1/session"}  # posts that anybody may try


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[PlantBoard]:
    """A board on which a stop waits for its reason."""
    async with plant_board(tmp_path, events=[*EVENTS, stopped_since(100)]) as made:
        yield made


def routes(application: object, before: str = "") -> Iterator[tuple[str, str]]:
    """Every method and address that the application answers."""
    found: list[BaseRoute] = list(getattr(application, "routes", []))
    for route in found:
        if isinstance(route, Mount):
            if isinstance(route.app, Starlette):
                yield from routes(route.app, before + route.path)
            else:
                yield "GET", before + route.path
        elif isinstance(route, Route):
            for method in sorted(route.methods or ()):
                yield method, before + route.path
        else:
            for inner in getattr(route, "routes", [route]):
                for method in sorted(getattr(inner, "methods", None) or ()):
                    yield method, before + inner.path


def test_every_address_is_in_this_test(plant_routes: set[tuple[str, str]]) -> None:
    """A new address fails here until somebody has said who may use it."""
    known = {("GET", address.partition("?")[0]) for address in READ | ALWAYS | AUDIT}
    known |= {("POST", address) for address in {*POSTS, *FORMS, *ENTRY}} | {("DELETE", "/api/v1/session")}
    missing = {
        (method, path)
        for method, path in plant_routes
        if method != "HEAD" and not any(method == one and matches(path, two) for one, two in known)
    }
    assert missing == set()
    assert len(plant_routes) > 40


@pytest.fixture
async def plant_routes(plant: PlantBoard) -> set[tuple[str, str]]:
    """All of them."""
    return set(routes(plant.application))


def matches(pattern: str, path: str) -> bool:
    """Whether an address is of a route's shape."""
    shape = re.sub(r"\{\w+:path\}", ".+", pattern)
    shape = re.sub(r"\{\w+\}", "[^/]+", shape)
    return re.fullmatch(shape, path) is not None or (pattern == "/static" and path.startswith("/static/"))


@pytest.mark.parametrize("name", [NOBODY, *ROLES])
async def test_who_may_change_what(plant: PlantBoard, name: str) -> None:
    """Whoever may not is refused and nothing is journaled: 401 for nobody, 403 for a role that may not."""
    visitor = await plant.enter(None if name == NOBODY else name)
    rights = frozenset({Permission.READ}) if name == NOBODY else RIGHTS[Role(name)]
    for path, (right, content) in POSTS.items():
        before = plant.journal.last_seq
        status, _ = await visitor.post(path, content)
        if right in rights:
            assert status not in {401, 403}, path
        else:
            assert status == (401 if name == NOBODY else 403), path
            assert plant.journal.last_seq == before
    for path, (right, fields) in FORMS.items():
        before = plant.journal.last_seq
        status, _, where = await visitor.send(path, **fields)
        if right in rights:
            assert status not in {401, 403}, path
            assert where != "/login"
        else:
            assert (status, where) == (303, "/login") if name == NOBODY else status == 403, path
            assert plant.journal.last_seq == before


@pytest.mark.parametrize("name", [NOBODY, *ROLES])
async def test_who_may_see_what(plant: PlantBoard, name: str) -> None:
    """Everybody reads where the plant says so; the audit log is for engineers."""
    visitor = await plant.enter(None if name == NOBODY else name)
    for path in READ | ALWAYS:
        assert await status_of(plant, visitor.session, path) < 400, path
    status = await status_of(plant, visitor.session, "/audit")
    assert status == (200 if name == "engineer" else 303 if name == NOBODY else 403)


async def status_of(plant: PlantBoard, session: aiohttp.ClientSession, path: str) -> int:
    """The status alone: streams never end."""
    async with session.get(plant.url + path, allow_redirects=False) as answer:
        return answer.status


async def test_reading_can_be_for_people_alone(tmp_path: Path) -> None:
    """With `read: people` nothing of the plant is shown to who is not signed in; health is."""
    async with plant_board(tmp_path, everybody_reads=False) as plant:
        nobody, viewer = await plant.enter(None), await plant.enter("viewer")
        for path in READ:
            status = await status_of(plant, nobody.session, path)
            assert status == (401 if path.startswith("/api/") else 303), path
            assert await status_of(plant, viewer.session, path) == 200, path
        for path in ALWAYS:
            assert await status_of(plant, nobody.session, path) in {200, 303}, path


async def test_a_tablet_explains_at_its_own_station_alone(plant: PlantBoard) -> None:
    """A code makes a browser the tablet of a station, once; elsewhere and for all else it may nothing."""
    code = plant.accounts.invite(STATION, by="a test")
    tablet = await plant.enter(None)
    status, _, where = await tablet.send("/enrol", code=f"{code[:4]}-{code[4:]}".lower())
    assert (status, where) == (303, "/stops")
    _, session = await tablet.get("/session")
    assert (session["role"], session["station"]) == ("operator", STATION)
    tablet.csrf = session["csrf"]
    _, text = await tablet.page("/stops")
    assert "Framing" in Page(text).take_text("h1")
    status, said = await tablet.post("/api/v1/reasons", GIVEN)
    assert (status, said["by"]) == (201, "tablet 1")
    elsewhere = StationId("kostanay/weld/weld-1/finish")
    assert (await tablet.post("/api/v1/reasons", {**GIVEN, "station": elsewhere}))[0] == 403
    assert (await tablet.post("/api/v1/shift-closing/close", CLOSING))[0] == 403
    again = await plant.enter(None)
    assert (await again.send("/enrol", code=code))[0] == 401
    plant.accounts.revoke(1, by="a test")
    assert (await tablet.post("/api/v1/undo", {"seq": said["seq"]}))[0] == 401


async def test_a_tablet_goes_with_its_station_to_another_name(tmp_path: Path) -> None:
    """It was enrolled under a name that `formerly` has now: it shows that station's stops, and may explain them."""
    old = StationId("kostanay/weld/weld-1/frame")
    async with plant_board(tmp_path, events=[*EVENTS, stopped_since(100)], former={old: STATION}) as plant:
        tablet = await plant.enter(None)
        await tablet.send("/enrol", code=plant.accounts.invite(old, by="a test"))
        session = (await tablet.get("/session"))[1]
        assert session["station"] == STATION
        tablet.csrf = session["csrf"]
        for path in ("/stops", "/shift", "/station"):
            status, text = await tablet.page(path)
            assert (status, "Framing" in Page(text).take_text("h1")) == (200, True), path
        assert (await tablet.post("/api/v1/reasons", GIVEN))[0] == 201


@pytest.mark.parametrize(
    ("language", "words"), [("en", "of this tablet is not in"), ("ru", "этого планшета"), ("kk", "Осы планшеттің")]
)
async def test_a_tablet_of_a_station_that_is_gone_says_so(tmp_path: Path, language: str, words: str) -> None:
    """Not that its address is unknown; what it is asked for by name it shows as before."""
    gone = StationId("kostanay/weld/weld-1/frame")
    async with plant_board(tmp_path) as plant:
        tablet = await plant.enter(None)
        await tablet.page(f"/language/{language}")
        await tablet.send("/enrol", code=plant.accounts.invite(gone, by="a test"))
        for path in ("/stops", "/shift", "/station"):
            status, text = await tablet.page(path)
            assert (status, words in text, gone in text) == (410, True, True), path
        assert [(await tablet.page(path, of=STATION))[0] for path in ("/shift", "/stops")] == [200, 200]
        assert (await tablet.page("/"))[0] == 200


async def test_other_sites_cannot_use_a_session(plant: PlantBoard) -> None:
    """Without the session's token, with another one, or from another site nothing is changed."""
    operator = await plant.enter("operator")
    before = plant.journal.last_seq
    url = plant.url + "/api/v1/reasons"
    good = {"X-CSRF-Token": operator.csrf}
    for headers in (
        {},
        {"X-CSRF-Token": operator.csrf[:-1] + "!"},
        good | {"Origin": "http://evil.example"},
        good | {"Origin": "null"},
        good | {"Sec-Fetch-Site": "cross-site"},
    ):
        async with operator.session.post(url, json=GIVEN, headers=headers) as answer:
            assert answer.status == 403, headers
    assert plant.journal.last_seq == before
    async with operator.session.post(url, json=GIVEN, headers=good | {"Origin": plant.url}) as answer:
        assert answer.status == 201


async def test_names_of_other_servers_are_refused(plant: PlantBoard) -> None:
    """A foreign name that leads here (DNS rebinding) gets nothing; every answer carries its headers."""
    visitor = await plant.enter(None)
    async with visitor.session.get(plant.url + "/", headers={"Host": "evil.example"}) as answer:
        assert answer.status == 400
        assert "web.hosts" in await answer.text()
    for path in ("/", "/nowhere", "/static/board.js", "/api/v1/site", "/healthz"):
        async with visitor.session.get(plant.url + path) as answer:
            policy = answer.headers["content-security-policy"]
            assert "script-src 'self'" in policy
            assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_guessing_passwords_has_to_wait(plant: PlantBoard) -> None:
    """After five failures of a name the sixth try waits, whether or not it is right; other names come in."""
    visitor = await plant.enter(None)
    for _ in range(5):
        status, _ = await visitor.post("/api/v1/session", {"name": "engineer", "password": "wrong password"})
        assert status == 401
    status, problem = await visitor.post("/api/v1/session", {"name": "engineer", "password": "correct horse"})
    assert (status, problem["code"]) == (429, "too_many_failures")
    await plant.enter("viewer")


async def test_signing_out_ends_the_session(plant: PlantBoard) -> None:
    """Afterwards the old cookie opens nothing; the cookie is not for scripts and not for other sites."""
    operator = await plant.enter("operator")
    cookies = [cookie for cookie in operator.session.cookie_jar if cookie.key == "taktline-session"]
    assert [(cooky["httponly"], cooky["samesite"]) for cooky in cookies] == [(True, "lax")]
    kept = cookies[0].value
    status, _, where = await operator.send("/logout")
    assert (status, where) == (303, "/")
    async with operator.session.get(plant.url + "/api/v1/session", cookies={"taktline-session": kept}) as answer:
        assert (await answer.json())["name"] is None


async def test_a_form_leads_back_to_this_server_alone(plant: PlantBoard) -> None:
    """Wherever a forged link would lead after signing in, it is the wall."""
    visitor = await plant.enter(None)
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil"):
        status, _, where = await visitor.send("/login", name="viewer", password="correct horse", back=back)
        assert (status, where) == (303, "/"), back
        visitor.session.cookie_jar.clear()
