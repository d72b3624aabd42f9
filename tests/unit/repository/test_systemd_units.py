"""The unit of the edge server: hardened as far as the manager itself can measure."""

import shutil
import subprocess
from pathlib import Path

import pytest
from patience import limit_s

UNITS = Path(__file__).resolve().parents[3] / "config" / "systemd"
UNIT = UNITS / "taktline.service"
MOST_EXPOSED = 2.0  # of 10, by the manager's own measure


def overall(text: str, folder: Path) -> float:
    """How exposed a unit is; fails, and does not skip, where the program is not installed."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is not installed: `make test` does it, or install Debian's systemd"
    unit = folder / "taktline.service"
    unit.write_text(text)
    words = [program, "security", "--offline=true", "--threshold=100", str(unit)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=limit_s(10))
    assert ran.returncode == 0, ran.stderr
    last = next(line for line in ran.stdout.splitlines() if "Overall exposure level" in line)
    return float(last.split(":")[1].split()[0])


def complaints(text: str, folder: Path) -> list[str]:
    """What the manager itself finds wrong with a unit; the program need not be installed."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "systemd-analyze is not installed: `make test` does it, or install Debian's systemd"
    unit = folder / "taktline.service"
    unit.write_text(text.replace("/opt/taktline/bin/mes", "/bin/true"))
    words = [program, "verify", "--man=no", "--recursive-errors=no", str(unit)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=limit_s(10))
    said = [line for line in (ran.stdout + ran.stderr).splitlines() if "taktline.service" in line]
    return said or [f"exit code {ran.returncode}"] * (ran.returncode != 0)


def with_drop_in(drop_in: str | None) -> str:
    """The unit's text, with a drop-in's."""
    text = UNIT.read_text()
    return text if drop_in is None else text.replace("[Install]", (UNITS / drop_in).read_text() + "\n[Install]")


@pytest.mark.parametrize("drop_in", [None, "taktline-serial.conf"])
def test_the_manager_understands_the_unit(tmp_path: Path, drop_in: str | None) -> None:
    """`systemd-analyze verify` finds nothing wrong with the unit, nor with the one for serial lines."""
    assert complaints(with_drop_in(drop_in), tmp_path) == []


@pytest.mark.parametrize(
    ("was", "instead"),
    [("WatchdogSec=30", "WatchdogSecs=30"), ("Type=notify", "Type=notified"), ("ExecStart=", "Exec=")],
)
def test_the_manager_would_complain(tmp_path: Path, was: str, instead: str) -> None:
    """A misspelt key or value, and a unit that starts nothing, are complained of."""
    assert complaints(UNIT.read_text().replace(was, instead), tmp_path) != []


@pytest.mark.parametrize("drop_in", [None, "taktline-serial.conf"])
def test_the_unit_is_hardened(tmp_path: Path, drop_in: str | None) -> None:
    """By the manager's own measure the unit, and the one with serial lines, are exposed by 2.0 of 10 at most."""
    assert overall(with_drop_in(drop_in), tmp_path) <= MOST_EXPOSED


def test_the_measure_can_fail(tmp_path: Path) -> None:
    """A unit without protection is far beyond the limit."""
    bare = "[Service]\nExecStart=/bin/true\n"

    assert overall(bare, tmp_path) > 8


def test_the_unit_keeps_its_promises() -> None:
    """It never stays down, is watched by progress, waits for the time, has files to open, and holds no secret."""
    lines = UNIT.read_text().splitlines()

    for promised in ("Restart=always", "StartLimitIntervalSec=0", "Type=notify", "WatchdogSec=30", "LimitNOFILE=8192"):
        assert promised in lines
    started = next(line for line in lines if line.startswith("ExecStart="))
    assert started.replace("ExecStart=", "ExecReload=").replace(" run ", " reload ") in lines
    assert any(line.startswith("After=") and "time-sync.target" in line for line in lines)
    assert not any("password" in line.lower() or "token" in line.lower() for line in lines)
