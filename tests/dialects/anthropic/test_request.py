# SPDX-License-Identifier: Apache-2.0
"""The request is an allow-list: every field the SDK knows is accepted or refused by name, and a reviewer sees which."""

import json
from typing import Any, Final, get_args

import pytest
from anthropic.types import content_block_param, message_count_tokens_params, message_create_params, tool_union_param
from tests.golden.golden import check_golden

from customhouse.dialects.anthropic import request as dialect
from customhouse.dialects.anthropic.wire import Block, CountRequest, MessagesRequest
from customhouse.dialects.bounds import MAX_MESSAGES, MAX_TOOLS
from customhouse.domain.errors import DuplicateKey, FieldNotAllowed, InvalidRequest
from customhouse.domain.message import (
    Blocks,
    DocumentCitation,
    File,
    Image,
    Inline,
    Link,
    Message,
    Plain,
    Reasoning,
    Seal,
    Text,
    ToolCall,
    ToolOffer,
    ToolResult,
)
from customhouse.domain.request import Form, NamedTool, Request

Json = dict[str, Any]
USER: Final[Json] = {"role": "user", "content": "hi"}
OURS: Final = frozenset(MessagesRequest.__struct_fields__)
THEIRS: Final = frozenset(message_create_params.MessageCreateParamsStreaming.__annotations__) | frozenset(
    message_create_params.MessageCreateParamsBase.__annotations__
)
LEFT: Final = frozenset({"temperature", "top_p", "top_k"})
"""What the API takes and the pinned SDK lists no more."""
TOOL: Final[Json] = {"name": "a", "input_schema": {"type": "object"}}


def body(**fields: object) -> bytes:
    return json.dumps({"model": "support", "max_tokens": 9, "messages": [USER], **fields}).encode()


def read(**fields: object) -> Request:
    return dialect.read(body(**fields))


def said(role: str, *blocks: Json) -> tuple[Message, ...]:
    return read(messages=[{"role": role, "content": list(blocks)}]).messages


def test_every_field_of_the_sdk_is_accepted_or_refused_and_the_list_is_reviewed() -> None:
    """A new version of the SDK brings new fields: they show up here as refused, and somebody looks at them."""
    assert OURS - LEFT <= THEIRS, "we accept nothing that the SDK does not send"
    lines = [f"{name:<24}{'accepted' if name in OURS else 'refused'}\n" for name in sorted(THEIRS | LEFT)]
    check_golden("messages-request-fields.txt", "".join(lines))


def test_what_is_counted_is_a_part_of_what_is_asked() -> None:
    theirs = frozenset(message_count_tokens_params.MessageCountTokensParams.__annotations__)
    ours = frozenset(CountRequest.__struct_fields__)
    assert ours <= theirs & OURS
    assert theirs - ours == {"speed", "user_profile_id", "workspace_id"}, "each is looked at"


@pytest.mark.parametrize("name", sorted(THEIRS - OURS))
def test_a_refused_field_is_refused_whatever_it_holds(name: str) -> None:
    values: tuple[object, ...] = (None, True, {"a": 1}, ["a"], "auto")
    for value in values:
        with pytest.raises(FieldNotAllowed, match=rf"`{name}` is not a field that this gateway accepts") as caught:
            read(**{name: value})
        assert caught.value.param == name


@pytest.mark.parametrize(
    "kind",
    [
        "search_result",
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
        "mcp_tool_use",
    ],
)
def test_a_block_of_a_capability_is_refused_by_name(kind: str) -> None:
    with pytest.raises(FieldNotAllowed, match=f"`{kind}` at `messages") as caught:
        said("user", {"type": "text", "text": "hi"}, {"type": kind, "content": []})
    assert caught.value.param == "messages.0.content.1"


@pytest.mark.parametrize(
    "kind",
    ["web_search_20250305", "code_execution_20260521", "computer_20250124", "bash_20250124", "text_editor_20250728"],
)
def test_a_server_tool_is_refused_by_name(kind: str) -> None:
    with pytest.raises(FieldNotAllowed, match=f"`{kind}` at `tools") as caught:
        read(tools=[TOOL, {"type": kind, "name": "x", "max_uses": 3}])
    assert caught.value.param == "tools.1"


