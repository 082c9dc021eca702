# SPDX-License-Identifier: Apache-2.0
"""`customhouse audit routing`: the answer for people and for programs, and what cannot be proven."""

import json
from pathlib import Path

from tests.cli.shop import shop
from tests.ledger.book import CLOCK, record

from customhouse.ledger.entry import Entry
from customhouse.ledger.record import ModelFacts

ASKED = ("audit", "routing", "--classification", "confidential", "--since", "2026-01-01")


def called(level: str | None) -> Entry:
    model = ModelFacts(deployment="local/small", provider="local", requested="m", region="eu", attempt=1)
    detail: dict[str, object] | None = None if level is None else {"classification": level}
    return Entry(record("model.called", "acme", CLOCK.uuid7(), model=model, assistant="support", detail=detail))


def test_an_auditor_reads_who_was_sent_what(tmp_path: Path) -> None:
    with shop(tmp_path / "home") as house:
        assert "No provider was sent such data." in house.good("sam", *ASKED)
        ledger = house.server.house.control.ledger
        house.server.run(ledger.append([called("restricted"), called("internal")]))
        said = house.good("sam", *ASKED)
        assert "confidential data or higher, 2026-01-01T00:00:00Z to " in said
        assert "every tenant: 2 model calls looked at" in said
        assert "local/small" in said
        assert "restricted 1" in said
        assert "Not proven" not in said
        told = house.json("sam", *ASKED, "--assistant", "support")
        assert (told["proven"], told["destinations"][0]["calls"]) == (True, 1)
        assert "access.verb_refused" in house.refused("dana", *ASKED)


def test_what_cannot_be_proven_is_said_and_ends_with_status_1(tmp_path: Path) -> None:
    with shop(tmp_path / "home") as house:
        house.server.run(house.server.house.control.ledger.append([called(None)]))
        said = house.refused("sam", *ASKED)
        assert "May have been sent such data; the records name no class:" in said
        assert "Not proven:" in said
        assert "1 calls whose record names no class" in said
        result = house.run("sam", *ASKED, "--json")
        assert (result.exit_code, json.loads(result.stdout)["proven"]) == (1, False)
