# SPDX-License-Identifier: Apache-2.0
"""What a real server said (tests/golden/wire/llama-cpp, each naming its source): read whole, and however it is cut."""

import json
from pathlib import Path
from typing import Final

import pytest

from customhouse.dialects.anthropic import upstream_answer as dialect
from customhouse.dialects.anthropic.upstream_stream import Collector
from customhouse.dialects.sse import EventReader
from customhouse.domain.answer import Answer

WIRE: Final = Path(__file__).parent.parent.parent / "golden" / "wire" / "llama-cpp"
STREAMS: Final = sorted(WIRE.glob("messages-*.sse"))
WHOLE: Final = [path for path in sorted(WIRE.glob("messages-*.json")) if path.with_suffix(".sse").exists()]


def body(name: str) -> object:
    return json.loads((WIRE / name).read_text())["body"]


def streamed(path: Path, size: int) -> Answer:
    content = path.read_bytes()
    reader, collector = EventReader(), Collector(100_000)
    for start in range(0, len(content), size):
        for data in reader.feed(content[start : start + size]):
            collector.feed(data)
    assert collector.finished
    return collector.answer()


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_recorded_stream_is_the_same_however_it_is_cut(path: Path) -> None:
    found = streamed(path, 1_000_000)
    assert found.content
    assert found.usage is not None
    assert all(streamed(path, size) == found for size in (1, 7, 64))


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_a_recorded_answer_says_what_its_stream_says(path: Path) -> None:
    found = dialect.answer(json.dumps(body(path.name)).encode())
    told = streamed(path.with_suffix(".sse"), 64)
    assert (found.stop, found.stop_sequence, found.model) == (told.stop, told.stop_sequence, told.model)
    assert found.text == told.text
    assert [call.name for call in found.tool_calls] == [call.name for call in told.tool_calls]
    assert [json.loads(call.arguments) for call in found.tool_calls] == [
        json.loads(call.arguments) for call in told.tool_calls
    ]


def test_what_was_recorded_holds_a_call_a_cut_and_a_stop_sequence() -> None:
    found = [streamed(path, 64) for path in STREAMS]
    assert {answer.stop for answer in found} >= {"length", "stop_sequence"}
    assert any(answer.tool_calls for answer in found)


def test_a_recorded_count_and_a_recorded_error() -> None:
    assert dialect.tokens(json.dumps(body("messages-count-tokens.json")).encode()) > 0
    assert dialect.error_message(json.dumps(body("messages-wrong.json")).encode()) == "'messages' is required"
