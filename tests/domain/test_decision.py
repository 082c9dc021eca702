# SPDX-License-Identifier: Apache-2.0
"""Reasons are one table: what the source writes stands in it, and what stands in it is written somewhere."""

import ast
import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

import customhouse
from customhouse.domain.decision import REASONS, Decision, Outcome
from customhouse.domain.errors import BudgetExceeded, CallTooLarge, CannotCount, ContentFiltered, UpstreamRejected
from customhouse.ledger.record import KINDS

SOURCE = Path(customhouse.__file__).parent


def written() -> set[str]:
    """Return every string of the source that has the form of a reason, but for the table and codes of errors."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path.name in {"decision.py", "errors.py", "roles.py", "record.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


@pytest.mark.parametrize("code", REASONS)
def test_a_reason_is_a_dotted_code_with_a_sentence(code: str) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", code)
    assert REASONS[code].endswith(".")


def test_every_reason_is_given_somewhere() -> None:
    by_code = {each.code for each in (UpstreamRejected, ContentFiltered, BudgetExceeded, CallTooLarge, CannotCount)}
    failures = {"upstream.protocol", *by_code}
    """An UpstreamFailed's reason when none is named, and failures that are recorded by their errors' codes."""
    assert set(REASONS) - written() - failures == set()


def test_what_permits_and_routes_gives_only_reasons_of_the_table() -> None:
    decided = {code for code in written() if re.fullmatch(r"(tool|route)\.[a-z_]+", code) and code not in KINDS}
    assert decided <= set(REASONS)


def test_a_decision_is_a_value() -> None:
    decision = Decision(Outcome.DENY, ("tool.denied",))
    assert decision == Decision(Outcome.DENY, ("tool.denied",))
    with pytest.raises(FrozenInstanceError):
        decision.outcome = Outcome.ALLOW  # type: ignore[misc]


def test_outcomes_are_written_as_evidence_has_them() -> None:
    assert [outcome.value for outcome in Outcome] == ["allow", "deny", "hold"]


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        REASONS["x.y"] = "z"  # type: ignore[index]
