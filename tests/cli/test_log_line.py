# SPDX-License-Identifier: Apache-2.0
"""A server's log has one line for each event, and of an error its type and place, never the words that it quotes."""

import json
import logging
import subprocess
import sys
from datetime import UTC, datetime
from typing import NoReturn

import psycopg
import pytest

from customhouse.cli.log_line import JsonLine, LogLine

QUOTED = "TRIPWIRE"


class Quoting(Exception):
    """An error as libraries raise them: its message is the bytes it stumbled over."""


def quote() -> NoReturn:
    raise Quoting(QUOTED)


def line(message: str, *arguments: object, error: BaseException | None = None) -> str:
    caught = None if error is None else (type(error), error, error.__traceback__)
    return LogLine().format(logging.LogRecord("customhouse.n", logging.ERROR, "p", 1, message, arguments, caught))


def test_an_error_is_told_by_type_and_place_through_its_causes() -> None:
    try:
        try:
            quote()
        except Quoting as inner:
            raise ValueError(QUOTED) from inner
    except ValueError as error:
        written = line("it failed", error=error)
    else:
        raise AssertionError
    assert "ValueError [" in written
    assert "caused by Quoting [" in written
    assert "test_log_line.py:" in written
    assert QUOTED not in written
    assert len(written.splitlines()) == 1


def test_json_says_the_same_to_programs() -> None:
    try:
        quote()
    except Quoting:
        record = logging.LogRecord("customhouse.n", logging.ERROR, "p", 1, "%s", ("a\nb",), sys.exc_info())
    else:
        raise AssertionError
    vars(record)["fields"] = {"trace_id": "t-1", "status": 502}
    written = JsonLine().format(record)
    told = json.loads(written)
    assert len(written.splitlines()) == 1
    assert {name: told[name] for name in ("level", "logger", "message", "trace_id", "status")} == {
        "level": "error",
        "logger": "customhouse.n",
        "message": "a\nb",
        "trace_id": "t-1",
        "status": 502,
    }
    assert told["error"].startswith("Quoting [")
    assert datetime.fromisoformat(told["time"]) == datetime.fromtimestamp(int(record.created * 1000) / 1000, UTC)
    assert QUOTED not in written


def test_of_other_packages_the_first_line_is_told_and_no_fields() -> None:
    """Asyncio's own report of a lost exception repeats it from its second line on."""
    record = logging.LogRecord("asyncio", logging.ERROR, "p", 1, f"never retrieved\n<{QUOTED}>", (), None)
    vars(record)["fields"] = {"x": QUOTED}
    for formatter in (JsonLine(), LogLine()):
        written = formatter.format(record)
        assert "never retrieved" in written
        assert QUOTED not in written


@pytest.mark.parametrize("form", ["auto", "json", "text"])
def test_the_level_is_for_our_rooms(form: str) -> None:
    program = (
        "import logging; from customhouse.cli.log_line import begin_log; "
        f"begin_log('debug', {form!r}); "
        "[logging.getLogger(name).debug(name + ' speaks') for name in ('customhouse.a', 'psycopg', 'uvicorn')]; "
        "logging.getLogger('uvicorn.error').info('listening'); logging.getLogger('psycopg').warning('broken')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert [words for line in lines for words in ("a speaks", "listening", "broken") if words in line] == [
        "a speaks",
        "listening",
        "broken",
    ]
    assert len(lines) == 3
    assert all(line.startswith("{") == (form != "text") for line in lines), "stderr here is no terminal"


def test_what_another_formatter_kept_of_an_error_is_not_written() -> None:
    try:
        quote()
    except Quoting:
        record = logging.LogRecord("n", logging.ERROR, "p", 1, "x", (), sys.exc_info())
    else:
        raise AssertionError
    logging.Formatter().format(record)
    assert QUOTED in (record.exc_text or "")
    assert QUOTED not in LogLine().format(record)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, QUOTED), "No space left on device"),
        (psycopg.errors.UniqueViolation(QUOTED), "23505"),
        (Quoting(QUOTED), "Quoting"),
    ],
)
def test_of_a_database_or_system_error_the_code_is_told(error: Exception, told: str) -> None:
    written = line("x", error=error)
    assert told in written
    assert QUOTED not in written


@pytest.mark.parametrize("breaking", ["\n", "\r\n", "\u2028", "\x1b[2J", "\x85", "\v", "\u202e"])
def test_no_event_forges_a_line(breaking: str) -> None:
    written = line("refused: %s", f"a{breaking}2026-11-24 00:00:00,000 INFO customhouse all is well")
    assert len(written.splitlines()) == 1
    assert breaking not in written


def test_a_name_that_is_no_utf_8_is_escaped_and_costs_no_event() -> None:
    record = logging.LogRecord("customhouse.n", logging.WARNING, "p", 1, "put aside: %s", ("a\udc80b",), None)
    assert json.loads(JsonLine().format(record))["message"] == "put aside: a\udc80b"
    assert len(JsonLine().format(record).splitlines()) == 1
