# SPDX-License-Identifier: Apache-2.0
"""A server's log: one line for each event, and no words of a client, a model or a provider in it.

Rules:
- Of an error only what this house or its database wrote itself is told: its type, where it was raised, its SQLSTATE or
  errno. An exception's message often quotes the bytes that it stumbled over, and those are some tenant's.
- A line break or a control character inside an event is shown, never obeyed: nobody forges a line.

Story: a provider answers with a broken status line that repeats the prompt, and the HTTP client's error quotes it. The
log says `BadStatusLine` and where; the prompt stays where only its tenant's readers open it.
"""

import logging
import os
import traceback
from types import TracebackType
from typing import Final

from customhouse.cli.output import visible

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
MAX_CAUSES: Final = 8
MAX_FRAMES: Final = 12
_OWN_WORDS: Final = frozenset({"apsw"})
"""Modules whose messages quote no values."""
_LINE: Final = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t", "\u2028": "\\u2028", "\u2029": "\\u2029"})

_Info = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def begin_log(level: str) -> None:
    """Write every logger's events to stderr from `level` on, each as one line."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLine())
    logging.basicConfig(level=level.upper(), handlers=[handler])


class LogLine(logging.Formatter):
    """Writes each event as one line."""

    def __init__(self) -> None:
        """Take the one format."""
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the event's line."""
        record.exc_text = None  # another handler's formatter may have kept its own, with messages
        return visible(super().format(record).translate(_LINE))

    def formatException(self, ei: _Info) -> str:  # noqa: N802 - logging's name
        """Return the error and its causes, without their messages."""
        return told(ei[1])


def told(error: BaseException | None) -> str:
    """Return what a log says of an error: types, places and codes, the outermost first."""
    parts: list[str] = []
    while error is not None and len(parts) < MAX_CAUSES:
        frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        places = " > ".join(f"{_short(frame.filename)}:{frame.lineno}" for frame in frames)
        parts.append(f"{type(error).__name__}{_code(error)} [{places}]")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " caused by ".join(parts)


def _code(error: BaseException) -> str:
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        return f" {sqlstate}"
    if isinstance(error, OSError) and error.errno is not None:
        return f" ({os.strerror(error.errno)})"
    return f" ({error})" if type(error).__module__ in _OWN_WORDS else ""


def _short(path: str) -> str:
    for root in ("/site-packages/", "/src/", "/lib/"):
        if root in path:
            return path.rpartition(root)[2]
    return path
