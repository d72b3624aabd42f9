"""`mes demo --influx` with a server that the environment names: it is checked before the plant starts."""

from datetime import timedelta
from pathlib import Path

import pytest
from influx_admin_stand_in import ADMIN, Modern, modern
from influx_stand_in import stand_in

from mes.config.models.plant import InfluxShape
from mes.demo.forwarding import DATABASE, check_given
from mes.demo.run import Forwarding, Options, Progress, run_demo
from mes.errors import ConfigError, leaves

pytestmark = pytest.mark.timeout(60)


def given(url: str, *, org: str | None = "jac", credential: str | None = "influx-secret") -> InfluxShape:
    """As the environment would name it."""
    return InfluxShape(url=url, database=DATABASE, org=org, credential=credential)


def keep(monkeypatch: pytest.MonkeyPatch, folder: Path, secret: str) -> None:
    """The credential."""
    (folder / "influx-secret").write_text(secret)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))


def with_writer(there: Modern, *, bucket: str = "elsewhere") -> str:
    """An organisation, and a token for one bucket that is no administrator's."""
    there.orgs.append({"id": "1", "name": "jac"})
    resource = {"type": "buckets", "id": bucket}
    permissions = [{"action": action, "resource": resource} for action in ("read", "write")]
    there.tokens.append({"token": "writer-of-one-bucket", "permissions": permissions})
    return "writer-of-one-bucket"


async def test_a_bucket_that_is_not_there_ends_the_demo_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No plant runs for minutes first; the bucket is named, and what to do."""
    async with modern("v2.8.0") as there:
        keep(monkeypatch, tmp_path, with_writer(there))
        options = Options(timedelta(minutes=20), 600, 7, journal=tmp_path / "j", influx=Forwarding(given(there.url)))
        with pytest.raises(ConfigError, match=f"{DATABASE}.{{2}} not found.*make the database with `mes influx setup`"):
            await run_demo(options)

    assert not (tmp_path / "j" / "journal.sqlite").exists()
    assert there.posted == []


@pytest.mark.parametrize("version", ["v2.8.0", "3.9.6"])
async def test_an_administrators_token_makes_it(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bucket and mapping on 2.x, the database on 3, and no tokens; a second time nothing."""
    keep(monkeypatch, tmp_path, ADMIN)
    async with modern(version) as there:
        there.orgs.append({"id": "1", "name": "jac"})
        await check_given(given(there.url))
        made = [path.rpartition("/")[2] for path, _ in there.posted]
        await check_given(given(there.url))

        assert made == (["buckets", "dbrps"] if version.startswith("v2") else ["database"])
        assert len(there.posted) == len(made)
        assert DATABASE in there.databases


async def test_a_token_of_the_bucket_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may look at nothing but the bucket, which is there."""
    async with modern("v2.8.0") as there:
        there.make_database(DATABASE)
        there.buckets.append({"id": "b", "name": DATABASE})
        keep(monkeypatch, tmp_path, with_writer(there, bucket="b"))
        await check_given(given(there.url))
        assert there.posted == []


async def test_a_server_that_refuses_meanwhile_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with the server's words, and not as if this computer were slow."""
    keep(monkeypatch, tmp_path, ADMIN)
    async with modern("v2.8.0") as there:
        there.orgs.append({"id": "1", "name": "jac"})

        def refuse(_: Progress) -> None:
            there.broken = True

        options = Options(timedelta(minutes=20), 600, 7, journal=tmp_path / "j", influx=Forwarding(given(there.url)))
        with pytest.raises(BaseExceptionGroup) as ended:
            await run_demo(options, watch=refuse)
    said = [str(error) for error in leaves(ended.value)]
    assert any("InfluxDB refuses" in text and "write buffer error" in text for text in said), said


async def test_an_organisation_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be misspelt; it is named."""
    keep(monkeypatch, tmp_path, ADMIN)
    async with modern("v2.8.0") as there:
        with pytest.raises(ConfigError, match="there is no organisation jac"):
            await check_given(given(there.url))
        assert there.posted == []


async def test_1x_makes_its_database() -> None:
    """As the collector does."""
    async with stand_in("1.6.7") as there:
        await check_given(given(there.url, credential=None))
        assert DATABASE in there.databases


async def test_nobody_there_is_told_at_once() -> None:
    """The address is named."""
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9"):
        await check_given(given("http://127.0.0.1:9", credential=None))
