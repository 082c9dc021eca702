# SPDX-License-Identifier: Apache-2.0
"""OpenAI embeddings towards a provider: what is asked, and the answer, read into typed values and never passed through.

Base64 is asked for, which is exact and a third of the bytes; numbers are read too, since not every server knows it.
Sources: the types of the `openai` package; `index` says which text a vector is of, whatever the order.
"""

import base64
import math
import struct
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from customhouse.domain.answer import NUMBER_BYTES, Answer, Usage
from customhouse.domain.digest import MAX_INTEGER
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.request import Request

PATH: Final = "/embeddings"
DIMENSIONS: Final = "dimensions"
"""The feature of a deployment that takes the field of this name; others answer 400 to it."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]


class _InEmbedding(msgspec.Struct, frozen=True):
    embedding: str | list[float]
    index: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _InUsage(msgspec.Struct, frozen=True):
    prompt_tokens: _Count = 0


class _InEmbeddings(msgspec.Struct, frozen=True):
    data: list[_InEmbedding]
    model: str | None = None
    id: str | None = None
    usage: _InUsage | None = None


_decode = msgspec.json.Decoder(_InEmbeddings).decode


def body(request: Request, features: Sequence[str]) -> bytes:
    """Return what is sent: texts, the deployment's model, and `dimensions` where the deployment takes it."""
    asked: dict[str, Any] = {"model": request.model, "input": request.texts, "encoding_format": "base64"}
    if DIMENSIONS in features and request.dimensions is not None:
        asked[DIMENSIONS] = request.dimensions
    return msgspec.json.encode(asked)


def answer(content: bytes) -> Answer:
    """Read an answer: a vector for each `index` from 0, none twice. Raises UpstreamFailed."""
    try:
        found = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("the upstream's answer is not the JSON of embeddings") from error
    by_index = {
        position if each.index is None else each.index: _packed(each.embedding)
        for position, each in enumerate(found.data)
    }
    if sorted(by_index) != list(range(len(found.data))):
        raise UpstreamFailed("the upstream's vectors are not numbered from 0, each number once")
    return Answer(
        upstream_id=found.id,
        model=found.model,
        vectors=tuple(by_index[index] for index in range(len(by_index))),
        stop="stop",
        usage=None if found.usage is None else Usage(found.usage.prompt_tokens, 0),
    )


def _packed(written: str | list[float]) -> bytes:
    try:
        if isinstance(written, str):
            packed = base64.b64decode(written, validate=True)
        else:
            packed = struct.pack(f"<{len(written)}f", *written)
        # One sum tells all: of numbers it is finite and above 0, with NaN or infinity in it it is not finite.
        size = sum(map(abs, struct.unpack(f"<{len(packed) // NUMBER_BYTES}f", packed)))
    except (ValueError, OverflowError, struct.error) as error:  # binascii's is a ValueError
        raise UpstreamFailed("a vector of the upstream is no list of 32-bit numbers") from error
    if not math.isfinite(size) or size == 0:
        raise UpstreamFailed("a vector of the upstream is empty, zero or not finite")
    return packed
