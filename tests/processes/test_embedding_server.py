# SPDX-License-Identifier: Apache-2.0
"""The embedding server on its socket, asked by the openai SDK and by clients that send what they should not."""

import asyncio
import base64
import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from openai import OpenAI
from tests.processes.embedding import ALIAS, DIMENSIONS, child, served

from customhouse.domain.errors import ProcessFailed
from customhouse.processes.embedding_server import MAX_BODY_BYTES, MAX_INPUTS, MAX_REQUEST_TOKENS
from customhouse.processes.supervise import supervised

pytestmark = [pytest.mark.model, pytest.mark.slow]


class Answered(NamedTuple):
    """A status and a body."""

    status: int
    body: dict[str, Any]


def post(port: int, body: object) -> Answered:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request("POST", "/v1/embeddings", content, {"content-type": "application/json"})
    response = connection.getresponse()
    answered = Answered(response.status, json.loads(response.read()))
    connection.close()
    return answered


def with_server(folder: Path, block: Callable[[int], None]) -> None:
    async def main() -> None:
        async with served(folder) as port:
            await asyncio.to_thread(block, port)

    asyncio.run(main())


REFUSED: tuple[tuple[dict[str, Any] | bytes, int, str | None, str], ...] = (
    ({"input": ["a", "b " * 300]}, 400, "input[1]", "a text that is too long"),
    ({"input": "b " * 300}, 400, "input", "one text that is too long"),
    ({"input": ["fine", ""]}, 400, "input[1]", "an empty text"),
    ({"input": []}, 400, "input", "no text"),
    ({"input": ["a"] * (MAX_INPUTS + 1)}, 400, "input", "too many texts"),
    ({"input": ["w " * 250] * (MAX_REQUEST_TOKENS // 250)}, 400, "input", "too many tokens together"),
    ({"input": [1, 2]}, 400, None, "tokens of another tokenizer"),
    ({"input": "a", "model": "gpt"}, 404, "model", "another model"),
    ({"input": "a", "dimensions": 12}, 400, "dimensions", "other dimensions"),
    ({"input": "a", "encoding_format": "hex"}, 400, None, "another encoding"),
    ({"input": "a", "truncate": True}, 400, None, "a field that would cut"),
    (b"{", 400, None, "no JSON"),
    (b"x" * (MAX_BODY_BYTES + 1), 413, None, "a body that is too large"),
)


def test_speaks_the_sdks_format_and_refuses_what_it_would_have_to_cut(tmp_path: Path) -> None:
    def block(port: int) -> None:
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
            texts = ["Where is my order?", "hello"]
            packed = client.embeddings.create(model=ALIAS, input=texts)  # the SDK asks for base64 by itself
            plain = client.embeddings.create(
                model=ALIAS, input=texts[0], encoding_format="float", dimensions=DIMENSIONS
            )
        assert [each.index for each in packed.data] == [0, 1]
        assert packed.data[0].embedding == plain.data[0].embedding
        assert len(plain.data[0].embedding) == DIMENSIONS
        assert packed.usage.prompt_tokens == 7 + 3, "two marks and the words of each"
        raw = post(port, {"input": texts[0], "model": ALIAS, "encoding_format": "base64"}).body["data"][0]["embedding"]
        unpacked = np.frombuffer(base64.b64decode(raw), "<f4").tolist()
        assert unpacked == plain.data[0].embedding
        for body, status, param, why in REFUSED:
            asked = {"model": ALIAS, **body} if isinstance(body, dict) else body
            answered = post(port, asked)
            assert answered.status == status, (why, answered)
            assert answered.body["error"]["param"] == param, why
            assert answered.body["error"]["message"], why

    with_server(tmp_path, block)


def test_weights_of_another_digest_are_not_served(tmp_path: Path) -> None:
    async def main() -> None:
        async with supervised(child(tmp_path, digest="sha256:" + "0" * 64), print):
            pytest.fail("the block must not begin")

    with pytest.raises(ProcessFailed, match="was not started"):
        asyncio.run(main())
