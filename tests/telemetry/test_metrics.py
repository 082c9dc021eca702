# SPDX-License-Identifier: Apache-2.0
"""/metrics on a real socket: what it counts, for whom it is, and that nobody's tenant or words are in it."""

import asyncio
import json
import re
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest
from tests.gateway.outage import locked
from tests.gateway.running import BOT, LOCAL, TOOLS, Running, create_key, documents, running
from tests.telemetry.scrape import scrape
from tests.upstream.server import Upstream

from customhouse.access import people
from customhouse.telemetry.names import METRICS


@pytest.fixture(params=["sqlite", "postgres"])
def gateway(request: pytest.FixtureRequest, home: Path, upstream: Upstream) -> Generator[Running]:
    """Run a gateway on each store, whose model proposes one call that is allowed and one that is held."""
    database = request.getfixturevalue("postgres") if request.param == "postgres" else ""
    models = ("broken", "parallel-calls")
    with running(home, documents(upstream.base_url, models), database=database, replica_name="r1") as served:
        yield served


def test_every_declared_metric_is_there_and_nothing_else(gateway: Running) -> None:
    assert scrape(gateway).names == set(METRICS)


def test_what_turns_did_is_counted(gateway: Running) -> None:
    assert gateway.chat(tools=TOOLS).status == 200
    assert gateway.chat(tools=TOOLS, stream=True).status == 200
    assert gateway.chat(model="nobody").status == 404
    assert gateway.request("POST", "/v1/chat/completions", b"{}").status == 401
    assert gateway.request("GET", "/v1/models", headers={"authorization": f"Bearer {gateway.key}"}).status == 200
    found = scrape(gateway)
    assert found.series("customhouse_turns_total") == {
        (BOT, "dev", "answered", "2xx"): 2,
        (BOT, "dev", "refused", "4xx"): 1,
        ("other", "other", "refused", "4xx"): 1,
    }, "a list of models is no turn"
    assert found.series("customhouse_turn_errors_total") == {
        ("assistant.unknown",): 1,
        ("identity.unauthenticated",): 1,
    }
    assert found.series("customhouse_model_calls_total") == {
        ("local/broken", "failed", "upstream.server_error"): 2,
        ("local/parallel-calls", "complete", ""): 2,
    }
    assert found.value("customhouse_model_tokens_total", direction="input") >= 21
    assert found.series("customhouse_tool_decisions_total") == {
        ("allow", "tool.granted"): 2,
        ("hold", "tool.needs_approval"): 2,
    }
    assert found.value("customhouse_turn_duration_seconds_count", outcome="answered") == 2
    assert found.value("customhouse_turn_step_duration_seconds_count", step="evidence") == 2
    assert found.value("customhouse_evidence_records_total", kind="tool.decided", where="database") == 4
    assert found.value("customhouse_evidence_acknowledgement_seconds_count", where="database") >= 7
    assert found.value("customhouse_turns_in_flight") == 0
    assert found.value("customhouse_database_up") == 1


def test_redemptions_of_tickets_are_counted(gateway: Running) -> None:
    ((ticket),) = gateway.chat(tools=TOOLS).receipt["tickets"]
    head = {"content-type": "application/json"}
    for each in (ticket["ticket"], ticket["ticket"], "TRIPWIRE"):
        gateway.request("POST", "/api/v1/tickets/redeem", json.dumps({"ticket": each}).encode(), head)
    assert scrape(gateway).series("customhouse_ticket_redemptions_total") == {
        ("accepted",): 1,
        ("ticket.used",): 1,
        ("ticket.malformed",): 1,
    }


def test_what_is_in_force_is_shown(gateway: Running) -> None:
    while scrape(gateway).value("customhouse_replicas_live") != 1:
        pass
    found = scrape(gateway)
    assert found.series("customhouse_ledger_state") == {
        ("ok",): 1,
        ("refusing",): 0,
        ("spooling",): 0,
        ("open",): 0,
    }
    assert found.value("customhouse_generation", name="dev") == 1
    assert found.value("customhouse_generation_newest", name="dev") == 1
    assert found.value("customhouse_assistants_in_force", environment="dev") == 1
    assert 0 <= found.value("customhouse_snapshot_age_seconds") < 10
    assert 0 <= found.value("customhouse_credentials_age_seconds") < 10
    assert found.value("process_resident_memory_bytes") > 10_000_000
    leads = 1 if gateway.settings.database else 0
    while scrape(gateway).value("customhouse_sequencer_leading") != leads:
        pass
    assert scrape(gateway).value("customhouse_sequencer_epoch") == leads, "the first epoch is 1"


