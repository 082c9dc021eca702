# SPDX-License-Identifier: Apache-2.0
"""The sentence of an error body, in each of the shapes that OpenAI and the servers compatible with it use. Pure.

- OpenAI, Azure, Groq, llama.cpp: `{"error": {"message": …}}`
- Ollama, TGI: `{"error": "…"}`
- vLLM before 0.10: `{"object": "error", "message": "…"}`
- Mistral: `{"object": "error", "message": {"detail": […]}}` or `{"detail": […]}`, as FastAPI names what is wrong where

`tests/upstream/compatible.py` names where each was seen.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

MAX_CHARACTERS: Final = 300
MAX_PROBLEMS: Final = 5


class _Problem(msgspec.Struct, frozen=True):
    msg: str
    loc: tuple[str | int, ...] = ()


class _Detail(msgspec.Struct, frozen=True):
    detail: list[_Problem] | str


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None


class _Body(msgspec.Struct, frozen=True):
    error: _Error | str | None = None
    message: _Detail | str | None = None
    detail: list[_Problem] | str | None = None


_decode = msgspec.json.Decoder(_Body).decode


def error_message(content: bytes) -> str | None:
    """Return the sentence of a provider's error body, 300 characters at most, or None."""
    try:
        found = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    said = found.error.message if isinstance(found.error, _Error) else found.error
    if said is None:
        said = _told(found.message.detail if isinstance(found.message, _Detail) else found.message)
    return (said or _told(found.detail) or "")[:MAX_CHARACTERS] or None


def _told(detail: Sequence[_Problem] | str | None) -> str | None:
    if detail is None or isinstance(detail, str):
        return detail
    named = (f"{'.'.join(map(str, each.loc))}: {each.msg}" if each.loc else each.msg for each in detail[:MAX_PROBLEMS])
    return "; ".join(named)
