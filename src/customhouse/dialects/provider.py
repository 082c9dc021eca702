# SPDX-License-Identifier: Apache-2.0
"""The dialects that providers speak, by the name a provider is declared with, and what each of them can say."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from customhouse.dialects.anthropic import upstream as anthropic
from customhouse.dialects.anthropic import upstream_answer as anthropic_answer
from customhouse.dialects.anthropic.upstream_stream import Collector as AnthropicCollector
from customhouse.dialects.openai_chat import refusal as openai_chat_refusal
from customhouse.dialects.openai_chat import upstream_answer as openai_chat_answer
from customhouse.dialects.openai_chat import upstream_request as openai_chat_request
from customhouse.dialects.openai_chat.upstream_stream import Collector as OpenAIChatCollector
from customhouse.dialects.openai_embeddings import upstream as openai_embeddings
from customhouse.dialects.openai_responses import upstream as openai_responses
from customhouse.dialects.openai_responses.upstream_output import error_message as openai_responses_error
from customhouse.dialects.openai_responses.upstream_stream import Collector as OpenAIResponsesCollector
from customhouse.domain.answer import Answer, Delta
from customhouse.domain.message import DialectName
from customhouse.domain.request import Request


class Collector(Protocol):
    """Collects one stream: what needs no decision passes at once, tool calls wait until the stream is whole."""

    def feed(self, data: bytes) -> Sequence[Delta]:
        """Take the data of one event. Raises UpstreamFailed for what is not the dialect, or is over a bound."""
        ...

    @property
    def started(self) -> bool:
        """Return whether the stream has carried anything of an answer."""
        ...

    @property
    def finished(self) -> bool:
        """Return whether the provider has said why it stopped."""
        ...

    @property
    def done(self) -> bool:
        """Return whether nothing more is to come."""
        ...

    def answer(self) -> Answer:
        """Return what was collected so far; partial while `finished` is false."""
        ...


class Counting(NamedTuple):
    """How a dialect asks for the number of tokens of a request, below base_url, and reads it.

    `body` raises Inexpressible, `tokens` UpstreamFailed.
    """

    path: str
    body: Callable[[Request], bytes]
    tokens: Callable[[bytes], int]


class ProviderDialect(NamedTuple):
    """One dialect towards providers.

    `path` stands below the provider's base_url. `body` is given a request as it leaves and the deployment's features,
    and raises Inexpressible with the client's field in `param`. `answer` reads a whole answer and raises
    UpstreamFailed. `collector` is given a bound in characters and the tools that
    the provider may run by itself. `error_message` returns the sentence of an error body,
    300 characters at most, or None. `counting` is None for a dialect that has no request for it.
    """

    path: str
    body: Callable[[Request, Sequence[str]], bytes]
    answer: Callable[[bytes], Answer]
    collector: Callable[[int, frozenset[str]], Collector]
    error_message: Callable[[bytes], str | None]
    counting: Counting | None = None


OPENAI_CHAT: Final = ProviderDialect(
    path=openai_chat_request.PATH,
    body=openai_chat_request.body,
    answer=openai_chat_answer.answer,
    collector=OpenAIChatCollector,
    error_message=openai_chat_refusal.error_message,
)
OPENAI_RESPONSES: Final = ProviderDialect(
    path=openai_responses.PATH,
    body=openai_responses.body,
    answer=openai_responses.answer,
    collector=OpenAIResponsesCollector,
    error_message=openai_responses_error,
)
ANTHROPIC: Final = ProviderDialect(
    path=anthropic.PATH,
    body=anthropic.body,
    answer=anthropic_answer.answer,
    collector=AnthropicCollector,
    error_message=anthropic_answer.error_message,
    counting=Counting(anthropic.COUNT_PATH, anthropic.count_body, anthropic_answer.tokens),
)
EMBEDDINGS: Final = ProviderDialect(
    path=openai_embeddings.PATH,
    body=openai_embeddings.body,
    answer=openai_embeddings.answer,
    collector=OpenAIChatCollector,  # never asked for one: vectors are not streamed
    error_message=openai_chat_refusal.error_message,
)
"""What embedding models are asked in, at every provider that has OpenAI's endpoint."""
PROVIDERS: Final[Mapping[DialectName, ProviderDialect]] = MappingProxyType(
    {
        "openai_chat": OPENAI_CHAT,
        "openai_responses": OPENAI_RESPONSES,
        "anthropic": ANTHROPIC,
    }
)
"""Every dialect that this version speaks with providers."""
