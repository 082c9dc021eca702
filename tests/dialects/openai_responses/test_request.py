# SPDX-License-Identifier: Apache-2.0
"""The request is an allow-list: every field the SDK knows is accepted or refused by name, and a reviewer sees which."""

import json
from typing import Any, Final

import pytest
from openai.types.responses import response_create_params
from tests.golden.golden import check_golden

from customhouse.dialects.bounds import MAX_TOOLS
from customhouse.dialects.openai_responses import request as dialect
from customhouse.dialects.openai_responses.request import MAX_ITEMS, ResponsesRequest
from customhouse.domain.errors import DuplicateKey, FieldNotAllowed, InvalidRequest
from customhouse.domain.message import (
    File,
    Image,
    Inline,
    Link,
    Message,
    Reasoning,
    Refusal,
    Seal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
    WebCitation,
)
from customhouse.domain.request import Form, NamedTool, Request

Json = dict[str, Any]
USER: Final[Json] = {"role": "user", "content": "hi"}
OURS: Final = frozenset(ResponsesRequest.__struct_fields__)
THEIRS: Final = frozenset(response_create_params.ResponseCreateParamsStreaming.__annotations__)
CALL: Final[Json] = {"type": "function_call", "call_id": "c1", "name": "a", "arguments": "{}"}
RESULT: Final[Json] = {"type": "function_call_output", "call_id": "c1", "output": "done"}
TOOL: Final[Json] = {"type": "function", "name": "a", "parameters": {"type": "object"}, "strict": True}


def body(**fields: object) -> bytes:
    return json.dumps({"model": "support", "input": "hi", **fields}).encode()


def read(**fields: object) -> Request:
    return dialect.read(body(**fields))


def said(*items: Json) -> tuple[Message, ...]:
    return read(input=list(items)).messages


def test_every_field_of_the_sdk_is_accepted_or_refused_and_the_list_is_reviewed() -> None:
    """A new version of the SDK brings new fields: they show up here as refused, and somebody looks at them."""
    assert OURS <= THEIRS, "we accept nothing that the SDK does not send"
    lines = [f"{name:<24}{'accepted' if name in OURS else 'refused'}\n" for name in sorted(THEIRS)]
    check_golden("responses-request-fields.txt", "".join(lines))


@pytest.mark.parametrize("name", sorted(THEIRS - OURS))
def test_a_refused_field_is_refused_whatever_it_holds(name: str) -> None:
    values: tuple[object, ...] = (None, True, {"a": 1}, ["a"], "auto")
    for value in values:
        with pytest.raises(FieldNotAllowed, match=rf"`{name}` is not a field this gateway accepts") as caught:
            read(**{name: value})
        assert caught.value.param == name


def test_what_is_understood_is_read() -> None:
    found = read(
        instructions="be brief",
        tools=[TOOL],
        tool_choice={"type": "function", "name": "a"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "x", "schema": {}, "strict": True}},
        stream=True,
        stream_options={"include_obfuscation": False},
        max_output_tokens=5,
        temperature=0.5,
        top_p=1,
        reasoning={"effort": "low", "summary": "auto"},
        metadata={"name": "Ada"},
        user="ada",
        store=False,
        previous_response_id="resp_1",
        include=["reasoning.encrypted_content"],
        truncation="disabled",
        background=False,
    )
    assert found == Request(
        model="support",
        messages=(
            Message("system", (Text("be brief"),), place="instructions"),
            Message("user", (Text("hi"),), place="input"),
        ),
        offers=(ToolOffer("a", None, '{"type": "object"}', strict=True),),
        tool_choice=NamedTool("a"),
        parallel_tool_calls=False,
        form=Form(schema="{}", name="x", strict=True),
        streamed=True,
        wants_usage=True,
        max_tokens=5,
        sampling={"temperature": 0.5, "top_p": 1, "reasoning_effort": "low", "reasoning_summary": "auto"},
        variables={"name": "Ada"},
        previous="resp_1",
        keep=False,
    )


def test_null_is_as_good_as_absent() -> None:
    nulls = dict.fromkeys(OURS - {"model", "input"})
    assert read(**nulls) == read()
    assert read().keep, "OpenAI's API stores unless it is told not to"


