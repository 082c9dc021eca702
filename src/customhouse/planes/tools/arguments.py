# SPDX-License-Identifier: Apache-2.0
"""Whether proposed arguments are one JSON object that every parser reads the same way.

Duplicate keys are the danger: one parser keeps the first, another the last, so what was decided would not be what runs.
Keys that differ only in capitals are duplicates too: Go's encoding/json takes either for the field, and keeps the last.
Empty text counts as no arguments, as the models' own SDKs treat it.
"""

import json
from math import isfinite
from typing import Final, NoReturn, cast

from customhouse.domain.digest import MAX_INTEGER

MAX_ARGUMENTS_BYTES: Final = 64 * 1024
"""Arguments over this are denied: no tool call of an assistant is a file transfer."""


def read_arguments(text: str) -> dict[str, object] | None:
    """Return the arguments, or None unless `text` is empty or one JSON object that every parser reads the same way.

    Keys that are unique without capitals too, valid Unicode, finite numbers, whole numbers below 2^53 in magnitude, at
    most 64 KB.
    """
    if not text.strip(" \t\r\n"):
        return {}
    try:
        if len(text.encode()) > MAX_ARGUMENTS_BYTES:
            return None
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_whole, parse_float=_finite
        )
        if "\\u" in text:
            # A lone surrogate written as an escape has no UTF-8 form: parsers downstream disagree on it.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _whole(digits: str) -> int:
    """Refuse what a double does not hold: one parser rounds it, another does not (RFC 8259, 6)."""
    value = int(digits)
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ValueError(f"{digits} does not fit in 53 bits")
    return value


def _finite(digits: str) -> float:
    """Refuse 1e999: infinity here, null or an error elsewhere."""
    value = float(digits)
    if not isfinite(value):
        raise ValueError(f"{digits} is not finite")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key.casefold() for key, _ in pairs}) != len(pairs):
        raise ValueError("duplicate key")
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
