# SPDX-License-Identifier: Apache-2.0
"""Attacks on routing: what a client says of its turn sends no data where it may not go, and opens no tool."""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.gateway.running import FALLBACK, TOOLS, documents, running
from tests.upstream.replies import TEXT, answer, call, tool_calls
from tests.upstream.server import scripted_upstream

from customhouse.planes.model.document import Choice, Deployment, Posture
from customhouse.rollout.submission import SubmittedDocuments

ATTACKS: Final = sorted(Path(__file__).parent.glob("routing-*.json"))
PROPOSED: Final = [call("issue_refund", "{}"), call("change_shipping_address", "{}", 1)]


def house(home_url: str, abroad_url: str) -> SubmittedDocuments:
    """Return a hybrid assistant: home sees everything, abroad internal data at most; a client's words choose."""
    base = documents(home_url, floor="internal")
    home = Deployment(
        name="home",
        provider="local",
        model="answer",
        dialect="openai_chat",
        base_url=home_url,
        posture="self_hosted",
        accepts="restricted",
        region="local",
    )
    abroad = msgspec.structs.replace(
        home,
        name="abroad",
        provider="away",
        base_url=abroad_url,
        posture="api",
        accepts="internal",
        region="us",
        terms="DPA-17",
    )
    route = (
        Choice(use=("abroad",), when="data.classification == public || task == 'draft'"),
        Choice(use=("abroad",), when="region == 'eu' || workflow == 'admin'"),
        Choice(use=("home",)),
    )
    model = msgspec.structs.replace(
        base.model, deployments={"home": home, "abroad": abroad}, route=route, posture=Posture(use="hybrid")
    )
    tools = msgspec.structs.replace(base.tools, workflows={"returns": ("issue_refund", "change_shipping_address")})
    return msgspec.structs.replace(base, model=model, tools=tools)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_nothing_goes_where_it_may_not(home: Path, attack: Path) -> None:
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    reply = tool_calls(PROPOSED, content=TEXT) if told.get("tools") else answer()
    with (
        scripted_upstream(reply) as here,
        scripted_upstream(reply) as there,
        running(home, house(here.base_url, there.base_url)) as gateway,
    ):
        said = gateway.chat(told["headers"], **({"tools": TOOLS} if told.get("tools") else {}))
        asked = ["home"] * len(here.requests) + ["abroad"] * len(there.requests)
        records = gateway.records(said.headers["customhouse-trace-id"])
    assert (said.status, asked) == (told["status"], told["asked"]), told["story"]
    if "names" in told:
        assert told["names"] in said.json["error"]["message"]
        assert [record["kind"] for record in records] == ["request.refused"]
        return
    assert (said.text == FALLBACK) is told["fallback"]
    assert said.calls == [], told["story"]
    if "reason" in told:
        assert told["reason"] in records[-1]["decision"]["reasons"]
    for record in records:
        if record["kind"] == "model.called":
            assert record["detail"]["classification"] == "internal"


def test_what_a_client_said_stands_in_the_record_and_chooses_among_what_may_see_the_data(home: Path) -> None:
    with scripted_upstream() as here, scripted_upstream() as there:
        submitted = house(here.base_url, there.base_url)
        with running(home, submitted, region="moon") as gateway:
            said = gateway.chat({"customhouse-task": "draft", "customhouse-workflow": "returns"})
            plain = gateway.chat()
            accepted = gateway.records(said.headers["customhouse-trace-id"])[0]
            quiet = gateway.records(plain.headers["customhouse-trace-id"])[0]
    assert (len(there.requests), len(here.requests)) == (1, 1)
    told = {name: accepted["detail"].get(name) for name in ("task", "workflow", "region")}
    assert told == {"task": "draft", "workflow": "returns", "region": "moon"}
    assert quiet["detail"].keys() & {"task", "workflow", "region"} == {"region"}
