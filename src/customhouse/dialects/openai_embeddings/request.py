# SPDX-License-Identifier: Apache-2.0
"""OpenAI embeddings, a client's request: an allow-list of fields, read strictly into the domain's values.

Source of the shapes: the types of the `openai` package (types/embedding_create_params.py), narrowed. Texts only: token
numbers mean something to one tokenizer alone, and nobody could read from the evidence what was embedded.
"""

import re
from typing import Final, Literal

import msgspec

from customhouse.dialects.strict_json import refuse_duplicates
from customhouse.domain.errors import FieldNotAllowed, InvalidRequest
from customhouse.domain.request import Request

MAX_TEXTS: Final = 2048
"""Texts in one request: OpenAI's own bound."""


class EmbeddingRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a client may send. `dimensions` may only say what the released model gives; `user` is not passed on."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None
    user: str | None = None


_decode = msgspec.json.Decoder(EmbeddingRequest).decode
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")


def read(body: bytes) -> Request:
    """Read a request body. Raises InvalidRequest, DuplicateKey, FieldNotAllowed with the field in `param`."""
    refuse_duplicates(body)
    try:
        wire = _decode(body)
    except msgspec.ValidationError as error:
        raise _explained(str(error)) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    return Request(
        model=wire.model,
        messages=(),
        texts=_texts(wire.input),
        packed=wire.encoding_format == "base64",
        dimensions=wire.dimensions,
    )


def _texts(given: str | list[str | int | list[int]]) -> tuple[str, ...]:
    texts: list[str] = []
    for position, each in enumerate([given] if isinstance(given, str) else given):
        place = "input" if isinstance(given, str) else f"input.{position}"
        if not isinstance(each, str):
            raise InvalidRequest(
                "token numbers are not accepted, send the text (langchain: check_embedding_ctx_length=False)",
                param=place,
            )
        if not each:
            raise InvalidRequest("an empty text has no vector; leave it out", param=place)
        texts.append(each)
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise InvalidRequest(f"1 to {MAX_TEXTS} texts expected, {len(texts)} found", param="input")
    return tuple(texts)


def _explained(message: str) -> InvalidRequest:
    unknown = _UNKNOWN.match(message)
    if unknown is None:
        return InvalidRequest(f"the request does not have the expected shape: {message}")
    return FieldNotAllowed(
        f"`{unknown['field']}` is not a field this gateway accepts. Remove it; docs/reference/http.md lists the fields "
        "that are understood",
        param=unknown["field"],
    )
