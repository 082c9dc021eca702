# SPDX-License-Identifier: Apache-2.0
"""OpenAI's embeddings as a provider answers them: vectors that depend on the text alone, and ways to get them wrong.

Shapes: openai 3.54.0, types/create_embedding_response.py. The SDK asks for base64 unless it is told otherwise.
"""

import base64
import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from openai.types.embedding_create_params import EmbeddingCreateParams
from tests.upstream.responses import failure
from tests.upstream.responses_check import Refused
from tests.upstream.responses_check import shape as refused_shape
from tests.upstream.responses_replies import FAILURES
from tests.upstream.shape import misfit
from tests.upstream.wire import Received, Reply, Step, as_json, whole

DIMENSIONS: Final = 8
MOST_INPUTS: Final = 2048
Answer = dict[str, Any]


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return the vector of a text: the same each time, of length 1 up to rounding, exact in 32 bits."""
    digest = hashlib.shake_256(text.encode()).digest(dimensions)
    raw = [value - 127.5 for value in digest]
    size = sum(value * value for value in raw) ** 0.5
    return list(struct.unpack(f"<{dimensions}f", struct.pack(f"<{dimensions}f", *(value / size for value in raw))))


def refusal(request: Received) -> Reply | None:
    """Return the refusal of this request, or None when the provider would answer it."""
    found = misfit(request.body, EmbeddingCreateParams)
    refused = None if found is None else refused_shape(found)
    given: list[Any] | str = request.body.get("input", "")
    if refused is None and not given:
        refused = Refused("Invalid 'input': input cannot be an empty string.", param="input")
    if refused is None and isinstance(given, list) and len(given) > MOST_INPUTS:
        refused = Refused(f"Invalid 'input': maximum array length {MOST_INPUTS}.", param="input")
    if refused is None:
        return None
    return failure(400, "invalid_request_error", refused.said, code=refused.code, param=refused.param)


def inputs(body: Mapping[str, Any]) -> list[str]:
    """Return the texts; a list of token numbers counts as one text."""
    given = body["input"]
    if isinstance(given, str):
        return [given]
    if given and isinstance(given[0], int):
        return [str(given)]
    return [one if isinstance(one, str) else str(one) for one in given]


def answer(edit: Callable[[Answer], Answer] = dict, long: int = DIMENSIONS) -> Reply:
    """Answer with a vector for each text, `long` unless asked otherwise, as numbers or base64; `edit` changes it."""

    def reply(request: Received) -> Iterator[Step]:
        dimensions = request.body.get("dimensions", long)
        texts = inputs(request.body)
        data = [
            {"object": "embedding", "index": number, "embedding": _written(vector(text, dimensions), request.body)}
            for number, text in enumerate(texts)
        ]
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        full = {"object": "list", "data": data, "model": request.model, "usage": usage}
        yield whole(200, as_json(edit(full)))

    return reply


def _written(values: list[float], body: Mapping[str, Any]) -> list[float] | str:
    if body.get("encoding_format") != "base64":
        return values
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def _each(**to: Any) -> Callable[[Answer], Answer]:  # noqa: ANN401
    return lambda full: {**full, "data": [{**one, **to} for one in full["data"]]}


EMBEDDINGS: Final[dict[str, Reply]] = {
    "answer": answer(),
    "all-minilm-l6-v2-int8": answer(long=384),
    "wrong-model": answer(lambda full: {**full, "model": "other-embedding-3"}),
    "too-few": answer(lambda full: {**full, "data": full["data"][:-1]}),
    "too-many": answer(lambda full: {**full, "data": [*full["data"], full["data"][-1]]}),
    "backwards": answer(lambda full: {**full, "data": full["data"][::-1]}),
    "same-index": answer(_each(index=0)),
    "no-numbers": answer(_each(embedding=[None])),
    "not-finite": answer(_each(embedding=[float("nan"), float("inf")])),
    "empty-vector": answer(_each(embedding=[])),
    "wrong-dimensions": answer(_each(embedding=[0.5, 0.25, 0.125])),
    "wrong-base64": answer(_each(embedding="AAAA!")),
    "no-usage": answer(lambda full: {name: value for name, value in full.items() if name != "usage"}),
    "not-an-object": lambda _request: iter((whole(200, b"[]"),)),
    "wrong-json": lambda _request: iter((whole(200, b'{"data": ['),)),
    **FAILURES,
}
"""Every scripted reply of /v1/embeddings by name. `backwards` is allowed: `index` says which text a vector is of."""
