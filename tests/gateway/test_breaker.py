# SPDX-License-Identifier: Apache-2.0
"""A deployment that keeps failing is passed over, and the evidence, the metrics and the answer say so."""

from pathlib import Path

import pytest
from tests.gateway.running import FALLBACK, Running, documents, running
from tests.telemetry.scrape import scrape
from tests.upstream.replies import TEXT
from tests.upstream.server import Upstream

from customhouse.planes.model.breaker import FAILURES_TO_OPEN

FORM = {"response_format": {"type": "json_object"}}


def asked(upstream: Upstream) -> list[str]:
    return [request.model for request in upstream.requests]


def broken(gateway: Running) -> None:
    """Have the first deployment fail until it is left alone."""
    for _ in range(FAILURES_TO_OPEN):
        gateway.chat()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_next_deployment_is_asked_at_once(home: Path, upstream: Upstream, *, stream: bool) -> None:
    with running(home, documents(upstream.base_url, ("broken", "answer"))) as gateway:
        broken(gateway)
        before = len(upstream.requests)
        answer = gateway.chat(stream=stream)
        assert answer.text.strip() == TEXT
        assert asked(upstream)[before:] == ["answer"]
        records = gateway.records(answer.headers["customhouse-trace-id"])
        assert [record["kind"] for record in records] == [
            "request.accepted",
            "model.called",
            "model.answered",
            "response.completed",
        ]
        assert records[1]["detail"]["left_alone"] == ["local/broken"]
        assert records[1]["model"]["attempt"] == 2
        shown = scrape(gateway).series("customhouse_deployments_left_alone")
        assert shown == {("local/broken", "upstream.server_error"): 1}


def test_when_all_are_left_alone_the_declared_answer_comes(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("limited",))) as gateway:
        gateway.chat()
        answer = gateway.chat()
        assert answer.text == FALLBACK
        completed = gateway.records(answer.headers["customhouse-trace-id"])[-1]
        assert completed["outcome"] == "fallback"
        assert completed["decision"]["reasons"] == ["upstream.breaker_open"]
        assert asked(upstream) == ["limited"]


@pytest.mark.parametrize(
    ("model", "times", "status", "code"),
    [("limited", 1, 429, "upstream.limited"), ("broken", FAILURES_TO_OPEN, 502, "upstream.failed")],
)
def test_who_needs_a_form_is_told_for_how_long(
    home: Path, upstream: Upstream, model: str, times: int, status: int, code: str
) -> None:
    with running(home, documents(upstream.base_url, (model,))) as gateway:
        for _ in range(times):
            gateway.chat(**FORM)
        answer = gateway.chat(**FORM)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        assert 1 <= int(answer.headers["retry-after"]) <= 7
        assert len(upstream.requests) == times
        (refused,) = gateway.records(answer.headers["customhouse-trace-id"])
        assert refused["decision"]["reasons"] == [code, "upstream.breaker_open"]


def test_what_clients_do_wrong_leaves_nobody_alone(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("rejected",))) as gateway:
        for _ in range(FAILURES_TO_OPEN * 2):
            assert gateway.chat().status == 400
        assert len(upstream.requests) == FAILURES_TO_OPEN * 2
