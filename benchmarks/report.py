# SPDX-License-Identifier: Apache-2.0
"""Writes docs/benchmarks.md from the kept results: every figure with its machine, date, commit and command.

python -m benchmarks.report
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks import report_dialects, report_replicas
from benchmarks.bench import BURST, CHUNKS, CONNECTIONS, RATE, STEPS_SAMPLE, STREAM_BURST
from benchmarks.measure import RESULTS, ROOT

TARGET: Final = ROOT / "docs" / "benchmarks.md"
HEAD: Final = """# Benchmarks

Written by `make bench`; do not edit. Run it on your own machine: figures of different machines do not compare.
"""
STEP_NAMES: Final = {"total": "whole turn"}


def main() -> None:
    """Write the page from whatever results there are; a section without any stays as it is."""
    before = _sections(TARGET.read_text())
    parts = [HEAD]
    for name, (title, part) in PARTS.items():
        found = _kept(name)
        section = before.get(title) if found is None else part(found)
        if section is not None:
            parts.append(section)
    TARGET.write_text("\n".join(parts))
    print(f"wrote {TARGET.relative_to(ROOT)}")


def turn_part(kept: dict[str, Any]) -> str:
    """Return the section on what a turn costs."""
    plain, streamed, latency, first = kept["plain"], kept["streamed"], kept["latency"], kept["first_byte"]
    names = list(plain)
    rows = [
        ("CPU per request, least of the rounds", [f"{plain[name]['cpu_us_min']} µs" for name in names]),
        ("CPU per request, median of the rounds", [f"{plain[name]['cpu_us_median']} µs" for name in names]),
        ("requests per second, one core", [f"{plain[name]['requests_per_s']:,}" for name in names]),
        (f"CPU per {CHUNKS}-chunk stream, least", [f"{streamed[name]['cpu_us_min']} µs" for name in names]),
        (f"CPU per {CHUNKS}-chunk stream, median", [f"{streamed[name]['cpu_us_median']} µs" for name in names]),
        (f"added latency p50, {RATE} requests/s", [_ms(latency[name]["added_p50_us"]) for name in names]),
        (f"added latency p99, {RATE} requests/s", [_ms(latency[name]["added_p99_us"]) for name in names]),
        ("added time to a stream's first byte p50, 20/s", [_ms(first[name]["added_first_p50_us"]) for name in names]),
        ("added time to a stream's first byte p99, 20/s", [_ms(first[name]["added_first_p99_us"]) for name in names]),
    ]
    memory = [f"| {when} | {size} MB |" for when, size in kept["memory_mb"].items()]
    steps = [f"| {STEP_NAMES.get(name, name)} | {value:g} µs |" for name, value in kept["steps_us"].items()]
    threads = [f"| {name} | {value} µs |" for name, value in kept["threads_us"].items()]
    missing = "" if kept["nginx"] else "\nnginx was not installed where this ran (`apt-get install nginx-light`).\n"
    return f"""## What a turn costs

{_origin(kept, "make bench")}

customhouse does its whole work: key, snapshot, rendered prompt, model selection, tool decision, and evidence that is
durable (SQLite with synchronous=FULL, group commit) before the answer is complete. nginx passes bytes and keeps
nothing: it is the floor of any proxy, different work. CPU is that of the gateway's own process (the scheduler's count,
all threads); the upstream, a small C program, is not counted. Gateway and nginx are pinned to one core, upstream and
load to the other. Bursts of {BURST} requests ({STREAM_BURST} streams) over {CONNECTIONS} connections alternate
between the two.
{missing}
| figure | {" | ".join(names)} |
|---|{"---:|" * len(names)}
{_table(rows)}

### Where the time goes

CPU per request, by thread, in one burst by itself: on a shared machine one burst may cost more than the least of the
rounds above, so the two add up to more; their share is what to read.

| thread | CPU |
|---|---:|
{chr(10).join(threads)}

Median wall time of each step over {STEPS_SAMPLE} requests one after another, from the gateway's own `server-timing`
header. Waiting for the disk and for the upstream is in it, so it does not add up to the CPU time above.

| step | time |
|---|---:|
{chr(10).join(steps)}

### Memory of the gateway process

| when | proportional set size |
|---|---:|
{chr(10).join(memory)}
"""


def decision_part(kept: dict[str, Any]) -> str:
    """Return the section on what a decision costs."""
    return f"""## What a decision on a tool call costs

{_origin(kept, "python -m benchmarks.decision")}

The lists, the tool's JSON Schema, one rule, a sum over an argument and the digest of the call; CPU time of one process,
least of the rounds.

| figure | value | budget |
|---|---:|---:|
| one decision | {kept["cpu_us"]} µs | at most 50 µs |
| with a thousand more tools in the catalogue, each with a schema and a rule | {kept["more_us"]} µs | |
| difference | {kept["more_percent"]:+} % | below 20 % |
"""


def dialects_part(kept: dict[str, Any]) -> str:
    """Return the section on what dialects cost."""
    return report_dialects.dialects_part(kept, _origin(kept, "python -m benchmarks.dialects"))


def rollback_part(kept: dict[str, Any]) -> str:
    """Return the section on rolling back under load."""
    return f"""## Rolling one plane back under load

