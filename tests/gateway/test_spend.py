# SPDX-License-Identifier: Apache-2.0
"""Limits on a real gateway: what a turn reserves and settles, what its client is told, and what stands in evidence."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.outage import locked
from tests.gateway.running import FALLBACK, Running, documents, running
from tests.upstream.replies import TEXT, completion
from tests.upstream.server import Upstream
from tests.upstream.wire import Received, Reply, Step, as_json, whole

from customhouse.budget.estimate import DEFAULT_OUTPUT_TOKENS
from customhouse.budget.limit import Limit
from customhouse.domain.failure_mode import FailureMode
from customhouse.domain.price import Price
from customhouse.planes.model.document import Parameters
from customhouse.rollout.submission import SubmittedDocuments

PRICE = Price(input="2", output="8")
MONTH = Limit(of="key", per="month", tokens=1_000_000)
REQUESTS = Limit(of="assistant", per="month", requests=1)


def limited(
    upstream: Upstream,
    *limits: Limit,
    models: tuple[str, ...] = ("answer",),
    prices: dict[str, Price] | None = None,
    max_tokens: int | None = 100,
    mode: FailureMode = "closed",
) -> SubmittedDocuments:
    """Return documents with limits; `prices` are those of deployments that have one."""
    found = documents(upstream.base_url, models, parameters=Parameters(max_tokens=max_tokens))
    priced = {
        name: msgspec.structs.replace(deployment, price=(prices or {}).get(name))
        for name, deployment in found.model.deployments.items()
    }
    model = msgspec.structs.replace(found.model, limits=limits, deployments=priced)
    safety = msgspec.structs.replace(found.safety, ledger_failure=mode)
    return msgspec.structs.replace(found, model=model, safety=safety)


def levels(gateway: Running) -> list[tuple[int, ...]]:
    """Return (requests, tokens spent, reserved, micro-dollars spent, reserved) of every counter."""
    return gateway.rows(
        "SELECT requests, tokens_spent, tokens_reserved, microusd_spent, microusd_reserved FROM budget_window"
        " ORDER BY tenant_id, holder, per"
    )


def saying(usage: Any, text: str = TEXT) -> Reply:  # noqa: ANN401 - whatever a provider may write there
    """Answer with this usage, or without any."""

    def reply(request: Received) -> Iterator[Step]:
        said = completion({"content": text}, "stop", request)
        del said["usage"]
        yield whole(200, as_json({**said, **({} if usage is None else {"usage": usage})}))

    return reply


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_turn_that_does_not_fit_is_told_which_limit_and_when_to_come_back(
    home: Path, upstream: Upstream, *, stream: bool
) -> None:
    with running(home, limited(upstream, REQUESTS, MONTH)) as gateway:
        assert gateway.chat(stream=stream).status == 200
        refused = gateway.chat(stream=stream)
        assert refused.status == 429
        assert refused.json["error"]["code"] == "budget.exceeded"
        assert "the limit of requests a month of this assistant is used up" in refused.json["error"]["message"]
        assert 1 <= int(refused.headers["retry-after"]) <= 31 * 86_400
        assert "x-should-retry" not in refused.headers
        (record,) = gateway.records(refused.headers["customhouse-trace-id"])
        assert (record["kind"], record["decision"]) == (
            "request.refused",
            {"outcome": "deny", "reasons": ["budget.exceeded"]},
        )
        assert record["detail"] == {"limit": {"of": "assistant", "per": "month", "amount": "requests"}}
        assert len(upstream.requests) == 1
        assert levels(gateway) == [(1, 30, 0, 0, 0), (1, 30, 0, 0, 0)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_was_reserved_is_settled_before_the_client_can_ask_again(
    home: Path, upstream: Upstream, *, stream: bool
) -> None:
    """Each turn may use more than half of the limit, and uses 30 tokens: one after the other, all of them fit."""
    tight = Limit(of="tenant", per="month", tokens=1500)
    with running(home, limited(upstream, tight, max_tokens=900)) as gateway:
        for number in range(1, 6):
            assert gateway.chat(stream=stream).status == 200
            assert levels(gateway) == [(number, 30 * number, 0, 0, 0)]


def test_money_is_counted_by_the_price_of_the_deployment_that_answered(home: Path, upstream: Upstream) -> None:
    limit = Limit(of="assistant", per="month", money="1.5")
    with running(home, limited(upstream, limit, prices={"answer": PRICE})) as gateway:
        assert gateway.chat().status == 200
        assert levels(gateway) == [(1, 30, 0, 21 * 2 + 9 * 8, 0)]


def test_a_deployment_without_a_price_is_not_asked_where_money_is_limited(home: Path, upstream: Upstream) -> None:
    limit = Limit(of="assistant", per="month", money="1.5")
    with running(home, limited(upstream, limit)) as gateway:
        answer = gateway.chat()
        assert answer.text == FALLBACK
        ended = gateway.records(answer.headers["customhouse-trace-id"])[-1]
        assert ended["decision"]["reasons"] == ["route.unpriced"]
        assert not upstream.requests


def test_a_second_deployment_is_no_second_request_and_what_cost_nothing_is_given_back(
    home: Path, upstream: Upstream
) -> None:
    with running(home, limited(upstream, REQUESTS, MONTH, models=("broken", "limited", "answer"))) as gateway:
        assert gateway.chat().text == TEXT
        assert levels(gateway) == [(1, 30, 0, 0, 0), (1, 30, 0, 0, 0)]
        assert [request.model for request in upstream.requests] == ["broken", "limited", "answer"]


def test_a_provider_that_is_down_uses_up_nothing(home: Path, upstream: Upstream) -> None:
    given = limited(upstream, MONTH, models=("down", "answer"))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    down = msgspec.structs.replace(given.model.deployments["down"], base_url=address)
    model = msgspec.structs.replace(given.model, deployments={**given.model.deployments, "down": down})
    with running(home, msgspec.structs.replace(given, model=model)) as gateway:
        answer = gateway.chat()
        assert answer.text == TEXT
        failed = gateway.records(answer.headers["customhouse-trace-id"])[2]
        assert failed["decision"]["reasons"] == ["upstream.unreachable"]
        assert levels(gateway) == [(1, 30, 0, 0, 0)]


def test_a_call_whose_cost_nobody_knows_stays_reserved(home: Path, upstream: Upstream) -> None:
    with running(home, limited(upstream, MONTH, models=("wrong-json", "answer"))) as gateway:
        assert gateway.chat().text == TEXT
        ((requests, spent, reserved, *_),) = levels(gateway)
        assert (requests, spent) == (1, 30)
        assert reserved > 100, "the answer that could not be read, at the most that it may have cost"


@pytest.mark.parametrize(("model", "kept"), [("error-in-stream", True), ("error-first", False)])
def test_an_error_after_half_an_answer_is_not_free(
    home: Path, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, model: str, *, kept: bool
) -> None:
    """Anthropic's `overloaded_error`: before the first word it cost nothing, after words that were read it did."""
    monkeypatch.setenv("PROVIDER_KEY", "secret")
    given = limited(upstream, MONTH, models=(model,))
    spoken = {
        name: msgspec.structs.replace(each, dialect="anthropic", base_url=upstream.origin, api_key_env="PROVIDER_KEY")
        for name, each in given.model.deployments.items()
    }
    model_document = msgspec.structs.replace(given.model, deployments=spoken)
    with running(home, msgspec.structs.replace(given, model=model_document)) as gateway:
        answer = gateway.chat(stream=True)
        failed = gateway.records(answer.headers["customhouse-trace-id"])[2]
        assert failed["decision"]["reasons"] == ["upstream.limited"]
        ((_, spent, reserved, *_),) = levels(gateway)
        assert (spent, reserved > 100) == (0, kept)


