# SPDX-License-Identifier: Apache-2.0
"""Canonical JSON and the digests that address documents.

RFC 8785 (JSON Canonicalization Scheme), narrowed: no floats at all (a decimal is a string) and integers below 2^53 in
magnitude, so that every JSON implementation reads the same number. Property-tested against the `rfc8785` package.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Final, NewType, cast

import msgspec

Digest = NewType("Digest", str)
"""`sha256:` and 64 lower-case hex digits."""

MAX_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 64

_encode = msgspec.json.Encoder(order="sorted").encode


def canonical(value: object) -> bytes:
    """Return the canonical JSON bytes of plain data: dict, list, tuple, str, int, bool, None.

    Raises ValueError for floats, integers of 2^53 or more, keys that are not strings, lone surrogates and nesting
    deeper than 64. Cost: two passes over the value.
    """
    if _check(value, 0):
        return _encode(value)
    # Code points and UTF-16 units order keys differently only beyond ASCII; RFC 8785 3.2.3 asks for UTF-16 units.
    return json.dumps(_utf16_sorted(value), ensure_ascii=False, separators=(",", ":")).encode()


def digest(value: object) -> Digest:
    """Return the digest of the canonical JSON of `value`; raises as `canonical`."""
    return digest_bytes(canonical(value))


def digest_bytes(content: bytes) -> Digest:
    """Return the digest of bytes that are already canonical."""
    return Digest("sha256:" + hashlib.sha256(content).hexdigest())


def _check(value: object, depth: int) -> bool:
    """Refuse what the scheme cannot carry; return whether every key is ASCII."""
    if depth > MAX_DEPTH:
        message = f"nesting deeper than {MAX_DEPTH}"
        raise ValueError(message)
    match value:
        case bool() | None:
            return True
        case str():
            value.encode()
            return True
        case int():
            if not -MAX_INTEGER <= value <= MAX_INTEGER:
                message = f"integer {value} does not fit in 53 bits: write it as a string"
                raise ValueError(message)
            return True
        case dict():
            items = cast("dict[object, object]", value).items()
            # A list, not a generator: every part is checked, also after one that is not ASCII.
            return all([_check_key(key) & _check(item, depth + 1) for key, item in items])  # noqa: C419
        case list() | tuple():
            return all([_check(item, depth + 1) for item in cast("Sequence[object]", value)])  # noqa: C419
        case _:
            message = f"{type(value).__name__} has no canonical form: write decimals as strings"
            raise ValueError(message)


def _check_key(key: object) -> bool:
    if not isinstance(key, str):
        message = f"key {key!r} is not a string"
        raise ValueError(message)  # noqa: TRY004 - one error type for everything that has no canonical form
    key.encode()
    return key.isascii()


def _utf16_sorted(value: object) -> object:
    match value:
        case dict():
            pairs = sorted(cast("dict[str, object]", value).items(), key=lambda pair: pair[0].encode("utf-16-be"))
            return {key: _utf16_sorted(item) for key, item in pairs}
        case list() | tuple():
            return [_utf16_sorted(item) for item in cast("Sequence[object]", value)]
        case _:
            return value
