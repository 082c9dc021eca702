# SPDX-License-Identifier: Apache-2.0
"""From the first version's database to PostgreSQL: every record and every trace is still there, and what it takes.

    python -m benchmarks.upgrade [--records 1000000] [--sample 2000] [--seed 1]

(1) write a database in the schema of the first version (first_version.py)
(2) open it with this version, which brings the schema up to date
(3) read every record with the standard library's sqlite3, recompute the chains; look the sample up by each kind of id
(4) `customhouse migrate` it to PostgreSQL
(5) read every record there as the superuser, recompute the chains; look the sample up again; open its payloads
Time is wall time, memory the peak of the process that did the step (ru_maxrss), as the kernel counts it.
"""

import argparse
import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg
from benchmarks import first_version
from benchmarks.database import postgres
from benchmarks.first_version import ROOT_KEY, Turn, Written
from benchmarks.house import CUSTOMHOUSE
from benchmarks.measure import RESULTS, keep, percentile

from customhouse.domain.clock import SystemClock
from customhouse.ledger import tables, trace
from customhouse.store.database import Database, Transaction
from customhouse.store.postgres import open_postgres
from customhouse.store.sqlite import open_sqlite
from customhouse.vault.seal import TenantKey, unwrap

OPEN: Final = """
import asyncio, pathlib, sys
from customhouse.store.sqlite import open_sqlite
async def main():
    await (await open_sqlite(pathlib.Path(sys.argv[1]))).close()
asyncio.run(main())
"""
EVIDENCE: Final = "SELECT canonical, leaf_hash, link_hash FROM evidence WHERE tenant_id = {} ORDER BY position"
KNOWN_BY: Final = "SELECT 1 FROM reference WHERE tenant_id = {0} AND name = {0} AND trace_id = {0}"
Rows = Iterable[tuple[bytes, bytes, bytes]]


class Findings:
    """Faults by what they are about, and how long look-ups took."""

    def __init__(self) -> None:
        """Begin with nothing wrong."""
        self.faults: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.seconds: list[float] = []

    def expect(self, what: str, *, holds: bool) -> None:
        """Note one thing that was looked at."""
        self.found[what] += holds
        self.faults[what] += not holds


def run(records: int, sample: int, seed: int, parent: Path, url: str) -> dict[str, Any]:
    """Do all steps with a home below `parent` and the database of a URL; return the figures."""
    figures: dict[str, Any] = {"seed": seed, "sample": sample}
    home = parent / "home"
    (home / "keys").mkdir(mode=0o700, parents=True)
    (home / "keys" / "root.key").touch(mode=0o600)
    (home / "keys" / "root.key").write_text(ROOT_KEY.hex() + "\n", encoding="ascii")
    path, findings = home / "customhouse.db", Findings()
    started = time.monotonic()
    written = first_version.write(path, records, sample, seed)
    path.chmod(0o600)
    figures["write_s"] = round(time.monotonic() - started, 1)
    figures["records"] = sum(log.size for log in written.logs.values())
    figures |= {"turns": written.turns, "payloads": written.payloads, "file_mb": path.stat().st_size >> 20}
    figures["upgrade_s"], figures["upgrade_mb"] = _measured([sys.executable, "-c", OPEN, str(path)])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        _read_all(findings, written, lambda tenant: file.execute(EVIDENCE.format("?"), (tenant,)))

        def in_file(*values: str) -> object:
            return file.execute(KNOWN_BY.format("?"), values).fetchone()

        _known_by(findings, written.sample, in_file)
    figures["sqlite_lookup_ms"] = asyncio.run(_look_up(findings, written.sample, lambda: open_sqlite(path)))
    command = [str(CUSTOMHOUSE), "--home", str(home), "migrate", "--to", url, "--json"]
    figures["migrate_s"], figures["migrate_mb"] = _measured(command)
    with psycopg.connect(url, options="-c search_path=customhouse") as server:
        _read_all(findings, written, lambda tenant: _streamed(server, tenant))

        def on_server(*values: str) -> object:
            return server.execute(KNOWN_BY.format("%s").encode(), values).fetchone()

        _known_by(findings, written.sample, on_server)
        ((opened,),) = server.execute("SELECT count(*) FROM open_call").fetchall()
        findings.expect("open calls", holds=opened == first_version.OPEN_CALLS)
        ((sealed,),) = server.execute("SELECT count(*) FROM payload").fetchall()
        findings.expect("payloads", holds=sealed == written.payloads)
        ((stray,),) = server.execute("SELECT count(*) FROM evidence_default").fetchall()
        findings.expect("days", holds=stray == 0)
    figures["postgres_lookup_ms"] = asyncio.run(
        _look_up(findings, written.sample, lambda: open_postgres(url, "control"), opening=True)
    )
    checked = subprocess.run([str(CUSTOMHOUSE), "fsck", "--database", url], capture_output=True, check=False)
    findings.expect("fsck", holds=checked.returncode == 0)
    return figures | {"found": dict(findings.found), "faults": {k: v for k, v in findings.faults.items() if v}}


