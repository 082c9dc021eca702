# SPDX-License-Identifier: Apache-2.0
"""How things are measured: CPU time and memory of a process tree from /proc, bursts of load, the machine's description.

CPU time is the scheduler's own count in ns for every thread (/proc/PID/task/TID/schedstat), so other programs on the
machine do not add to it, though they disturb caches. Memory is the proportional set size: shared pages count once.
"""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = ROOT / "benchmarks" / "bin"
RESULTS: Final = ROOT / "benchmarks" / "results"
LOAD_CORE: Final = "0"
GATEWAY_CORE: Final = "1"


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = list[int](), [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += children.get(one, [])
    return found


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process tree so far. Threads that have ended are not in it."""
    return sum(cpu_ns_of(process) for process in tree(pid))


def cpu_ns_of(pid: int) -> int:
    """Return the CPU time of one process so far, 0 when it is gone."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(thread.read_text().split()[0])
        except OSError:
            continue
    return total


def cpu_ns_of_main(pid: int) -> int:
    """Return the CPU time of a process's first thread, which runs the event loop; the others serve the store."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0])


def memory_mb(pid: int) -> float:
    """Return the proportional set size of a process tree."""
    total_kb = 0
    for process in tree(pid):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total_kb += int(line.split()[1])
    return total_kb / 1024


def load(
    port: int, body: Path, *options: str, headers: tuple[str, ...] = (), path: str = "/v1/chat/completions"
) -> dict[str, Any]:
    """Run the load generator on its core and return what it saw."""
    named = [part for header in headers for part in ("-H", header)]
    command = [*pinned(LOAD_CORE), str(BIN / "load"), "-p", str(port), "-u", path, "-b", str(body)]
    done = subprocess.run([*command, *named, *options], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def pinned(core: str) -> list[str]:
    """Return the command prefix that pins a program to a core; empty on a machine with one core."""
    return ["taskset", "-c", core] if len(os.sched_getaffinity(0)) > 1 else []


def percentile(values: list[float], share: float) -> float:
    """Return a percentile of unsorted values, nearest rank."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def machine() -> dict[str, str]:
    """Return what a reader needs to judge the figures."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor() or platform.machine(),
    )
    memory_kb = int(Path("/proc/meminfo").read_text().split()[1])
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores of {model}, {memory_kb / 1048576:.0f} GB",
        "system": f"Linux {platform.release()}, Python {platform.python_version()}",
        "load": f"{os.getloadavg()[0]:.0f}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _git("rev-parse", "--short", "HEAD")
        + (" with changes" if _git("status", "--porcelain", "src") else ""),
    }


def keep(name: str, values: dict[str, Any]) -> None:
    """Keep a benchmark's results for the report."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({**machine(), **values}, indent=1))


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
        ).stdout.strip()
    except FileNotFoundError:
        return "unknown"
