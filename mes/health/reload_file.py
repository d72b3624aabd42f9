"""How `mes reload` and the running collector find each other: a file beside the journal, which the collector locks.

It holds the collector's process number and the outcome of its last reload. It is locked for as long as SIGHUP is
answered, so that no other process is ever sent the signal.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from adapters.operating_system import hold
from mes.logs import get_logger

log = get_logger()

READ_AT_MOST = 1_000_000  # bytes
HOLD_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class Reloads:
    """How many reloads a collector has begun and ended; exit code and sentences of the last one that ended."""

    pid: int
    begun: int = 0
    ended: int = 0
    code: int = 0
    lines: Sequence[str] = ()


def reload_file(journal: Path) -> Path:
    """Where the collector of a journal answers."""
    return journal.with_name(journal.name + ".reload")


class ReloadFile:
    """The collector's side; a disk that takes nothing is said in the log and stops nothing."""

    def __init__(self, descriptor: int | None) -> None:
        """`descriptor`: of the locked file, None where there is none."""
        self._descriptor = descriptor
        self._reloads = Reloads(os.getpid())
        self._write()

    @classmethod
    @asynccontextmanager
    async def open(cls, journal: Path) -> AsyncIterator["ReloadFile"]:
        """Holds the file while the block runs."""
        name, descriptor = reload_file(journal), None
        try:
            descriptor = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            log.warning("reload_not_answered", file=str(name), detail=str(error))
        try:
            while descriptor is not None and not _held(descriptor):  # while somebody looks whether a collector runs
                await asyncio.sleep(HOLD_EVERY_S)
            yield cls(descriptor)
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def begin(self) -> None:
        """A reload begins: it reads the plant's file after this."""
        self._reloads = replace(self._reloads, begun=self._reloads.begun + 1)
        self._write()

    def end(self, code: int, lines: Sequence[str]) -> None:
        """The reload has ended; `code` is the command's exit code."""
        self._reloads = replace(self._reloads, ended=self._reloads.begun, code=code, lines=tuple(lines))
        self._write()

    def _write(self) -> None:
        if self._descriptor is None:
            return
        try:
            text = json.dumps(asdict(self._reloads)).encode()
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, text)
            os.ftruncate(self._descriptor, len(text))
        except OSError as error:
            log.warning("reload_not_answered", detail=str(error))


def running(journal: Path) -> Reloads | None:
    """What the collector of a journal says of its reloads; None where no collector runs. Raises OSError."""
    try:
        descriptor = os.open(reload_file(journal), os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        while not _held(descriptor):
            text = os.pread(descriptor, READ_AT_MOST, 0)
            with contextlib.suppress(ValueError, TypeError):  # it is being written
                return Reloads(**json.loads(text))
        return None
    finally:
        os.close(descriptor)


def _held(descriptor: int) -> bool:
    try:
        hold(descriptor)
    except BlockingIOError:
        return False
    return True
