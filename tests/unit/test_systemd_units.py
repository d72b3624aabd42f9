"""The unit of the edge server: hardened as far as the manager itself can measure."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "config" / "systemd"
UNIT = UNITS / "taktline.service"
MOST_EXPOSED = 2.0  # of 10, by the manager's own measure


def overall(text: str, folder: Path) -> float:
    """How exposed a unit is; fails, and does not skip, where the program is not installed."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is not installed: `make test` does it, or install Debian's systemd"
    unit = folder / "taktline.service"
    unit.write_text(text)
    words = [program, "security", "--offline=true", "--threshold=100", str(unit)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=10)
    assert ran.returncode == 0, ran.stderr
    last = next(line for line in ran.stdout.splitlines() if "Overall exposure level" in line)
    return float(last.split(":")[1].split()[0])


@pytest.mark.parametrize("drop_in", [None, "taktline-serial.conf"])
def test_the_unit_is_hardened(tmp_path: Path, drop_in: str | None) -> None:
    """By the manager's own measure the unit, and the one with serial lines, are exposed by 2.0 of 10 at most."""
    text = UNIT.read_text()
    if drop_in is not None:
        text = text.replace("[Install]", (UNITS / drop_in).read_text() + "\n[Install]")

    assert overall(text, tmp_path) <= MOST_EXPOSED


def test_the_measure_can_fail(tmp_path: Path) -> None:
    """A unit without protection is far beyond the limit."""
    bare = "[Service]\nExecStart=/bin/true\n"

    assert overall(bare, tmp_path) > 8


def test_the_unit_keeps_its_promises() -> None:
    """It never stays down, is watched by progress, waits for the time, and holds no secret."""
    lines = UNIT.read_text().splitlines()

    for promised in ("Restart=always", "StartLimitIntervalSec=0", "Type=notify", "WatchdogSec=30"):
        assert promised in lines
    assert any(line.startswith("After=") and "time-sync.target" in line for line in lines)
    assert not any("password" in line.lower() or "token" in line.lower() for line in lines)
