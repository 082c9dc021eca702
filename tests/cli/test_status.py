# SPDX-License-Identifier: Apache-2.0
"""`status` as people read it: whose evidence is not written as usual stands there, by replica and what it means."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.shop import shop

from customhouse.registry import replica_tables
from customhouse.registry.replica import State, Unreached
from customhouse.store.database import Transaction


def test_a_ledger_in_trouble_is_named(home: Path) -> None:
    def work(tx: Transaction) -> None:
        for name, ledger in (("gateway-1", "ok"), ("gateway-2", "spooling"), ("gateway-3", "refusing")):
            state = State(stale_refuse_s=30, ledger=ledger, turns=0)
            replica_tables.put(tx, name, name, "0.1.0", replica_tables.now_us(tx), state)

    with shop(home) as opened:
        opened.release()
        assert "EVIDENCE" not in opened.good("sam", "status", "-m", str(opened.manifest))
        opened.server.run(opened.server.house.control.database.transact(work))
        told = " ".join(opened.good("sam", "status", "-m", str(opened.manifest)).split())
        assert "EVIDENCE: gateway-2 is spooling: records wait on its disk" in told
        assert "EVIDENCE: gateway-3 is refusing: its database takes no evidence" in told
        assert "gateway-1" not in told
        found = opened.json("sam", "status", "-m", str(opened.manifest))["status"]["ledgers"]
        assert found == [
            {"replica": "gateway-2", "state": "spooling"},
            {"replica": "gateway-3", "state": "refusing"},
        ]


def test_a_model_that_retires_soon_is_named_by_check_release_and_status(home: Path) -> None:
    day = (datetime.now(UTC).date() + timedelta(days=100)).isoformat()
    with shop(home) as opened:
        path = opened.manifest / "shop.yaml"
        text = path.read_text()
        path.write_text(text.replace("model: m\n", f"model: m\n    retires: {day}\n"))
        said = f"local/small-chat retires on {day}, in "
        assert f"Model: {said}" in " ".join(opened.release().split())
        assert f"Retires soon: support in dev: {said}" in " ".join(
            opened.good("sam", "status", "-m", str(opened.manifest)).split()
        )
        gone = (datetime.now(UTC).date() - timedelta(days=100)).isoformat()
        path.write_text(text.replace("model: m\n", f"model: m\n    retires: {gone}\n"))
        refused = opened.run("dana", "release", "support", "--notes", "again", "-m", str(opened.manifest))
        assert refused.exit_code == 1
        assert f"shop.yaml:11: the model small-chat retired on {gone}, 100 days ago" in " ".join(refused.output.split())
        planned = opened.run("dana", "plan", "support", "-m", str(opened.manifest))
        assert planned.exit_code == 1
        assert f"conflict: the model plane asks what has retired: local/small-chat retired on {gone}" in planned.output


def test_what_a_replica_does_not_reach_is_named(home: Path) -> None:
    def work(tx: Transaction) -> None:
        now_us = replica_tables.now_us(tx)
        found = (
            Unreached(subject="away/big", state="open", reason="upstream.limited", since_us=1, until_us=now_us),
            Unreached(subject="credential: command entra", state="stands", reason="it ended with status 1", since_us=2),
        )
        state = State(stale_refuse_s=30, ledger="ok", turns=0, unreached=found)
        replica_tables.put(tx, "gateway-2", "gateway-2", "0.1.0", now_us, state)

    with shop(home) as opened:
        opened.release()
        opened.server.run(opened.server.house.control.database.transact(work))
        told = " ".join(opened.good("sam", "status", "-m", str(opened.manifest)).split())
        assert "LEFT ALONE: away/big on gateway-2, since 1970-01-01T00:00:00Z: upstream.limited (asked again" in told
        assert "NOT RENEWED: credential: command entra on gateway-2" in told
        found = opened.json("sam", "status", "-m", str(opened.manifest))["status"]["unreached"]
        assert [each["subject"] for each in found] == ["away/big", "credential: command entra"]
