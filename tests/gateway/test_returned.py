# SPDX-License-Identifier: Apache-2.0
"""Results of tools: which of a conversation are new, and how they are matched and recorded in every dialect."""

from pathlib import Path
from typing import Final

import pytest
from tests.gateway.running import documents, running
from tests.gateway.scene import KEY
from tests.gateway.tongues import TONGUES, say
from tests.upstream.server import scripted_upstream

from customhouse.domain.errors import InvalidRequest
from customhouse.domain.message import DialectName, Message, Text, ToolCall, ToolResult
from customhouse.gateway.passing import MAX_RESULTS, results


def result(call_id: str) -> ToolResult:
    return ToolResult(call_id, (Text("sent"),))


ASKED: Final = Message("user", (Text("Where?"),))
CALLED: Final = Message("assistant", (ToolCall("a", "status", "{}"), ToolCall("b", "search", "{}")))
BOTH: Final = Message("tool", (result("a"), result("b")))
ONE: Final = Message("tool", (result("a"),))
SAID: Final = Message("assistant", (Text("It is on its way."),))
ROWS: Final[list[tuple[str, list[Message], list[tuple[str, str]]]]] = [
    ("nothing is returned", [ASKED], []),
    ("results end the request", [ASKED, CALLED, BOTH], [("a", "status"), ("b", "search")]),
    ("words follow the results", [ASKED, CALLED, ONE, ASKED], [("a", "status")]),
    ("what an answer follows is not new", [ASKED, CALLED, ONE, SAID, ASKED], []),
    ("of a call that the client does not tell of", [Message("tool", (result("z"),))], [("z", "")]),
]


@pytest.mark.parametrize(("reason", "messages", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_only_what_follows_the_last_answer_is_new(
    reason: str, messages: list[Message], expected: list[tuple[str, str]]
) -> None:
    assert [(each.result.call_id, each.named) for each in results(messages)] == expected, reason


def test_they_are_no_more_than_one_answer_has_calls() -> None:
    many = Message("tool", tuple(result(f"c{n}") for n in range(MAX_RESULTS + 1)))
    with pytest.raises(InvalidRequest):
        results([ASKED, CALLED, many])


@pytest.mark.parametrize("client", TONGUES)
def test_a_result_is_matched_with_the_call_that_was_passed(
    home: Path, client: DialectName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "secret")
    tongue = TONGUES[client]
    with (
        scripted_upstream() as upstream,
        running(home, documents(upstream.base_url, ("one-call",), dialect=client, api_key_env=KEY)) as gateway,
    ):
        body = tongue.first(tools=["get_order_status"])
        heard = tongue.hear(say(gateway, tongue, body))
        answer = say(gateway, tongue, tongue.second(body, heard, ["sent"]))
        assert answer.status == 200, answer.body
        passed = next(r for r in gateway.records(heard.receipt["trace_id"]) if r["kind"] == "tool.passed")
        kinds = gateway.kinds(answer.headers["customhouse-trace-id"])
        assert kinds[:3] == ["request.accepted", "tool.returned", "model.called"]
        returned = gateway.records(answer.headers["customhouse-trace-id"])[1]
        assert returned["tool"] == passed["tool"], "name, digest and effect are those of the release"
        assert returned["parents"] == [passed["id"]]
        assert returned["outcome"] == "returned"
        assert returned["detail"] == {
            "asserted_by": "client",
            "matched": True,
            "passed_in": heard.receipt["trace_id"],
        }
        assert set(returned["commitments"]) == {"result"}
