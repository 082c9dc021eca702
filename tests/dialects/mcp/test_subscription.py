# SPDX-License-Identifier: Apache-2.0
"""A client is told of what it asked for, what was accepted of it, and nothing else."""

import json
from typing import Any

import pytest
from mcp_types import methods

from customhouse.dialects.mcp import message, result
from customhouse.dialects.mcp.envelope import Identity
from customhouse.dialects.mcp.message import Call
from customhouse.dialects.mcp.refused import INVALID_PARAMS, Refused
from customhouse.dialects.mcp.subscription import MAX_ADDRESSES, Kind, Subscription, wished

NEWEST = "2026-07-28"


def call(params: dict[str, Any]) -> Call:
    found = message.read(message.request("s-1", "subscriptions/listen", params))
    assert isinstance(found, Call)
    return found


def lists(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


ASKED = {"toolsListChanged": True, "promptsListChanged": False, "resourceSubscriptions": ["a://1", "a://2", "a://1"]}


def test_what_is_asked_for_is_read_and_narrowed() -> None:
    asked = wished(call({"notifications": ASKED}))
    assert asked == Subscription("s-1", lists("tools"), ("a://1", "a://2"))
    narrow = asked.narrowed(lists("prompts", "resources"), frozenset({"a://2", "a://3"}))
    assert narrow == Subscription("s-1", lists(), ("a://2",))


def test_its_notifications_are_the_protocols_and_name_it() -> None:
    asked = Subscription("s-1", lists("tools"), ("a://1",))
    for sent in (asked.acknowledged(), asked.changed("tools"), asked.updated("a://1")):
        assert sent is not None
        found = json.loads(sent)
        methods.parse_server_notification(found["method"], NEWEST, found["params"])
        assert found["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "s-1"}
    assert json.loads(asked.acknowledged())["params"]["notifications"] == {
        "toolsListChanged": True,
        "resourceSubscriptions": ["a://1"],
    }
    ended = result.modern("subscriptions/listen", asked.ended(), Identity("customhouse", "1"))
    methods.validate_server_result("subscriptions/listen", NEWEST, ended)


def test_nobody_is_told_of_what_he_did_not_ask_for() -> None:
    asked = Subscription(1, lists("tools"), ("a://1",))
    assert asked.changed("prompts") is None
    assert asked.updated("a://2") is None


@pytest.mark.parametrize(
    "notifications",
    [
        None,
        [],
        {"toolsListChanged": "yes"},
        {"toolsListChanged": 1},
        {"resourceSubscriptions": "a://1"},
        {"resourceSubscriptions": [1]},
        {"resourceSubscriptions": ["x" * 2049]},
        {"resourceSubscriptions": [str(each) for each in range(MAX_ADDRESSES + 1)]},
    ],
)
def test_a_wish_of_another_shape_is_refused(notifications: object) -> None:
    with pytest.raises(Refused) as refused:
        wished(call({"notifications": notifications}))
    assert (refused.value.code, refused.value.id) == (INVALID_PARAMS, "s-1")
