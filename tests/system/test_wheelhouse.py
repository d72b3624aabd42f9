"""What is carried to a server without a network: it installs there, upgrades, goes back, refuses what is damaged."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANT = ROOT / "config" / "kostanay.yaml"

pytestmark = pytest.mark.timeout(300)


def ran(*words: str | Path, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A command's end and what it said."""
    return subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True, check=False)


def without_network(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The same where there is no network, not even loopback."""
    return ran("unshare", "--map-root-user", "--net", *words)


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked folder, as a person carried it to the server."""
    folder = tmp_path_factory.mktemp("brought")
    built = ran("scripts/wheelhouse")
    assert built.returncode == 0, built.stderr
    with tarfile.open(ROOT / built.stdout.splitlines()[-1]) as packed:
        packed.extractall(folder, filter="tar")
    (unpacked,) = folder.iterdir()
    return unpacked


def test_it_installs_upgrades_and_goes_back(brought: Path, tmp_path: Path) -> None:
    """Without a network it takes the place of the version before, the plant's file being good, and goes back to it."""
    prefix = tmp_path / "opt"
    old = prefix / "versions" / "0.0.9" / "bin"
    old.mkdir(parents=True)
    (old / "mes").write_text("#!/bin/sh\necho mes, version 0.0.9\n")
    (old / "mes").chmod(0o755)
    (prefix / "current").symlink_to("versions/0.0.9")
    (prefix / "bin").symlink_to("current/bin")

    bad = tmp_path / "bad.yaml"
    bad.write_text("site: {}\n")
    refused = without_network(brought / "install", "--prefix", prefix, "--plant", bad)
    assert refused.returncode == 1
    assert "nothing was changed" in refused.stderr
    assert ran(prefix / "bin" / "mes", "--version").stdout == "mes, version 0.0.9\n"

    installed = without_network(brought / "install", "--prefix", prefix, "--plant", PLANT)
    assert installed.returncode == 0, installed.stderr
    assert "restart it" in installed.stdout
    assert "0.0.9" not in ran(prefix / "bin" / "mes", "--version").stdout
    assert (prefix / "share" / "taktline" / "config" / "grafana" / "dashboards" / "taktline-plant.json").exists()
    assert ran(prefix / "bin" / "mes", "check").returncode == 0

    back = without_network(brought / "install", "--prefix", prefix, "--rollback")
    assert back.returncode == 0, back.stderr
    assert ran(prefix / "bin" / "mes", "--version").stdout == "mes, version 0.0.9\n"


def test_what_is_damaged_is_not_installed(brought: Path, tmp_path: Path) -> None:
    """A file that changed on its way is found before anything is made."""
    damaged = tmp_path / "damaged"
    shutil.copytree(brought, damaged)
    with (damaged / "run.txt").open("a", encoding="utf-8") as opened:
        opened.write("# one more line\n")

    refused = ran(damaged / "install", "--prefix", tmp_path / "opt")

    assert refused.returncode != 0
    assert "run.txt" in refused.stdout + refused.stderr
    assert not (tmp_path / "opt").exists()


def test_without_a_version_before_nothing_goes_back(brought: Path, tmp_path: Path) -> None:
    """The first version has nothing to go back to, and that is said."""
    refused = ran(brought / "install", "--prefix", tmp_path, "--rollback")

    assert refused.returncode == 1
    assert "nothing was changed" in refused.stderr
