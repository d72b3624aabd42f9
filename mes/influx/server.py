"""One InfluxDB server of any generation: what it is, how it is written to, and what its answers mean."""

import base64
import gzip
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mes.errors import SinkRejected, SinkUnavailable, SinkUnknown
from mes.stopping import in_thread

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

TIMEOUT = timedelta(seconds=10)
FORM = "application/x-www-form-urlencoded"
HIDDEN = "[secret]"
SHORT_SECRET = 8  # characters; a shorter one is part of many words
BODY_SHOWN = 500  # characters of a server's answer that are kept in an error
RETRY_AFTER_RANGE_S = (1.0, 300.0)


class ServerKind(StrEnum):
    """Generations that differ in how they are written to; 2.x and 3 take the same requests."""

    V1 = "1"
    V2 = "2"
    V3 = "3"


OF_THE_DATA = frozenset(
    {400, 413, 422}
)  # refusals of what was sent; every other one may mean that this is another server


@dataclass(frozen=True, slots=True)
class Target:
    """Where to write. 1.x: database, retention policy, user and password; 2.x and 3: org, bucket and token.

    `secret` is the password or the token; it is left out of the object's text.
    """

    url: str
    database: str
    retention_policy: str | None = None
    org: str = "-"
    user: str | None = None
    secret: str | None = field(default=None, repr=False)
    kind: ServerKind | None = None  # None: ask the server


def load_client() -> None:
    """Imports the client's library, which takes half a second: whoever collects does it before anything is read."""
    importlib.import_module("aiohttp")
    importlib.import_module("influxdb_client.client.influxdb_client_async")


