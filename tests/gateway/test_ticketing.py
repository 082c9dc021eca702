# SPDX-License-Identifier: Apache-2.0
"""Each call that reaches a client has its ticket, in every dialect, whole or streamed; what is refused has none."""

import json
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import openai
import pytest
from tests.gateway.running import BOT, GRANTS, TOOLS, Running, documents, running, takes
from tests.gateway.tongues import TONGUES, Heard, say
from tests.upstream.replies import answer, call, tool_calls
from tests.upstream.server import scripted_upstream

from customhouse.domain.message import DialectName
from customhouse.planes.tools.document import Document
from customhouse.ticket import Claims, TicketRefused, Trust, Verifier, call_digest, read, trust
from customhouse.vault.mint import LIFETIME_S

TWO: Final = [
    call("get_order_status", '{"order_id": "A-1007"}'),
    call("issue_refund", '{"order_id": "A-1007"}', 1),
    call("search_help_center", '{"q":"caf\\u00e9"}', 2),
]
NAMES: Final = ("get_order_status", "issue_refund", "search_help_center")
WITH_SERVER: Final = Document(
    grants={**GRANTS, "get_order_status": msgspec.structs.replace(GRANTS["get_order_status"], server="orders")}
)


def keys_of(gateway: Running) -> Trust:
    return trust(gateway.request("GET", "/api/v1/ticket-keys").body)


def claims_of(gateway: Running, ticket: str) -> Claims:
    return read(ticket, keys_of(gateway), now_s=time.time())


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", TONGUES)
def test_what_passes_has_a_ticket_and_nothing_else_has(home: Path, client: DialectName, streamed: bool) -> None:  # noqa: FBT001 - a row
    tongue = TONGUES[client]
    with (
        scripted_upstream(tool_calls(TWO)) as upstream,
        running(home, documents(upstream.base_url, tools=WITH_SERVER)) as gateway,
    ):
        given = say(gateway, tongue, tongue.first(stream=streamed, tools=NAMES))
        heard: Heard = tongue.hear(given)
        assert [name for _, name, _ in heard.calls] == ["get_order_status", "search_help_center"]
        tickets: list[dict[str, str]] = heard.receipt["tickets"]
        assert [each["call_id"] for each in tickets] == [each[0] for each in heard.calls]
        trace_id = given.headers["customhouse-trace-id"]
        decided = {
            record["tool"]["name"]: record["id"]
            for record in gateway.records(trace_id)
            if record["kind"] == "tool.decided"
        }
        for (_, name, arguments), each in zip(heard.calls, tickets, strict=True):
            claims = claims_of(gateway, each["ticket"])
            assert claims.jti == decided[name], "the ticket's id leads to the decision"
            assert claims.digest == call_digest(name, arguments)
            assert (claims.tool, claims.aud) == (name, "orders" if name == "get_order_status" else name)
            assert (claims.sub, claims.tenant, claims.environment) == (BOT, "default", "dev")
            assert (claims.trace_id, claims.exp - claims.iat) == (trace_id, LIFETIME_S)
            assert abs(claims.iat - time.time()) < 30


def test_an_answer_without_calls_says_nothing_of_tickets(home: Path) -> None:
    with scripted_upstream(answer()) as upstream, running(home, documents(upstream.base_url)) as gateway:
        assert "tickets" not in gateway.chat(tools=TOOLS).receipt


def test_from_the_client_to_the_tool_and_back_into_the_trace(home: Path) -> None:
    """As docs/howto/check-a-ticket.md says it, with OpenAI's SDK."""
    with (
        scripted_upstream(tool_calls(TWO[:1])) as upstream,
        running(home, documents(upstream.base_url)) as gateway,
        openai.OpenAI(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=30) as client,
    ):
        tools: Any = TOOLS
        said = client.chat.completions.create(model=BOT, messages=[{"role": "user", "content": "Where?"}], tools=tools)
        receipt: Any = (said.model_extra or {})["customhouse"]
        tickets = {each["call_id"]: each["ticket"] for each in receipt.get("tickets", [])}
        (proposed,) = said.choices[0].message.tool_calls or []
        assert proposed.type == "function"
        verifier = Verifier(keys_of(gateway), audience="get_order_status", environment="dev")
        claims = verifier.verify(tickets[proposed.id], proposed.function.name, proposed.function.arguments)
        redeem = json.dumps({"ticket": tickets[proposed.id]}).encode()
        sent = {"content-type": "application/json"}
        first, second = (gateway.request("POST", "/api/v1/tickets/redeem", redeem, sent) for _ in range(2))
        assert (first.status, second.status) == (200, 409)
        records = gateway.records(receipt["trace_id"])
        assert [record["kind"] for record in records][-2:] == ["response.completed", "ticket.redeemed"]
        assert records[-1]["parents"] == [claims.jti]
        (traced,) = gateway.rows("SELECT trace_id FROM reference WHERE name = ?", claims.jti)
        assert traced == (receipt["trace_id"],)


