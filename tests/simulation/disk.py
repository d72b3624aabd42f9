"""A simulated disk under SQLite: it remembers what was synced, and forgets the rest when the power is cut."""

import itertools
import math
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR = 512
TRACKED = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL
_numbers = itertools.count()


@dataclass(slots=True)
class _Change:
    """What one write or truncation did; `doomed`: a sync of it failed, and no later one will make up for that."""

    offset: int
    before: bytes
    after: bytes
    size_before: int
    size_after: int
    doomed: bool = False

    def covers(self, other: "_Change") -> bool:
        """Whether all of another write is overwritten by this one."""
        return self.offset <= other.offset and other.offset + len(other.after) <= self.offset + len(self.after)


@dataclass(slots=True)
class Disk:
    """`dead`: nothing is written any more; `refuse`: what every write meets now; `fails`: how many syncs fail.
    `stalled_until_s`: no commit comes to its end before this time of the loop. `trouble_s`: until when the last of its
    troubles lasts, by the same time.

    `fuse`: after so many more writes and syncs everything is dead, in the middle of a commit; None: it is not lit.
    """

    name: str
    rng: random.Random
    forgetful: bool = False
    dead: bool = False
    refuse: type[apsw.Error] | None = None
    fails: int = 0
    stalled_until_s: float = 0.0
    trouble_s: float = -math.inf
    fuse: int | None = None
    refusals: int = 0
    lost_writes: int = 0
    changes: dict[str, list[_Change]] = field(default_factory=dict)

    def is_in_trouble(self, now_s: float, *, within_s: float) -> bool:
        """Whether a program that has to end now may be held up by it, or was within the last seconds."""
        return self.dead or self.refuse is not None or self.fails > 0 or now_s - self.trouble_s < within_s

    def trouble(self, *, sync: bool = False) -> None:
        """Raises what a write or a sync meets now."""
        if self.fuse is not None:
            self.fuse -= 1
            self.dead = self.dead or self.fuse < 0
        if self.dead:
            raise apsw.IOError("the program or the machine is gone")
        if self.refuse is not None:
            self.refusals += 1
            raise self.refuse("the disk takes nothing")
        if sync and self.fails:
            self.fails -= 1
            self.refusals += 1
            raise apsw.IOError("the disk failed once")

    def synced(self, path: str) -> None:
        """All of a file is on disk, but for what a failed sync gave up."""
        changes = self.changes.get(path, [])
        self.changes[path] = [
            change
            for index, change in enumerate(changes)
            if change.doomed and not any(later.covers(change) for later in changes[index + 1 :])
        ]

    def gave_up(self, path: str) -> None:
        """A sync failed: a forgetful system takes the pages for clean, and they never come to the disk."""
        if self.forgetful:
            for change in self.changes.get(path, []):
                change.doomed = True

    def cut_power(self) -> None:
        """Every file is as the disk has it: what was synced, and by chance some of what was not, some of it torn."""
        spare = self.rng.random() < 0.5
        for path, changes in self.changes.items():
            if not Path(path).exists():
                continue
            with Path(path).open("r+b", buffering=0) as file:
                for change in reversed(changes):
                    file.seek(change.offset)
                    file.write(change.before)
                    file.truncate(change.size_before)
                for change in changes:
                    if spare and not change.doomed and self.rng.random() < 0.5:
                        self._redo(file.fileno(), change)
                    else:
                        self.lost_writes += 1
        self.changes.clear()

    def _redo(self, file: int, change: _Change) -> None:
        if not change.after:
            os.ftruncate(file, change.size_after)
            return
        sectors = len(change.after) // SECTOR
        torn = sectors and self.rng.random() < 0.2
        kept = change.after[: self.rng.randrange(sectors + 1) * SECTOR] if torn else change.after
        os.pwrite(file, kept, change.offset)


class _File(apsw.VFSFile):
    disk: Disk
    path: str
    tracked: int  # a descriptor of our own, to read what is overwritten; -1: a file that no crash can hurt

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802  # SQLite's name
        self.disk.trouble()
        if self.tracked >= 0:
            size = os.fstat(self.tracked).st_size
            before = os.pread(self.tracked, len(data), offset) if offset < size else b""
            change = _Change(offset, before, bytes(data), size, max(size, offset + len(data)))
            self.disk.changes.setdefault(self.path, []).append(change)
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802  # SQLite's name
        self.disk.trouble()
        if self.tracked >= 0:
            size = os.fstat(self.tracked).st_size
            tail = os.pread(self.tracked, max(size - newsize, 0), newsize)
            self.disk.changes.setdefault(self.path, []).append(_Change(newsize, tail, b"", size, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802  # SQLite's name
        del flags  # what is synced here is a matter of our own record, no real disk has to hurry
        try:
            self.disk.trouble(sync=True)
        except apsw.Error:
            self.disk.gave_up(self.path)
            raise
        self.disk.synced(self.path)

    def xClose(self) -> None:  # noqa: N802  # SQLite's name
        super().xClose()
        if self.tracked >= 0:
            os.close(self.tracked)
            self.tracked = -1


class _Layer(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        super().__init__(disk.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        opened = _File("", name, flags)
        opened.disk, opened.path, opened.tracked = self.disk, path, -1
        if name is not None and flags[0] & TRACKED:
            opened.tracked = os.open(path, os.O_RDONLY)
        return opened

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802  # SQLite's name
        self.disk.trouble()
        super().xDelete(filename, syncdir)
        self.disk.changes.pop(filename, None)


@contextmanager
def simulated_disk(rng: random.Random, *, forgetful: bool = False) -> Iterator[Disk]:
    """A disk of its own, under a name by which SQLite knows it."""
    disk = Disk(f"simulated-disk-{next(_numbers)}", rng, forgetful)
    layer = _Layer(disk)
    try:
        yield disk
    finally:
        layer.unregister()


def after_a_crash(path: Path) -> None:
    """What lived in memory is gone: the index of the write-ahead log."""
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
