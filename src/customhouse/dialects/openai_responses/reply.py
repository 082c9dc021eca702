# SPDX-License-Identifier: Apache-2.0
"""OpenAI Responses towards the client: whole answers, always built here, never passed through."""

from typing import Final

import msgspec

from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.openai_responses import response
from customhouse.domain.answer import Answer
from customhouse.domain.message import Text

_encode: Final = msgspec.json.encode


def require(answer: Answer) -> None:
    """Raise UpstreamFailed for an answer with something that this dialect cannot express."""
    for part in answer.content:
        if isinstance(part, Text):
            response.spoken(part)


def whole(answer: Answer, envelope: Envelope, receipt: Receipt) -> bytes:
    """Return a whole answer. `answer` holds only calls that were allowed, and is expressible."""
    status, _ = response.ending(answer)
    output = [*response.items(envelope, answer.content, status), *response.held(envelope, answer)]
    return _encode(response.finished(envelope, answer, output, receipt))
