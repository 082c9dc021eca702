# SPDX-License-Identifier: Apache-2.0
"""A server's log: one line for each event, and no words of a client, a model or a provider in it.

Rules:
- Of an error only what this house or its database wrote itself is told: its type, where it was raised, its SQLSTATE or
  errno. An exception's message often quotes the bytes that it stumbled over, and those are some tenant's.
- A line break or a control character inside an event is shown, never obeyed: nobody forges a line.
- Other people's packages are heard from `warning` on, and of what they say the first line: `debug` is our own rooms'.
- As text for people, or as one JSON object for programs; both say the same.

Story: a provider answers with a broken status line that repeats the prompt, and the HTTP client's error quotes it. The
log says `BadStatusLine` and where; the prompt stays where only its tenant's readers open it.
"""

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Final, Literal, cast

import msgspec

from customhouse.cli.output import visible

LogFormat = Literal["auto", "text", "json"]
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"
OURS: Final = "customhouse"
SERVER: Final = "uvicorn"
MAX_MESSAGE: Final = 2000
"""Characters of an event's sentence; ours are a line."""
MAX_CAUSES: Final = 8
MAX_FRAMES: Final = 12
_OWN_WORDS: Final = frozenset({"apsw"})
"""Modules whose messages quote no values."""
_LINE: Final = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t", "\u2028": "\\u2028", "\u2029": "\\u2029"})

_Info = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def begin_log(level: str, form: LogFormat) -> None:
    """Write events to stderr, each as one line: ours from `level` on. `auto` is text on a terminal, JSON elsewhere."""
    # Not shown, and looked up for each event otherwise (docs.python.org/3/howto/logging.html, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(LogLine() if as_text else JsonLine())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger(OURS).setLevel(level.upper())
    # It says where it listens, and nothing below that we want; `warning` and above stay as they are asked for.
    logging.getLogger(SERVER).setLevel(max(logging.INFO, logging.getLogger(OURS).level))


class JsonLine(logging.Formatter):
    """Writes each event as one JSON object: time, level, logger, message, then its fields, then the error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event's line. Cost: about 3 µs."""
        error = record.exc_info[1] if record.exc_info else None
        line: dict[str, object] = {
            "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _sentence(record),
            **fields(record),
        }
        if error is not None:
            line["error"] = told(error)
        try:
            return msgspec.json.encode(line).decode()
        except UnicodeEncodeError:  # a file's name that is no UTF-8, which the other encoder escapes
            return json.dumps(line)


class LogLine(logging.Formatter):
    """Writes each event as one line of text, its fields behind the sentence."""

    def __init__(self) -> None:
        """Take the one format."""
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the event's line."""
        record.exc_text = None  # another handler's formatter may have kept its own, with messages
        return visible(super().format(record).translate(_LINE))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line without the error."""
        record.message = _sentence(record)
        named = "".join(f" {name}={value}" for name, value in fields(record).items() if value is not None)
        return super().formatMessage(record) + named

    def formatException(self, ei: _Info) -> str:  # noqa: N802 - logging's name
        """Return the error and its causes, without their messages."""
        return told(ei[1])


def fields(record: logging.LogRecord) -> Mapping[str, object]:
    """Return what an event of ours says besides its sentence (`extra={"fields": {…}}`)."""
    return cast("Mapping[str, object]", getattr(record, "fields", {})) if _is_ours(record) else {}


def told(error: BaseException | None) -> str:
    """Return what a log says of an error: types, places and codes, the outermost first."""
    parts: list[str] = []
    while error is not None and len(parts) < MAX_CAUSES:
        frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        places = " > ".join(f"{_short(frame.filename)}:{frame.lineno}" for frame in frames)
        parts.append(f"{type(error).__name__}{_code(error)} [{places}]")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return " caused by ".join(parts)


@lru_cache(maxsize=2)
def _second(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))


def _sentence(record: logging.LogRecord) -> str:
    # What others say below their first line is reprs of their objects, errors and all.
    message = record.getMessage()
    return (message if _is_ours(record) else message.partition("\n")[0])[:MAX_MESSAGE]


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == OURS


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
