# SPDX-License-Identifier: Apache-2.0
"""Attacks on stored responses by someone with the database and its key: chains without end, other owners."""

from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
from msgspec.structs import replace
from tests.gateway.running import BOT, Running, documents, running
from tests.upstream.server import scripted_upstream

from customhouse.gateway import stored
from customhouse.gateway.stored import MAX_CHAIN, Stored
from customhouse.ledger.entry import Entry
from customhouse.ledger.record import Record


def rewritten(gateway: Running, response: Any, **changes: Any) -> None:  # noqa: ANN401 - the SDK's own
    """Seal a stored response anew with other content, and record it as its turn's end: everything fits together."""
    trace_id = stored.trace_of(response.id)
    assert trace_id is not None
    rows = gateway.rows("SELECT commitment, sealed FROM payload WHERE kind = 'stored' AND trace_id = ?", trace_id)
    end = next(each for each in gateway.records(trace_id) if each["kind"] == "response.completed")

    async def work() -> None:
        ledger = gateway.control.ledger
        key = await ledger.tenant_key("default")
        found = stored.decode(key.open(trace_id, stored.KIND, str(rows[0][0]), bytes(rows[0][1])))
        sealed = key.seal(trace_id, stored.KIND, stored.encode(changed(found, changes)))
        again = {**end, "id": gateway.control.clock.uuid7(), "commitments": {stored.KIND: sealed.commitment}}
        await ledger.append([Entry(msgspec.convert(again, Record), (sealed,))])

    gateway.run(work())


def changed(found: Stored, changes: dict[str, Any]) -> Stored:
    previous = changes.pop("previous", None)
    request = found.request if previous is None else replace(found.request, previous=previous)
    return replace(found, request=request, **changes)


def test_a_chain_that_comes_back_to_itself_ends(home: Path) -> None:
    with (
        scripted_upstream() as upstream,
        running(home, documents(upstream.base_url)) as gateway,
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=30) as client,
    ):
        first = client.responses.create(model=BOT, input="one")
        second = client.responses.create(model=BOT, input="two", previous_response_id=first.id)
        rewritten(gateway, first, previous=second.id)
        asked = len(upstream.requests)
        with pytest.raises(openai.BadRequestError, match=f"more than {MAX_CHAIN} responses") as caught:
            client.responses.create(model=BOT, input="three", previous_response_id=second.id)
        assert caught.value.param == "previous_response_id"
        assert len(upstream.requests) == asked


@pytest.mark.parametrize(
    "stolen", [{"assistant": "other"}, {"environment": "production"}, {"on_behalf_of": "user:mia"}], ids=str
)
def test_what_is_sealed_says_whose_it_is_too(home: Path, stolen: dict[str, str]) -> None:
    """A record that names the caller's assistant over a payload that is another's opens nothing."""
    with (
        scripted_upstream() as upstream,
        running(home, documents(upstream.base_url)) as gateway,
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=30) as client,
    ):
        answer = client.responses.create(model=BOT, input="one")
        rewritten(gateway, answer, **stolen)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(answer.id)


def test_a_payload_of_another_response_is_not_taken_for_it(home: Path) -> None:
    """Sealed bytes are bound to their trace: moved under another one they do not open."""
    with (
        scripted_upstream() as upstream,
        running(home, documents(upstream.base_url)) as gateway,
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=30) as client,
    ):
        client.responses.create(model=BOT, input="one")
        other = client.responses.create(model=BOT, input="two")
        gateway.alter(
            "UPDATE payload SET sealed = (SELECT sealed FROM payload WHERE kind = 'stored' ORDER BY trace_id LIMIT 1)"
            " WHERE kind = 'stored'"
        )
        with pytest.raises(openai.InternalServerError) as caught:
            client.responses.retrieve(other.id)
        assert caught.value.code == "integrity.failed"
