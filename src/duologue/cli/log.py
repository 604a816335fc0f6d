"""Logs: one line an event, to standard error. No log carries what people said."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO, TypeAlias

import structlog

Fault: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn takes a client that was refused before the upgrade for one that we forgot; the refusal has a log event
    of its own."""
    return "without completing handshake" not in record.getMessage()


def write_fault(to: TextIO, fault: Fault) -> None:
    """Where a fault was, of what kind, and what it followed from, without its message: a library that chokes on
    somebody's words quotes them there. What the system says of files and sockets is kept."""
    if fault[1] is not None:
        to.writelines(_lines(fault[1], set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield "and from that:\n"
    yield from traceback.format_tb(error.__traceback__)
    told = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    yield f"{type(error).__module__}.{type(error).__qualname__}{told}\n"
    if isinstance(error, BaseExceptionGroup):
        for each in (each for each in error.exceptions if id(each) not in seen):
            yield "among them:\n"
            yield from _lines(each, seen)


class _Plain(logging.Formatter):
    """For the libraries that log by themselves."""

    def formatException(self, fault: Fault) -> str:  # noqa: N802
        lines = io.StringIO()
        write_fault(lines, fault)
        return lines.getvalue()


def configure_logging(level: str) -> None:
    """Log from ``level`` up, coloured on a terminal."""
    number = logging.getLevelNamesMapping()[level.upper()]
    plain = logging.StreamHandler(sys.stderr)
    plain.setFormatter(_Plain("%(levelname)s %(message)s"))
    logging.basicConfig(handlers=[plain], level=max(number, logging.WARNING))
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=write_fault),
        ],
    )
