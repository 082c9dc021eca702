# SPDX-License-Identifier: Apache-2.0
"""What twenty tenants' applications send, each request full of its tenant's wires, and what each then tries on another.

The provider (`script`) repeats the wires of whoever asked in every place of an answer, good or broken: `mode=` in the
question says how. A new endpoint of the data plane needs a line in `ENDPOINTS`; the test says so.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tests.attacks import tripwire_dialects as dialects
from tests.attacks.tripwire import PAYLOAD, RECORD, Watch, encodings, whole, wire
from tests.attacks.tripwire_house import WORKERS, Answer, House, Tenant, ask, task_of
from tests.gateway.running import BOT, TOOLS
from tests.upstream.replies import answer, call, completion, failure, message, raw, stream, tool_calls, words
from tests.upstream.wire import Close, Received, Reply, Send, Step, as_json
from tests.upstream.wire import whole as whole_answer

Json = dict[str, Any]
COMPLETIONS: Final = "/v1/chat/completions"
STORED: Final = f"{dialects.RESPONSES}/{{id}}"
MODES: Final = (
    "text", "calls", "odd-calls", "nul", "finish", "rejected", "broken", "limited", "not-json", "bad-chunk", "cut",
    "status-line", "header", "bad-length", "said-error", "wrong-type",
)  # fmt: skip
_NO_DIALECT: Final = ("not-json", "status-line", "header")
"""Modes that break below any dialect."""
WELL: Final = ("text", "calls", "odd-calls", "rejected")
"""Modes that say nothing against the deployment: its breaker counts them as health."""
MAX_FAILURES: Final = 2
"""After so many turns in other modes a worker asks one in good health, so that its deployments are never left alone."""
TASK: Final = "customhouse-task"


class Turn(NamedTuple):
    """One request to the data plane."""

    label: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Held:
    """The ids that a tenant was given or chose, by what they are: what people look its traces up by."""

    traces: list[str] = field(default_factory=list[str])
    named: dict[str, str] = field(default_factory=dict[str, str])


def script(request: Received) -> Iterator[Step]:
    """Answer in the mode that the question names, with the wires of whoever asked."""
    asked = request.raw.decode()
    found, mode = re.search(r"tripw(\d\d)", asked), re.search(r"mode=([a-z-]+)", asked)
    assert found is not None
    assert mode is not None
    number, path = int(found.group(1)), dialects.path_of(request)
    if path is None or mode.group(1) in _NO_DIALECT:
        return _reply(number, mode.group(1))(request)
    return dialects.replies(path, number, mode.group(1), tuple(_proposed(number)))(request)


def _reply(number: int, mode: str) -> Reply:
    said = " ".join(encodings(wire(number, PAYLOAD, "said")).values())
    record, payload = wire(number, RECORD, "given"), wire(number, PAYLOAD, "given")
    arguments = json.dumps({"order_id": payload})
    named = [
        {**call(name, arguments, place), "id": f"{record}-{place}"} for place, name in enumerate(_proposed(number))
    ]
    replies: dict[str, Callable[[], Reply]] = {
        "text": lambda: _signed(number, {"content": said}),
        "calls": lambda: tool_calls(named[:2], content=said),
        "odd-calls": lambda: tool_calls(named, content=said),
        "nul": lambda: tool_calls([{**named[0], "id": f"{record}\x00"}]),
        "finish": lambda: answer(said, finish_reason=record),
        "rejected": lambda: failure(400, "invalid_request_error", said),
        "broken": lambda: failure(500, "server_error", said),
        "limited": lambda: failure(429, record, said, x_request_id=record),
        "not-json": lambda: raw('{"choices": ' + payload),
        "bad-chunk": lambda: _after_a_word(b'data: {"choices":[{"delta":' + payload.encode() + b"\n\n"),
        "cut": lambda: stream(words(said), cut_after=3),
        "status-line": lambda: _bytes(f"HTTP/1.1 {payload}\r\n\r\n"),
        "header": lambda: _bytes(f"HTTP/1.1 200 OK\r\nX-\x01{payload}: \x00{said}\r\n\r\n"),
        "bad-length": lambda: _bytes(f"HTTP/1.1 200 OK\r\nContent-Length: {payload}\r\n\r\n{said}"),
        "said-error": lambda: raw(json.dumps({"error": {"message": said, "code": record}})),
        "wrong-type": lambda: raw(json.dumps({"id": record, "choices": [{"message": payload, "finish_reason": 7}]})),
    }
    return replies[mode]()


def _proposed(number: int) -> Sequence[str]:
    own = wire(number, RECORD, "tool")
    return ("get_order_status", "issue_refund", "change_shipping_address", own, f"{own}\n2026-11-24 INFO all is well")


def _signed(number: int, given: Json) -> Reply:
    def reply(request: Received) -> Iterator[Step]:
        if request.streamed:
            yield from stream(words(given["content"]))(request)
        else:
            own = {key: wire(number, RECORD, key) for key in ("id", "model", "system_fingerprint")}
            yield whole_answer(200, as_json({**completion(given, "stop", request), **own}))

    return reply


def _after_a_word(event: bytes) -> Reply:
    def reply(request: Received) -> Iterator[Step]:
        *first, _ = message({"content": "one"})(request)
        yield from first[:2] if request.streamed else ()
        yield Send(f"{len(event):x}\r\n".encode() + event + b"\r\n" if request.streamed else event)
        yield Close()

    return reply


def _bytes(content: str) -> Reply:
    return lambda _request: iter((Send(content.encode()), Close()))


def headers(tenant: Tenant, **more: str) -> dict[str, str]:
    """Return what a tenant's backend sends with every request; a name's `_` is written `-`."""
    given = {"authorization": f"Bearer {tenant.token}", "content-type": "application/json"}
    return {**given, "customhouse-on-behalf-of": tenant.subject, **{k.replace("_", "-"): v for k, v in more.items()}}


def chat(tenant: Tenant, mode: str, **fields: object) -> bytes:
    """Return a chat request with wires in everything that a client may fill in."""
    said, own = wire(tenant.number, PAYLOAD, "asked"), wire(tenant.number, RECORD, "brought")
    messages: list[Json] = [
        {"role": "system", "content": f"system {said}"},
        {"role": "user", "content": f"mode={mode} {said}"},
        {"role": "assistant", "content": None, "tool_calls": [{**call(own, json.dumps({"a": said})), "index": 0}]},
        {"role": "tool", "tool_call_id": f"call_0_{own}", "content": said},
    ]
    del messages[2]["tool_calls"][0]["index"]
    brought = {"type": "function", "function": {"name": own, "description": said, "parameters": {"title": said}}}
    given = {"user": said, "metadata": {"customer": said}, "stop": [said], "tools": [*TOOLS, brought]}
    return json.dumps({"model": BOT, "messages": messages, **given, **fields}).encode()


def turns(tenant: Tenant) -> Iterator[Turn]:
    """Return all that a tenant's application sends: each mode whole, streamed and insisting, then what is refused."""
    place = 0
    for mode in MODES:
        for label, fields in (
            ("whole", {}),
            ("streamed", {"stream": True, "stream_options": {"include_usage": True}}),
            ("insisting", {"response_format": {"type": "json_object"}}),
        ):
            place += 1
            client_trace = f"{wire(tenant.number, RECORD).encode().hex()}{place:016x}"
            yield Turn(
                f"{mode} {label}", "POST", COMPLETIONS,
                headers(tenant, traceparent=f"00-{client_trace}-{place:016x}-01"), chat(tenant, mode, **fields),
            )  # fmt: skip
    for label, path, body in dialects.bodies(tenant.number):
        yield Turn(label, "POST", path, headers(tenant), json.dumps(body).encode())
    yield from _refused(tenant)


