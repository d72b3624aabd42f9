"""The demo on a terminal: the board stays open after the verdict, and whoever sits there can sign in and use it."""

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from demos import first_speed
from driven_board import ARTEFACTS, chromium, open_page
from patience import limit_s
from playwright.async_api import expect

pytestmark = pytest.mark.timeout(300)
MES = str(Path(sys.executable).with_name("mes"))
BROKEN = "kostanay/weld/weld-1/framing"
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def demo(length: str, *words: str) -> list[str]:
    """The command, as fast as this computer may keep up with."""
    return ["demo", "--for", length, "--speed", f"{first_speed(240):g}", "--seed", "7", "--no-open", *words]


class Terminal:
    """What a person sees of a program that runs on a pseudo-terminal."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self._seen = b""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        """Everything so far, without colours and cursor movements."""
        return CONTROLS.sub("", self._seen.decode(errors="replace"))

    def until(self, words: str, *, within_s: float = 50.0) -> str:
        """Waits until the words were shown, for a quiet machine's seconds."""
        with self._more:
            assert self._more.wait_for(lambda: words in self.text or self._ended(), limit_s(within_s)), self.text
        assert words in self.text, self.text
        return self.text

    def interrupt(self) -> int:
        """Ctrl-C; the exit code that follows."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=limit_s(15))

    def _ended(self) -> bool:
        return not self._reader.is_alive()

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._screen, 65536)
            except OSError:  # the other end is closed
                chunk = b""
            with self._more:
                self._seen += chunk
                self._more.notify_all()
            if not chunk:
                return


@contextmanager
def on_a_terminal(*words: str, **environment: str) -> Iterator[Terminal]:
    """Runs the command as if a person had typed it; whatever happens, it is ended."""
    screen, inside = pty.openpty()
    known = {name: value for name, value in os.environ.items() if name != "CI"}
    process = subprocess.Popen(
        [MES, *words],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env={**known, "TERM": "xterm", "COLUMNS": "160", **environment},
    )
    os.close(inside)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


async def test_a_reason_in_two_taps_after_the_verdict() -> None:
    """Sign-ins are printed early and again; an operator explains a stop after the verdict, and Ctrl-C ends with 0."""
    with on_a_terminal(*demo("30m", "--break", "W030@5m+1h")) as terminal:
        early = await asyncio.to_thread(terminal.until, "sees the audit")
        assert "verdict" not in early
        shown = await asyncio.to_thread(terminal.until, "Ctrl-C ends both.")
        assert "verdict: ok" in shown, shown[-4000:]
        after = shown[shown.index("verdict: ok") :]
        found = re.search(r"The board: (http://127\.0\.0\.1:\d+/)", after)
        names = dict(re.findall(r"(operator|leader|engineer) +(\S{4}-\S{4})", after))
        assert found is not None
        assert set(names) == {"operator", "leader", "engineer"}
        assert all(password in early for password in names.values())

        async with chromium() as browser:
            page = await open_page(browser, found[1] + "login", width=360, height=740)
            page.set_default_timeout(limit_s(15) * 1000)
            await page.fill("input[name=name]", "operator")
            await page.fill("input[name=password]", names["operator"])
            await page.locator("main form.login button").tap()
            await page.wait_for_selector(".tiles")
            tile = page.locator("#tile-" + BROKEN.replace("/", "-"))
            await tile.locator(".ask").tap()
            await page.get_by_role("button", name="Planned service").first.tap()
            await expect(page.locator(".note")).to_have_text("Noted.", timeout=limit_s(15) * 1000)
            ARTEFACTS.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=ARTEFACTS / "demo-after-the-verdict.png")
            await page.goto(f"{found[1]}stops?of={BROKEN}")
            await expect(page.locator(".stop .reason", has_text="Planned service")).to_have_count(1)
            await page.screenshot(path=ARTEFACTS / "demo-reason-given.png")
            await page.goto(found[1])
            clock = page.locator("time[data-clock]").first
            before = await clock.inner_text()
            await expect(clock).not_to_have_text(before, timeout=limit_s(15) * 1000)  # the plant goes on
        assert await asyncio.to_thread(terminal.interrupt) == 0
        assert "Traceback" not in terminal.text


@pytest.mark.parametrize(("words", "environment"), [(["--no-stay"], {}), ([], {"CI": "true"})])
def test_it_ends_with_the_verdict_where_nobody_stays(words: list[str], environment: dict[str, str]) -> None:
    """On a terminal with --no-stay, and in CI, the command ends by itself with the verdict's exit code."""
    with on_a_terminal(*demo("5m", *words), **environment) as terminal:
        shown = terminal.until("verdict: ok")
        assert terminal.process.wait(timeout=limit_s(15)) == 0
    assert "Ctrl-C ends both." not in shown


@pytest.mark.influxd
def test_influxdb_stays_as_long_as_the_board() -> None:
    """With --influx the server's address is printed at the verdict; it answers until Ctrl-C, and then ends."""
    with on_a_terminal(*demo("5m", "--influx")) as terminal:
        shown = terminal.until("Ctrl-C ends both.")
        assert "verdict: ok" in shown, shown[-4000:]
        found = re.search(r"everything is stored at (http://127\.0\.0\.1:\d+), database (\w+)", shown)
        assert found is not None, shown[-4000:]
        query = urlencode({"db": found[2], "q": 'SELECT last("good") FROM "kpi"'})
        with urlopen(f"{found[1]}/query?{query}", timeout=limit_s(15)) as answer:
            assert "last" in answer.read().decode()
        assert terminal.interrupt() == 0
        assert "Traceback" not in terminal.text
        with pytest.raises(URLError):
            urlopen(f"{found[1]}/ping", timeout=limit_s(15))
