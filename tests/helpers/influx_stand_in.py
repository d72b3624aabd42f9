"""A stand-in for InfluxDB 1.x, 2.x and 3 that answers writes and queries as real servers were recorded to answer.

`tests/contract/influx_answers.yaml` holds the recorded answers, and `test_influx_answers.py` beside it holds the
stand-in to them. Equal measurement, tags and time are one point. Where its fields get another content, 1.x and 2.x
unite them, the newer value winning, and 3 keeps either; a test in which that happens fails unless it says so
(`may_overwrite`).
"""

import asyncio
import gzip
import json
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from aiohttp import web

LINE = re.compile(r"^((?:[^ \\]|\\.)+) ((?:[^ \"\\]|\\.|\"(?:[^\"\\]|\\.)*\")+)(?: (-?\d+))?$")
FIELD = re.compile(r"((?:[^,=\\]|\\.)+)=((?:\"(?:[^\"\\]|\\.)*\")|[^,]*)(?:,|$)")
SELECT = re.compile(r'SELECT (?P<columns>.+) FROM "?(?P<name>\w+)"?(?: WHERE time = (?P<at>\d+))?$')
COLUMN = re.compile(r'(?:(?P<last>last)\()?"?(?P<field>\w+)"?\)?$')
NEWEST = re.compile(
    r'SELECT last\("revision"\) AS "revision", (?P<columns>.+) FROM "(?P<name>\w+)" '
    r"WHERE time >= (?P<first>\d+) AND time <= (?P<last>\d+) GROUP BY time\(1u\), (?P<tags>.+) fill\(none\)$"
)
TAG_VALUES = re.compile(
    r'SHOW TAG VALUES FROM "?(?P<name>\w+)"? WITH KEY = "?(?P<key>\w+)"?'
    r"(?: WHERE time > (?:now\(\) - )?(?P<since>\d+d?))?$"
)
CREATE_DATABASE = re.compile(r'CREATE DATABASE "?(?P<name>\w+)"?$')
POLICIES = re.compile(r"SHOW RETENTION POLICIES\b")
FORM = "application/x-www-form-urlencoded"
EPOCHS = {"ns": 1, "u": 10**3, "ms": 10**6, "s": 10**9}
MOST_DATABASES_3 = 5
MOST_BYTES_3 = 10 * 2**20

Answer = int | Literal["hang-up-after-storing", "hang-up", "hang"]
Points = dict[tuple[str, str], dict[str, str]]
Series = dict[str, Any]


@dataclass(slots=True)
class Database:
    """Points by series and time, and the type of each measurement's field; canaries apart, for they are no data."""

    points: Points = field(default_factory=dict)
    canaries: Points = field(default_factory=dict)
    types: dict[tuple[str, str], str] = field(default_factory=dict)


