"""The real program beside damaged, missing and taken files and ports: only the journal itself may stop collecting."""

import contextlib
import socket
import sqlite3
from pathlib import Path

import pytest
from small_plant import small_plant

from mes.demo.influxd import free_port

pytestmark = pytest.mark.timeout(180)

GARBAGE = b"garbage" * 1000


async def test_everything_that_is_derived_may_be_damaged_at_once(tmp_path: Path) -> None:
    """Accounts, hourly components, station states, proofs of life, cursors: every part is counted once all the same."""
    async with small_plant(tmp_path) as plant:
        await plant.start()
        await plant.collects()
        assert await plant.stop() == 0
        for name in ("people.sqlite", "journal.sqlite.hourly"):
            (plant.folder / name).write_bytes(GARBAGE)
        with contextlib.closing(sqlite3.connect(plant.journal)) as journal, journal:
            journal.execute("UPDATE station_state SET body = '{'")
            journal.execute("UPDATE observed SET time_us = 9223372036854775807")
            journal.execute("INSERT OR REPLACE INTO consumer VALUES ('influx-events', 'many', '')")
        plant.make(2)
        await plant.start()
        await plant.collects()
        assert [(await plant.page(path))[0] for path in ("/healthz", "/", "/shift")] == [200, 200, 200]
        assert await plant.stop() == 0
        assert plant.counted() == plant.made == 8
        assert plant.log("hourly_file_unusable")
        assert plant.log("station_states_damaged")


async def test_accounts_that_cannot_be_read_are_not_overwritten(tmp_path: Path) -> None:
    """The board says that nobody can sign in and why, in health too; what was readable by all stays so."""
    async with small_plant(tmp_path) as plant:
        (tmp_path / "people.sqlite").write_bytes(GARBAGE)
        await plant.start()
        await plant.collects()
        await plant.until(lambda: bool(plant.log("accounts_unreadable")))
        status, text = await plant.page("/")
        assert (status, "Nobody can sign in" in text) == (200, True)
        assert "Nobody can sign in" in (await plant.page("/login"))[1]
        status, text = await plant.page("/readyz")
        assert (status, "accounts: " in text) == (200, True)
        assert 'taktline_part_failed{part="accounts"} 1.0' in (await plant.page("/metrics"))[1]
        assert await plant.stop() == 0
        assert (tmp_path / "people.sqlite").read_bytes() == GARBAGE
        assert len(plant.log("accounts_unreadable")) == 1


async def test_a_taken_port_is_tried_again(tmp_path: Path) -> None:
    """While another program has the board's port collecting goes on, and one line of the log names address and remedy.

    Once it is free, board and health are served, and neither health nor the board shows the trouble any more.
    """
    async with small_plant(tmp_path) as plant:
        with socket.create_server(("127.0.0.1", plant.board)):
            await plant.start()
            await plant.collects()
            await plant.until(lambda: bool(plant.log("consumer_failed")))
            await plant.collects()
        assert (await plant.page("/healthz"))[0] == 200
        (line,) = plant.log("consumer_failed")
        assert (line["consumer"], float(line["retry_s"])) == ("board", 5.0)
        assert f"port {plant.board}: address already in use" in line["detail"]
        assert "stop the program that has this address" in line["detail"]
        assert len(plant.log("board_served")) == 1
        status, ready = await plant.page("/readyz")
        assert (status, "board" in ready) == (200, False), ready
        assert 'part="board"' not in (await plant.page("/metrics"))[1]
        assert await plant.stop() == 0


async def test_missing_files_of_the_certificate_are_waited_for(tmp_path: Path) -> None:
    """Without the board's certificate collecting goes on, and one line says which file is missing."""
    async with small_plant(tmp_path) as plant:
        plant.web = (
            f"{{host: 127.0.0.1, port: {free_port()}, certificate: {tmp_path}/no.pem, key: {tmp_path}/no-key.pem}}"
        )
        await plant.start()
        await plant.collects()
        await plant.until(lambda: bool(plant.log("consumer_failed")))
        await plant.collects()
        assert await plant.stop() == 0
        (line,) = plant.log("consumer_failed")
        assert "no.pem cannot be read" in line["detail"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "no text"])
async def test_a_missing_secret_of_influxdb_stops_no_collecting(tmp_path: Path, content: bytes | None) -> None:
    """Without the token nothing is forwarded, and log, health and board say why; collecting goes on."""
    async with small_plant(tmp_path) as plant:
        plant.tail = "influx: {url: 'http://127.0.0.1:9', database: plant, credential: influx-token}"
        if content is not None:
            (tmp_path / "influx-token").write_bytes(content)
        await plant.start(CREDENTIALS_DIRECTORY=str(tmp_path))
        await plant.collects()
        await plant.until(lambda: bool(plant.log("consumer_failed")))
        assert "influx: the credential 'influx-token'" in (await plant.page("/readyz"))[1]
        assert "Nothing goes to InfluxDB" in (await plant.page("/"))[1]
        assert await plant.stop() == 0
