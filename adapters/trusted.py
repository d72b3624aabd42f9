"""The folder of trusted certificates, which OPC UA and Modbus behind TLS read alike."""

from pathlib import Path


def trusted_files(folder: Path) -> list[Path]:
    """The files of a trust folder that count: those that end in .pem or .der. A file is withdrawn by another ending."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in (".pem", ".der"))
