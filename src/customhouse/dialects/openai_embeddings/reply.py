# SPDX-License-Identifier: Apache-2.0
"""OpenAI embeddings towards the client: always built here, in the order of the request, with the `customhouse` object.

Source of the shapes: the types of the `openai` package (types/create_embedding_response.py).
"""

import base64
import struct
from collections.abc import Sequence
from typing import Literal

import msgspec

from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.openai_chat.reply import error
from customhouse.domain.answer import NUMBER_BYTES, Answer, Delta
from customhouse.domain.errors import CustomhouseError, UpstreamFailed


class _Embedding(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["embedding"]
    index: int
    embedding: str | list[float]


class _Usage(msgspec.Struct, frozen=True, kw_only=True):
    prompt_tokens: int
    total_tokens: int


class _Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"]
    data: list[_Embedding]
    model: str
    usage: _Usage
    customhouse: Receipt


def require(answer: Answer) -> None:
    """Raise UpstreamFailed for an answer without vectors."""
    if not answer.vectors:
        raise UpstreamFailed("the upstream gave no vectors")


def whole(answer: Answer, envelope: Envelope, receipt: Receipt) -> bytes:
    """Return the body of an answer, each vector as numbers or in base64 as the client asked."""
    tokens = answer.usage.prompt_tokens if answer.usage else 0
    data = [
        _Embedding(object="embedding", index=index, embedding=_written(vector, packed=envelope.request.packed))
        for index, vector in enumerate(answer.vectors)
    ]
    usage = _Usage(prompt_tokens=tokens, total_tokens=tokens)
    return msgspec.json.encode(
        _Embeddings(object="list", data=data, model=envelope.model, usage=usage, customhouse=receipt)
    )


class NoStream:
    """Stands where other dialects write a stream: vectors are never streamed, and an error is one body."""

    def __init__(self, _envelope: Envelope) -> None:
        """Take what a writer takes."""

    def deltas(self, deltas: Sequence[Delta]) -> bytes:
        """Write nothing: no answer with vectors has pieces."""
        del deltas
        return b""

    def end(self, answer: Answer, added: str, receipt: Receipt) -> bytes:
        """Write nothing."""
        del answer, added, receipt
        return b""

    def fail(self, problem: CustomhouseError, trace_id: str) -> bytes:
        """Return the error."""
        return error(problem, trace_id)


def _written(vector: bytes, *, packed: bool) -> str | list[float]:
    if packed:
        return base64.b64encode(vector).decode()
    return list(struct.unpack(f"<{len(vector) // NUMBER_BYTES}f", vector))
