"""How the program speaks of itself: structured lines, readable on a terminal and JSON elsewhere, on standard error."""

import logging
import sys

import structlog


def configure_logging(*, level: int = logging.INFO) -> None:
    """Sets up structlog for a whole process; `level` is one of logging's."""
    on_terminal = sys.stderr.isatty()
    for chatty in ("asyncua", "pymodbus"):
        # their own reports of lost connections repeat ours, which carry the controller's name
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