class StandIn:
    """What the server holds, and how it is told to answer next."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.edition = "Core"  # of 3
        self.url = ""
        self.token = "secret-token"
        self.bucket = "plant"
        self.databases: dict[str, Database] = {self.bucket: Database()}
        self.next_answers: list[tuple[Answer, dict[str, str]]] = []
        self.requests = 0
        self.addresses: list[str] = []  # of the queries
        self.most_bytes = 1 << 26  # of a body, unpacked
        self.broken = False  # a fault of its own: every write is refused as 400
        self.refused_text: str | None = None  # lines that hold it are bad
        self.overwritten: list[str] = []  # keys that got a second, different content
        self.may_overwrite = False
        self.rng = random.Random(version)
        self.hung = asyncio.Event()
        self.close: Callable[[], Awaitable[None]]

    @property
    def generation(self) -> int:
        """1, 2 or 3; 2 for a server that does not say what it is."""
        return int(self.version.lstrip("v")[:1] or "2")

    @property
    def points(self) -> Points:
        """Of the one database that most tests use."""
        return self.databases[self.bucket].points

    def routes(self) -> list[web.RouteDef]:
        """What it answers; 1.6 has no path of 2.x."""
        return [
            web.get("/ping", self.ping),
            web.get("/health", self.health),
            *([web.post("/api/v2/write", self.write)] if self.version != "1.6.7" else []),
            web.post("/write", self.write),
            web.get("/query", self.query),
            web.post("/query", self.query),
        ]

    def may(self, request: web.Request, action: str, database: str) -> bool:
        """Whether the request's token allows to `read` or `write`."""
        del action, database
        return self.generation == 1 or request.headers.get("Authorization") == f"Token {self.token}"

    def knows(self, request: web.Request) -> bool:
        """Whether the request's token is one of the server's, whatever it allows."""
        return self.may(request, "read", self.bucket)

    async def ping(self, request: web.Request) -> web.Response:
        """3 wants a token, and says its version in the body too."""
        if self.generation < 3:
            return web.Response(status=204)
        if not self.may(request, "read", ""):
            return self.unauthorized()
        said = {"product_name": f"InfluxDB 3 {self.edition}", "version": self.version}
        return web.json_response(said, headers={"X-Influxdb-Version": self.version, "X-Influxdb-Build": self.edition})

    async def sign(self, _request: web.Request, response: web.StreamResponse) -> None:
        """1.x and 2.x say their version with every answer, 3 at /ping alone."""
        if self.generation < 3 and self.version:
            response.headers["X-Influxdb-Version"] = self.version

    async def health(self, _request: web.Request) -> web.Response:
        """1.x before 1.8 has no such page."""
        match self.generation:
            case 1:
                return web.Response(status=404, text="404 page not found")
            case 2:
                return web.json_response({"name": "influxdb", "status": "pass", "version": self.version})
            case _:
                return web.Response(text="OK")

    async def write(self, request: web.Request) -> web.Response:
        self.requests += 1
        packed = await request.read()
        text = gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed
        name = request.query.get("bucket") or request.query.get("db", "")
        answer, headers = self.next_answers.pop(0) if self.next_answers else (204, {})
        if answer == "hang":
            await self.hung.wait()
            answer = 204
        if isinstance(answer, str):
            if answer == "hang-up-after-storing":
                self._store(self.databases[name], text.decode())
            assert request.transport is not None
            request.transport.abort()
            return web.Response(status=500)
        if answer != 204:
            return web.json_response({"code": "told", "message": "as told"}, status=answer, headers=headers)
        if self.broken:
            return self.refusal(400, "write buffer error")
        if not self.knows(request):
            return self.unauthorized()
        if len(text) > min(self.most_bytes, MOST_BYTES_3 if self.generation == 3 else self.most_bytes):
            return self.refusal(413, f"max request size ({MOST_BYTES_3} bytes) exceeded", "request too large")
        if self.generation == 3 and not text:
            return self.refusal(400, "write buffer error: incoming write was empty")
        if (missing := self._no_database(name)) is not None:
            return missing
        if not self.may(request, "write", name):
            return self.refusal(403, "insufficient permissions for write", "forbidden")
        return self._store(self.databases[name], text.decode())

    def _no_database(self, name: str) -> web.Response | None:
        """None where the database is there, or where 3 makes it."""
        if name in self.databases:
            return None
        match self.generation:
            case 1:
                return self.refusal(404, f'database not found: "{name}"')
            case 2:
                return self.refusal(404, f'bucket "{name}" not found', "not found")
            case _ if full := self.make_database(name):
                return self.refusal(400, f"write buffer error: catalog update error: {full}")
        return None

    def make_database(self, name: str) -> str:
        """Why not, in words; empty if it is there now."""
        if self.generation == 3 and len(self.databases) >= MOST_DATABASES_3:
            return f"Adding a new database would exceed limit of {MOST_DATABASES_3} databases"
        self.databases.setdefault(name, Database())
        return ""

    def refusal(self, status: int, message: str, code: str = "invalid") -> web.Response:
        """An error in the words of the server's generation."""
        if self.generation == 1:
            return web.json_response({"error": message}, status=status, headers={"X-Influxdb-Error": message[:500]})
        headers = {"X-Platform-Error-Code": code} if self.generation == 2 else {}
        return web.json_response({"code": code, "message": message}, status=status, headers=headers)

    def unauthorized(self) -> web.Response:
        """A token that is not known, or none."""
        if self.generation == 3:
            return web.json_response({"error": "the request was not authenticated"}, status=401)
        return self.refusal(401, "unauthorized access", "unauthorized")

    def _store(self, database: Database, text: str) -> web.Response:
        """1.x stores the good lines of a bad body; 2.x does where each line can be parsed; 3 never does."""
        types = dict(database.types)
        read = [self._read(line, types) for line in text.split("\n") if line]
        refused = [line for line in read if isinstance(line, BadLine)]
        unreadable = [line for line in refused if line.is_syntax]
        if self.generation == 3 and refused:
            return self.refusal(400, f"write buffer error: line protocol parse failed: {refused[0].why}")
        if self.generation == 2 and unreadable:
            return self.refusal(400, unreadable[0].why)
        database.types = types
        for line in read:
            if not isinstance(line, BadLine):
                kept = database.canaries if line.series.startswith("canary") else database.points
                self._keep(kept, line)
        if not refused:
            return web.Response(status=204)
        dropped = len(refused) - len(unreadable)
        if self.generation == 1 and dropped == 0 and len(read) == len(refused):
            return self.refusal(400, refused[0].why)
        why = f"partial write: {refused[0].why} dropped={dropped}"
        if self.generation == 1:
            return self.refusal(400, why)
        return self.refusal(422, f"failure writing points to database: {why}", "unprocessable entity")

    def _keep(self, kept: Points, point: "Point") -> None:
        stored = kept.setdefault((point.series, point.stamp), {})
        if stored and stored != point.fields:
            self.overwritten.append(f"{point.series} {point.stamp}: {stored}, then {point.fields}")
            if self.generation == 3 and self.rng.random() < 0.5:
                return
        stored.update(point.fields)

    def _read(self, line: str, types: dict[tuple[str, str], str]) -> "Point | BadLine":
        """A well-formed line whose fields have the types that their first write fixed; adds to `types`."""
        if self.refused_text is not None and self.refused_text in line:
            return BadLine(f"as told: {line}")
        match = LINE.match(line)
        if match is None:
            return self._unreadable(line, "invalid field format")
        fields = dict(FIELD.findall(match[2]))
        measurement = match[1].split(",")[0]
        for name, value in fields.items():
            kind = _type_of(value)
            if kind is None:
                return self._unreadable(line, "invalid number" if value else "missing field value")
            first = types.setdefault((measurement, name), kind)
            if first != kind:
                return BadLine(self._conflict(measurement, name, kind, first))
        return Point(match[1], match[3] or str(time.time_ns()), fields)

    def _unreadable(self, line: str, why: str) -> "BadLine":
        said = "No fields were provided" if self.generation == 3 else f"unable to parse '{line}': {why}"
        return BadLine(said, is_syntax=True)

    def _conflict(self, measurement: str, name: str, kind: str, first: str) -> str:
        if self.generation == 3:
            column = "iox::column_type::field::"
            return f"invalid column type for column '{name}', expected {column}{first}, got {column}{kind}"
        return (
            f'field type conflict: input field "{name}" on measurement "{measurement}" is type {kind}, '
            f"already exists as type {first}"
        )

    async def query(self, request: web.Request) -> web.Response:
        """One statement; parameters stand in the address or in a form."""
        self.addresses.append(request.path_qs)
        if request.method == "POST" and self.generation == 3 and request.headers.get("Content-Type") != FORM:
            said = request.headers.get("Content-Type", "mime parse error: a slash (/) was missing")
            return web.json_response({"error": f"invalid mime type ({said})"}, status=400)
        form = await request.post()
        parameters = {**request.query, **{name: str(value) for name, value in form.items()}}
        name, text = parameters.get("db", ""), parameters.get("q", "")
        if not self.may(request, "read", name):
            return self.unauthorized()
        answer = self._answer(name, text, EPOCHS.get(parameters.get("epoch", "")))
        if isinstance(answer, web.Response):
            return answer
        result: dict[str, object] = {"statement_id": 0}
        if answer:
            result["error" if isinstance(answer, str) else "series"] = answer
        return web.json_response({"results": [result]})

    def _answer(self, name: str, text: str, epoch_ns: int | None) -> "web.Response | str | list[Series]":
        """Series, or an error in words, which a server says with status 200."""
        if made := CREATE_DATABASE.match(text):
            if self.generation == 1:
                self.databases.setdefault(made["name"], Database())
                return []
            core = "datafusion error: This feature is not implemented: CREATE DATABASE"
            return core if self.generation == 3 else "not implemented: CREATE DATABASE"
        select, tags, policies = SELECT.match(text), TAG_VALUES.match(text), POLICIES.match(text)
        newest = NEWEST.match(text)
        if select is None and tags is None and policies is None and newest is None:
            if self.generation == 3:
                return "error in InfluxQL statement: parsing error: invalid InfluxQL statement at pos 0"
            verb = "error parsing query" if self.generation == 1 else "failed to parse query"
            return self.refusal(
                400, f"{verb}: found {text.split()[0]}, expected SELECT, DELETE, SHOW at line 1, char 1"
            )
        if name not in self.databases:
            core = "Cannot retrieve database: External error: " if self.generation == 3 else ""
            return f"{core}database not found: {name}"
        points = self.databases[name].points | self.databases[name].canaries
        if policies is not None:
            columns = ["name", "duration", "default"]
            return [{"name": "retention_policies", "columns": columns, "values": [[name, "0s", True]]}]
        if tags is not None:
            return _tag_values(points, tags, since_ns=self._since_ns(tags["since"]))
        if newest is not None:
            return _newest(points, newest)
        assert select is not None
        return _selected(points, select, epoch_ns)

    def _since_ns(self, since: str | None) -> int:
        """Without a time 3 looks back for one day."""
        if since is None:
            return time.time_ns() - 86400 * 10**9 if self.generation == 3 else -(2**63)
        return time.time_ns() - int(since[:-1]) * 86400 * 10**9 if since.endswith("d") else int(since)


