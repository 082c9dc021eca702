# SPDX-License-Identifier: Apache-2.0
"""Which paths the scripted provider serves: who checks a request there, and who answers it by its model's name."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from tests.upstream import embeddings, messages, messages_check, responses, responses_check
from tests.upstream.chat_answers import CHAT
from tests.upstream.embeddings import EMBEDDINGS
from tests.upstream.messages_replies import FAILURES, MESSAGES
from tests.upstream.replies import BY_MODEL, answer
from tests.upstream.responses_replies import RESPONSES
from tests.upstream.wire import Received, Reply, Step, as_json, whole


class Endpoint(NamedTuple):
    """One path's end, what refuses a request there, and what answers: by name, or else."""

    suffix: str
    refusal: Callable[[Received], Reply | None]
    by_model: Mapping[str, Reply]
    otherwise: Reply


def count(request: Received) -> Iterator[Step]:
    """Answer with how many tokens a request has: one for each four bytes of it, so that a change is seen."""
    yield whole(200, as_json({"input_tokens": len(request.raw) // 4}), request_id=messages.REQUEST_ID)


def anything(_request: Received) -> Reply | None:
    """Refuse nothing: the chat endpoint answers whatever it is asked."""
    return None


ENDPOINTS: Final = (
    Endpoint("/chat/completions", anything, {**BY_MODEL, **CHAT}, answer()),
    Endpoint("/responses", responses_check.refusal, RESPONSES, responses.answer(responses.message(responses.text()))),
    Endpoint("/messages", partial(messages_check.refusal, counting=False), MESSAGES, messages.answer(messages.text())),
    Endpoint("/messages/count_tokens", partial(messages_check.refusal, counting=True), FAILURES, count),
    Endpoint("/embeddings", embeddings.refusal, EMBEDDINGS, embeddings.answer()),
)


def endpoint_of(path: str) -> Endpoint | None:
    """Return the endpoint of a path, whatever stands before it and after a question mark."""
    plain = path.partition("?")[0]
    return next((endpoint for endpoint in ENDPOINTS if plain.endswith(endpoint.suffix)), None)