{_origin(kept, "python -m benchmarks.rollback")}

The prompt plane was moved {kept["moves"]} times, back and forth, under {kept["rate"]} requests a second
({kept["turns"]:,} turns). For every turn three things were compared: the prompt that the upstream was really sent, the
headers of the answer, the evidence.

| figure | value |
|---|---:|
| turns that ran on a mixture, or whose header, evidence and prompt differ | {len(kept["faults"])} |
| first answer from the new version after the control API had answered, p50 | {kept["seen_after_ms_p50"]} ms |
| the same, p99 | {kept["seen_after_ms_p99"]} ms |
| the same, worst | {kept["seen_after_ms_max"]} ms |
"""


def crash_part(kept: dict[str, Any]) -> str:
    """Return the section on kill -9."""
    return f"""## kill -9 under load

{_origin(kept, f"python -m benchmarks.crash --kills {kept['kills']} --seed {kept['seed']}")}

The server was killed at random points under load and started again; a program that shares no code with it read the log.

| figure | value |
|---|---:|
| kills under load | {kept["kills"]} |
| further kills while it was starting | {kept["killed_while_starting"]} |
| answers that clients had received completely | {kept["complete_answers"]:,} |
| of these without complete evidence | {len(kept["faults"])} |
| answers cut off by a kill | {kept["cut_off_answers"]:,} |
| model calls settled as `model.unknown` at the next start | {kept["unknown_calls"]:,} |
| evidence records, chain verified from position 0 | {kept["records"]:,} |
| start until ready, p50 / p99 | {kept["start_s_p50"]} s / {kept["start_s_p99"]} s |
"""


def crash_replicas_part(kept: dict[str, Any]) -> str:
    """Return the section on kill -9 of everything that replicas share."""
    by, refused = kept["by_target"], sum(kept["refused"].values())
    killed = ", ".join(f"{by[name]} {title}" for name, title in _TARGETS.items() if name in by)
    return f"""## kill -9 of replicas, sequencer and PostgreSQL under load

{_origin(kept, f"python -m benchmarks.crash_replicas --kills {kept['kills']} --seed {kept['seed']}")}

Three replicas over one PostgreSQL (fsync on), with clients of an assistant in each failure mode. Killed: {killed};
{kept["long_outages"]} times the database stayed away for longer than a pool tries to connect. A program that shares no
code with the writer read every log; the server itself noted who moved each log's head, in which epoch.

| figure | value |
|---|---:|
| kills | {kept["kills"]} |
| answers that clients had received completely | {kept["complete_answers"]:,} |
| of these with complete evidence | {kept["with_complete_evidence"]:,} |
| of these, through a local spool | {kept["of_these_through_a_spool"]:,} |
| of mode `open`, in a declared gap | {kept["in_declared_gaps"]:,} |
| lost, doubled, out of place, placed by two sequencers, or still open at the end | {len(kept["faults"])} |
| answers refused / cut off by a kill | {refused:,} / {kept["cut_off"]:,} |
| model calls settled as `model.unknown` | {kept["unknown_calls"]:,} |
| gaps declared | {kept["gaps_declared"]:,} |
| terms of the sequencer / batches placed | {kept["terms"]:,} / {kept["placements"]:,} |
| evidence records, chains verified from position 0 | {kept["records"]:,} |
| starts of replicas / of these without a database | {kept["starts"]:,} / {kept["starts_without_a_database"]:,} |
| everything ready and caught up after the last kill | {kept["all_back_s"]} s |
"""


def upgrade_part(kept: dict[str, Any]) -> str:
    """Return the section on the way from the first version's database to PostgreSQL."""
    found, file, server = kept["found"], kept["sqlite_lookup_ms"], kept["postgres_lookup_ms"]
    kinds = [kind.removeprefix("by ") for kind in found if kind.startswith("by ")]
    return f"""## From the first version's database to PostgreSQL

{_origin(kept, f"python -m benchmarks.upgrade --records {kept['records']} --seed {kept['seed']}")}

A database in the schema of the first version ({kept["records"]:,} records of {kept["turns"]:,} turns in four logs,
{kept["payloads"]:,} sealed payloads, {kept["file_mb"]:,} MB) was opened by this version, then moved by
`customhouse migrate`, which itself checks both sides and compares every row. After each step all chains were recomputed
by the standard library alone, and {kept["sample"]:,} traces were looked for by each kind of id: {", ".join(kinds)}.
PostgreSQL {kept["server"]["server_version"]}, fsync {kept["server"]["fsync"]}, shared_buffers
{kept["server"]["shared_buffers"]}.

| figure | value |
|---|---:|
| records lost, added or altered; chains broken; traces or payloads not found | {sum(kept["faults"].values())} |
| bringing the file's schema up to date | {kept["upgrade_s"]} s, {kept["upgrade_mb"]} MB of memory at most |
| moving it, checks included | {kept["migrate_s"]} s, {kept["migrate_mb"]} MB of memory at most |
| finding and reading a trace by an id of its own on SQLite, p50 / p99 | {file["p50"]} / {file["p99"]} ms |
| the same on PostgreSQL | {server["p50"]} / {server["p99"]} ms |
"""