def _refused(tenant: Tenant) -> Iterator[Turn]:
    said = wire(tenant.number, PAYLOAD, "wrong")
    good, plain = headers(tenant), chat(tenant, "text")
    rows: list[tuple[str, Mapping[str, str], bytes]] = [
        ("no JSON", good, f'{{"model": {said}'.encode()),
        ("not UTF-8", good, f'{{"model": "{said}\xff"}}'.encode("latin-1")),
        ("unknown field", good, chat(tenant, "text", **{said: 1})),
        ("wrong type", good, chat(tenant, "text", messages=said)),
        ("twice", good, plain[:-1] + f', "user": "{said}"}}'.encode()),
        ("unknown model", good, chat(tenant, "text", model=said)),
        ("unknown class", headers(tenant, customhouse_classification=said), plain),
        ("no grant", headers(tenant, customhouse_on_behalf_of=f"admin:{said}"), plain),
        ("line in a subject", headers(tenant, customhouse_on_behalf_of=f"{tenant.subject}\t{said}"), plain),
        ("no tenant of his", headers(tenant, customhouse_tenant=f"{tenant.name}.{said}"), plain),
        ("compressed", headers(tenant, content_encoding=said), plain),
        ("too large", good, b" " * (4 * 1024 * 1024 + 1)),
        ("variable too long", good, chat(tenant, "text", metadata={"customer": said * 50})),
        ("too deep", good, b'{"model":' + b"[" * 5000 + said.encode()),
    ]
    for label, given, body in rows:
        yield Turn(label, "POST", COMPLETIONS, given, body)
    for label, path, body in dialects.broken(tenant.number):
        yield Turn(label, "POST", path, good, body)
    for path in dialects.SPOKEN:
        yield Turn("no key", "POST", path, {"authorization": f"Bearer chk_{said}"}, plain)
        yield Turn("no method", "PUT", f"{path}?{said}", good, b"")
    yield Turn("no key", "POST", COMPLETIONS, {"authorization": f"Bearer chk_{said}"}, plain)
    yield Turn("models", "GET", "/v1/models", good, b"")
    yield Turn("no endpoint", "GET", f"/v1/{said}", good, b"")
    yield Turn("no method", "DELETE", f"{COMPLETIONS}?{said}", good, b"")


