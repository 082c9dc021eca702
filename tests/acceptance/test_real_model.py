# SPDX-License-Identifier: Apache-2.0
"""The main job on real input: the openai SDK and a bare curl against the local model, and one plane rolled back alone.

Asserts wire facts and evidence, not wit: the model has 135 million parameters.
"""

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from tests.cli.test_up import free_port, manifest_with_model_at, run, up

BOT = "customer_support_bot"
WEIGHTS = "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
EMBEDDING_WEIGHTS = "sha256:8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
PLANES = ("model", "prompt", "tools", "retrieval", "safety")


def versions(folder: Path, trace_id: str) -> dict[str, str]:
    """Return the five digests that a turn ran under, from its evidence."""
    found: dict[str, Any] = json.loads(run(folder, "trace", trace_id, "--json").stdout)
    return found["steps"][0]["record"]["versions"]


@pytest.mark.model
@pytest.mark.timeout(300)
def test_the_sdk_and_curl_get_answers_and_one_plane_rolls_back_alone(tmp_path: Path) -> None:
    manifest_with_model_at(tmp_path, f"127.0.0.1:{free_port()}")
    with up(tmp_path) as (port, _):
        key = (tmp_path / ".customhouse" / "dev-key").read_text().strip()
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=120) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=BOT, messages=[{"role": "user", "content": "Say hello."}], max_tokens=16
            )
            answer = raw.parse()
            assert answer.choices[0].message.content
            assert answer.usage is not None
            assert answer.usage.completion_tokens <= 16
            assert answer.model == "smollm2-135m"
            before = versions(tmp_path, raw.headers["customhouse-trace-id"])
            with client.chat.completions.create(
                model=BOT, messages=[{"role": "user", "content": "Say hello."}], max_tokens=16, stream=True
            ) as stream:
                chunks = list(stream)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            assert chunks[-1].choices[0].finish_reason in {"stop", "length"}
        assert curl(port, key, stream=False)["choices"][0]["message"]["content"]
        assert curl(port, key, stream=True)["customhouse"]["deployment"] == "local/small-chat"
        rolled = run(tmp_path, "rollback", BOT, "--plane", "prompt", "--environment", "dev", "--reason", "test")
        assert rolled.returncode == 0, rolled.stderr
        receipt = curl(port, key, stream=False)["customhouse"]
        while receipt["release"] == f"{BOT}@2":  # a server sees the move at its next look, within a second
            receipt = curl(port, key, stream=False)["customhouse"]
        assert receipt["release"] == f"{BOT}@2+prompt@1"
        after = versions(tmp_path, receipt["trace_id"])
        assert [plane for plane in PLANES if before[plane] != after[plane]] == ["prompt"]
        assert WEIGHTS in run(tmp_path, "trace", receipt["trace_id"]).stdout


@pytest.mark.model
@pytest.mark.timeout(300)
def test_texts_are_embedded_by_the_real_model_and_its_weights_are_in_the_trace(tmp_path: Path) -> None:
    manifest_with_model_at(tmp_path, f"127.0.0.1:{free_port()}")
    with up(tmp_path) as (port, _):
        key = (tmp_path / ".customhouse" / "dev-key").read_text().strip()
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0, timeout=120) as client:
            texts = ["Where is my order?", "When will my package arrive?", "The replica's disk is full."]
            raw = client.embeddings.with_raw_response.create(model=BOT, input=texts)
            answer = raw.parse()
            plain = client.embeddings.create(model=BOT, input=texts, encoding_format="float", dimensions=384)
            order, package, disk = (each.embedding for each in answer.data)
            assert answer.model == "all-minilm-l6-v2-int8"
            assert answer.usage.prompt_tokens > len(texts)
            assert [each.embedding for each in plain.data] == [order, package, disk], "to the last bit"
            assert cosine(order, package) > 0.4
            assert cosine(order, disk) < 0.2
            with pytest.raises(BadRequestError, match="at most 256 accepted"):
                client.embeddings.create(model=BOT, input=["fine", "word " * 400])
        shown = run(tmp_path, "trace", raw.headers["customhouse-trace-id"]).stdout
        assert EMBEDDING_WEIGHTS in shown
        assert "local-embed/mini-embed" in shown


def cosine(one: list[float], other: list[float]) -> float:
    """Return how near two vectors of length 1 are."""
    return sum(each * its for each, its in zip(one, other, strict=True))


def curl(port: int, key: str, *, stream: bool) -> dict[str, Any]:
    """Ask with a bare curl (the standard library where a machine has none); return the answer, or the last event."""
    body = {"model": BOT, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8, "stream": stream}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    program = shutil.which("curl")
    if program is None:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as response:
            said = response.read().decode()
    else:
        shown = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        command = [program, "-sSN", url, *shown, "-d", json.dumps(body)]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    if not stream:
        return json.loads(said)
    events = [line.removeprefix("data: ") for line in said.splitlines() if line]
    assert events[-1] == "[DONE]"
    return json.loads(events[-2])
