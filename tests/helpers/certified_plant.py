"""A plant of one controller whose connection is certified, and `mes certs` as a person runs it."""

import asyncio
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner, Result
from opcua_servers import CLIENT_URI

from mes.cli import mes

_FOUND = re.compile(r"^  (?:REFUSED|WARNING) ([a-z-]+): ", re.MULTILINE)


@dataclass(slots=True)
class Plant:
    """A plant's file in a folder of its own, and what stands in it for the one controller."""

    folder: Path
    url: str
    security: dict[str, object] = field(default_factory=dict)
    fields: dict[str, object] = field(default_factory=dict)

    @property
    def certificate(self) -> Path:
        """Ours."""
        return self.folder / "own" / "certificate.pem"

    @property
    def key(self) -> Path:
        """Ours."""
        return self.folder / "own" / "private_key.pem"

    @property
    def pinned(self) -> Path:
        """The server's certificate that is trusted."""
        return self.folder / "server.pem"

    @property
    def file(self) -> Path:
        """The plant's file, written again each time."""
        security = {
            "policy": "Basic256Sha256",
            "certificate": str(self.certificate),
            "private_key": str(self.key),
            "server_certificate": str(self.pinned),
        } | self.security
        controller = {
            "kind": "opcua",
            "url": self.url,
            "application_uri": CLIENT_URI,
            "request_timeout_s": 3,
            "security": {name: setting for name, setting in security.items() if setting is not None},
        }
        shift = {"name": "day", "days": ["mon"], "start": "08:00", "end": "16:00"}
        plant = {
            "site": {"name": "plant", "time_zone": "Asia/Qostanay", "calendar": {"shifts": [shift]}},
            "products": {"S3": {"name": "S3", "assembly_method": "CKD", "raw": ["S3"]}},
            "controllers": {"plc": controller | self.fields},
            "areas": {"weld": {"lines": {"weld-1": {"stations": {}}}}},
        }
        file = self.folder / "plant.yaml"
        file.write_text(json.dumps(plant, indent=1))
        return file

    async def certs(self, command: str, *words: str, input: str | None = None) -> Result:  # noqa: A002  # as click's
        """Runs `mes certs …` for this plant."""
        return await run_certs([command, *words, "--config", str(self.file)], input=input, env=self._env())

    def _env(self) -> Mapping[str, str]:
        secrets = self.folder / "secrets"
        return {"CREDENTIALS_DIRECTORY": str(secrets)} if secrets.is_dir() else {}


async def run_certs(words: list[str], *, input: str | None = None, env: Mapping[str, str] | None = None) -> Result:  # noqa: A002
    """The command in a thread of its own, for it has its own event loop."""
    return await asyncio.to_thread(
        CliRunner().invoke, mes, ["certs", *words], input=input, env={**os.environ, **(env or {})}
    )


def codes(result: Result) -> set[str]:
    """The codes that `mes certs check` printed; its exit code must agree with them."""
    assert result.exit_code in (0, 1), (result.output, result.exception)
    found = set(_FOUND.findall(result.output))
    assert (result.exit_code == 1) == bool(found), result.output
    return found