def _measured(command: list[str]) -> tuple[float, int]:
    """Run a command that must succeed; return its wall time and its peak memory in MB."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{command[0]} failed: {said.read().decode()}")
    return round(time.monotonic() - started, 1), used.ru_maxrss >> 10


def _read_all(findings: Findings, written: Written, read: Callable[[str], Rows]) -> None:
    """Recompute every chain; compare lengths, last links and the sum over all leaves with what was written."""
    for tenant, expected in written.logs.items():
        size, link, total, sound = 0, bytes(32), 0, True
        for canonical, leaf_hash, link_hash in read(tenant):
            leaf = hashlib.sha256(b"\x00" + canonical).digest()
            link = hashlib.sha256(b"\x02" + link + leaf).digest()
            sound = sound and (leaf, link) == (leaf_hash, link_hash)
            size, total = size + 1, (total + int.from_bytes(leaf, "big")) % 2**256
        findings.expect("chains", holds=sound and link == expected.link)
        findings.found["records"] += size
        findings.faults["records"] += abs(size - expected.size) + (total != expected.total)


def _streamed(server: psycopg.Connection[Any], tenant: str) -> Iterator[tuple[bytes, bytes, bytes]]:
    with server.cursor("streamed") as cursor:
        cursor.itersize = 5000
        yield from cursor.execute(EVIDENCE.format("%s").encode(), (tenant,), binary=True)


def _known_by(findings: Findings, sample: list[Turn], ask: Callable[[str, str, str], object]) -> None:
    """Look for the ids that many traces share: the first version kept none of them."""
    for turn in sample:
        stamp = turn.shared["release"]
        names = {**turn.shared, "base release": stamp.split("+")[0]}
        for kind, name in names.items():
            findings.expect(f"by {kind}", holds=ask(turn.tenant, name, turn.trace_id) is not None)


async def _look_up(
    findings: Findings, sample: list[Turn], opened: Callable[[], Any], *, opening: bool = False
) -> dict[str, float]:
    """Find each trace of the sample by each id of its own, as `customhouse trace` does; time each look-up."""
    database: Database = await opened()
    seconds: list[float] = []
    try:
        for turn in sample:
            for kind, name in turn.own.items():
                started = time.perf_counter()
                places, found = await database.read(lambda tx, name=name: _found(tx, name))
                seconds.append(time.perf_counter() - started)
                right = places[:1] == ((turn.tenant, turn.trace_id),)
                findings.expect(f"by {kind}", holds=right and found.intact and len(found.steps) == 7)
            if opening:
                said = await database.read(lambda tx, turn=turn: _opened(tx, turn))
                findings.expect("payload opens", holds=said == turn.question)
    finally:
        await database.close()
    return {f"p{share}": round(percentile(seconds, share / 100) * 1000, 2) for share in (50, 99)}


def _found(tx: Transaction, name: str) -> tuple[tuple[tuple[str, str], ...], trace.Trace]:
    places = trace.find(tx, name, None)
    tenant, trace_id = places[0] if places else ("", "")
    return places, trace.read(tx, tenant, trace_id)


def _opened(tx: Transaction, turn: Turn) -> bytes:
    tx.act_for(turn.tenant)
    wrapped = tables.wrapped_key(tx, turn.tenant) or b""
    key = TenantKey(turn.tenant, unwrap(ROOT_KEY, turn.tenant, wrapped), SystemClock())
    sealed = tables.payloads_of_trace(tx, turn.tenant, turn.trace_id)
    asked = next(each for each in sealed if each.kind == "request")
    return key.open(turn.trace_id, asked.kind, asked.commitment, asked.sealed)


def main() -> None:
    """Measure and keep the figures; exit 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=RESULTS, prefix="upgrade-") as folder, postgres() as server:
        figures = run(options.records, options.sample, options.seed, Path(folder), server.url)
        figures["server"] = server.settings()
    keep("upgrade", figures)
    print(figures)
    sys.exit(bool(figures["faults"]))


if __name__ == "__main__":
    main()
