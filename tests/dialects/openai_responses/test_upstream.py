# SPDX-License-Identifier: Apache-2.0
"""What goes to a provider is what our own reader reads, and fits the SDK's types; what cannot be said is refused."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from tests.dialects.openai_responses.conversations import OWN, requests
from tests.upstream.shape import misfit

from customhouse.dialects.openai_responses import request as client
from customhouse.dialects.openai_responses import upstream, upstream_output
from customhouse.domain.answer import Answer
from customhouse.domain.errors import Inexpressible, UpstreamFailed
from customhouse.domain.message import (
    FAILED,
    Audio,
    DocumentCitation,
    File,
    Inline,
    Message,
    Part,
    Plain,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
    WebCitation,
)
from customhouse.domain.request import Request

Json = dict[str, Any]
WIRE: Final = Path(__file__).parents[2] / "golden" / "wire" / "llama-cpp"
USER: Final = Message("user", (Text("hi"),), place="messages.0")


def without_places(request: Request) -> Request:
    messages = tuple(replace(message, place="") for message in request.messages)
    return replace(request, messages=messages, sampling=dict(request.sampling), variables={})


@settings(deadline=None)
@given(requests())
def test_our_own_reader_reads_what_a_provider_is_sent(asked: Request) -> None:
    sent = upstream.body(asked, ())
    assert without_places(client.read(sent)) == replace(asked, variables={}, keep=False)


@settings(deadline=None)
@given(requests())
def test_it_fits_the_types_of_the_sdk(asked: Request) -> None:
    sent = json.loads(upstream.body(replace(asked, streamed=False), ("reasoning",)))
    assert misfit(sent, ResponseCreateParamsNonStreaming) is None


def test_nothing_is_stored_and_reasoning_comes_back_sealed() -> None:
    plain = json.loads(upstream.body(Request(model="m", messages=(USER,), previous="resp_1", keep=True), ()))
    assert plain["store"] is False
    assert "include" not in plain
    assert "previous_response_id" not in plain
    thinking = json.loads(upstream.body(Request(model="m", messages=(USER,)), ("tools", "reasoning")))
    assert thinking["include"] == ["reasoning.encrypted_content"]


def test_a_failed_call_says_so_in_words() -> None:
    result = ToolResult("c1", (Text("no such order"),), failed=True)
    sent = json.loads(upstream.body(Request(model="m", messages=(Message("tool", (result,)),)), ()))
    assert sent["input"][0]["output"][0]["text"] == FAILED


def test_a_text_document_goes_as_a_file() -> None:
    message = Message("user", (File(Plain("Grüße"), name="a.txt"),))
    sent = json.loads(upstream.body(Request(model="m", messages=(message,)), ()))
    assert sent["input"][0]["content"][0] == {
        "type": "input_file",
        "file_data": "data:text/plain;base64,R3LDvMOfZQ==",
        "filename": "a.txt",
    }


def test_a_tool_without_a_wish_is_not_strict() -> None:
    asked = Request(model="m", messages=(USER,), offers=(ToolOffer("a", None, None),))
    assert json.loads(upstream.body(asked, ()))["tools"][0]["strict"] is False


def says(*parts: Part, role: str = "user") -> Json:
    return {"messages": (Message(role, parts, place="messages.3"),)}  # pyright: ignore[reportArgumentType] - rows


PAGE: Final = WebCitation(url="https://acme.test")
CITED: Final = DocumentCitation(document=0, unit="char", start=0, end=1)
FOREIGN: Final = Seal(dialect="anthropic", value="sig")
UNTELLABLE: list[tuple[str, Json, str]] = [
    ("stop sequences", {"stop": ("\n",)}, "stop"),
    ("a seed", {"sampling": {"seed": 7}}, "seed"),
    ("a bound on thinking", {"sampling": {"thinking_tokens": 7}}, "thinking_tokens"),
    ("a name", {"messages": (Message("user", (Text("x"),), "ada", "messages.3"),)}, "messages.3.name"),
    ("sound", says(Audio("aGk=", "wav")), "messages.3.content"),
    ("a document that is cited", says(File(Inline("a/b", ""), cited=True)), "messages.3.content"),
    ("a document with context", says(File(Inline("a/b", ""), context="x")), "messages.3.content"),
    ("a citation of one", says(Text("x", citations=(CITED,)), role="assistant"), "messages.3.content"),
    ("a quotation", says(Text("x", citations=(replace(PAGE, cited="y"),)), role="assistant"), "messages.3.content"),
    ("a citation of a user", says(Text("x", citations=(PAGE,))), "messages.3.content"),
    (
        "a citation in a result",
        says(ToolResult("1", (Text("x", citations=(PAGE,)),)), role="tool"),
        "messages.3.content",
    ),
    ("another's seal", says(Reasoning(text="x", seal=FOREIGN), role="assistant"), "messages.3.content"),
    ("sound of an assistant", says(Audio("aGk=", "wav"), role="assistant"), "messages.3.content"),
    ("a call of a user", says(ToolCall("1", "a", "{}")), "messages.3.content"),
    ("text of a tool", says(Text("x"), role="tool"), "messages.3.content"),
]


@pytest.mark.parametrize(("what", "fields", "param"), UNTELLABLE, ids=[row[0] for row in UNTELLABLE])
def test_what_cannot_be_said_is_refused_with_its_field(what: str, fields: Json, param: str) -> None:
    with pytest.raises(Inexpressible) as caught:
        upstream.body(replace(Request(model="m", messages=(USER,)), **fields), ())
    assert caught.value.param == param, what


def test_an_answer_of_the_local_server() -> None:
    recorded = json.loads((WIRE / "responses-call.json").read_text())
    found = upstream.answer(json.dumps(recorded["body"]).encode())
    (call,) = found.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("get_order_status", {"order_id": "A-1001"})
    assert found.stop == "tool_calls"
    assert found.usage is not None
    assert found.usage.prompt_tokens > found.usage.cached_tokens


def response(**fields: object) -> bytes:
    return json.dumps({"id": "r", "model": "m", "status": "completed", "output": [], **fields}).encode()


def call(**fields: object) -> Json:
    return {"type": "function_call", "call_id": "c1", "name": "a", "arguments": "{}", **fields}


REFUSED: list[tuple[str, bytes, str]] = [
    ("no JSON", b"<html>", "not the JSON"),
    ("no output", response(output=None), "no output"),
    ("a failure", response(status="failed", error={"code": "server_error", "message": "secret"}), "failed"),
    ("one that goes on", response(status="in_progress"), "did not come to an end"),
    ("an unknown end", response(status="incomplete", incomplete_details={"reason": "steered"}), "incomplete"),
    ("a key twice", response(output=[call()])[:-1] + b',"model":"b"}', "names a key twice"),
    (
        "an escaped key twice",
        rb'{"status":"completed","output":[{"type":"\u0066unction_call","name":"a","name":"b"}]}',
        "twice",
    ),
    ("too many calls", response(output=[call(call_id=str(n)) for n in range(129)]), "more than 128"),
    ("one id for two calls", response(output=[call(), call(name="b")]), "the same id"),
    (
        "a file's citation",
        response(
            output=[
                {
                    "type": "message",
                    "content": [
                        {"type": "output_text", "text": "x", "annotations": [{"type": "file_citation", "file_id": "f"}]}
                    ],
                }
            ]
        ),
        "file_citation",
    ),
    ("an unknown part", response(output=[{"type": "message", "content": [{"type": "audio"}]}]), "kind audio"),
    *(
        (f"a {kind}", response(output=[{"type": kind, "id": "x"}]), f"kind {kind}")
        for kind in (
            "file_search_call",
            "mcp_call",
            "image_generation_call",
            "computer_call",
            "local_shell_call",
            "custom_tool_call",
            "mcp_approval_request",
        )
    ),
]


@pytest.mark.parametrize(("what", "content", "sentence"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_no_answer_is_refused(what: str, content: bytes, sentence: str) -> None:
    with pytest.raises(UpstreamFailed, match=sentence) as caught:
        upstream.answer(content)
    assert "secret" not in caught.value.detail, what


def test_an_answer_in_all_its_parts() -> None:
    output: list[Json] = [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "a"}, {"text": "b"}],
            "encrypted_content": "E",
        },
        {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "c"}]},
        {"type": "reasoning", "id": "rs_3", "summary": [], "encrypted_content": "F"},
        {"type": "reasoning", "id": "rs_4", "summary": [], "encrypted_content": ""},
        {"type": "message", "content": [{"type": "output_text", "text": "x"}, {"type": "refusal", "refusal": "no"}]},
        {"type": "message", "content": [{"type": "output_text", "text": ""}]},
    ]
    found = upstream.answer(response(output=output))
    assert found == Answer(
        upstream_id="r",
        model="m",
        content=(
            Reasoning(text="a\n\nb", summary=True, seal=Seal(dialect=OWN, value="E", id="rs_1")),
            Reasoning(text="c"),
            Reasoning(redacted=True, seal=Seal(dialect=OWN, value="F", id="rs_3")),
            Text("x"),
            *found.content[4:5],
        ),
        stop="stop",
        stop_word="completed",
    )
    assert found.refusal == "no"


def test_the_sentence_of_an_error() -> None:
    recorded = json.loads((WIRE / "responses-wrong.json").read_text())
    assert upstream_output.error_message(json.dumps(recorded["body"]).encode())
    assert upstream_output.error_message(b"<html>") is None
