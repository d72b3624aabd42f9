"""`mes influx setup` and `check`: on a real influxd 1.6.7, with and without passwords, and as 2.x and 3 document it.

TAKTLINE_TEST_INFLUX_URL names a running server of any generation that is checked too, with its database, organisation,
user and secret in TAKTLINE_TEST_INFLUX_DATABASE, _ORG, _USER and _SECRET.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result
from given_influx import URL, given_target
from influx_admin_stand_in import ADMIN, modern
from influx_stand_in import stand_in
from influxd import CONFIG, Influxd, private_influxd

from mes.cli import mes
from mes.config.load import default_config
from mes.errors import SinkRejected, SinkUnknown
from mes.influx.admin import AUTOGEN, Done, How, Wanted, retention, set_up
from mes.influx.probe import may_write, probe
from mes.influx.server import InfluxServer, Target

WITH_PASSWORDS = CONFIG.replace("[http]\n", "[http]\n  auth-enabled = true\n")

pytestmark = [pytest.mark.influxd, pytest.mark.timeout(30)]


def wanted(target: Target, keep_days: int | None = None, kept: dict[str, str] | None = None) -> Wanted:
    """What a plant wants; new secrets go to `kept`."""
    secrets = {} if kept is None else kept
    return Wanted(target, keep_days, "grafana", "influx-secret", "grafana-influx-secret", secrets.__setitem__)


def told(done: list[Done], how: How) -> list[str]:
    """What was done so."""
    return [step.text for step in done if step.how is how]


@pytest.fixture
async def closed(tmp_path: Path) -> AsyncIterator[Influxd]:
    """An influxd that asks who one is, with its administrator."""
    async with private_influxd(tmp_path, WITH_PASSWORDS) as server:
        async with InfluxServer(Target(server.url, "plant")) as first:
            await first.query("CREATE USER root WITH PASSWORD 'rootpassword' WITH ALL PRIVILEGES")
        yield server


async def test_an_open_server_gets_its_database_and_a_warning(tmp_path: Path) -> None:
    """Without passwords the database and its retention are made, and it is said that anybody may read and write."""
    async with private_influxd(tmp_path) as influxd, InfluxServer(Target(influxd.url, "plant")) as server:
        first = await set_up(server, wanted(Target(influxd.url, "plant"), 400))
        second = await set_up(server, wanted(Target(influxd.url, "plant"), 400))
        await set_up(server, wanted(Target(influxd.url, "plant")))
        policies = {row["name"]: row["duration"] for row in await server.query('SHOW RETENTION POLICIES ON "plant"')}

    assert told(first, How.MADE) == ["database plant", "retention policy autogen: kept for 400 days"]
    assert told(second, How.MADE) == []
    assert policies == {AUTOGEN: "9600h0m0s"}
    assert "auth-enabled" in told(first, How.BY_HAND)[0]


async def test_a_closed_server_gets_one_who_writes_and_one_who_reads(closed: Influxd) -> None:
    """Both users can do what they are for and no more; a second run makes nothing and no new secret."""
    admin = Target(closed.url, "plant", user="root", secret="rootpassword")
    target = Target(closed.url, "plant", user="taktline")
    async with InfluxServer(admin) as server:
        secrets: dict[str, str] = {}
        first = await set_up(server, wanted(target, kept=secrets))
        second = await set_up(server, wanted(target, kept={}))

    assert told(second, How.MADE) == []
    async with InfluxServer(Target(closed.url, "plant", user="taktline", secret=secrets["influx-secret"])) as writer:
        assert (await probe(writer)).server == "1.x (1.6.7~rc0)"
    async with InfluxServer(
        Target(closed.url, "plant", user="grafana", secret=secrets["grafana-influx-secret"])
    ) as one:
        assert await one.query('SELECT count("said") AS n FROM "canary"') == [{"time": 0, "n": 1}]
        assert not await may_write(one)
    async with InfluxServer(Target(closed.url, "plant")) as nobody:
        with pytest.raises(SinkRejected, match="401"):
            await nobody.query("SHOW DATABASES")
    assert all(str(secret) not in repr(first) for secret in secrets.values())


async def test_2x_gets_organisation_bucket_mapping_and_tokens() -> None:
    """Everything is made by the documented requests, once; another retention changes the bucket and nothing else."""
    async with modern("2.7.11") as there, InfluxServer(Target(there.url, "plant", org="jac", secret=ADMIN)) as server:
        target = Target(there.url, "plant", org="jac")
        secrets: dict[str, str] = {}
        await set_up(server, wanted(target, 30, secrets))
        made = list(there.posted)
        second = await set_up(server, wanted(target, 30))
        await set_up(server, wanted(target))
        assert there.posted == made
        await set_up(server, wanted(target, 60))
        rules = [{"type": "expire", "everySeconds": 60 * 86400}]
        assert there.posted[len(made) :] == [(f"/api/v2/buckets/{there.buckets[0]['id']}", {"retentionRules": rules})]

    assert told(second, How.MADE) == []
    assert [path for path, _ in made] == [
        "/api/v2/orgs",
        "/api/v2/buckets",
        "/api/v2/dbrps",
        "/api/v2/authorizations",
        "/api/v2/authorizations",
    ]
    org, bucket = there.orgs[0]["id"], there.buckets[0]["id"]
    assert made[1][1] == {
        "orgID": org,
        "name": "plant",
        "retentionRules": [{"type": "expire", "everySeconds": 30 * 86400}],
    }
    assert made[2][1] == {
        "orgID": org,
        "bucketID": bucket,
        "database": "plant",
        "retention_policy": AUTOGEN,
        "default": True,
    }
    actions = [[permission["action"] for permission in content["permissions"]] for _, content in made[3:]]
    assert actions == [["read", "write"], ["read"]]
    assert secrets == {"influx-secret": "new-secret-4", "grafana-influx-secret": "new-secret-5"}


async def test_2x_gets_tokens_for_each_bucket() -> None:
    """A second plant of the organisation, or a database of another name, has tokens of its own."""
    async with modern("2.7.11") as there, InfluxServer(Target(there.url, "plant", org="jac", secret=ADMIN)) as server:
        for database in ("plant", "plant2"):
            secrets: dict[str, str] = {}
            await set_up(server, wanted(Target(there.url, database, org="jac"), kept=secrets))
            assert set(secrets) == {"influx-secret", "grafana-influx-secret"}


async def test_3_gets_its_database_and_tokens_and_says_what_core_cannot() -> None:
    """Database and tokens are made, once; that Core has no tokens that only read is said."""
    async with modern("3.2.1") as there, InfluxServer(Target(there.url, "plant", secret=ADMIN)) as server:
        secrets: dict[str, str] = {}
        first = await set_up(server, wanted(Target(there.url, "plant"), 30, secrets))
        second = await set_up(server, wanted(Target(there.url, "plant"), 30))

        assert await server.about() == "3.x (3.2.1)"
    assert there.posted == [
        ("/api/v3/configure/database", {"db": "plant", "retention_period": "30d"}),
        ("/api/v3/configure/token/named_admin", {"token_name": "taktline-writes-plant"}),
        ("/api/v3/configure/token/named_admin", {"token_name": "taktline-reads-plant"}),
    ]
    assert list(secrets.values()) == [token["token"] for token in there.tokens]
    assert told(second, How.MADE) == []
    assert [text for text in told(second, How.THERE) if "influxdb3 delete token --token-name taktline-" in text] != []
    assert "Core knows no token that only reads" in told(first, How.BY_HAND)[0]


async def test_3_gets_tokens_for_each_database() -> None:
    """Names of tokens are the server's: a second plant's are others."""
    async with modern("3.2.1") as there, InfluxServer(Target(there.url, "plant", secret=ADMIN)) as server:
        for database in ("plant", "plant2"):
            secrets: dict[str, str] = {}
            await set_up(server, wanted(Target(there.url, database), kept=secrets))
            assert len(secrets) == 2


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("2.7.11", "HTTP 401: unauthorized access; is this an administrator's secret"),
        ("3.2.1", "refuses the secret at /ping .HTTP 401.* as InfluxDB 3 does"),
    ],
)
async def test_who_is_no_administrator_is_told_so(version: str, said: str) -> None:
    """A secret that may not: what was asked, the server's word, and what to look at; 3 refuses it at the first word."""
    async with modern(version) as there, InfluxServer(Target(there.url, "plant", secret="wrong")) as server:
        with pytest.raises(SinkRejected, match=said):
            await set_up(server, wanted(Target(there.url, "plant")))
        assert there.posted == []


