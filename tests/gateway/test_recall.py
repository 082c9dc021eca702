# SPDX-License-Identifier: Apache-2.0
"""Stored responses under the real `openai` SDK: continued, read, listed, deleted; on both stores."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from msgspec.structs import replace
from openai.types.responses import Response
from tests.gateway.outage import locked
from tests.gateway.running import BOT, FALLBACK, Running, create_key, documents, running, takes
from tests.upstream.server import Upstream, scripted_upstream

from customhouse.domain.failure_mode import FailureMode
from customhouse.gateway import stored

ALICE: Final = {"customhouse-on-behalf-of": "user:alice"}
MALLORY: Final = {"customhouse-on-behalf-of": "user:mallory"}
UNKNOWN: Final = "resp_" + "0" * 12 + "7" + "0" * 19
Scene = tuple[Running, Upstream, openai.OpenAI]


@contextmanager
def scene(home: Path, *models: str, **settings: str) -> Generator[Scene]:
    """Run a provider, a gateway whose key may act for any user, and the SDK."""
    with (
        scripted_upstream() as upstream,
        running(home, documents(upstream.base_url, models or ("answer",)), ("user:*",), **settings) as gateway,
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=30) as client,
    ):
        yield gateway, upstream, client


def sent(upstream: Upstream) -> list[tuple[str, Any]]:
    """Return what the provider was asked last, as (role, content)."""
    return [(message["role"], message.get("content")) for message in upstream.requests[-1].body["messages"]]


def text_of(item: Any) -> str:  # noqa: ANN401 - the SDK's own
    return item.content[0].text


def text_of_trace(response_id: str) -> str:
    trace_id = stored.trace_of(response_id)
    assert trace_id is not None
    return trace_id


def continues(client: openai.OpenAI, response_id: str, **fields: Any) -> Response:  # noqa: ANN401 - the SDK's own
    answer: Response = client.responses.create(
        model=BOT, input="And then?", previous_response_id=response_id, stream=False, **fields
    )
    return answer


def known(gateway: Running, **terms: tuple[str, ...]) -> str:
    """Return another key of the assistant, as soon as the server has learned of it."""
    key = gateway.run(create_key(gateway.control, **terms))
    while gateway.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"}).status == 401:
        pass
    return key


def refused(client: openai.OpenAI, response_id: str, **fields: Any) -> set[tuple[int, str | None]]:  # noqa: ANN401 - the SDK's own
    """Return the status and code with which each way to a response is refused."""
    told: set[tuple[int, str | None]] = set()
    retrieved: Any = client.responses
    input_items: Any = client.responses.input_items
    ways: Sequence[Callable[[], Any]] = (
        lambda: continues(client, response_id, **fields),
        partial(retrieved.retrieve, response_id, **fields),
        partial(input_items.list, response_id, **fields),
        lambda: client.responses.delete(response_id, **fields),
    )
    for way in ways:
        with pytest.raises(openai.APIStatusError) as caught:
            way()
        told.add((caught.value.status_code, caught.value.code))
    return told


def test_a_conversation_goes_on_by_its_id(home: Path) -> None:
    with scene(home) as (_, upstream, client):
        first = client.responses.create(model=BOT, input="Where is order 7?", instructions="Be brief.")
        second = continues(client, first.id, instructions="Be polite.")
        assert second.previous_response_id == first.id
        third = continues(client, second.id)
        assert third.status == "completed"
        answer = first.output_text
        assert sent(upstream) == [
            ("system", "You answer in few words."),
            ("user", "Where is order 7?"),
            ("assistant", answer),
            ("user", "And then?"),
            ("assistant", answer),
            ("user", "And then?"),
        ], "instructions of earlier turns do not carry over; our prompt is rendered anew"
        assert "previous_response_id" not in upstream.requests[-1].body


def test_the_calls_of_a_stored_response_are_answered_by_their_results(home: Path) -> None:
    with scene(home, "one-call") as (_, upstream, client):
        tools: list[Any] = [{"type": "function", "name": "get_order_status", "parameters": takes("get_order_status")}]
        first = client.responses.create(model=BOT, input="Where?", tools=tools)
        (call,) = [item for item in first.output if item.type == "function_call"]
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "on its way"}
        client.responses.create(model=BOT, input=[result], previous_response_id=first.id, tools=tools)
        assert [role for role, _ in sent(upstream)] == ["system", "user", "assistant", "tool"]
        assert upstream.requests[-1].body["messages"][2]["tool_calls"][0]["id"] == call.call_id


def test_a_stored_response_is_what_the_client_was_given(home: Path) -> None:
    with scene(home, "refund-call") as (_, _, client):
        tools: list[Any] = [{"type": "function", "name": "issue_refund", "parameters": {"type": "object"}}]
        given = client.responses.create(model=BOT, input="Refund me", tools=tools, instructions="Be brief.")
        found = client.responses.retrieve(given.id)
        assert found.to_dict() == given.to_dict()
        assert "was held" in found.output_text
        with client.responses.stream(model=BOT, input="Refund me", tools=tools) as stream:
            streamed = stream.get_final_response()
        assert client.responses.retrieve(streamed.id).output_text == streamed.output_text


def test_the_input_is_listed_in_pages(home: Path) -> None:
    with scene(home) as (_, _, client):
        said: list[Any] = [{"role": "user", "content": text} for text in ("one", "two", "three")]
        answer = client.responses.create(model=BOT, input=said, instructions="Be brief.")
        newest = client.responses.input_items.list(answer.id, limit=2)
        assert [text_of(item) for item in newest] == ["three", "two", "one"]
        assert newest.has_more
        oldest = client.responses.input_items.list(answer.id, order="asc", limit=1)
        assert [text_of(item) for item in oldest.data] == ["one"]
        for wrong in (
            {"limit": 0},
            {"limit": "0050" + "9" * 5000},
            {"order": "sideways"},
            {"after": "nothing"},
            {"before": "x"},
        ):
            with pytest.raises(openai.BadRequestError):
                client.responses.input_items.list(answer.id, extra_query=wrong)


def test_what_shall_not_be_stored_is_not(home: Path) -> None:
    with scene(home) as (gateway, _, client):
        answer = client.responses.create(model=BOT, input="hi", store=False)
        assert answer.to_dict()["store"] is False
        assert refused(client, answer.id) == {(404, "response.unknown")}
        kinds = {row[0] for row in gateway.rows("SELECT kind FROM payload")}
        assert "stored" not in kinds


def test_a_deleted_response_resolves_no_more(home: Path) -> None:
    with scene(home) as (gateway, _, client):
        first = client.responses.create(model=BOT, input="one")
        second = continues(client, first.id)
        client.responses.delete(first.id)
        assert refused(client, first.id) == {(404, "response.unknown")}
        assert client.responses.retrieve(second.id).id == second.id, "it is a response of its own"
        with pytest.raises(openai.NotFoundError):
            continues(client, second.id)
        trace_id = text_of_trace(first.id)
        assert gateway.kinds(trace_id)[-1] == "response.deleted"


def test_an_expired_response_says_so(home: Path) -> None:
    with scene(home) as (gateway, _, client):
        answer = client.responses.create(model=BOT, input="hi")
        gateway.alter("DELETE FROM payload")
        assert refused(client, answer.id) == {(410, "response.expired")}


def test_nobody_else_finds_it(home: Path) -> None:
    """Another subject, another tenant, another environment's id or a forged one: all as an id that never was."""
    with scene(home) as (gateway, _, client):
        alices = client.responses.create(model=BOT, input="hi", extra_headers=ALICE)
        mine = client.responses.create(model=BOT, input="hi")
        chat = client.chat.completions.create(model=BOT, messages=[{"role": "user", "content": "hi"}])
        other = known(gateway, tenants=("acme",))
        same = known(gateway, delegate=("user:*",))
        unknown = {(404, "response.unknown")}
        assert refused(client, alices.id) == unknown
        assert refused(client, alices.id, extra_headers=MALLORY) == unknown
        assert refused(client, mine.id, extra_headers=ALICE) == unknown
        assert refused(client.with_options(api_key=other), mine.id) == unknown
        for forged in (
            UNKNOWN,
            "resp_1",
            chat.id,
            "resp_" + chat.id.removeprefix("chatcmpl-"),
            mine.id.upper(),
            mine.id + "0",
        ):
            assert refused(client, forged) == unknown
        again = client.with_options(api_key=same)
        assert again.responses.retrieve(alices.id, extra_headers=ALICE).id == alices.id
        assert continues(again, alices.id, extra_headers=ALICE).previous_response_id == alices.id


