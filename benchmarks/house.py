# SPDX-License-Identifier: Apache-2.0
"""A gateway to measure: a real home with a signed release whose provider is a given upstream, and `customhouse serve`.

Everything goes the way a person would go: the release and the key through the control API, the server as its own
process. Nothing is switched off: evidence is durable (SQLite with synchronous=FULL, PostgreSQL with fsync) before each
answer is complete.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import RESULTS, ROOT

from customhouse.cli.client import Client, Local
from customhouse.settings import Settings

ASSISTANT: Final = "bench_bot"
CUSTOMHOUSE: Final = Path(sys.executable).with_name("customhouse")
READY_LIMIT_S: Final = 60
STOP_LIMIT_S: Final = 40
PROMPT: Final = "You answer customers of a shop. Say one short, friendly sentence. Never promise a refund."


@dataclass(frozen=True, slots=True)
class House:
    """A furnished home: where it is, the port its server uses, and a data-plane key for the assistant in dev.

    `database` is PostgreSQL's URL where replicas share one, with the directory of their `keys`; empty is SQLite.
    """

    home: Path
    port: int
    key: str
    database: str = ""
    keys: str = ""

    @property
    def url(self) -> str:
        """Return the address of the data plane."""
        return f"http://127.0.0.1:{self.port}"

    def control(self) -> Client:
        """Return a client of the control API that opens the store itself, as `customhouse --local` does."""
        return Client(Local(self.settings))

    @property
    def settings(self) -> Settings:
        """Return the settings of whoever opens this store."""
        return Settings(home=str(self.home), database=self.database, keys=self.keys, port=self.port)

    def beside(self, number: int) -> "House":
        """Return the house of one more replica over the same database: a home and a port of its own, the same keys."""
        home = self.home / f"replica-{number}"
        home.mkdir()
        return replace(self, home=home, port=free_port())


@contextmanager
def house(
    upstream_url: str, prompts: Sequence[str] = (PROMPT,), parent: Path = RESULTS, database: str = ""
) -> Generator[House]:
    """Make a home on disk (never in a memory file system: fsync is part of the measurement), one release a prompt."""
    parent.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="home-", dir=parent))
    try:
        empty = House(home, free_port(), "", database, str(home / "keys"))
        yield replace(empty, key=_furnish(empty.control(), upstream_url, prompts))
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def serving(furnished: House, prefix: Sequence[str] = ()) -> Generator[subprocess.Popen[bytes]]:
    """Run `customhouse serve` until the block ends; `prefix` pins it to a core."""
    process = start(furnished, prefix)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start(
    furnished: House, prefix: Sequence[str] = (), settings: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start `customhouse serve` and return when it is ready; its log is `serve.log` in the home.

    `settings` are further variables, named without their prefix: {"STALE_TOOLS_S": "2"}.
    """
    own = {
        "HOME": str(furnished.home),
        "PORT": str(furnished.port),
        "DATABASE": furnished.database,
        "KEYS": furnished.keys,
        **(settings or {}),
    }
    environment = {**os.environ, **{f"CUSTOMHOUSE_{name}": value for name, value in own.items()}}
    with (furnished.home / "serve.log").open("ab") as log:
        command = [*prefix, str(CUSTOMHOUSE), "serve"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    wait_ready(furnished, process)
    return process


def wait_ready(furnished: House, process: subprocess.Popen[bytes]) -> None:
    """Return when the server is ready; kill it and raise with the end of its log when it is not in time."""
    deadline = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        if _ready(furnished):
            return
        time.sleep(0.02)
    process.kill()
    process.wait()
    log_text = (furnished.home / "serve.log").read_text(errors="replace")
    raise RuntimeError(f"customhouse serve was not ready; its log ends: {log_text[-2000:]}")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def assistant_key(furnished: House, upstream_url: str, assistant: str, dialect: str) -> str:
    """Release one more assistant, whose provider speaks `dialect`, and return a key for it in dev."""
    control = furnished.control()
    try:
        control.call("POST", "/api/v1/releases", _release(upstream_url, PROMPT, dialect, assistant, dialect))
        return _key(control, assistant)
    finally:
        control.close()


def documents(upstream_url: str, prompt: str, dialect: str = "openai_chat") -> dict[str, Any]:
    """Return the five documents of an assistant that asks a given upstream."""
    deployment = {
        "name": "bench-chat",
        "provider": "bench",
        "model": "bench-model",
        "dialect": dialect,
        "base_url": upstream_url,
        "posture": "self_hosted",
        "accepts": "restricted",
        "features": ["tools"],
    }
    return {
        "model": {
            "deployments": {"bench-chat": deployment},
            "route": [{"use": ["bench-chat"]}],
            "posture": {"use": "self_hosted"},
            "parameters": {"temperature": "0.2"},
        },
        "prompt": {"template": prompt, "source": "prompts/bench.md"},
        "tools": {
            "grants": {
                "get_order_status": {"permission": "allow", "effect": "read"},
                "issue_refund": {"permission": "approve", "effect": "irreversible"},
            }
        },
        "retrieval": {},
        "safety": {"name": "default", "input_classification": "internal"},
    }


def _ready(furnished: House) -> bool:
    try:
        with urllib.request.urlopen(f"{furnished.url}/readyz", timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _furnish(control: Client, upstream_url: str, prompts: Sequence[str]) -> str:
    try:
        for number, prompt in enumerate(prompts, 1):
            control.call("POST", "/api/v1/releases", _release(upstream_url, prompt, f"benchmark release {number}"))
        return _key(control, ASSISTANT)
    finally:
        control.close()


def _key(control: Client, assistant: str) -> str:
    made = control.call("POST", "/api/v1/keys", {"assistant": assistant, "environment": "dev", "note": "benchmark"})
    if not isinstance(made, dict):
        raise TypeError("the control API answered no key")
    return str(made["token"])  # pyright: ignore[reportUnknownArgumentType] - plain data from the API


def _release(
    upstream_url: str, prompt: str, notes: str, assistant: str = ASSISTANT, dialect: str = "openai_chat"
) -> dict[str, Any]:
    return {
        "assistant": assistant,
        "documents": documents(upstream_url, prompt, dialect),
        "charter": {"owner": "dana@acme.test", "on_call": "bench", "fallback": "Please try again later."},
        "notes": notes,
        "git_commit": None,
        "environment": "dev",
    }
