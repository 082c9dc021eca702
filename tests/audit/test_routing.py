# SPDX-License-Identifier: Apache-2.0
"""What a record proves, and what it does not: rows of records, each with a reason."""

from typing import Final

import msgspec
import pytest
from tests.ledger.book import record

from customhouse.audit.routing import EXAMPLES, MAX_DESTINATIONS, Fold, Found, MissingRecords, Question
from customhouse.domain.label import Classification
from customhouse.ledger import chain
from customhouse.ledger.record import ModelFacts, Record, encode

SINCE: Final = "2026-11-01T00:00:00.000000Z"
UNTIL: Final = "2026-12-01T00:00:00.000000Z"
WITHIN: Final = "2026-11-09T03:10:00.000000Z"
ASKED: Final = Question(Classification.CONFIDENTIAL, SINCE, UNTIL)


def called(
    level: str | None,
    at: str = WITHIN,
    *,
    deployment: str = "local/small",
    assistant: str = "support",
    region: str = "eu",
) -> Record:
    provider = deployment.partition("/")[0]
    model = ModelFacts(deployment=deployment, provider=provider, requested="m", region=region, attempt=1)
    detail: dict[str, object] | None = None if level is None else {"classification": level}
    made = record("model.called", trace_id=f"trace-{at}-{level}", model=model, assistant=assistant, detail=detail)
    return msgspec.structs.replace(made, at=at)


def stored(given: Record, *, leaf: bytes | None = b"own") -> Found:
    canonical = encode(given)
    return Found(given.trace_id, canonical, chain.leaf_hash(canonical) if leaf == b"own" else leaf)


def folded(*records: Found, question: Question = ASKED) -> Fold:
    fold = Fold(question)
    fold.add(records)
    return fold


ROWS: Final = [
    # why, record, known, unknown, altered
    ("the class itself", stored(called("confidential")), 1, 0, 0),
    ("a higher class", stored(called("restricted")), 1, 0, 0),
    ("a lower class", stored(called("internal")), 0, 0, 0),
    ("no class: an older record", stored(called(None)), 0, 1, 0),
    ("a class that does not exist is none", stored(called("harmless")), 0, 1, 0),
    ("the first moment", stored(called("confidential", SINCE)), 1, 0, 0),
    ("the end is not included", stored(called("confidential", UNTIL)), 0, 0, 0),
    ("before", stored(called("confidential", "2026-10-31T23:59:59.999999Z")), 0, 0, 0),
    ("staged: it has no leaf yet", stored(called("confidential"), leaf=None), 1, 0, 0),
    ("an altered record proves nothing", stored(called("internal"), leaf=bytes(32)), 0, 0, 1),
    ("bytes that are no record", Found("t", b"{}", chain.leaf_hash(b"{}")), 0, 0, 1),
]


@pytest.mark.parametrize(("why", "found", "known", "unknown", "altered"), ROWS, ids=[row[0] for row in ROWS])
def test_what_a_record_counts_for(why: str, found: Found, known: int, unknown: int, altered: int) -> None:
    answer = folded(found).answer((), ())
    counted = (sum(each.calls for each in answer.destinations), sum(each.calls for each in answer.unknown))
    assert (*counted, answer.altered) == (known, unknown, altered), why
    assert answer.proven is (unknown == 0 and altered == 0), why


def test_destinations_are_told_apart_with_counts_and_times() -> None:
    early, late = "2026-11-02T00:00:00.000000Z", "2026-11-20T00:00:00.000000Z"
    answer = folded(
        *(stored(called("confidential", at)) for at in (late, early, WITHIN)),
        stored(called("restricted")),
        stored(called("confidential", deployment="cloud/big")),
        stored(called("confidential", region="us")),
    ).answer((), ())
    assert [(each.deployment, each.region, each.calls) for each in answer.destinations] == [
        ("local/small", "eu", 4),
        ("cloud/big", "eu", 1),
        ("local/small", "us", 1),
    ]
    first = answer.destinations[0]
    assert (first.provider, first.first, first.last) == ("local", early, late)
    assert first.classes == {"confidential": 3, "restricted": 1}
    assert len(first.traces) == EXAMPLES
    assert answer.calls == 6


def test_one_assistants_calls() -> None:
    found = [stored(called("confidential")), stored(called("confidential", assistant="other"))]
    answer = folded(*found, question=ASKED._replace(assistant="other")).answer((), ())
    assert [each.calls for each in answer.destinations] == [1]


def test_what_is_missing_is_no_proof() -> None:
    gap = MissingRecords(since=SINCE, until=WITHIN, reason="database", count=4, at_least=True)
    assert not folded().answer([gap], ()).proven
    assert not folded().answer((), ["replica-2"]).proven
    assert folded().answer((), ()).proven


def test_its_size_is_bounded() -> None:
    many = [stored(called("confidential", deployment=f"p/{number}")) for number in range(MAX_DESTINATIONS + 2)]
    answer = folded(*many).answer((), ())
    assert (len(answer.destinations), answer.uncounted, answer.proven) == (MAX_DESTINATIONS, 2, False)
