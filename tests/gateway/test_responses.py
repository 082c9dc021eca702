# SPDX-License-Identifier: Apache-2.0
"""The gateway under the real `openai` SDK at /v1/responses, in front of providers of each dialect."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from openai.types.responses import FunctionToolParam, Response, ResponseInputItemParam
from tests.gateway.running import BOT, FALLBACK, Running, documents, running, takes
from tests.upstream import messages, replies, responses
from tests.upstream.server import Upstream, scripted_upstream
from tests.upstream.wire import Reply

from customhouse.dialects.provider import PROVIDERS
from customhouse.domain.message import DialectName

KEY: Final = "UPSTREAM_KEY"
TOOLS: Final[list[FunctionToolParam]] = [
    {"type": "function", "name": name, "parameters": takes(name), "strict": False}
    for name in ("get_order_status", "issue_refund", "search_help_center")
]
ANSWERS: Final[dict[DialectName, Reply]] = {
    "openai_chat": replies.answer(),
    "openai_responses": responses.answer(responses.message(responses.text())),
    "anthropic": messages.answer(messages.text()),
}
Scene = tuple[Running, Upstream, openai.OpenAI]


@pytest.fixture(autouse=True)
def upstream_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")


@contextmanager
def scene(
    home: Path,
    *models: str,
    dialect: DialectName = "openai_responses",
    **fields: Any,  # noqa: ANN401 - passed on
) -> Generator[Scene]:
    """Run a provider, a gateway with a deployment for each model, and the SDK."""
    with (
        scripted_upstream() as upstream,
        running(home, documents(upstream.base_url, models, dialect=dialect, api_key_env=KEY, **fields)) as gateway,
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=30) as client,
    ):
        yield gateway, upstream, client


def said(client: openai.OpenAI, asked: str | list[ResponseInputItemParam], *, streamed: bool) -> Response:
    """Return one answer to a conversation with tools."""
    if not streamed:
        return client.responses.create(model=BOT, tools=TOOLS, input=asked)
    with client.responses.stream(model=BOT, tools=TOOLS, input=asked) as stream:
        for _ in stream:
            pass
        return stream.get_final_response()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", sorted(PROVIDERS))
def test_a_conversation_with_a_tool(home: Path, dialect: DialectName, *, streamed: bool) -> None:
    """The result goes back with the call, and the whole goes on to a provider of any dialect."""
    with scene(home, "one-call", dialect=dialect) as (_, upstream, client):
        first = said(client, "Where is order 7?", streamed=streamed)
        (call,) = [item for item in first.output if item.type == "function_call"]
        assert (first.status, call.name) == ("completed", "get_order_status")
        history: list[Any] = [{"role": "user", "content": "Where is order 7?"}]
        history += first.output
        history.append({"type": "function_call_output", "call_id": call.call_id, "output": "on its way"})
        upstream.by_model = {"one-call": ANSWERS[dialect]}
        second = said(client, history, streamed=streamed)
        assert second.output_text.strip() == replies.TEXT
        assert second.usage is not None
        assert len(upstream.requests) == 2
        assert b"on its way" in upstream.requests[-1].raw


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_receipt_is_in_the_response(home: Path, *, streamed: bool) -> None:
    with scene(home, "answer") as (gateway, _, client):
        answer = said(client, "hi", streamed=streamed)
        receipt: dict[str, Any] = answer.to_dict()["customhouse"]  # pyright: ignore[reportAssignmentType]
        assert answer.id == "resp_" + receipt["trace_id"].replace("-", "")
        kinds = gateway.kinds(receipt["trace_id"])
        assert kinds == ["request.accepted", "model.called", "model.answered", "response.completed"]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_held_call_is_taken_out_and_said(home: Path, *, streamed: bool) -> None:
    with scene(home, "refund-call") as (_, _, client):
        answer = said(client, "refund me", streamed=streamed)
        assert [item.type for item in answer.output] == ["message"]
        assert "[customhouse] The call to issue_refund was held" in answer.output_text


def test_without_a_model_the_fallback_answers(home: Path) -> None:
    with scene(home, "unavailable") as (_, _, client):
        for streamed in (False, True):
            assert said(client, "hi", streamed=streamed).output_text == FALLBACK


def test_a_stream_that_breaks_raises(home: Path) -> None:
    with scene(home, "error-in-stream") as (_, _, client), pytest.raises(openai.APIError) as caught:
        said(client, "hi", streamed=True)
    assert caught.value.code == "upstream.failed"


def test_what_a_provider_ran_by_itself_is_no_answer(home: Path) -> None:
    with scene(home, "server-tool", "mcp-tool") as (gateway, _, client):
        answer = said(client, "hi", streamed=False)
        assert answer.output_text == FALLBACK
        receipt: dict[str, Any] = answer.to_dict()["customhouse"]  # pyright: ignore[reportAssignmentType]
        failed = [each for each in gateway.records(receipt["trace_id"]) if each["kind"] == "model.failed"]
        assert [each["decision"]["reasons"] for each in failed] == [["upstream.ungranted"]] * 2


def test_an_error_has_openai_s_shape(home: Path) -> None:
    with scene(home, "answer") as (_, _, client):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(model=BOT, input="hi", tools=[{"type": "web_search"}])
        assert (caught.value.code, caught.value.param) == ("request.field_not_allowed", "tools[0].type")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_sealed_reasoning_goes_back_to_its_provider(home: Path, *, streamed: bool) -> None:
    """The scripted provider refuses a reasoning under another id than its own, or with another seal."""
    with scene(home, "reasoning-call") as (_, upstream, client):
        first = said(client, "Where is order 7?", streamed=streamed)
        reasoning, call = first.output
        assert (reasoning.type, call.type) == ("reasoning", "function_call")
        history: list[Any] = [{"role": "user", "content": "Where is order 7?"}]
        history += first.output
        history.append({"type": "function_call_output", "call_id": call.to_dict()["call_id"], "output": "here"})
        upstream.by_model = {"reasoning-call": ANSWERS["openai_responses"]}
        assert said(client, history, streamed=streamed).output_text.strip() == replies.TEXT
        given_back = upstream.requests[-1].body["input"][1]
        assert (given_back["id"], given_back["encrypted_content"]) == (
            "rs_0_scripted",
            "gAAAAABscripted-encrypted-reasoning==",
        )
