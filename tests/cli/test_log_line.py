# SPDX-License-Identifier: Apache-2.0
"""A server's log has one line for each event, and of an error its type and place, never the words that it quotes."""

import logging
import sys
from typing import NoReturn

import psycopg
import pytest

from customhouse.cli.log_line import LogLine

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
