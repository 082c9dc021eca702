# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a process that spools, at random moments: what it acknowledged is there, in order, and gaps are marked."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.ledger.spooling_child import CLOCK, opened

from customhouse.ledger import segment
from customhouse.ledger.spool import Spool

KILLS = 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", [20261123])
def test_a_killed_process_left_everything_it_acknowledged(tmp_path: Path, seed: int) -> None:
    """Killed after a random number of acknowledgements; the spool goes on where it was, and is emptied now and then."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    kept: list[str] = []
    skipped = 0
    for life in range(KILLS):
        acknowledged = live(tmp_path, f"life{life}", dice.randrange(1, 120))
        kept += [trace for mode, trace in acknowledged if mode == "spool"]
        skipped += sum(mode == "open" for mode, _ in acknowledged)
        if dice.random() < 0.3:
            kept = drained(tmp_path, kept)
    drained(tmp_path, kept)
    spool = opened(tmp_path).spool
    spool.open()
    marked = sum(count.count for gap in spool.gaps for count in gap.tenants.values())
    assert {gap.reason for gap in spool.gaps} == {"ledger.unavailable"}, "nothing of the spool was lost or altered"
    assert skipped / 2 <= marked


def live(directory: Path, name: str, acknowledgements: int) -> list[tuple[str, str]]:
    """Run the child until it has acknowledged so many; return all it said before it died."""
    command = [sys.executable, str(Path(__file__).with_name("spooling_child.py")), str(directory), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        said = [child.stdout.readline() for _ in range(acknowledgements)]
        child.kill()
        said += child.stdout.readlines()
    return [(mode, trace) for line in said if line.endswith("\n") for mode, trace in [line.split()]]


def drained(directory: Path, kept: list[str]) -> list[str]:
    """Drain as a server does at its start, and check it against what was acknowledged; return what is kept then."""
    spool = opened(directory).spool
    spool.open()
    found: list[str] = []
    while frames := spool.batch():
        found += [segment.unpack(frame.body)[0].record.trace_id for frame in frames]
        spool.drained(frames, CLOCK.now_us())
    assert len(found) == len(set(found))
    assert set(kept) <= set(found), "acknowledged and lost"
    assert in_order(found)
    assert_empty(spool)
    return []


def in_order(found: list[str]) -> bool:
    """Whether each caller's entries stand in the order in which it handed them over."""
    last: dict[str, int] = {}
    for trace in found:
        caller, _, count = trace.rpartition(".")
        if int(count) <= last.get(caller, -1):
            return False
        last[caller] = int(count)
    return True


def assert_empty(spool: Spool) -> None:
    assert (spool.entries, spool.size_bytes, spool.rejected) == (0, 0, ())
    spool.close()
