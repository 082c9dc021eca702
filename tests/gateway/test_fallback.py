# SPDX-License-Identifier: Apache-2.0
"""Every way an upstream can fail: the next deployment answers, then the fallback answer, and the evidence says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.running import FALLBACK, Json, documents, running, takes
from tests.upstream import replies
from tests.upstream.replies import TEXT
from tests.upstream.server import Upstream, scripted_upstream
from tests.upstream.wire import Received, Reply, Step, whole

FAST = {"connect_timeout_s": 1, "first_byte_timeout_s": 1, "idle_timeout_s": 1}

ROWS = [
    # model, streamed, reason that the evidence gives
    ("broken", False, "upstream.server_error"),
    ("unavailable", True, "upstream.server_error"),
    ("limited", False, "upstream.limited"),
    ("limited", True, "upstream.limited"),
    ("unauthorized", False, "upstream.misconfigured"),
    ("missing-model", False, "upstream.misconfigured"),
    ("wrong-json", False, "upstream.protocol"),
    ("not-an-object", False, "upstream.protocol"),
    ("no-choices", False, "upstream.protocol"),
    ("empty-stream", True, "upstream.empty_stream"),
    ("cut-before-first", True, "upstream"),
    ("hang", False, "upstream.timeout"),
    ("hang", True, "upstream.timeout"),
    ("disconnect", False, "upstream.connection"),
    ("wrong-length", False, "upstream.connection"),
    ("duplicate-tool-calls", False, "upstream.protocol"),
]


@pytest.mark.parametrize(("model", "stream", "reason"), ROWS)
def test_the_next_deployment_answers(home: Path, upstream: Upstream, model: str, reason: str, *, stream: bool) -> None:
    with running(home, documents(upstream.base_url, (model, "answer")), **FAST) as gateway:
        answer = gateway.chat(stream=stream)
        assert answer.status == 200
        assert answer.text.strip() == TEXT
        assert answer.headers["customhouse-deployment"] == "local/answer"
        records = gateway.records(answer.headers["customhouse-trace-id"])
        kinds = [record["kind"] for record in records]
        assert kinds == [
            "request.accepted",
            "model.called",
            "model.failed",
            "model.called",
            "model.answered",
            "response.completed",
        ]
        assert records[2]["decision"]["reasons"][0].startswith(reason)
        assert [record["model"]["attempt"] for record in records[1:5]] == [1, 1, 2, 2]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_when_all_fail_the_declared_answer_comes_stamped(home: Path, upstream: Upstream, *, stream: bool) -> None:
    with running(home, documents(upstream.base_url, ("broken", "limited"))) as gateway:
        answer = gateway.chat(stream=stream, stream_options={"include_usage": True} if stream else None)
        assert answer.status == 200
        assert answer.text == FALLBACK
        assert answer.receipt["fallback"] is True
        assert answer.headers["customhouse-deployment"] == "fallback"
        completed = gateway.records(answer.headers["customhouse-trace-id"])[-1]
        assert completed["outcome"] == "fallback"
        assert completed["decision"]["reasons"] == ["upstream.limited"]


FORM: dict[str, Json] = {"response_format": {"type": "json_object"}}
NO_FALLBACK: list[tuple[str, dict[str, Json], int, str]] = [
    # what a sentence cannot stand in for: the failure itself is told
    ("broken", FORM, 502, "upstream.failed"),
    ("limited", FORM, 429, "upstream.limited"),
    ("hang", FORM, 504, "upstream.timeout"),
    ("rejected", {}, 400, "upstream.rejected"),
]


@pytest.mark.parametrize(("model", "fields", "status", "code"), NO_FALLBACK)
def test_a_request_for_a_form_gets_the_error(
    home: Path, upstream: Upstream, model: str, fields: dict[str, Json], status: int, code: str
) -> None:
    with running(home, documents(upstream.base_url, (model,)), **FAST) as gateway:
        answer = gateway.chat(None, **fields)
        assert (answer.status, answer.json["error"]["code"]) == (status, code)
        assert answer.headers["customhouse-release"] == "support@1"
        kinds = gateway.kinds(answer.headers["customhouse-trace-id"])
        assert kinds == ["request.accepted", "model.called", "model.failed", "response.completed"]
        if model == "limited":
            assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", ["cut-stream", "no-finish", "clean-end-no-done", "hang-in-stream", "error-in-stream"])
def test_a_stream_that_breaks_ends_with_an_error_event(home: Path, upstream: Upstream, model: str) -> None:
    with running(home, documents(upstream.base_url, (model, "answer")), **FAST) as gateway:
        answer = gateway.chat(stream=True)
        assert answer.status == 200
        last = answer.chunks[-1]
        assert last["error"]["code"].startswith("upstream.")
        assert last["error"]["trace_id"] == answer.headers["customhouse-trace-id"]
        assert "[DONE]" not in answer.events
        records = gateway.records(answer.headers["customhouse-trace-id"])
        assert [record["kind"] for record in records][-2:] == ["model.failed", "response.completed"]
        assert records[-1]["outcome"] == "failed"


def test_a_required_call_that_does_not_come_is_named(home: Path, upstream: Upstream) -> None:
    tools = [{"type": "function", "function": {"name": "get_order_status", "parameters": takes("get_order_status")}}]
    with running(home, documents(upstream.base_url, ("tool-choice-ignored",))) as gateway:
        answer = gateway.chat(tools=tools, tool_choice="required")
        assert (answer.status, answer.json["error"]["code"]) == (502, "upstream.failed")
        failed = gateway.records(answer.headers["customhouse-trace-id"])[2]
        assert failed["decision"]["reasons"] == ["upstream.tool_choice_ignored"]


def deep(request: Received) -> Iterator[Step]:
    """Answer JSON that is nested deeper than any parser's stack."""
    del request
    yield whole(200, b'{"choices":' + b"[" * 5000 + b"]" * 5000 + b"}")


