"""The tests' own limits: they grow with a busy machine, and CI takes no skipped test for a pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import QUIET_S, Speed, eventually, limit_s, work

ROOT = Path(__file__).resolve().parents[3]


def test_limits_grow_with_a_slow_machine() -> None:
    """Ten times as slow, or ten processes a core, is ten times the limit; a faster machine gets the quiet one's."""
    quiet = limit_s(1.0, Speed(lambda: QUIET_S, crowd=lambda: 0.3))
    slow = limit_s(1.0, Speed(lambda: 10 * QUIET_S, crowd=lambda: 0.3))
    crowded = limit_s(1.0, Speed(lambda: QUIET_S, crowd=lambda: 10.0))
    fast = limit_s(1.0, Speed(lambda: QUIET_S / 10, crowd=lambda: 0.3))

    assert slow == crowded == pytest.approx(10 * quiet)
    assert fast == quiet
    assert quiet > 1
    assert work() > 0


async def test_what_never_holds_fails_with_its_condition() -> None:
    """A condition that never holds ends the test, and the failure shows it."""
    with pytest.raises(AssertionError, match="1 > 2"):
        await eventually(lambda: 1 > 2, within_s=0.0)


SKIPPED = {
    "mark": "@pytest.mark.skip(reason='no server')\ndef test_it(): pass\n",
    "condition": "@pytest.mark.skipif(True, reason='no server')\ndef test_it(): pass\n",
    "within": "def test_it(): pytest.skip('no server')\n",
    "fixture": "@pytest.fixture\ndef server(): pytest.skip('no server')\n\ndef test_it(server): pass\n",
    "file": "pytest.importorskip('no_server')\n",
}


def ended(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A pytest of its own over a folder, with this project's settings and conftest."""
    words = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider"]
    inherited = {name: value for name, value in os.environ.items() if name != "TAKTLINE_CI"}
    return subprocess.run(
        [*words, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(folder)],
        env={**inherited, "PYTHONPATH": str(ROOT / "tests"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_skipped_fails_in_ci(tmp_path: Path) -> None:
    """However a test is skipped, CI fails and names it; elsewhere it is a skip."""
    (tmp_path / "test_sound.py").write_text("def test_it(): pass\n")
    for how, text in SKIPPED.items():
        (tmp_path / f"test_by_{how}.py").write_text(f"import pytest\n\n{text}")
    in_ci, elsewhere = ended(tmp_path, TAKTLINE_CI="1"), ended(tmp_path)

    assert in_ci.returncode == 1
    assert elsewhere.returncode == 0, elsewhere.stdout
    assert "1 passed, 5 skipped" in elsewhere.stdout
    assert "files were skipped, and CI allows none" in in_ci.stdout
    for how in SKIPPED.keys() - {"file"}:
        assert f"test_by_{how}.py::test_it was skipped, and CI allows none" in in_ci.stdout, how


def test_a_file_that_is_skipped_fails_in_ci(tmp_path: Path) -> None:
    """One file that was skipped among sound ones is enough for CI to fail."""
    (tmp_path / "test_sound.py").write_text("def test_it(): pass\n")
    assert ended(tmp_path, TAKTLINE_CI="1").returncode == 0
    (tmp_path / "test_by_file.py").write_text(f"import pytest\n\n{SKIPPED['file']}")
    assert ended(tmp_path, TAKTLINE_CI="1").returncode == 1


def test_ci_says_that_it_is_ci(tmp_path: Path) -> None:
    """`.ci/run` calls `make test` so that nothing may be skipped, and fails when that fails."""
    make = tmp_path / "make"
    make.write_text('#!/bin/sh\necho "$TAKTLINE_CI $*"\nexit 7\n')
    make.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [str(ROOT / ".ci/run")], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )

    assert (ran.returncode, ran.stdout) == (7, "1 test\n")


def test_ci_runs_every_folder_of_tests() -> None:
    """Each folder of tests is named in scripts/test, which CI runs."""
    script = (ROOT / "scripts" / "test").read_text()
    folders = {
        path.relative_to(ROOT).parts[1]
        for path in (ROOT / "tests").rglob("test_*.py")
        if "node_modules" not in path.parts
    }

    assert [folder for folder in sorted(folders) if f"tests/{folder}" not in script] == []
    assert len(folders) > 4
