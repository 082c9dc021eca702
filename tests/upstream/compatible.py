# SPDX-License-Identifier: Apache-2.0
"""How servers that call themselves OpenAI compatible differ, as replies; each row names where its shape was seen.

`ANSWERS` are answers, whole or streamed as asked; `REFUSALS` are their error bodies with the status they come with.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from tests.upstream.replies import chunk, completion
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

Json = dict[str, Any]
TEXT: Final = "On Friday."
THOUGHT: Final = "The order left on Monday."
_USAGE: Final = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}


class Answering(NamedTuple):
    """One server's answer. `thought` is whether it tells of its reasoning, `counts` whether it counts tokens."""

    reply: Reply
    source: str
    thought: bool = False
    counts: bool = True


class Refusing(NamedTuple):
    """One server's refusal, and the sentence in it that says why."""

    reply: Reply
    source: str
    said: str
    status: int


def _answer(
    message: Json,
    finish_reason: str = "stop",
    *,
    whole_extra: Json | None = None,
    last_extra: Json | None = None,
    usage_chunk: bool = True,
    deltas: tuple[Json, ...] | None = None,
) -> Reply:
    """Answer with a message; `whole_extra` goes into a whole answer, `last_extra` into a stream's last chunk."""

    def reply(request: Received) -> Iterator[Step]:
        if not request.streamed:
            yield whole(200, as_json({**completion(message, finish_reason, request), **(whole_extra or {})}))
            return
        yield event_stream_head()
        for delta in deltas or ({"role": "assistant", **message},):
            yield piece(event(chunk(delta, request)))
        yield piece(event({**chunk({}, request, finish_reason), **(last_extra or {})}))
        if usage_chunk and request.wants_usage:
            yield piece(event({**chunk({}, request), "choices": [], "usage": _USAGE}))
        yield piece(DONE)
        yield END_OF_CHUNKS

    return reply


def _refusal(status: int, body: Json, **headers: str) -> Reply:
    return lambda _request: iter((whole(status, as_json(body), **headers),))


def _error_in_stream(body: Json) -> Reply:
    def reply(request: Received) -> Iterator[Step]:
        yield event_stream_head()
        yield piece(event(chunk({"role": "assistant", "content": "On "}, request)))
        yield piece(event(body))
        yield piece(DONE)
        yield END_OF_CHUNKS

    return reply


ANSWERS: Final[Mapping[str, Answering]] = {
    "vllm-reasoning_content": Answering(
        _answer({"content": TEXT, "reasoning_content": THOUGHT, "tool_calls": []}),
        "vLLM before 0.19.1, DeepSeek: BerriAI/litellm#20246",
        thought=True,
    ),
    "vllm-reasoning": Answering(
        _answer({"content": TEXT, "reasoning": THOUGHT}),
        "vLLM since 0.19.1: strands-agents/harness-sdk#2191; OpenRouter likewise",
        thought=True,
    ),
    "tgi": Answering(
        _answer({"content": TEXT}, "eos_token"),
        "TGI before 2.2.1 says eos_token for stop: huggingface/text-generation-inference#2344",
    ),
    "llama.cpp": Answering(
        _answer(
            {"content": TEXT},
            whole_extra={"timings": {"prompt_n": 21, "predicted_n": 9, "predicted_per_second": 99.5}},
            last_extra={"timings": {"prompt_n": 21, "predicted_n": 9, "predicted_per_second": 99.5}},
        ),
        "llama.cpp's server puts `timings` beside usage: its tools/server/README.md, `timings_per_token`",
    ),
    "groq": Answering(
        _answer(
            {"content": TEXT},
            whole_extra={"x_groq": {"id": "req_01"}},
            last_extra={"x_groq": {"id": "req_01", "usage": {**_USAGE, "queue_time": 0.07, "total_time": 0.03}}},
            usage_chunk=False,
        ),
        "Groq counts in the last chunk's x_groq: vercel/ai#1651; the usage chunk too: Portkey-AI/gateway#1338",
    ),
    "ollama": Answering(
        _answer(
            {"content": TEXT},
            deltas=({"role": "assistant", "content": "On "}, {"role": "assistant", "content": "Friday."}),
        ),
        "Ollama repeats the role in every delta: ollama/ollama openai/openai.go, toChunk",
    ),
    "mistral": Answering(
        _answer({"content": TEXT, "tool_calls": None, "prefix": False}, "stop"),
        "Mistral's `tool_calls: null` and `prefix`: the mistralai package, models/assistantmessage.py",
    ),
    "no-usage": Answering(
        _answer({"content": TEXT}, usage_chunk=False, whole_extra={"usage": None}),
        "servers that do not know stream_options send no usage at all",
        counts=False,
    ),
}

