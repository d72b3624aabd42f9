"""The example station of each vendor profile as a plant's file of its own."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from mes.config.load import config_folder
from mes.config.profiles import FOLDER

PROFILES = config_folder() / FOLDER
NAMES = sorted(path.stem for path in PROFILES.glob("*.yaml"))
PLANT = """
site:
  name: plant
  time_zone: Asia/Qostanay
  calendar: {shifts: [{name: all, days: [mon, tue, wed, thu, fri, sat, sun], start: "00:00", end: "00:00"}]}
products: {A: {name: Model A, assembly_method: CKD, raw: [A, 1]}}
journal: {path: journal.sqlite}
web: null
"""


def profile(name: str) -> dict[str, Any]:
    """A profile as plain values."""
    values: dict[str, Any] = YAML(typ="safe", pure=True).load((PROFILES / f"{name}.yaml").read_text(encoding="utf-8"))
    return values


def example(name: str, folder: Path) -> Path:
    """Writes a plant of the example station of a profile, and the files that its controllers name."""
    yaml = YAML(typ="safe", pure=True)
    plant = yaml.load(PLANT)
    shown = profile(name)["example"]
    stations = shown.pop("stations")
    path = folder / "plant.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(plant | shown | {"areas": {"weld": {"lines": {"l1": {"stations": stations}}}}}, file)
    for named in ("certificate.pem", "private_key.pem"):
        (folder / named).touch()
    (folder / "trusted").mkdir()
    return path
