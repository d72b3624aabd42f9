"""A disk that refuses to write when it is told to: SQLite's own layer to the system, with faults in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import apsw

NAME = "faulty-disk"


@dataclass(slots=True)
class Disk:
    """`refuse`: what every write raises now, None while all is well; `refusals` counts them; `fails` is for once."""

    refuse: type[apsw.Error] | None = None
    fails: list[type[apsw.Error]] = field(default_factory=list)
    refusals: int = 0

    def trouble(self) -> None:
        """Raises what a write meets now."""
        if self.fails:
            self.refusals += 1
            raise self.fails.pop()("the disk failed once")
        if self.refuse is not None:
            self.refusals += 1
            raise self.refuse("the disk takes nothing")


class _File(apsw.VFSFile):
    disk: Disk

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        self.disk.trouble()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        self.disk.trouble()
        super().xSync(flags)


class _Layer(apsw.VFS):
    def __init__(self, disk: Disk, *, default: bool = False) -> None:
        self.disk = disk
        self.system = apsw.vfs_names()[0]  # the default until now
        super().__init__(NAME, self.system, makedefault=default)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        opened = _File(self.system, name, flags)
        opened.disk = self.disk
        return opened


@contextmanager
def faulty_disk(disk: Disk | None = None, *, default: bool = False) -> Iterator[Disk]:
    """The disk behind the layer NAME; `default`: also behind what names no layer."""
    disk = disk or Disk()
    layer = _Layer(disk, default=default)
    try:
        yield disk
    finally:
        layer.unregister()