class InfluxServer:
    """An open client; `async with`. Every failure is a SinkUnavailable (try again) or a SinkRejected (hold)."""

    def __init__(self, target: Target, *, timeout: timedelta = TIMEOUT) -> None:
        """Connects to nothing yet; `timeout` is how long one answer may take, in real time."""
        self._timeout = timeout
        self._target = target
        self._secret = _as_repeated(target)
        self._kind = target.kind
        self._version = ""
        self._signature: str | None = None  # the version's header in the answers to writes; 3 has none there
        self._client: InfluxDBClientAsync | None = None

    async def __aenter__(self) -> Self:
        from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

        target = self._target
        token = target.secret or ""
        if target.user is not None:
            token = f"{target.user}:{target.secret or ''}"
        # Redirects are never followed: they turn a POST into a GET of a login page, or send the token elsewhere.
        self._client = InfluxDBClientAsync(
            target.url.rstrip("/"),
            token=token,
            org=target.org,
            timeout=self._timeout // timedelta(milliseconds=1),
            allow_redirects=False,
            auth_basic=target.user is not None,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()  # type: ignore[no-untyped-call]  # the library is only partly typed
            self._client = None

    async def kind(self) -> ServerKind:
        """The server's generation: as configured, else as it says.

        It is asked again once the connection was lost, it refused us, or another version answered a write.
        """
        if self._kind is None:
            status, headers, text = await self._call("GET", "/ping", {})
            if status == 429 or status >= 500:
                self._judge(status, headers, "")
            if status in (401, 403):
                raise SinkUnknown(
                    f"{self._target.url} refuses the secret at /ping ({_what_answered(status, headers)}), as InfluxDB "
                    "3 does: nothing is written there; look at the secret and at `url`",
                    status=status,
                    body="",
                )
            version = headers.get("x-influxdb-version", "").lstrip("v") or _version_in(text)
            if status not in (200, 204) or not version[:1].isdigit():
                version = await self._version_by_health()
            if not version[:1].isdigit():
                raise SinkUnknown(
                    f"{self._target.url} does not say that it is InfluxDB (/ping: {_what_answered(status, headers)}): "
                    "nothing is written there; look at `url` and at the secret, or say `server: 1`, `2` or `3` in the "
                    "plant's file",
                    status=status,
                    body="",
                )
            self._version, self._signature = version, None
            self._kind = {"0": ServerKind.V1, "1": ServerKind.V1, "3": ServerKind.V3}.get(version[0], ServerKind.V2)
        return self._kind

    async def about(self) -> str:
        """Generation and version, as in `1.x (1.6.7)`; asks the server if it must."""
        kind = await self.kind()
        return f"{kind}.x ({self._version})" if self._version else f"{kind}.x (as the plant's file says)"

    async def _version_by_health(self) -> str:
        """The version as 2.x says it at /health, for a proxy that lets no header of /ping through; empty: not told."""
        status, _, text = await self._call("GET", "/health", {})
        return _version_in(text, of="influxdb") if status in (200, 503) else ""

    async def write(self, body: bytes) -> None:
        """Stores lines of line protocol; returns only when the server says that it has them."""
        packed = await in_thread(gzip.compress, body, 1)
        target = self._target
        if await self.kind() is ServerKind.V1:
            query = {"db": target.database, "precision": "ns"}
            if target.retention_policy:
                query["rp"] = target.retention_policy
            path = "/write"
        else:
            path, query = "/api/v2/write", {"org": target.org, "bucket": target.database, "precision": "ns"}
        status, headers, text = await self._call("POST", path, query, packed=packed)
        try:
            self._judge(status, headers, text)
        except SinkRejected:
            if status not in OF_THE_DATA:
                self._kind = self._target.kind
            raise
        signature = headers.get("x-influxdb-version", "")
        if self._signature not in (None, signature):  # another server took its place between two requests
            self._kind = self._target.kind
        self._signature = signature

    async def ensure(self) -> bool:
        """Creates the database on a 1.x server (harmless where it exists); False where that is an engineer's task."""
        if await self.kind() is not ServerKind.V1:
            return False
        name = self._target.database.replace("\\", "\\\\").replace('"', '\\"')
        await self.query(f'CREATE DATABASE "{name}"')
        return True

    async def query(self, influxql: str) -> list[dict[str, Any]]:
        """Rows of the first statement's series, each with its tags; times in ns. For self-checks and tests."""
        form = {"db": self._target.database, "q": influxql, "epoch": "ns"}
        status, headers, text = await self._call("POST", "/query", {}, form=form)
        if status != 200:
            self._judge(status, headers, text)
        try:
            first = json.loads(text)["results"][0]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise SinkRejected(
                "the answer to a query is not InfluxDB's", status=status, body=self.without_secret(text)
            ) from error
        if "error" in first:
            said = self.without_secret(str(first["error"]))
            raise SinkRejected(said, status=status, body=said)
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in first.get("series", [])
            for row in series.get("values", [])
        ]

    async def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, content: object = None
    ) -> tuple[int, Any]:
        """A request of the server's own interface, `content` as JSON; returns the status and the answer's JSON.

        Raises SinkUnavailable where there is no answer, or one of 429 or 5xx. The answer may repeat the secret:
        `without_secret` makes it fit for an error.
        """
        status, headers, text = await self._call(method, path, dict(query or {}), content=content)
        if status == 429 or status >= 500:
            self._judge(status, headers, text)
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text

    async def _call(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        *,
        packed: bytes | None = None,
        form: Mapping[str, str] | None = None,
        content: object = None,
    ) -> tuple[int, dict[str, str], str]:
        """One request through influxdb-client's own layer; returns status, headers and text of any answer.

        The body is `packed` lines, a `form` or `content` as JSON. 3 answers no query that is sent as JSON.
        """
        import aiohttp
        from influxdb_client.rest import ApiException

        if self._client is None:
            raise SinkUnavailable("the client is closed")
        headers = {"Content-Type": "application/json"}  # the layer sends an empty body only so
        if form is not None:
            headers = {"Content-Type": FORM}
        elif packed is not None:
            headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "gzip"}
        try:
            answer = await self._client.api_client.call_api(  # type: ignore[no-untyped-call]
                path,
                method,
                query_params=list(query.items()),
                header_params=headers,
                body=packed if content is None else content,
                post_params=list((form or {}).items()),
                auth_settings=[],
                response_type=None,
                _preload_content=True,
                _return_http_data_only=False,
            )
        except ApiException as error:
            return int(error.status or 0), _lower(error.headers or {}), _text(error.body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._kind = self._target.kind  # who comes back may be another one
            raise SinkUnavailable(f"{type(error).__name__} at {self._target.url}") from error
        _, status, answered = answer
        return int(status), _lower(answered), _text(self._client.api_client.last_response.data)

    def _judge(self, status: int, headers: dict[str, str], text: str) -> None:
        """204 (and 201) means stored; 429 and 5xx ask for patience; all else needs a person, and nothing is dropped."""
        if status in (201, 204):
            return
        said = self.without_secret(text)
        if status == 429 or status >= 500:
            retry = retry_after_s(headers.get("retry-after"))
            raise SinkUnavailable(f"HTTP {status}: {said}", retry_after_s=retry)
        raise SinkRejected(f"HTTP {status}: {said}", status=status, body=said)

    def without_secret(self, text: str) -> str:
        """The beginning of an answer for an error, a log line or the quarantine: some servers repeat the secret.

        A short secret is hidden only as a word of its own: inside longer words it would make the text unreadable, and
        shows nothing there.
        """
        return (text if self._secret is None else self._secret.sub(HIDDEN, text))[:BODY_SHOWN]


def _as_repeated(target: Target) -> re.Pattern[str] | None:
    """The secret as a server may repeat it: plain, inside JSON, and as the header of Basic authentication."""
    secret = target.secret
    if not secret:
        return None
    basic = base64.b64encode(f"{target.user or ''}:{secret}".encode()).decode()
    plain = "|".join(re.escape(text) for text in (json.dumps(secret)[1:-1], secret))
    whole = rf"(?<!\w)(?:{plain})(?!\w)" if len(secret) < SHORT_SECRET else plain
    return re.compile(f"{re.escape(basic)}|{whole}")


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    """Names of headers have no case (RFC 9110 5.1)."""
    return {name.lower(): value for name, value in headers.items()}


def _version_in(text: str, *, of: str | None = None) -> str:
    """The version in the body of a /ping, where 3 says it, too, or of a /health, where `of` is who must say it."""
    try:
        said = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(said, dict) or (of is not None and said.get("name") != of):
        return ""
    return str(said.get("version", "")).lstrip("v")


def _what_answered(status: int, headers: Mapping[str, str]) -> str:
    """As in `HTTP 200 from nginx/1.22.1, text/html`."""
    said = [f"HTTP {status}"]
    if "server" in headers:
        said.append(f"from {headers['server']}")
    kind = headers.get("content-type", "").partition(";")[0]
    return " ".join(said) + (f", {kind}" if kind else "")


def _text(body: object) -> str:
    return body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")


def retry_after_s(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds from a Retry-After header (seconds or an HTTP date), between 1 and 300; None if it says nothing."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, TypeError):
            return None
    low, high = RETRY_AFTER_RANGE_S
    return min(max(seconds, low), high) if seconds == seconds else None
