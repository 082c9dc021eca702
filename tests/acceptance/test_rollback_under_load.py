# SPDX-License-Identifier: Apache-2.0
"""One plane moves back and forth under load: benchmarks/rollback.py, with fewer moves."""

from pathlib import Path

import pytest
from benchmarks.rollback import run


@pytest.mark.slow
def test_no_turn_runs_on_a_mixture(tmp_path: Path) -> None:
    outcome = run(moves=4, rate=100, parent=tmp_path)
    assert outcome.faults == []
    assert len(outcome.moves) == 4
    assert len(outcome.turns) > 300
