# SPDX-License-Identifier: Apache-2.0
"""Attacks by tools that a provider runs itself, one file each: no client smuggles one in, no provider uses one unasked.

Where the client asks, the request is 400, names the field, and nothing is sent. Where the provider answers, nothing
that follows its use reaches the client, whole or streamed.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tests.gateway.running import GRANTS, documents, running
from tests.gateway.scene import KEY
from tests.gateway.tongues import TONGUES, say
from tests.upstream import responses
from tests.upstream.responses_tools import CODE, WEB_SEARCH
from tests.upstream.server import scripted_upstream

from customhouse.planes.tools.document import Document as ToolsDocument

ATTACKS: Final = sorted(Path(__file__).parent.glob("provider-tool-*.json"))
USING: Final = responses.answer(WEB_SEARCH, CODE, responses.message(responses.text("What was found.")))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda path: path.stem)
def test_no_provider_runs_a_tool_that_nobody_granted(
    home: Path, attack: Path, monkeypatch: pytest.MonkeyPatch, *, stream: bool
) -> None:
    monkeypatch.setenv(KEY, "secret")
    told: dict[str, Any] = json.loads(attack.read_text(encoding="utf-8"))
    tongue = TONGUES[told["client"]]
    with scripted_upstream(by_model={"using": USING}) as upstream:
        submitted = documents(upstream.base_url, ("using",), dialect="openai_responses", api_key_env=KEY)
        policy = ToolsDocument(grants=dict(GRANTS), provider_tools=told.get("granted", {}))
        with running(home, msgspec.structs.replace(submitted, tools=policy)) as gateway:
            answer = say(gateway, tongue, {**tongue.first(stream=stream), **told["fields"]})
            assert b"What was found" not in answer.body, told["story"]
            if "answers" not in told:
                problem = tongue.problem(answer)
                assert answer.status == 400, told["story"]
                assert problem.get("param") == told["param"], told["story"]
                assert not upstream.requests
                return
            assert len(upstream.requests) == 1
            found = gateway.rows("SELECT trace_id FROM evidence WHERE kind = ?", "model.failed")
            records = gateway.records(found[0][0])
            failed = [each["decision"]["reasons"] for each in records if each["kind"] == "model.failed"]
            assert failed == [["upstream.ungranted"]]
            assert not [each for each in records if each["kind"] == "tool.reported"]
