"""The daemon against the simulated plant in another process and a real InfluxDB, killed and stopped again and again.

TAKTLINE_KILLS and TAKTLINE_SEED make it longer and another one, TAKTLINE_LEDGER names a file for what came of it;
`make torture` does.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from influxd import Influxd, private_influxd
from patience import limit_s, patiently, promised_s

from mes.config.load import default_config
from mes.influx.select import select
from mes.influx.server import InfluxServer, Target

KILLS = int(os.environ.get("TAKTLINE_KILLS", "30"))
SEED = int(os.environ.get("TAKTLINE_SEED", "5"))
LEDGER = os.environ.get("TAKTLINE_LEDGER")
OUTAGE_EVERY = 8  # kills; InfluxDB is away for the next two
LIVES_S = (0.2, 3.0)  # how long a daemon runs before it is killed or stopped, its start included; longer if it is slow
STOPPED, PAUSED = 0.3, 0.15  # how many of its lives end by SIGTERM, and how many are paused before
PAUSES_S = (0.1, 1.0)
STOPS_WITHIN_S = 10.0
PER_KILL_S = 2.3
LAST_S = 15.0  # real seconds of the plant that are left to the last daemon
SPEED = 240
SECURITY = "security: {policy: None, insecure: true}"
SHOWN = "2026-03-02T00:00:00Z"  # three hours before the shift begins, so that everybody is connected by then
LENGTH_S = int((60 + KILLS * PER_KILL_S) * SPEED)  # of the plant

pytestmark = [pytest.mark.timeout(150 + int(3 * KILLS * PER_KILL_S)), pytest.mark.influxd]


@pytest.fixture
async def influxd(tmp_path: Path) -> AsyncIterator[Influxd]:
    """A private influxd with nothing in it."""
    async with private_influxd(tmp_path) as server:
        yield server


def command(*words: str) -> list[str]:
    """`mes` as an engineer would type it."""
    return [str(Path(sys.executable).with_name("mes")), *words]


@contextmanager
def process(words: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the time of the block; what is left of it then is killed."""
    with log.open("ab") as output:
        running = subprocess.Popen(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def until(happens: Callable[[], Awaitable[bool]], deadline_s: float) -> None:
    """Waits for something that can only be asked for."""
    async with patiently(deadline_s):
        while not await happens():
            await asyncio.sleep(0.3)


async def test_influxdb_holds_exactly_what_was_made(influxd: Influxd, tmp_path: Path) -> None:
    """After a storm of kill -9, stops, pauses and outages, sums, ids and figures in InfluxDB are those of the truth."""
    print(f"seed {SEED}, {KILLS} kills")  # noqa: T201  # shown when the test fails
    truth_file, log = tmp_path / "truth.json", tmp_path / "processes.log"
    config = tmp_path / "plant.yaml"
    text = default_config().read_text().replace("var/taktline/journal.sqlite", f"{tmp_path}/journal.sqlite")
    # who is killed leaves its session behind, and controllers have few of them
    text = text.replace(SECURITY, f"{SECURITY}\n    session_timeout_s: 5")
    config.write_text(text + f"\ninflux:\n  url: {influxd.url}\n  database: plant\n")
    now = datetime.now(UTC).isoformat()
    pace = ["--speed", str(SPEED), "--clock", f"{SHOWN}@{now}"]
    simulate = command(*("simulate", *pace, "--seed", str(SEED), "--for", f"{LENGTH_S}s", "--truth", str(truth_file)))
    run = command("run", "--config", str(config), *pace)

    began_s = asyncio.get_running_loop().time()
    with process(simulate, log):
        await until(lambda: asyncio.to_thread(lambda: "In another terminal" in log.read_text()), 20)
        started_s = asyncio.get_running_loop().time()
        with process(run, log):  # what is made before anybody looked for the first time is not counted
            await until(lambda: asyncio.to_thread(lambda: log.read_text().count("controller_connected") >= 3), 40)
        took_s = asyncio.get_running_loop().time() - started_s
        happened = await storm(run, log, influxd, began_s + LENGTH_S / SPEED - LAST_S, 2 * took_s)
        begun = len(log.read_text())
        with process(run, log) as last:
            # it listens for SIGTERM then; on a slow machine all may be there before
            await until(lambda: asyncio.to_thread(lambda: "collector_started" in log.read_text()[begun:]), 40)
            await until(lambda: asyncio.to_thread(truth_file.exists), 60 + LENGTH_S / SPEED)
            truth = json.loads(truth_file.read_text())["stations"]
            assert sum(counts["good"] for counts in truth.values()) > 5 * KILLS
            async with InfluxServer(Target(influxd.url, "plant")) as server:

                async def all_there() -> bool:
                    return await stored_counts(server) == true_counts(truth) and await kpi_good(server) == good(truth)

                with suppress(TimeoutError):
                    await until(all_there, 30)
                if LEDGER:
                    await write_ledger(server, truth, happened, Path(LEDGER))
                assert await stored_counts(server) == true_counts(truth), log.read_text()[-3000:]
                stored, known = await stored_units(server), true_units(truth)
                assert not stored - known
                # a controller remembers sixteen units: where nobody came in time for one, the journal says so
                assert by_station(known - stored) == await unidentified(server)
                assert await kpi_good(server) == good(truth)
            last.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(last.wait, limit_s(10)) == 0, log.read_text()[-3000:]


async def storm(run: list[str], log: Path, influxd: Influxd, until_s: float, life_s: float) -> Counter[str]:
    """Starts the daemon and ends it, again and again; InfluxDB goes and comes meanwhile. Says what was done how often.

    `life_s`: the longest life, at least. Some must reach the controllers, which remember sixteen units each.
    Told to stop it ends in time and with exit code 0, once it has begun to listen for that. On a slow machine the storm
    ends before all kills, at `until_s` of the loop. What is made later has to be seen by the last daemon.
    """
    rng, happened = random.Random(SEED), Counter({"kills": 0, "stops": 0, "pauses": 0, "outages": 0})
    for kill in range(KILLS):
        if asyncio.get_running_loop().time() > until_s:
            break
        if kill % OUTAGE_EVERY == 3:
            happened["outages"] += 1
            await influxd.stop()
        if kill % OUTAGE_EVERY == 5:
            await influxd.start()
        begun = len(await asyncio.to_thread(log.read_text))
        with process(run, log) as running:
            await asyncio.sleep(rng.uniform(LIVES_S[0], max(life_s, promised_s(LIVES_S[1]))))
            assert running.poll() is None, await asyncio.to_thread(log.read_text)
            if rng.random() < PAUSED:
                happened["pauses"] += 1
                running.send_signal(signal.SIGSTOP)
                await asyncio.sleep(rng.uniform(*PAUSES_S))
                running.send_signal(signal.SIGCONT)
            happened["stops" if (is_stop := rng.random() < STOPPED) else "kills"] += 1
            if is_stop:
                running.send_signal(signal.SIGTERM)
                code = await asyncio.to_thread(running.wait, limit_s(STOPS_WITHIN_S))
                said = (await asyncio.to_thread(log.read_text))[begun:]
                assert code == 0 or (code == -signal.SIGTERM and "collector_started" not in said), (code, said)
    if not influxd.running:
        await influxd.start()
    return happened


async def write_ledger(server: InfluxServer, truth: dict[str, Any], happened: Counter[str], ledger: Path) -> None:
    """Writes down what became of all parts and their ids."""
    counted, units = await stored_counts(server), await stored_units(server)
    made, known = Counter(true_counts(truth)), true_units(truth)
    overrun = await unidentified(server)
    open_counts = await server.query('SELECT count("raw") AS n FROM "unreconciled"')
    figures = {
        "seed": SEED,
        **happened,
        "parts": made.total(),
        "lost": (made - Counter(counted)).total() + (by_station(known - units) - overrun).total(),
        "doubled": (Counter(counted) - made).total() + (units - known).total(),
        "unreconciled": sum(int(count["n"]) for count in open_counts),
        "overrun": overrun.total(),
    }
    await asyncio.to_thread(ledger.write_text, json.dumps(figures))


def good(truth: dict[str, Any]) -> dict[str, int]:
    """Good units by station."""
    return {path: counts["good"] for path, counts in truth.items()}


def true_counts(truth: dict[str, Any]) -> dict[tuple[str, str], int]:
    """Units by station and kind; what was not made is left out."""
    kinds = ("good", "rework", "scrap")
    return {(path, kind): counts[kind] for path, counts in truth.items() for kind in kinds if counts[kind]}


async def stored_counts(server: InfluxServer) -> dict[tuple[str, str], int]:
    """The same from InfluxDB, by a query that a panel could make."""
    rows = await server.query(
        'SELECT sum("delta") AS n FROM "count" GROUP BY "site", "area", "line", "station", "kind"'
    )
    return {(path_of(row), row["kind"]): row["n"] for row in rows if row["n"]}


def true_units(truth: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Finished units by station."""
    return Counter((path, unit.split(" ")[0]) for path, counts in truth.items() for unit in counts["units"])


async def stored_units(server: InfluxServer) -> Counter[tuple[str, str]]:
    """The same from InfluxDB."""
    rows = await server.query(
        'SELECT "unit" FROM "unit" GROUP BY "site", "area", "line", "station", "product", "result"'
    )
    return Counter((path_of(row), row["unit"]) for row in rows)


def by_station(units: Counter[tuple[str, str]]) -> Counter[str]:
    """How many units each station has."""
    return Counter(station for station, _ in units.elements())


async def unidentified(server: InfluxServer) -> Counter[str]:
    """Units by station that were counted and whose ids nobody knows."""
    rows = await server.query(
        'SELECT sum("missing") AS n FROM "unidentified" GROUP BY "site", "area", "line", "station"'
    )
    return Counter({path_of(row): int(row["n"]) for row in rows if row["n"]})


async def kpi_good(server: InfluxServer) -> dict[str, int]:
    """Good units of the day's figures, by station."""
    group = '"site", "area", "line", "station"'
    rows = await server.query(select('sum("good") AS n', "kpi", "\"window\" = 'day'", group=group))
    return {path_of(row): row["n"] for row in rows}


def path_of(row: dict[str, Any]) -> str:
    """A row's station, from its tags."""
    return "/".join(row[level] for level in ("site", "area", "line", "station"))
