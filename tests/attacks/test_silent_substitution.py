# SPDX-License-Identifier: Apache-2.0
"""A provider that silently answers with another model, or from another build, is seen: in evidence, trace and metrics.

It is not refused: the name is the provider's own word, and an answer under a wrong name may still be the right one. But
nobody has to notice it by taste.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.cli.test_trace import trace
from tests.gateway.running import documents, running
from tests.telemetry.scrape import scrape
from tests.upstream.replies import TEXT, chunk, completion
from tests.upstream.server import scripted_upstream
from tests.upstream.wire import (
    DONE,
    END_OF_CHUNKS,
    Received,
    Reply,
    Step,
    as_json,
    event,
    event_stream_head,
    piece,
    whole,
)

METRIC = "customhouse_model_changes_total"


def saying(model: str, fingerprint: str) -> Reply:
    """Answer well, under this name."""
    said: dict[str, Any] = {"model": model, "system_fingerprint": fingerprint}

    def reply(request: Received) -> Iterator[Step]:
        if not request.streamed:
            yield whole(200, as_json({**completion({"content": TEXT}, "stop", request), **said}))
            return
        yield event_stream_head()
        yield piece(event({**chunk({"role": "assistant", "content": TEXT}, request), **said}))
        yield piece(event({**chunk({}, request, "stop"), **said}))
        yield piece(DONE)
        yield END_OF_CHUNKS

    return reply


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_another_model_is_seen(home: Path, *, stream: bool) -> None:
    honest, cheaper = saying("answer-2026-01-01", "fp_1"), saying("answer-mini", "fp_2")
    with scripted_upstream(honest, cheaper) as upstream, running(home, documents(upstream.base_url)) as gateway:
        details = []
        for _ in range(2):
            answer = gateway.chat(stream=stream)
            assert answer.text.strip() == TEXT, "it says, and does not refuse"
            records = gateway.records(answer.headers["customhouse-trace-id"])
            details.append(next(each["detail"] for each in records if each["kind"] == "model.answered"))
        assert details == [
            {"finish_reason": "stop"},
            {"finish_reason": "stop", "substituted": True, "fingerprint_changed": "fp_1"},
        ]
        told = " ".join(trace(gateway, "--last").split())
        assert "SUBSTITUTED: asked for answer, and answer-mini answered" in told
        assert "fingerprint changed: the answer before had fp_1" in told
        assert scrape(gateway).series(METRIC) == {("local/answer", "model"): 1, ("local/answer", "fingerprint"): 1}


def test_a_name_as_long_as_a_book_breaks_no_record(home: Path) -> None:
    names = (saying("x" * 100_000, "a" * 100_000), saying("y" * 100_000, "b" * 100_000))
    with scripted_upstream(*names) as upstream, running(home, documents(upstream.base_url)) as gateway:
        assert gateway.chat().status == 200
        answer = gateway.chat()
        assert answer.status == 200
        records = gateway.records(answer.headers["customhouse-trace-id"])
        assert max(len(msgspec.json.encode(each)) for each in records) < 8192
