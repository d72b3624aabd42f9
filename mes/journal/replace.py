"""Another file takes the journal's place: at every instant, power cuts included, one of the two is whole and in place.

Once the new file is called ready, whatever comes between, the next start finishes what began.
"""

from datetime import UTC, datetime
from pathlib import Path

from adapters.operating_system import to_disk

READY = ".ready-"
DAMAGED = ".damaged-"
KEPT_DAMAGED = 3  # of a file that is made again from the journal
DERIVED = (".hourly", ".hourly-wal", ".hourly-shm")  # computed from what was there before


def replace(path: Path, fresh: Path, why: str) -> Path | None:
    """Puts `fresh` in the place of the journal; what was there is kept beside it and returned, None if nothing was.

    `why` stands in the kept file's name, as in `journal.sqlite.damaged-20260302T080000`.
    """
    to_disk(fresh)
    ready = path.with_name(f"{path.name}{READY}{why}-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    fresh.rename(ready)
    to_disk(path.parent)
    return _finish(path, ready)


def put_aside(path: Path) -> Path | None:
    """Renames a damaged file and its logs, and forgets the oldest of those kept so; None if there is no such file.

    Raises OSError.
    """
    kept = path.with_name(f"{path.name}{DAMAGED}{datetime.now(UTC):%Y%m%dT%H%M%S}")
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
    if not path.exists():
        return None
    path.rename(kept)
    for old in sorted(path.parent.glob(f"{path.name}{DAMAGED}*"))[:-KEPT_DAMAGED]:
        old.unlink()
    return kept


def finish_replacing(path: Path) -> None:
    """Goes on with a replacement that was interrupted, if there is one."""
    for ready in sorted(path.parent.glob(f"{path.name}{READY}*")):
        _finish(path, ready)


def _finish(path: Path, ready: Path) -> Path | None:
    kept = path.with_name(f"{path.name}.{ready.name.removeprefix(path.name + READY)}")
    for end in ("-wal", "-shm", ""):  # a log that stayed beside the new file would be taken for its own
        part, aside = path.with_name(path.name + end), kept.with_name(kept.name + end)
        if part.exists():
            part.rename(aside)
    to_disk(path.parent)
    ready.rename(path)
    for end in DERIVED:
        path.with_name(path.name + end).unlink(missing_ok=True)
    to_disk(path.parent)
    return kept if kept.exists() else None
