"""The containers' file: pinned, watched, without a word that is secret, closed to all who need not come in."""

import re
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[3] / "config" / "deploy"
COMPOSE: dict[str, Any] = YAML(typ="safe").load(DEPLOY / "compose.yaml")
RUNNING = {name: service for name, service in COMPOSE["services"].items() if "profiles" not in service}


def test_images_are_pinned() -> None:
    """Each image has a version of three numbers."""
    for service in COMPOSE["services"].values():
        assert re.search(r":\d+\.\d+\.\d+$", service["image"]), service["image"]
    assert re.search(r"^FROM python:\d+\.\d+\.\d+-", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def test_every_service_is_watched_and_confined() -> None:
    """Each has a health check, a limit of memory, comes back by itself, and can gain no rights."""
    for name, service in RUNNING.items():
        assert service["healthcheck"]["test"], name
        assert service["mem_limit"], name
        assert service["restart"] == "unless-stopped", name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name


def test_only_grafana_is_reached_from_outside() -> None:
    """InfluxDB listens on loopback, Taktline nowhere."""
    outside = [
        name for name, service in RUNNING.items() for port in service.get("ports", []) if not port.startswith("127.")
    ]

    assert outside == ["grafana"]


def test_secrets_are_files() -> None:
    """No variable holds a password or a token: those that name one name its file, which is in no repository."""
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", name):
                assert value.startswith("/run/secrets/"), name
    used = {
        one if isinstance(one, str) else one["source"] for service in RUNNING.values() for one in service["secrets"]
    }
    assert used == set(COMPOSE["secrets"])
    assert all(secret["file"].startswith("./secrets/") for secret in COMPOSE["secrets"].values())


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """Long, different from each other, for their owner alone; a second run leaves them as they are."""
    folder = tmp_path / "secrets"
    made = []
    for _ in range(2):
        subprocess.run([DEPLOY / "make-secrets", folder], check=True, capture_output=True)
        made.append({path.name: path.read_text() for path in folder.iterdir()})

    assert made[0] == made[1]
    assert len(set(made[0].values())) == 3
    assert all(len(secret) == 48 for secret in made[0].values())
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