@dataclass(frozen=True, slots=True)
class Point:
    """A line that is taken."""

    series: str
    stamp: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is not, and why."""

    why: str
    is_syntax: bool = False


def _type_of(value: str) -> str | None:
    """None for what is no value."""
    for pattern, name in ((r'".*"', "string"), (r"true|false", "boolean"), (r"-?\d+i", "integer")):
        if re.fullmatch(pattern, value, re.DOTALL):
            return name
    return "float" if re.fullmatch(r"-?\d+(\.\d*)?(e[+-]?\d+)?", value) else None


def _value(text: str) -> object:
    """A field's value as JSON has it."""
    return json.loads(text.removesuffix("i")) if text[0] != '"' else re.sub(r"\\(.)", r"\1", text[1:-1])


def _tag_values(points: Points, asked: re.Match[str], *, since_ns: int) -> list[Series]:
    tag = re.compile(rf",{asked['key']}=((?:[^, \\]|\\.)+)")
    found = {
        match[1]
        for series, stamp in points
        if series.split(",")[0] == asked["name"] and int(stamp) > since_ns and (match := tag.search(series))
    }
    if not found:
        return []
    values = [[asked["key"], value] for value in sorted(found)]
    return [{"name": asked["name"], "columns": ["key", "value"], "values": values}]


