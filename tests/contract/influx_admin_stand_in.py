"""Stand-ins for what an administrator asks of InfluxDB 2.x and 3: the documented paths, bodies and answers, no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

ADMIN = "administrators-token"


class Modern:
    """The server's state; `posted` are the bodies of all requests that change something; `next_post` refuses one."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.url = ""
        self.orgs: list[dict[str, Any]] = []
        self.buckets: list[dict[str, Any]] = []
        self.dbrps: list[dict[str, Any]] = []
        self.tokens: list[dict[str, Any]] = []
        self.databases: list[str] = ["_internal"]
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.next_post: web.Response | None = None

    async def ping(self, _request: web.Request) -> web.Response:
        """2.x says its version in a header, 3 in the body too."""
        if self.version.startswith("3"):
            return web.json_response({"version": self.version, "revision": "abc"})
        return web.Response(status=204, headers={"X-Influxdb-Version": f"v{self.version}"})

    async def orgs_of(self, request: web.Request) -> web.Response:
        """An unknown organisation is a 404."""
        found = [org for org in self.orgs if org["name"] == request.query.get("org")]
        if not found:
            return web.json_response({"code": "not found", "message": "organization name not found"}, status=404)
        return web.json_response({"orgs": found})

    async def buckets_of(self, request: web.Request) -> web.Response:
        """Buckets of an organisation by name."""
        name = request.query["name"]
        return web.json_response({"buckets": [bucket for bucket in self.buckets if bucket["name"] == name]})

    async def dbrps_of(self, request: web.Request) -> web.Response:
        """Mappings of a database."""
        name = request.query["db"]
        return web.json_response({"content": [dbrp for dbrp in self.dbrps if dbrp["database"] == name]})

    async def tokens_of(self, _request: web.Request) -> web.Response:
        """Authorizations, without their tokens as a newer 2.x shows them."""
        shown = [{name: value for name, value in token.items() if name != "token"} for token in self.tokens]
        return web.json_response({"authorizations": shown})

    async def databases_of(self, _request: web.Request) -> web.Response:
        """3's list."""
        return web.json_response([{"iox::database": database} for database in self.databases])

    async def make(self, request: web.Request) -> web.Response:
        """Everything that is created."""
        if self.next_post is not None:
            return self.next_post
        content: dict[str, Any] = await request.json()
        self.posted.append((request.path, content))
        match request.path.rpartition("/")[2]:
            case "orgs":
                kind = self.orgs
            case "buckets":
                kind = self.buckets
            case "dbrps":
                kind = self.dbrps
            case "authorizations":
                kind = self.tokens
            case _:
                self.databases.append(content["db"])
                return web.Response(status=200)
        made = {**content, "id": f"{len(self.posted):016x}"}
        if kind is self.tokens:
            made["token"] = f"new-secret-{len(self.posted)}"
        kind.append(made)
        return web.json_response(made, status=201)

    async def change(self, request: web.Request) -> web.Response:
        """A bucket's retention."""
        content: dict[str, Any] = await request.json()
        self.posted.append((request.path, content))
        bucket = next(each for each in self.buckets if each["id"] == request.match_info["id"])
        bucket.update(content)
        return web.json_response(bucket)


@web.middleware
async def only_administrators(request: web.Request, handler: Any) -> web.StreamResponse:
    """All but /ping wants the administrator's token."""
    if request.path != "/ping" and request.headers.get("Authorization") != f"Token {ADMIN}":
        return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)
    answer: web.StreamResponse = await handler(request)
    return answer


@asynccontextmanager
async def modern(version: str) -> AsyncIterator[Modern]:
    """A stand-in for the time of the block."""
    server = Modern(version)
    app = web.Application(middlewares=[only_administrators])
    app.router.add_get("/ping", server.ping)
    for name, handler in (("orgs", server.orgs_of), ("buckets", server.buckets_of), ("dbrps", server.dbrps_of)):
        app.router.add_get(f"/api/v2/{name}", handler)
        app.router.add_post(f"/api/v2/{name}", server.make)
    app.router.add_get("/api/v2/authorizations", server.tokens_of)
    app.router.add_post("/api/v2/authorizations", server.make)
    app.router.add_patch("/api/v2/buckets/{id}", server.change)
    app.router.add_get("/api/v3/configure/database", server.databases_of)
    app.router.add_post("/api/v3/configure/database", server.make)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