def many(request: Received) -> Iterator[Step]:
    """Propose more calls than anybody decides."""
    yield from replies.tool_calls([replies.call("issue_refund", "{}", number) for number in range(200)])(request)


@pytest.mark.parametrize("reply", [deep, many])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_answer_made_to_hurt_is_a_failure_like_any_other(home: Path, reply: Reply, *, stream: bool) -> None:
    by_model = {**replies.BY_MODEL, "hurt": reply}
    with (
        scripted_upstream(by_model=by_model) as upstream,
        running(home, documents(upstream.base_url, ("hurt", "answer"))) as gateway,
    ):
        answer = gateway.chat(stream=stream)
        assert answer.text.strip() == TEXT
        failed = gateway.records(answer.headers["customhouse-trace-id"])[2]
        assert failed["kind"] == "model.failed"
        assert gateway.rows("SELECT count(*) FROM open_call") == [(0,)]


def test_what_was_shown_before_a_stream_broke_is_kept(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("cut-stream",))) as gateway:
        answer = gateway.chat(stream=True)
        shown = "".join(c["delta"].get("content") or "" for chunk in answer.chunks[:-1] for c in chunk["choices"])
        failed = gateway.records(answer.headers["customhouse-trace-id"])[2]
        assert shown
        assert failed["commitments"]["model_answer"].startswith("hmac-sha256:")


def test_a_finish_reason_never_announces_calls_that_are_not_there(home: Path) -> None:
    by_model = {"odd": replies.answer(finish_reason="tool_calls")}
    with (
        scripted_upstream(by_model=by_model) as upstream,
        running(home, documents(upstream.base_url, ("odd",))) as gateway,
    ):
        assert gateway.chat().json["choices"][0]["finish_reason"] == "stop"


def test_a_thousand_chunks_arrive(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("thousand-chunks",))) as gateway:
        answer = gateway.chat(stream=True)
        assert answer.text.split() == [str(number) for number in range(1000)]


def test_an_answer_over_the_bound_is_a_failure(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("huge",)), max_answer_bytes=1_000_000) as gateway:
        assert gateway.chat().text == FALLBACK
