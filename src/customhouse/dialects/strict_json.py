# SPDX-License-Identifier: Apache-2.0
"""JSON that every parser reads the same way: duplicate keys, NaN, infinity and what is not UTF-8 are refused.

orjson, json and msgspec silently keep the last of two equal keys, others keep the first: a decision made on one reading
would not cover the other. Typed decoding is msgspec's; this only refuses what typed decoding cannot see.
"""

import json
import math
from collections import Counter
from typing import Final, NoReturn

from customhouse.domain.errors import DuplicateKey, InvalidRequest


def refuse_duplicates(body: bytes) -> None:
    """Check a whole body. Raises DuplicateKey or InvalidRequest. Cost: about 10 µs for 1 KB."""
    try:
        _walk(body.decode())
    except UnicodeDecodeError as error:
        raise InvalidRequest("the body is not UTF-8") from error
    except RecursionError as error:
        raise InvalidRequest("the body is nested too deeply") from error
    except ValueError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error


def has_duplicates(text: bytes | str) -> bool:
    """Return whether a JSON text repeats a key in one object, or cannot be read at all."""
    try:
        _walk(text if isinstance(text, str) else text.decode())
    except (DuplicateKey, ValueError, RecursionError):
        return True
    return False


def _unique(pairs: list[tuple[str, object]]) -> None:
    """Keep nothing: only the keys of this object matter, so the values need no memory."""
    if len(pairs) > 1:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            repeated = Counter(keys).most_common(1)[0][0]
            raise DuplicateKey(f"the key {repeated[:64]!r} stands twice in one object; send each key once")


def _finite(number: str) -> None:
    if math.isinf(float(number)):
        raise ValueError("a number is too large for any parser")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Text, because `json` given bytes guesses UTF-16 and lets encoded surrogates pass. `json.loads` with hooks would build
# this anew for every body.
_walk: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse).decode
