# SPDX-License-Identifier: Apache-2.0
"""kill -9 of replicas, sequencer and PostgreSQL, twenty times: benchmarks/crash_replicas.py does it five hundred."""

from pathlib import Path

import pytest
from benchmarks.crash_replicas import run


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_that_a_client_received_is_lost_on_any_replica(tmp_path: Path) -> None:
    outcome = run(kills=20, seed=20261124, parent=tmp_path, pause_s=(0.2, 1.2))
    assert outcome.faults == []
    assert outcome.kills.total() == 20
    assert {"sequencer", "gateway"} & set(outcome.kills)
    assert {"postmaster", "machine", "backend"} & set(outcome.kills)
    assert outcome.judged.complete > 0
    assert outcome.clients.cut_off > 0
    assert outcome.reading.terms > 1
    assert outcome.reading.placements > 0
