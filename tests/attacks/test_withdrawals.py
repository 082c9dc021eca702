# SPDX-License-Identifier: Apache-2.0
"""A client's "no" to a held call ends what it asked for itself; whoever else says it ends nothing.

Lee's agent asked for a refund, and people are asked. Mallory learns the approval's id, and would like nobody to say yes
to Lee's refund; or he would like to take the call back from people who have answered, and have it all the same.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from tests.attacks.test_release_races import RESPONSES, require_once
from tests.gateway.running import Answer, create_key
from tests.gateway.waiting import CAPTAIN, ON_BEHALF_OF, TOOLS, Desk, proved, waiting

Json = dict[str, Any]
DECLARED: Final[Json] = {"type": "mcp", "server_label": "customhouse", "require_approval": "always"}
LEE: Final = proved("lee")


class Held:
    """A held call of Lee's, and what may be said to it."""

    def __init__(self, desk: Desk, *, stream: bool = False) -> None:
        self.desk: Final = desk
        self.body: Final[Json] = {**RESPONSES.first(tools=TOOLS, stream=stream), "store": True}
        self.body["tools"] = [*self.body["tools"], DECLARED]
        self.first: Final = self.send(self.body)
        self.trace: Final = self.first.headers["customhouse-trace-id"]
        heard = RESPONSES.hear(self.first)
        self.id: Final[str] = heard.receipt["decisions"][0]["id"]
        self.shown: Final[list[Json]] = [item for item in heard.raw if "approval" in item["type"]]

    def send(self, body: Json, headers: Json = LEE, key: str | None = None) -> Answer:
        own = {"authorization": f"Bearer {key or self.desk.gateway.key}", "content-type": "application/json"}
        return self.desk.gateway.request("POST", RESPONSES.path, json.dumps(body).encode(), {**own, **headers})

    def said(self, *, approve: bool = False) -> Json:
        return {"type": "mcp_approval_response", "approval_request_id": self.id, "approve": approve}

    def continued(self) -> Json:
        """Return the body that says no by going on from the stored response."""
        before = f"resp_{self.trace.replace('-', '')}"
        return {**self.body, "input": [self.said()], "previous_response_id": before}

    def whole(self) -> Json:
        """Return the body that says no with all of the history."""
        return {**self.body, "input": [*self.body["input"], *self.shown, self.said()]}

    def state(self) -> str:
        ((state,),) = self.desk.gateway.rows("SELECT state FROM approval WHERE id = ?", self.id)
        return state

    def decisions(self) -> list[Json]:
        found = self.desk.gateway.records(self.trace)
        return [each for each in found if each["kind"] == "approval.decided" and each["detail"]["approval"] == self.id]


Way = Callable[[Held], Json]
WAYS: Final[list[Way]] = [Held.continued, Held.whole]


def assert_withdrawn(held: Held) -> None:
    """Nobody is asked any more, and nothing releases the call."""
    assert held.state() == "revoked"
    last = held.decisions()[-1]
    assert (last["outcome"], last["decision"]["outcome"]) == ("revoked", "deny")
    assert last["detail"]["reason"] == "withdrawn by the client"
    late = held.desk.say(CAPTAIN, held.id)
    assert (late.status, late.json["code"]) == (409, "approval.closed")
    again = held.send(held.body, {**LEE, "customhouse-approval": held.id})
    assert (again.status, again.json["error"]["code"]) == (403, "approval.revoked")
    assert held.decisions()[-1] == last, "it is said once"
    assert not any("issue_refund" in row[0] for row in passed(held))


def passed(held: Held) -> list[tuple[Any, ...]]:
    found = held.desk.gateway.rows("SELECT canonical FROM evidence WHERE kind = ?", "tool.passed")
    return [(bytes(row[0]).decode(),) for row in found]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("way", WAYS, ids=["previous-response", "history"])
@pytest.mark.parametrize("answered", [False, True], ids=["open", "approved"])
def test_its_own_no_ends_it_once(home: Path, way: Way, *, answered: bool, stream: bool) -> None:
    with waiting(home) as desk:
        held = Held(desk, stream=stream)
        if answered:
            assert desk.say(CAPTAIN, held.id).status == 200
        for _ in range(2):
            assert held.send(way(held)).status == 200, "the turn goes on as any other does"
        assert len(held.decisions()) == (2 if answered else 1)
        assert_withdrawn(held)


def test_its_own_no_ends_it_on_postgresql(home: Path, postgres: str) -> None:
    with waiting(home, database=postgres) as desk:
        held = Held(desk)
        assert held.send(held.continued()).status == 200
        assert held.state() == "revoked"
        assert desk.say(CAPTAIN, held.id).status == 409


def other_key(held: Held) -> str:
    gateway = held.desk.gateway
    key = gateway.run(create_key(gateway.control, delegate=("user:*",)))
    while held.send(held.body, key=key).status == 401:
        pass
    return key


def another_request(body: Json) -> Json:
    return {**body, "input": [{"role": "user", "content": "Another thing."}, *body["input"]]}


@pytest.mark.parametrize("way", WAYS, ids=["previous-response", "history"])
def test_nobody_elses_no_ends_it(home: Path, way: Way) -> None:
    with waiting(home) as desk:
        held = Held(desk)
        body = way(held)
        tries: list[tuple[str, Json, Json, str | None]] = [
            ("somebody else who is proved", body, proved("mia"), None),
            ("nobody in particular", body, {}, None),
            ("Lee's name, unproved", body, {ON_BEHALF_OF: "user:lee"}, None),
            ("another key", body, LEE, other_key(held)),
        ]
        if way is Held.whole:
            tries.append(("another request", another_request(body), LEE, None))
        for what, each, headers, key in tries:
            assert held.send(each, headers, key).status in {200, 404}, what
            assert (held.state(), held.decisions()) == ("requested", []), what
        assert desk.say(CAPTAIN, held.id).status == 200
        assert held.send(held.body, {**LEE, "customhouse-approval": held.id}).status == 200


def test_a_no_about_another_response_or_nothing_ends_nothing(home: Path) -> None:
    with waiting(home) as desk:
        first, second = Held(desk), Held(desk)
        crossed = {**first.continued(), "input": [second.said()]}
        unknown = {**first.said(), "approval_request_id": "01a210b2-305c-7383-90f9-5cb440318a30"}
        for body in (crossed, {**first.continued(), "input": [unknown]}):
            assert first.send(body).status == 200
        assert (first.state(), second.state()) == ("requested", "requested")


def test_a_no_after_the_call_was_released_takes_nothing_back(home: Path) -> None:
    with waiting(home) as desk:
        held = Held(desk)
        assert desk.say(CAPTAIN, held.id).status == 200
        released = held.send(held.body, {**LEE, "customhouse-approval": held.id})
        assert released.status == 200
        assert held.send(held.continued()).status == 200
        assert held.state() == "consumed"
        assert held.send(held.body, {**LEE, "customhouse-approval": held.id}).body == released.body
        require_once(desk.gateway, held.id)