def test_the_sdk_has_no_block_and_no_tool_that_nobody_looked_at() -> None:
    accepted = len(get_args(Block))
    assert (len(get_args(content_block_param.ContentBlockParam)), accepted) == (16, 7)
    assert len(get_args(tool_union_param.ToolUnionParam)) == 21


UNKNOWN: Final[list[tuple[str, object, str]]] = [
    ("mcp_servers", [], "mcp_servers"),
    ("tools", [{**TOOL, "input_examples": []}], "tools[0].input_examples"),
    ("messages", [{**USER, "name": "ada"}], "messages[0].name"),
    ("thinking", {"type": "enabled", "budget_tokens": 9, "effort": 1}, "thinking.effort"),
]


@pytest.mark.parametrize(("field", "value", "place"), UNKNOWN)
def test_an_unknown_field_is_refused_by_its_place(field: str, value: object, place: str) -> None:
    with pytest.raises(FieldNotAllowed) as caught:
        read(**{field: value})
    assert f"`{place}`" in caught.value.detail
    assert caught.value.param == place.replace("[", ".").replace("]", "")


def test_everything_structural_has_its_meaning() -> None:
    request = read(
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        tools=[{**TOOL, "type": "custom", "description": "Looks up.", "strict": True}],
        tool_choice={"type": "tool", "name": "a", "disable_parallel_tool_use": True},
        stop_sequences=["END"],
        stream=True,
        thinking={"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
        output_config={"effort": "max", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        metadata={"user_id": "u-1", "customer": "Ada"},
        temperature=0.5,
        top_p=1,
        top_k=40,
    )
    assert request == Request(
        model="support",
        messages=(
            Message("system", (Text("Be brief.", cache="1h"),), None, "system"),
            Message("user", (Text("hi"),), None, "messages.0"),
        ),
        offers=(ToolOffer("a", "Looks up.", '{"type": "object"}', strict=True),),
        tool_choice=NamedTool("a"),
        parallel_tool_calls=False,
        form=Form(schema='{"type": "object"}'),
        streamed=True,
        max_tokens=9,
        stop=("END",),
        sampling={
            "temperature": 0.5,
            "top_p": 1.0,
            "top_k": 40,
            "thinking_tokens": 2048,
            "reasoning_summary": "none",
            "reasoning_effort": "max",
        },
        variables={"customer": "Ada"},
    )


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        (None, None, None),
        ({"type": "auto"}, "auto", None),
        ({"type": "any", "disable_parallel_tool_use": False}, "required", True),
        ({"type": "none"}, "none", None),
    ],
)
def test_tool_choices(choice: Json | None, expected: str | None, parallel: bool | None) -> None:  # noqa: FBT001 - a row
    request = read(tools=[TOOL], tool_choice=choice)
    assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)


@pytest.mark.parametrize(
    ("thinking", "tokens"),
    [({"type": "disabled"}, 0), ({"type": "adaptive"}, "adaptive"), ({"type": "enabled", "budget_tokens": 1024}, 1024)],
)
def test_thinking(thinking: Json, tokens: object) -> None:
    assert read(thinking=thinking).sampling == {"thinking_tokens": tokens}


def test_results_stand_in_messages_of_their_own_in_their_order() -> None:
    messages = said(
        "user",
        {"type": "tool_result", "tool_use_id": "1", "content": "sent", "is_error": False},
        {"type": "tool_result", "tool_use_id": "2", "is_error": True, "content": [{"type": "text", "text": "no"}]},
        {"type": "text", "text": "And now?"},
        {"type": "tool_result", "tool_use_id": "3"},
    )
    assert messages == (
        Message(
            "tool", (ToolResult("1", (Text("sent"),)), ToolResult("2", (Text("no"),), failed=True)), None, "messages.0"
        ),
        Message("user", (Text("And now?"),), None, "messages.0"),
        Message("tool", (ToolResult("3", ()),), None, "messages.0"),
    )


