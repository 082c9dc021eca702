# SPDX-License-Identifier: Apache-2.0
"""What a client gets, byte for byte: the files under tests/golden/reply are read by people, and by the SDK here."""

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from msgspec.structs import replace
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from tests.dialects.openai_responses.conversations import answers
from tests.golden.golden import check_golden

from customhouse.dialects.envelope import Envelope, Notice, Receipt, Ticket
from customhouse.dialects.openai_responses import reply
from customhouse.dialects.openai_responses.reply_stream import EventWriter
from customhouse.domain.answer import Answer, Cited, Delta, Ended, Held, Piece, Usage
from customhouse.domain.errors import UpstreamFailed
from customhouse.domain.message import (
    DocumentCitation,
    Message,
    Reasoning,
    Refusal,
    Seal,
    Text,
    ToolCall,
    ToolOffer,
    WebCitation,
)
from customhouse.domain.request import Form, NamedTool, Request

Json = dict[str, Any]
RECEIPT: Final = Receipt(trace_id="019ab", release="support@3", deployment="local/small")
TICKETED: Final = Receipt(
    trace_id="019ab",
    release="support@3",
    deployment="local/small",
    tickets=(Ticket(call_id="c1", ticket="e30.e30.c2ln"), Ticket(call_id="c2", ticket="e30.e30.c2lu")),
)
HELD: Final = Notice(
    id="d1", code="tool.needs_approval", outcome="hold", tool="issue_refund", url="/api/v1/traces/019ab"
)
CALLS: Final = (ToolCall("c1", "get_order_status", '{"order_id": "7"}'), ToolCall("c2", "search", "{}"))
PAGE: Final = WebCitation(url="https://acme.test", title="Acme", start=0, end=4)
ASKED: Final = Request(
    model="support",
    messages=(Message("system", (Text("be brief"),), place="instructions"), Message("user", (Text("hi"),))),
    offers=(ToolOffer("search", "Search", '{"type": "object"}', strict=False),),
    tool_choice=NamedTool("search"),
    form=Form(schema='{"type": "object"}', name="x"),
    wants_usage=True,
    max_tokens=9,
    sampling={"temperature": 0.5, "reasoning_effort": "low"},
    variables={"name": "Ada"},
    previous="resp_019aa",
    keep=True,
)
PLAIN: Final = Request(model="support", messages=(), wants_usage=True)
SHOWING: Final = Request(model="support", messages=(), wants_usage=True, shows_held=True)
WAITING: Final = Answer(
    content=(Text("[customhouse] The call to issue_refund was held"), CALLS[0]),
    stop="tool_calls",
    held=(Held("d1", "issue_refund", '{"order_id": "7"}'),),
)
ANTHROPIC: Final = Seal(dialect="anthropic", value="sig")


def envelope(request: Request = PLAIN) -> Envelope:
    return Envelope("019ab", 1_795_442_400, "small", request)


