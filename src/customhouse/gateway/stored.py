# SPDX-License-Identifier: Apache-2.0
"""A response that is kept, so that a later turn may continue it: what it holds and whose it is. Pure.

Kept are this turn's own messages and what the client was given, as one payload of its trace: sealed under the tenant's
key, ended by the same retention. What came before is not kept again; a chain is walked back, within bounds.

Rules: a stored response is its assistant's, environment's and subject's alone; anybody else learns no more than of an
id that never was. Its class of data goes with it: whoever continues it asks a model that may see that class.

Story: Lee's agent says `previous_response_id`, on behalf of user:42. Mia's, on behalf of user:7, has seen the id in a
log and says the same: for her there is no such response.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.openai_responses.request import INSTRUCTIONS
from customhouse.domain.answer import Answer
from customhouse.domain.errors import InvalidRequest
from customhouse.domain.label import Classification
from customhouse.domain.message import Message
from customhouse.domain.principal import Principal
from customhouse.domain.request import Request

KIND: Final = "stored"
"""The kind of the payload, and its name among a record's commitments."""
MAX_CHAIN: Final = 64
"""Responses that one may continue, each read by itself: some ms for each turn of a long conversation."""
MAX_MESSAGES: Final = 2048
MAX_BYTES: Final = 8 * 1024 * 1024
"""Of a whole conversation as it is kept."""
PLACE: Final = "previous_response_id"
"""Where a client said what came from a stored response."""

_ID: Final = re.compile(r"resp_([0-9a-f]{8})([0-9a-f]{4})(7[0-9a-f]{3})([0-9a-f]{4})([0-9a-f]{12})")


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One turn, as it was asked and answered. The first fields bind it; `classification` is that of the turn's data."""

    assistant: str
    environment: str
    on_behalf_of: str | None
    classification: Classification
    created_s: int
    model: str
    request: Request
    answer: Answer
    receipt: Receipt


class Earlier(NamedTuple):
    """What a turn continues: the conversation so far, and the highest class of data in it."""

    messages: tuple[Message, ...] = ()
    classification: Classification = Classification.PUBLIC


_encode = msgspec.json.Encoder(enc_hook=dict).encode  # a read-only mapping is written as what it is
_decode = msgspec.json.Decoder(Stored).decode


def encode(stored: Stored) -> bytes:
    """Return the payload of a stored response."""
    return _encode(stored)


def kept(
    principal: Principal, level: Classification, envelope: Envelope, answer: Answer, receipt: Receipt
) -> bytes | None:
    """Return what a later turn may continue, or None where the client did not ask for it.

    What this turn was asked, and what its client is given.
    """
    if not envelope.request.keep:
        return None
    return encode(
        Stored(
            assistant=principal.assistant,
            environment=principal.environment,
            on_behalf_of=principal.on_behalf_of,
            classification=level,
            created_s=envelope.created_s,
            model=envelope.model,
            request=envelope.request,
            answer=answer,
            receipt=receipt,
        )
    )


def decode(content: bytes) -> Stored:
    """Read a payload back; raises ValueError (msgspec's errors are such) for other bytes."""
    return _decode(content)


def trace_of(response_id: str) -> str | None:
    """Return the trace that a response's id names, or None for what is no id of a stored response."""
    found = _ID.fullmatch(response_id)
    return "-".join(found.groups()) if found else None


def owned(principal: Principal, assistant: str | None, environment: str | None, subject: str | None) -> bool:
    """Return whether a response of this assistant, environment and subject is the caller's; its tenant is anyway."""
    return (assistant, environment, subject) == (
        principal.assistant,
        principal.environment,
        principal.on_behalf_of,
    )


def envelope(stored: Stored, trace_id: str) -> Envelope:
    """Return what every part of the response repeats, as it was answered."""
    return Envelope(trace_id.replace("-", ""), stored.created_s, stored.model, stored.request)


def joined(chain: Sequence[Stored]) -> Earlier:
    """Return the conversation of a chain, oldest first. Instructions of earlier turns do not carry over.

    Raises InvalidRequest for more messages than a conversation may have.
    """
    messages: list[Message] = []
    for each in chain:
        for message in (*each.request.messages, Message("assistant", each.answer.content)):
            if message.place != INSTRUCTIONS and message.content:
                _add(messages, msgspec.structs.replace(message, place=PLACE))
    if len(messages) > MAX_MESSAGES:
        raise too_long(f"it has more than {MAX_MESSAGES} messages")
    return Earlier(tuple(messages), max((each.classification for each in chain), default=Classification.PUBLIC))


def too_long(why: str) -> InvalidRequest:
    """Return the refusal of a conversation that is too long to be continued."""
    return InvalidRequest(
        f"the conversation that this response continues is too long: {why}. Send what matters of it as `input`",
        param=PLACE,
    )


def _add(messages: list[Message], message: Message) -> None:
    """Add a message; an assistant's that follow each other are one."""
    last = messages[-1] if messages else None
    if last is not None and last.role == message.role == "assistant":
        messages[-1] = msgspec.structs.replace(last, content=(*last.content, *message.content))
    else:
        messages.append(message)
