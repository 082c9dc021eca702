# SPDX-License-Identifier: Apache-2.0
"""`status` as people read it: whose evidence is not written as usual stands there, by replica and what it means."""

from pathlib import Path

from tests.cli.shop import shop

from customhouse.registry import replica_tables
from customhouse.registry.replica import State
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
