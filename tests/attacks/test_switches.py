# SPDX-License-Identifier: Apache-2.0
"""Attacks on switches and on the look before dispatch, one file each: what was taken away does not get through.

A file says what is done (`before` the turn, or `during` it, while its model thinks), what the client sends, and what
may come of it. Nothing waits for a clock: a change is in force when the replica acknowledged its generation.
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.gateway.running import GRANTS, LOCAL, TOOLS, Answer, Running, documents, running
from tests.upstream import replies
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import Hold, Received, Reply, Step

from customhouse.planes.tools.document import Document as ToolsDocument
from customhouse.rollout.submission import SubmittedDocuments
from customhouse.rollout.switch import LiftingSwitch, Throwing, switch_off, switch_on

ATTACKS: Final = sorted(Path(__file__).parent.glob("switch-*.json"))


def held(reply: Reply) -> Reply:
    """Answer when the test says so."""

    def played(request: Received) -> Iterator[Step]:
        yield Hold()
        yield from reply(request)

    return played


def acknowledged(gateway: Running, name: str, generation: int) -> None:
    """Return when the server has a generation in force."""
    while not gateway.rows(
        "SELECT 1 FROM acknowledgement WHERE name = ? AND generation >= CAST(? AS INTEGER)", name, str(generation)
    ):
        pass


def thrown(gateway: Running, scope: str) -> int:
    """Throw a switch and return its number when it is in force."""
    done = gateway.run(switch_on(gateway.control, LOCAL, "t", Throwing(scope=scope, reason="test")))
    acknowledged(gateway, "switches", done.generation)
    return done.switch.seq


def lifted(gateway: Running, seq: int) -> None:
    done = gateway.run(switch_off(gateway.control, LOCAL, "t", seq, LiftingSwitch(reason="test"))).switched
    assert done is not None
    acknowledged(gateway, "switches", done.generation)


def released(gateway: Running, submitted: SubmittedDocuments, changed: dict[str, Any]) -> None:
    """Release a policy in which some grants are others; return when it is in force."""
    grants = {**GRANTS, **{name: msgspec.structs.replace(GRANTS[name], **terms) for name, terms in changed.items()}}
    outcome = gateway.publish(msgspec.structs.replace(submitted, tools=ToolsDocument(grants=grants))).outcome
    assert outcome is not None
    assert outcome.moved is not None
    acknowledged(gateway, "dev", outcome.moved.generation)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_what_was_taken_away_does_not_get_through(home: Path, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    during, expected = told.get("during"), told["expected"]
    models: list[str] = told["models"]
    by_model = dict(replies.BY_MODEL)
    if during:
        by_model[models[0]] = held(by_model[models[0]])
    with scripted_upstream(by_model=by_model) as upstream:
        submitted = documents(upstream.base_url, models)
        with running(home, submitted) as gateway:
            _do(gateway, submitted, told.get("before", {}))
            answers: list[Answer] = []
            sent: dict[str, Any] = {"tools": TOOLS, "stream": False, **told.get("send", {})}
            asking = threading.Thread(target=lambda: answers.append(gateway.chat(None, **sent)))
            asking.start()
            if during:
                upstream.wait_for_request()
                _do(gateway, submitted, during)
                upstream.go_on()
            asking.join(30)
            answer = answers[0]
            records = gateway.records(answer.headers["customhouse-trace-id"])
            reasons = [reason for each in records for reason in each.get("decision", {}).get("reasons", [])]
            assert answer.status == expected.get("status", 200), told["story"]
            assert expected["reason"] in reasons, told["story"]
            if answer.status == 200:
                told_held = {each["id"] for each in answer.receipt.get("decisions", []) if each["outcome"] == "hold"}
                assert told_held == {row[0] for row in gateway.rows("SELECT id FROM approval")}, "whom it is said of"
                assert (b"/approvals/" in answer.body) == bool(told_held)
                assert [name for name, _ in answer.calls] == expected["calls"]
                assert len(answer.receipt.get("tickets", [])) == len(expected["calls"]), "what was taken away has none"
                assert answer.receipt.get("fallback", False) == expected.get("fallback", False)
            else:
                assert answer.json["error"]["code"] == "switch.on"
                assert answer.headers["x-should-retry"] == "false"
            passed = [each["tool"]["name"] for each in records if each["kind"] == "tool.passed"]
            assert passed == expected.get("calls", [])
            assert len(upstream.requests) == expected["asked"], "how many calls left for a model"
            offered = {
                tool["function"]["name"] for request in upstream.requests for tool in request.body.get("tools", [])
            }
            assert not offered & set(expected.get("not_offered", []))


def _do(gateway: Running, submitted: SubmittedDocuments, what: dict[str, Any]) -> None:
    for scope in what.get("throw", []):
        thrown(gateway, scope)
    for scope in what.get("lift", []):
        lifted(gateway, thrown(gateway, scope))
    if "release" in what:
        released(gateway, submitted, what["release"])