def test_what_an_assistant_said_comes_back_whole() -> None:
    """The signature and the exact input matter: the first proves the reasoning, the second is what was decided on."""
    raw = (
        b'{"model":"s","max_tokens":1,"messages":[{"role":"assistant","content":['
        b'{"type":"thinking","thinking":"Hm.","signature":"c2ln"},{"type":"redacted_thinking","data":"eHg="},'
        b'{"type":"text","text":"I look.","citations":null},'
        b'{"type":"tool_use","id":"t1","name":"look","input":{"n": 1.50},"caller":{"type":"direct"}}]}]}'
    )
    assert dialect.read(raw).messages[0].content == (
        Reasoning(text="Hm.", seal=Seal(dialect="anthropic", value="c2ln")),
        Reasoning(redacted=True, seal=Seal(dialect="anthropic", value="eHg=")),
        Text("I look."),
        ToolCall("t1", "look", '{"n": 1.50}'),
    )


def test_pictures_and_documents() -> None:
    cite = {"cited_text": "c", "document_index": 1, "document_title": None}
    (user,) = said(
        "user",
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
        {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}, "context": "old"},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "plain"},
            "title": "T",
            "citations": {"enabled": True},
        },
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "one"}]}},
        {"type": "document", "source": {"type": "content", "content": "all"}},
        {
            "type": "text",
            "text": "t",
            "citations": [{"type": "page_location", "start_page_number": 1, "end_page_number": 2, **cite}],
        },
    )
    assert user.content == (
        Image(Inline("image/png", "aGk=")),
        Image(Link("https://x.test/a.png")),
        File(Inline("application/pdf", "aGk=")),
        File(Link("https://x.test/a.pdf"), context="old"),
        File(Plain("plain"), name="T", cited=True),
        File(Blocks((Text("one"),))),
        File(Blocks((Text("all"),))),
        Text("t", (DocumentCitation(document=1, unit="page", start=1, end=2, cited="c"),)),
    )


def test_a_mark_at_the_top_is_set_on_the_last_block() -> None:
    assert read(cache_control={"type": "ephemeral"}).messages[0].content == (Text("hi", cache="5m"),)


CONTRADICTIONS: Final[list[object]] = [
    [],
    [USER] * (MAX_MESSAGES + 1),
    [{"role": "user", "content": []}],
    [{"role": "user", "content": [{"type": "thinking", "thinking": "x", "signature": "y"}]}],
    [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "1"}]}],
    [{"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "a", "input": []}]}],
    [{"role": "system", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}],
    [{"role": "tool", "content": "x"}],
    [{"role": "user"}],
    "hi",
]


@pytest.mark.parametrize("messages", CONTRADICTIONS)
def test_messages_that_contradict_themselves_are_refused(messages: object) -> None:
    with pytest.raises(InvalidRequest):
        read(messages=messages)


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": 0},
        {"max_tokens": None},
        {"tools": [TOOL, TOOL]},
        {"tools": [{**TOOL, "name": str(number)} for number in range(MAX_TOOLS + 1)]},
        {"tools": [{**TOOL, "input_schema": None}]},
        {"tools": [{**TOOL, "name": "a b"}]},
        {"tools": [{**TOOL, "allowed_callers": ["code_execution_20260120"]}]},
        {"tools": [{**TOOL, "defer_loading": True}]},
        {"thinking": {"type": "between_tools"}},
        {"tool_choice": "auto"},
        {"temperature": "hot"},
        {"metadata": {"n": 1}},
    ],
    ids=str,
)
def test_other_refusals(fields: Json) -> None:
    with pytest.raises(InvalidRequest):
        read(**fields)


def test_a_key_given_twice_is_refused_wherever_it_stands() -> None:
    with pytest.raises(DuplicateKey):
        dialect.read(b'{"model":"a","model":"b","max_tokens":1,"messages":[]}')
    with pytest.raises(DuplicateKey):
        dialect.read_count(b'{"model":"a","messages":[],"messages":[]}')


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"model":', b"\xff", b"nul", b"[" * 100_000])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    for reader in (dialect.read, dialect.read_count):
        with pytest.raises(InvalidRequest):
            reader(raw)


def test_what_shall_be_counted_is_read_alike() -> None:
    counted = dialect.read_count(json.dumps({"model": "support", "messages": [USER], "system": "S"}).encode())
    assert [message.role for message in counted.messages] == ["system", "user"]
    with pytest.raises(FieldNotAllowed):
        dialect.read_count(body())