ENDPOINTS: Final = frozenset(
    {
        ("POST", COMPLETIONS),
        ("GET", "/v1/models"),
        *(("POST", path) for path in dialects.SPOKEN),
        ("GET", STORED),
        ("DELETE", STORED),
        ("GET", f"{STORED}/input_items"),
    }
)
"""The endpoints of the data plane that `turns` uses with wires in all that they take, and who comes back for more."""


def intrusions(tenant: Tenant, victim: Tenant, held: Held) -> Iterator[Turn]:
    """Return what a tenant's caller tries with another's names and ids. The victim's names are no wires of his own."""
    plain = chat(tenant, "text")
    for name in ("customhouse_tenant", "customhouse_on_behalf_of", "customhouse_approval", "traceparent"):
        for value in (victim.name, victim.subject, *held.named.values()):
            yield Turn(f"{name} of another", "POST", COMPLETIONS, headers(tenant, **{name: value}), plain)
    yield Turn(
        "both tenants", "POST", COMPLETIONS, headers(tenant, customhouse_tenant=f"{tenant.name},{victim.name}"), plain
    )
    yield Turn("two keys", "POST", COMPLETIONS, headers(tenant, x_api_key=victim.token[:-1] + "A"), plain)
    yield from _in_other_dialects(tenant, victim, held)
    yield Turn("other model", "POST", COMPLETIONS, headers(tenant), chat(tenant, "text", model=victim.name))
    for name in held.named.values():
        for path in (
            f"{COMPLETIONS}/{name}",
            f"/v1/models?after={name}",
            f"/v1/traces/{name}",
        ):
            yield Turn("by id", "GET", path, headers(tenant), b"")
        yield Turn("control API", "GET", f"/api/v1/traces/{name}?payloads=1", headers(tenant), b"")


def _in_other_dialects(tenant: Tenant, victim: Tenant, held: Held) -> Iterator[Turn]:
    texts = [(path, body) for label, path, body in dialects.bodies(tenant.number) if label == "text whole"]
    for path, body in texts:
        for value in (victim.name, *held.named.values()):
            for name in ("customhouse_tenant", "customhouse_approval"):
                yield Turn(
                    f"{name} of another", "POST", path, headers(tenant, **{name: value}), json.dumps(body).encode()
                )
    for name in (victim.name, *held.named.values()):
        going_on = dialects.response(tenant.number, "text", previous_response_id=name)
        yield Turn("stored by another", "POST", dialects.RESPONSES, headers(tenant), json.dumps(going_on).encode())
        for method, path in (("DELETE", ""), ("GET", ""), ("GET", "/input_items")):
            yield Turn("stored by another", method, f"{dialects.RESPONSES}/{name}{path}", headers(tenant), b"")


