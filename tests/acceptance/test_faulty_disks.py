# SPDX-License-Identifier: Apache-2.0
"""A whole server whose database's and spool's disks fail, each in every way: benchmarks/faults.py, its layers alone."""

from pathlib import Path

import pytest
from benchmarks.faults import FAULTY_SERVER, Outcome, layer_faults, run


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_whatever_fails_turns_are_refused_spooled_or_declared_and_nothing_is_lost(tmp_path: Path) -> None:
    faults = layer_faults()
    outcome = run(faults, FAULTY_SERVER, rounds=1, seed=20261124, parent=tmp_path, outcome=Outcome())
    assert outcome.faults == []
    assert set(outcome.seen) == set(faults)
    assert sum(outcome.clients.refused.values()) > 0
    assert outcome.judged.late > 0
    assert outcome.judged.in_gaps > 0
    assert outcome.killed > 0
