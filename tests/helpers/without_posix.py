"""A plugin that takes away what only POSIX systems have, as a laptop with Windows has it: `pytest -p without_posix`.

The program's own modules find neither the modules nor the functions; the standard library and others keep theirs.
What is marked `posix` is about such a system, and is left out.
"""

import builtins
import fcntl
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

MODULES = frozenset({"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"})
HIDDEN: Mapping[str, Sequence[str]] = {
    "os": [
        "chown",
        "fchmod",
        "fchown",
        "fork",
        "forkpty",
        "getegid",
        "geteuid",
        "getgid",
        "getgroups",
        "getloadavg",
        "getpgid",
        "getpriority",
        "getuid",
        "killpg",
        "mkfifo",
        "nice",
        "setgid",
        "setsid",
        "setuid",
        "statvfs",
        "sync",
        "uname",
        "O_CLOEXEC",
        "O_DIRECTORY",
        "O_NOFOLLOW",
        "O_NONBLOCK",
    ],
    "signal": ["SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "alarm", "pthread_kill"],
    "socket": ["AF_UNIX", "SOCK_CLOEXEC", "SO_REUSEPORT"],
}
OURS = ("mes.", "adapters.", "simulators.", "dashboards.")
_import = builtins.__import__


class _Poorer(types.ModuleType):
    """A module of the standard library as the program's own modules see it."""

    def __getattr__(self, name: str) -> Any:
        if name in HIDDEN[self.__name__]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(sys.modules[self.__name__], name)


def _windows() -> types.ModuleType:
    """What the program uses of `msvcrt`, on this system's locks."""
    module = types.ModuleType("msvcrt")

    def locking(descriptor: int, _mode: int, _length: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    module.__dict__.update(LK_NBLCK=2, locking=locking)
    return module


def _guarded(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002  # the names are those of what it stands for
    locals: Mapping[str, object] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> types.ModuleType:
    if str((globals or {}).get("__name__", "")).startswith(OURS):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in POORER:
            return POORER[name]
    return _import(name, globals, locals, fromlist or (), level)


POORER = {name: _Poorer(name) for name in HIDDEN}
builtins.__import__ = _guarded
sys.modules["msvcrt"] = _windows()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is about POSIX systems."""
    posix = [item for item in items if item.get_closest_marker("posix")]
    config.hook.pytest_deselected(items=posix)
    items[:] = [item for item in items if item not in posix]