@pytest.mark.parametrize("version", ["2.7.11", "3.2.1"])
@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, {"message": "forbidden"}, "HTTP 403: forbidden; is this an administrator's secret"),
        (409, {"message": "already exists"}, "HTTP 409: already exists"),
        (422, {"message": "retention too short"}, "HTTP 422: retention too short"),
        (200, "<html>log in first</html>", "HTTP 200: <html>log in first"),
    ],
)
async def test_what_is_refused_is_said(version: str, status: int, body: object, said: str) -> None:
    """A server that refuses, or a proxy that answers in its place: nothing is taken for made."""
    async with modern(version) as there, InfluxServer(Target(there.url, "plant", secret=ADMIN)) as server:
        there.next_post = (
            web.Response(status=status, text=body, content_type="text/html")
            if isinstance(body, str)
            else web.json_response(body, status=status)
        )
        secrets: dict[str, str] = {}
        with pytest.raises(SinkRejected, match=said):
            await set_up(server, wanted(Target(there.url, "plant"), 30, secrets))
    assert secrets == {}
    assert there.posted == []


async def test_how_long_is_kept_is_told(tmp_path: Path) -> None:
    """As the server has it, on each generation that tells."""
    async with private_influxd(tmp_path) as influxd, InfluxServer(Target(influxd.url, "plant")) as server:
        target = Target(influxd.url, "plant")
        await set_up(server, wanted(target))
        assert await retention(server, target) == "kept for ever"
        await set_up(server, wanted(target, 400))
        assert await retention(server, target) == "kept for 400 days"
        absent = Target(influxd.url, "plant", retention_policy="short")
        assert await retention(server, absent) == "there is no retention policy short: `mes influx setup` makes it"
    async with modern("2.7.11") as there, InfluxServer(Target(there.url, "plant", org="jac", secret=ADMIN)) as server:
        target = Target(there.url, "plant", org="jac")
        assert await retention(server, target) == "its retention is not for this secret to see"
        await set_up(server, wanted(target, 30))
        assert await retention(server, target) == "kept for 30 days"


