# SPDX-License-Identifier: Apache-2.0
"""The edge: who may call, what a request may hold, how large and how long; refusals in the client's own dialect."""

import http.client
import json
import socket
from pathlib import Path

import pytest
from tests.gateway.running import BOT, TOOLS, Answer, Json, Running, create_key, documents, running
from tests.upstream.server import Upstream

USER = [{"role": "user", "content": "hi"}]


def refused(answer: Answer, status: int, code: str) -> None:
    assert answer.status == status, answer.body
    error = answer.json["error"]
    assert error["code"] == code
    assert error["trace_id"] == answer.headers["customhouse-trace-id"]
    assert error["message"]


BAD_BODIES = [
    # body, code, param
    (b"", "request.invalid", None),
    (b"{", "request.invalid", None),
    (b"[]", "request.invalid", None),
    (b"\xff\xfe", "request.invalid", None),
    (b'{"model":"support","model":"other","messages":[]}', "request.duplicate_key", None),
    (b'{"model":"support","messages":[]}', "request.invalid", "messages"),
    (b'{"model":"support","messages":[{"role":"user"}]}', "request.invalid", "messages.0"),
    (b'{"model":"support","messages":[{"role":"tool","content":"x"}]}', "request.invalid", "messages.0"),
    (b'{"model":"support","messages":[{"role":"wizard","content":"x"}]}', "request.invalid", None),
    (b'{"model":"support","messages":[{"role":"user","content":NaN}]}', "request.invalid", None),
    (b'{"model":"support","messages":[{"role":"user","content":"\\ud800"}]}', "request.invalid", None),
    (b"[" * 200_000, "request.invalid", None),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> "object":
    """Run one gateway for the rows of this file: nothing here depends on another row."""
    from tests.upstream.server import scripted_upstream  # noqa: PLC0415 - the shared fixture is for one test each

    with (
        scripted_upstream() as upstream,
        running(tmp_path_factory.mktemp("edge") / "home", documents(upstream.base_url), max_body_bytes=1_000_000) as up,
    ):
        yield up


@pytest.mark.parametrize(("body", "code", "param"), BAD_BODIES)
def test_a_bad_body_is_refused(gateway: Running, body: bytes, code: str, param: str | None) -> None:
    answer = gateway.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {gateway.key}"})
    refused(answer, 400, code)
    assert answer.json["error"]["param"] == param
    assert gateway.kinds(answer.headers["customhouse-trace-id"]) == ["request.refused"]


NAMES = ["", "x" * 65, "get order", "get_order\n", "получить", "\u202eget", "a/b", "💣" * 32]


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_s_name_is_bounded(gateway: Running, name: str) -> None:
    refused(gateway.chat(tools=[{"type": "function", "function": {"name": name}}]), 400, "request.invalid")


def test_as_many_tools_as_are_accepted_fit_into_the_evidence(gateway: Running) -> None:
    tools = [{"type": "function", "function": {"name": f"{number:03}" + "x" * 61}} for number in range(128)]
    answer = gateway.chat(tools=tools)
    assert answer.status == 200
    assert gateway.kinds(answer.headers["customhouse-trace-id"])[-1] == "response.completed"


FIELDS = [
    "web_search_options",
    "mcp_servers",
    "store",
    "functions",
    "function_call",
    "logit_bias",
    "modalities",
    "audio",
]


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_a_capability_is_named(gateway: Running, field: str) -> None:
    fields: dict[str, Json] = {field: {}}
    answer = gateway.chat(None, **fields)
    refused(answer, 400, "request.field_not_allowed")
    assert answer.json["error"]["param"] == field


HEADERS = [
    # headers, status, code
    ({"authorization": ""}, 401, "identity.unauthenticated"),
    ({"authorization": "Basic abc"}, 401, "identity.unauthenticated"),
    ({"authorization": "Bearer chk_" + "A" * 43}, 401, "identity.unauthenticated"),
    ({"authorization": "Bearer cho_" + "A" * 43}, 401, "identity.unauthenticated"),
    ({"x-api-key": "chk_" + "A" * 43}, 401, "identity.unauthenticated"),
    ({"customhouse-on-behalf-of": "user:42"}, 403, "identity.delegation_refused"),
    ({"customhouse-tenant": "other"}, 403, "identity.tenant_refused"),
    ({"customhouse-classification": "secret"}, 400, "request.unknown_classification"),
    ({"content-encoding": "gzip"}, 400, "request.invalid"),
    ({"host": "evil.test"}, 421, "request.host_unknown"),
    ({"host": "127.0.0.1.evil.test"}, 421, "request.host_unknown"),
]


@pytest.mark.parametrize(("headers", "status", "code"), HEADERS)
def test_a_header_that_does_not_fit_is_refused(
    gateway: Running, headers: dict[str, str], status: int, code: str
) -> None:
    refused(gateway.chat(headers), status, code)


def test_another_model_name_is_not_found(gateway: Running) -> None:
    refused(gateway.chat(model="gpt-5"), 404, "assistant.unknown")
    assert gateway.chat(model="support-alias").status == 200


def test_a_body_over_the_bound_is_413_before_it_is_read(gateway: Running) -> None:
    refused(gateway.chat(user="x" * 1_100_000), 413, "request.body_too_large")


def test_a_chunked_body_over_the_bound_is_413(gateway: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    headers = {"authorization": f"Bearer {gateway.key}", "transfer-encoding": "chunked"}
    connection.request(
        "POST", "/v1/chat/completions", (b"x" * 100_000 for _ in range(11)), headers, encode_chunked=True
    )
    response = connection.getresponse()
    assert response.status == 413
    connection.close()


def test_other_paths_and_methods_are_refused(gateway: Running) -> None:
    refused(gateway.request("POST", "/v1/completions"), 404, "request.not_found")
    wrong_method = gateway.request("GET", "/v1/chat/completions")
    refused(wrong_method, 405, "request.method_refused")
    assert wrong_method.headers["allow"] == "POST"
    assert gateway.request("GET", "/v2").status == 404


def test_models_lists_the_key_s_assistant_and_its_aliases(gateway: Running) -> None:
    answer = gateway.request("GET", "/v1/models", None, {"authorization": f"Bearer {gateway.key}"})
    assert [entry["id"] for entry in answer.json["data"]] == [BOT, "support-alias"]
    assert answer.headers["customhouse-release"] == "support@1"
    refused(gateway.request("GET", "/v1/models"), 401, "identity.unauthenticated")


def test_two_different_keys_in_one_request_are_refused(gateway: Running) -> None:
    refused(gateway.chat({"x-api-key": "chk_" + "B" * 43}), 401, "identity.unauthenticated")


def test_a_header_that_decides_cannot_be_sent_twice(gateway: Running) -> None:
    body = json.dumps({"model": BOT, "messages": USER}).encode()
    lines = [
        b"POST /v1/chat/completions HTTP/1.1",
        b"Host: 127.0.0.1",
        f"Authorization: Bearer {gateway.key}".encode(),
        b"customhouse-tenant: default",
        b"customhouse-tenant: other",
        b"Connection: close",
        f"Content-Length: {len(body)}".encode(),
    ]
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as raw:
        raw.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert b" 400 " in answer.split(b"\r\n", 1)[0]


def test_tool_choice_for_a_tool_that_is_not_granted_is_refused(gateway: Running) -> None:
    choice = {"type": "function", "function": {"name": "change_shipping_address"}}
    refused(gateway.chat(tools=TOOLS, tool_choice=choice), 400, "request.invalid")


def test_health_needs_no_key_and_readiness_tells_why(gateway: Running) -> None:
    assert gateway.request("GET", "/healthz").json == {"status": "ok"}
    ready = gateway.request("GET", "/readyz")
    assert (ready.status, ready.json["ready"], ready.json["database"]) == (200, True, "ok")


def test_delegation_within_the_grant_is_recorded_as_asserted(home: Path, upstream: Upstream) -> None:
    import asyncio  # noqa: PLC0415 - one use

    with running(home, documents(upstream.base_url)) as gateway:
        made = create_key(gateway.control, tenants=("a", "b"), delegate=("user:*",))
        key = asyncio.run_coroutine_threadsafe(made, gateway.loop).result(30)
        headers = {"authorization": f"Bearer {key}", "customhouse-on-behalf-of": "user:42", "customhouse-tenant": "b"}
        answer = gateway.chat(headers)
        while answer.status == 401:  # the server learns of the key at its next poll
            answer = gateway.chat(headers)
        accepted = gateway.records(answer.headers["customhouse-trace-id"])[0]
        assert accepted["tenant"] == "b"
        assert accepted["principal"]["on_behalf_of"] == "user:42"
        assert accepted["principal"]["assertion"] == "asserted"
        claimed = gateway.chat({**headers, "customhouse-on-behalf-of": "admin:1"})
        refused(claimed, 403, "identity.delegation_refused")
        (record,) = gateway.records(claimed.headers["customhouse-trace-id"])
        assert (record["tenant"], record["kind"]) == ("_organization", "request.refused")
        assert record["decision"]["reasons"] == ["identity.delegation_refused"]
        refused(gateway.chat({"authorization": f"Bearer {key}"}), 403, "identity.tenant_refused")


def test_more_turns_than_allowed_are_told_to_come_back(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url), max_turns=0) as gateway:
        answer = gateway.chat()
        refused(answer, 429, "gateway.overloaded")
        assert answer.headers["retry-after"] == "1"
