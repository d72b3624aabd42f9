"""The stand-ins answer as InfluxDB 1.6.7, 2.8.0 and 3.9.6 were recorded to; so does the real 1.6.7.

TAKTLINE_TEST_INFLUX_URL names a running server of any generation that is held to the record too. Its secret must be an
administrator's: databases, buckets and tokens are made there, and removed.
"""

import gzip
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from given_influx import URL, given_target
from influx_admin_stand_in import ADMIN, modern
from influx_stand_in import FORM, stand_in
from influxd import private_influxd
from ruamel.yaml import YAML

from mes.influx.server import Target

CASES: list[dict[str | int, Any]] = YAML(typ="safe").load(Path(__file__).with_name("influx_answers.yaml"))
SERVERS = ["influxd 1.6.7", "stand-in 1.6.7", "stand-in v2.8.0", "stand-in 3.9.6", *(["the given one"] if URL else [])]
TYPES = {"form": FORM, "json": "application/json"}
MOST_MADE = 6  # databases of the cases

pytestmark = [pytest.mark.influxd, pytest.mark.timeout(120)]


@dataclass(frozen=True, slots=True)
class Answered:
    """A server's answer; JSON without spaces."""

    status: int
    headers: Mapping[str, str]
    body: str

    def differs_from(self, recorded: Mapping[str, Any]) -> bool:
        """Whether status, the recorded header or the recorded words are others."""
        name, _, words = str(recorded.get("header", ":")).partition(": ")
        header = self.headers.get(name, "") if "header" in recorded else ""
        return (
            self.status != recorded["status"]
            or recorded.get("without") in self.headers
            or (words if "header" in recorded else "") not in header
            or str(recorded.get("body", "")) not in self.body
        )


@dataclass(frozen=True, slots=True)
class Asking:
    """A server of a generation, and a database there."""

    session: aiohttp.ClientSession
    target: Target
    generation: int

    def authorization(self, token: str | None) -> dict[str, str]:
        """As its generation wants it; of none, or of a wrong one."""
        secret = "no-such-token" if token == "wrong" else self.target.secret
        if token == "none" or secret is None:
            return {}
        if self.target.user is not None:
            return {"Authorization": aiohttp.encode_basic_auth(self.target.user, secret)}
        return {"Authorization": f"Token {secret}"}

    async def send(self, method: str, path: str, token: str | None = None, **content: Any) -> Answered:
        """A request as it stands."""
        headers = {**self.authorization(token), **content.pop("headers", {})}
        skipped = () if "Content-Type" in headers or "json" in content else ("Content-Type",)
        request = self.session.request(
            method, self.target.url + path, headers=headers, skip_auto_headers=skipped, **content
        )
        async with request as answer:
            text = (await answer.read()).decode(errors="replace")
            with_spaces = answer.content_type == "application/json" and text
            body = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False) if with_spaces else text
            return Answered(answer.status, answer.headers.copy(), body)

    async def take(self, step: Mapping[str, Any]) -> Answered:
        """One step of a case."""
        database, token = step.get("database", self.target.database), step.get("token")
        if "write" in step:
            parameters = {"precision": "ns", "db" if self.generation == 1 else "bucket": database}
            if self.generation > 1:
                parameters["org"] = self.target.org
            body, packed = step["write"].encode(), {"Content-Encoding": "gzip"}
            given = {"headers": packed, "data": gzip.compress(body)} if step.get("gzip") else {"data": body}
            path = "/write" if self.generation == 1 else "/api/v2/write"
            return await self.send("POST", path, token, params=parameters, **given)
        if "query" in step:
            asked = {"db": database, "q": step["query"], "epoch": step.get("epoch", "ns")}
            match step.get("as", "form"):
                case "get":
                    return await self.send("GET", "/query", token, params=asked)
                case "form":
                    return await self.send("POST", "/query", token, data=asked, headers={"Content-Type": FORM})
                case "json":
                    return await self.send(
                        "POST", "/query", token, params=asked, headers={"Content-Type": "application/json"}
                    )
                case _:
                    return await self.send("POST", "/query", token, params=asked)
        method, path = step["request"].split()
        return await self.send(method, path, token, **({"json": step["json"]} if "json" in step else {}))

    async def make(self) -> None:
        """The database; on 2.x a bucket and its name for InfluxQL."""
        name = self.target.database
        match self.generation:
            case 1:
                await self.take({"query": f'CREATE DATABASE "{name}"'})
            case 2:
                org = await self._id("orgs", {"org": self.target.org})
                made = await self.send("POST", "/api/v2/buckets", json={"orgID": org, "name": name})
                mapping = {
                    "orgID": org,
                    "bucketID": json.loads(made.body)["id"],
                    "database": name,
                    "retention_policy": "autogen",
                    "default": True,
                }
                await self.send("POST", "/api/v2/dbrps", json=mapping)
            case _:
                await self.send("POST", "/api/v3/configure/database", json={"db": name})

    async def remove(self) -> None:
        """All that the cases made."""
        name = self.target.database
        match self.generation:
            case 1:
                await self.take({"query": f'DROP DATABASE "{name}"'})
            case 2:
                org = await self._id("orgs", {"org": self.target.org})
                bucket = await self._id("buckets", {"orgID": org, "name": name})
                mapping = await self._id("dbrps", {"orgID": org, "db": name})
                await self.send("DELETE", f"/api/v2/dbrps/{mapping}", params={"orgID": org})
                await self.send("DELETE", f"/api/v2/buckets/{bucket}")
            case _:
                for made in (name, *(f"{name}_{number}" for number in range(2, MOST_MADE + 1))):
                    await self.send("DELETE", "/api/v3/configure/database", params={"db": made})
                await self.send("DELETE", "/api/v3/configure/token", params={"token_name": name})

    async def _id(self, kind: str, of: Mapping[str, str]) -> str:
        found = json.loads((await self.send("GET", f"/api/v2/{kind}", params=of)).body)
        return str(found["content" if kind == "dbrps" else kind][0]["id"])


