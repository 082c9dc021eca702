# SPDX-License-Identifier: Apache-2.0
"""Attacks by way of vectors, one file each: what may not be asked is not asked, however the request is dressed.

Vectors are data too: of a text that may not leave, its vector may not be computed elsewhere either. A file says what is
released (`accepts`, `floor`), which switch is thrown, what the client sends, and what must come of it.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from tests.attacks.test_switches import thrown
from tests.gateway.running import running
from tests.gateway.test_embeddings import TEXTS, embed, embedding
from tests.upstream.server import scripted_upstream

ATTACKS: Final = sorted(Path(__file__).parent.glob("embeddings-*.json"))


def test_there_are_attacks() -> None:
    assert len(ATTACKS) >= 6


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_no_text_leaves_that_may_not(tmp_path: Path, path: Path) -> None:
    attack: dict[str, Any] = json.loads(path.read_text())
    expected: dict[str, Any] = attack["expected"]
    with scripted_upstream() as upstream:
        submitted = embedding(upstream.base_url, "answer", accepts=attack.get("accepts", "internal"))
        with running(tmp_path, submitted) as gateway:
            if "switch" in attack:
                thrown(gateway, attack["switch"])
            given = {"input": TEXTS, **attack.get("fields", {})}
            answered = embed(gateway, given.pop("input"), attack.get("headers"), **given)
            assert answered.status == expected["status"], answered.body
            assert answered.json["error"]["code"] == expected["code"]
            assert "data" not in answered.json
            assert upstream.requests == []
            records = gateway.records(answered.headers["customhouse-trace-id"])
            reasons = [reason for each in records for reason in each.get("decision", {}).get("reasons", ())]
            assert expected["reason"] in reasons, reasons
