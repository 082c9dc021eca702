# SPDX-License-Identifier: Apache-2.0
"""Stored responses as values: what a chain amounts to, what bounds it, and whose it is."""

import pytest

from customhouse.dialects.envelope import Receipt
from customhouse.domain.answer import Answer
from customhouse.domain.errors import InvalidRequest
from customhouse.domain.label import Classification
from customhouse.domain.message import Message, Text, ToolCall, ToolResult
from customhouse.domain.principal import Principal
from customhouse.domain.request import Request
from customhouse.gateway import stored
from customhouse.gateway.stored import MAX_MESSAGES, PLACE, Stored

LEE = Principal("k1", "acme", "support", "dev", "user:lee", "asserted")


def turn(*messages: Message, said: Answer | None = None, level: Classification = Classification.INTERNAL) -> Stored:
    return Stored(
        assistant="support",
        environment="dev",
        on_behalf_of="user:lee",
        classification=level,
        created_s=7,
        model="small",
        request=Request(model="support", messages=messages, keep=True),
        answer=said or Answer(content=(Text("yes"),), stop="stop"),
        receipt=Receipt(trace_id="019ab", release="support@3", deployment="local/small"),
    )


def user(text: str, place: str = "input") -> Message:
    return Message("user", (Text(text),), place=place)


def test_it_reads_back_as_it_was_kept() -> None:
    for kept in (
        turn(user("hi")),
        turn(user("hi"), said=Answer(content=(ToolCall("1", "a", "{}"),), stop="tool_calls")),
    ):
        read = stored.decode(stored.encode(kept))
        assert stored.encode(read) == stored.encode(kept)
        assert read.answer == kept.answer
    with pytest.raises(ValueError, match="truncated"):
        stored.decode(b"{")


def test_a_chain_is_one_conversation() -> None:
    call = Answer(content=(ToolCall("1", "a", "{}"),), stop="tool_calls")
    chain = [
        turn(Message("system", (Text("be brief"),), place="instructions"), user("one"), said=call),
        turn(Message("tool", (ToolResult("1", (Text("x"),)),), place="input.0"), level=Classification.CONFIDENTIAL),
        turn(Message("assistant", (Text("and"),), place="input.0"), user("two")),
    ]
    found = stored.joined(chain)
    assert found.classification is Classification.CONFIDENTIAL
    assert [(message.role, message.text) for message in found.messages] == [
        ("user", "one"),
        ("assistant", ""),
        ("tool", ""),
        ("assistant", "yesand"),
        ("user", "two"),
        ("assistant", "yes"),
    ]
    assert {message.place for message in found.messages} == {PLACE}
    assert stored.joined([]).messages == ()


def test_a_conversation_has_a_bound() -> None:
    with pytest.raises(InvalidRequest, match="too long") as caught:
        stored.joined([turn(*(user(str(n)) for n in range(MAX_MESSAGES)))])
    assert caught.value.param == PLACE


IDS = [
    ("resp_019ab00000007000800000000000000a", "019ab000-0000-7000-8000-00000000000a"),
    ("resp_019AB00000007000800000000000000a", None),
    ("resp_019ab00000004000800000000000000a", None),
    ("resp_019ab00000007000800000000000000", None),
    ("resp_019ab00000007000800000000000000a\n", None),
    ("chatcmpl-019ab00000007000800000000000000a", None),
    ("msg_019ab00000007000800000000000000a", None),
    ("", None),
]


@pytest.mark.parametrize(("response_id", "trace_id"), IDS)
def test_which_ids_name_a_trace(response_id: str, trace_id: str | None) -> None:
    assert stored.trace_of(response_id) == trace_id


OWNERS = [
    (("support", "dev", "user:lee"), True),
    (("other", "dev", "user:lee"), False),
    (("support", "staging", "user:lee"), False),
    (("support", "dev", "user:mia"), False),
    (("support", "dev", None), False),
]


@pytest.mark.parametrize(("of", "owned"), OWNERS)
def test_whose_it_is(of: tuple[str, str, str | None], *, owned: bool) -> None:
    assert stored.owned(LEE, *of) is owned