def test_a_second_deployment_that_does_not_fit_is_not_asked(home: Path, upstream: Upstream) -> None:
    """The first call's cost is unknown, and there is no room for another: the client gets what a failed turn gets."""
    tight = Limit(of="key", per="month", tokens=1500)
    with running(home, limited(upstream, tight, models=("wrong-json", "answer"), max_tokens=900)) as gateway:
        answer = gateway.chat()
        assert (answer.status, answer.text) == (200, FALLBACK)
        ended = gateway.records(answer.headers["customhouse-trace-id"])[-1]
        assert ended["decision"]["reasons"] == ["budget.exceeded", "upstream.protocol"]
        assert [request.model for request in upstream.requests] == ["wrong-json"]


def test_a_dearer_deployment_that_does_not_fit_gives_way_to_a_cheaper_one(home: Path, upstream: Upstream) -> None:
    limit = Limit(of="assistant", per="month", money="0.01")
    prices = {"answer": Price(input="200", output="200"), "one-call": PRICE}
    with running(home, limited(upstream, limit, models=("answer", "one-call"), prices=prices)) as gateway:
        assert gateway.chat().status == 200
        assert [request.model for request in upstream.requests] == ["one-call"]


def test_of_several_refusals_the_one_that_ends_first_is_told(home: Path, upstream: Upstream) -> None:
    """The dearer deployment never fits; the cheaper one does, when the month is over."""
    limit = Limit(of="assistant", per="month", money="0.0025")
    prices = {"answer": PRICE, "one-call": Price(input="200", output="200")}
    with running(home, limited(upstream, limit, models=("answer", "one-call"), prices=prices)) as gateway:
        while (answer := gateway.chat()).status == 200:
            pass
        assert answer.json["error"]["code"] == "budget.exceeded"
        assert int(answer.headers["retry-after"]) >= 1


