"""Makes a server ready: the database with its retention, its old-style name on 2.x, who may write and who may read.

What is there already stays as it is; secrets are made here, handed back once, and shown nowhere.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mes.errors import SinkRejected
from mes.influx.server import InfluxServer, ServerKind, Target

FOR_EVER = "0s"
SECRET_BYTES = 32
AUTOGEN = "autogen"
CONFLICT = 409
NO_READERS = (
    "InfluxDB 3 Core knows no token that only reads: Grafana's may write, too, so let only Grafana and this program "
    "reach the server"
)
READER_TOKEN, WRITER_TOKEN = "taktline: reads for Grafana", "taktline: writes"


class How(StrEnum):
    """What became of one thing."""

    THERE = "there"
    MADE = "made"
    BY_HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Done:
    """One line of what was found and made; `file`: where its new secret is."""

    how: How
    text: str
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What there shall be. `keep_days` None: as it is, and for ever where it is new. `reader`: Grafana's user.

    The files are names of credentials; `keep` writes a new secret to one of them, before anything else is done.
    """

    target: Target
    keep_days: int | None
    reader: str
    writer_file: str
    reader_file: str
    keep: Callable[[str, str], None]


async def set_up(server: InfluxServer, wanted: Wanted) -> list[Done]:
    """Creates what is missing; `server` speaks as an administrator. Raises SinkError with what the server said."""
    match await server.kind():
        case ServerKind.V1:
            return await _set_up_1(server, wanted)
        case ServerKind.V2:
            return await _set_up_2(server, wanted)
        case ServerKind.V3:
            return await _set_up_3(server, wanted)


async def _set_up_1(server: InfluxServer, wanted: Wanted) -> list[Done]:
    name = wanted.target.database
    databases = {row["name"] for row in await server.query("SHOW DATABASES")}
    if name in databases:
        done = [Done(How.THERE, f"database {name}")]
    else:
        await server.query(f"CREATE DATABASE {_identifier(name)}")
        done = [Done(How.MADE, f"database {name}")]
    done.append(await _retention_1(server, wanted))
    if not await _asks_who(wanted.target):
        text = (
            "anybody who reaches this server reads and writes: set `auth-enabled = true` under [http] in influxd.conf "
            "after an administrator is made (CREATE USER … WITH PASSWORD … WITH ALL PRIVILEGES), then run this again"
        )
        return [*done, Done(How.BY_HAND, text)]
    users = {row["user"] for row in await server.query("SHOW USERS")}
    if wanted.target.user is None:
        done.append(Done(How.BY_HAND, "the plant's file names no `user` to write as: add `user: taktline` to `influx`"))
    else:
        done.append(await _user_1(server, users, wanted.target.user, "ALL", wanted.writer_file, wanted))
    done.append(await _user_1(server, users, wanted.reader, "READ", wanted.reader_file, wanted))
    return done


