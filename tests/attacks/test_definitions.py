# SPDX-License-Identifier: Apache-2.0
"""Attacks by definition, one file each: a client says that a granted tool is another, or brings one that nobody knows.

Each goes through every dialect. What counts is what the provider was shown, what the client was told, and that the
evidence says so.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.attacks.test_switches import thrown
from tests.gateway.running import GRANTS, Json, documents, running
from tests.gateway.scene import KEY
from tests.gateway.tongues import QUESTION, TONGUES, say
from tests.upstream.server import scripted_upstream

from customhouse.domain.message import DialectName
from customhouse.planes.tools.document import Document as ToolsDocument

ATTACKS: Final = sorted(Path(__file__).parent.glob("definition-*.json"))


def written(client: DialectName, tools: list[Json]) -> Json:
    """Return a request with these definitions, as a client of this dialect writes it."""
    body = TONGUES[client].first()
    match client:
        case "openai_chat":
            body["tools"] = [{"type": "function", "function": tool} for tool in tools]
        case "openai_responses":
            body["tools"] = [{"type": "function", "strict": False, **tool} for tool in tools]
        case "anthropic":
            body["tools"] = [
                {**{k: v for k, v in tool.items() if k != "parameters"}, "input_schema": tool["parameters"]}
                for tool in tools
            ]
    return body


@pytest.mark.parametrize("client", TONGUES)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_no_model_is_shown_a_tool_under_a_definition_that_nobody_released(
    home: Path, attack: Path, client: DialectName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "secret")
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    expected: dict[str, Any] = told["expected"]
    tongue = TONGUES[client]
    with scripted_upstream() as upstream:
        submitted = documents(upstream.base_url, ("answer",), dialect=client, api_key_env=KEY)
        policy = ToolsDocument(grants=dict(GRANTS), unregistered=told.get("unregistered", "deny"))
        with running(home, msgspec.structs.replace(submitted, tools=policy)) as gateway:
            if "switch" in told:
                thrown(gateway, told["switch"])
            answer = say(gateway, tongue, written(client, told["tools"]))
            assert answer.status == 200, told["story"]
            (asked,) = upstream.requests
            assert list(tongue.asked(asked).tools) == expected["offered"], told["story"]
            assert QUESTION.encode() in asked.raw
            assert expected.get("never_upstream", "mallory").encode() not in asked.raw
            decisions: list[Json] = tongue.hear(answer).receipt.get("decisions", [])
            assert [each["code"] for each in decisions] == expected["told"]
            accepted, called = gateway.records(answer.headers["customhouse-trace-id"])[:2]
            assert accepted.get("decision", {}).get("reasons", []) == expected["told"]
            assert [each["id"] for each in decisions] == [accepted["id"]] * len(decisions)
            left_out = [tool["name"] for tool in told["tools"] if tool["name"] not in expected["offered"]]
            assert called["detail"].get("withheld", []) == left_out
            assert called["detail"].get("changed", []) == (left_out if expected["told"] else [])
