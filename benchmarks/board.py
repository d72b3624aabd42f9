"""What open walls cost the collector at real speed, and how long the board's first page takes."""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
from aiohttp import web
from plant import MES, SETTLE_S, quiet, usage
from playwright.async_api import Browser, async_playwright

BOARD = "http://127.0.0.1:8090"
BEGINS = "2026-03-02T05:00:00Z"  # Monday 10:00 in Kostanay, in the middle of a shift
CHROMIUM = "/usr/bin/chromium"
KINDS = ("good", "rework", "scrap")
MOST_OF_A_CORE, MOST_KB, MOST_S = 0.10, 300.0, 1.0
LOOKS = 7
DRAWN = """() => new Promise((done) => new PerformanceObserver((seen) => done(seen.getEntries().at(-1).startTime))
  .observe({type: 'largest-contentful-paint', buffered: true}))"""


@dataclass(slots=True)
class Wall:
    """One open wall: what it has received so far."""

    changes: int = 0
    received: int = 0


@contextmanager
def running(words: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A quiet process for the time of the block, whatever happens in it."""
    with quiet(words, folder) as process:
        try:
            yield process
        finally:
            process.kill()


async def watch(session: aiohttp.ClientSession, wall: Wall) -> None:
    """Opens the wall as a browser does, and listens for ever."""
    async with session.get(BOARD + "/") as page:
        await page.read()
    async with session.get(BOARD + "/live/wall", timeout=aiohttp.ClientTimeout(total=None)) as stream:
        async for line in stream.content:
            wall.received += len(line)
            wall.changes += line.startswith(b"event: wall")


async def with_walls(daemon: subprocess.Popen[bytes], number: int, length_s: float) -> tuple[float, list[Wall]]:
    """Share of a core of the daemon while so many walls are open; they are opened before."""
    walls = [Wall() for _ in range(number)]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=2**20) as session:
        open_walls = [asyncio.create_task(watch(session, wall)) for wall in walls]
        await asyncio.sleep(SETTLE_S / 2)
        before, _ = usage(daemon.pid)
        await asyncio.sleep(length_s)
        after, _ = usage(daemon.pid)
        for wall in open_walls:
            wall.cancel()
        failed = [error for error in await asyncio.gather(*open_walls, return_exceptions=True) if error is not None]
        assert all(isinstance(error, asyncio.CancelledError) for error in failed), failed
    return (after - before) / length_s, walls


async def drawn(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds until a page is drawn in a browser that has nothing of it yet, and the kilobytes it took."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    wire = await context.new_cdp_session(page)
    await wire.send("Network.enable")
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda seen: sizes.append(seen["encodedDataLength"]))
    await page.goto(url, wait_until="load")
    drawn_ms: float = await page.evaluate(DRAWN)
    await page.wait_for_timeout(300)
    await context.close()
    return drawn_ms / 1000, sum(sizes) / 1000


async def first_page() -> list[tuple[str, float, float]]:
    """Name, median seconds until drawn, and kilobytes: of a line of text from a bare server, then of the wall."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>floor</title><p>Nothing stands.", content_type="text/html")

    bare = web.Application()
    bare.router.add_get("/", hello)
    runner = web.AppRunner(bare)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    rows = []
    try:
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            floor = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            for name, url in (("a line of text, a bare server", floor), ("the wall", BOARD + "/")):
                looks = [await drawn(browser, url) for _ in range(LOOKS)]
                rows.append((name, statistics.median(look[0] for look in looks), looks[0][1]))
            await browser.close()
    finally:
        await runner.cleanup()
    return rows


def lost(truth: Path) -> int:
    """Units that the plant made and the journal does not have, over all stations."""
    made = {
        name: sum(counts[kind] for kind in KINDS) for name, counts in json.loads(truth.read_text())["stations"].items()
    }
    missing = 0
    for station, number in made.items():
        window = quote("2026-03-02")
        with urllib.request.urlopen(f"{BOARD}/api/v1/kpi?of={quote(station)}&window={window}") as answer:  # noqa: S310
            found = json.loads(answer.read())[0]
        missing += abs(number - sum(found[kind] for kind in KINDS))
    return missing


def main() -> None:
    """Measures the daemon without walls and with them, then the first page; exits 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="real seconds for each measurement (60)")
    parser.add_argument("--walls", type=int, default=50, help="how many are open (50)")
    asked = parser.parse_args()
    clock = f"{BEGINS}@{datetime.now(UTC).isoformat(timespec='milliseconds').replace('+00:00', 'Z')}"
    length = timedelta(seconds=2 * asked.seconds + 4 * SETTLE_S)
    with tempfile.TemporaryDirectory() as name:
        folder, truth = Path(name), Path(name) / "truth.json"
        simulate = [MES, "simulate", "--clock", clock, "--truth", str(truth), "--for", f"{length.total_seconds():.0f}s"]
        with running(simulate, folder):
            time.sleep(SETTLE_S)
            with running([MES, "run", "--speed", "1", "--clock", clock], folder) as daemon:
                time.sleep(SETTLE_S)
                before, _ = usage(daemon.pid)
                time.sleep(asked.seconds)
                after, _ = usage(daemon.pid)
                alone = (after - before) / asked.seconds
                share, walls = asyncio.run(with_walls(daemon, asked.walls, asked.seconds))
                rows = asyncio.run(first_page())
                while not truth.exists():
                    time.sleep(0.5)
                time.sleep(2)
                missing = lost(truth)
    print(f"  mes run, nobody looks            {alone:8.2%} of a core")
    print(f"  mes run, {asked.walls} open walls          {share:8.2%} of a core, {share - alone:.2%} for the walls")
    changes = sum(wall.changes for wall in walls) / len(walls)
    print(f"  each wall heard {changes:.0f} changes, {sum(e.received for e in walls) / len(walls) / 1000:.0f} kB")
    print(f"  units that the plant made and the journal lacks: {missing}")
    for what, drawn_s, kilobytes in rows:
        print(f"  {what:32} drawn after {drawn_s * 1000:6.0f} ms {kilobytes:8.1f} kB")
    print(f"  drawn, ratio to the floor: {rows[1][1] / rows[0][1]:.1f}")
    goals = (
        (f"walls below {MOST_OF_A_CORE:.0%} of a core", share - alone < MOST_OF_A_CORE),
        ("no reading lost", missing == 0),
        (f"first page below {MOST_KB:.0f} kB", rows[1][2] < MOST_KB),
        (f"drawn below {MOST_S:g} s", rows[1][1] < MOST_S),
    )
    for text, holds in goals:
        print(f"  {text:32} {'met' if holds else 'MISSED'}")
    sys.exit(0 if all(holds for _, holds in goals) else 1)


if __name__ == "__main__":
    main()
