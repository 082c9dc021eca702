# SPDX-License-Identifier: Apache-2.0
"""/readyz tells why: on both stores, while the database is away, and when what is in force grows old."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.gateway.outage import cut_off, locked
from tests.gateway.running import LOCAL, Json, Running, documents, running
from tests.gateway.test_in_force import STALE_REFUSE_S, STALE_TOOLS_S, aged, submitted
from tests.upstream.server import Upstream

from customhouse.access import people


def readyz(gateway: Running) -> tuple[int, Json]:
    answer = gateway.request("GET", "/readyz")
    return answer.status, answer.json


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_a_replica_that_is_well_says_who_it_is_and_how_it_stands(
    home: Path, upstream: Upstream, store: str, request: pytest.FixtureRequest
) -> None:
    database = request.getfixturevalue("postgres") if store == "postgres" else ""
    with running(home, documents(upstream.base_url), database=database, replica_name="r1") as gateway:
        assert gateway.chat().status == 200
        while readyz(gateway)[1]["sequencer"] != (1 if database else None) or readyz(gateway)[1]["staged"]:
            pass
        status, found = readyz(gateway)
        ages = found.pop("snapshot_age_ms"), found.pop("credentials_age_ms")
        assert all(0 <= age < 10_000 for age in ages)
        assert status == 200
        assert found == {
            "ready": True,
            "why": [],
            "replica": "r1",
            "replica_id": (home / "replica").read_text(),
            "database": "ok",
            "ledger": "ok",
            "ledger_state": "ok",
            "spool_entries": 0,
            "spool_bytes": 0,
            "spool_rejected": [],
            "tools": "ok",
            "switches": 0,
            "staged": 0,
            "staged_oldest_ms": 0,
            "sequencer": 1 if database else None,
            "refused": {},
        }


@pytest.mark.slow
def test_refusing_turns_is_a_reason_not_to_be_ready(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url), ledger_timeout_s=1) as gateway:
        assert gateway.chat().status == 200
        with locked(gateway.settings.database_path):
            status, found = readyz(gateway)
            assert (status, found["database"]) == (503, "slow"), "nobody has asked for a turn yet, and it would fail"
            assert found["why"] == ["the database did not answer within 2 s"]
            assert gateway.chat().status == 503
            status, found = readyz(gateway)
            assert (status, found["ledger_state"]) == (503, "refusing")
            assert found["why"] == ["the database is unavailable: it refuses, or does not answer"]
            assert found["staged"] is None, "nobody knows"
        while readyz(gateway)[0] != 200:
            pass


@pytest.mark.slow
def test_growing_old_withholds_tools_first_and_then_everything(
    home: Path, upstream: Upstream, postgres: str, postgres_server: str
) -> None:
    terms: dict[str, int | str] = {
        "database": postgres,
        "ledger_timeout_s": 1,
        "stale_tools_s": STALE_TOOLS_S,
        "stale_refuse_s": STALE_REFUSE_S,
    }
    with running(home, submitted(upstream), **terms) as gateway:
        assert gateway.chat().status == 200
        with cut_off(postgres, postgres_server):
            aged(gateway, STALE_TOOLS_S)
            assert gateway.chat().status == 200
            status, found = readyz(gateway)
            assert (status, found["ledger_state"], found["why"]) == (200, "spooling", [])
            assert found["spool_entries"] > 0
            assert found["tools"] == "only tools that read: pins not confirmed for 1 s"
            aged(gateway, STALE_REFUSE_S)
            assert gateway.chat().status == 503
            status, found = readyz(gateway)
            assert status == 503
            assert found["why"] == [
                "pins and switches were not confirmed for 4 s",
                "keys and people were not confirmed for 4 s",
            ]
        while readyz(gateway)[0] != 200:
            pass


@pytest.mark.slow
def test_status_says_whose_evidence_is_not_written(home: Path, upstream: Upstream) -> None:
    made = documents(upstream.base_url)
    spooling = msgspec.structs.replace(made, safety=msgspec.structs.replace(made.safety, ledger_failure="spool"))
    with running(home, spooling, ledger_timeout_s=1, replica_name="r1") as gateway:
        added = asyncio.run_coroutine_threadsafe(
            people.add(gateway.control, LOCAL, people.NewPerson(email="p@acme.test", roles=("auditor",)), trace_id="t"),
            gateway.loop,
        ).result(10)

        def ledgers() -> Json:
            answer = gateway.request("GET", "/api/v1/status", headers={"authorization": f"Bearer {added.key}"})
            assert answer.status == 200
            return answer.json["ledgers"]

        assert gateway.chat().status == 200
        while gateway.rows("SELECT count(*) FROM replica") != [(1,)]:
            pass
        assert ledgers() == []
        with locked(gateway.settings.database_path):
            assert gateway.chat().status == 200
            assert ledgers() == [{"replica": "r1", "state": "spooling"}], "its report could not be written"
        while ledgers():
            pass