async def retention(server: InfluxServer, target: Target) -> str:
    """How long the server keeps what is written, in words; what cannot be told says so. Raises SinkUnavailable."""
    name = target.database
    match await server.kind():
        case ServerKind.V1:
            rows = await server.query(f"SHOW RETENTION POLICIES ON {_identifier(name)}")
            policy = target.retention_policy
            used = [row for row in rows if (row["name"] == policy if policy else row["default"])]
            if not used:
                return f"there is no retention policy {policy}: `mes influx setup` makes it"
            hours = int(used[0]["duration"].partition("h")[0]) if used[0]["duration"] != FOR_EVER else 0
            return f"kept for {hours / 24:g} days" if hours else _days(None)
        case ServerKind.V2:
            status, answer = await server.ask("GET", "/api/v2/buckets", {"org": target.org, "name": name})
            found = answer.get("buckets", []) if status == 200 else []
            if not found:
                return "its retention is not for this secret to see"
            return _days(_kept_s(found[0]) // 86400 or None)
        case ServerKind.V3:
            return "kept as long as was said when the database was made"


async def _retention_1(server: InfluxServer, wanted: Wanted) -> Done:
    name, policy = wanted.target.database, wanted.target.retention_policy or AUTOGEN
    hours = 24 * wanted.keep_days if wanted.keep_days else 0
    there = {row["name"]: row for row in await server.query(f"SHOW RETENTION POLICIES ON {_identifier(name)}")}
    text = f"retention policy {policy}: {_days(wanted.keep_days)}"
    if policy in there and wanted.keep_days is None:
        return Done(How.THERE, f"retention policy {policy}, as it is ({there[policy]['duration']})")
    if policy in there and there[policy]["duration"] in {f"{hours}h0m0s", FOR_EVER if not hours else ""}:
        return Done(How.THERE, text)
    verb = "ALTER" if policy in there else "CREATE"
    duration = f"{hours}h" if hours else "INF"
    whole = f"{_identifier(policy)} ON {_identifier(name)} DURATION {duration} REPLICATION 1 DEFAULT"
    await server.query(f"{verb} RETENTION POLICY {whole}")
    return Done(How.MADE, text)


async def _user_1(server: InfluxServer, users: set[str], user: str, right: str, file: str, wanted: Wanted) -> Done:
    database = wanted.target.database
    rights = {row["database"]: row["privilege"] for row in await _grants(server, user)} if user in users else {}
    whole = {"ALL": "ALL PRIVILEGES", "READ": "READ"}[right]
    if rights.get(database) == whole:
        return Done(How.THERE, f"user {user} with {whole} on {database}")
    is_new = user not in users
    if is_new:
        secret = secrets.token_urlsafe(SECRET_BYTES)
        wanted.keep(file, secret)
        await server.query(f"CREATE USER {_identifier(user)} WITH PASSWORD '{secret}'")
    await server.query(f"GRANT {right} ON {_identifier(database)} TO {_identifier(user)}")
    return Done(How.MADE, f"user {user} with {whole} on {database}", file if is_new else None)


async def _grants(server: InfluxServer, user: str) -> list[dict[str, Any]]:
    return await server.query(f"SHOW GRANTS FOR {_identifier(user)}")


async def _asks_who(target: Target) -> bool:
    """Whether the server refuses those who do not say who they are."""
    async with InfluxServer(Target(target.url, target.database, kind=ServerKind.V1)) as nobody:
        try:
            await nobody.query("SHOW DATABASES")
        except SinkRejected as refused:
            return refused.status in {401, 403}
    return False


async def _set_up_2(server: InfluxServer, wanted: Wanted) -> list[Done]:
    name = wanted.target.org
    org = await _organisation(server, name)
    done = [Done(How.MADE if org is None else How.THERE, f"organisation {name}")]
    if org is None:
        org = str((await _got(server, "POST", "/api/v2/orgs", {}, {"name": name}))["id"])
    bucket, made = await _bucket(server, org, wanted.target.database, wanted.keep_days)
    done += [made, await _old_name(server, org, bucket, wanted.target.database)]
    found = await _got(server, "GET", "/api/v2/authorizations", {"orgID": org})
    tokens = found.get("authorizations", [])
    both = (
        (WRITER_TOKEN, ("read", "write"), wanted.writer_file, "token that writes"),
        (READER_TOKEN, ("read",), wanted.reader_file, f"token that only reads, for {wanted.reader}"),
    )
    for description, actions, file, text in both:
        if any(_is_for(token, description, bucket) for token in tokens):
            done.append(Done(How.THERE, text))
            continue
        resource = {"type": "buckets", "id": bucket, "orgID": org}
        content = {
            "orgID": org,
            "description": description,
            "permissions": [{"action": action, "resource": resource} for action in actions],
        }
        answer = await _got(server, "POST", "/api/v2/authorizations", {}, content)
        wanted.keep(file, str(answer["token"]))
        done.append(Done(How.MADE, text, file))
    return done


def _is_for(token: Mapping[str, Any], description: str, bucket: str) -> bool:
    """Whether a token is the one that is wanted, and of this bucket: another plant's has the same description."""
    buckets = {permission.get("resource", {}).get("id") for permission in token.get("permissions", [])}
    return token.get("description") == description and bucket in buckets


async def make_database(server: InfluxServer, target: Target) -> None:
    """Makes the database or bucket that is missing, kept for ever, and nothing else. Raises SinkError.

    SinkRejected says that the secret may not, which tells nothing of whether the database is there.
    """
    match await server.kind():
        case ServerKind.V1:
            await server.ensure()
        case ServerKind.V2:
            org = await _organisation(server, target.org)
            if org is None:
                raise SinkRejected(f"there is no organisation {target.org}", status=404, body="")
            bucket, _ = await _bucket(server, org, target.database, None)
            await _old_name(server, org, bucket, target.database)
        case ServerKind.V3:
            await _database_3(server, target.database, None)


async def _organisation(server: InfluxServer, name: str) -> str | None:
    """Its id; None where there is none of this name."""
    status, answer = await server.ask("GET", "/api/v2/orgs", {"org": name})
    if status not in (200, 404):
        raise _refused(server, "GET /api/v2/orgs", status, answer)
    found = answer.get("orgs", []) if status == 200 else []
    return str(found[0]["id"]) if found else None


async def _bucket(server: InfluxServer, org: str, name: str, keep_days: int | None) -> tuple[str, Done]:
    keep_s = 86400 * keep_days if keep_days else 0
    rules = [{"type": "expire", "everySeconds": keep_s}] if keep_s else []
    text = f"bucket {name}: {_days(keep_days)}"
    status, answer = await server.ask("GET", "/api/v2/buckets", {"orgID": org, "name": name})
    found = answer.get("buckets", []) if status == 200 else []
    if not found:
        content = {"orgID": org, "name": name, "retentionRules": rules}
        made = await _got(server, "POST", "/api/v2/buckets", {}, content)
        return str(made["id"]), Done(How.MADE, text)
    bucket = found[0]
    if keep_days is None:
        return str(bucket["id"]), Done(How.THERE, f"bucket {name}; its retention stays as it is")
    if _kept_s(bucket) == keep_s:
        return str(bucket["id"]), Done(How.THERE, text)
    await _got(server, "PATCH", f"/api/v2/buckets/{bucket['id']}", {}, {"retentionRules": rules})
    return str(bucket["id"]), Done(How.MADE, text)


def _kept_s(bucket: Mapping[str, Any]) -> int:
    return sum(int(rule.get("everySeconds", 0)) for rule in bucket.get("retentionRules", []))


async def _old_name(server: InfluxServer, org: str, bucket: str, name: str) -> Done:
    """InfluxQL knows databases and policies: a mapping says which bucket that is (DBRP)."""
    text = f"database {name} for InfluxQL (DBRP mapping)"
    found = await _got(server, "GET", "/api/v2/dbrps", {"orgID": org, "db": name})
    if any(mapping.get("bucketID") == bucket for mapping in found.get("content", [])):
        return Done(How.THERE, text)
    content = {"orgID": org, "bucketID": bucket, "database": name, "retention_policy": AUTOGEN, "default": True}
    await _got(server, "POST", "/api/v2/dbrps", {}, content)
    return Done(How.MADE, text)


async def _set_up_3(server: InfluxServer, wanted: Wanted) -> list[Done]:
    name = wanted.target.database
    done = await _database_3(server, name, wanted.keep_days)
    done += [
        await _token_3(server, f"taktline-writes-{name}", wanted.writer_file, wanted),
        await _token_3(server, f"taktline-reads-{name}", wanted.reader_file, wanted),
    ]
    enterprise = f"Enterprise: influxdb3 create token --permission 'db:{name}:read' --name {wanted.reader}"
    return [*done, Done(How.BY_HAND, f"{NO_READERS}. {enterprise}")]


async def _database_3(server: InfluxServer, name: str, keep_days: int | None) -> list[Done]:
    status, answer = await server.ask("GET", "/api/v3/configure/database", {"format": "json"})
    if status != 200 or not isinstance(answer, list):
        raise _refused(server, "GET /api/v3/configure/database", status, answer)
    if name not in {database.get("iox::database") for database in answer}:
        content = {"db": name} | ({"retention_period": f"{keep_days}d"} if keep_days else {})
        status, answer = await server.ask("POST", "/api/v3/configure/database", {}, content)
        if status not in (200, 201) or isinstance(answer, str):  # it says nothing, or JSON; not a proxy's page
            raise _refused(server, "POST /api/v3/configure/database", status, answer)
        return [Done(How.MADE, f"database {name}: {_days(keep_days)}")]
    done = [Done(How.THERE, f"database {name}; its retention stays as it is")]
    if keep_days:
        text = (
            f"whether it is {_days(keep_days)} is not told here. Core keeps the retention that a database "
            "was made with: make another one and `mes influx backfill` it. Enterprise: influxdb3 update database "
            f"--database {name} --retention-period {keep_days}d"
        )
        done.append(Done(How.BY_HAND, text))
    return done


async def _token_3(server: InfluxServer, token: str, file: str, wanted: Wanted) -> Done:
    """An administrator's token with a name of its own; the server shows its secret once."""
    path = "/api/v3/configure/token/named_admin"
    status, answer = await server.ask("POST", path, {}, {"token_name": token})
    if status == CONFLICT:
        lost = f"if its secret is lost, influxdb3 delete token --token-name {token}, then run this again"
        return Done(How.THERE, f"token {token}; {lost}")
    if status not in (200, 201) or not isinstance(answer, dict):
        raise _refused(server, f"POST {path}", status, answer)
    wanted.keep(file, str(answer["token"]))
    return Done(How.MADE, f"token {token}", file)


async def is_core(server: InfluxServer) -> bool:
    """Whether this is InfluxDB 3 Core, where NO_READERS holds; raises SinkUnavailable."""
    if await server.kind() is not ServerKind.V3:
        return False
    _, answer = await server.ask("GET", "/ping")
    return isinstance(answer, dict) and "Core" in str(answer.get("product_name"))


async def _got(
    server: InfluxServer, method: str, path: str, query: Mapping[str, str], content: object = None
) -> dict[str, Any]:
    status, answer = await server.ask(method, path, query, content)
    if status not in (200, 201) or not isinstance(answer, dict):
        raise _refused(server, f"{method} {path}", status, answer)
    return answer


def _refused(server: InfluxServer, what: str, status: int, answer: object) -> SinkRejected:
    said = str(answer.get("message") or answer.get("error") if isinstance(answer, dict) else answer)
    said = server.without_secret(said)
    hint = "; is this an administrator's secret?" if status in (401, 403) else ""
    return SinkRejected(f"{what}: HTTP {status}: {said}{hint}", status=status, body=said)


def _identifier(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _days(keep_days: int | None) -> str:
    return f"kept for {keep_days} days" if keep_days else "kept for ever"