def test_a_call_that_can_never_fit_is_told_so_and_no_time(home: Path, upstream: Upstream) -> None:
    with running(home, limited(upstream, Limit(of="key", per="minute", tokens=50))) as gateway:
        refused = gateway.chat()
        assert (refused.status, refused.json["error"]["code"]) == (429, "budget.call_too_large")
        assert "retry-after" not in refused.headers
        assert refused.headers["x-should-retry"] == "false"
        assert levels(gateway) == [(0, 0, 0, 0, 0)]


@pytest.mark.parametrize(
    ("limit", "sent"), [(MONTH, DEFAULT_OUTPUT_TOKENS), (Limit(of="key", per="month", requests=9), None)]
)
def test_an_answer_is_bounded_where_its_tokens_are_limited(
    home: Path, upstream: Upstream, limit: Limit, sent: int | None
) -> None:
    with running(home, limited(upstream, limit, max_tokens=None)) as gateway:
        assert gateway.chat().status == 200
        body = upstream.requests[0].body
        assert body.get("max_tokens", body.get("max_completion_tokens")) == sent


def test_without_limits_nothing_is_counted(home: Path, upstream: Upstream) -> None:
    with running(home, limited(upstream)) as gateway:
        assert gateway.chat().status == 200
        assert levels(gateway) == []


def test_what_cannot_be_counted_is_refused_though_its_evidence_may_wait(home: Path, upstream: Upstream) -> None:
    """The database is locked: the assistant's evidence may go to the spool, and its limits have nowhere to go."""
    with running(home, limited(upstream, MONTH, mode="spool"), ledger_timeout_s=1) as gateway:
        assert gateway.chat().status == 200
        with locked(gateway.settings.database_path):
            refused = [gateway.chat(), gateway.chat()]
            assert [each.status for each in refused] == [503, 503]
            assert {each.json["error"]["code"] for each in refused} == {"budget.unavailable"}
        assert len(upstream.requests) == 1


def test_a_limit_that_is_raised_counts_what_was_used_before(home: Path, upstream: Upstream) -> None:
    with running(home, limited(upstream, REQUESTS)) as gateway:
        assert gateway.chat().status == 200
        assert gateway.chat().status == 429
        gateway.publish(limited(upstream, Limit(of="assistant", per="month", requests=2)))
        while (answer := gateway.chat()).headers["customhouse-release"] != "support@2":
            assert answer.status == 429
        assert gateway.chat().status == 429
        assert levels(gateway) == [(2, 60, 0, 0, 0)]


def test_an_over_limit_turn_has_its_dialects_error(home: Path, upstream: Upstream) -> None:
    with running(home, limited(upstream, REQUESTS)) as gateway:
        assert gateway.chat().status == 200
        body = gateway.chat().json
        assert set(body["error"]) >= {"message", "type", "code"}
        assert json.dumps(body).find("default") == -1, "no tenant's name"
