# SPDX-License-Identifier: Apache-2.0
"""What a turn costs: CPU per request, added latency, memory, beside nginx as a plain proxy in the same run.

    make bench        or: python -m benchmarks.bench [--rounds 5] [--seconds 4] [--total 20000]

The gateway and nginx are pinned to core 1; upstream (upstream.c) and load (load.c) share core 0. Bursts of the two
alternate, so that what disturbs one disturbs the other. The gateway does its whole work: key, snapshot, prompt, model
selection, tool decision, and evidence that is durable (fsync, group commit) before the answer is complete. nginx only
passes bytes: it is the floor, not a peer.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.house import ASSISTANT, House, free_port, house, serving
from benchmarks.measure import (
    BIN,
    GATEWAY_CORE,
    LOAD_CORE,
    RESULTS,
    cpu_ns,
    cpu_ns_of_main,
    keep,
    load,
    memory_mb,
    pinned,
)

QUESTION: Final = "Hello, I ordered a blue kettle on Monday. When will it arrive, and can I still change the address?"
BURST: Final = 1500
STREAM_BURST: Final = 300
CONNECTIONS: Final = 16
CHUNKS: Final = 50
RATE: Final = 100
STEPS_SAMPLE: Final = 300

NGINX: Final = """daemon off; worker_processes 1; error_log {log} error; pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 1000000;
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load: its process to measure (None for the upstream itself), port and headers."""

    name: str
    port: int
    pid: int | None
    headers: tuple[str, ...] = ()


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="of each open-loop run")
    parser.add_argument("--total", type=int, default=20000, help="requests before memory is read again")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream_port = free_port()
        stack.enter_context(program([*pinned(LOAD_CORE), str(BIN / "upstream"), str(upstream_port), str(CHUNKS)]))
        furnished = stack.enter_context(house(f"http://127.0.0.1:{upstream_port}/v1"))
        server = stack.enter_context(serving(furnished, pinned(GATEWAY_CORE)))
        body, stream_body = folder / "body.json", folder / "stream.json"
        asked = {"model": ASSISTANT, "messages": [{"role": "user", "content": QUESTION}]}
        body.write_text(json.dumps(asked))
        stream_body.write_text(json.dumps({**asked, "stream": True}))
        ours = Target("customhouse", furnished.port, server.pid, (f"authorization: Bearer {furnished.key}",))
        idle_mb = memory_mb(server.pid)
        targets = [ours]
        if (nginx := start_nginx(stack, upstream_port)) is not None:
            targets.append(nginx)
        direct = Target("direct", upstream_port, None)
        for target in targets:
            load(target.port, body, "-c", str(CONNECTIONS), "-n", "1000", headers=target.headers)
            load(target.port, stream_body, "-c", str(CONNECTIONS), "-n", "100", headers=target.headers)
        plain = cpu_rounds(targets, body, BURST, options.rounds)
        streamed = cpu_rounds(targets, stream_body, STREAM_BURST, options.rounds)
        latency = latency_rounds([direct, *targets], body, options.seconds)
        first = latency_rounds([direct, *targets], stream_body, options.seconds, rate=20)
        steps = steps_of(furnished, asked)
        threads = threads_of(ours, body)
        fill(ours, body, options.total)
        after_mb = memory_mb(server.pid)
    keep(
        "bench",
        {
            "plain": plain,
            "streamed": streamed,
            "latency": latency,
            "first_byte": first,
            "steps_us": steps,
            "threads_us": threads,
            "memory_mb": {"idle": round(idle_mb, 1), f"after {options.total} requests": round(after_mb, 1)},
            "nginx": len(targets) > 1,
        },
    )
    print((RESULTS / "bench.json").read_text())


def cpu_rounds(targets: list[Target], body: Path, requests: int, rounds: int) -> dict[str, Any]:
    """Alternate closed-loop bursts and return CPU per request of each target, the least disturbed and the median."""
    spent: dict[str, list[float]] = {target.name: [] for target in targets}
    rate: dict[str, list[float]] = {target.name: [] for target in targets}
    for _ in range(rounds):
        for target in targets:
            assert target.pid is not None  # noqa: S101 - only servers that can be measured are passed
            before = cpu_ns(target.pid)
            seen = load(
                target.port, body, "-c", str(CONNECTIONS), "-n", str(requests), "-d", "120", headers=target.headers
            )
            used = cpu_ns(target.pid) - before
            require_good(target.name, seen)
            spent[target.name].append(used / 1000 / seen["ok"])
            rate[target.name].append(seen["rps"])
    return {
        name: {
            "cpu_us_min": round(min(values), 1),
            "cpu_us_median": round(statistics.median(values), 1),
            "requests_per_s": round(max(rate[name])),
        }
        for name, values in spent.items()
    }


def latency_rounds(targets: list[Target], body: Path, seconds: float, rate: int = RATE) -> dict[str, Any]:
    """Return open-loop latency of each target at the same rate, with what it adds to asking the upstream itself."""
    seen: dict[str, list[dict[str, Any]]] = {target.name: [] for target in targets}
    for _ in range(3):
        for target in targets:
            options = ("-c", "32", "-r", str(rate), "-w", "1", "-d", str(seconds / 3))
            answer = load(target.port, body, *options, headers=target.headers)
            require_good(target.name, answer)
            seen[target.name].append(answer)
    figures = ("p50_us", "p99_us", "first_p50_us", "first_p99_us")
    medians = {
        name: {key: statistics.median(one[key] for one in runs) for key in figures} for name, runs in seen.items()
    }
    floor = medians["direct"]
    return {
        name: {**values, **{f"added_{key}": values[key] - floor[key] for key in figures}}
        for name, values in medians.items()
    }


def steps_of(furnished: House, asked: dict[str, Any]) -> dict[str, float]:
    """Return the median wall time of each step of a turn, as the gateway's own `server-timing` header tells it."""
    seen: dict[str, list[float]] = {}
    headers = {"authorization": f"Bearer {furnished.key}", "content-type": "application/json"}
    for _ in range(STEPS_SAMPLE):
        request = urllib.request.Request(f"{furnished.url}/v1/chat/completions", json.dumps(asked).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            response.read()
            for name, duration_ms in re.findall(r"([\w-]+);dur=([\d.]+)", response.headers.get("server-timing", "")):
                seen.setdefault(name, []).append(float(duration_ms) * 1000)
    return {name: round(statistics.median(values), 1) for name, values in seen.items()}


def threads_of(target: Target, body: Path) -> dict[str, float]:
    """Return CPU per request of the event loop's thread and of the store's threads together, in one burst."""
    assert target.pid is not None  # noqa: S101 - the gateway is a server that can be measured
    all_before, main_before = cpu_ns(target.pid), cpu_ns_of_main(target.pid)
    seen = load(target.port, body, "-c", str(CONNECTIONS), "-n", str(BURST), "-d", "120", headers=target.headers)
    require_good(target.name, seen)
    main_us = (cpu_ns_of_main(target.pid) - main_before) / 1000 / seen["ok"]
    all_us = (cpu_ns(target.pid) - all_before) / 1000 / seen["ok"]
    return {
        "event loop: HTTP, turn, upstream client": round(main_us, 1),
        "store: SQL, hashing the chain, fsync": round(all_us - main_us, 1),
    }


def fill(target: Target, body: Path, total: int) -> None:
    """Send so many requests, for the memory that is left afterwards."""
    require_good(
        target.name, load(target.port, body, "-c", "16", "-n", str(total), "-d", "600", headers=target.headers)
    )


def require_good(name: str, seen: dict[str, Any]) -> None:
    """Refuse to publish figures of a run that was not all good answers."""
    if seen["bad"] or not seen["ok"]:
        raise RuntimeError(f"{name}: {seen['bad']} bad answers of {seen['ok'] + seen['bad']}: {seen['problem']}")


def start_nginx(stack: ExitStack, upstream_port: int) -> Target | None:
    """Start nginx as a plain proxy when the machine has it (Debian: apt-get install nginx-light)."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        print("nginx is not installed (apt-get install nginx-light): its column will be missing")
        return None
    folder, port = Path(stack.enter_context(tempfile.TemporaryDirectory())), free_port()
    settings = NGINX.format(folder=folder, log=folder / "error.log", port=port, upstream=upstream_port)
    (folder / "nginx.conf").write_text(settings)
    process = stack.enter_context(program([*pinned(GATEWAY_CORE), found, "-c", str(folder / "nginx.conf")]))
    until(lambda: answers(port))
    return Target("nginx", port, process.pid)


@contextmanager
def program(command: list[str]) -> Generator[subprocess.Popen[bytes]]:
    """Run a program until the block ends."""
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Return whether something answers on this port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
            return True
    except OSError:
        return False


def until(true: Callable[[], bool], limit_s: float = 10) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("a program of the benchmark did not start")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
