# SPDX-License-Identifier: Apache-2.0
"""The dialects that clients speak, by the path they speak it on, and what each of them can say."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from customhouse.dialects.anthropic import reply as anthropic_reply
from customhouse.dialects.anthropic import request as anthropic
from customhouse.dialects.anthropic.reply_stream import EventWriter
from customhouse.dialects.envelope import Envelope, Receipt
from customhouse.dialects.openai_chat import reply as openai_chat_reply
from customhouse.dialects.openai_chat import request as openai_chat
from customhouse.dialects.openai_embeddings import reply as openai_embeddings_reply
from customhouse.dialects.openai_embeddings import request as openai_embeddings
from customhouse.dialects.openai_responses import reply as openai_responses_reply
from customhouse.dialects.openai_responses import reply_stream as openai_responses_stream
from customhouse.dialects.openai_responses import request as openai_responses
from customhouse.domain.answer import Answer, Delta
from customhouse.domain.errors import CustomhouseError
from customhouse.domain.request import Request


class Writer(Protocol):
    """Writes one streamed answer. What it returns is sent in this order; deltas may be none."""

    def deltas(self, deltas: Sequence[Delta]) -> bytes:
        """Return the events of pieces that pass; before the first of them whatever begins a stream.

        Raises UpstreamFailed for what the dialect cannot express.
        """
        ...

    def end(self, answer: Answer, added: str, receipt: Receipt) -> bytes:
        """Return the rest: `added` (text that no delta brought), the calls that pass, the end with the receipt.

        `answer` is all of it as decided, `added` included.
        """
        ...

    def fail(self, problem: CustomhouseError, trace_id: str) -> bytes:
        """Return the last event of a stream that cannot go on."""
        ...


class ClientDialect(NamedTuple):
    """One dialect towards clients.

    `read` raises InvalidRequest, DuplicateKey, FieldNotAllowed with the field in `param`. `require` raises
    UpstreamFailed for an answer with something that the dialect cannot express. `whole` writes an answer that was found
    expressible and has only the calls that pass.
    """

    read: Callable[[bytes], Request]
    require: Callable[[Answer], None]
    whole: Callable[[Answer, Envelope, Receipt], bytes]
    writer: Callable[[Envelope], Writer]
    error: Callable[[CustomhouseError, str], bytes]


OPENAI_CHAT: Final = ClientDialect(
    read=openai_chat.read,
    require=openai_chat_reply.require,
    whole=openai_chat_reply.whole,
    writer=openai_chat_reply.ChunkWriter,
    error=openai_chat_reply.error,
)
OPENAI_RESPONSES: Final = ClientDialect(
    read=openai_responses.read,
    require=openai_responses_reply.require,
    whole=openai_responses_reply.whole,
    writer=openai_responses_stream.EventWriter,
    error=openai_chat_reply.error,
)
ANTHROPIC: Final = ClientDialect(
    read=anthropic.read,
    require=anthropic_reply.require,
    whole=anthropic_reply.whole,
    writer=EventWriter,
    error=anthropic_reply.error,
)
ANTHROPIC_COUNT: Final = ANTHROPIC._replace(read=anthropic.read_count, whole=anthropic_reply.count)
OPENAI_EMBEDDINGS: Final = ClientDialect(
    read=openai_embeddings.read,
    require=openai_embeddings_reply.require,
    whole=openai_embeddings_reply.whole,
    writer=openai_embeddings_reply.NoStream,
    error=openai_chat_reply.error,
)
CLIENTS: Final[Mapping[str, ClientDialect]] = MappingProxyType(
    {
        "/v1/chat/completions": OPENAI_CHAT,
        "/v1/responses": OPENAI_RESPONSES,
        "/v1/messages": ANTHROPIC,
    }
)
"""Every endpoint that answers with the next message of a conversation."""
EMBEDDERS: Final[Mapping[str, ClientDialect]] = MappingProxyType({"/v1/embeddings": OPENAI_EMBEDDINGS})
"""Every endpoint that answers with the vectors of texts."""
COUNTERS: Final[Mapping[str, ClientDialect]] = MappingProxyType({"/v1/messages/count_tokens": ANTHROPIC_COUNT})
"""Every endpoint that answers with how many tokens a request has, which is its answer's `usage.prompt_tokens`."""


def spoken(path: str) -> ClientDialect:
    """Return the dialect of a path, also for its errors: OpenAI's where the path is none of these."""
    return CLIENTS.get(path) or EMBEDDERS.get(path) or COUNTERS.get(path, OPENAI_CHAT)
