# SPDX-License-Identifier: Apache-2.0
"""Mallory has a provider's server read a file of its own for her: a picture whose address is a path there."""

import json
from pathlib import Path
from typing import Any, Final

from tests.gateway.running import BOT, documents, running
from tests.upstream.server import scripted_upstream

FILE: Final = "file:///etc/passwd"
PICTURE: Final[dict[str, Any]] = {"type": "image", "source": {"type": "url", "url": FILE}}
ASKED: Final[list[tuple[str, dict[str, Any]]]] = [
    (
        "/v1/chat/completions",
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": FILE}}]}]},
    ),
    ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": FILE}]}]}),
    ("/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": [PICTURE]}]}),
    ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": [PICTURE]}]}),
]


def test_a_provider_is_sent_to_no_file(home: Path) -> None:
    with scripted_upstream() as upstream, running(home, documents(upstream.base_url)) as gateway:
        for path, body in ASKED:
            sent = json.dumps({"model": BOT, **body}).encode()
            answer = gateway.request("POST", path, sent, {"authorization": f"Bearer {gateway.key}"})
            assert (answer.status, answer.json["error"]["code"]) == (400, "request.field_not_allowed"), path
            (record,) = gateway.records(answer.headers["customhouse-trace-id"])
            assert (record["kind"], record["outcome"]) == ("request.refused", "refused")
        assert not upstream.requests
