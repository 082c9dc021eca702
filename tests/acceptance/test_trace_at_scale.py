# SPDX-License-Identifier: Apache-2.0
"""A trace is found by each kind of id in a store that was filled in bulk: benchmarks/trace_at_scale.py, with less."""

from pathlib import Path

import pytest
from benchmarks.trace_at_scale import BY_ID, LISTED, measure


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_each_kind_of_id_leads_to_its_trace(tmp_path: Path, store: str) -> None:
    found = measure(store, records=6000, lookups=30, parent=tmp_path)
    assert found["faults"] == []
    assert found["records"] >= 6000
    assert {kind: times["n"] for kind, times in found["by_id_ms"].items()} == dict.fromkeys(BY_ID, 30)
    assert set(found["listed_ms"]) == set(LISTED)