SENT_BY_DEFAULT: Final[dict[str, Json]] = {
    "openai-agents 0.24": {
        "include": [],
        "input": [
            {"content": "hello", "role": "user"},
            {
                "id": "rs_1",
                "summary": [{"text": "hm", "type": "summary_text"}],
                "type": "reasoning",
                "encrypted_content": "z",
            },
            {**CALL, "id": "fc_1", "status": "completed"},
            RESULT,
        ],
        "instructions": "be",
        "tools": [{**TOOL, "description": "look up"}],
    },
    "openai-agents 0.24, typed": {
        "include": [],
        "input": [USER],
        "text": {
            "format": {"type": "json_schema", "name": "final_output", "schema": {"type": "object"}, "strict": True}
        },
        "tools": [],
    },
    "pydantic-ai 2.68": {
        "stream": False,
        "include": ["reasoning.encrypted_content"],
        "input": [
            USER,
            {"id": "rs_1", "summary": [], "encrypted_content": "zzz", "type": "reasoning"},
            {**CALL, "id": "fc_1"},
            RESULT,
        ],
        "instructions": "be",
        "tool_choice": "auto",
        "tools": [{**TOOL, "description": "x"}],
    },
    "langchain-openai 1.7": {
        "stream": False,
        "input": [
            {"content": "s", "role": "system", "type": "message"},
            {**USER, "type": "message"},
            {**CALL, "id": "fc_1", "status": "completed"},
            RESULT,
        ],
        "tools": [{"type": "function", "name": "look", "description": "x", "parameters": {"type": "object"}}],
    },
    "openai 3.54, with the output of the turn before": {
        "input": [
            USER,
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}],
            },
        ],
    },
}


@pytest.mark.parametrize("client", SENT_BY_DEFAULT)
def test_what_clients_send_by_default_is_accepted(client: str) -> None:
    """Captured from the packages themselves, on a socket, on 2026-11-24."""
    assert read(**SENT_BY_DEFAULT[client]).messages


def test_items_are_read_into_a_conversation() -> None:
    found = said(
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "look"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "low", "file_id": None},
                {"type": "input_image", "image_url": "https://acme.test/a"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"},
                {"type": "input_file", "file_data": "aGk="},
                {"type": "input_file", "file_url": "https://acme.test/b"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "reasoning", "id": "rs_2", "summary": []},
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "x",
                    "annotations": [
                        {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}
                    ],
                },
                {"type": "refusal", "refusal": "no"},
            ],
        },
        CALL,
        {**CALL, "call_id": "c2"},
        RESULT,
        {**RESULT, "call_id": "c2", "status": "incomplete", "output": [{"type": "input_text", "text": "gone"}]},
    )
    assert found == (
        Message("developer", (Text("Be brief."),), place="input.0"),
        Message(
            "user",
            (
                Text("look"),
                Image(Inline("image/png", "aGk="), "low"),
                Image(Link("https://acme.test/a")),
                File(Inline("application/pdf", "aGk="), "a.pdf"),
                File(Inline("application/pdf", "aGk=")),
                File(Link("https://acme.test/b")),
            ),
            place="input.1",
        ),
        Message(
            "assistant",
            (
                Reasoning(text="hm"),
                Text("x", (WebCitation(url="u", title="t", start=0, end=1),)),
                Refusal("no"),
                ToolCall("c1", "a", "{}"),
                ToolCall("c2", "a", "{}"),
            ),
            place="input.2",
        ),
        Message(
            "tool",
            (ToolResult("c1", (Text("done"),)), ToolResult("c2", (Text("gone"),), failed=True)),
            place="input.7",
        ),
    )