def everybody_asks(house: House, watch: Watch) -> dict[int, Held]:
    """Send every tenant's requests, mixed and at once, over connections that all of them share; watch each answer."""
    jobs = [(tenant, turn) for tenant in house.tenants for turn in turns(tenant)]
    random.Random(3).shuffle(jobs)  # noqa: S311 - a repeatable order, no secret
    held = {tenant.number: Held() for tenant in house.tenants}

    def work(worker: int, part: list[tuple[Tenant, Turn]]) -> None:
        connection = house.connection()
        failures: Counter[str] = Counter()
        for tenant, turn in part:
            task = task_of(worker, turn.path)
            given = ask(connection, turn.method, turn.path, turn.body or None, {TASK: task, **turn.headers})
            watch.look(f"{turn.label} for tenant {tenant.number}", given.shown, whole(tenant.number))
            assert given.status != 500, (turn.label, given)
            _note(held[tenant.number], tenant, turn, given)
            failures[task] += turn.label.partition(" ")[0] not in WELL
            if failures[task] >= MAX_FAILURES:
                failures[task] = 0
                path = turn.path if turn.path in dialects.SPOKEN else COMPLETIONS
                body = chat(tenant, "text") if path == COMPLETIONS else dialects.healthy(tenant.number, path)
                well = ask(connection, "POST", path, body, {TASK: task, **headers(tenant)})
                assert well.status == 200, (turn.label, well)
        connection.close()

    _in_parts(work, jobs)
    return held


def everybody_returns(house: House, held: Mapping[int, Held], watch: Watch) -> None:
    """Let every tenant read what is stored for it, with its wires, and go on from there; nobody else was able to."""
    connection = house.connection()
    for tenant in house.tenants:
        stored = held[tenant.number].named["stored response"]
        more = json.dumps(dialects.response(tenant.number, "text", previous_response_id=stored)).encode()
        one = f"{dialects.RESPONSES}/{stored}"
        for method, path, body, status in (
            ("GET", one, None, 200),
            ("GET", f"{one}/input_items", None, 200),
            ("POST", dialects.RESPONSES, more, 200),
            ("DELETE", one, None, 200),
            ("GET", one, None, 404),
        ):
            given = ask(connection, method, path, body, headers(tenant))
            watch.look(f"{method} {path} by its tenant {tenant.number}", given.shown, whole(tenant.number))
            assert given.status == status, (method, path, given)
    connection.close()


def everybody_intrudes(house: House, held: Mapping[int, Held], watch: Watch) -> None:
    """Let every tenant's caller try the names and ids of the next one."""
    jobs = [
        (tenant, turn)
        for tenant in house.tenants
        for victim in [house.tenants[(tenant.number + 1) % len(house.tenants)]]
        for turn in intrusions(tenant, victim, held[victim.number])
    ]

    def work(_worker: int, part: list[tuple[Tenant, Turn]]) -> None:
        connection = house.connection()
        for tenant, turn in part:
            given = ask(connection, turn.method, turn.path, turn.body or None, turn.headers)
            watch.look(f"{turn.label}, tried by tenant {tenant.number}", given.shown, whole(tenant.number))
            if "tenant" in turn.label:
                assert given.status == 403, (turn, given)
            if turn.label == "stored by another":
                assert given.status == 404, (turn, given)
        connection.close()

    _in_parts(work, jobs)


def _in_parts(work: Callable[[int, list[tuple[Tenant, Turn]]], None], jobs: list[tuple[Tenant, Turn]]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for done in [pool.submit(work, start, jobs[start::WORKERS]) for start in range(WORKERS)]:
            done.result()


def _note(held: Held, tenant: Tenant, turn: Turn, given: Answer) -> None:
    """Keep the ids of a good turn with tool calls: every kind of id that somebody may hold in hand."""
    if given.status == 200 and (turn.path, turn.label) == (dialects.RESPONSES, "calls whole"):
        held.named["stored response"] = given.json["id"]
    if given.status != 200 or turn.path != COMPLETIONS:
        return
    trace_id = given.headers["customhouse-trace-id"]
    held.traces.append(trace_id)
    if turn.label == "calls whole":
        held.named |= {
            "trace": trace_id,
            "response": given.json["id"],
            "tool call": f"{wire(tenant.number, RECORD, 'given')}-0",
            "decision": given.headers["customhouse-decisions"].partition(",")[0],
            "client's trace": turn.headers["traceparent"].split("-")[1],
        }