async def test_another_retention_on_3_is_not_passed_over() -> None:
    """The server cannot be asked what it keeps, so a wish that may not hold is said."""
    async with modern("3.2.1") as there, InfluxServer(Target(there.url, "plant", secret=ADMIN)) as server:
        await set_up(server, wanted(Target(there.url, "plant"), 30))
        again = await set_up(server, wanted(Target(there.url, "plant"), 60))
    assert "whether it is kept for 60 days is not told" in told(again, How.BY_HAND)[0]


async def test_who_does_not_say_what_it_is_gets_nothing() -> None:
    """A server that is no InfluxDB is never written to: what answered, and where to look, is said."""
    async with stand_in("") as there, InfluxServer(Target(there.url, "plant")) as server:
        with pytest.raises(SinkUnknown, match=r"does not say that it is InfluxDB \(/ping: HTTP 204 from Python"):
            await server.write(b"canary,of=x ok=true")
        assert there.requests == 0


async def test_another_server_that_comes_back_is_known_again() -> None:
    """After a lost connection the server is asked again what it is."""
    async with stand_in("v2.7.11") as there, InfluxServer(Target(there.url, "plant")) as server:
        assert await server.about() == "2.x (2.7.11)"
        there.version = "1.8.10"
        assert await server.about() == "2.x (2.7.11)"
        there.next_answers = [("hang-up", {})]
        with pytest.raises(Exception, match="Disconnected"):
            await server.write(b"canary,of=x ok=true")
        assert await server.about() == "1.x (1.8.10)"


async def test_who_refuses_is_asked_again_what_it_is() -> None:
    """Another server may refuse before any connection is lost; lines that are refused are no sign of that."""
    async with stand_in("v2.7.11") as there, InfluxServer(Target(there.url, "plant")) as server:
        await server.kind()
        there.version = "1.8.10"
        for status, about in ((400, "2.x (2.7.11)"), (404, "1.x (1.8.10)")):
            there.next_answers = [(status, {})]
            with pytest.raises(SinkRejected):
                await server.write(b"canary,of=x ok=true")
            assert await server.about() == about


