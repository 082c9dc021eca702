# SPDX-License-Identifier: Apache-2.0
"""The scripted provider does on the wire what it says, as plain clients see it."""

import http.client
import json
import re
import urllib.error
import urllib.request
from typing import Any

import pytest
import tests.upstream
from tests.upstream.endpoints import ENDPOINTS
from tests.upstream.replies import BY_MODEL, answer, failure
from tests.upstream.server import Upstream, scripted_upstream
from tests.upstream.wire import END_OF_CHUNKS, Close, Hold, Received, Send

STREAMED_WELL = ("answer", "thousand-chunks", "ragged-stream", "split-call", "interleaved-calls")


def ask(upstream: Upstream, model: str, *, stream: bool = False) -> bytes:
    body = json.dumps({"model": model, "messages": [], "stream": stream}).encode()
    request = urllib.request.Request(upstream.base_url + "/chat/completions", body)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
        return response.read()


def events(content: bytes) -> list[dict[str, Any]]:
    texts = [line[6:] for line in content.decode().split("\n") if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text != "[DONE]"]


def test_records_what_it_was_asked() -> None:
    with scripted_upstream() as upstream:
        answered = json.loads(ask(upstream, "answer"))
        assert answered["choices"][0]["finish_reason"] == "stop"
        (request,) = upstream.requests
        assert (request.path, request.model, request.streamed) == ("/v1/chat/completions", "answer", False)
        assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")


@pytest.mark.parametrize("model", STREAMED_WELL)
def test_streams_end_with_a_reason_and_done(model: str) -> None:
    with scripted_upstream() as upstream:
        content = ask(upstream, model, stream=True)
        assert content.endswith(b"data: [DONE]\n\n")
        assert events(content)[-1]["choices"][0]["finish_reason"] in {"stop", "tool_calls"}


def test_forty_deltas_join_to_the_call() -> None:
    with scripted_upstream() as upstream:
        deltas = [item["choices"][0]["delta"] for item in events(ask(upstream, "split-call", stream=True))]
        calls = [delta["tool_calls"][0]["function"] for delta in deltas if "tool_calls" in delta]
        assert len(calls) == 40
        assert json.loads("".join(item.get("arguments", "") for item in calls))["amount"] == "25.00"


@pytest.mark.parametrize(
    ("model", "status"),
    [("limited", 429), ("broken", 500), ("unavailable", 503), ("rejected", 400), ("unauthorized", 401)],
)
def test_failures_have_an_openai_body(model: str, status: int) -> None:
    with scripted_upstream() as upstream, pytest.raises(urllib.error.HTTPError) as caught:
        ask(upstream, model)
    with caught.value as error:
        assert error.code == status
        assert json.load(error)["error"]["message"]
        assert status != 429 or error.headers["retry-after"] == "7"


@pytest.mark.parametrize("model", ["cut-stream", "wrong-length"])
def test_cut_replies_are_incomplete(model: str) -> None:
    with scripted_upstream() as upstream, pytest.raises(http.client.IncompleteRead):
        ask(upstream, model, stream=True)


def test_disconnects_without_an_answer() -> None:
    with scripted_upstream() as upstream, pytest.raises(ConnectionError):
        ask(upstream, "disconnect")


def test_an_empty_stream_is_empty() -> None:
    with scripted_upstream() as upstream:
        assert ask(upstream, "empty-stream", stream=True) == b""


def test_duplicate_keys_reach_the_wire() -> None:
    with scripted_upstream() as upstream:
        assert ask(upstream, "duplicate-tool-calls").count(b'"tool_calls"') == 2
        assert ask(upstream, "duplicate-name", stream=True).count(b'"name"') == 2


def test_replies_in_turn_and_the_last_one_stays() -> None:
    with scripted_upstream(failure(500, "server_error", "no"), answer("yes")) as upstream:
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(upstream, "any")
        caught.value.close()
        assert b"yes" in ask(upstream, "any")
        assert b"yes" in ask(upstream, "any")


