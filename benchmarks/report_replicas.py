# SPDX-License-Identifier: Apache-2.0
"""The sections of docs/benchmarks.md on replicas and PostgreSQL: convergence, evidence, traces among millions."""

from typing import Any, Final

from benchmarks.evidence_postgres import TENANTS

_MEASURED: Final = {
    "first_new": "a replica's first answer from the new version",
    "everywhere": "every replica has answered from the new version",
    "last_old": "a replica's last answer from the old one (a turn in flight)",
    "acknowledged": "acknowledged by a replica",
    "waited": "`rollback --wait` returns: every replica has acknowledged",
}
_STORES: Final = {"postgres": "PostgreSQL", "sqlite": "SQLite"}


def convergence_part(kept: dict[str, Any], origin: str) -> str:
    """Return the section on moves that reach every replica."""
    rows = [
        f"| {title} | {kept['ms'][name]['p50']} ms | {kept['ms'][name]['p99']} ms | {kept['ms'][name]['max']} ms |"
        for name, title in _MEASURED.items()
    ]
    promotions, switches = kept["promotions"], kept["switches"]
    return f"""## A move reaches every replica

{origin}

{kept["replicas"]} gateways over one PostgreSQL, {kept["rate"]:g} requests a second over all of them, everything on this
machine. The prompt plane was moved {kept["moves"]} times, rolled back and promoted in turns, through one replica after
the other ({kept["turns"]:,} turns); times count from the moment when the control API had answered.

| after the move | p50 | p99 | worst |
|---|---:|---:|---:|
{chr(10).join(rows)}

| figure | value |
|---|---:|
| turns whose header, evidence and prompt differ; generations with two winners or none | {len(kept["faults"])} |
| concurrent promotions, asked / won | {promotions["asked"]} / {promotions["won"]} |
| concurrent switches, asked / won | {switches["asked"]} / {switches["won"]} |

Half of each crowd named the generation that it saw: one of them won. The others named none: each that found something
to do won a generation of its own, and none was left out.
"""


def evidence_part(kept: dict[str, Any], origin: str) -> str:
    """Return the section on evidence through the sequencer."""
    cpu, server = kept["cpu_us_per_record"], kept["server"]
    spent = " / ".join(f"{cpu[part]}" for part in ("writers", "sequencer", "postgres"))
    append, turn = (f"{kept[f'{of}_ms_p50']} ms / {kept[f'{of}_ms_p99']} ms" for of in ("ack", "turn"))
    return f"""## Evidence on PostgreSQL

{origin}

PostgreSQL {server["server_version"]}, fsync {server["fsync"]}, synchronous_commit {server["synchronous_commit"]}, row
security as every installation has it, payloads encrypted, {TENANTS} tenants. Writers append the records of whole turns
as gateways do; a record counts when the one sequencer has given it its place in the chain.

| figure | value |
|---|---:|
| records placed | {kept["placed"]:,} of {kept["written"]:,} written in {kept["seconds"]} s |
| records a second, written and placed | {kept["written_per_s"]:,} |
| staged and not placed yet, median / most | {kept["backlog_median"]:,} / {kept["backlog_max"]:,} |
| the last one placed after the writers had ended | {kept["drained_after_s"]} s |
| CPU per record: {kept["writers"]} writers / sequencer / PostgreSQL | {spent} µs |
| durable append of a gateway at {kept["ack_turns_per_s"]} turns a second, p50 / p99 | {append} |
| whole turn as its client saw it, p50 / p99 | {turn} |
"""


def scale_part(kept: dict[str, Any], origin: str) -> str:
    """Return the section on traces in one store."""
    asked = {**kept["by_id_ms"], **{f"{kind}, a list of the newest": ms for kind, ms in kept["listed_ms"].items()}}
    rows = [
        f"| {by} | {times['n']:,} | {times['p50']} ms | {times['p99']} ms | {times['max']} ms |"
        for by, times in asked.items()
    ]
    return f"""## Traces among millions of records, on {_STORES[kept["store"]]}

{origin}

{kept["records"]:,} records of {kept["tenants"]} tenants and {kept["days"]} days, {kept["size_gb"]} GB, loaded in bulk
through the record encoder in {kept["load_s"]} s. Each look-up finds a trace by an id, in the logs of all tenants, and
reads and checks its records.

| by | look-ups | p50 | p99 | worst |
|---|---:|---:|---:|---:|
{chr(10).join(rows)}
"""
