# SPDX-License-Identifier: Apache-2.0
"""Traces over the API: found by every id, payloads only for those who may, and reading them is evidence."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.gateway.running import TOOLS, Running, create_key, documents, running
from tests.upstream import replies
from tests.upstream.server import Upstream, scripted_upstream
from tests.upstream.wire import Received, Step

from customhouse.access import people
from customhouse.access.roles import Role
from customhouse.domain.principal import Actor

LOCAL = Actor("local:1000", "local", frozenset())


def person(gateway: Running, email: str, *roles: Role) -> str:
    """Add a person; return the operator key."""
    added = people.add(gateway.control, LOCAL, people.NewPerson(email=email, roles=roles), trace_id="t")
    return asyncio.run_coroutine_threadsafe(added, gateway.loop).result(30).key


def get(gateway: Running, key: str, path: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    place = path if path.startswith("?") or not path else f"/{path}"
    connection.request("GET", f"/api/v1/traces{place}", headers={"authorization": f"Bearer {key}"})
    response = connection.getresponse()
    body: dict[str, Any] = json.loads(response.read())
    connection.close()
    return response.status, body


def test_a_trace_is_found_by_every_id(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url, ("parallel-calls",))) as gateway:
        key = person(gateway, "sam@acme.test", "auditor")
        answer = gateway.chat({"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}, tools=TOOLS)
        trace_id = answer.headers["customhouse-trace-id"]
        call_id = answer.json["choices"][0]["message"]["tool_calls"][0]["id"]
        decision = answer.receipt["decisions"][0]["id"]
        for name in (trace_id, answer.json["id"], call_id, decision, "ab" * 16, "last"):
            status, found = get(gateway, key, name)
            assert (status, found["trace_id"], found["intact"]) == (200, trace_id, True), name
        status, found = get(gateway, key, "support@1")
        assert (status, found["steps"][0]["record"]["kind"]) == (200, "release.published")
        assert get(gateway, key, "nothing")[0] == 404
        assert get(gateway, key, f"{trace_id}?tenant=other")[0] == 404


def listed(gateway: Running, operator_key: str, /, **query: str) -> list[str]:
    status, found = get(gateway, operator_key, f"?{urlencode(query)}")
    assert status == 200, found
    return [each["trace_id"] for each in found["traces"]]


def test_the_newest_traces_of_a_release_a_key_and_a_person(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url), ("user:*",)) as gateway:
        key = person(gateway, "sam@acme.test", "auditor")
        asked = [
            gateway.chat({"customhouse-on-behalf-of": f"user:{n % 2}"}).headers["customhouse-trace-id"]
            for n in range(24)
        ]
        newest = asked[::-1]
        key_id = gateway.records(asked[0])[0]["principal"]["key"]
        assert listed(gateway, key, release="support@1", tenant="default") == newest[:20]
        assert listed(gateway, key, key=key_id, tenant="default") == newest[:20]
        assert listed(gateway, key, person="user:1") == newest[::2]
        assert listed(gateway, key, person="user:9") == []
        assert listed(gateway, key, person="user:1", tenant="other") == []
        acted = get(gateway, key, f"?{urlencode({'person': LOCAL.name})}")[1]["traces"]
        assert {each["kind"] for each in acted} >= {"release.published", "key.created"}
        created = get(gateway, key, f"?{urlencode({'key': key_id, 'tenant': '_organization'})}")[1]["traces"]
        assert [each["kind"] for each in created] == ["key.created"]


def test_a_list_names_exactly_one(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        key = person(gateway, "sam@acme.test", "auditor")
        for query in ("", "?tenant=default", "?key=a&person=b"):
            status, found = get(gateway, key, query)
            assert (status, found["code"]) == (400, "request.invalid"), query


def test_a_model_that_names_its_call_after_a_person_is_not_in_that_persons_list(home: Path) -> None:
    def reply(request: Received) -> Iterator[Step]:
        calls = [{**replies.call("issue_refund", "{}"), "id": "user:1"}]
        yield from replies.tool_calls(calls)(request)

    with (
        scripted_upstream(by_model={"answer": reply}) as upstream,
        running(home, documents(upstream.base_url), ("user:*",)) as gateway,
    ):
        key = person(gateway, "sam@acme.test", "auditor")
        own = gateway.chat({"customhouse-on-behalf-of": "user:1"}).headers["customhouse-trace-id"]
        other = gateway.chat({"customhouse-on-behalf-of": "user:2"}, tools=TOOLS).headers["customhouse-trace-id"]
        assert get(gateway, key, "user:1")[1]["trace_id"] == other
        assert listed(gateway, key, person="user:1") == [own]


def test_a_model_cannot_hide_a_trace_behind_an_id_it_chose(home: Path) -> None:
    """The upstream names its tool call after a release and after an earlier trace: both are still found."""
    chosen: list[str] = ["support@1"]

    def reply(request: Received) -> Iterator[Step]:
        calls = [{**replies.call("issue_refund", "{}"), "id": chosen[-1]}]
        yield from replies.tool_calls(calls)(request)

    with (
        scripted_upstream(by_model={"answer": reply}) as upstream,
        running(home, documents(upstream.base_url)) as gateway,
    ):
        key = person(gateway, "sam@acme.test", "auditor")
        first = gateway.chat(tools=TOOLS).headers["customhouse-trace-id"]
        chosen.append(first)
        gateway.chat(tools=TOOLS)
        assert get(gateway, key, first)[1]["trace_id"] == first
        assert get(gateway, key, "support@1")[1]["steps"][0]["record"]["kind"] == "release.published"
        assert first in get(gateway, key, "support@1")[1]["others"]


PAYLOADS: list[tuple[str, tuple[Role, ...], int]] = [
    # who, roles, what reading payloads answers
    ("sam@acme.test", ("auditor",), 200),
    ("dana@acme.test", ("captain",), 200),
    ("ben@acme.test", ("captain",), 403),
    ("ola@acme.test", ("approver", "oncall"), 403),
    ("ada@acme.test", ("admin",), 403),
]


@pytest.mark.parametrize(("email", "roles", "status"), PAYLOADS)
def test_payloads_are_for_those_who_may_and_reading_is_evidence(
    home: Path, upstream: Upstream, email: str, roles: tuple[Role, ...], status: int
) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        key = person(gateway, email, *roles)
        trace_id = gateway.chat().headers["customhouse-trace-id"]
        answered, found = get(gateway, key, f"{trace_id}?payloads=1")
        assert answered == status
        read = gateway.rows("SELECT canonical FROM evidence WHERE kind = 'access.read'")
        if status == 200:
            assert any("Where is order 7?" in payload["text"] for payload in found["payloads"])
            (record,) = [json.loads(row[0]) for row in read]
            assert (record["principal"]["actor"], record["detail"]["trace_id"]) == (email, trace_id)
            assert record["tenant"] == "default", "the tenant's own log says who read its data"
        else:
            assert not read
            assert "Where is order 7?" not in str(found)


def test_a_payload_that_was_altered_does_not_open(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        key = person(gateway, "sam@acme.test", "auditor")
        trace_id = gateway.chat().headers["customhouse-trace-id"]
        gateway.alter("UPDATE payload SET sealed = zeroblob(length(sealed))")
        assert get(gateway, key, f"{trace_id}?payloads=1")[0] == 503


def test_a_record_that_was_altered_is_said(home: Path, upstream: Upstream) -> None:
    with running(home, documents(upstream.base_url)) as gateway:
        key = person(gateway, "sam@acme.test", "auditor")
        trace_id = gateway.chat().headers["customhouse-trace-id"]
        gateway.alter("UPDATE evidence SET canonical = CAST(replace(canonical, 'support@1', 'support@2') AS BLOB)")
        status, found = get(gateway, key, trace_id)
        assert (status, found["intact"]) == (200, False)


def test_a_captain_opens_no_payload_of_a_trace_whose_records_cannot_be_read(home: Path, upstream: Upstream) -> None:
    """The records name the assistant: without one there was nobody to ask, and every captain was let in."""
    with running(home, documents(upstream.base_url)) as gateway:
        key = person(gateway, "ben@acme.test", "captain")
        trace_id = gateway.chat().headers["customhouse-trace-id"]
        gateway.alter("UPDATE evidence SET canonical = CAST('{}' AS BLOB)")
        status, found = get(gateway, key, f"{trace_id}?payloads=1")
        assert (status, found["code"]) == (403, "access.not_the_captain")


@pytest.mark.parametrize("tenant", ["", "%00", "_staff", "%25", "a/b", "d%D0%B5fault"])
def test_what_is_no_tenants_name_is_refused_as_such(home: Path, upstream: Upstream, postgres: str, tenant: str) -> None:
    with running(home, documents(upstream.base_url), database=postgres) as gateway:
        key = person(gateway, "sam@acme.test", "auditor")
        for path in ("last", gateway.chat().headers["customhouse-trace-id"]):
            status, found = get(gateway, key, f"{path}?tenant={tenant}")
            assert (status, found["param"]) == (400, "tenant")


def test_another_tenants_tool_calls_push_no_trace_off_a_persons_list(home: Path) -> None:
    """A model may call its tools `user:42`; twenty such calls of bolt left acme's traces of user:42 out of the list."""
    named = replies.tool_calls([{**replies.call("get_order_status", '{"order_id":"A-1001"}'), "id": "user:42"}])
    with scripted_upstream(replies.answer(), named) as provider, running(home, documents(provider.base_url)) as gateway:
        key = person(gateway, "sam@acme.test", "auditor")
        both = gateway.run(create_key(gateway.control, tenants=("acme", "bolt"), delegate=("user:*",)))
        bolt = {"authorization": f"Bearer {both}", "customhouse-tenant": "bolt"}
        acme = {**bolt, "customhouse-tenant": "acme", "customhouse-on-behalf-of": "user:42"}
        while (asked := gateway.chat(acme)).status == 401:
            pass  # the server learns of the key when the database tells of it
        for _ in range(21):
            assert gateway.chat(bolt, tools=TOOLS).status == 200
        assert listed(gateway, key, person="user:42") == [asked.headers["customhouse-trace-id"]]