def test_notices_that_the_caller_left() -> None:
    with scripted_upstream() as upstream:
        connection = http.client.HTTPConnection("127.0.0.1", upstream.port)
        connection.request("POST", "/v1/chat/completions", json.dumps({"model": "hang"}))
        request = upstream.wait_for_request()
        assert not request.left.is_set()
        connection.close()
        assert request.left.wait(10)


def test_a_held_stream_goes_on_when_told() -> None:
    with scripted_upstream() as upstream:
        connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)
        connection.request("POST", "/v1/chat/completions", json.dumps({"model": "hang-in-stream", "stream": True}))
        response = connection.getresponse()
        assert b"one" in response.readline()
        upstream.go_on()
        assert b"two" in response.read()
        connection.close()


def test_health_and_models_are_not_counted_as_requests() -> None:
    with scripted_upstream() as upstream:
        for path in ("/health", "/v1/models"):
            url = f"http://127.0.0.1:{upstream.port}{path}"
            with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - loopback
                assert response.status == 200
        assert upstream.requests == []


def test_every_reply_can_be_planned() -> None:
    assert len(BY_MODEL) >= 35


def test_the_table_of_names_is_whole() -> None:
    told = set(re.findall(r"[a-z0-9-]+", tests.upstream.__doc__ or ""))
    short = {"item", "name", "call-id", "response", "text", "id"}
    named = {name for endpoint in ENDPOINTS[1:] for name in endpoint.by_model}
    missing = {name for name in named if name not in told and name.removeprefix("differing-") not in short}
    assert missing == set()


def test_every_reply_of_every_endpoint_can_be_played_to_its_end() -> None:
    for endpoint in ENDPOINTS:
        for name, reply in endpoint.by_model.items():
            for streamed in (False, True) if name != "huge" else ():
                body: dict[str, Any] = {"model": name, "stream": streamed, "input": ["one", "two"]}
                request = Received("POST", f"/v1{endpoint.suffix}", {}, json.dumps(body).encode(), body)
                steps = list(reply(request))
                assert steps, name
                sent = b"".join(step.content for step in steps if isinstance(step, Send))
                assert not sent or sent.startswith(b"HTTP/1.1 "), name
                whole = steps[-1] == END_OF_CHUNKS or b"content-length" in sent.split(b"\r\n\r\n")[0]
                assert whole or isinstance(steps[-1], Close | Hold), name


def test_faults_say_two_things() -> None:
    """What a fault is for is on the wire, so that a test that expects a refusal does not pass by accident."""
    told = [
        ("/responses", "differing-arguments", b"A-9999", b"A-1001"),
        ("/responses", "differing-name", b"get_order_status", b"issue_refund"),
        ("/responses", "index-gap", b'"output_index":5', b'"output_index":0'),
        ("/responses", "sequence-gap", b'"sequence_number":99', b'"sequence_number":0'),
        ("/responses", "unknown-item", b"hologram_call", b"one two"),
        ("/responses", "two-types", b"event: response.output_text.delta", b'"type":"function_call"'),
        ("/messages", "differing-input", b"A-9999", b"issue_refund"),
        ("/messages", "index-gap", b'"index":5', b'"index":0'),
        ("/messages", "unknown-block", b"hologram", b"text_delta"),
        ("/messages", "two-types", b'event: ping\ndata: {"type":"content_block_start"', b"tool_use"),
        ("/messages", "duplicate-input", b"A-9999", b'"input":{}'),
    ]
    by_suffix = {endpoint.suffix: endpoint.by_model for endpoint in ENDPOINTS}
    for suffix, name, *parts in told:
        request = Received("POST", suffix, {}, b"{}", {"model": name, "stream": True})
        sent = b"".join(step.content for step in by_suffix[suffix][name](request) if isinstance(step, Send))
        assert all(part in sent for part in parts), (suffix, name)
