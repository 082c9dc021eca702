# SPDX-License-Identifier: Apache-2.0
"""From the first version's database to PostgreSQL, with two thousand records; benchmarks/upgrade.py takes a million."""

from pathlib import Path

import pytest
from benchmarks.upgrade import run

KINDS = ("trace", "response", "tool call", "decision", "client's trace", "release", "base release", "key", "person")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_record_and_every_trace_is_still_there(tmp_path: Path, postgres: str) -> None:
    figures = run(records=2000, sample=50, seed=20261124, parent=tmp_path, url=postgres)
    assert figures["faults"] == {}
    found = figures["found"]
    assert found["records"] == 2 * figures["records"] >= 4000
    assert {kind: found[f"by {kind}"] for kind in KINDS} == dict.fromkeys(KINDS, 2 * 50)
    assert (found["chains"], found["payload opens"], found["fsck"]) == (2 * 4, 50, 1)
