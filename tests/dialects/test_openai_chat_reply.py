# SPDX-License-Identifier: Apache-2.0
"""What a client gets, byte for byte: the files under tests/golden/reply are read by people, and by the SDK here."""

import json
from typing import Any, Final

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from tests.golden.golden import check_golden

from customhouse.dialects import openai_chat_reply as reply
from customhouse.dialects.openai_chat_reply import ChunkWriter, Notice, Receipt
from customhouse.dialects.sse import EventReader
from customhouse.domain import errors
from customhouse.domain.errors import CustomhouseError, FieldNotAllowed, UpstreamFailed
from customhouse.domain.message import Answer, ToolCall, Usage

Json = dict[str, Any]
RECEIPT: Final = Receipt(trace_id="019ab", release="support@3", deployment="local/small")
HELD: Final = Notice(
    id="d1", code="tool.needs_approval", outcome="hold", tool="issue_refund", url="/api/v1/traces/019ab"
)
CALLS: Final = (ToolCall("c1", "get_order_status", '{"order_id": "7"}'), ToolCall("c2", "search", "{}"))


def answer(**fields: Any) -> Answer:  # noqa: ANN401 - the answer's own fields
    plain: Json = dict.fromkeys(("upstream_id", "model", "fingerprint", "text", "refusal", "reasoning", "usage"))
    everything: Json = {**plain, "tool_calls": (), "finish_reason": "stop", **fields}
    return Answer(**everything)


def writer() -> ChunkWriter:
    return ChunkWriter(response_id="chatcmpl-019ab", created=1_795_442_400, model="support")


WHOLE: Final[dict[str, tuple[Answer, Receipt]]] = {
    "text": (answer(text="Your order\u2026", usage=Usage(3, 4), fingerprint="fp"), RECEIPT),
    "calls": (answer(tool_calls=CALLS, finish_reason="tool_calls"), RECEIPT),
    "refusal": (answer(refusal="I cannot.", reasoning="Not mine to do."), RECEIPT),
    "held": (
        answer(text="[customhouse] held"),
        Receipt(trace_id="019ab", release="support@41+prompt@38", deployment="local/small", decisions=(HELD,)),
    ),
    "fallback": (
        answer(text="Please call."),
        Receipt(trace_id="019ab", release="support@3", deployment="fallback", fallback=True),
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer(name: str) -> None:
    given, receipt = WHOLE[name]
    content = reply.completion(
        given, response_id="chatcmpl-019ab", created=1_795_442_400, model="support", receipt=receipt
    )
    check_golden(f"reply/whole-{name}.json", json.dumps(json.loads(content), indent=2) + "\n")
    read = ChatCompletion.model_validate_json(content)
    assert read.choices[0].message.content == given.text
    calls = read.choices[0].message.tool_calls or []
    assert [call.id for call in calls] == [call.id for call in given.tool_calls]
    assert all("index" not in call for call in json.loads(content)["choices"][0]["message"].get("tool_calls", []))


def streams() -> dict[str, bytes]:
    """Return streams as the gateway writes them."""
    text, calls, usage, empty = writer(), writer(), writer(), writer()
    held = Receipt(trace_id="019ab", release="support@3", deployment="local/small", decisions=(HELD,))
    return {
        "text": text.piece(text="Your ")
        + text.piece(text="order\u2026")
        + text.finish("stop", Usage(3, 4), wants_usage=False, receipt=RECEIPT),
        "calls": calls.piece(reasoning="I look.")
        + calls.calls(CALLS)
        + calls.finish("tool_calls", None, wants_usage=False, receipt=held),
        "usage": usage.piece(refusal="No.") + usage.finish("stop", Usage(3, 4), wants_usage=True, receipt=RECEIPT),
        "empty": empty.finish("stop", None, wants_usage=True, receipt=RECEIPT),
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