def test_no_label_has_a_name_that_a_tenant_a_client_or_a_model_chose(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("parallel-calls",))) as gateway:

        def key(**terms: tuple[str, ...]) -> str:
            return asyncio.run_coroutine_threadsafe(create_key(gateway.control, **terms), gateway.loop).result(10)

        gateway.key = key(tenants=("tripwire-tenant",), delegate=("user:*",))
        while gateway.chat(headers={"customhouse-on-behalf-of": "user:tripwire-person"}).status != 200:
            pass  # until the server has heard of the key
        tools = [{"type": "function", "function": {"name": "tripwire_tool", "parameters": {"type": "object"}}}]
        sent = {"traceparent": "00-" + "7ee1" * 8 + "-" + "7ee1" * 4 + "-01", "x-api-key": "chk_tripwire"}
        for each in ({}, sent, {"customhouse-tenant": "tripwire-other"}, {"customhouse-classification": "tripwire"}):
            gateway.chat(headers=each, tools=tools, model=BOT)
        gateway.chat(model="tripwire-model")
        gateway.request("POST", "/v1/tripwire", b"{}")
        found = scrape(gateway)
        assert found.value("customhouse_turns_total") >= 6
        assert [word for word in found.words if "tripwire" in word or "7ee1" in word] == []
        raw = gateway.request("GET", "/metrics").body
        assert re.search(rb"tripwire|7ee1|acme\.test", raw) is None


PROXIED = [
    {"x-forwarded-for": "203.0.113.9"},
    {"forwarded": "for=203.0.113.9"},
    {"x-real-ip": "203.0.113.9"},
    {"via": "1.1 proxy"},
]


def test_who_may_read_it(gateway: Running) -> None:
    read, refused = 200, 401
    added = asyncio.run_coroutine_threadsafe(
        people.add(gateway.control, LOCAL, people.NewPerson(email="p@acme.test", roles=("auditor",)), trace_id="t"),
        gateway.loop,
    ).result(10)

    def status(**headers: str) -> int:
        return gateway.request("GET", "/metrics", headers=headers).status

    assert status() == read, "this machine"
    for each in PROXIED:
        assert status(**each) == refused, "whoever stands behind a proxy is not this machine"
    bearer = f"Bearer {added.key}"
    while status(authorization=bearer) != read:
        pass  # until the server has heard of her
    for each in PROXIED:
        assert status(authorization=bearer, **each) == read
    assert status(authorization=f"Bearer {gateway.key}") == refused, "an application's key is no person's"
    assert status(authorization="Bearer cho_unknown") == refused
    assert status(authorization=f"Basic {added.key}") == refused
    assert status(host="attacker.test") == 421, "whoever asks"
    assert status(host="attacker.test", authorization=bearer) == 421
    assert gateway.request("POST", "/metrics").status == 405


@pytest.mark.parametrize(
    ("allow", "status"),
    [
        (("none",), 401),
        (("10.0.0.0/8", "::1"), 401),
        (("127.0.0.1",), 200),
        (("0.0.0.0/0",), 200),
    ],
)
def test_addresses_are_allowed_by_a_setting(
    home: Path, upstream: Upstream, allow: tuple[str, ...], status: int
) -> None:
    with running(home, documents(upstream.base_url), metrics_allow=allow) as gateway:
        answer = gateway.request("GET", "/metrics")
        assert answer.status == status
        if status == 401:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json["code"] == "identity.unauthenticated"
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_open_metrics_are_spoken_when_they_are_asked_for(gateway: Running) -> None:
    answer = gateway.request("GET", "/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")


@pytest.mark.slow
def test_a_ledger_that_cannot_write_is_shown_while_it_lasts(home: Path, upstream: Upstream) -> None:
    made = documents(upstream.base_url)
    spooling = msgspec.structs.replace(made, safety=msgspec.structs.replace(made.safety, ledger_failure="spool"))
    with running(home, spooling, ledger_timeout_s=1) as gateway:
        assert gateway.chat().status == 200
        with locked(gateway.settings.database_path):
            assert gateway.chat().status == 200
            found = scrape(gateway)
            assert found.value("customhouse_ledger_state", state="spooling") == 1
            assert found.value("customhouse_ledger_state", state="ok") == 0
            assert found.value("customhouse_database_up") == 0
            assert found.value("customhouse_spool_entries") == 4
            assert found.value("customhouse_spool_bytes") > 0
            assert found.value("customhouse_evidence_records_total", where="spool") == 4
            assert found.series("customhouse_replicas_live") == {}, "what nobody knows is not shown as a number"
        while scrape(gateway).value("customhouse_ledger_state", state="ok") != 1:
            pass
        assert scrape(gateway).value("customhouse_spool_entries") == 0


@pytest.mark.slow
def test_turns_that_a_failing_ledger_refuses_are_counted_as_such(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url), ledger_timeout_s=1) as gateway:
        assert gateway.chat().status == 200
        with locked(gateway.settings.database_path):
            assert gateway.chat().status == 503
            found = scrape(gateway)
            assert found.value("customhouse_ledger_state", state="refusing") == 1
            assert found.value("customhouse_turn_errors_total", code="ledger.unavailable") == 1
            assert found.value("customhouse_evidence_records_total", where="refused") == 2
        while scrape(gateway).value("customhouse_ledger_gaps_declared_total") != 1:
            pass
        assert scrape(gateway).value("customhouse_ledger_undeclared_refusals") == 0
