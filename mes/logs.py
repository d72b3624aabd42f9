"""How the program speaks of itself: structured lines, readable on a terminal and JSON elsewhere, on standard error.

structlog is imported when something is said first: most commands say nothing, and start sooner without it.
"""

import logging
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable


_waiting: "list[Callable[[], None]]" = []  # the set-up, until structlog is imported
_setting_up = threading.Lock()


class _Logger:
    """structlog's logger, by whatever is configured when something is said."""

    def __getattr__(self, name: str) -> Any:
        import structlog

        _set_up()
        return getattr(structlog.get_logger(), name)


def get_logger() -> Any:
    """The logger of a module."""
    return _Logger()


def configure_logging(*, level: int = logging.INFO) -> None:
    """Sets up structlog for a whole process; `level` is one of logging's."""
    for chatty in ("asyncua", "pymodbus"):
        # their own reports of lost connections repeat ours, which carry the controller's name
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    _waiting[:] = [partial(_configure, level, sys.stderr)]
    if "structlog" in sys.modules:
        _set_up()


def _set_up() -> None:
    """Once, and whoever says something meanwhile in another thread waits for it."""
    if _waiting:
        with _setting_up:
            while _waiting:
                _waiting[0]()
                _waiting.pop(0)


def _configure(level: int, to: TextIO) -> None:
    import structlog

    on_terminal = to.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if on_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if on_terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(to),
        cache_logger_on_first_use=False,
    )
