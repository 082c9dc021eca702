# SPDX-License-Identifier: Apache-2.0
"""What only Azure OpenAI says, in every dialect that it speaks: that its content filter refused the request. Pure.

Source: Microsoft's page on content filtering: status 400, `error.code` is `content_filter`, and
`error.innererror.content_filter_result` has an entry for each category, with `filtered`.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

MAX_CATEGORIES: Final = 20
_CATEGORY: Final = re.compile(r"[a-z][a-z_]{0,39}")
"""A name of Azure's (hate, self_harm, jailbreak, protected_material_text); anything else is not told on."""


class _Category(msgspec.Struct, frozen=True):
    filtered: bool = False


class _Inner(msgspec.Struct, frozen=True):
    content_filter_result: Mapping[str, msgspec.Raw] = {}


class _Error(msgspec.Struct, frozen=True):
    code: str | int | None = None
    innererror: _Inner | None = None


class _Body(msgspec.Struct, frozen=True):
    error: _Error


_decode = msgspec.json.Decoder(_Body).decode
_decode_category = msgspec.json.Decoder(_Category).decode


def filtered(content: bytes) -> tuple[str, ...] | None:
    """Return the categories for which an error body says that the filter refused, or None where it says nothing so."""
    try:
        error = _decode(content).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if error.code != "content_filter":
        return None
    results = (error.innererror or _Inner()).content_filter_result
    named = sorted(name for name, result in results.items() if _CATEGORY.fullmatch(name) and _is_filtered(result))
    return tuple(named[:MAX_CATEGORIES])


def _is_filtered(result: msgspec.Raw) -> bool:
    try:
        return _decode_category(result).filtered
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
