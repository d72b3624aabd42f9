"""What operating systems do in different ways: locks, limits of a process, owners of files, what is safe on disk."""

import contextlib
import importlib
import os
from pathlib import Path
from typing import Any

try:
    import fcntl
    import resource
except ImportError:  # Windows has neither
    IS_POSIX = False
else:
    IS_POSIX = True


def hold(descriptor: int) -> None:
    """Locks an open file until its descriptor is closed, which the system does even for a killed process.

    Raises BlockingIOError where another process holds it.
    """
    if IS_POSIX:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    windows: Any = importlib.import_module("msvcrt")
    try:
        windows.locking(descriptor, windows.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError(error.errno, error.strerror) from error


def to_disk(path: Path) -> None:
    """Waits until a file's content, or a folder's names, survive a power cut. Windows has no such thing for names."""
    if not IS_POSIX and path.is_dir():
        return
    opened = os.open(path, os.O_RDONLY if IS_POSIX else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def give_to_owner_of(folder: Path, descriptor: int) -> None:
    """What root makes in somebody's folder is theirs; for anybody else it is already."""
    if IS_POSIX and os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def open_files_limit() -> int | None:
    """How many files and connections the process may have open; None: as many as it likes, or nobody can say."""
    if not IS_POSIX:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_open_files_limit(wanted: int) -> None:
    """Lets the process open as many files as the system allows, `wanted` at most; never fewer than before."""
    if not IS_POSIX:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
