# SPDX-License-Identifier: Apache-2.0
"""What a provider is asked to fetch, read by each dialect from wherever an address may stand."""

import json
from typing import Any, Final

import pytest

from customhouse.dialects import client, link
from customhouse.domain.errors import FieldNotAllowed

Json = dict[str, Any]
WEB: Final = ["https://acme.test/a.png", "HTTP://acme.test/a", "data:image/svg+xml,<svg/>"]
OTHERS: Final = [
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "gs://acme/a.png",
    "s3://acme/a.png",
    "ftp://acme.test/a",
    "/etc/passwd",
    " file:///etc/passwd",
    "https:file",
]


def chat(url: str) -> Json:
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}


def responses(**part: str) -> Json:
    return {"input": [{"role": "user", "content": [part]}]}


def anthropic(block: Json) -> Json:
    return {"max_tokens": 1, "messages": [{"role": "user", "content": [block]}]}


def picture(url: str) -> Json:
    return {"type": "image", "source": {"type": "url", "url": url}}


def places(url: str) -> list[tuple[str, Json, str]]:
    output = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": url}]}
    result = {"type": "tool_result", "tool_use_id": "c", "content": [picture(url)]}
    blocks = {"type": "document", "source": {"type": "content", "content": [picture(url)]}}
    pdf = {"type": "document", "source": {"type": "url", "url": url}}
    return [
        ("/v1/chat/completions", chat(url), "messages.0.content"),
        ("/v1/responses", responses(type="input_image", image_url=url), "input.0.content"),
        ("/v1/responses", responses(type="input_file", file_url=url), "input.0.content"),
        ("/v1/responses", {"input": [output]}, "input.0.content"),
        *(("/v1/messages", anthropic(block), "messages.0.content") for block in (picture(url), result, blocks, pdf)),
    ]


@pytest.mark.parametrize("url", WEB)
def test_the_web_may_be_fetched(url: str) -> None:
    for path, asked, _ in places(url):
        link.refuse_others(client.CLIENTS[path].read(json.dumps({"model": "s", **asked}).encode()).messages)


@pytest.mark.parametrize("url", OTHERS)
def test_nothing_else_may(url: str) -> None:
    for path, asked, place in places(url):
        messages = client.CLIENTS[path].read(json.dumps({"model": "s", **asked}).encode()).messages
        with pytest.raises(FieldNotAllowed) as caught:
            link.refuse_others(messages)
        assert caught.value.param == place
