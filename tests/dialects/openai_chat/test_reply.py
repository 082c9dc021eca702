# SPDX-License-Identifier: Apache-2.0
"""What a client gets, byte for byte: the files under tests/golden/reply are read by people, and by the SDK here."""

import json
from typing import Any, Final

import pytest
from msgspec.structs import replace
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.golden.golden import check_golden

from customhouse.dialects.envelope import Envelope, Notice, Receipt, Ticket
from customhouse.dialects.openai_chat import reply
from customhouse.dialects.openai_chat.reply import ChunkWriter
from customhouse.dialects.sse import EventReader
from customhouse.domain import errors
from customhouse.domain.answer import Answer, Cited, Ended, Piece, Usage
from customhouse.domain.errors import CustomhouseError, FieldNotAllowed, UpstreamFailed
from customhouse.domain.message import (
    DocumentCitation,
    Reasoning,
    Refusal,
    Seal,
    Text,
    ToolCall,
    WebCitation,
)
from customhouse.domain.request import Request

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
SEAL: Final = Seal(dialect="anthropic", value="x")
CALLS: Final = (ToolCall("c1", "get_order_status", '{"order_id": "7"}'), ToolCall("c2", "search", "{}"))


def answer(*content: Text | Refusal | Reasoning | ToolCall, **fields: Any) -> Answer:  # noqa: ANN401 - its own fields
    everything: Json = {"stop": "stop", **fields}
    return Answer(content=content, **everything)


def envelope(*, wants_usage: bool = False) -> Envelope:
    return Envelope("019ab", 1_795_442_400, "support", Request(model="support", messages=(), wants_usage=wants_usage))


def writer(*, wants_usage: bool = False) -> ChunkWriter:
    return ChunkWriter(envelope(wants_usage=wants_usage))


WHOLE: Final[dict[str, tuple[Answer, Receipt]]] = {
    "text": (answer(Text("Your order\u2026"), usage=Usage(3, 4), fingerprint="fp"), RECEIPT),
    "calls": (answer(*CALLS, stop="tool_calls"), TICKETED),
    "refusal": (answer(Reasoning(text="Not mine to do."), Refusal("I cannot.")), RECEIPT),
    "cited": (
        answer(
            Text("As ", ()),
            Text("she says.", (WebCitation(url="https://a.test/", title="A", start=0, end=3),)),
            usage=Usage(30, 4, cached_tokens=20, reasoning_tokens=2),
        ),
        RECEIPT,
    ),
    "held": (
        answer(Text("[customhouse] held")),
        Receipt(trace_id="019ab", release="support@41+prompt@38", deployment="local/small", decisions=(HELD,)),
    ),
    "fallback": (
        answer(Text("Please call.")),
        Receipt(trace_id="019ab", release="support@3", deployment="fallback", fallback=True),
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer(name: str) -> None:
    given, receipt = WHOLE[name]
    reply.require(given)
    content = reply.whole(given, envelope(), receipt)
    check_golden(f"reply/whole-{name}.json", json.dumps(json.loads(content), indent=2) + "\n")
    read = ChatCompletion.model_validate_json(content)
    assert read.choices[0].message.content == given.text
    calls = read.choices[0].message.tool_calls or []
    assert [call.id for call in calls] == [call.id for call in given.tool_calls]
    assert all("index" not in call for call in json.loads(content)["choices"][0]["message"].get("tool_calls", []))


def streams() -> dict[str, bytes]:
    """Return streams as the gateway writes them."""
    text, calls, usage, empty, cited = (
        writer(),
        writer(),
        writer(wants_usage=True),
        writer(wants_usage=True),
        writer(),
    )
    page = WebCitation(url="https://a.test/", title="A", start=0, end=3)
    held = Receipt(trace_id="019ab", release="support@3", deployment="local/small", decisions=(HELD,))
    return {
        "text": text.deltas([Piece(0, "text", "Your ")])
        + text.deltas([Piece(0, "text", "order\u2026")])
        + text.end(answer(Text("Your order\u2026"), usage=Usage(3, 4)), "", RECEIPT),
        "calls": calls.deltas([Piece(0, "reasoning", "I look."), Ended(0, Reasoning(text="I look.", seal=SEAL))])
        + calls.end(
            answer(Reasoning(text="I look."), *CALLS, stop="tool_calls"), "", replace(TICKETED, decisions=(HELD,))
        ),
        "usage": usage.deltas([Piece(0, "refusal", "No.")])
        + usage.end(answer(Refusal("No."), usage=Usage(3, 4)), "", RECEIPT),
        "cited": cited.deltas([Piece(0, "text", "As "), Piece(1, "text", "she says."), Cited(1, page)])
        + cited.end(answer(), "\n\n[customhouse] held", held),
        "empty": empty.end(answer(), "", RECEIPT),
    }


@pytest.mark.parametrize("name", streams())
def test_a_stream(name: str) -> None:
    stream = streams()[name]
    check_golden(f"reply/stream-{name}.txt", stream.decode())
    events = EventReader().feed(stream)
    assert events[-1] == b"[DONE]"
    chunks = [ChatCompletionChunk.model_validate_json(data) for data in events[:-1]]
    assert {(chunk.id, chunk.created, chunk.model) for chunk in chunks} == {
        ("chatcmpl-019ab", 1_795_442_400, "support")
    }
    roles = [choice.delta.role for chunk in chunks for choice in chunk.choices]
    assert roles == ["assistant", *[None] * (len(roles) - 1)], "the role comes once, first"
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert [reason for reason in reasons if reason] == reasons[-1:]
    carrying = [index for index, data in enumerate(events) if b'"customhouse"' in data]
    assert carrying == [len(events) - 2], "the receipt rides on the last event before the end"
    assert (chunks[-1].usage is not None) == (not chunks[-1].choices) == (name in {"usage", "empty"})


def test_what_this_dialect_cannot_say_is_the_upstreams_failure() -> None:
    cited = DocumentCitation(document=0, unit="char", start=0, end=1)
    with pytest.raises(UpstreamFailed) as caught:
        reply.require(answer(Text("a", (cited,))))
    assert caught.value.reason == "upstream.inexpressible"
    with pytest.raises(UpstreamFailed) as caught:
        writer().deltas([Cited(0, cited)])
    assert caught.value.reason == "upstream.inexpressible"


ALL: Final = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, CustomhouseError)]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_error_has_the_shape_that_sdks_read(cls: type[CustomhouseError]) -> None:
    body: Json = json.loads(reply.error(cls(), "019ab"))
    assert list(body) == ["error"]
    error: Json = body["error"]
    assert (error["message"], error["code"], error["trace_id"]) == (cls().detail, cls.code, "019ab")
    assert error["type"].endswith("_error")
    assert error["docs"] == f"/api/v1/#{cls.code}"


def test_an_error_names_the_field_and_never_its_cause() -> None:
    problem = FieldNotAllowed("`store` is refused", param="store")
    problem.__cause__ = ValueError("a secret")
    body = reply.error(problem, "019ab")
    assert json.loads(body)["error"]["param"] == "store"
    assert b"secret" not in body
    assert json.loads(reply.error(UpstreamFailed(), "t"))["error"]["type"] == "api_error"


def test_the_list_of_models() -> None:
    body: Json = json.loads(reply.model_list(("support", "alias"), 7))
    assert body["object"] == "list"
    assert [(entry["id"], entry["object"], entry["created"]) for entry in body["data"]] == [
        ("support", "model", 7),
        ("alias", "model", 7),
    ]
