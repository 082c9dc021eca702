# SPDX-License-Identifier: Apache-2.0
"""Whether proposed arguments are one JSON object that every parser reads the same way.

Duplicate keys are the danger: one parser keeps the first, another the last, so what was decided would not be what runs.
Empty text counts as no arguments, as the models' own SDKs treat it.
"""

import json
from typing import Final, NoReturn

MAX_ARGUMENTS_BYTES: Final = 64 * 1024
"""Arguments over this are denied: no tool call of an assistant is a file transfer."""


def valid_arguments(text: str) -> bool:
    """Return whether `text` is empty or one JSON object: unique keys, valid Unicode, finite numbers, at most 64 KB."""
    if not text.strip(" \t\r\n"):
        return True
    try:
        if len(text.encode()) > MAX_ARGUMENTS_BYTES:
            return False
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
        # A lone surrogate written as an escape has no UTF-8 form: parsers downstream disagree on it.
        # 1e999 is infinity here, null or an error elsewhere.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