REFUSALS: Final[Mapping[str, Refusing]] = {
    "ollama": Refusing(
        _refusal(400, {"error": "model 'qwen3' does not support tools"}),
        "Ollama's own routes: yazinsai/OpenOats#716, open-webui/open-webui#11906",
        "model 'qwen3' does not support tools",
        400,
    ),
    "mistral-422": Refusing(
        _refusal(
            422,
            {
                "object": "error",
                "message": {
                    "detail": [
                        {
                            "type": "extra_forbidden",
                            "loc": ["body", "n"],
                            "msg": "Extra inputs are not permitted",
                            "input": 1,
                        }
                    ]
                },
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            },
        ),
        "crewAIInc/crewAI#60",
        "body.n: Extra inputs are not permitted",
        422,
    ),
    "mistral-detail": Refusing(
        _refusal(
            422,
            {
                "detail": [
                    {"type": "extra_forbidden", "loc": ["body", "store"], "msg": "Extra inputs are not permitted"}
                ]
            },
        ),
        "Mistral and FastAPI servers: Gitlawb/openclaude#739",
        "body.store: Extra inputs are not permitted",
        422,
    ),
    "vllm": Refusing(
        _refusal(
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 4096 tokens.",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            },
        ),
        "vLLM before 0.10: vllm/entrypoints/openai/protocol.py, ErrorResponse",
        "This model's maximum context length is 4096 tokens.",
        400,
    ),
    "tgi": Refusing(
        _refusal(
            422,
            {
                "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
                "error_type": "validation",
            },
        ),
        "TGI: router/src/server.rs, ErrorResponse",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096",
        422,
    ),
    "llama.cpp-400": Refusing(
        _refusal(
            400,
            {
                "error": {
                    "code": 400,
                    "message": "request (5000 tokens) exceeds the available context size",
                    "type": "exceed_context_size_error",
                }
            },
        ),
        "llama.cpp: tools/server/server.cpp, format_error_response",
        "request (5000 tokens) exceeds the available context size",
        400,
    ),
}

LOADING: Final = _refusal(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
"""llama.cpp listens before its model is loaded: mostlygeek/llama-swap#146."""
OVERLOADED: Final = _refusal(429, {"error": "Model is overloaded", "error_type": "overloaded"})
"""TGI says 429 without a word on how long: router/src/server.rs."""
GROQ_LIMITED: Final = _refusal(
    429,
    {"error": {"message": "Rate limit reached for model", "type": "tokens", "code": "rate_limit_exceeded"}},
    retry_after="2",
    x_ratelimit_remaining_tokens="0",
    x_ratelimit_reset_tokens="7.66s",
)
"""Groq: Aider-AI/aider#3265, and its page on rate limits."""
TGI_ERROR_IN_STREAM: Final = _error_in_stream({"error": "Incomplete generation", "error_type": "incomplete_generation"})
VLLM_ERROR_IN_STREAM: Final = _error_in_stream(
    {"object": "error", "message": "engine died", "type": "InternalServerError", "code": 500}
)