def test_two_calls_alike_have_two_tickets(home: Path) -> None:
    twice = [call("get_order_status", '{"order_id": "7"}'), call("get_order_status", '{"order_id": "7"}', 1)]
    with scripted_upstream(tool_calls(twice)) as upstream, running(home, documents(upstream.base_url)) as gateway:
        found = [claims_of(gateway, each["ticket"]) for each in gateway.chat(tools=TOOLS).receipt["tickets"]]
        assert len({each.jti for each in found}) == 2
        assert len({each.digest for each in found}) == 1


def test_arguments_without_a_canonical_form_have_no_ticket(home: Path) -> None:
    """They may pass, and no tool server that checks tickets runs them."""
    calls = [
        call("get_order_status", '{"order_id": "A-1007"}'),
        call("search_help_center", '{"q": ' + "[" * 65 + "]" * 65 + "}", 1),
    ]
    with scripted_upstream(tool_calls(calls)) as upstream, running(home, documents(upstream.base_url)) as gateway:
        offered = [{"type": "function", "function": {"name": name, "parameters": takes(name)}} for name in NAMES]
        given = gateway.chat(tools=offered)
        assert [name for name, _ in given.calls] == ["get_order_status", "search_help_center"]
        assert [each["call_id"] for each in given.receipt["tickets"]] == ["call_0_get_order_status"]


def test_a_stored_response_has_the_ticket_of_its_call_and_no_second_one(home: Path) -> None:
    with (
        scripted_upstream(tool_calls(TWO[:1])) as upstream,
        running(home, documents(upstream.base_url)) as gateway,
    ):
        tongue = TONGUES["openai_responses"]
        given = say(gateway, tongue, {**tongue.first(tools=NAMES), "store": True}).json
        path = f"/v1/responses/{given['id']}"
        again = gateway.request("GET", path, headers={"authorization": f"Bearer {gateway.key}"}).json
        assert again["customhouse"]["tickets"] == given["customhouse"]["tickets"]


def test_another_installation_takes_none_of_ours(home: Path, tmp_path: Path) -> None:
    with scripted_upstream(tool_calls(TWO[:1])) as upstream:
        with running(home, documents(upstream.base_url)) as gateway:
            ticket = gateway.chat(tools=TOOLS).receipt["tickets"][0]["ticket"]
        with running(tmp_path / "other", documents(upstream.base_url)) as gateway:
            with pytest.raises(TicketRefused, match=r"ticket\.key_unknown"):
                claims_of(gateway, ticket)
            sent = {"content-type": "application/json"}
            body = json.dumps({"ticket": ticket}).encode()
            refused = gateway.request("POST", "/api/v1/tickets/redeem", body, sent)
            assert (refused.status, refused.json["code"]) == (400, "ticket.invalid")


@pytest.mark.slow
def test_keys_are_rotated_one_replica_after_the_other_and_no_ticket_is_lost(home: Path) -> None:
    with scripted_upstream(tool_calls(TWO[:1])) as upstream:
        tickets: list[str] = []
        sets: list[Trust] = []
        for number in (1, 2, 3):
            submitted = documents(upstream.base_url, prompt=f"Number {number}.")
            with running(home, submitted, ticket_key_number=number) as gateway:
                tickets.append(gateway.chat(tools=TOOLS).receipt["tickets"][0]["ticket"])
                sets.append(keys_of(gateway))
                sent = {"content-type": "application/json"}
                for ticket in tickets[-2:-1]:
                    body = json.dumps({"ticket": ticket}).encode()
                    assert gateway.request("POST", "/api/v1/tickets/redeem", body, sent).status == 200
        assert read(tickets[1], sets[0], now_s=time.time()), "a server that read the keys before the rotation"
        assert read(tickets[1], sets[2], now_s=time.time()), "a ticket that is under way in the next one"
        with pytest.raises(TicketRefused, match=r"ticket\.key_unknown"):
            read(tickets[2], sets[0], now_s=time.time())
