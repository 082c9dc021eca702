# SPDX-License-Identifier: Apache-2.0
"""One turn, whole and streamed, over real sockets: what the client sees, what the provider saw, what evidence says."""

from pathlib import Path

import pytest
from tests.gateway.running import BOT, documents, running
from tests.upstream.replies import TEXT
from tests.upstream.server import Upstream


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_comes_with_its_receipt_and_its_evidence(home: Path, upstream: Upstream, *, stream: bool) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        answer = gateway.chat(stream=stream)
        assert answer.status == 200
        assert answer.text.strip() == TEXT
        trace_id = answer.headers["customhouse-trace-id"]
        assert answer.headers["customhouse-release"] == f"{BOT}@1"
        assert answer.headers["customhouse-deployment"] == "local/answer"
        assert answer.headers["customhouse-generation"] == "1"
        assert answer.receipt["trace_id"] == trace_id
        kinds = gateway.kinds(trace_id)
        assert kinds == ["request.accepted", "model.called", "model.answered", "response.completed"]
        accepted, called, answered, completed = gateway.records(trace_id)
        assert accepted["snapshot"] == answer.headers["customhouse-snapshot"]
        assert accepted["labels"] == "labels: not computed yet"
        assert called["model"]["deployment"] == "local/answer"
        assert answered["outcome"] == "complete"
        assert completed["outcome"] == "answered"
        (request,) = upstream.requests
        assert request.body["messages"][0] == {"role": "system", "content": "You answer in few words."}
        assert request.body["model"] == "answer"
        assert request.body["temperature"] == 0.2
        if stream:
            assert answer.events[-1] == "[DONE]"
            assert "customhouse" in answer.chunks[-1]
