# SPDX-License-Identifier: Apache-2.0
"""An Azure OpenAI resource, as a reply: it checks address and credential, and answers as Azure does.

    with scripted_upstream(resource(key="k")) as upstream:
        base_url = f"http://127.0.0.1:{upstream.port}"          # both surfaces are below /openai

Sources of the shapes: the openai package, lib/azure.py (paths, headers); 401 SciSharp/BotSharp#386 and
vercel/chatbot#588; 404 chatboxai/chatbox#646; 429 microsoft/action-python#12 and icereed/paperless-gpt#814; the
filter's 400 dotnetstudioai.com, "Azure OpenAI content filter error"; the first chunk of a stream
AbanteAI/archive-old-cli-mentat#429; chunks without a delta microsoft/autogen#6465 and langchain-ai/langchain#18977.
"""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.upstream.wire import (
    DONE,
    END_OF_CHUNKS,
    Received,
    Reply,
    Step,
    as_json,
    event,
    event_stream_head,
    piece,
    whole,
)

VERSION: Final = "2024-10-21"
MODEL: Final = "gpt-4o-2024-08-06"
DEPLOYMENT: Final = "acme-chat"
Json = dict[str, Any]
_SAFE: Final[Json] = {
    name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")
}
_PROMPT_FILTER: Final[Json] = {
    "prompt_filter_results": [
        {"prompt_index": 0, "content_filter_results": {**_SAFE, "jailbreak": {"filtered": False}}}
    ]
}


def resource(*, key: str | None = None, token: str | None = None, then: Reply | None = None) -> Reply:
    """Answer as a resource with one deployment, to who shows `key` as api-key or `token` as Bearer."""

    def reply(request: Received) -> Iterator[Step]:
        yield from (_refusal(request, key, token) or then or answered)(request)

    return reply


def answered(request: Received) -> Iterator[Step]:
    """Answer with text; a stream begins with the prompt's filter and ends with an annotation that has no delta."""
    usage = {"prompt_tokens": 21, "completion_tokens": 2, "total_tokens": 23}
    if not request.streamed:
        message = {"role": "assistant", "content": "On Friday.", "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        shown: Json = {"choices": [{**choice, "content_filter_results": _SAFE}], "usage": usage}
        yield whole(200, as_json({**_head("chat.completion"), **_PROMPT_FILTER, **shown}))
        return
    yield event_stream_head()
    empty = {"id": "", "object": "", "created": 0, "model": ""}
    yield piece(event({**empty, "choices": [], **_PROMPT_FILTER}))
    yield piece(event(_chunk({"role": "assistant", "content": "", "refusal": None})))
    for word in ("On ", "Friday."):
        yield piece(event(_chunk({"content": word})))
    yield piece(event(_chunk({}, "stop")))
    offsets = {"check_offset": 10, "start_offset": 0, "end_offset": 10}
    annotation = {"index": 0, "finish_reason": None, "content_filter_results": _SAFE, "content_filter_offsets": offsets}
    yield piece(event({**empty, "choices": [annotation], "usage": None}))
    if request.wants_usage:
        yield piece(event({**_head("chat.completion.chunk"), "choices": [], "usage": usage}))
    yield piece(DONE)
    yield END_OF_CHUNKS


def filtered(_request: Received) -> Iterator[Step]:
    """Refuse the prompt: 400 with an inner error that names each category."""
    result = {**_SAFE, "violence": {"filtered": True, "severity": "medium"}, "jailbreak": {"filtered": True}}
    message = (
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
        "Please modify your prompt and retry."
    )
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result}
    error = {"message": message, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    yield whole(400, as_json({"error": {**error, "innererror": inner}}))


def limited(_request: Received) -> Iterator[Step]:
    """Refuse with 429: milliseconds too, and no `type` in the body."""
    message = (
        f"Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {VERSION} have exceeded call "
        "rate limit of your current OpenAI S0 pricing tier. Please retry after 3 seconds."
    )
    headers = {"retry_after": "3", "retry_after_ms": "2500", "x_ratelimit_remaining_requests": "0"}
    yield whole(429, as_json({"error": {"code": "429", "message": message}}), **headers)


def cut_by_filter(_request: Received) -> Iterator[Step]:
    """Stream an answer that the filter stops in the middle."""
    yield event_stream_head()
    yield piece(event(_chunk({"role": "assistant", "content": "One way to "})))
    yield piece(event(_chunk({}, "content_filter")))
    yield piece(DONE)
    yield END_OF_CHUNKS


def _refusal(request: Received, key: str | None, token: str | None) -> Reply | None:
    parts = urlsplit(request.path)
    v1 = parts.path == "/openai/v1/chat/completions"
    dated = parts.path.startswith("/openai/deployments/") and parts.path.endswith("/chat/completions")
    if not (v1 or (dated and parse_qs(parts.query).get("api-version") == [VERSION])):
        return _error(404, "404", "Resource not found")
    shown = request.headers.get("api-key"), request.headers.get("authorization")
    if shown not in {(key, None), (None, f"Bearer {token}")}:
        code = "401" if shown[1] is None else "Unauthorized"
        return _error(
            401,
            code,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
            "an active subscription and use a correct regional API endpoint for your resource.",
        )
    name = request.model if v1 else parts.path.split("/")[3]
    if name != DEPLOYMENT:
        return _error(
            404,
            "DeploymentNotFound",
            "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
            "minutes, please wait a moment and try again.",
        )
    return None


def _error(status: int, code: str, message: str) -> Reply:
    return lambda _request: iter((whole(status, as_json({"error": {"code": code, "message": message}})),))


def _head(kind: str) -> Json:
    return {
        "id": "chatcmpl-azure",
        "object": kind,
        "created": 1790000000,
        "model": MODEL,
        "system_fingerprint": "fp_azure",
    }


def _chunk(delta: Json, finish_reason: str | None = None) -> Json:
    choice: Json = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    filters: Json = {"content_filter_results": _SAFE if delta.get("content") else {}}
    return {**_head("chat.completion.chunk"), "choices": [{**choice, **filters}]}
