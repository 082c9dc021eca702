# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, ten times: benchmarks/crash.py does it two hundred times, this is the same program."""

from pathlib import Path

import pytest
from benchmarks.crash import run


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_that_a_client_received_is_lost(tmp_path: Path) -> None:
    outcome = run(kills=10, seed=20261123, parent=tmp_path)
    assert outcome.faults == []
    assert outcome.kills == 10
    assert outcome.complete_answers > 0
    assert outcome.cut_off_answers > 0
