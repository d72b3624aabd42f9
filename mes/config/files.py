"""Files and credentials that a plant's file names, and that are not there where it is checked."""

import os
from collections.abc import Iterator
from pathlib import Path

from mes.config.findings import Findings
from mes.config.models.plant import ModbusTlsEntry, OpcUaEntry, PlantShape
from mes.config.source import Place


def check_files(plant: PlantShape, findings: Findings) -> None:
    """A warning for each: on the computer that collects it would be an error. A relative path counts from here."""
    for place, named in _files(plant):
        if not Path(named).exists():
            remedy = "correct the path; on another computer than the one that collects, nothing"
            findings.warning(place, f"there is no file `{named}` here", remedy)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    for place, named in _credentials(plant):
        if folder is not None and not (Path(folder) / named).is_file():
            remedy = f"put it into {folder}, or correct the name"
            findings.warning(place, f"there is no credential `{named}` in $CREDENTIALS_DIRECTORY", remedy)


def _files(plant: PlantShape) -> Iterator[tuple[Place, str | Path]]:
    for name, entry in plant.controllers.items():
        if isinstance(entry, OpcUaEntry | ModbusTlsEntry):
            for key in ("certificate", "private_key", "server_certificate", "trust_folder"):
                if (named := getattr(entry.security, key)) is not None:
                    yield ("controllers", name, "security", key), named
        if isinstance(entry, OpcUaEntry):
            for key in ("user_certificate", "user_private_key"):
                if (named := getattr(entry, key)) is not None:
                    yield ("controllers", name, key), named
    for key in ("certificate", "key"):
        if plant.web is not None and (named := getattr(plant.web, key)) is not None:
            yield ("web", key), named


def _credentials(plant: PlantShape) -> Iterator[tuple[Place, str]]:
    for name, entry in plant.controllers.items():
        if isinstance(entry, OpcUaEntry) and entry.password_credential is not None:
            yield ("controllers", name, "password_credential"), entry.password_credential
    if plant.influx is not None and plant.influx.credential is not None:
        yield ("influx", "credential"), plant.influx.credential