def faults_part(kept: dict[str, Any]) -> str:
    """Return the section on disks that fail."""
    ways = kept["ways"]
    rows = [
        ("faults that came and went", [str(sum(way["seen"].values())) for way in ways.values()]),
        ("of these with a kill -9 in their middle", [str(way["killed"]) for way in ways.values()]),
        ("answers that clients had received completely", [f"{way['complete_answers']:,}" for way in ways.values()]),
        ("of these with complete evidence", [f"{way['with_complete_evidence']:,}" for way in ways.values()]),
        ("of these, through the local spool", [f"{way['of_these_through_a_spool']:,}" for way in ways.values()]),
        ("of mode `open`, in a declared gap", [f"{way['in_declared_gaps']:,}" for way in ways.values()]),
        ("lost, doubled, out of place or still open", [str(len(way["faults"])) for way in ways.values()]),
        ("answers refused", [f"{way['refused']:,}" for way in ways.values()]),
    ]
    missing = [name for name in _WAYS if name not in ways]
    said = "".join(f" Not permitted where this ran: {_WAYS[name]}." for name in missing)
    kinds = "; ".join(f"{_WAYS[name]}: {', '.join(sorted(way['seen']))}" for name, way in ways.items())
    return f"""## Disks that fail

{_origin(kept, f"python -m benchmarks.faults --rounds {kept['rounds']} --seed {kept['seed']}")}

A whole server on SQLite, with clients of an assistant in each failure mode; after each fault it came back by itself.
{kinds}.{said}

| figure | {" | ".join(_WAYS[name] for name in ways)} |
|---|{"---:|" * len(ways)}
{_table(rows)}
"""


_WAYS: Final = {
    "layer": "a layer under SQLite and spool",
    "strace": "system calls made to fail by strace",
    "tmpfs": "a small file system that is full",
}
_TARGETS: Final = {
    "gateway": "times a replica",
    "sequencer": "times the one that leads",
    "starting": "times one that was starting",
    "stopping": "times one that was stopping",
    "draining": "times one whose spool was joining the ledger",
    "postmaster": "times PostgreSQL's first process",
    "machine": "times all of its processes",
    "backend": "times one backend",
}


def convergence_part(kept: dict[str, Any]) -> str:
    """Return the section on moves that reach every replica."""
    return report_replicas.convergence_part(kept, _origin(kept, "python -m benchmarks.convergence"))


def evidence_part(kept: dict[str, Any]) -> str:
    """Return the section on evidence on PostgreSQL."""
    return report_replicas.evidence_part(kept, _origin(kept, "python -m benchmarks.evidence_postgres"))


def scale_part(kept: dict[str, Any]) -> str:
    """Return the section on traces among many records."""
    command = f"make bench-scale STORE={kept['store']} RECORDS={kept['records_asked']}"
    return report_replicas.scale_part(kept, _origin(kept, command))


PARTS: Final[Mapping[str, tuple[str, Callable[[dict[str, Any]], str]]]] = {
    "bench": ("What a turn costs", turn_part),
    "decision": ("What a decision on a tool call costs", decision_part),
    "dialects": ("What translation costs", dialects_part),
    "rollback": ("Rolling one plane back under load", rollback_part),
    "crash": ("kill -9 under load", crash_part),
    "crash_replicas": ("kill -9 of replicas, sequencer and PostgreSQL under load", crash_replicas_part),
    "upgrade": ("From the first version's database to PostgreSQL", upgrade_part),
    "faults": ("Disks that fail", faults_part),
    "convergence": ("A move reaches every replica", convergence_part),
    "evidence_postgres": ("Evidence on PostgreSQL", evidence_part),
    "trace_at_scale_postgres": ("Traces among millions of records, on PostgreSQL", scale_part),
    "trace_at_scale_sqlite": ("Traces among millions of records, on SQLite", scale_part),
}


def _sections(page: str) -> dict[str, str]:
    """Return the sections of a page by their titles, each as it stands there."""
    _, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    return {section.partition("\n")[0]: f"## {section.rstrip()}\n" for section in sections}


def _origin(kept: dict[str, Any], command: str) -> str:
    load = f"; load average at the end {kept['load']}" if "load" in kept else ""
    return f"{kept['machine']}{load}; {kept['system']}; {kept['date']}; commit {kept['commit']}; `{command}`"


def _table(rows: list[tuple[str, list[str]]]) -> str:
    return "\n".join(f"| {title} | {' | '.join(values)} |" for title, values in rows)


def _ms(microseconds: float) -> str:
    return f"{microseconds / 1000:.2f} ms"


def _kept(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


if __name__ == "__main__":
    main()