WHOLE: Final[dict[str, tuple[Answer, Receipt, Request]]] = {
    "text": (
        Answer(content=(Text("Your order\u2026", citations=(PAGE,)),), stop="stop", usage=Usage(3, 4, 1, 2, 3)),
        RECEIPT,
        ASKED,
    ),
    "calls": (Answer(content=(Text("Let me look."), *CALLS), stop="tool_calls"), TICKETED, PLAIN),
    "held-shown": (WAITING, replace(RECEIPT, decisions=(HELD,)), SHOWING),
    "reasoning": (
        Answer(
            content=(
                Reasoning(text="Short.", summary=True),
                Reasoning(text="Long.", seal=ANTHROPIC),
                Reasoning(redacted=True, seal=Seal(dialect="openai_responses", value="E", id="rs_1")),
                Refusal("I cannot."),
            ),
            stop="stop",
        ),
        RECEIPT,
        PLAIN,
    ),
    "held": (
        Answer(content=(Text("[customhouse] held"),), stop="stop"),
        Receipt(trace_id="019ab", release="support@41+prompt@38", deployment="local/small", decisions=(HELD,)),
        PLAIN,
    ),
    "cut": (Answer(content=(Text("Once upon"),), stop="length"), RECEIPT, PLAIN),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer(name: str) -> None:
    answer, receipt, request = WHOLE[name]
    reply.require(answer)
    content = reply.whole(answer, envelope(request), receipt)
    check_golden(f"reply/responses/whole-{name}.json", json.dumps(json.loads(content), indent=2) + "\n")
    read = RESPONSE.validate_json(content)
    assert read.id == "resp_019ab"
    assert read.output_text == (answer.text or "")
    calls = [item for item in read.output if item.type == "function_call"]
    assert [(call.call_id, call.name, call.arguments) for call in calls] == [
        (call.id, call.name, call.arguments) for call in answer.tool_calls
    ]
    assert len({getattr(item, "id", None) for item in read.output}) == len(read.output), "each item has its own id"


RESPONSE: Final = TypeAdapter[Any](Response)
EVENT: Final = TypeAdapter[Any](ResponseStreamEvent)
"""Built once: a second each. They read strictly, where the SDK's client would construct anything."""


STOPS: list[tuple[Any, str, str | None]] = [
    (None, "completed", None),
    ("stop", "completed", None),
    ("stop_sequence", "completed", None),
    ("tool_calls", "completed", None),
    ("length", "incomplete", "max_output_tokens"),
    ("pause", "incomplete", "max_output_tokens"),
    ("content_filter", "incomplete", "content_filter"),
    ("refusal", "incomplete", "content_filter"),
]


@pytest.mark.parametrize(("stop", "status", "reason"), STOPS)
def test_how_an_answer_ended(stop: Any, status: str, reason: str | None) -> None:  # noqa: ANN401 - rows
    read = json.loads(reply.whole(Answer(content=(Text("x"),), stop=stop), envelope(), RECEIPT))
    assert (read["status"], (read["incomplete_details"] or {}).get("reason")) == (status, reason)
    assert read["output"][-1]["status"] == status


def test_a_document_cannot_be_cited() -> None:
    cited = DocumentCitation(document=0, unit="page", start=0, end=1)
    with pytest.raises(UpstreamFailed) as caught:
        reply.require(Answer(content=(Text("x", citations=(cited,)),), stop="stop"))
    assert caught.value.reason == "upstream.inexpressible"
    with pytest.raises(UpstreamFailed):
        EventWriter(envelope()).deltas([Piece(0, "text", "x"), Cited(0, cited)])


def test_the_forms_and_choices_that_are_repeated() -> None:
    rows: list[tuple[Json, Json]] = [
        ({"form": Form()}, {"text": {"format": {"type": "json_object"}}}),
        ({"tool_choice": "required"}, {"tool_choice": "required"}),
        ({}, {"tool_choice": "auto", "text": {"format": {"type": "text"}}, "store": False, "instructions": None}),
    ]
    for fields, expected in rows:
        asked = Request(model="support", messages=(), **fields)
        read = json.loads(reply.whole(Answer(stop="stop"), envelope(asked), RECEIPT))
        assert {name: read[name] for name in expected} == expected


STREAMS: Final[dict[str, tuple[list[Delta], Answer, str]]] = {
    "text": (
        [Piece(0, "text", "Your "), Piece(0, "text", "order"), Cited(0, PAGE)],
        Answer(content=(Text("Your order"),), stop="stop", usage=Usage(3, 4)),
        "",
    ),
    "reasoning": (
        [
            Piece(0, "reasoning", "Short", summary=True),
            Piece(0, "reasoning", ".", summary=True),
            Piece(1, "reasoning", "Long."),
            Ended(1, Reasoning(text="Long.", seal=ANTHROPIC)),
            Ended(2, Reasoning(redacted=True, seal=ANTHROPIC)),
            Piece(3, "text", "x"),
            Piece(4, "refusal", "I cannot."),
        ],
        Answer(content=(Refusal("I cannot."),), stop="stop"),
        "",
    ),
    "calls": ([Piece(0, "text", "Let me look.")], Answer(content=(*CALLS,), stop="tool_calls"), "\n\n[customhouse] x"),
    "held": ([], Answer(content=(Text("[customhouse] held"),), stop="stop"), "[customhouse] held"),
    "cut": ([Piece(0, "text", "Once")], Answer(content=(Text("Once"),), stop="length"), ""),
    "empty": ([], Answer(stop="stop"), ""),
}


def events(stream: bytes) -> list[Json]:
    """Return the events, each checked: its line, its number, and its shape by the SDK's types."""
    found: list[Json] = []
    for number, text in enumerate(part for part in stream.decode().split("\n\n") if part):
        line, data = text.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert (line, number) == (f"event: {event['type']}", event["sequence_number"])
        EVENT.validate_python(event)
        found.append(event)
    return found


@pytest.mark.parametrize("name", STREAMS)
def test_a_streamed_answer(name: str) -> None:
    deltas, answer, added = STREAMS[name]
    writer = EventWriter(envelope())
    stream = b"".join(writer.deltas([delta]) for delta in deltas) + writer.end(
        answer, added, TICKETED if answer.tool_calls else RECEIPT
    )
    check_golden(f"reply/responses/stream-{name}.txt", stream.decode())
    in_order(events(stream))


def test_held_calls_are_streamed_to_who_asks_for_them_and_to_nobody_else() -> None:
    writer = EventWriter(envelope(SHOWING))
    stream = writer.end(WAITING, WAITING.text or "", replace(RECEIPT, decisions=(HELD,)))
    check_golden("reply/responses/stream-held-shown.txt", stream.decode())
    told = events(stream)
    in_order(told)
    assert [item["type"] for item in told[-1]["response"]["output"]] == [
        "message",
        "function_call",
        "mcp_approval_request",
    ]
    plain = EventWriter(envelope()).end(WAITING, WAITING.text or "", RECEIPT)
    assert b"mcp" not in plain + reply.whole(WAITING, envelope(), RECEIPT), "openai-agents would raise for it"


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_a_schema_that_a_client_wrote_on_many_lines_cuts_no_event(ends: str) -> None:
    """A line break inside an event's data ends it: the SDK's client would be handed half of a JSON text."""
    indented = json.dumps({"type": "object", "title": "a\nb"}, indent=2).replace("\n", ends)
    offer = ToolOffer("search", None, indented)
    writer = EventWriter(envelope(replace(PLAIN, offers=(offer,), form=Form(schema=indented, name="x"))))
    told = events(writer.deltas([Piece(0, "text", "x")]) + writer.end(Answer(stop="stop"), "", RECEIPT))
    for event in (told[0], told[1], told[-1]):
        assert event["response"]["tools"][0]["parameters"] == json.loads(indented)
        assert event["response"]["text"]["format"]["schema"] == json.loads(indented)


def in_order(told: list[Json]) -> None:
    """Check that items and parts begin before they are told of, end after that, and are in the last response."""
    assert [event["type"] for event in told[:2]] == ["response.created", "response.in_progress"]
    items: list[Json] = []
    open_item: str | None = None
    for event in told[2:-1]:
        assert event["output_index"] == len(items), "one item after the other"
        match event["type"]:
            case "response.output_item.added":
                assert open_item is None
                open_item = event["item"]["id"]
            case "response.output_item.done":
                assert event["item"]["id"] == open_item
                open_item = None
                items.append(event["item"])
            case _:
                assert event["item_id"] == open_item
    assert open_item is None
    last = told[-1]
    assert last["type"] == f"response.{last['response']['status']}"
    assert last["response"]["customhouse"]["trace_id"] == "019ab"
    assert last["response"]["output"] == items


@settings(deadline=None)
@given(answers())
def test_any_answer_is_valid_whole_and_streamed(said: Answer) -> None:
    RESPONSE.validate_json(reply.whole(said, envelope(), RECEIPT))
    writer = EventWriter(envelope())
    deltas: list[Delta] = [
        Piece(place, "text" if isinstance(part, Text) else "refusal", part.text)
        for place, part in enumerate(said.content)
        if isinstance(part, Text | Refusal)
    ]
    in_order(events(writer.deltas(deltas) + writer.end(said, "", RECEIPT)))


def test_a_stream_that_breaks_ends_with_an_error() -> None:
    writer = EventWriter(envelope())
    stream = writer.deltas([Piece(0, "text", "Your ")]) + writer.fail(UpstreamFailed("it broke"), "019ab")
    told = events(stream)
    failed, error = told[-2:]
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": "it broke"}
    assert (error["type"], error["code"], error["message"]) == ("error", "upstream.failed", "it broke")
    assert error["error"]["trace_id"] == "019ab"
    check_golden("reply/responses/stream-broken.txt", stream.decode())


def test_a_response_that_failed_is_not_said_to_be_stored() -> None:
    stream = EventWriter(envelope(replace(PLAIN, keep=True))).fail(UpstreamFailed("it broke"), "019ab")
    assert events(stream)[-2]["response"]["store"] is False


def test_every_piece_leaves_at_once() -> None:
    writer = EventWriter(envelope())
    for text in "abc":
        assert f'"delta":"{text}"'.encode() in writer.deltas([Piece(0, "text", text)])