def test_a_seal_finds_its_way_back() -> None:
    def sealed(value: str) -> Reasoning:
        (message,) = said({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": value})
        (part,) = message.content
        assert isinstance(part, Reasoning)
        return part

    assert sealed("gAAA").seal == Seal(dialect="openai_responses", value="gAAA", id="rs_1")
    assert sealed("customhouse:anthropic:told::a:b") == Reasoning(seal=Seal(dialect="anthropic", value="a:b"))
    assert sealed("customhouse:openai_responses:redacted:rs_9:gAAA") == Reasoning(
        redacted=True, seal=Seal(dialect="openai_responses", value="gAAA", id="rs_9")
    )
    assert sealed("customhouse:nobody:told::a").seal == Seal(
        dialect="openai_responses", value="customhouse:nobody:told::a", id="rs_1"
    )


INVALID: list[tuple[str, Json]] = [
    ("no input", {"input": []}),
    ("too much input", {"input": [USER] * (MAX_ITEMS + 1)}),
    ("no model", {"model": None}),
    ("tokens without end", {"max_output_tokens": -1}),
    ("a temperature in text", {"temperature": "0.2"}),
    ("too many tools", {"tools": [{"type": "function", "name": f"t{number}"} for number in range(MAX_TOOLS + 1)]}),
    ("two tools of one name", {"tools": [TOOL, TOOL]}),
    ("a tool without a name", {"tools": [{"type": "function"}]}),
    ("metadata that is no text", {"metadata": {"a": 1}}),
    ("a turn in the background", {"background": True}),
    ("a truncated conversation", {"truncation": "auto"}),
    ("logprobs", {"include": ["message.output_text.logprobs"]}),
    ("padding", {"stream_options": {"include_obfuscation": True}}),
    ("a schema without a name", {"text": {"format": {"type": "json_schema", "schema": {}}}}),
    ("a form without a schema", {"text": {"format": {"type": "json_schema", "name": "x"}}}),
    ("an unknown role", {"input": [{"role": "tool", "content": "x"}]}),
    ("an item that is no object", {"input": ["x"]}),
    ("an output of no call", {"input": [{**RESULT, "call_id": ""}]}),
    ("an output of a user", {"input": [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}]}),
    (
        "a picture of an assistant",
        {"input": [{"role": "assistant", "content": [{"type": "input_image", "image_url": "u"}]}]},
    ),
    ("a picture of nothing", {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
    ("a picture at the provider", {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}),
    ("a file of nothing", {"input": [{"role": "user", "content": [{"type": "input_file"}]}]}),
    (
        "logprobs in the history",
        {"input": [{"role": "assistant", "content": [{"type": "output_text", "text": "x", "logprobs": [{}]}]}]},
    ),
    ("a part of an unknown type", {"input": [{"role": "user", "content": [{"type": "input_video"}]}]}),
]


@pytest.mark.parametrize(("what", "fields"), INVALID, ids=[row[0] for row in INVALID])
def test_an_invalid_request_is_refused(what: str, fields: Json) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert not isinstance(caught.value, FieldNotAllowed), what


CAPABILITIES: list[tuple[Json, str]] = [
    *(
        ({"tools": [TOOL, {"type": kind}]}, "tools[1].type")
        for kind in (
            "web_search_preview",
            "file_search",
            "mcp",
            "image_generation",
            "computer",
            "computer_use_preview",
            "local_shell",
            "shell",
            "custom",
            "apply_patch",
            "namespace",
            "tool_search",
        )
    ),
    *(
        ({"tool_choice": {"type": kind}}, "tool_choice.type")
        for kind in ("allowed_tools", "web_search_preview", "mcp", "custom", "shell", "apply_patch")
    ),
    *(
        ({"input": [USER, {"type": kind, "id": "x"}]}, "input.1.type")
        for kind in (
            "file_search_call",
            "mcp_call",
            "mcp_list_tools",
            "computer_call_output",
            "image_generation_call",
            "item_reference",
            "compaction",
        )
    ),
    ({"input": [{**USER, "cache_control": {}}]}, "input[0].cache_control"),
    ({"input": [{**CALL, "server_label": "x"}]}, "input[0].server_label"),
    ({"tools": [{**TOOL, "defer_loading": True}]}, "tools[0].defer_loading"),
    ({"text": {"extra": 1}}, "text.extra"),
    ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
]


@pytest.mark.parametrize(("fields", "param"), CAPABILITIES, ids=[f"{row[1]} {n}" for n, row in enumerate(CAPABILITIES)])
def test_a_capability_is_refused_by_its_name(fields: Json, param: str) -> None:
    with pytest.raises(FieldNotAllowed) as caught:
        read(**fields)
    assert caught.value.param == param


BROKEN = [
    ("a repeated key", b'{"model":"a","model":"b","input":"x"}', DuplicateKey),
    ("a repeated key in an item", body()[:-1] + b',"tools":[{"type":"function","name":"a","name":"b"}]}', DuplicateKey),
    ("no JSON", b"{", InvalidRequest),
    ("no object", b"[]", InvalidRequest),
    ("a lone surrogate in text", body()[:-1] + rb',"user":"\ud800"}', InvalidRequest),
]


@pytest.mark.parametrize(("what", "content", "error"), BROKEN, ids=[row[0] for row in BROKEN])
def test_what_cannot_be_read_one_way_only_is_refused(what: str, content: bytes, error: type[InvalidRequest]) -> None:
    with pytest.raises(error) as caught:
        dialect.read(content)
    assert type(caught.value) is error, what


def test_what_continues_a_response_may_add_nothing() -> None:
    assert read(input=[], previous_response_id="resp_1").messages == ()