def _selected(points: Points, asked: re.Match[str], epoch_ns: int | None) -> list[Series]:
    columns = [match for text in asked["columns"].split(", ") if (match := COLUMN.match(text))]
    names = [match["field"] for match in columns]
    rows = [
        [_time(int(stamp), epoch_ns), *(_value(fields[name]) if name in fields else None for name in names)]
        for (series, stamp), fields in sorted(points.items(), key=lambda point: int(point[0][1]))
        if series.split(",")[0] == asked["name"] and not fields.keys().isdisjoint(names)
        if asked["at"] is None or stamp == asked["at"]
    ]
    if not rows:
        return []
    titles = ["last" if match["last"] else match["field"] for match in columns]
    values = rows[-1:] if columns[0]["last"] else rows
    return [{"name": asked["name"], "columns": ["time", *titles], "values": values}]


def _newest(points: Points, asked: re.Match[str]) -> list[Series]:
    """Of each series, and of each microsecond in it, the last point."""
    names = ["revision", *asked["columns"].replace('"', "").split(", ")]
    found: dict[str, dict[int, dict[str, str]]] = {}
    for (series, stamp), fields in sorted(points.items(), key=lambda point: int(point[0][1])):
        if series.split(",")[0] == asked["name"] and int(asked["first"]) <= int(stamp) <= int(asked["last"]):
            found.setdefault(series, {})[int(stamp) // 1000 * 1000] = fields
    return [
        {
            "name": asked["name"],
            "tags": dict(re.findall(r",((?:[^,= \\]|\\.)+)=((?:[^, \\]|\\.)+)", series)),
            "columns": ["time", *names],
            "values": [
                [start, *(_value(fields[name]) if name in fields else None for name in names)]
                for start, fields in starts.items()
            ],
        }
        for series, starts in found.items()
    ]


def _time(stamp: int, epoch_ns: int | None) -> object:
    if epoch_ns is not None:
        return stamp // epoch_ns
    return f"{datetime.fromtimestamp(stamp / 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"


@asynccontextmanager
async def served(server: StandIn, port: int = 0) -> AsyncIterator[None]:
    """Serves it for the time of the block, on a port of the system's choice."""
    app = web.Application(client_max_size=1 << 26)
    app.add_routes(server.routes())
    app.on_response_prepare.append(server.sign)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server.close = runner.cleanup
    try:
        yield
    finally:
        server.hung.set()
        await server.close()
    assert server.may_overwrite or not server.overwritten, server.overwritten[:3]


@asynccontextmanager
async def stand_in(version: str, port: int = 0) -> AsyncIterator[StandIn]:
    """A stand-in for the time of the block."""
    server = StandIn(version)
    async with served(server, port):
        yield server