def test_an_altered_payload_is_not_used(home: Path) -> None:
    with scene(home) as (gateway, _, client):
        answer = client.responses.create(model=BOT, input="hi")
        gateway.alter("UPDATE payload SET sealed = zeroblob(200) WHERE kind = 'stored'")
        assert refused(client, answer.id) == {(500, "integrity.failed")}


def test_the_class_of_data_goes_on(home: Path) -> None:
    """What was confidential once is not shown to a model that may see internal data, whatever the client says later."""
    with scene(home) as (_, upstream, client):
        raised = {"customhouse-classification": "confidential"}
        secret = client.responses.create(model=BOT, input="secret", extra_headers=raised)
        assert (secret.output_text, len(upstream.requests)) == (FALLBACK, 0)
        plain = client.responses.create(model=BOT, input="hi")
        assert len(upstream.requests) == 1
        assert continues(client, secret.id).output_text == FALLBACK
        assert len(upstream.requests) == 1
        assert continues(client, plain.id).output_text == plain.output_text


def test_what_takes_another_method_says_so(home: Path) -> None:
    with scene(home) as (gateway, _, client):
        answer = client.responses.create(model=BOT, input="hi")
        sent = {"authorization": f"Bearer {gateway.key}"}
        for path, allowed in (
            (f"/v1/responses/{answer.id}", "DELETE, GET"),
            (f"/v1/responses/{answer.id}/input_items", "GET"),
        ):
            refusal = gateway.request("PUT", path, b"", sent)
            assert (refusal.status, refusal.headers["allow"]) == (405, allowed)
        assert gateway.request("GET", f"/v1/responses/{answer.id}").status == 401
        assert gateway.request("GET", f"/v1/responses/{answer.id}?stream=true", headers=sent).status == 400


