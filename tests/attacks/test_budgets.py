# SPDX-License-Identifier: Apache-2.0
"""Getting more than a limit allows: from two replicas at once, by leaving, by another tenant's budget, by a lie.

Story: Mallory sends a hundred requests at the same moment to every replica there is, hangs up before each answer, and
has a provider of her own that counts backwards. She gets what the limit allows, once.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.gateway.running import BOT, Answer, Running, create_key, running
from tests.gateway.test_endings import wait_for_ending
from tests.gateway.test_spend import levels, limited, saying
from tests.upstream.replies import answer
from tests.upstream.server import Upstream, scripted_upstream
from tests.upstream.wire import Hold, Received, Step

from customhouse.budget.level import MAX_COUNTED
from customhouse.budget.limit import Limit
from customhouse.rollout.submission import SubmittedDocuments

ONE = Limit(of="assistant", per="month", requests=1)


def at_once(*gateways: Running, each: int = 4) -> list[Answer]:
    """Send requests to all gateways at the same moment."""
    barrier = threading.Barrier(len(gateways) * each)

    def ask(gateway: Running) -> Answer:
        barrier.wait(30)
        return gateway.chat()

    with ThreadPoolExecutor(len(gateways) * each) as pool:
        return list(pool.map(ask, [gateway for gateway in gateways for _ in range(each)]))


def worded(submitted: SubmittedDocuments, prompt: str) -> SubmittedDocuments:
    """Return documents with another prompt: each replica of a test publishes something new."""
    return msgspec.structs.replace(submitted, prompt=msgspec.structs.replace(submitted.prompt, template=prompt))


def test_two_replicas_at_once_admit_exactly_one_when_one_fits(
    home: Path, tmp_path: Path, upstream: Upstream, postgres: str
) -> None:
    submitted = limited(upstream, ONE)
    keys = str(tmp_path / "keys")
    with (
        running(home, submitted, database=postgres, keys=keys) as first,
        running(
            tmp_path / "second", worded(submitted, "You help in other words."), database=postgres, keys=keys
        ) as second,
    ):
        answers = at_once(first, second)
        assert sorted(each.status for each in answers) == [200, *[429] * 7]
        assert len(upstream.requests) == 1
        assert [row[0] for row in levels(first)] == [1]


def test_many_at_once_on_one_replica_get_what_fits(home: Path, upstream: Upstream) -> None:
    three = Limit(of="key", per="month", requests=3)
    with running(home, limited(upstream, three)) as gateway:
        assert sorted(each.status for each in at_once(gateway, each=8)) == [200] * 3 + [429] * 5
        assert len(upstream.requests) == 3


def test_while_answers_are_on_their_way_their_most_is_taken(home: Path) -> None:
    """Nothing is settled yet, so what the first answers may still use is nobody else's."""

    def held(request: Received) -> Iterator[Step]:
        yield Hold()
        yield from answer()(request)

    with scripted_upstream(held) as upstream:
        tight = Limit(of="key", per="month", tokens=1500)
        with running(home, limited(upstream, tight, max_tokens=900)) as gateway:
            with ThreadPoolExecutor(1) as pool:
                first = pool.submit(gateway.chat)
                upstream.wait_for_request()
                refused = gateway.chat()
                assert (refused.status, refused.json["error"]["code"]) == (429, "budget.exceeded")
                upstream.go_on()
                assert first.result(30).status == 200
            assert gateway.chat().status == 200


@pytest.mark.parametrize("model", ["hang", "hang-in-stream"])
def test_leaving_before_the_end_is_not_free(home: Path, upstream: Upstream, model: str) -> None:
    month = Limit(of="key", per="month", tokens=1_000_000)
    with running(home, limited(upstream, month, models=(model,))) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        body = json.dumps({"model": BOT, "messages": [{"role": "user", "content": "hi"}], "stream": True})
        connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {gateway.key}"})
        upstream.wait_for_request()
        connection.close()
        wait_for_ending(gateway)
        ((requests, spent, reserved, *_),) = levels(gateway)
        assert (requests, spent) == (1, 0)
        assert reserved > 100


LIES: list[tuple[Any, bool]] = [
    # what a provider says of the tokens of an answer, whether the most that it may have used stands instead
    (None, True),
    ({"prompt_tokens": -5, "completion_tokens": 9, "total_tokens": 4}, True),
    ({"prompt_tokens": 21, "completion_tokens": -(2**62), "total_tokens": 0}, True),
    ({"prompt_tokens": 2**62, "completion_tokens": 2**62, "total_tokens": 2**63}, True),
    ({"prompt_tokens": 2**53 - 1, "completion_tokens": 2**53 - 1, "total_tokens": 0}, False),
]


@pytest.mark.parametrize(("usage", "stands"), LIES)
def test_a_provider_cannot_count_backwards_or_beyond_what_fits_in_a_counter(
    home: Path,
    usage: Any,  # noqa: ANN401 - whatever a provider may write there
    *,
    stands: bool,
) -> None:
    month = Limit(of="key", per="month", tokens=10**12)
    with scripted_upstream(saying(usage)) as upstream, running(home, limited(upstream, month)) as gateway:
        gateway.chat()
        ((requests, spent, reserved, *_),) = levels(gateway)
        assert requests == 1
        if stands:
            assert spent == 0
            assert reserved > 100
        else:
            assert (spent, reserved) == (2 * MAX_COUNTED, 0)
        assert gateway.chat().status in {200, 502}, "the counters still count"


def test_another_tenants_budget_can_be_neither_seen_nor_spent(home: Path, upstream: Upstream) -> None:
    ours = Limit(of="tenant", per="month", requests=1)
    with running(home, limited(upstream, ours)) as gateway:
        key = gateway.run(create_key(gateway.control, tenants=("acme", "bolt")))
        sent = {"authorization": f"Bearer {key}"}

        def ask(tenant: str) -> Answer:
            return gateway.chat({**sent, "customhouse-tenant": tenant})

        while (first := ask("acme")).status == 401:  # the server has not heard of the key yet
            pass
        assert first.status == 200
        refused = ask("acme")
        assert refused.status == 429
        assert b"bolt" not in refused.body
        assert ask("bolt").status == 200, "acme's turns took nothing of bolt's"
        assert ask("bolt").status == 429
        assert gateway.chat().status == 200, "nor of the tenant's of another key"
        assert ask("default").status == 403, "and a key spends for nobody whom it was not created for"
        tenants = gateway.rows("SELECT tenant_id, requests FROM budget_window ORDER BY tenant_id")
        assert tenants == [("acme", 1), ("bolt", 1), ("default", 1)]


def test_what_a_limit_refuses_costs_others_nothing(home: Path, upstream: Upstream) -> None:
    """A tenant that is over its own limit takes no room in what all share, however often it asks."""
    limits = (Limit(of="tenant", per="month", requests=1), Limit(of="assistant", per="month", requests=3))
    with running(home, limited(upstream, *limits)) as gateway:
        assert sorted(each.status for each in at_once(gateway, each=8)) == [200, *[429] * 7]
        key = gateway.run(create_key(gateway.control, tenants=("bolt",)))
        while (found := gateway.chat({"authorization": f"Bearer {key}"})).status == 401:
            pass
        assert found.status == 200
