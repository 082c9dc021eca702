# SPDX-License-Identifier: Apache-2.0
"""Whole numbers in paths and query strings."""

from typing import Final

from customhouse.domain.errors import InvalidRequest

MAX_DIGITS: Final = 15
"""Below 2^53, so that every JSON reader and the database agree on it."""


def whole_number(text: str, what: str) -> int:
    """Return `text` as a number; raises InvalidRequest naming `what`."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise InvalidRequest(f"{what} is a whole number, found {text[:MAX_DIGITS]!r}.", param=what)
    return int(text)
