"""Stand-ins for what an administrator asks of InfluxDB 2.x and 3: the documented paths, bodies and answers, no more."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from influx_stand_in import Database, StandIn, served

ADMIN = "administrators-token"
INTERNAL = "_internal"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Modern(StandIn):
    """The server's state; `posted` are the bodies of all requests that change something; `next_post` refuses one."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.databases = {}
        self.orgs: list[dict[str, Any]] = []
        self.buckets: list[dict[str, Any]] = []
        self.dbrps: list[dict[str, Any]] = []
        self.tokens: list[dict[str, Any]] = []
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.next_post: web.Response | None = None

    def routes(self) -> list[web.RouteDef]:
        """Each generation has the paths of its own alone."""
        if self.generation == 3:
            paths = [
                web.get("/api/v3/configure/database", self._asked(self.databases_of)),
                web.post("/api/v3/configure/database", self._asked(self.make_database_3)),
                web.delete("/api/v3/configure/database", self._asked(self.drop_database_3)),
                web.post("/api/v3/configure/token/named_admin", self._asked(self.make_token_3)),
                web.delete("/api/v3/configure/token", self._asked(self.drop_token_3)),
            ]
        else:
            both = (
                ("orgs", self.orgs_of),
                ("buckets", self.buckets_of),
                ("dbrps", self.dbrps_of),
                ("authorizations", self.tokens_of),
            )
            paths = [web.get(f"/api/v2/{name}", self._asked(handler)) for name, handler in both]
            paths += [web.post(f"/api/v2/{name}", self._asked(self.make)) for name, _ in both]
            paths.append(web.patch("/api/v2/buckets/{id}", self._asked(self.change)))
            paths.append(web.delete("/api/v2/buckets/{id}", self._asked(self.drop_bucket)))
            paths.append(web.delete("/api/v2/dbrps/{id}", self._asked(self.drop_dbrp)))
        return [*super().routes(), *paths]

    def _asked(self, handler: Handler) -> Handler:
        """Only an administrator is answered, and what is to be refused is refused."""

        async def answer(request: web.Request) -> web.StreamResponse:
            if not self._is_administrator(request):
                return self.unauthorized()
            if request.method == "POST" and self.next_post is not None:
                return self.next_post
            return await handler(request)

        return answer

    def _is_administrator(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").removeprefix("Token ")
        made = [token["token"] for token in self.tokens] if self.generation == 3 else []
        return given in (ADMIN, *made)

    def knows(self, request: web.Request) -> bool:
        """An administrator's, or one that was made."""
        given = request.headers.get("Authorization", "").removeprefix("Token ")
        return self._is_administrator(request) or given in [token["token"] for token in self.tokens]

    def may(self, request: web.Request, action: str, database: str) -> bool:
        """A token of 2.x may do what its permissions say with their buckets."""
        given = request.headers.get("Authorization", "").removeprefix("Token ")
        ids = [bucket["id"] for bucket in self.buckets if bucket["name"] == database]
        permissions = [
            permission
            for token in self.tokens
            if token["token"] == given
            for permission in token.get("permissions", [])
        ]
        return self._is_administrator(request) or any(
            permission["action"] == action and permission["resource"]["id"] in ids for permission in permissions
        )

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
        return web.json_response([{"iox::database": database} for database in (INTERNAL, *self.databases)])

    async def make_database_3(self, request: web.Request) -> web.Response:
        """Says nothing where it is made."""
        content: dict[str, Any] = await request.json()
        if full := self.make_database(content["db"]):
            return web.json_response({"error": full}, status=422)
        self.posted.append((request.path, content))
        return web.Response(status=200)

    async def drop_database_3(self, request: web.Request) -> web.Response:
        """Nothing is left of it."""
        return web.Response(status=200 if self.databases.pop(request.query["db"], None) else 404)

    async def make_token_3(self, request: web.Request) -> web.Response:
        """Core's one kind: an administrator's, with a name of its own."""
        content: dict[str, Any] = await request.json()
        name = content["token_name"]
        if any(token["name"] == name for token in self.tokens):
            return web.Response(status=409, text=f"token name already exists, {name}")
        self.posted.append((request.path, content))
        made = {
            "id": len(self.tokens) + 1,
            "name": name,
            "token": f"apiv3_new-secret-{len(self.posted)}",
            "expiry": None,
        }
        self.tokens.append(made)
        return web.json_response(made, status=201)

    async def drop_token_3(self, request: web.Request) -> web.Response:
        """By its name."""
        self.tokens = [token for token in self.tokens if token["name"] != request.query["token_name"]]
        return web.Response(status=200)

    async def make(self, request: web.Request) -> web.Response:
        """Everything that is created on 2.x."""
        content: dict[str, Any] = await request.json()
        self.posted.append((request.path, content))
        kinds = {"orgs": self.orgs, "buckets": self.buckets, "dbrps": self.dbrps, "authorizations": self.tokens}
        kind = kinds[request.path.rpartition("/")[2]]
        made = {**content, "id": f"{len(self.posted):016x}"}
        if kind is self.tokens:
            made["token"] = f"new-secret-{len(self.posted)}"
        if kind is self.buckets:
            self.databases[content["name"]] = Database()
        kind.append(made)
        return web.json_response(made, status=201)

    async def change(self, request: web.Request) -> web.Response:
        """A bucket's retention."""
        content: dict[str, Any] = await request.json()
        self.posted.append((request.path, content))
        bucket = next(candidate for candidate in self.buckets if candidate["id"] == request.match_info["id"])
        bucket.update(content)
        return web.json_response(bucket)

    async def drop_dbrp(self, request: web.Request) -> web.Response:
        """A mapping alone; its bucket stays."""
        self.dbrps = [dbrp for dbrp in self.dbrps if dbrp["id"] != request.match_info["id"]]
        return web.Response(status=204)

    async def drop_bucket(self, request: web.Request) -> web.Response:
        """With what is in it."""
        bucket = next(candidate for candidate in self.buckets if candidate["id"] == request.match_info["id"])
        self.buckets.remove(bucket)
        del self.databases[bucket["name"]]
        return web.Response(status=204)


@asynccontextmanager
async def modern(version: str) -> AsyncIterator[Modern]:
    """A stand-in for the time of the block."""
    server = Modern(version)
    async with served(server):
        yield server