@pytest.mark.parametrize(("who", "found"), [("influxdb", "2.x (2.7.11)"), ("shop", None)])
async def test_the_version_is_found_at_health_too(who: str, found: str | None) -> None:
    """A proxy may let no header of /ping through; a health page of something else is not taken for InfluxDB's."""

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({"name": who, "status": "pass", "version": "v2.7.11"})

    app = web.Application()
    app.router.add_get("/health", health)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with InfluxServer(Target(f"http://127.0.0.1:{runner.addresses[0][1]}", "plant")) as server:
            if found is None:
                with pytest.raises(SinkUnknown, match="HTTP 404"):
                    await server.about()
            else:
                assert await server.about() == found
    finally:
        await runner.cleanup()


async def run(*words: str, folder: Path | None = None) -> Result:
    """`mes` as an engineer types it."""
    environment = {} if folder is None else {"CREDENTIALS_DIRECTORY": str(folder)}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, mes, list(words))


async def test_the_commands_lead_to_a_working_server(closed: Influxd, tmp_path: Path) -> None:
    """Setup writes secrets to files for their owner alone and shows none; check proves both; twice changes nothing."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "admin").write_text("rootpassword\n")
    plant = tmp_path / "plant.yaml"
    influx = f"\ninflux:\n  url: {closed.url}\n  database: plant\n  user: taktline\n  credential: influx-secret\n"
    plant.write_text(default_config().read_text() + influx)
    setup = ["influx", "setup", "--config", str(plant), "--admin-user", "root", "--admin-credential", "admin"]

    first = await run(*setup, "--secrets", str(folder), folder=folder)
    assert first.exit_code == 0, first.output
    made = {name: (folder / name).read_text().strip() for name in ("influx-secret", "grafana-influx-secret")}
    assert all(secret not in first.output for secret in made.values())
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in made)
    check = ["influx", "check", "--config", str(plant), "--reader-credential", "grafana-influx-secret"]
    good = await run(*check, folder=folder)
    assert good.exit_code == 0, good.output
    assert "1.x (1.6.7~rc0)" in good.output
    assert "database plant (kept for ever): good" in good.output
    assert "reads and cannot write" in good.output
    second = await run(*setup, "--secrets", str(folder), folder=folder)
    assert "made" not in second.output.split("Grafana:")[0]
    assert {name: (folder / name).read_text().strip() for name in made} == made


@pytest.mark.parametrize(
    ("edition", "code", "said"),
    [("Core", 0, "Core knows no token that only reads"), ("Enterprise", 1, "can write: make one that only reads")],
)
async def test_the_commands_lead_to_a_working_3(tmp_path: Path, edition: str, code: int, said: str) -> None:
    """On Core the check ends well, though Grafana's token may write; Enterprise could do better, so there it fails."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "admin").write_text(ADMIN)
    plant = tmp_path / "plant.yaml"
    async with modern("3.9.6") as there:
        there.edition = edition
        influx = f"\ninflux:\n  url: {there.url}\n  database: plant\n  credential: influx-secret\n"
        plant.write_text(default_config().read_text() + influx)
        setup = ["influx", "setup", "--config", str(plant), "--admin-credential", "admin", "--secrets", str(folder)]
        first = await run(*setup, folder=folder)
        assert first.exit_code == 0, first.output
        made = {name: (folder / name).read_text().strip() for name in ("influx-secret", "grafana-influx-secret")}
        assert list(made.values()) == [token["token"] for token in there.tokens]
        assert all(secret not in first.output for secret in made.values())
        second = await run(*setup, folder=folder)
        assert {name: (folder / name).read_text().strip() for name in made} == made
        assert "made" not in second.output.split("Grafana:")[0]
        check = ["influx", "check", "--config", str(plant), "--reader-credential", "grafana-influx-secret"]
        checked = await run(*check, folder=folder)
    assert "3.x (3.9.6)" in checked.output
    assert (checked.exit_code, said in checked.output + str(checked.exception)) == (code, True), checked.output


@pytest.mark.parametrize("url", ["a private 1.x", *([URL] if URL else [])])
async def test_a_canary_goes_there_and_back(url: str, tmp_path: Path) -> None:
    """On every server that there is, of any generation, what is written is read back."""
    async with private_influxd(tmp_path) as private:
        target = Target(private.url, "plant")
        if url == URL:
            target = given_target()
        async with InfluxServer(target) as server:
            await server.ensure()
            assert (await probe(server)).server