def test_on_postgresql_it_is_there_at_once(home: Path, postgres: str) -> None:
    """Its evidence may be staged still: whoever has the answer can go on from it."""
    with scene(home, database=postgres) as (_, upstream, client):
        first = client.responses.create(model=BOT, input="one")
        second = continues(client, first.id)
        assert [role for role, _ in sent(upstream)] == ["system", "user", "assistant", "user"]
        assert client.responses.retrieve(second.id).to_dict() == second.to_dict()
        assert refused(client, second.id, extra_headers=ALICE) == {(404, "response.unknown")}
        client.responses.delete(first.id)
        assert refused(client, first.id) == {(404, "response.unknown")}


@contextmanager
def failing(home: Path, mode: FailureMode) -> Generator[Scene]:
    """Run what `scene` does, with an assistant of this failure mode and a ledger that gives up after a second."""
    with scripted_upstream() as upstream:
        given = documents(upstream.base_url)
        given = replace(given, safety=replace(given.safety, ledger_failure=mode))
        with (
            running(home, given, ledger_timeout_s=1) as gateway,
            openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=30) as client,
        ):
            yield gateway, upstream, client


def caught_up(gateway: Running) -> None:
    while gateway.request("GET", "/readyz").json["ledger"] != "ok":
        pass


def test_what_waits_in_the_spool_is_found_when_it_has_joined_the_ledger(home: Path) -> None:
    with failing(home, "spool") as (gateway, _, client):
        before = client.responses.create(model=BOT, input="one")
        with locked(gateway.settings.database_path):
            late = client.responses.create(model=BOT, input="two")
            assert refused(client, before.id) == {(503, "ledger.unavailable")}, "nothing stored is read meanwhile"
            assert refused(client, late.id) == {(503, "ledger.unavailable")}
        caught_up(gateway)
        assert continues(client, late.id).previous_response_id == late.id
        assert client.responses.retrieve(before.id).id == before.id


def test_what_is_not_recorded_is_not_kept_and_says_so(home: Path) -> None:
    with failing(home, "open") as (gateway, _, client):
        client.responses.create(model=BOT, input="one")
        with locked(gateway.settings.database_path):
            client.responses.create(model=BOT, input="two")  # nobody knew yet
            answer = client.responses.create(model=BOT, input="three")
            assert answer.to_dict()["store"] is False
        caught_up(gateway)
        assert refused(client, answer.id) == {(404, "response.unknown")}