@asynccontextmanager
async def running(name: str, folder: Path) -> AsyncIterator[tuple[Target, int]]:
    """One of SERVERS: where it is, and its generation."""
    database = f"taktline_{secrets.token_hex(4)}"
    match name.split():
        case ["influxd", _]:
            async with private_influxd(folder) as private:
                yield Target(private.url, database), 1
        case ["stand-in", "1.6.7" as version]:
            async with stand_in(version) as old:
                old.may_overwrite = True  # the cases say what a server makes of it
                yield Target(old.url, database), 1
        case ["stand-in", version]:
            async with modern(version) as new:
                new.may_overwrite = True
                new.orgs.append({"id": "1", "name": "jac"})
                yield Target(new.url, database, org="jac", secret=ADMIN), new.generation
        case _:
            given = given_target()
            async with aiohttp.ClientSession() as session:
                ping = await Asking(session, given, 0).send("GET", "/ping")
            version = ping.headers["X-Influxdb-Version"].lstrip("v")
            yield Target(given.url, database, org=given.org, user=given.user, secret=given.secret), int(version[0])


def filled(step: object, names: Mapping[str, str]) -> Any:
    """The step with the names in the place of {db} and {m}, and letters in the place of a number of them."""
    text = json.dumps(step)
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return json.loads(re.sub(r"\{(\d+)\}", lambda number: "x" * int(number[1]), text))


@pytest.mark.parametrize("name", SERVERS)
async def test_every_request_is_answered_as_recorded(name: str, tmp_path: Path) -> None:
    """Status, the deciding header and the deciding words are those of the record, case by case."""
    differing: list[str] = []
    judged = 0
    async with running(name, tmp_path) as (target, generation), aiohttp.ClientSession() as session:
        asking = Asking(session, target, generation)
        await asking.make()
        try:
            for number, case in enumerate(CASES):
                if generation not in case or (case.get("real") and name.startswith("stand-in")):
                    continue
                names = {"db": target.database, "m": f"m{number}"}
                for step in filled(case["ask"], names):
                    answered = await asking.take(step)
                judged += 1
                if answered.differs_from(filled(case[generation], names)):
                    differing.append(f"{case['case']}: {answered.status} {answered.body[:200]}")
        finally:
            await asking.remove()

    assert differing == []
    assert judged > len(CASES) / 2
