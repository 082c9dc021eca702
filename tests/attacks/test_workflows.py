# SPDX-License-Identifier: Apache-2.0
"""Attacks on a key that is bound to a workflow, one file each: no turn of it leaves the workflow or gets more.

A file says what the release declares (`workflows`, `unregistered`), what the client's headers say, which tool a model
proposes that was talked into it, and what must come of it. The key is bound to `returns`, which should have only
search_help_center.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace
from tests.gateway.running import BOT, GRANTS, LOCAL, Running, documents, running
from tests.gateway.scene import KEY
from tests.gateway.test_provider_tools import SEARCH, USING
from tests.upstream.replies import call, tool_calls
from tests.upstream.server import scripted_upstream

from customhouse.access import keys
from customhouse.access.keys import NewKey
from customhouse.domain.decision import REASONS
from customhouse.planes.model.document import Choice
from customhouse.planes.tools.document import Document as ToolsDocument

ATTACKS: Final = sorted(Path(__file__).parent.glob("workflow-*.json"))


def bind(gateway: Running) -> None:
    """Let everything that follows be said with a key that is bound to `returns`."""
    new = NewKey(assistant=BOT, workflow="returns")
    created = keys.create(gateway.control, LOCAL, new, lambda _tx, _name: frozenset[str](), trace_id="t")
    gateway.key = gateway.run(created).token
    while gateway.chat().status == 401:  # the server learns of the key at its next poll
        pass


def refused(name: str) -> str:
    """Return what a client reads in place of a call."""
    return f"[customhouse] The call to {name} was refused: {REASONS['tool.not_in_workflow']}"


def test_there_are_attacks() -> None:
    assert len(ATTACKS) >= 6


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_no_turn_leaves_the_workflow_of_its_key(home: Path, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    proposed = told["proposed"]
    tools = [{"type": "function", "function": {"name": proposed, "parameters": {"type": "object"}}}]
    policy = ToolsDocument(
        grants={**GRANTS, "get_order_status": replace(GRANTS["get_order_status"], parameters=None)},
        workflows={name: tuple(inside) for name, inside in told["workflows"].items()},
        unregistered=told.get("unregistered", "deny"),
    )
    with (
        scripted_upstream(tool_calls([call(proposed, "{}")])) as upstream,
        running(home, documents(upstream.base_url, tools=policy)) as gateway,
    ):
        if "free" in told:
            free = gateway.chat(told["free"], tools=tools)
            assert free.calls == [(proposed, "{}")], "a key that is bound to none gets it"
        bind(gateway)
        asked = len(upstream.requests)
        for stream in (False, True):
            said = gateway.chat(told.get("headers"), tools=tools, stream=stream)
            records = gateway.records(said.headers["customhouse-trace-id"])
            if "code" in told:
                assert (said.status, said.json["error"]["code"]) == (403, told["code"]), told["story"]
                assert len(upstream.requests) == asked
                assert [(each["tenant"], each["kind"]) for each in records] == [("_organization", "request.refused")]
                assert records[0]["decision"]["reasons"] == [told["code"]]
                continue
            assert (said.status, said.calls, said.text) == (200, [], refused(proposed)), told["story"]
            assert "tools" not in upstream.requests[-1].body, "nor was the model told of it"
            assert records[0]["detail"]["workflow"] == "returns"
            denied = [each["decision"]["reasons"] for each in records if each["kind"] == "tool.decided"]
            assert denied == [["tool.not_in_workflow"]], "the point that refused it has recorded so"


def test_a_release_that_drops_the_workflow_gives_its_keys_nothing(home: Path) -> None:
    tools = [{"type": "function", "function": {"name": "search_help_center", "parameters": {"type": "object"}}}]
    before = ToolsDocument(grants=dict(GRANTS), workflows={"returns": ("search_help_center",)})
    with (
        scripted_upstream(tool_calls([call("search_help_center", "{}")])) as upstream,
        running(home, documents(upstream.base_url, tools=before)) as gateway,
    ):
        bind(gateway)
        assert gateway.chat({"customhouse-workflow": "returns"}, tools=tools).calls, "naming the same is fine"
        gateway.publish(documents(upstream.base_url))
        while (after := gateway.chat(tools=tools)).headers["customhouse-release"] != f"{BOT}@2":
            pass  # a turn that began before may be judged by either
        assert (after.calls, after.text) == ([], refused("search_help_center"))


def test_a_provider_runs_nothing_in_a_workflow_that_was_dropped(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")
    policy = ToolsDocument(grants=dict(GRANTS), provider_tools={"web_search": "read"})
    body = json.dumps({"model": BOT, "input": "When?", "tools": [SEARCH]}).encode()
    with scripted_upstream(by_model={"using": USING}) as upstream:
        submitted = documents(upstream.base_url, ("using",), dialect="openai_responses", api_key_env=KEY, tools=policy)
        with running(home, submitted) as gateway:
            offered: list[bool] = []
            for binding in (False, True):
                if binding:
                    bind(gateway)
                headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
                gateway.request("POST", "/v1/responses", body, headers)
                offered.append("tools" in upstream.requests[-1].body)
    assert offered == [True, False]


def test_a_route_sees_the_workflow_of_the_key_whatever_the_client_leaves_out(home: Path) -> None:
    with scripted_upstream() as upstream:
        base = documents(upstream.base_url, ("kept", "open"))
        route = (Choice(use=("kept",), when="workflow == 'returns'"), Choice(use=("open",)))
        with running(home, replace(base, model=replace(base.model, route=route))) as gateway:
            gateway.chat()
            bind(gateway)
            gateway.chat()
            assert [upstream.requests[0].body["model"], upstream.requests[-1].body["model"]] == ["open", "kept"]
