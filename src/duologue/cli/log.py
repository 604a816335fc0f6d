"""Logs: one line an event, to standard error. No log carries what people said."""

from __future__ import annotations

import logging
import sys

import structlog


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn takes a client that was refused before the upgrade for one that we forgot; the refusal has a log event
    of its own."""
    return "without completing handshake" not in record.getMessage()


def configure_logging(level: str) -> None:
    """Log from ``level`` up, coloured on a terminal."""
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(stream=sys.stderr, level=max(number, logging.WARNING), format="%(levelname)s %(message)s")
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
    )
